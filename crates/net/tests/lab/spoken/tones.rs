//! Texts as audio that can be read again: each has a number, spelled in pitches of 40 ms. Whoever hears it knows what was
//! said, by whom, and whether it was said to its end.

use std::sync::Mutex;

/// 5 ms: a pitch that is a multiple of 200 Hz is heard in it and no other is.
const BLOCK: usize = 40;
/// Blocks that must agree: at both ends of a tone one may mislead.
const AGREE: usize = 3;
const TONE: usize = 240;
const GAP: usize = 80;
const DIGITS: usize = 3;

/// Ten digits, then these.
const SERVICE: usize = 10;
const CALLER: usize = 11;
const END: usize = 12;
/// Says nothing.
const HUM: usize = 13;
const PITCHES: usize = 14;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    Service,
    Caller,
}

/// Texts by their numbers.
#[derive(Default)]
pub(super) struct Book(Mutex<Vec<String>>);

impl Book {
    fn number(&self, text: &str) -> usize {
        let mut texts = self.0.lock().unwrap();
        let known = texts.iter().position(|known| known == text);
        known.unwrap_or_else(|| {
            texts.push(text.to_owned());
            texts.len() - 1
        })
    }

    pub(super) fn text(&self, number: usize) -> String {
        self.0.lock().unwrap().get(number).unwrap_or_else(|| panic!("nobody ever said {number}")).clone()
    }

    /// In a fifth of a second. A text that begins with `slow` goes on for two, so that there is time to press a key; one that
    /// begins with `long` for a minute, so that it ends when somebody stops it.
    pub(super) fn service(&self, text: &str) -> Vec<i16> {
        let mut samples = self.spell(SERVICE, text);
        let seconds = match text.split_once(' ') {
            Some(("slow", _)) => 2,
            Some(("long", _)) => 60,
            _ => 0,
        };
        sound(HUM, seconds * 8000, GAP, &mut samples);
        sound(END, TONE, GAP, &mut samples);
        samples
    }

    /// Several times over, behind a sound that says somebody speaks: who listens may be late.
    pub(super) fn caller(&self, text: &str) -> Vec<i16> {
        let mut samples = Vec::new();
        sound(HUM, 10 * TONE, GAP, &mut samples);
        for _ in 0..5 {
            samples.extend(self.spell(CALLER, text));
            sound(END, TONE, GAP, &mut samples);
        }
        samples
    }

    fn spell(&self, voice: usize, text: &str) -> Vec<i16> {
        let number = self.number(text);
        let mut samples = Vec::new();
        for pitch in [voice, number / 100 % 10, number / 10 % 10, number % 10] {
            sound(pitch, TONE, GAP, &mut samples);
        }
        samples
    }
}

fn sound(pitch: usize, tone: usize, gap: usize, samples: &mut Vec<i16>) {
    let turn = std::f64::consts::TAU * hertz(pitch) / 8000.0;
    samples.extend((0..tone).map(|at| ((at as f64 * turn).sin() * 12_000.0) as i16));
    samples.extend(std::iter::repeat_n(0, gap));
}

fn hertz(pitch: usize) -> f64 {
    400.0 + 200.0 * pitch as f64
}

/// What was heard of one text: its number was, at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) voice: Voice,
    pub(super) number: usize,
    /// To its end.
    pub(super) whole: bool,
}

/// Reads audio as it comes.
#[derive(Default)]
pub(super) struct Ears {
    rest: Vec<i16>,
    pitch: Option<usize>,
    blocks: usize,
    spelling: Option<(Voice, Vec<usize>)>,
    pub(super) heard: Vec<Heard>,
}

impl Ears {
    pub(super) fn hear(&mut self, samples: &[i16]) {
        self.rest.extend(samples);
        let whole = self.rest.len() / BLOCK * BLOCK;
        let now: Vec<i16> = self.rest.drain(..whole).collect();
        for block in now.chunks(BLOCK) {
            let pitch = pitch(block);
            self.blocks = if pitch == self.pitch { self.blocks + 1 } else { 1 };
            self.pitch = pitch;
            if let Some(pitch) = pitch.filter(|_| self.blocks == AGREE) {
                self.take(pitch);
            }
        }
    }

    fn take(&mut self, pitch: usize) {
        match (pitch, &mut self.spelling) {
            (SERVICE, _) => self.spelling = Some((Voice::Service, Vec::new())),
            (CALLER, _) => self.spelling = Some((Voice::Caller, Vec::new())),
            (END, Some((_, digits))) => {
                if let Some(last) = self.heard.last_mut().filter(|_| digits.len() == DIGITS) {
                    last.whole = true;
                }
                self.spelling = None;
            }
            (digit @ 0..10, Some((voice, digits))) if digits.len() < DIGITS => {
                digits.push(digit);
                if digits.len() == DIGITS {
                    let number = digits.iter().fold(0, |number, digit| 10 * number + digit);
                    self.heard.push(Heard { voice: *voice, number, whole: false });
                }
            }
            _ => {}
        }
    }
}

/// The pitch that this is, if it is one and nothing else.
fn pitch(block: &[i16]) -> Option<usize> {
    let energy: f64 = block.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let loud = energy > BLOCK as f64 * 2000.0 * 2000.0;
    (0..PITCHES).filter(|_| loud).find(|pitch| {
        // Goertzel's algorithm.
        let factor = 2.0 * (std::f64::consts::TAU * hertz(*pitch) / 8000.0).cos();
        let (one, two) =
            block.iter().fold((0.0, 0.0), |(one, two), sample| (f64::from(*sample) + factor * one - two, one));
        let power = (one * one + two * two - factor * one * two) * 2.0 / BLOCK as f64;
        power > 0.8 * energy
    })
}

#[test]
fn what_is_spelled_in_tones_is_read_again_also_from_its_middle_and_when_it_is_cut() {
    let book = Book::default();
    for text in ["nought", "one", "two"] {
        book.service(text);
    }
    let mut samples = vec![0; 17];
    samples.extend(book.service("one"));
    samples.extend(book.service("long two").iter().take(6000));
    samples.extend(book.service("two"));
    samples.extend(book.caller("one").iter().skip(1111));
    let codes = samples.iter().map(|sample| media::g711::encode(sdp::Codec::Pcmu, *sample));
    let coded: Vec<i16> = codes.map(|code| media::g711::decode(sdp::Codec::Pcmu, code)).collect();
    let mut ears = Ears::default();
    coded.chunks(160).for_each(|packet| ears.hear(packet));
    let service = |number, whole| Heard { voice: Voice::Service, number, whole };
    let said = vec![service(1, true), service(3, false), service(2, true)];
    assert_eq!(ears.heard[..3], said);
    assert_eq!(ears.heard[3..], vec![Heard { voice: Voice::Caller, number: 1, whole: true }; 5]);
}
