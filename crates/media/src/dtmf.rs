//! Key presses as telephone-event (RFC 4733 §2): received, sent, and as tones for a peer that takes no events.

use std::time::Duration;

use crate::wav::RATE;

/// Events 0 to 15 in order.
const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];
/// The tones of ITU-T Q.23, Hz: one of each sounds for a key.
pub(crate) const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
pub(crate) const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// Events by row and column.
const PAD: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];
/// A key whose end was lost ends when nothing more of it came for this long.
const LOST_END: Duration = Duration::from_millis(150);

/// The key of an event number.
pub fn key(event: u8) -> Option<char> {
    KEYS.get(usize::from(event)).copied()
}

/// The event number of a key.
pub fn event(key: char) -> Option<u8> {
    KEYS.iter().position(|k| *k == key.to_ascii_uppercase()).and_then(|at| u8::try_from(at).ok())
}

/// An event packet's payload (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    pub event: u8,
    pub end: bool,
    /// Level below 0 dBm0, 0 to 63 dB.
    pub volume: u8,
    /// In timestamp units: 8 a millisecond.
    pub duration: u16,
}

impl Payload {
    pub fn parse(payload: &[u8]) -> Option<Payload> {
        let [event, flags, d0, d1] = *payload.first_chunk::<4>()?;
        let duration = u16::from_be_bytes([d0, d1]);
        Some(Payload { event, end: flags & 0x80 != 0, volume: flags & 0x3f, duration })
    }

    pub fn octets(self) -> [u8; 4] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | (self.volume & 0x3f), d0, d1]
    }
}

/// A whole key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    pub digit: char,
    pub duration_ms: u16,
}

/// Makes key presses of event packets: each is told once, at its end, however often the end is sent or lost.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    current: Option<Current>,
    /// Timestamp of the press told last, whose stragglers still come.
    told: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    timestamp: u32,
    event: u8,
    duration: u16,
    heard: Duration,
}

impl Receiver {
    /// Takes an event packet. There are two presses at once when the end of the one before was lost.
    pub fn take(&mut self, timestamp: u32, payload: Payload, now: Duration) -> [Option<Press>; 2] {
        if self.told == Some(timestamp) || usize::from(payload.event) >= KEYS.len() {
            return [None, None];
        }
        let (before, mut current) = match self.current.take() {
            // A late packet of a press before the current one.
            Some(current) if (timestamp.wrapping_sub(current.timestamp) as i32) < 0 => {
                self.current = Some(current);
                return [None, None];
            }
            Some(current) if current.timestamp == timestamp => (None, current),
            other => {
                let begun = Current { timestamp, event: payload.event, duration: 0, heard: now };
                (other.and_then(|current| self.tell(current)), begun)
            }
        };
        current.heard = now;
        current.duration = current.duration.max(payload.duration);
        if payload.end {
            return [before, self.tell(current)];
        }
        self.current = Some(current);
        [before, None]
    }

    /// When a press whose end was lost is over.
    pub fn deadline(&self) -> Option<Duration> {
        self.current.map(|current| current.heard + LOST_END)
    }

    /// The press whose end was lost, once its time is over.
    pub fn tick(&mut self, now: Duration) -> Option<Press> {
        let current = self.current.take_if(|current| current.heard + LOST_END <= now)?;
        self.tell(current)
    }

    fn tell(&mut self, current: Current) -> Option<Press> {
        self.told = Some(current.timestamp);
        key(current.event).map(|digit| Press { digit, duration_ms: current.duration / 8 })
    }
}

/// One step of 20 ms in the sending of a digit: 100 ms of event, its end sent three times, 100 ms apart from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An event packet; `first` carries the marker and sets the timestamp of all.
    Event {
        first: bool,
        payload: Payload,
    },
    Pause,
}

/// Steps of 20 ms for each digit.
pub const STEPS: u8 = 10;

