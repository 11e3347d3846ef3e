//! TFTP (RFC 1350) as phones read files: octet mode, block size (RFC 2348), time-out and size (RFC 2349), windows
//! (RFC 7440). Reading only: whoever wants to write is refused.
//!
//! [`Request`] is what a client asks; [`Transfer`] sends one file: it is told acknowledgements and the time, and gives
//! packets.

use std::collections::VecDeque;

const DATA: u16 = 3;
const OACK: u16 = 6;
/// Largest packet that passes everywhere, less headers; a phone that asks for more is given this.
const BLOCK_MAX: u16 = 1428;
const BLOCK: u16 = 512;
const WINDOW_MAX: u16 = 16;
/// Milliseconds.
const TIMEOUT: u64 = 1_000;
const TRIES: u32 = 6;

/// Error codes (RFC 1350 §5, RFC 2347).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotFound,
    AccessViolation,
    Illegal,
    Options,
}

/// An ERROR packet.
pub fn error(refusal: Refusal, words: &str) -> Vec<u8> {
    let code: u16 = match refusal {
        Refusal::NotFound => 1,
        Refusal::AccessViolation => 2,
        Refusal::Illegal => 4,
        Refusal::Options => 8,
    };
    let mut out = vec![0, 5];
    out.extend(code.to_be_bytes());
    out.extend(words.bytes().filter(|octet| *octet != 0));
    out.push(0);
    out
}

/// A read request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub file: String,
    block: Option<u16>,
    window: Option<u16>,
    /// Seconds.
    timeout: Option<u8>,
    wants_size: bool,
}

impl Request {
    /// From the first packet of a client.
    ///
    /// # Errors
    /// What to answer it.
    pub fn parse(packet: &[u8]) -> Result<Request, Vec<u8>> {
        let illegal = |words: &str| Err(error(Refusal::Illegal, words));
        let rest = match packet {
            [0, 1, rest @ ..] => rest,
            [0, 2, ..] => return Err(error(Refusal::AccessViolation, "files are read here, not written")),
            _ => return illegal("expected a read request"),
        };
        let Some((0, rest)) = rest.split_last() else { return illegal("a string without its end") };
        let strings: Option<Vec<&str>> = rest.split(|octet| *octet == 0).map(|s| std::str::from_utf8(s).ok()).collect();
        let Some(strings) = strings else { return illegal("a name that is no UTF-8") };
        let [file, mode, options @ ..] = &strings[..] else { return illegal("no mode") };
        if file.is_empty() || file.len() > 255 {
            return illegal("no name, or one that is too long");
        }
        if !mode.eq_ignore_ascii_case("octet") {
            return illegal("expected mode octet");
        }
        let mut request =
            Request { file: (*file).to_owned(), block: None, window: None, timeout: None, wants_size: false };
        // An option that is unknown or out of range is left out of the answer (RFC 2347).
        for pair in options.chunks(2) {
            let [name, value] = pair else { return illegal("an option without its value") };
            match name.to_ascii_lowercase().as_str() {
                "blksize" => {
                    request.block = value.parse().ok().filter(|size| *size >= 8).map(|size: u16| size.min(BLOCK_MAX));
                }
                "windowsize" => {
                    request.window = value.parse().ok().filter(|size| *size >= 1).map(|size: u16| size.min(WINDOW_MAX));
                }
                "timeout" => request.timeout = value.parse().ok().filter(|seconds| *seconds >= 1),
                "tsize" => request.wants_size = true,
                _ => {}
            }
        }
        Ok(request)
    }
}

/// A file on its way to one client.
#[derive(Debug)]
pub struct Transfer {
    file: Vec<u8>,
    block: usize,
    window: u64,
    timeout: u64,
    /// Blocks acknowledged; the last one of a file is shorter than the rest, and may be empty.
    acknowledged: u64,
    /// The options' acknowledgement awaits its own (block 0).
    options: Option<Vec<u8>>,
    deadline: u64,
    tries: u32,
    state: State,
    outputs: VecDeque<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Sending,
    /// All of it was acknowledged.
    Done,
    /// The client fell silent, or said that it wants no more.
    GivenUp,
}

