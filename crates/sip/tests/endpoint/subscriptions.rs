//! Dialogs of subscriptions (RFC 6665): made by the 2xx or by the NOTIFY that overtakes it, refreshed, ended without BYE;
//! with the machines of `sip::event` on both sides.

use std::time::Duration;

use sip::endpoint::Outside;
use sip::event::{Notifier, Package, Subscriber, Wish};
use sip::{Body, DialogId, Event, Headers, Hop, Message, Method, Name, NameAddr, Status, Target, Transport, Uri};

use crate::desk::Desk;
use crate::pair::{A, B, Link, Pair};

fn subscribe(hop: Hop, expires: u32) -> Outside {
    Outside {
        method: Method::Subscribe,
        hop,
        request_uri: Uri::parse("sip:desk@192.0.2.2").unwrap(),
        from: NameAddr::parse("<sip:watcher@192.0.2.1>").unwrap(),
        to: NameAddr::parse("<sip:desk@192.0.2.2>").unwrap(),
        contact_user: Some("watcher".into()),
        headers: asking(expires),
        body: None,
        call_id: None,
    }
}

fn asking(expires: u32) -> Headers {
    vec![(Name::Event, "dialog".into()), (Name::Expires, expires.to_string())]
}

/// Two ends with their machines, worked until nothing is left to do.
struct Watch {
    pair: Pair,
    subscriber: Subscriber,
    /// Ours at A, theirs at B.
    asked: Option<DialogId>,
    notifier: Option<(Notifier, DialogId)>,
    /// Bodies that A has heard.
    heard: Vec<String>,
}

fn state(text: &str) -> Body {
    Body::new("application/dialog-info+xml", text.to_owned())
}

impl Watch {
    fn new(link: Link, seed: u64) -> Watch {
        let pair = Pair::new(link, seed);
        let subscriber = Subscriber::new(Package::Dialog, pair.now);
        Watch { pair, subscriber, asked: None, notifier: None, heard: Vec::new() }
    }

    fn work(&mut self) {
        let now = self.pair.now;
        self.subscriber.tick(now);
        match (self.subscriber.poll(), self.asked) {
            (Some(Wish::Begin { expires }), before) => {
                if let Some(before) = before {
                    self.pair.ends[A].endpoint.end(before, Headers::new(), now);
                }
                let hop = Hop::Target(self.pair.target(B));
                let (dialog, _) = self.pair.ends[A].endpoint.subscribe(subscribe(hop, expires), now);
                self.asked = Some(dialog);
            }
            (Some(Wish::Refresh { expires }), Some(dialog)) => {
                self.pair.ends[A].endpoint.in_dialog(dialog, Method::Subscribe, asking(expires), None, now);
            }
            (Some(Wish::Refresh { .. }), None) | (None, _) => {}
        }
        if let Some((notifier, dialog)) = &mut self.notifier {
            notifier.tick(now);
            if let Some(notice) = notifier.poll(now) {
                let headers = vec![(Name::Event, "dialog".into()), (Name::SubscriptionState, notice.state.to_string())];
                self.pair.ends[B].endpoint.in_dialog(*dialog, Method::Notify, headers, notice.body, now);
            }
        }
        self.pair.drain(A);
        self.pair.drain(B);
        while let Some(event) = self.pair.take(A) {
            self.at_subscriber(event);
        }
        while let Some(event) = self.pair.take(B) {
            self.at_notifier(event);
        }
    }

    fn at_subscriber(&mut self, event: Event) {
        let now = self.pair.now;
        match event {
            Event::Final { dialog, response, .. } if dialog == self.asked => self.subscriber.answered(&response, now),
            Event::Failed { dialog, .. } if dialog == self.asked => self.subscriber.failed(now),
            Event::InDialog { server, request, .. } => {
                let status = self.subscriber.notified(&request, now);
                if let (200, Some(body)) = (status.0, request.body()) {
                    self.heard.push(String::from_utf8(body.bytes.to_vec()).unwrap());
                }
                self.pair.ends[A].endpoint.respond(server, status, Headers::new(), None, now);
            }
            _ => {}
        }
        self.pair.drain(A);
    }

