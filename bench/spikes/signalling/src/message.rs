//! Fixed-header SIP: enough to frame, read the Call-ID, and write the other leg's message.

use memchr::memmem;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Invite,
    Trying,
    Ringing,
    Ok,
    Ack,
    Bye,
    ByeOk,
}

pub struct Message<'a> {
    pub kind: Kind,
    pub call: u64,
    pub body: &'a [u8],
}

/// Length of the first whole message, by Content-Length.
pub fn frame(buf: &[u8]) -> Option<usize> {
    let head = memmem::find(buf, b"\r\n\r\n")? + 4;
    let body: usize = text(header(&buf[..head], b"\r\nContent-Length: ")?).parse().unwrap();
    (buf.len() >= head + body).then_some(head + body)
}

/// Reads every header line once, as a real parser would, and keeps what the echo needs.
pub fn parse(buf: &[u8]) -> Message<'_> {
    let head = memmem::find(buf, b"\r\n\r\n").unwrap();
    let (mut call, mut method, mut seen) = (0, &b""[..], 0);
    for line in memchr::memchr_iter(b'\n', &buf[..head + 2]).scan(0, |from, to| {
        let line = &buf[*from..to];
        *from = to + 1;
        Some(line)
    }) {
        seen += usize::from(memchr::memchr(b':', line).is_some());
        if let Some(rest) = line.strip_prefix(b"Call-ID: ") {
            call = text(&rest[..rest.len() - 1]).parse().unwrap();
        } else if let Some(rest) = line.strip_prefix(b"CSeq: ") {
            method = &rest[memchr::memchr(b' ', rest).unwrap() + 1..rest.len() - 1];
        }
    }
    std::hint::black_box(seen);
    let kind = match (&buf[..7.min(buf.len())], method) {
        (b"INVITE ", _) => Kind::Invite,
        (b"SIP/2.0", b"BYE") => Kind::ByeOk,
        (b"SIP/2.0", _) => match &buf[8..11] {
            b"100" => Kind::Trying,
            b"180" => Kind::Ringing,
            _ => Kind::Ok,
        },
        (_, b"ACK") => Kind::Ack,
        _ => Kind::Bye,
    };
    Message {
        kind,
        call,
        body: &buf[head + 4..],
    }
}

/// Appends a message; INVITE is about 1.1 kB, 200 about 1 kB, the rest about 500 bytes.
pub fn write(out: &mut Vec<u8>, kind: Kind, call: u64, body: &[u8]) {
    let (first, method) = match kind {
        Kind::Invite => ("INVITE sips:6016@127.0.0.1:5061 SIP/2.0", "INVITE"),
        Kind::Trying => ("SIP/2.0 100 Trying", "INVITE"),
        Kind::Ringing => ("SIP/2.0 180 Ringing", "INVITE"),
        Kind::Ok => ("SIP/2.0 200 OK", "INVITE"),
        Kind::Ack => ("ACK sips:6016@127.0.0.1:5061 SIP/2.0", "ACK"),
        Kind::Bye => ("BYE sips:6016@127.0.0.1:5061 SIP/2.0", "BYE"),
        Kind::ByeOk => ("SIP/2.0 200 OK", "BYE"),
    };
    use std::io::Write as _;
    let _ = write!(
        out,
        "{first}\r\nVia: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK{call:016x};rport\r\nMax-Forwards: 69\r\n\
         From: \"carrier\" <sips:3227046971@127.0.0.1>;tag=a{call:x}\r\nTo: <sips:6016@127.0.0.1>;tag=b{call:x}\r\n\
         Call-ID: {call}\r\nCSeq: 101 {method}\r\nContact: <sips:ringfence@127.0.0.1:5061;transport=tls>\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, REFER, INFO, NOTIFY\r\nSupported: timer, replaces, 100rel\r\n\
         Session-ID: {call:032x};remote={:032x}\r\nUser-Agent: spike\r\nContent-Length: {}\r\n\r\n",
        !call,
        body.len()
    );
    out.extend_from_slice(body);
}

pub const SDP: &[u8] = b"v=0\r\no=spike 3905 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
m=audio 16384 RTP/SAVP 0 8 101\r\na=crypto:1 AEAD_AES_256_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n\
a=crypto:2 AEAD_AES_128_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\na=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n\
a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

/// The node's loop's work for one message: which leg it goes to, and its bytes.
#[derive(Default)]
pub struct Node {
    calls: std::collections::HashMap<u64, (usize, usize)>,
}

impl Node {
    /// Connections 0..n come from callers, n..2n go to the called side.
    pub fn handle(&mut self, from: usize, half: usize, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let message = parse(bytes);
        if message.kind == Kind::Invite {
            self.calls.insert(message.call, (from, from + half));
        }
        let (a, b) = self.calls[&message.call];
        if message.kind == Kind::ByeOk {
            self.calls.remove(&message.call);
        }
        write(out, message.kind, message.call, message.body);
        if from == a { b } else { a }
    }
}

fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let from = memmem::find(head, name)? + name.len();
    Some(&head[from..from + memchr::memchr(b'\r', &head[from..])?])
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
