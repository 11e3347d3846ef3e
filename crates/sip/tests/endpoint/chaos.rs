//! Random calls over bad links: whatever is lost, doubled, reordered, reset or restored, each request comes to one end,
//! nothing is reported of a dialog after its end, and nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use sip::{Body, ClientId, DialogId, Event, Headers, Hop, Method, ServerId, Status, Transport};

use crate::pair::{A, B, Link, Pair, allow, invite};

#[derive(Clone, Debug)]
enum Act {
    Call,
    Reinvite,
    Inside(Method),
    Cancel,
    End,
}

/// What a user does later about an event.
#[derive(Clone, Debug)]
enum Duty {
    Respond(ServerId, u16),
    Ack(DialogId),
}

/// One user: what it waits for and what it knows.
#[derive(Default)]
struct User {
    open: BTreeMap<ClientId, Option<DialogId>>,
    /// Requests whose end was reported, for the message of a failing assertion.
    closed: BTreeSet<ClientId>,
    dialogs: BTreeSet<DialogId>,
    ended: BTreeSet<DialogId>,
    servers: BTreeMap<ServerId, (Method, Option<DialogId>)>,
}

struct World {
    pair: Pair,
    users: [User; 2],
    duties: BTreeMap<(Duration, u64), (usize, Duty)>,
    serial: u64,
    /// Each wait of a user is below this.
    slow: u32,
}

impl World {
    fn later(&mut self, who: usize, duty: Duty) {
        self.serial += 1;
        let wait = Duration::from_millis(self.pair.below(self.slow).into());
        self.duties.insert((self.pair.now + wait, self.serial), (who, duty));
    }

    fn act(&mut self, who: usize, act: &Act) {
        let now = self.pair.now;
        let user = &mut self.users[who];
        let dialogs = user.dialogs.len() as u32;
        if matches!(act, Act::Call) {
            let hop = Hop::Target(self.pair.target(1 - who));
            let (dialog, client) = self.pair.ends[who].endpoint.invite(invite(hop, Some(Body::sdp("offer"))), now);
            self.pair.ends[who].endpoint.set_target(dialog, self.pair.target(1 - who));
            self.users[who].dialogs.insert(dialog);
            self.users[who].open.insert(client, Some(dialog));
        } else if dialogs > 0 {
            let pick = self.pair.below(dialogs) as usize;
            let dialog = *self.users[who].dialogs.iter().nth(pick).unwrap();
            let endpoint = &mut self.pair.ends[who].endpoint;
            let client = match act {
                Act::Reinvite => Some(endpoint.reinvite(dialog, allow(), Some(Body::sdp("again")), now)),
                Act::Inside(method) => Some(endpoint.in_dialog(dialog, method.clone(), allow(), None, now)),
                Act::Cancel => {
                    endpoint.cancel(dialog, Headers::new(), now);
                    None
                }
                Act::End => {
                    endpoint.end(dialog, Headers::new(), now);
                    self.users[who].over(dialog, true);
                    None
                }
                Act::Call => unreachable!(),
            };
            if let Some(client) = client {
                self.users[who].open.insert(client, Some(dialog));
            }
            if self.pair.ends[who].endpoint.call_id(dialog).is_none() {
                self.users[who].dialogs.remove(&dialog);
            }
        }
        self.pair.drain(who);
        self.hear();
    }

    /// Lets both users take note of what was reported.
    fn hear(&mut self) {
        for who in [A, B] {
            while let Some(event) = self.pair.take(who) {
                self.note(who, event);
            }
        }
    }

