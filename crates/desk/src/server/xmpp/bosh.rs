//! Sessions of BOSH clients (XEP-0124): a task each, to which requests come; and the page that takes them.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use super::{PULSE, Said, Talk};
use crate::server::Shared;
use crate::xmpp::{Body, INACTIVITY_S, Place, REQUESTS, Transport, Window, answer, made, terminated};

/// Sessions at once.
const SESSIONS: usize = 16_384;

/// By id.
#[derive(Default)]
pub(in crate::server) struct Sessions(Mutex<BTreeMap<String, mpsc::Sender<Asked>>>);

/// A request, and where its answer goes.
struct Asked {
    body: Body,
    answer: oneshot::Sender<String>,
}

/// A request that is not answered yet.
struct Held {
    rid: u64,
    answer: oneshot::Sender<String>,
    until: Instant,
}

/// The answer to a request, which may take as long as the client said that it waits.
pub(in crate::server) async fn request(shared: &Arc<Shared>, remote: IpAddr, body: String) -> String {
    let body = match Body::read(body) {
        Ok(body) => body,
        Err(words) => {
            tracing::debug!(node = shared.node.name(), words, "desk: a request of BOSH that is none");
            return terminated(Some("bad-request"), "");
        }
    };
    let (answer, answered) = oneshot::channel();
    let session = match &body.sid {
        Some(sid) => shared.bosh.sessions().get(sid).cloned(),
        None => match Talk::new(shared, remote, Transport::Bosh) {
            Some(talk) => start(shared, talk),
            None => None,
        },
    };
    let Some(session) = session else {
        let condition = if body.sid.is_some() { "item-not-found" } else { "policy-violation" };
        return terminated(Some(condition), "");
    };
    let gone = || terminated(Some("item-not-found"), "");
    match session.send(Asked { body, answer }).await {
        Ok(()) => answered.await.unwrap_or_else(|_| gone()),
        Err(_) => gone(),
    }
}

/// `None`: as many are open as one desk takes.
fn start(shared: &Arc<Shared>, talk: Talk) -> Option<mpsc::Sender<Asked>> {
    let sid = super::random_id()?;
    let (send, receive) = mpsc::channel(REQUESTS as usize);
    let mut sessions = shared.bosh.sessions();
    if sessions.len() >= SESSIONS {
        return None;
    }
    sessions.insert(sid.clone(), send.clone());
    drop(sessions);
    tokio::spawn(async move {
        let shared = talk.shared.clone();
        Conversation::new(talk, sid.clone()).run(receive).await;
        shared.bosh.sessions().remove(&sid);
    });
    Some(send)
}

impl Sessions {
    fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, mpsc::Sender<Asked>>> {
        // An entry is there or not.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Conversation {
    talk: Talk,
    sid: String,
    wait: Duration,
    /// Once its first request came.
    window: Option<Window<Asked>>,
    /// In the order of their numbers.
    held: VecDeque<Held>,
    /// Stanzas that wait for a request to go with.
    out: String,
    /// When the last request came or was answered.
    active: Instant,
    over: bool,
}

impl Conversation {
    fn new(talk: Talk, sid: String) -> Conversation {
        Conversation {
            talk,
            sid,
            wait: Duration::ZERO,
            window: None,
            held: VecDeque::new(),
            out: String::new(),
            active: Instant::now(),
            over: false,
        }
    }

    async fn run(mut self, mut asks: mpsc::Receiver<Asked>) {
        let mut pulse = tokio::time::interval(PULSE);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pulse.reset();
        while !self.over {
            let until = self.held.front().map(|held| held.until);
            let until = until.unwrap_or(self.active + Duration::from_secs(INACTIVITY_S));
            // Events are taken when somebody waits for them: until then the ring keeps them, and nothing grows here.
            let wanted = self.out.is_empty() && !self.held.is_empty();
            tokio::select! {
                asked = asks.recv() => match asked {
                    Some(asked) => self.ask(asked).await,
                    None => return,
                },
                said = self.talk.next(wanted) => self.say(said),
                () = tokio::time::sleep_until(until) => match self.held.is_empty() {
                    true => return,
                    false => self.answer_one(),
                },
                _ = pulse.tick() => {
                    let said = self.talk.look().await;
                    self.say(said);
                }
            }
            self.flush();
        }
        self.end(None);
    }

