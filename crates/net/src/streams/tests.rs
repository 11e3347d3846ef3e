//! Bots that hear, do not read, and are nowhere, beside a media thread that the test is: it must never wait.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc as channel;

use media::{Frame, LeaseId, Spoken};
use tokio::sync::mpsc::error::TrySendError;

use super::*;
use crate::mailbox::{Receiver, mailbox};
use crate::media_threads::{Letter, Noted};

const PATIENCE: Duration = Duration::from_secs(60);
const LEASE: LeaseId = LeaseId { thread: 0, slot: 3, generation: 1 };

struct Rig {
    streams: Streams,
    media: Receiver<Letter>,
}

/// A caller who is streamed.
struct Caller {
    ear: mpsc::Sender<Frame>,
    notes: mpsc::Sender<Noted>,
    ended: channel::Receiver<Result<StreamEnd, String>>,
    number: u64,
}

impl Rig {
    fn new() -> Rig {
        let (to_media, media) = mailbox(64).unwrap();
        Rig { streams: Streams::start(Taps::new(vec![to_media])).unwrap(), media }
    }

    fn letter<T>(&self, mut pick: impl FnMut(Letter) -> Option<T>) -> T {
        loop {
            match self.media.take().map(&mut pick) {
                Some(Some(found)) => return found,
                Some(None) => {}
                None => std::thread::yield_now(),
            }
        }
    }

    fn streams_to(&self, url: String, dangerous_plain_http: bool) -> Caller {
        let order = vxml::StreamOrder { url, connect_timeout: Duration::from_secs(10), parameters: "{}".into() };
        let authority = trust::Authority::Own;
        let stream = roles::Stream { lease: LEASE, tap: 9, caller: "c".into(), order, authority, dangerous_plain_http };
        let (tell, ended) = channel::channel();
        let trust = Trust { roots: Vec::new(), versions: trust::tls::Versions { tls12: true, tls13: true } };
        let answer: Answer = Box::new(move |outcome| drop(tell.send(outcome)));
        assert!(self.streams.errands().blocking_send(Errand { trust: Some(trust.into()), stream, answer }).is_ok());
        let ear = self.letter(|letter| match letter {
            Letter::Ear { tap: 9, ear, .. } => Some(ear),
            _ => None,
        });
        let notes = self.letter(|letter| match letter {
            Letter::Mouth { tap: 9, notes, .. } => Some(notes),
            _ => None,
        });
        Caller { ear, notes, ended, number: 0 }
    }

    /// What the bot says to the caller next.
    fn said(&self) -> Spoken {
        self.letter(|letter| match letter {
            Letter::Say { tap: 9, said, .. } => Some(said),
            _ => None,
        })
    }
}

impl Caller {
    /// As a media thread does: whether it was taken.
    fn says(&mut self) -> bool {
        self.number += 1;
        let frame = Frame { number: self.number, samples: [0; Frame::SAMPLES].as_slice().into() };
        !matches!(self.ear.try_send(frame), Err(TrySendError::Full(_)))
    }
}

/// A bot in the clear: it has accepted, and what it says is for the test to write.
fn bot() -> (String, channel::Receiver<TcpStream>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (tell, told) = channel::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut head, mut octet) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut octet).unwrap();
            head.extend(octet);
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = sip::websocket::accept(key);
        write!(
            stream,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .unwrap();
        tell.send(stream).unwrap();
    });
    (url, told)
}

/// A message of a server: one frame of text, unmasked.
fn text(message: &str) -> Vec<u8> {
    let mut socket = sip::websocket::WebSocket::upgraded(1 << 20);
    socket.send(message.as_bytes());
    socket.take().to_vec()
}

#[test]
fn a_bot_that_does_not_read_costs_the_media_thread_nothing_and_is_given_up() {
    let rig = Rig::new();
    let (url, opened) = bot();
    let mut caller = rig.streams_to(url, true);
    let stream = opened.recv_timeout(PATIENCE).unwrap();
    let mut refused = 0;
    let ended = loop {
        refused += u64::from(!caller.says());
        match caller.ended.recv_timeout(Duration::from_millis(1)) {
            Ok(ended) => break ended,
            Err(error) => assert_eq!(error, channel::RecvTimeoutError::Timeout),
        }
    };
    assert_eq!(ended, Err("error.stream.lost".into()));
    assert!(refused > 100, "what it does not read is lost, and nobody waits: {refused}");
    drop(stream);
    rig.streams.stop();
}

#[test]
fn what_a_bot_said_before_it_stopped_is_heard_first() {
    let rig = Rig::new();
    let (url, opened) = bot();
    let caller = rig.streams_to(url, true);
    let mut stream = opened.recv_timeout(PATIENCE).unwrap();
    let words = [
        r#"{"event":"media","media":{"payload":"AAECAw=="}}"#,
        r#"{"event":"mark","mark":{"name":"m"}}"#,
        r#"{"event":"clear"}"#,
        r#"{"event":"media","media":{"payload":"BA=="}}"#,
        r#"{"event":"stop","stop":{"value":[1,"two"]}}"#,
    ];
    stream.write_all(&words.map(text).concat()).unwrap();
    let said = [rig.said(), rig.said(), rig.said(), rig.said(), rig.said()];
    let codes = |codes: &[u8]| Spoken::Codes(codes.into());
    assert_eq!(said, [codes(&[0, 1, 2, 3]), Spoken::Mark(1), Spoken::Clear, codes(&[4]), Spoken::Mark(2)]);
    assert!(caller.ended.try_recv().is_err(), "the last was not heard yet");
    caller.notes.blocking_send(Noted::Mark(1)).unwrap();
    caller.notes.blocking_send(Noted::Mark(2)).unwrap();
    let ended = caller.ended.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!((ended.stopped, ended.value.as_str()), (true, r#"[1,"two"]"#));
    rig.streams.stop();
}

#[test]
fn an_address_that_may_not_be_dialled_or_is_nobodys_is_badfetch() {
    let rig = Rig::new();
    let (url, opened) = bot();
    for (url, plain) in [(url, false), ("wss://127.0.0.1:1/".into(), false), ("ws://127.0.0.1:1/".into(), true)] {
        let caller = rig.streams_to(url, plain);
        assert_eq!(caller.ended.recv_timeout(PATIENCE), Ok(Err("error.badfetch".into())));
    }
    assert!(opened.try_recv().is_err());
    // Who hangs up meanwhile is waited for by nobody.
    let (url, opened) = bot();
    let Caller { ear, notes, ended, .. } = rig.streams_to(url, true);
    let mut stream = opened.recv_timeout(PATIENCE).unwrap();
    drop((ear, notes));
    assert!(ended.recv_timeout(PATIENCE).unwrap().is_err());
    let mut heard = Vec::new();
    // It is told goodbye, or less where its own handshake had not arrived.
    let _ = stream.read_to_end(&mut heard);
    assert!(!String::from_utf8_lossy(&heard).contains("media"));
    rig.streams.stop();
}
