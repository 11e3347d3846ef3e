//! What whoever listens to a tap says in return: a queue that is read as the stream is paced. Nothing here knows the time.

use std::collections::VecDeque;

use sdp::Codec;

use crate::command::Spoken;
use crate::g711;

/// Codes that may wait: two minutes.
const MOST: usize = 120 * 8000;
/// Marks that may wait; one more is told at once.
const MOST_MARKS: usize = 256;

pub(super) struct Live {
    pub(super) tap: u64,
    codes: VecDeque<u8>,
    /// Behind how many of the codes that wait, and which.
    marks: VecDeque<(usize, u64)>,
    /// Marks that were reached.
    reached: Vec<u64>,
}

impl Live {
    pub(super) fn new(tap: u64) -> Live {
        Live { tap, codes: VecDeque::new(), marks: VecDeque::new(), reached: Vec::new() }
    }

    pub(super) fn take(&mut self, said: Spoken) {
        match said {
            Spoken::Codes(codes) => {
                let room = MOST.saturating_sub(self.codes.len());
                self.codes.extend(codes.iter().take(room));
            }
            Spoken::Mark(mark) if self.codes.is_empty() || self.marks.len() >= MOST_MARKS => self.reached.push(mark),
            Spoken::Mark(mark) => self.marks.push_back((self.codes.len(), mark)),
            Spoken::Clear => {
                self.codes.clear();
                self.reached.extend(self.marks.drain(..).map(|(_, mark)| mark));
            }
        }
    }

    pub(super) fn speaks(&self) -> bool {
        !self.codes.is_empty()
    }

    /// A frame; silence behind the last code.
    pub(super) fn fill(&mut self, codec: Codec, out: &mut [u8]) {
        let len = out.len().min(self.codes.len());
        for (out, code) in out.iter_mut().zip(self.codes.drain(..len)) {
            *out = match codec {
                Codec::Pcmu => code,
                _ => g711::encode(codec, g711::decode(Codec::Pcmu, code)),
            };
        }
        if let Some(rest) = out.get_mut(len..) {
            rest.fill(g711::silence(codec));
        }
        for (behind, _) in &mut self.marks {
            *behind = behind.saturating_sub(len);
        }
        while let Some((_, mark)) = self.marks.pop_front_if(|(behind, _)| *behind == 0) {
            self.reached.push(mark);
        }
    }

    /// Marks that were reached since this was asked last.
    pub(super) fn reached(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.reached)
    }
}
