//! A speech server for tests, on real sockets: SIP and MRCPv2 over TLS with certificates of both sides, audio under SRTP.
//! It speaks in a tone, or does wrong in a manner of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use media::rtp::Header;
use media::srtp::{Inbound, Outbound};
use media::{TAG_ROOM, g711};
use mrcp::{Content, EventName, Framer, Headers, Message, Method, RequestState, Start, Status};
use sdp::{Codec, Keying, Line, Local, MasterKey, Media, Negotiated, Policy, Protection, Session, Suite};
use sip::{Config, Endpoint, Event, Flow, FlowId, Output, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use trust::tls::{ClientCertificate, Versions};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "no test binary needs all of them")]
pub(crate) enum Manner {
    /// In a tone of so many Hz, for so many packets of 20 ms.
    Speaks {
        hertz: u32,
        packets: u32,
    },
    RefusesTheCall,
    NeverAnswers,
    HasNoSynthesizer,
    WouldTalkInClear,
    NamesAnotherCertificate,
    RefusesTheWords,
    FailsInTheMiddle,
    HangsUp,
    ClosesTheControlConnection,
    TalksNonsense,
    FallsSilent,
    KeysOfItsOwn,
    SendsNoAudio,
    AnswersWhatWasNotAsked,
    /// Hears a grammar's word in what is louder than silence, or nothing.
    Recognises,
    HearsNothing,
    /// To a server that others wrote, which has neither TLS nor SRTP: we are the wall in front of it.
    PassesOn(SocketAddr),
}

pub(crate) struct SpeechServer {
    pub(crate) address: SocketAddr,
    shop: Arc<Shop>,
}

struct Shop {
    manner: Manner,
    tls: TlsAcceptor,
    seen: Mutex<Vec<String>>,
    fingerprint: [u8; 32],
}

impl SpeechServer {
    /// Serves at this address until the test's process ends.
    pub(crate) fn start(at: SocketAddr, identity: &trust::Identity, roots: &[String], manner: Manner) -> SpeechServer {
        let versions = Versions { tls12: true, tls13: true };
        let tls = trust::tls::server(identity, roots, versions, ClientCertificate::Required).unwrap();
        let leaf = identity.chain_der().remove(0);
        let mut fingerprint: [u8; 32] =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &leaf).as_ref().try_into().unwrap();
        if manner == Manner::NamesAnotherCertificate {
            fingerprint[0] ^= 1;
        }
        // It listens before anybody is told of it.
        let listener = std::net::TcpListener::bind(at).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shop = Arc::new(Shop { manner, tls: TlsAcceptor::from(tls), seen: Mutex::default(), fingerprint });
        let serving = shop.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serving.clone().call(stream));
                }
            });
        });
        SpeechServer { address, shop }
    }

    /// Methods and words, in the order in which they came.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.shop.seen.lock().unwrap().clone()
    }
}

impl Shop {
    fn note(&self, what: impl Into<String>) {
        self.seen.lock().unwrap().push(what.into());
    }

