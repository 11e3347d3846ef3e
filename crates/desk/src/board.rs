//! How things were when last told: what is new of that is what is notified. Pure.
//!
//! Changes come one by one as the call server writes them down, and everything anew every ten seconds: so that what a
//! journal lost is told late rather than never.

use std::collections::BTreeMap;
use std::sync::Arc;

use roles::{AgentView, DeskEvent, DialogView};

use crate::centre::{Book, Centre};
use crate::notification::{Event, Notification};
use crate::{dialog, queue, team, user};

pub struct Board {
    centre: Centre,
    /// Statistics as they were told, by queue.
    told: BTreeMap<String, Notification>,
    /// `requestId`s of requests that were accepted: the next news of this source is theirs.
    expected: BTreeMap<String, String>,
    /// Those of before the last look: a request that changed nothing has no news.
    expected_long: BTreeMap<String, String>,
}

impl Board {
    /// Nothing of this is told: it is what everybody finds.
    pub fn new(centre: Centre) -> Board {
        let mut board =
            Board { centre, told: BTreeMap::new(), expected: BTreeMap::new(), expected_long: BTreeMap::new() };
        board.statistics();
        board
    }

    pub(crate) fn book(&self) -> Arc<Book> {
        self.centre.book.clone()
    }

    /// The site was reloaded: agents may serve other queues now.
    pub fn replace(&mut self, book: Arc<Book>) -> Vec<Notification> {
        let agents: Vec<String> = self.centre.agents.keys().cloned().collect();
        let queues = |board: &Board, agent: &str, event| -> BTreeMap<String, Notification> {
            let told = |plan: &acd::QueuePlan| (plan.name.clone(), membership(&board.centre, agent, event, plan));
            board.centre.queues_of(agent).map(told).collect()
        };
        let before: Vec<_> = agents.iter().map(|agent| queues(self, agent, Event::Delete)).collect();
        self.centre.book = book;
        let mut news = Vec::new();
        for (agent, mut gone) in agents.iter().zip(before) {
            for (name, added) in queues(self, agent, Event::Post) {
                if gone.remove(&name).is_none() {
                    news.push(added);
                }
            }
            news.extend(gone.into_values());
        }
        news
    }

    /// A request that bears this id was accepted: what is told next of this source is what came of it.
    pub fn expect(&mut self, source: &str, request_id: &str) {
        self.expected.insert(source.to_owned(), request_id.to_owned());
    }

    pub fn hear(&mut self, event: DeskEvent) -> Vec<Notification> {
        match event {
            DeskEvent::Agent(agent) => self.agent(agent),
            DeskEvent::Dialog(dialog) => self.dialog(dialog),
            DeskEvent::DialogOver { call } => self.dialog_over(call),
        }
    }

    /// How everything is: what was not heard is told, then queues' statistics that have changed.
    pub fn look(&mut self, now: Centre) -> Vec<Notification> {
        let mut news = Vec::new();
        for agent in now.agents.into_values() {
            news.extend(self.agent(agent));
        }
        let over: Vec<u64> =
            self.centre.dialogs.keys().filter(|call| !now.dialogs.contains_key(call)).copied().collect();
        for call in over {
            news.extend(self.dialog_over(call));
        }
        for dialog in now.dialogs.into_values() {
            news.extend(self.dialog(dialog));
        }
        (self.centre.queues, self.centre.now_ms) = (now.queues, now.now_ms);
        news.extend(self.statistics());
        self.expected_long = std::mem::take(&mut self.expected);
        news
    }

    /// Of the request that brought news of this source; empty if there was none, or it bore none.
    fn id_of(&mut self, source: &str) -> String {
        let long = self.expected_long.remove(source);
        self.expected.remove(source).or(long).unwrap_or_default()
    }

    fn agent(&mut self, agent: AgentView) -> Vec<Notification> {
        // Seconds go by without being news.
        let facts = |agent: &AgentView| AgentView { for_s: 0, ..agent.clone() };
        if self.centre.agents.get(&agent.id).map(facts) == Some(facts(&agent)) {
            return Vec::new();
        }
        let uri = user::uri(&agent.id);
        let request_id = self.id_of(&uri);
        let centre = &self.centre;
        let mut news = vec![Notification::new(&uri, Event::Put, &uri, &request_id, |xml| {
            user::write(xml, "user", centre, &agent);
        })];
        if let Some(team) = &agent.team {
            let node = format!("{}/Users", team::uri(team));
            news.push(Notification::new(&node, Event::Put, &uri, &request_id, |xml| {
                user::write_summary(xml, "user", centre, &agent);
            }));
        }
        self.centre.agents.insert(agent.id.clone(), agent);
        news
    }

    fn dialog(&mut self, dialog: DialogView) -> Vec<Notification> {
        let mut news = Vec::new();
        let known = self.centre.dialogs.get(&dialog.call);
        if known == Some(&dialog) {
            return news;
        }
        // The call rings at another agent now.
        if known.is_some_and(|known| known.agent != dialog.agent) {
            news.extend(self.dialog_over(dialog.call));
        }
        let (node, source) = (dialog::list_uri(&dialog.agent), dialog::uri(dialog.call));
        news.push(match self.centre.dialogs.contains_key(&dialog.call) {
            true => {
                let request_id = self.id_of(&source);
                Notification::new(&node, Event::Put, &source, &request_id, |xml| {
                    dialog::write(xml, "dialog", &dialog);
                })
            }
            false => listed(Event::Post, "", &dialog),
        });
        self.centre.dialogs.insert(dialog.call, dialog);
        news
    }

    fn dialog_over(&mut self, call: u64) -> Vec<Notification> {
        let Some(dialog) = self.centre.dialogs.remove(&call) else { return Vec::new() };
        let request_id = self.id_of(&dialog::uri(call));
        vec![listed(Event::Delete, &request_id, &dialog)]
    }

    fn statistics(&mut self) -> Vec<Notification> {
        let mut news = Vec::new();
        for plan in &self.centre.book.plan.queues {
            let uri = queue::uri(&plan.name);
            let now = Notification::new(&uri, Event::Put, &uri, "", |xml| {
                queue::write(xml, "queue", &self.centre, plan);
            });
            if self.told.get(&plan.name) != Some(&now) {
                self.told.insert(plan.name.clone(), now.clone());
                news.push(now);
            }
        }
        news
    }
}

/// A queue is one of an agent's now, or is not any more.
fn membership(centre: &Centre, agent: &str, event: Event, plan: &acd::QueuePlan) -> Notification {
    let node = queue::list_uri(agent);
    Notification::new(&node, event, &node, "", |xml| {
        xml.within("queues", |xml| queue::write(xml, "Queue", centre, plan));
    })
}

/// A call comes to an agent's list, or leaves it.
fn listed(event: Event, request_id: &str, dialog: &DialogView) -> Notification {
    let node = dialog::list_uri(&dialog.agent);
    Notification::new(&node, event, &node, request_id, |xml| {
        xml.within("dialogs", |xml| dialog::write(xml, "Dialog", dialog));
    })
}
