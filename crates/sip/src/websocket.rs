//! SIP over WebSocket (RFC 7118): the opening handshake and framing of RFC 6455, sans IO. Each WebSocket message is one SIP
//! message, so no Content-Length is needed to cut it.
//!
//! Bytes of the wire go in by [`WebSocket::push`], what they mean comes out of [`WebSocket::next`], and what is to be
//! written, pongs and closing included, out of [`WebSocket::take`].

mod handshake;

pub use handshake::accept;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

/// The subprotocol (RFC 7118 §4.1).
const SIP: &str = "sip";
/// Octets that the handshake of one peer may have.
const MAX_HEAD: usize = 8 * 1024;
/// Payload of a control frame (RFC 6455 §5.5).
const MAX_CONTROL: usize = 125;

/// What the other side said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The handshake is complete: SIP may be sent.
    Open,
    /// One SIP message, unparsed.
    Message(Bytes),
    /// It says goodbye; ours is in [`WebSocket::take`]. Nothing follows.
    Closed,
}

/// Why a connection cannot go on. What the peer is told (an HTTP answer, a close frame) is in [`WebSocket::take`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Broken {
    pub what: &'static str,
    /// Close code (RFC 6455 §7.4.1), or the HTTP status while the handshake is not complete.
    pub code: u16,
}

#[derive(Debug)]
enum Stage {
    Handshake,
    Open,
    Over,
}

#[derive(Debug)]
enum Side {
    Server,
    /// What the server must answer, and where masks come from (RFC 6455 §5.3: unpredictable).
    Client {
        accept: String,
        protocol: Option<String>,
        masks: Box<ChaCha12Rng>,
    },
}

/// One WebSocket, at either end.
#[derive(Debug)]
pub struct WebSocket {
    side: Side,
    stage: Stage,
    held: BytesMut,
    /// A message that came in part so far, and whether it is text.
    partial: Option<(BytesMut, bool)>,
    /// Octets of one message.
    limit: usize,
    out: BytesMut,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

struct Frame {
    fin: bool,
    opcode: Opcode,
    payload: BytesMut,
}

impl WebSocket {
    /// The end that listens; `limit` is the most octets that one SIP message may have.
    pub fn server(limit: usize) -> WebSocket {
        WebSocket::new(Side::Server, limit)
    }

    /// The end that listens, of a connection whose handshake an HTTP server has done ([`accept`] made its answer), whatever
    /// subprotocol they agreed on.
    pub fn upgraded(limit: usize) -> WebSocket {
        WebSocket { stage: Stage::Open, ..WebSocket::new(Side::Server, limit) }
    }

    /// The end that dials: its request is in [`WebSocket::take`] at once. `seed` is the operating system's.
    pub fn client(host: &str, path: &str, seed: [u8; 32], limit: usize) -> WebSocket {
        WebSocket::dial(host, path, Some(SIP), seed, limit)
    }

    /// The same for another protocol than SIP, or for none that has a name.
    pub fn dial(host: &str, path: &str, protocol: Option<&str>, seed: [u8; 32], limit: usize) -> WebSocket {
        let mut masks = ChaCha12Rng::from_seed(seed);
        let mut nonce = [0; 16];
        masks.fill_bytes(&mut nonce);
        let (request, accept) = handshake::request(host, path, protocol, nonce);
        let protocol = protocol.map(str::to_owned);
        let mut socket = WebSocket::new(Side::Client { accept, protocol, masks: Box::new(masks) }, limit);
        socket.out.put_slice(request.as_bytes());
        socket
    }

    fn new(side: Side, limit: usize) -> WebSocket {
        let (held, out) = (BytesMut::new(), BytesMut::new());
        WebSocket { side, stage: Stage::Handshake, held, partial: None, limit, out }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.stage, Stage::Over) {
            self.held.extend_from_slice(bytes);
        }
    }

    /// Octets held that are no message yet.
    pub fn pending(&self) -> usize {
        self.held.len() + self.partial.as_ref().map_or(0, |(partial, _)| partial.len())
    }