    async fn call(self: Arc<Shop>, stream: TcpStream) {
        let (local, remote) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        let Ok(mut stream) = self.tls.accept(stream).await else { return };
        let config = Config { local: vec![(Transport::Tls, local)], ..Config::default() };
        let mut endpoint = Endpoint::new(seed(), config, Duration::ZERO);
        let flow = Flow { id: FlowId(1), transport: Transport::Tls, local, remote };
        let (began, mut framer) = (Instant::now(), sip::frame::Framer::new(sip::frame::Limits::default()));
        let mut piece = vec![0; 16_384];
        loop {
            while let Some(output) = endpoint.poll() {
                match output {
                    Output::Send { bytes, .. } => stream.write_all(&bytes).await.unwrap(),
                    Output::Event(event) => self.clone().happened(&mut endpoint, event, local, began).await,
                }
            }
            stream.flush().await.unwrap();
            let due = endpoint.deadline().map_or(Duration::from_secs(60), |due| due.saturating_sub(began.elapsed()));
            match tokio::time::timeout(due, stream.read(&mut piece)).await {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(read)) => framer.push(&piece[..read]),
                Err(_) => endpoint.tick(began.elapsed()),
            }
            while let Ok(Some(sip::frame::Frame::Message(bytes))) = framer.next() {
                endpoint.receive(flow, sip::Message::parse(bytes).unwrap(), began.elapsed());
            }
        }
    }

    async fn happened(self: Arc<Shop>, endpoint: &mut Endpoint, event: Event, local: SocketAddr, began: Instant) {
        let now = began.elapsed();
        match event {
            Event::Request { server, request, .. } => {
                self.note(request.method().to_string());
                match self.manner {
                    Manner::RefusesTheCall => endpoint.respond(server, sip::Status(486), vec![], None, now),
                    Manner::NeverAnswers => {}
                    _ => {
                        let answer = self.agree(&request.sdp().unwrap(), local).await;
                        endpoint.respond(server, sip::Status(200), vec![], Some(sip::Body::sdp(answer)), now);
                    }
                }
            }
            Event::InDialog { server, request, .. } => {
                self.note(request.method().to_string());
                endpoint.respond(server, sip::Status(200), vec![], None, now);
            }
            Event::Cancelled { .. } => self.note("CANCEL"),
            Event::Acked { dialog, .. } if self.manner == Manner::HangsUp => endpoint.end(dialog, vec![], now),
            _ => {}
        }
    }

    /// The answer; whoever comes to its control port is served from then on.
    async fn agree(self: Arc<Shop>, offer: &[u8], local: SocketAddr) -> String {
        let mut session = Session::parse(offer).unwrap();
        let control = session.media.remove(0);
        assert_eq!(
            (control.media.as_str(), control.proto.as_str(), control.port),
            ("application", "TCP/TLS/MRCPv2", 9)
        );
        let audio = UdpSocket::bind((local.ip(), 0)).await.unwrap();
        let mut ours = Local::new(audio.local_addr().unwrap(), 1);
        let mut keys = |suite: Suite| MasterKey::new(vec![9; suite.key_salt_len().0 + suite.key_salt_len().1]);
        let resource = control.lines.iter().find_map(|line| line.value.strip_prefix("resource:")).unwrap();
        let policy = Policy::new(Protection::Secure);
        let (text, agreed) = sdp::answer(&policy, &mut ours, session.to_string().as_bytes(), &mut keys).unwrap();
        let listener = TcpListener::bind((local.ip(), 0)).await.unwrap();
        let mut answer = Session::parse(text.as_bytes()).unwrap();
        let fingerprint = sdp::Fingerprint::sha_256(self.fingerprint);
        let proto = if self.manner == Manner::WouldTalkInClear { "TCP/MRCPv2" } else { "TCP/TLS/MRCPv2" };
        let port = listener.local_addr().unwrap().port();
        answer.media.insert(
            0,
            Media {
                media: "application".into(),
                port: if self.manner == Manner::HasNoSynthesizer { 0 } else { port },
                ports: None,
                proto: proto.into(),
                formats: vec!["1".into()],
                lines: vec![
                    Line::new('a', "setup:passive"),
                    Line::new('a', "connection:new"),
                    Line::new('a', format!("fingerprint:{fingerprint}")),
                    Line::new('a', format!("channel:32AECB23433802@{resource}")),
                    Line::new('a', "cmid:1"),
                ],
            },
        );
        let beyond = match self.manner {
            Manner::PassesOn(server) => {
                let beyond = Beyond::call(server, resource).await;
                let channel = Line::new('a', format!("channel:{}", beyond.channel));
                for line in answer.media.iter_mut().flat_map(|media| &mut media.lines) {
                    if line.value.starts_with("channel:") {
                        *line = channel.clone();
                    }
                }
                Some(beyond)
            }
            _ => None,
        };
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not like our certificate is gone again.
            let Ok(stream) = self.tls.accept(stream).await else { return };
            match beyond {
                Some(beyond) => beyond.serve(stream, audio, agreed).await,
                None => self.control(stream, audio, agreed).await,
            }
        });
        answer.to_string()
    }

    async fn control(self: Arc<Shop>, mut stream: TlsStream<TcpStream>, audio: UdpSocket, agreed: Negotiated) {
        let mut framer = Framer::new(mrcp::Limits::default());
        let mut piece = vec![0; 16_384];
        loop {
            while let Some(message) = framer.next().unwrap() {
                let Start::Request { method, request } = &message.start else { panic!("{message:?}") };
                let channel = message.headers().channel().unwrap().unwrap().to_string();
                let language = message.headers().text("Speech-Language").unwrap_or_default().into_owned();
                self.note(format!("{method} {language} {}", String::from_utf8_lossy(message.body())));
                let mut said = Said { stream: &mut stream, request: *request, channel };
                match method {
                    Method::Speak => self.speak(&mut said, &audio, &agreed).await,
                    Method::DefineGrammar => said.answer(200, RequestState::Complete, "000 success").await,
                    Method::Recognize => self.recognise(&mut said, &audio, &agreed).await,
                    other => panic!("{other}"),
                }
                if matches!(self.manner, Manner::ClosesTheControlConnection) {
                    return;
                }
            }
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(read) => framer.push(&piece[..read]),
            }
        }
    }

    /// Takes a fifth of a second that is loud, and the silence behind it, for a word.
    async fn recognise(&self, said: &mut Said<'_>, audio: &UdpSocket, agreed: &Negotiated) {
        if self.manner == Manner::RefusesTheWords {
            return said.answer(407, RequestState::Complete, "005 grammar-compilation-failure").await;
        }
        said.begun().await;
        let Keying::Sdes { suite, remote, .. } = &agreed.keying else { panic!("no keys") };
        let mut inbound = Inbound::new(*suite, remote).unwrap();
        let (mut loud, mut quiet, mut buffer) = (0, 0, vec![0; 2048]);
        while loud < 10 || quiet < 10 {
            let (len, _) = audio.recv_from(&mut buffer).await.unwrap();
            let len = inbound.open(&mut buffer, len).unwrap();
            let header = Header::parse(&buffer[..len]).unwrap();
            let codes = header.payload(&buffer[..len]).unwrap();
            let is_loud = codes.iter().any(|code| g711::decode(agreed.codec, *code).unsigned_abs() > 500);
            match is_loud {
                true if loud == 0 => {
                    loud = 1;
                    said.event(EventName::StartOfInput, RequestState::InProgress, "", "").await;
                }
                true => loud += 1,
                false => quiet += 1,
            }
        }
        let (cause, body) = match self.manner {
            Manner::HearsNothing => ("001 no-match", ""),
            Manner::FailsInTheMiddle => ("006 recognizer-error", ""),
            _ => (
                "000 success",
                "<result xmlns=\"urn:ietf:params:xml:ns:mrcpv2\"><interpretation confidence=\"0.9\"><instance>x\
                 </instance><input mode=\"speech\">technical support</input></interpretation><interpretation confidence=\"0.4\">\
                 <instance>y</instance><input>sales</input></interpretation></result>",
            ),
        };
        said.event(EventName::RecognitionComplete, RequestState::Complete, cause, body).await;
    }

    async fn speak(&self, said: &mut Said<'_>, audio: &UdpSocket, agreed: &Negotiated) {
        let tone = |packets| play(audio, agreed, 440, packets, None);
        match self.manner {
            Manner::Speaks { hertz, packets } => {
                said.begun().await;
                play(audio, agreed, hertz, packets, None).await;
                said.ended("000 normal").await;
            }
            Manner::RefusesTheWords => said.answer(407, RequestState::Complete, "005 language-unsupported").await,
            Manner::FailsInTheMiddle => {
                said.begun().await;
                tone(5).await;
                said.ended("004 error").await;
            }
            Manner::TalksNonsense => said.raw(b"HTTP/1.1 200 OK\r\n\r\n").await,
            Manner::AnswersWhatWasNotAsked => {
                said.request = mrcp::RequestId(said.request.0 + 1);
                said.begun().await;
            }
            Manner::FallsSilent => {
                said.begun().await;
                tone(5).await;
            }
            Manner::KeysOfItsOwn => {
                said.begun().await;
                let Keying::Sdes { suite, .. } = &agreed.keying else { panic!("no keys") };
                let (key, salt) = suite.key_salt_len();
                play(audio, agreed, 440, 50, Some(MasterKey::new(vec![1; key + salt]))).await;
                said.ended("000 normal").await;
            }
            Manner::SendsNoAudio => {
                said.begun().await;
                said.ended("000 normal").await;
            }
            _ => {}
        }
    }
}

