//! The call to a speech server: `sip::Endpoint` on a TLS connection of its own.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use sip::frame::{Frame, Framer};
use sip::{
    Body, Config, DialogId, Endpoint, Event, Flow, FlowId, Headers, Hop, Invite, Message, Method, Name, NameAddr,
    Output, ServerId, Status, Target, Transport, Uri,
};
use tokio::time::{Instant, sleep, timeout};

use super::link::{Link, Server};

/// An answer to our BYE that takes longer is not waited for.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) struct Call {
    endpoint: Endpoint,
    link: Link,
    framer: Framer,
    flow: Flow,
    events: VecDeque<Event>,
    began: Instant,
    dialog: Option<DialogId>,
    uri: Uri,
    node: String,
}

impl Call {
    /// A connection; nothing is said on it yet.
    pub(super) async fn dial(server: &Server, node: &str) -> Result<Call, String> {
        let port = server.uri.port.unwrap_or(Transport::Tls.default_port());
        let link = server.connect((server.host(), port)).await?;
        let (local, remote) = link.ends()?;
        let config = Config { local: vec![(Transport::Tls, local)], ..Config::default() };
        Ok(Call {
            endpoint: Endpoint::new(crate::process::seed(), config, Duration::ZERO),
            link,
            framer: Framer::new(sip::frame::Limits::default()),
            flow: Flow { id: FlowId(1), transport: Transport::Tls, local, remote },
            events: VecDeque::new(),
            began: Instant::now(),
            dialog: None,
            uri: server.uri.clone(),
            node: node.to_owned(),
        })
    }

    /// By which the server knows us: where its audio is to come, too.
    pub(super) fn local(&self) -> IpAddr {
        self.flow.local.ip()
    }

    /// The description that the server answers with.
    pub(super) async fn invite(&mut self, offer: String) -> Result<Bytes, String> {
        let target = Target { transport: Transport::Tls, addr: self.flow.remote, peer: self.uri.host.as_str().into() };
        let invite = Invite {
            hop: Hop::Target(target.clone()),
            request_uri: self.uri.clone(),
            from: NameAddr::new(Uri::sip(Some(&self.node), self.local(), None)),
            to: NameAddr::new(self.uri.clone()),
            contact_user: Some(self.node.clone()),
            headers: vec![(Name::Allow, "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE".into())],
            body: Some(Body::sdp(offer)),
            max_forwards: 70,
        };
        let (dialog, _) = self.endpoint.invite(invite, self.began.elapsed());
        self.endpoint.set_target(dialog, target);
        self.dialog = Some(dialog);
        loop {
            match self.next().await? {
                Event::Accepted { dialog, response, .. } => {
                    self.endpoint.ack(dialog, Headers::new(), None, self.began.elapsed());
                    return response.sdp().ok_or_else(|| "it answered without a description".into());
                }
                Event::Final { response, .. } => {
                    let status = response.status().map_or(0, |status| status.0);
                    return Err(format!("it refused the call with {status}"));
                }
                Event::Failed { failure, .. } => return Err(format!("the call came to nothing: {failure:?}")),
                _ => {}
            }
        }
    }

    /// What the server does next within the call. May be given up at any moment.
    pub(super) async fn next(&mut self) -> Result<Event, String> {
        loop {
            self.poll();
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let now = self.began.elapsed();
            // A timer that is a day away is none.
            let due = self.endpoint.deadline().map_or(Duration::from_secs(86_400), |due| due.saturating_sub(now));
            tokio::select! {
                bytes = self.link.next() => {
                    self.framer.push(&bytes?);
                    self.frames()?;
                }
                () = sleep(due) => self.endpoint.tick(self.began.elapsed()),
            }
        }
    }

    fn frames(&mut self) -> Result<(), String> {
        while let Some(frame) = self.framer.next().map_err(|error| format!("no SIP: {error}"))? {
            match frame {
                Frame::Message(bytes) => {
                    let message = Message::parse(bytes).map_err(|error| format!("no SIP: {error}"))?;
                    self.endpoint.receive(self.flow, message, self.began.elapsed());
                }
                Frame::Ping => self.link.send(b"\r\n"),
                Frame::Pong => {}
            }
        }
        Ok(())
    }

    /// What the endpoint wants to send and to say.
    fn poll(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Send { bytes, .. } => self.link.send(&bytes),
                Output::Event(event) => self.events.push_back(event),
            }
        }
    }

    /// Answers a request within the call; in words where that was its end.
    pub(super) fn answer(&mut self, server: ServerId, method: &Method) -> Option<String> {
        let is_bye = *method == Method::Bye;
        // The session is as it was agreed: another offer is not taken (RFC 3261 §14.2).
        let status = if *method == Method::Invite || *method == Method::Update { 488 } else { 200 };
        self.endpoint.respond(server, Status(status), Headers::new(), None, self.began.elapsed());
        is_bye.then(|| "it hung up".to_owned())
    }

    /// Says good-bye and hears its answer, or takes the call back if it was not answered yet.
    pub(super) async fn end(mut self) {
        let Some(dialog) = self.dialog else { return };
        let now = self.began.elapsed();
        if self.endpoint.call_id(dialog).is_none() {
            // The server ended it: its BYE has been answered, and that goes out.
            self.poll();
            let _ = timeout(FAREWELL, self.link.flush()).await;
            return;
        }
        let bye = if self.endpoint.is_confirmed(dialog) {
            Some(self.endpoint.in_dialog(dialog, Method::Bye, Headers::new(), None, now))
        } else {
            self.endpoint.end(dialog, Headers::new(), now);
            None
        };
        let over = async {
            while let Ok(event) = self.next().await {
                match event {
                    Event::Final { client, .. } | Event::Failed { client, .. } if Some(client) == bye => break,
                    _ => {}
                }
            }
        };
        // Whoever does not answer in this time has been told.
        let _ = timeout(FAREWELL, over).await;
    }
}