    fn at_notifier(&mut self, event: Event) {
        let now = self.pair.now;
        match event {
            Event::Request { server, request, .. } => {
                let (notifier, granted) =
                    Notifier::new(Package::Dialog, request.expires(), false, Some(state("idle")), now).unwrap();
                let headers = vec![(Name::Expires, granted.to_string())];
                let dialog = self.pair.ends[B].endpoint.admit_subscription(server, headers, now).unwrap();
                self.notifier = Some((notifier, dialog));
            }
            Event::InDialog { server, request, .. } if request.is(&Method::Subscribe) => {
                let granted = self.notifier.as_mut().map(|(notifier, _)| notifier.refresh(request.expires(), now));
                let (status, headers) = match granted {
                    Some(Ok(granted)) => (Status(200), vec![(Name::Expires, granted.to_string())]),
                    Some(Err(refused)) => (refused.status, refused.headers),
                    None => (Status(481), Headers::new()),
                };
                self.pair.ends[B].endpoint.respond(server, status, headers, None, now);
            }
            Event::Final { response, .. } => {
                if let Some((notifier, _)) = &mut self.notifier {
                    notifier.answered(response.status().unwrap(), now);
                }
            }
            Event::Failed { .. } | Event::Expired { .. } => {
                if let Some((notifier, _)) = &mut self.notifier {
                    notifier.answered(Status(408), now);
                }
            }
            _ => {}
        }
        if let Some((notifier, dialog)) = &self.notifier
            && notifier.is_over()
        {
            self.pair.ends[B].endpoint.end(*dialog, Headers::new(), now);
            self.notifier = None;
        }
        self.pair.drain(B);
    }

    fn run(&mut self, seconds: u64) {
        let until = self.pair.now + Duration::from_secs(seconds);
        loop {
            // What was heard may want something said at once.
            self.work();
            self.work();
            let machines = [self.subscriber.deadline(), self.notifier.as_ref().and_then(|(n, _)| n.deadline())];
            let next = machines.into_iter().flatten().chain(self.pair.next()).min();
            match next.filter(|at| *at <= until) {
                Some(at) if self.pair.next().is_some_and(|link| link <= at) => {
                    self.pair.step();
                }
                Some(at) => self.pair.now = self.pair.now.max(at),
                None => break,
            }
        }
        self.pair.now = until;
    }
}

#[test]
fn a_watcher_hears_each_change_and_its_subscription_is_refreshed_for_a_day() {
    let mut watch = Watch::new(Link::tcp(), 1);
    watch.run(1);
    assert!(watch.subscriber.is_up());
    assert_eq!(watch.heard, ["idle"]);
    let now = watch.pair.now;
    watch.notifier.as_mut().unwrap().0.changed(state("ringing"), now);
    watch.run(10);
    assert_eq!(watch.heard, ["idle", "ringing"]);
    watch.run(24 * 3600);
    assert!(watch.subscriber.is_up(), "a refresh before each end");
    let refreshes = watch.pair.ends[A].sent.iter().filter(|line| line.starts_with("SUBSCRIBE")).count();
    assert!((24..40).contains(&refreshes), "{refreshes}");
    assert_eq!((watch.pair.ends[A].endpoint.dialogs(), watch.pair.ends[B].endpoint.dialogs()), (1, 1));
    let byes = |at: usize| watch.pair.ends[at].sent.iter().filter(|line| line.starts_with("BYE")).count();
    assert_eq!((byes(A), byes(B)), (0, 0));
}

#[test]
fn leaving_ends_both_sides_and_leaves_nothing() {
    let mut watch = Watch::new(Link::udp(), 2);
    watch.run(1);
    watch.subscriber.leave();
    watch.run(60);
    assert!(watch.subscriber.is_over() && watch.notifier.is_none());
    let now = watch.pair.now;
    watch.pair.ends[A].endpoint.end(watch.asked.unwrap(), Headers::new(), now);
    watch.run(60);
    watch.pair.assert_empty();
}

#[test]
fn a_notifier_that_forgot_everything_is_asked_anew() {
    let mut watch = Watch::new(Link::tcp(), 3);
    watch.run(1);
    let config = watch.pair.ends[B].endpoint.config().clone();
    watch.pair.ends[B].endpoint = sip::Endpoint::new([9; 32], config, watch.pair.now);
    watch.notifier = None;
    watch.run(3600);
    assert!(watch.subscriber.is_up() && watch.notifier.is_some());
    assert_eq!(watch.heard, ["idle", "idle"]);
}