    /// What is to be written now.
    pub fn take(&mut self) -> BytesMut {
        self.out.split()
    }

    /// Queues a SIP message, as text when it is UTF-8 (RFC 7118 §4.2 allows both). Before [`Said::Open`] nothing may be
    /// sent, and after the end nothing is.
    pub fn send(&mut self, message: &[u8]) {
        if matches!(self.stage, Stage::Open) {
            let opcode = if std::str::from_utf8(message).is_ok() { Opcode::Text } else { Opcode::Binary };
            self.write(opcode, message);
        }
    }

    /// Queues octets that are no text.
    pub fn send_octets(&mut self, octets: &[u8]) {
        if matches!(self.stage, Stage::Open) {
            self.write(Opcode::Binary, octets);
        }
    }

    /// Asks whether the other side is there: it pongs, which is octets that come and no [`Said`] (RFC 6455 §5.5.2).
    pub fn ping(&mut self) {
        if matches!(self.stage, Stage::Open) {
            self.write(Opcode::Ping, b"");
        }
    }

    /// Says goodbye.
    pub fn close(&mut self, code: u16) {
        if matches!(self.stage, Stage::Open) {
            self.write(Opcode::Close, &code.to_be_bytes());
        }
        self.stage = Stage::Over;
    }

    /// What came; `Ok(None)` when more bytes are needed. After an error the connection is to be closed once what is in
    /// [`WebSocket::take`] is written.
    #[allow(clippy::should_implement_trait)] // An Iterator's `None` would be its end; here it is a pause.
    pub fn next(&mut self) -> Result<Option<Said>, Broken> {
        match self.stage {
            Stage::Over => Ok(None),
            Stage::Handshake => self.shake(),
            Stage::Open => self.hear().inspect_err(|broken| {
                let code = broken.code;
                self.close(code);
            }),
        }
    }

    fn shake(&mut self) -> Result<Option<Said>, Broken> {
        let Some(end) = memchr::memmem::find(&self.held, b"\r\n\r\n") else {
            if self.held.len() > MAX_HEAD {
                return self.fail_handshake(Broken { what: "a WebSocket handshake longer than 8 KiB", code: 431 });
            }
            return Ok(None);
        };
        let head = self.held.split_to(end + 4);
        let head = String::from_utf8_lossy(&head).into_owned();
        let shaken = match &self.side {
            Side::Server => handshake::answer(&head).map(Some),
            Side::Client { accept, protocol, .. } => {
                handshake::accepted(&head, accept, protocol.as_deref()).map(|()| None)
            }
        };
        match shaken {
            Ok(answer) => {
                self.out.put_slice(answer.unwrap_or_default().as_bytes());
                self.stage = Stage::Open;
                Ok(Some(Said::Open))
            }
            Err(broken) => self.fail_handshake(broken),
        }
    }

    fn fail_handshake(&mut self, broken: Broken) -> Result<Option<Said>, Broken> {
        if matches!(self.side, Side::Server) {
            self.out.put_slice(handshake::refusal(&broken).as_bytes());
        }
        self.stage = Stage::Over;
        Err(broken)
    }

    fn hear(&mut self) -> Result<Option<Said>, Broken> {
        while let Some(Frame { fin, opcode, payload }) = self.frame()? {
            match opcode {
                Opcode::Ping => self.write(Opcode::Pong, &payload),
                Opcode::Pong => {}
                Opcode::Close => {
                    let code = payload.first_chunk::<2>().map_or(1000, |code| u16::from_be_bytes(*code));
                    self.close(code);
                    return Ok(Some(Said::Closed));
                }
                Opcode::Continuation => {
                    let Some((mut whole, text)) = self.partial.take() else {
                        return Err(Broken { what: "a continuation of nothing", code: 1002 });
                    };
                    whole.extend_from_slice(&payload);
                    if whole.len() > self.limit {
                        return Err(TOO_LONG);
                    }
                    match fin {
                        true => return said(whole, text).map(Some),
                        false => self.partial = Some((whole, text)),
                    }
                }
                Opcode::Text | Opcode::Binary => {
                    if self.partial.is_some() {
                        return Err(Broken { what: "a message begins before the last one has ended", code: 1002 });
                    }
                    let text = opcode == Opcode::Text;
                    match fin {
                        true => return said(payload, text).map(Some),
                        false => self.partial = Some((payload, text)),
                    }
                }
            }
        }
        Ok(None)
    }

