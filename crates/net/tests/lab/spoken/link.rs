//! A caller's signalling, on a TLS connection of its own.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use sip::frame::{Frame, Framer};
use sip::{
    Body, ClientId, Config, DialogId, Endpoint, Event, Flow, FlowId, Hop, Invite, Message, Method, NameAddr, Output,
    Status, Target, Transport, Uri,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::caller::Way;

pub(super) struct Link {
    endpoint: Endpoint,
    stream: TlsStream<TcpStream>,
    out: BytesMut,
    framer: Framer,
    flow: Flow,
    dialog: Option<DialogId>,
    /// The description of the answer, until somebody takes it.
    answer: Option<Bytes>,
    bye: Option<ClientId>,
    began: Instant,
    piece: BytesMut,
    pub(super) over: bool,
}

impl Link {
    pub(super) async fn open(way: &Way) -> Link {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((way.from, 0).into()).unwrap();
        let stream = socket.connect(way.border).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let local = stream.local_addr().unwrap();
        let stream = way.tls.connect(way.name.clone(), stream).await.unwrap();
        let config = Config { local: vec![(Transport::Tls, local)], ..Config::default() };
        Link {
            endpoint: Endpoint::new(seed(), config, Duration::ZERO),
            stream,
            out: BytesMut::new(),
            framer: Framer::new(sip::frame::Limits::default()),
            flow: Flow { id: FlowId(1), transport: Transport::Tls, local, remote: way.border },
            dialog: None,
            answer: None,
            bye: None,
            began: Instant::now(),
            piece: BytesMut::new(),
            over: false,
        }
    }

    /// The answer's description.
    pub(super) async fn invite(&mut self, way: &Way, number: &str, offer: String) -> Bytes {
        let target = Target { transport: Transport::Tls, addr: way.border, peer: "border".into() };
        let uri = Uri::parse(&format!("sip:{number}@{};transport=tls", way.border)).unwrap();
        let invite = Invite {
            hop: Hop::Target(target.clone()),
            request_uri: uri.clone(),
            from: NameAddr::new(Uri::sip(Some("100"), way.from, None)),
            to: NameAddr::new(uri),
            contact_user: Some("100".into()),
            headers: vec![],
            body: Some(Body::sdp(offer)),
            max_forwards: 70,
        };
        let (dialog, _) = self.endpoint.invite(invite, self.began.elapsed());
        self.endpoint.set_target(dialog, target);
        self.dialog = Some(dialog);
        loop {
            if let Some(answer) = self.answer.take() {
                return answer;
            }
            tokio::time::timeout(crate::PATIENCE, self.next()).await.expect("an answer to INVITE");
        }
    }

    pub(super) fn hang_up(&mut self) {
        let dialog = self.dialog.expect("a call");
        self.bye = Some(self.endpoint.in_dialog(dialog, Method::Bye, vec![], None, self.began.elapsed()));
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.endpoint.deadline().map(|due| self.began + due)
    }

    pub(super) fn tick(&mut self) {
        self.endpoint.tick(self.began.elapsed());
    }

    /// Does what is to be done and waits for what comes in. May be given up at any moment.
    pub(super) async fn next(&mut self) {
        self.flush().await;
        self.piece.reserve(16_384);
        if self.stream.read_buf(&mut self.piece).await.unwrap_or(0) == 0 {
            assert!(self.over, "the border closed the connection");
            return std::future::pending().await;
        }
        self.framer.push(&self.piece.split());
        while let Some(frame) = self.framer.next().unwrap() {
            if let Frame::Message(bytes) = frame {
                self.endpoint.receive(self.flow, Message::parse(bytes).unwrap(), self.began.elapsed());
            }
        }
        self.poll();
    }

    /// Sends what is to be sent.
    pub(super) async fn flush(&mut self) {
        self.poll();
        while !self.out.is_empty() {
            let written = self.stream.write(&self.out).await.unwrap();
            self.out.advance(written);
        }
        self.stream.flush().await.unwrap();
    }

    fn poll(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Send { bytes, .. } => self.out.extend_from_slice(&bytes),
                Output::Event(event) => self.happened(event),
            }
        }
    }

    fn happened(&mut self, event: Event) {
        let now = self.began.elapsed();
        match event {
            Event::Accepted { dialog, response, .. } => {
                self.endpoint.ack(dialog, vec![], None, now);
                self.answer = response.sdp();
            }
            Event::InDialog { server, request, .. } => {
                let is_bye = request.method() == Method::Bye;
                self.over |= is_bye;
                // Whoever else would join keeps to the media that was agreed with the border.
                let takes = is_bye || request.method() == Method::Options;
                self.endpoint.respond(server, Status(if takes { 200 } else { 488 }), vec![], None, now);
            }
            Event::Final { client, .. } if Some(client) == self.bye => self.over = true,
            Event::Provisional { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Two calls of one Call-ID would be one call.
pub(super) fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).unwrap();
    seed
}