/// What the server says of one request.
struct Said<'a> {
    stream: &'a mut TlsStream<TcpStream>,
    channel: String,
    request: mrcp::RequestId,
}

impl Said<'_> {
    async fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    async fn send(&mut self, start: Start, cause: Option<&str>) {
        let mut headers = Headers::new().with("Channel-Identifier", &self.channel);
        if let Some(cause) = cause {
            headers.push("Completion-Cause", cause);
        }
        headers.push("Speech-Marker", "timestamp=857206027059");
        self.raw(&Message::new(start, headers).write()).await;
    }

    async fn event(&mut self, name: EventName, state: RequestState, cause: &str, body: &str) {
        let start = Start::Event { name, request: self.request, stray: None, state };
        let mut headers = Headers::new().with("Channel-Identifier", &self.channel);
        if !cause.is_empty() {
            headers.push("Completion-Cause", cause);
        }
        let message = Message::new(start, headers);
        let message = match body {
            "" => message,
            body => message.with(Content::new("application/nlsml+xml", body.to_owned())),
        };
        self.raw(&message.write()).await;
    }

    async fn answer(&mut self, status: u16, state: RequestState, cause: &str) {
        let start = Start::Response { request: self.request, status: Status(status), state };
        self.send(start, Some(cause).filter(|cause| !cause.is_empty())).await;
    }

    async fn begun(&mut self) {
        self.answer(200, RequestState::InProgress, "").await;
    }

    async fn ended(&mut self, cause: &str) {
        let (name, state) = (EventName::SpeakComplete, RequestState::Complete);
        self.send(Start::Event { name, request: self.request, stray: None, state }, Some(cause)).await;
    }
}

