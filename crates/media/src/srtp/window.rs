//! Replay protection (RFC 3711 §3.3.2) and the estimate of a packet's index (§3.3.1, appendix A).

use serde::{Deserialize, Serialize};

/// Indexes seen: the highest, and which of the 128 that end with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    highest: u64,
    /// Bit `n` stands for `highest - n`; all zero: nothing seen yet, and `highest` only guides the estimate.
    seen: u128,
}

/// What a window says of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Never,
    Before,
    TooOld,
}

impl Window {
    /// How many packets back a late one is still taken.
    pub const LEN: u64 = 128;

    /// Nothing seen, but a rollover counter near that of `highest` is likely: the same stream under its next key.
    pub fn guided(highest: u64) -> Window {
        Window { highest, seen: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.seen == 0
    }

    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// The likely 48-bit index of a sequence number: the one nearest to the highest seen. None when that would be ahead
    /// of the stream's begin.
    pub fn estimate(&self, sequence: u16) -> Option<u64> {
        if self.seen == 0 && self.highest == 0 {
            return Some(u64::from(sequence));
        }
        let (rollover, last) = (self.highest >> 16, self.highest as u16);
        let rollover = if last < 0x8000 {
            if sequence > last && sequence - last > 0x8000 { rollover.checked_sub(1)? } else { rollover }
        } else if last - 0x8000 > sequence {
            rollover + 1
        } else {
            rollover
        };
        Some(rollover << 16 | u64::from(sequence))
    }

    pub fn check(&self, index: u64) -> Seen {
        if self.seen == 0 || index > self.highest {
            return Seen::Never;
        }
        match self.highest - index {
            behind if behind >= Window::LEN => Seen::TooOld,
            behind if self.seen >> behind & 1 == 1 => Seen::Before,
            _ => Seen::Never,
        }
    }

    /// Marks an index as seen; call it only for what was authentic.
    pub fn mark(&mut self, index: u64) {
        if self.seen == 0 {
            *self = Window { highest: index, seen: 1 };
        } else if index > self.highest {
            let ahead = u32::try_from(index - self.highest).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = index;
        } else if self.highest - index < Window::LEN {
            self.seen |= 1 << (self.highest - index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_of_the_window() {
        let mut window = Window::default();
        window.mark(1000);
        assert_eq!(window.check(1000), Seen::Before);
        assert_eq!(window.check(1000 - 127), Seen::Never);
        assert_eq!(window.check(1000 - 128), Seen::TooOld);
        window.mark(1000 - 127);
        assert_eq!(window.check(1000 - 127), Seen::Before);
        window.mark(1001);
        assert_eq!(window.check(1000), Seen::Before);
        assert_eq!(window.check(1001 - 128), Seen::TooOld);
        window.mark(5000);
        assert_eq!((window.check(4999), window.check(4872)), (Seen::Never, Seen::TooOld));
    }

    #[test]
    fn the_nearest_rollover_is_estimated() {
        let mut window = Window::default();
        assert_eq!(window.estimate(65_535), Some(65_535));
        window.mark(65_535);
        assert_eq!(window.estimate(0), Some(1 << 16));
        assert_eq!(window.estimate(65_000), Some(65_000));
        window.mark(1 << 16);
        assert_eq!(window.estimate(65_534), Some(65_534));
        assert_eq!(window.estimate(32_768), Some(1 << 16 | 32_768));
        let mut young = Window::default();
        young.mark(3);
        assert_eq!(young.estimate(65_000), None);
    }
}