impl Transfer {
    /// `now` in milliseconds, of any clock that goes on.
    pub fn new(request: &Request, file: Vec<u8>, now: u64) -> Transfer {
        let mut options = Vec::new();
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                options.extend(format!("{name}\0{value}\0").bytes());
            }
        };
        option("blksize", request.block.map(|size| size.to_string()));
        option("timeout", request.timeout.map(|seconds| seconds.to_string()));
        option("tsize", request.wants_size.then(|| file.len().to_string()));
        option("windowsize", request.window.map(|size| size.to_string()));
        let options = (!options.is_empty()).then(|| [&OACK.to_be_bytes()[..], &options].concat());
        let mut transfer = Transfer {
            file,
            block: request.block.unwrap_or(BLOCK).into(),
            window: request.window.unwrap_or(1).into(),
            timeout: request.timeout.map_or(TIMEOUT, |seconds| u64::from(seconds) * 1000),
            acknowledged: 0,
            options,
            deadline: 0,
            tries: 0,
            state: State::Sending,
            outputs: VecDeque::new(),
        };
        transfer.send(now);
        transfer
    }

    pub fn poll(&mut self) -> Option<Vec<u8>> {
        self.outputs.pop_front()
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// When [`Transfer::tick`] has something to do.
    pub fn deadline(&self) -> Option<u64> {
        (self.state == State::Sending).then_some(self.deadline)
    }

    /// What was not acknowledged in time is sent again; in the end nobody is there.
    pub fn tick(&mut self, now: u64) {
        if self.state != State::Sending || now < self.deadline {
            return;
        }
        self.tries += 1;
        if self.tries >= TRIES {
            self.state = State::GivenUp;
        } else {
            self.send(now);
        }
    }

    /// A packet of the client. An acknowledgement that is not new says nothing: answering it would double every packet
    /// from then on (RFC 1123 §4.2.3.1).
    pub fn handle(&mut self, packet: &[u8], now: u64) {
        let number = match packet {
            [0, 4, high, low] => u16::from_be_bytes([*high, *low]),
            [0, 5, ..] => {
                self.state = State::GivenUp;
                return;
            }
            _ => return,
        };
        if self.state != State::Sending {
            return;
        }
        if self.options.is_some() {
            if number == 0 {
                self.options = None;
                self.tries = 0;
                self.send(now);
            }
            return;
        }
        // Block numbers are 16 bits and begin again: of those in the window one fits.
        let sent = (self.acknowledged + self.window).min(self.blocks());
        let Some(block) = (self.acknowledged + 1..=sent).find(|block| *block as u16 == number) else { return };
        self.acknowledged = block;
        self.tries = 0;
        if block == self.blocks() {
            self.state = State::Done;
        } else {
            self.send(now);
        }
    }

    fn blocks(&self) -> u64 {
        (self.file.len() / self.block) as u64 + 1
    }

    /// The options, or the window after what was acknowledged.
    fn send(&mut self, now: u64) {
        self.deadline = now + self.timeout;
        if let Some(options) = &self.options {
            self.outputs.push_back(options.clone());
            return;
        }
        for block in self.acknowledged..(self.acknowledged + self.window).min(self.blocks()) {
            let start = block as usize * self.block;
            let end = (start + self.block).min(self.file.len());
            let data = self.file.get(start..end).unwrap_or_default();
            let number = (block + 1) as u16;
            self.outputs.push_back([&DATA.to_be_bytes()[..], &number.to_be_bytes(), data].concat());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(options: &str) -> Request {
        Request::parse(format!("\0\x01SEP1.cnf.xml\0octet\0{options}").as_bytes()).unwrap()
    }

    fn ack(block: u64) -> Vec<u8> {
        [&[0, 4][..], &(block as u16).to_be_bytes()].concat()
    }

    /// A client that loses every `lose`th packet; returns what it received and how many packets came.
    fn fetch(request: &Request, file: &[u8], lose: usize) -> (Vec<u8>, usize) {
        let mut transfer = Transfer::new(request, file.to_vec(), 0);
        let (block, window) = (transfer.block, transfer.window);
        let (mut got, mut next, mut count, mut now) = (Vec::new(), 1u64, 0, 0);
        // After a round in which nothing arrived nothing is lost, or the same packet could be lost for ever.
        let mut starved = false;
        while transfer.state() == State::Sending {
            let mut last = None;
            while let Some(packet) = transfer.poll() {
                count += 1;
                if lose > 0 && count % lose == 0 && !starved {
                    continue;
                }
                if packet[1] == 6 {
                    last = Some(0);
                    continue;
                }
                assert!(packet.len() <= 4 + block);
                if packet[2..4] == (next as u16).to_be_bytes() {
                    got.extend(&packet[4..]);
                    last = Some(next);
                    next += 1;
                }
            }
            assert!(count < 1_000_000);
            starved = last.is_none();
            match last {
                Some(block) => transfer.handle(&ack(block), now),
                None => {
                    now = transfer.deadline().unwrap();
                    transfer.tick(now);
                }
            }
        }
        assert_eq!(transfer.state(), State::Done, "window {window}");
        (got, count)
    }

    #[test]
    fn files_arrive_whole_whatever_is_lost() {
        for length in [0, 1, 511, 512, 513, 5_000] {
            let file: Vec<u8> = (0..length).map(|at| at as u8).collect();
            for options in ["", "blksize\x001428\0", "blksize\x0064\0windowsize\x008\0tsize\x000\0"] {
                for lose in [0, 3, 7] {
                    assert_eq!(fetch(&request(options), &file, lose).0, file, "{length} {options:?} {lose}");
                }
            }
        }
    }

    #[test]
    fn block_numbers_begin_again() {
        let file = vec![7; 8 * 70_000];
        let (got, _) = fetch(&request("blksize\x008\0windowsize\x0016\0"), &file, 0);
        assert_eq!(got.len(), file.len());
    }

    #[test]
    fn options_are_answered_within_bounds_and_unknown_ones_left_out() {
        let mut transfer =
            Transfer::new(&request("BLKSIZE\x0065464\0tsize\x000\0windowsize\x0099\0x\0y\0"), vec![0; 9], 0);
        assert_eq!(transfer.poll().unwrap(), b"\0\x06blksize\x001428\0tsize\x009\0windowsize\x0016\0");
        let mut transfer = Transfer::new(&request("blksize\x007\0"), vec![0; 9], 0);
        assert_eq!(transfer.poll().unwrap()[..4], [0, 3, 0, 1]);
    }

    #[test]
    fn a_duplicate_acknowledgement_sends_nothing() {
        let mut transfer = Transfer::new(&request(""), vec![0; 2_000], 0);
        transfer.poll().unwrap();
        transfer.handle(&ack(1), 0);
        assert!(transfer.poll().is_some());
        transfer.handle(&ack(1), 0);
        transfer.handle(&ack(9), 0);
        assert_eq!(transfer.poll(), None);
    }

    #[test]
    fn who_falls_silent_is_given_up_and_who_wants_to_write_refused() {
        let mut transfer = Transfer::new(&request(""), vec![0; 2_000], 0);
        let mut sent = 0;
        while let Some(deadline) = transfer.deadline() {
            while transfer.poll().is_some() {
                sent += 1;
            }
            transfer.tick(deadline);
        }
        assert_eq!((sent, transfer.state()), (6, State::GivenUp));
        assert_eq!(Request::parse(b"\0\x02x\0octet\0").unwrap_err()[..4], [0, 5, 0, 2]);
        for packet in [
            &b""[..],
            b"\0\x01",
            b"\0\x01x",
            b"\0\x01x\0",
            b"\0\x01\0octet\0",
            b"\0\x01x\0netascii\0",
            b"\0\x01x\0octet\0a\0",
        ] {
            assert_eq!(Request::parse(packet).unwrap_err()[..4], [0, 5, 0, 4], "{packet:?}");
        }
        assert_eq!(error(Refusal::NotFound, "no such file"), b"\0\x05\0\x01no such file\0");
    }
}
