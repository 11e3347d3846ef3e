//! RFC 4475 and RFC 5118 over the wire: our renderings of their messages are thrown at a node's UDP, TCP and TLS
//! listeners from outside, and each is accepted, answered with the code that the RFC names, or dropped. After each the
//! node still answers OPTIONS, on the same connection wherever the RFC leaves one.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use net::Process;
use roles::{Control, Reply};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sip::frame::{Frame, Framer, Limits};
use sip::message::{Message, Name};

const PATIENCE: Duration = Duration::from_secs(10);
/// 65,535 octets less the heads of IPv4 and UDP.
const LARGEST_DATAGRAM: usize = 65_507;
/// One network a test, so that they may run side by side.
const BY_UDP: &str = "127.41.8.";
const BY_TCP: &str = "127.41.9.";
const BY_TLS: &str = "127.41.10.";

/// What is heard of a message. The node is a session border controller: it registers nobody (405) and knows no number
/// that these messages call (404); a message gets so far only if everything in it was understood.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// Taken for what it is, and answered as such.
    Accepted(u16),
    /// Refused with the code that the RFC names.
    Refused(u16),
    Dropped,
}
use Outcome::{Accepted, Dropped, Refused};

/// By datagram and by stream.
const TABLE: &[(&str, Outcome, Outcome)] = &[
    // §3.1.1: valid.
    // Its To has a tag: it is of a dialog that is not here.
    ("wsinv", Accepted(481), Accepted(481)),
    ("intmeth", Accepted(501), Accepted(501)),
    ("esc01", Accepted(404), Accepted(404)),
    ("escnull", Accepted(405), Accepted(405)),
    ("esc02", Accepted(501), Accepted(501)),
    ("lwsdisp", Accepted(200), Accepted(200)),
    ("longreq", Accepted(404), Accepted(404)),
    // Octets after Content-Length: one datagram is one message; in a stream the next one begins there.
    ("dblreq", Accepted(405), Accepted(405)),
    ("semiuri", Accepted(200), Accepted(200)),
    ("transports", Accepted(200), Accepted(200)),
    ("mpart01", Accepted(405), Accepted(405)),
    ("unreason", Dropped, Dropped),
    ("noreason", Dropped, Dropped),
    // §3.1.2: invalid.
    ("badinv01", Refused(400), Refused(400)),
    // More is announced than is there: a datagram is refused, a stream waits for the rest.
    ("clerr", Refused(400), Dropped),
    ("ncl", Refused(400), Refused(400)),
    ("scalar02", Refused(400), Refused(400)),
    ("scalarlg", Dropped, Dropped),
    ("quotbal", Refused(400), Refused(400)),
    ("ltgtruri", Refused(400), Refused(400)),
    ("lwsruri", Refused(400), Refused(400)),
    ("lwsstart", Refused(400), Refused(400)),
    ("trws", Refused(400), Refused(400)),
    ("escruri", Refused(400), Refused(400)),
    // A wrong date is no reason to lose a call.
    ("baddate", Accepted(404), Accepted(404)),
    ("regbadct", Refused(400), Refused(400)),
    ("badaspec", Refused(400), Refused(400)),
    ("baddn", Refused(400), Refused(400)),
    ("badvers", Refused(505), Refused(505)),
    ("mismatch01", Refused(400), Refused(400)),
    ("mismatch02", Refused(501), Refused(501)),
    ("bigcode", Dropped, Dropped),
    // §3.2: a branch that is the cookie alone is matched as RFC 2543 did.
    ("badbranch", Accepted(200), Accepted(200)),
    // §3.3: application.
    ("insuf", Refused(400), Refused(400)),
    ("unkscm", Refused(416), Refused(416)),
    ("novelsc", Refused(416), Refused(416)),
    ("unksm2", Accepted(405), Accepted(405)),
    ("bext01", Refused(420), Refused(420)),
    ("invut", Refused(415), Refused(415)),
    ("regaut01", Accepted(405), Accepted(405)),
    ("multi01", Refused(400), Refused(400)),
    ("mcl01", Refused(400), Refused(400)),
    ("bcast", Dropped, Dropped),
    // For us, so it needs no further hop.
    ("zeromf", Accepted(200), Accepted(200)),
    ("cparam01", Accepted(405), Accepted(405)),
    ("cparam02", Accepted(405), Accepted(405)),
    ("regescrt", Accepted(405), Accepted(405)),
    ("sdp01", Refused(406), Refused(406)),
    // §3.4: a peer of RFC 2543.
    ("inv2543", Accepted(404), Accepted(404)),
    // Beyond the RFC.
    ("latin1", Accepted(200), Accepted(200)),
    ("ipv6", Accepted(404), Accepted(404)),
    ("longuri", Refused(414), Refused(414)),
    ("manyfields", Refused(513), Refused(513)),
    ("longhead", Dropped, Refused(513)),
    ("badack", Dropped, Dropped),
];