    fn note(&mut self, who: usize, event: Event) {
        let told = format!("{event:?}");
        let user = &mut self.users[who];
        if let Some(dialog) = dialog_of(&event) {
            assert!(!user.ended.contains(&dialog), "of an ended dialog: {told}");
        }
        match event {
            Event::Request { server, dialog, request, .. } => {
                if let Some(dialog) = dialog {
                    user.dialogs.insert(dialog);
                    self.pair.ends[who].endpoint.set_target(dialog, self.pair.target(1 - who));
                }
                self.users[who].servers.insert(server, (request.method(), dialog));
                if self.pair.below(2) == 0 {
                    self.pair.respond(who, server, 180, None);
                }
                let status = if self.pair.below(4) == 0 { 486 } else { 200 };
                self.later(who, Duty::Respond(server, status));
            }
            Event::InDialog { server, dialog, request, .. } => {
                assert!(user.dialogs.contains(&dialog), "of an unknown dialog: {told}");
                user.servers.insert(server, (request.method(), Some(dialog)));
                let status = if self.pair.below(4) == 0 { 488 } else { 200 };
                self.later(who, Duty::Respond(server, status));
            }
            Event::Cancelled { server, dialog, .. } => {
                assert!(user.servers.remove(&server).is_some(), "{told}");
                if !self.pair.ends[who].endpoint.is_confirmed(dialog) {
                    self.users[who].over(dialog, false);
                }
            }
            Event::Accepted { client, dialog, .. } => {
                user.finish(client, &told);
                self.later(who, Duty::Ack(dialog));
            }
            Event::Final { client, dialog, .. } | Event::Failed { client, dialog, .. } => {
                user.finish(client, &told);
                if let Some(dialog) = dialog.filter(|dialog| self.pair.ends[who].endpoint.call_id(*dialog).is_none()) {
                    self.users[who].dialogs.remove(&dialog);
                }
            }
            Event::NotAcked { dialog } | Event::Expired { dialog, .. } => user.over(dialog, false),
            Event::RefreshDue { dialog } => {
                let now = self.pair.now;
                let client = self.pair.ends[who].endpoint.reinvite(dialog, allow(), Some(Body::sdp("same")), now);
                self.users[who].open.insert(client, Some(dialog));
            }
            Event::Acked { .. } | Event::Provisional { .. } => {}
        }
    }

    fn duty(&mut self, who: usize, duty: Duty) {
        let now = self.pair.now;
        match duty {
            Duty::Respond(server, status) => {
                let Some((method, dialog)) = self.users[who].servers.remove(&server) else { return };
                let status = if method == Method::Bye { 200 } else { status };
                self.pair.ends[who].endpoint.respond(server, Status(status), allow(), None, now);
                if let Some(dialog) = dialog.filter(|dialog| self.pair.ends[who].endpoint.call_id(*dialog).is_none()) {
                    self.users[who].dialogs.remove(&dialog);
                }
            }
            Duty::Ack(dialog) => self.pair.ends[who].endpoint.ack(dialog, Headers::new(), None, now),
        }
        self.pair.drain(who);
        self.hear();
    }

    /// To the next happening of link, timers or users, if it is before `until`.
    fn step(&mut self, until: Duration) -> bool {
        let duty = self.duties.keys().next().copied();
        let next = self.pair.next();
        match duty.filter(|(at, _)| next.is_none_or(|next| *at <= next)) {
            Some(key) if key.0 <= until => {
                self.pair.now = self.pair.now.max(key.0);
                let (who, duty) = self.duties.remove(&key).unwrap();
                self.duty(who, duty);
                true
            }
            None if next.is_some_and(|at| at <= until) => {
                self.pair.step();
                self.hear();
                true
            }
            _ => false,
        }
    }

    fn run(&mut self, time: Duration) {
        let until = self.pair.now + time;
        while self.step(until) {}
        self.pair.now = until;
    }

    /// Ends all that is left, lets it all run out, and checks what must then hold.
    fn finish(&mut self) {
        for who in [A, B] {
            for dialog in std::mem::take(&mut self.users[who].dialogs) {
                let now = self.pair.now;
                self.pair.ends[who].endpoint.end(dialog, Headers::new(), now);
                self.users[who].over(dialog, true);
                self.pair.drain(who);
                self.hear();
            }
        }
        let ended = self.pair.now;
        while self.step(Duration::MAX) {}
        // BYE waits at most 64·T1 for an ACK, is sent for 64·T1, its answer lingers for 64·T1; each after a user's wait.
        let most = Duration::from_millis((32_000 + u64::from(self.slow)) * 4);
        assert!(self.pair.now - ended < most, "it took {:?} to end", self.pair.now - ended);
        self.pair.assert_empty();
        for user in &self.users {
            assert!(user.open.is_empty(), "no end was reported of {:?}", user.open);
        }
    }
}