/// What is sent in step 0 to 9 of an event.
pub fn step(event: u8, step: u8) -> Step {
    const UNITS: u16 = 160; // 20 ms
    // -10 dBm0, as phones do.
    let payload = |duration, end| Payload { event, end, volume: 10, duration };
    match step {
        0 => Step::Event { first: true, payload: payload(UNITS, false) },
        1..=3 => Step::Event { first: false, payload: payload(UNITS * (u16::from(step) + 1), false) },
        4..=6 => Step::Event { first: false, payload: payload(UNITS * 5, true) },
        _ => Step::Pause,
    }
}

/// The two tones of an event (ITU-T Q.23) from sample `from` of the press, for a peer that takes no events.
pub fn tone(event: u8, from: usize, samples: &mut [i16]) {
    let Some((row, column)) = tones(event) else {
        return;
    };
    for (n, sample) in (from..).zip(samples) {
        let at = |hertz: f32| (n as f32 * hertz * std::f32::consts::TAU / RATE as f32).sin();
        *sample = (5000.0 * at(row) + 6000.0 * at(column)) as i16;
    }
}

fn tones(event: u8) -> Option<(f32, f32)> {
    let places = PAD.iter().zip(ROWS).flat_map(|(row, hertz)| row.iter().zip(COLUMNS).map(move |key| (hertz, key)));
    places.into_iter().find(|(_, (key, _))| **key == event).map(|(row, (_, column))| (row, column))
}

/// The event of a row and a column.
pub(crate) fn of_tones(row: usize, column: usize) -> Option<u8> {
    PAD.get(row)?.get(column).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sent(key: char) -> Vec<Payload> {
        let step = |n| match step(event(key).unwrap(), n) {
            Step::Event { payload, .. } => Some(payload),
            Step::Pause => None,
        };
        (0..STEPS).filter_map(step).collect()
    }

    #[test]
    fn a_press_is_told_once_with_its_length() {
        let mut receiver = Receiver::default();
        let mut told = Vec::new();
        for (n, payload) in (0..).zip(sent('7')) {
            assert_eq!(Payload::parse(&payload.octets()), Some(payload));
            told.extend(receiver.take(4000, payload, MS * 20 * n).into_iter().flatten());
        }
        assert_eq!(told, [Press { digit: '7', duration_ms: 100 }]);
        assert_eq!(receiver.deadline(), None);
    }

    #[test]
    fn a_lost_end_is_tolerated() {
        let mut receiver = Receiver::default();
        for payload in sent('5').into_iter().filter(|payload| !payload.end) {
            assert_eq!(receiver.take(1, payload, MS), [None, None]);
        }
        assert_eq!(receiver.tick(MS * 150), None);
        assert_eq!(receiver.tick(receiver.deadline().unwrap()), Some(Press { digit: '5', duration_ms: 80 }));
        assert_eq!(receiver.take(1, sent('5')[4], MS * 200), [None, None], "the late end is no second press");

        let mut receiver = Receiver::default();
        receiver.take(1, sent('1')[0], MS);
        let [lost, next] = receiver.take(1600, sent('2')[4], MS * 9);
        assert_eq!((lost.unwrap().digit, next.unwrap().digit), ('1', '2'));
    }

    #[test]
    fn a_single_end_packet_is_enough_and_order_does_not_matter() {
        let mut receiver = Receiver::default();
        assert_eq!(receiver.take(9, sent('#')[6], MS)[1].unwrap().digit, '#');
        assert_eq!(receiver.take(9, sent('#')[0], MS), [None, None]);
        receiver.take(5000, sent('*')[0], MS);
        assert_eq!(receiver.take(4000, sent('3')[4], MS), [None, None], "older than the current press");
        assert_eq!(receiver.take(5000, Payload { event: 99, ..sent('*')[4] }, MS), [None, None]);
    }

    #[test]
    fn the_same_key_twice_is_two_presses() {
        let mut receiver = Receiver::default();
        let mut count = 0;
        for timestamp in [100, 1700] {
            for payload in sent('1') {
                count += receiver.take(timestamp, payload, MS).into_iter().flatten().count();
            }
        }
        assert_eq!(count, 2);
    }
}
