//! What a caller says, for listeners outside the media thread: recognisers, voice bots. One jitter buffer a leg, however many
//! listen; none, and no work, where nobody does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use sdp::Codec;

use super::leg::{on_grid, on_grid_before};
use crate::command::{Event, Frame, LeaseId};
use crate::conference::{FRAME, JitterBuffer};

const EVERY: Duration = Duration::from_millis(20);
/// What is later than this is left out rather than told in a burst; the numbers of frames go on.
const CATCH_UP: Duration = Duration::from_millis(100);
/// Listeners of one leg: beyond these nobody is heard to.
const MOST: usize = 4;

#[derive(Default)]
pub(super) struct Ears(Option<Box<Open>>);

struct Open {
    buffer: JitterBuffer,
    taps: Vec<u64>,
    /// When the next frame is due.
    next: Duration,
    number: u64,
}

impl Ears {
    /// One more listener; the same twice is one.
    pub(super) fn open(&mut self, tap: u64, now: Duration) {
        let open = self.0.get_or_insert_with(|| {
            Box::new(Open { buffer: JitterBuffer::default(), taps: Vec::new(), next: on_grid(now) + EVERY, number: 0 })
        });
        if !open.taps.contains(&tap) && open.taps.len() < MOST {
            open.taps.push(tap);
        }
    }

    pub(super) fn close(&mut self, lease: LeaseId, tap: u64, events: &mut VecDeque<Event>) {
        let Some(open) = &mut self.0 else { return };
        if let Some(at) = open.taps.iter().position(|of| *of == tap) {
            open.taps.remove(at);
            events.push_back(Event::Untapped { lease, tap });
        }
        if open.taps.is_empty() {
            self.0 = None;
        }
    }

    /// The stream ends.
    pub(super) fn close_all(&mut self, lease: LeaseId, events: &mut VecDeque<Event>) {
        let taps = self.0.take().map(|open| open.taps).unwrap_or_default();
        events.extend(taps.into_iter().map(|tap| Event::Untapped { lease, tap }));
    }

    pub(super) fn has(&self, tap: u64) -> bool {
        self.0.as_ref().is_some_and(|open| open.taps.contains(&tap))
    }

    pub(super) fn are_open(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn due(&self) -> Option<Duration> {
        self.0.as_ref().map(|open| open.next)
    }

    /// A packet's payload as it came, in G.711.
    pub(super) fn take(&mut self, codec: Codec, ssrc: u32, timestamp: u32, codes: &[u8], now: Duration) {
        if let Some(open) = &mut self.0 {
            open.buffer.take(codec, ssrc, timestamp, codes, now);
        }
    }

    /// Every frame that is due by `now`.
    pub(super) fn tick(&mut self, lease: LeaseId, now: Duration, events: &mut VecDeque<Event>) {
        let Some(open) = &mut self.0 else { return };
        if open.next + CATCH_UP < now {
            let late = on_grid_before(now);
            if open.number > 0 {
                open.number += (late.saturating_sub(open.next).as_millis() / EVERY.as_millis()) as u64;
            }
            open.next = late;
        }
        while open.next <= now {
            let mut samples = [0; FRAME];
            open.buffer.next(open.next, &mut samples);
            let frame = Frame { number: open.number, samples: Arc::from(samples.as_slice()) };
            events.extend(open.taps.iter().map(|tap| Event::Sound { lease, tap: *tap, frame: frame.clone() }));
            open.number += 1;
            open.next += EVERY;
        }
    }
}
