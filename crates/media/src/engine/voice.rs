//! What we say on a stream: a prompt or music, and digits, which go ahead of it. Frames come one by one, paced by the
//! stream; nothing here knows the time.

use std::collections::VecDeque;

use sdp::Codec;

use super::live::Live;
use crate::command::Spoken;
use crate::prompt::Clip;
use crate::{dtmf, g711};

/// 20 ms, in which digits are sent whatever the packet length of audio is.
const DIGIT_SAMPLES: usize = 160;

#[derive(Default)]
pub(super) struct Voice {
    playing: Option<Playing>,
    /// Events still to send, the first under way.
    digits: VecDeque<u8>,
    step: u8,
    live: Option<Box<Live>>,
}

struct Playing {
    id: u64,
    clip: Clip,
    at: usize,
    repeat: bool,
}

/// The next thing to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// So many codes were written.
    Audio(usize),
    Event {
        first: bool,
        payload: dtmf::Payload,
    },
    Pause,
}

/// A frame, how many samples it stands for, and the prompt that ended with it.
pub(super) struct Said {
    pub(super) frame: Frame,
    pub(super) samples: usize,
    pub(super) finished: Option<u64>,
}

impl Voice {
    pub(super) fn play(&mut self, id: u64, clip: Clip, repeat: bool) {
        self.playing = Some(Playing { id, clip, at: 0, repeat });
    }

    pub(super) fn silence(&mut self) {
        self.playing = None;
    }

    /// Keys that do not exist are left out.
    pub(super) fn dial(&mut self, digits: &str) {
        self.digits.extend(digits.chars().filter_map(dtmf::event));
    }

    /// Whoever listens by a tap speaks.
    pub(super) fn say(&mut self, tap: u64, said: Spoken) {
        let live = self.live.get_or_insert_with(|| Box::new(Live::new(tap)));
        if live.tap != tap {
            **live = Live::new(tap);
        }
        live.take(said);
    }

    /// A tap ended.
    pub(super) fn hush(&mut self, tap: u64) {
        self.live.take_if(|live| live.tap == tap);
    }

    /// Whose marks were reached since this was asked last, and which.
    pub(super) fn reached(&mut self) -> Option<(u64, Vec<u64>)> {
        self.live.as_mut().map(|live| (live.tap, live.reached()))
    }

    /// Whether there is anything to say.
    pub(super) fn speaks(&self) -> bool {
        self.playing.is_some() || !self.digits.is_empty() || self.live.as_ref().is_some_and(|live| live.speaks())
    }

    /// The next frame. `events`: the peer takes telephone-event; `samples`: a packet's length for audio.
    pub(super) fn next(&mut self, codec: Codec, events: bool, samples: usize, out: &mut [u8]) -> Option<Said> {
        if let Some(event) = self.digits.front().copied() {
            let frame = self.digit(event, codec, events, out);
            return Some(Said { frame, samples: DIGIT_SAMPLES, finished: None });
        }
        let out = out.get_mut(..samples)?;
        let Some(playing) = &mut self.playing else {
            self.live.as_mut().filter(|live| live.speaks())?.fill(codec, out);
            return Some(Said { frame: Frame::Audio(samples), samples, finished: None });
        };
        let ended = playing.fill(codec, out);
        let finished = ended.then_some(playing.id);
        if ended {
            self.playing = None;
        }
        Some(Said { frame: Frame::Audio(samples), samples, finished })
    }

    fn digit(&mut self, event: u8, codec: Codec, events: bool, out: &mut [u8]) -> Frame {
        let step = self.step;
        self.step += 1;
        if self.step == dtmf::STEPS {
            self.step = 0;
            self.digits.pop_front();
        }
        match dtmf::step(event, step) {
            dtmf::Step::Event { first, payload } if events => Frame::Event { first, payload },
            dtmf::Step::Pause if events => Frame::Pause,
            _ => match out.get_mut(..DIGIT_SAMPLES) {
                Some(out) => tone(event, step, codec, out),
                None => Frame::Pause,
            },
        }
    }
}

impl Playing {
    /// Fills a frame, over the end to the beginning when it repeats; says whether the prompt ended.
    fn fill(&mut self, codec: Codec, out: &mut [u8]) -> bool {
        let codes = self.clip.codes(codec);
        let mut out = out;
        while !out.is_empty() {
            let rest = codes.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                if !self.repeat || codes.is_empty() {
                    out.fill(g711::silence(codec));
                    return true;
                }
                self.at = 0;
                continue;
            }
            let len = rest.len().min(out.len());
            let (now, later) = out.split_at_mut(len);
            now.copy_from_slice(&rest[..len]);
            self.at += len;
            out = later;
        }
        !self.repeat && self.at >= codes.len()
    }
}

/// 100 ms of the key's tones, 100 ms of silence.
fn tone(event: u8, step: u8, codec: Codec, out: &mut [u8]) -> Frame {
    let mut samples = [0; DIGIT_SAMPLES];
    if step < dtmf::STEPS / 2 {
        dtmf::tone(event, usize::from(step) * DIGIT_SAMPLES, &mut samples);
    }
    for (code, sample) in out.iter_mut().zip(samples) {
        *code = g711::encode(codec, sample);
    }
    Frame::Audio(DIGIT_SAMPLES)
}