/// RFC 5118 by section: Request-URI, sent-by with its parameters, outcome.
const IPV6: &[(&str, &str, &str, Outcome)] = &[
    ("4.1", "sip:[2001:db8::10]", "[2001:db8::9:1];branch=z9hG4bKas3-111", Accepted(200)),
    ("4.2", "sip:2001:db8::10", "[2001:db8::9:1];branch=z9hG4bKas3-112", Refused(400)),
    ("4.3", "sip:[2001:db8::10:5070]", "[2001:db8::9:1];branch=z9hG4bKas3-113", Accepted(200)),
    ("4.4", "sip:[2001:db8::10]:5070", "[2001:db8::9:1];branch=z9hG4bKas3-114", Accepted(200)),
    ("4.5 a", "sip:[2001:db8::10]", "[2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-115", Accepted(200)),
    ("4.5 b", "sip:[2001:db8::10]", "[2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3-116", Accepted(200)),
    ("4.9", "sip:desk@[::ffff:192.0.2.10]", "[::ffff:192.0.2.2];branch=z9hG4bKas3-117", Accepted(200)),
    ("4.10", "sip:[2001:db8:::192.0.2.1]", "[2001:db8::9:1];branch=z9hG4bKas3-118", Refused(400)),
    ("4.10 as meant", "sip:[2001:db8::192.0.2.1]", "[2001:db8::9:1];branch=z9hG4bKas3-119", Accepted(200)),
];

/// The lab with dial-peers for one who comes over UDP, over TCP and over TLS.
struct Lab {
    process: Process,
    dir: PathBuf,
}

fn address(network: &str, last: u8) -> IpAddr {
    format!("{network}{last}").parse().unwrap()
}