    fn say(&mut self, said: Said) {
        self.out.extend(said.stanzas);
        self.over |= said.over;
    }

    async fn ask(&mut self, asked: Asked) {
        self.active = Instant::now();
        let Some(window) = &mut self.window else { return self.begin(asked).await };
        let rid = asked.body.rid;
        match window.put(rid, asked) {
            (Place::InLine, _) | (_, None) => {
                while let Some(asked) = self.window.as_mut().and_then(Window::take) {
                    self.hear(asked).await;
                }
            }
            // Its client may have gone again.
            (Place::Again(known), Some(asked)) => drop(asked.answer.send(known)),
            (Place::Instead, Some(asked)) => match self.held.iter_mut().find(|held| held.rid == rid) {
                Some(held) => held.answer = asked.answer,
                // Longer ago than answers are kept.
                None => drop(asked.answer.send(answer(""))),
            },
            (Place::Outside, Some(asked)) => {
                let _ = asked.answer.send(terminated(Some("item-not-found"), ""));
                self.end(Some("item-not-found"));
            }
        }
    }

    /// The request that makes the session.
    async fn begin(&mut self, asked: Asked) {
        let Asked { body, answer } = asked;
        self.wait = Duration::from_secs(body.wait_s);
        let said = self.talk.open(body.to.as_deref()).await;
        self.say(said);
        let domain = self.talk.shared.book().host.clone();
        let text = match self.over {
            true => terminated(Some("host-unknown"), &std::mem::take(&mut self.out)),
            false => made(&self.sid, &domain, body.wait_s, &std::mem::take(&mut self.out)),
        };
        let mut window = Window::after(body.rid);
        window.answered(body.rid, &text);
        self.window = Some(window);
        let _ = answer.send(text);
    }

    /// The next request in order.
    async fn hear(&mut self, asked: Asked) {
        let Asked { body, answer } = asked;
        self.held.push_back(Held { rid: body.rid, answer, until: Instant::now() + self.wait });
        if body.restart {
            let said = self.talk.open(body.to.as_deref()).await;
            self.say(said);
        }
        for stanza in body.stanzas() {
            if self.over {
                return;
            }
            let said = self.talk.hear(&crate::xmpp::Piece::Stanza(stanza), Transport::Bosh).await;
            self.say(said);
        }
        if body.terminate && !self.over {
            let outputs = self.talk.session.close();
            let said = self.talk.perform(outputs).await;
            self.say(said);
        }
    }

    /// What there is to say goes with the oldest request; of two that wait the older is let go.
    fn flush(&mut self) {
        if self.over {
            return;
        }
        if !self.out.is_empty() && !self.held.is_empty() {
            self.answer_one();
        }
        while self.held.len() >= REQUESTS as usize {
            self.answer_one();
        }
    }

    fn answer_one(&mut self) {
        let Some(held) = self.held.pop_front() else { return };
        self.active = Instant::now();
        let text = answer(&std::mem::take(&mut self.out));
        if let Some(window) = &mut self.window {
            window.answered(held.rid, &text);
        }
        // Who has gone asks again by the same number.
        let _ = held.answer.send(text);
    }

    fn end(&mut self, condition: Option<&str>) {
        self.over = true;
        let out = std::mem::take(&mut self.out);
        let condition = condition.or(out.contains("<stream:error").then_some("remote-stream-error"));
        let mut text = terminated(condition, &out);
        for held in self.held.drain(..) {
            let _ = held.answer.send(std::mem::replace(&mut text, terminated(condition, "")));
        }
    }
}