/// A tone under SRTP, by the agreed key of ours or another.
async fn play(audio: &UdpSocket, agreed: &Negotiated, hertz: u32, packets: u32, other: Option<MasterKey>) {
    let Keying::Sdes { suite, local, .. } = &agreed.keying else { panic!("no keys") };
    let mut out = Outbound::new(*suite, other.as_ref().unwrap_or(local), 0x5ee).unwrap();
    assert_eq!(agreed.codec, Codec::Pcmu);
    for packet in 0..packets {
        let header = Header {
            marker: packet == 0,
            payload_type: agreed.payload_type,
            sequence: packet as u16,
            timestamp: 160 * packet,
            ssrc: 0x5ee,
            padding: false,
            len: 12,
        };
        let mut buffer = vec![0; 12 + 160 + TAG_ROOM];
        header.write(&mut buffer).unwrap();
        for (at, code) in (160 * packet..).zip(&mut buffer[12..172]) {
            let turn = f64::from(at) * std::f64::consts::TAU * f64::from(hertz) / 8000.0;
            *code = g711::encode(Codec::Pcmu, (turn.sin() * 12_000.0) as i16);
        }
        let len = out.seal(&mut buffer, 172).unwrap();
        audio.send_to(&buffer[..len], agreed.remote).await.unwrap();
        // Whoever listens is on another thread, and takes them as they come.
        tokio::task::yield_now().await;
    }
}

/// Two calls of one Call-ID would be one call.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).unwrap();
    seed
}

/// A call in clear to a server behind us.
struct Beyond {
    channel: String,
    control: SocketAddr,
    /// Where its audio goes.
    remote: SocketAddr,
    audio: UdpSocket,
    stream: TcpStream,
    endpoint: Endpoint,
    dialog: sip::DialogId,
    began: Instant,
}