impl Lab {
    fn start(name: &str, network: &str) -> Lab {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/lab.toml")).unwrap();
        let more = r#"
[[node.role.sbc.dial_peer]]
tag = 6000200
incoming_called_number = "6..."
session_target = "ipv4:127.18.133.77:5060"
session_transport = "tcp"
srtp = false
dangerous_plain_rtp = true

[[node.role.sbc.dial_peer]]
tag = 6000300
incoming_called_number = "6..."
session_target = "ipv4:127.18.133.78:5061"
session_transport = "tcp tls"
secure_certificate_subject = ["torture.lab.example"]

# The same calls out again"#;
        let text = text.replacen("\n# The same calls out again", more, 1).replace("127.18.133.", network);
        let dir = std::env::temp_dir().join(format!("ringfence-torture-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        store::DataDir::init(&dir, &text, SystemTime::now()).unwrap();
        let site = site::Site::parse(&text).unwrap();
        let process = Process::start(&site, &dir, &["cube1".to_owned()]).unwrap();
        Lab { process, dir }
    }

    /// No panic, nothing left, and what was refused is counted by what was wrong with it.
    fn stop(self) {
        let node = self.process.node("cube1").unwrap();
        let Reply::Status(status) = node.control_blocking(Control::Status) else { panic!("no status") };
        assert_eq!((status.panics, status.calls), (0, 0));
        for cause in ["no_dialog", "unknown_method", "extension", "uri_scheme", "media_type", "not_acceptable"] {
            assert!(status.refused.get(cause).is_some_and(|times| *times > 0), "{cause}: {:?}", status.refused);
        }
        let malformed = node.connections().malformed;
        for answer in ["400", "414", "505", "513"] {
            assert!(malformed.get(answer).is_some_and(|times| *times > 0), "{answer}: {malformed:?}");
        }
        self.process.stop();
        std::fs::remove_dir_all(self.dir).unwrap();
    }

    fn tls(&self) -> Arc<ClientConfig> {
        let dir = store::DataDir::open(&self.dir).unwrap();
        let now = SystemTime::now();
        let request = trust::Request {
            common_name: "torture.lab.example".into(),
            dns_names: vec!["torture.lab.example".into()],
            ip_addresses: Vec::new(),
            node: None,
            uris: Vec::new(),
            key: trust::KeyKind::P256,
            not_before: now - PATIENCE,
            not_after: now + Duration::from_secs(3600),
        };
        let identity = dir.ca().unwrap().issue(&request).unwrap();
        let mut roots = RootCertStore::empty();
        for pem in dir.roots_pem().unwrap() {
            for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.add(der.unwrap()).unwrap();
            }
        }
        let chain = identity.chain_der().into_iter().map(CertificateDer::from).collect();
        let key = PrivateKeyDer::from_pem_slice(identity.key_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap())
    }
}

/// An answer, read as somebody would who wrote the broken Via that it repeats.
struct Answer {
    text: String,
}

impl Answer {
    fn read(bytes: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(bytes).into_owned();
        assert!(text.starts_with("SIP/2.0 "), "an answer and nothing else: {text}");
        Answer { text }
    }

    fn status(&self) -> u16 {
        self.text[8..11].parse().unwrap()
    }

    fn field(&self, name: &str) -> &str {
        self.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or("")
    }
}

/// Whoever throws: bytes out, answers in.
trait Way {
    fn throw(&mut self, bytes: &[u8]);
    /// The next answer; `None` when the other side has closed.
    fn hear(&mut self) -> Option<Answer>;
    fn renew(&mut self);
}

struct Datagrams {
    socket: UdpSocket,
    /// Answers to requests without `rport` go to the port of sent-by; one of the messages says 5061.
    other: UdpSocket,
    node: SocketAddr,
    /// Came while something waited at the other port, which was sent before it.
    after: Option<Answer>,
}

impl Way for Datagrams {
    fn throw(&mut self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.node).unwrap();
    }

    fn hear(&mut self) -> Option<Answer> {
        let mut bytes = [0; 65536];
        if let Some(after) = self.after.take() {
            return Some(after);
        }
        let (got, from) = self.socket.recv_from(&mut bytes).expect("an answer in time");
        assert_eq!(from, self.node, "answers come from the address that was asked");
        let answer = Answer::read(&bytes[..got]);
        let Ok((got, from)) = self.other.recv_from(&mut bytes) else { return Some(answer) };
        assert_eq!(from, self.node, "to the other port too");
        self.after = Some(answer);
        Some(Answer::read(&bytes[..got]))
    }

    fn renew(&mut self) {}
}

type Secure = StreamOwned<ClientConnection, TcpStream>;

enum Stream {
    Plain(TcpStream),
    Secure(Box<Secure>),
}

struct Streams<F: Fn() -> Stream> {
    open: F,
    stream: Stream,
    framer: Framer,
}

impl<F: Fn() -> Stream> Streams<F> {
    fn new(open: F) -> Streams<F> {
        let stream = open();
        Streams { open, stream, framer: Framer::new(Limits::default()) }
    }
}