impl User {
    fn finish(&mut self, client: ClientId, told: &str) {
        let first = self.open.remove(&client).is_some() && self.closed.insert(client);
        assert!(first, "a second end, or of an unknown request: {told}");
    }

    /// `by_user`: nothing more may be reported.
    fn over(&mut self, dialog: DialogId, by_user: bool) {
        self.dialogs.remove(&dialog);
        if by_user {
            self.ended.insert(dialog);
            self.open.retain(|_, of| *of != Some(dialog));
        }
    }
}

fn dialog_of(event: &Event) -> Option<DialogId> {
    match event {
        Event::Request { dialog, .. } | Event::Final { dialog, .. } | Event::Failed { dialog, .. } => *dialog,
        Event::InDialog { dialog, .. }
        | Event::Cancelled { dialog, .. }
        | Event::Acked { dialog, .. }
        | Event::NotAcked { dialog }
        | Event::Provisional { dialog, .. }
        | Event::Accepted { dialog, .. }
        | Event::RefreshDue { dialog }
        | Event::Expired { dialog, .. } => Some(*dialog),
    }
}

fn link() -> impl Strategy<Value = Link> {
    let transport = prop_oneof![Just(Transport::Udp), Just(Transport::Tcp)];
    let rates = (0..300u32, 0..200u32, 0..60u32, 0..300u32);
    (transport, rates, 1..100u64, 0..700u64).prop_map(|(transport, (loss, twice, reset, snapshot), least, spread)| {
        let delay = (Duration::from_millis(least), Duration::from_millis(least + spread));
        Link { transport, loss, twice, delay, reset, snapshot }
    })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Call),
        3 => Just(Act::Reinvite),
        2 => prop_oneof![Just(Method::Info), Just(Method::Update), Just(Method::Options)].prop_map(Act::Inside),
        1 => Just(Act::Cancel),
        2 => Just(Act::End),
        1 => Just(Act::Inside(Method::Bye)),
    ]
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act, u64)>> {
    // Pauses short enough to collide and long enough for sessions of 90 s to be refreshed and to expire.
    let pause = prop_oneof![3 => 0..300u64, 2 => 300..5000u64, 1 => 5000..80_000u64];
    proptest::collection::vec((0..2usize, act(), pause), 1..25)
}

fn play(link: Link, seed: u64, slow: u32, acts: &[(usize, Act, u64)]) -> World {
    let pair = Pair::with(link, seed, |config| config.session_expires = Duration::from_secs(90));
    let mut world = World { pair, users: Default::default(), duties: BTreeMap::new(), serial: 0, slow };
    for (who, act, pause) in acts {
        world.act(*who, act);
        world.run(Duration::from_millis(*pause));
    }
    world.finish();
    world
}

/// 60 runs of each; `PROPTEST_CASES` for more.
fn config() -> ProptestConfig {
    #[allow(clippy::disallowed_methods)] // how many cases is whoever runs the tests to say
    let more = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: more.unwrap_or(60), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_request_ends_once_and_nothing_is_left(link in link(), seed: u64, slow in 1..20_000u32, acts in acts()) {
        play(link, seed, slow, &acts);
    }

    #[test]
    fn a_restored_endpoint_goes_on_where_it_stopped(link in link(), seed: u64, slow in 1..5000u32, acts in acts()) {
        let without = play(Link { snapshot: 0, ..link }, seed, slow, &acts);
        let with = play(Link { snapshot: 500, ..link }, seed, slow, &acts);
        for end in [A, B] {
            prop_assert!(without.pair.ends[end].messages == with.pair.ends[end].messages);
        }
    }
}