impl Beyond {
    async fn call(server: SocketAddr, resource: &str) -> Beyond {
        let audio = UdpSocket::bind((server.ip(), 0)).await.unwrap();
        let stream = TcpStream::connect(server).await.unwrap();
        let local = stream.local_addr().unwrap();
        let (ip, port) = (local.ip(), audio.local_addr().unwrap().port());
        let direction = if resource == "speechsynth" { "recvonly" } else { "sendonly" };
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=application 9 TCP/MRCPv2 1\r\n\
             a=setup:active\r\na=connection:new\r\na=resource:{resource}\r\na=cmid:1\r\nm=audio {port} RTP/AVP 0\r\n\
             a=rtpmap:0 PCMU/8000\r\na={direction}\r\na=mid:1\r\n"
        );
        let config = Config { local: vec![(Transport::Tcp, local)], ..Config::default() };
        let mut endpoint = Endpoint::new(seed(), config, Duration::ZERO);
        let target = sip::Target { transport: Transport::Tcp, addr: server, peer: "beyond".into() };
        let invite = sip::Invite {
            hop: sip::Hop::Target(target.clone()),
            request_uri: sip::Uri::parse(&format!("sip:speech@{server}")).unwrap(),
            from: sip::NameAddr::parse(&format!("<sip:wall@{ip}>")).unwrap(),
            to: sip::NameAddr::parse(&format!("<sip:speech@{server}>")).unwrap(),
            contact_user: None,
            headers: vec![],
            body: Some(sip::Body::sdp(offer)),
            max_forwards: 70,
        };
        let (dialog, _) = endpoint.invite(invite, Duration::ZERO);
        endpoint.set_target(dialog, target);
        let mut beyond = Beyond {
            channel: String::new(),
            control: server,
            remote: server,
            audio,
            stream,
            endpoint,
            dialog,
            began: Instant::now(),
        };
        let answer = beyond.answered(server).await;
        let session = Session::parse(&answer).unwrap();
        let control = &session.media[0];
        let channel = control.lines.iter().find_map(|line| line.value.strip_prefix("channel:")).unwrap();
        beyond.channel = channel.to_owned();
        beyond.control.set_port(control.port);
        beyond.remote.set_port(session.media[1].port);
        beyond
    }

    async fn answered(&mut self, server: SocketAddr) -> bytes::Bytes {
        let local = self.stream.local_addr().unwrap();
        let flow = Flow { id: FlowId(1), transport: Transport::Tcp, local, remote: server };
        let mut framer = sip::frame::Framer::new(sip::frame::Limits::default());
        let mut piece = vec![0; 16_384];
        loop {
            while let Some(output) = self.endpoint.poll() {
                match output {
                    Output::Send { bytes, .. } => self.stream.write_all(&bytes).await.unwrap(),
                    Output::Event(Event::Accepted { dialog, response, .. }) => {
                        self.endpoint.ack(dialog, vec![], None, self.began.elapsed());
                        self.flush().await;
                        return response.sdp().unwrap();
                    }
                    Output::Event(_) => {}
                }
            }
            let read = self.stream.read(&mut piece).await.unwrap();
            assert!(read > 0, "the server behind us closed the connection");
            framer.push(&piece[..read]);
            while let Ok(Some(sip::frame::Frame::Message(bytes))) = framer.next() {
                self.endpoint.receive(flow, sip::Message::parse(bytes).unwrap(), self.began.elapsed());
            }
        }
    }

    async fn flush(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            if let Output::Send { bytes, .. } = output {
                self.stream.write_all(&bytes).await.unwrap();
            }
        }
    }

    /// Control as it is, audio under our client's key, until the client is gone; then the call behind us ends too.
    async fn serve(mut self, mut client: TlsStream<TcpStream>, audio: UdpSocket, agreed: Negotiated) {
        let Keying::Sdes { suite, local, remote, .. } = &agreed.keying else { panic!("no keys") };
        let mut inbound = Inbound::new(*suite, remote).unwrap();
        let mut control = TcpStream::connect(self.control).await.unwrap();
        let (mut out, mut buffer) = (None, vec![0; 2048]);
        let sound = async {
            loop {
                let (len, _) = self.audio.recv_from(&mut buffer).await.unwrap();
                let ssrc = Header::parse(&buffer[..len]).unwrap().ssrc;
                let out = out.get_or_insert_with(|| Outbound::new(*suite, local, ssrc).unwrap());
                let len = out.seal(&mut buffer, len).unwrap();
                audio.send_to(&buffer[..len], agreed.remote).await.unwrap();
            }
        };
        let said = async {
            let mut buffer = vec![0; 2048];
            loop {
                let (len, _) = audio.recv_from(&mut buffer).await.unwrap();
                let len = inbound.open(&mut buffer, len).unwrap();
                self.audio.send_to(&buffer[..len], self.remote).await.unwrap();
            }
        };
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut client, &mut control) => {}
            () = sound => {}
            () = said => {}
        }
        self.endpoint.end(self.dialog, vec![], self.began.elapsed());
        self.flush().await;
        // Its answer, so that it was there to hear it.
        let _ = self.stream.read(&mut [0; 4096]).await;
    }
}