impl<F: Fn() -> Stream> Way for Streams<F> {
    fn throw(&mut self, bytes: &[u8]) {
        // The other side may have closed already: then there is nothing to hear either.
        let _ = match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes),
            Stream::Secure(tls) => tls.write_all(bytes),
        };
    }

    fn hear(&mut self) -> Option<Answer> {
        loop {
            match self.framer.next().expect("what the node sends can be cut") {
                Some(Frame::Message(bytes)) => return Some(Answer::read(&bytes)),
                Some(Frame::Ping | Frame::Pong) => {}
                None => {
                    let mut bytes = [0; 65536];
                    let got = match &mut self.stream {
                        Stream::Plain(tcp) => tcp.read(&mut bytes),
                        Stream::Secure(tls) => read(tls, &mut bytes),
                    };
                    match got {
                        Ok(0) => return None,
                        Ok(got) => self.framer.push(&bytes[..got]),
                        // A reset: the node closed while more of ours was on the way.
                        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return None,
                        Err(error) => panic!("neither an answer nor the end of the stream: {error}"),
                    }
                }
            }
        }
    }

    fn renew(&mut self) {
        self.stream = (self.open)();
        self.framer = Framer::new(Limits::default());
    }
}

/// Reads without writing first, as rustls' own stream would: what was said before the other side closed is there still.
fn read(tls: &mut Secure, bytes: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match tls.conn.reader().read(bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            read => return read,
        }
        tls.conn.read_tls(&mut tls.sock)?;
        tls.conn.process_new_packets().map_err(std::io::Error::other)?;
    }
}

