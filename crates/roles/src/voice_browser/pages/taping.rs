//! `<record>` on a call (2.0 §2.3.6): a beep, a sealed recording by the media thread, and what became of it.

use std::time::Duration;

use media::{Keep, KeptEnd};
use serde::{Deserialize, Serialize};
use vxml::{Input, RecordOrder, Recording};

use super::Reading;
use crate::Now;
use crate::voice_browser::dialogue::Ask;

/// However long an application would like it.
const LONGEST: Duration = Duration::from_secs(3600);
/// Beyond its length; then whoever should have told of its end will not.
const OVERDUE: Duration = Duration::from_secs(15);
const BEEP: &str = "beep";

/// A recording that the session waits for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Taping {
    /// The session's number.
    id: u64,
    /// Media's.
    recording: u64,
    media_type: String,
    longest: Duration,
    final_silence: Duration,
    patience: Duration,
    /// When it began, once the beep was heard.
    since: Option<Duration>,
    /// The number of the beep, then of the waiting that ends it if nobody else does.
    pub(super) waits_for: u64,
}

impl Reading {
    pub(super) fn record(&mut self, id: u64, order: RecordOrder, now: Now) {
        if Recording::octets(&order.media_type, 0).is_none() {
            return self.say(Input::Refused { id, event: "error.unsupported.format".into() }, now);
        }
        let number = self.number();
        self.taping = Some(Taping {
            id,
            recording: mixed(self.start.seed, number),
            media_type: order.media_type,
            longest: order.max.min(LONGEST),
            final_silence: order.final_silence,
            patience: order.timeout,
            since: None,
            waits_for: number,
        });
        match order.beep {
            true => self.asks.push_back(Ask::Play { id: number, prompt: BEEP.into(), repeat: false }),
            false => self.tape(now),
        }
    }

    fn tape(&mut self, now: Now) {
        let number = self.number();
        let Some(taping) = &mut self.taping else { return };
        taping.since = Some(now.mono);
        taping.waits_for = number;
        let Taping { recording, longest, final_silence, patience, .. } = *taping;
        self.asks.push_back(Ask::Record { recording, longest, final_silence, patience });
        self.asks.push_back(Ask::Wait { id: number, within: longest + OVERDUE });
    }

    /// The beep was heard, or the recording is overdue.
    pub(super) fn tape_waited(&mut self, now: Now) {
        match self.taping.as_ref().and_then(|taping| taping.since.map(|_| taping.recording)) {
            None => self.tape(now),
            Some(recording) => self.recorded(recording, KeptEnd::Failed, 0, now),
        }
    }

    /// The session has enough, or its caller is gone.
    pub(super) fn stop_recording(&mut self, id: u64, now: Now) {
        let Some(taping) = self.taping.as_ref().filter(|taping| taping.id == id) else { return };
        let recording = taping.recording;
        match taping.since {
            None => {
                if !self.gone {
                    self.asks.push_back(Ask::Silence);
                }
                self.recorded(recording, KeptEnd::Nothing, 0, now);
            }
            // The stream has ended, and the recording with it; the news would come too late for the session.
            Some(since) if self.gone => {
                let took = now.mono.saturating_sub(since).min(taping.longest);
                self.recorded(recording, KeptEnd::Closed, took.as_millis() as u64, now);
            }
            Some(_) => self.asks.push_back(Ask::StopRecord),
        }
    }

    pub(super) fn recorded(&mut self, recording: u64, end: KeptEnd, duration_ms: u64, now: Now) {
        let Some(taping) = self.taping.take_if(|taping| taping.recording == recording) else { return };
        let id = taping.id;
        let recording = match end {
            KeptEnd::Failed => {
                return self.say(Input::Refused { id, event: "error.noresource".into() }, now);
            }
            KeptEnd::Nothing => None,
            KeptEnd::Told | KeptEnd::Longest | KeptEnd::Silence | KeptEnd::Closed => Some(Recording {
                url: Keep::prompt(recording),
                duration_ms,
                bytes: Recording::octets(&taping.media_type, duration_ms).unwrap_or_default(),
                max_time: end == KeptEnd::Longest,
            }),
        };
        self.say(Input::Recorded { id, recording }, now);
    }
}

/// A number unlike any other of the site, from a seed that is: SplitMix64's last step.
fn mixed(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