#[test]
fn over_a_bad_link_the_last_state_arrives_or_the_subscription_ends() {
    for seed in 0..40 {
        let delay = (Duration::from_millis(5), Duration::from_millis(900));
        let mut watch = Watch::new(Link { loss: 200, twice: 200, delay, snapshot: 200, ..Link::udp() }, seed);
        for n in 0..10 {
            watch.run(7);
            let now = watch.pair.now;
            if let Some((notifier, _)) = &mut watch.notifier {
                notifier.changed(state(&format!("{n}")), now);
            }
        }
        watch.run(600);
        let up = watch.subscriber.is_up() && watch.notifier.is_some();
        assert!(!up || watch.heard.last().is_some_and(|last| last == "9"), "seed {seed}: {:?}", watch.heard);
        assert!(watch.pair.ends[A].endpoint.dialogs() <= 1 && watch.pair.ends[B].endpoint.dialogs() <= 1 + 8, "{seed}");
    }
}

fn desk() -> (Desk, DialogId, Message) {
    let mut desk = Desk::new(Transport::Tcp);
    let target = Target { transport: Transport::Tcp, addr: "192.0.2.1:5060".parse().unwrap(), peer: "peer".into() };
    let (dialog, _) = desk.endpoint.subscribe(subscribe(Hop::Target(target), 600), desk.now);
    let sent = desk.drain().1.pop().unwrap().1;
    (desk, dialog, sent)
}

fn notify(subscribe: &Message, tag: &str, n: u32) -> String {
    format!(
        "NOTIFY sip:watcher@192.0.2.2 SIP/2.0
         Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKnotify{tag}{n}
         Record-Route: <sip:p1.example;lr>, <sip:p2.example;lr>
         From: <sip:desk@192.0.2.2>;tag={tag}
         To: {}
         Call-ID: {}
         CSeq: {n} NOTIFY
         Contact: <sip:desk@192.0.2.7>
         Event: dialog
         Subscription-State: active;expires=600",
        subscribe.header(&Name::From).unwrap(),
        subscribe.call_id()
    )
}

#[test]
fn the_notify_that_overtakes_the_2xx_makes_the_dialog_and_a_forks_gets_481() {
    let (mut desk, dialog, sent) = desk();
    let (events, _) = desk.tell(&notify(&sent, "first", 1));
    assert!(matches!(&events[..], [Event::InDialog { dialog: of, .. }] if *of == dialog));
    desk.respond(&events, 200);
    assert_eq!(desk.status(&notify(&sent, "fork", 1)), 481);
    desk.endpoint.in_dialog(dialog, Method::Subscribe, asking(600), None, desk.now);
    let refresh = desk.drain().1.pop().unwrap().1;
    assert_eq!(refresh.request_uri_text(), Some("sip:desk@192.0.2.7"));
    let routes: Vec<&str> = refresh.values(&Name::Route).collect();
    assert_eq!(routes, ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]);
    assert_eq!((refresh.to_tag(), refresh.cseq().unwrap().0), (Some("first"), 2));
}

#[test]
fn a_refused_subscribe_leaves_no_dialog() {
    let (mut desk, dialog, sent) = desk();
    let answer = format!(
        "SIP/2.0 489 Bad Event
         Via: {}
         From: {}
         To: <sip:desk@192.0.2.2>;tag=x
         Call-ID: {}
         CSeq: 1 SUBSCRIBE",
        sent.header(&Name::Via).unwrap(),
        sent.header(&Name::From).unwrap(),
        sent.call_id()
    );
    let (events, _) = desk.tell(&answer);
    assert!(matches!(&events[..], [Event::Final { dialog: Some(of), .. }] if *of == dialog));
    assert_eq!(desk.endpoint.dialogs(), 0);
    assert_eq!(desk.status(&notify(&sent, "late", 1)), 481);
}

#[test]
fn a_subscribe_that_nobody_answers_fails_once() {
    let (mut desk, _, _) = desk();
    let (events, _) = desk.run(40);
    assert!(matches!(&events[..], [Event::Failed { .. }]), "{events:?}");
    assert_eq!((desk.endpoint.dialogs(), desk.endpoint.transactions()), (0, 0));
}