fn ping(n: usize) -> Vec<u8> {
    format!(
        "OPTIONS sip:ping@node SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKping{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: ping.{n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Throws one case and then a ping; gives what came before the ping's answer, by status, and whether the way survived.
fn outcome(way: &mut impl Way, n: usize, bytes: &[u8]) -> (Option<Answer>, bool) {
    way.throw(bytes);
    way.throw(&ping(n));
    let call_id = Message::parse(Bytes::copy_from_slice(bytes)).ok().map(|message| message.call_id().to_owned());
    let mut found = None;
    let pong = format!("ping.{n}");
    loop {
        match way.hear() {
            Some(answer) if answer.field("Call-ID") == pong => {
                assert_eq!(answer.status(), 200, "the node still answers");
                return (found, true);
            }
            // An earlier INVITE's refusal that is sent again until its ACK comes.
            Some(answer) if is_of_another(&answer, call_id.as_deref(), bytes) => {}
            Some(answer) => {
                if answer.field("CSeq").ends_with("INVITE")
                    && let Some(ack) = ack(bytes, &answer)
                {
                    way.throw(&ack);
                }
                found = found.or(Some(answer));
            }
            None => {
                way.renew();
                way.throw(&ping(n));
                let answered = way.hear().is_some_and(|answer| answer.field("Call-ID") == pong);
                assert!(answered, "a new connection is answered");
                return (found, false);
            }
        }
    }
}

fn is_of_another(answer: &Answer, call_id: Option<&str>, bytes: &[u8]) -> bool {
    match (call_id, answer.field("Call-ID")) {
        (Some(ours), theirs) => theirs != ours,
        (None, "") => false,
        (None, theirs) => !String::from_utf8_lossy(bytes).contains(theirs),
    }
}

fn ack(bytes: &[u8], answer: &Answer) -> Option<Vec<u8>> {
    let request = Message::parse(Bytes::copy_from_slice(bytes)).ok()?;
    let (number, _) = request.cseq().ok()?;
    let top = request.values(&Name::Via).next()?;
    let text = format!(
        "ACK {} SIP/2.0\r\nVia: {top}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} ACK\r\nContent-Length: 0\r\n\r\n",
        request.request_uri_text()?,
        request.header(&Name::From)?,
        answer.field("To"),
        request.call_id(),
    );
    Some(text.into_bytes())
}

fn judge(name: &str, expect: Outcome, found: Option<&Answer>) -> Option<String> {
    let status = found.map(Answer::status);
    let (wanted, words) = match expect {
        Accepted(code) => (Some(code), false),
        Refused(code) => (Some(code), true),
        Dropped => (None, false),
    };
    if status != wanted {
        return Some(format!("{name}: expected {expect:?}, met {status:?}"));
    }
    let says = found.is_some_and(|answer| answer.field("Warning").len() > 10);
    (words && !says).then(|| format!("{name}: {wanted:?} without a word why"))
}

fn throw_all(mut way: impl Way, by_stream: bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip/tests/torture");
    let mut wrong = Vec::new();
    for (n, (name, datagram, stream)) in TABLE.iter().enumerate() {
        let bytes = of_its_own(std::fs::read(folder.join(name).with_extension("sip")).unwrap(), name);
        let expect = if by_stream { *stream } else { *datagram };
        // More octets than a datagram can have.
        if !by_stream && bytes.len() > LARGEST_DATAGRAM {
            continue;
        }
        if by_stream && *name == "clerr" {
            way.throw(&bytes);
            way.renew();
            continue;
        }
        let has_length =
            Message::parse(Bytes::from(bytes.clone())).is_ok_and(|m| m.header(&Name::ContentLength).is_some());
        let bytes = if by_stream && !has_length { with_length(&bytes) } else { bytes };
        let (found, _) = outcome(&mut way, n, &bytes);
        wrong.extend(judge(name, expect, found.as_ref()));
    }
    for (n, (section, uri, via, expect)) in IPV6.iter().enumerate() {
        let text = format!(
            "OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {via};rport\r\nMax-Forwards: 70\r\nFrom: <sip:desk@[2001:db8::9:1]>;tag=1\r\n\
             To: <sip:desk@example.org>\r\nCall-ID: v6.{n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        let (found, survived) = outcome(&mut way, 1000 + n, text.as_bytes());
        assert!(survived, "RFC 5118 {section}");
        wrong.extend(judge(&format!("RFC 5118 §{section}"), *expect, found.as_ref()));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Many of the renderings have one and the same branch: the second of a method would be the first, sent again.
fn of_its_own(mut bytes: Vec<u8>, name: &str) -> Vec<u8> {
    const SHARED: &[u8] = b";branch=z9hG4bK1\r\n";
    if let Some(at) = bytes.windows(SHARED.len()).position(|found| found == SHARED) {
        let branch = format!(";branch=z9hG4bK-{name}\r\n").into_bytes();
        bytes.splice(at..at + SHARED.len(), branch);
    }
    bytes
}

/// Streams need a length; a message that lacks one (and is no test of that) gets the one that it has.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    if text.contains("\r\ncontent-length") || text.contains("\r\nl:") || text.contains("\r\nl ") {
        return bytes.to_vec();
    }
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return bytes.to_vec() };
    let (head, body) = bytes.split_at(end + 2);
    let mut out = head.to_vec();
    out.extend_from_slice(format!("Content-Length: {}\r\n", body.len() - 2).as_bytes());
    out.extend_from_slice(body);
    out
}

#[test]
fn torture_by_udp() {
    let lab = Lab::start("udp", BY_UDP);
    // The default port, which most of the messages mean by their sent-by.
    let socket = UdpSocket::bind((address(BY_UDP, 76), 5060)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let other = UdpSocket::bind((address(BY_UDP, 76), 5061)).unwrap();
    other.set_nonblocking(true).unwrap();
    let node = SocketAddr::new(address(BY_UDP, 226), 5060);
    throw_all(Datagrams { socket, other, node, after: None }, false);
    lab.stop();
}

fn connect(network: &str, from: u8, port: u16) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(address(network, from), 0).into()).unwrap();
    socket.connect(&SocketAddr::new(address(network, 226), port).into()).unwrap();
    let tcp = TcpStream::from(socket);
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp
}

#[test]
fn torture_by_tcp() {
    let lab = Lab::start("tcp", BY_TCP);
    throw_all(Streams::new(|| Stream::Plain(connect(BY_TCP, 77, 5060))), true);
    lab.stop();
}

#[test]
fn torture_by_tls() {
    let lab = Lab::start("tls", BY_TLS);
    let config = lab.tls();
    let open = move || {
        let name = ServerName::try_from("cube1.lab.example").unwrap();
        let (mut tls, mut tcp) = (ClientConnection::new(config.clone(), name).unwrap(), connect(BY_TLS, 78, 5061));
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp).unwrap();
        }
        Stream::Secure(Box::new(StreamOwned::new(tls, tcp)))
    };
    throw_all(Streams::new(open), true);
    lab.stop();
}