    /// The next frame, unmasked (RFC 6455 §5.2).
    fn frame(&mut self) -> Result<Option<Frame>, Broken> {
        let Some([first, second]) = self.held.first_chunk::<2>().copied() else { return Ok(None) };
        let protocol = |what: &'static str| Err(Broken { what, code: 1002 });
        if first & 0x70 != 0 {
            return protocol("reserved bits are set, and no extension was agreed on");
        }
        let Some(opcode) = Opcode::of(first & 0x0f) else { return protocol("an opcode that nobody knows") };
        let (fin, masked) = (first & 0x80 != 0, second & 0x80 != 0);
        if masked != matches!(self.side, Side::Server) {
            return protocol("clients mask every frame, servers none");
        }
        let after = self.held.get(2..).unwrap_or_default();
        let (len, long) = match second & 0x7f {
            126 => match after.first_chunk::<2>() {
                Some(len) => (u64::from(u16::from_be_bytes(*len)), 2),
                None => return Ok(None),
            },
            127 => match after.first_chunk::<8>() {
                Some(len) => (u64::from_be_bytes(*len), 8),
                None => return Ok(None),
            },
            len => (u64::from(len), 0),
        };
        let control = matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong);
        if control && (!fin || len > MAX_CONTROL as u64) {
            return protocol("a control frame longer than 125 octets, or in parts");
        }
        let len = usize::try_from(len).ok().filter(|len| *len <= self.limit).ok_or(TOO_LONG)?;
        let head = 2 + long + if masked { 4 } else { 0 };
        if self.held.len() < head + len {
            return Ok(None);
        }
        let mask = self.held.get(head.saturating_sub(4)..head).and_then(|mask| <[u8; 4]>::try_from(mask).ok());
        self.held.advance(head);
        let mut payload = self.held.split_to(len);
        if let Some(mask) = mask.filter(|_| masked) {
            apply(mask, &mut payload);
        }
        Ok(Some(Frame { fin, opcode, payload }))
    }

    fn write(&mut self, opcode: Opcode, payload: &[u8]) {
        self.out.put_u8(0x80 | opcode.code());
        let masked = if matches!(self.side, Side::Client { .. }) { 0x80 } else { 0 };
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(len), _) if len < 126 => self.out.put_u8(masked | len),
            (_, Ok(len)) => {
                self.out.put_u8(masked | 126);
                self.out.put_u16(len);
            }
            _ => {
                self.out.put_u8(masked | 127);
                self.out.put_u64(payload.len() as u64);
            }
        }
        match &mut self.side {
            Side::Server => self.out.put_slice(payload),
            Side::Client { masks, .. } => {
                let mut mask = [0; 4];
                masks.fill_bytes(&mut mask);
                self.out.put_slice(&mask);
                let mut payload = BytesMut::from(payload);
                apply(mask, &mut payload);
                self.out.put_slice(&payload);
            }
        }
    }
}

const TOO_LONG: Broken = Broken { what: "a message longer than is taken here", code: 1009 };

fn said(message: BytesMut, text: bool) -> Result<Said, Broken> {
    if text && std::str::from_utf8(&message).is_err() {
        return Err(Broken { what: "a text message that is not UTF-8", code: 1007 });
    }
    Ok(Said::Message(message.freeze()))
}

fn apply(mask: [u8; 4], payload: &mut [u8]) {
    for (octet, mask) in payload.iter_mut().zip(mask.into_iter().cycle()) {
        *octet ^= mask;
    }
}

impl Opcode {
    fn of(code: u8) -> Option<Opcode> {
        let all = [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];
        all.into_iter().find(|opcode| opcode.code() == code)
    }

    fn code(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }
}

#[cfg(test)]
mod tests;
