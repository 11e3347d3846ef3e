//! The contact centre as a request finds it: what the site says, and how things are now.

use std::collections::BTreeMap;
use std::sync::Arc;

use acd::QueuePlan;
use roles::{AgentView, DialogView, QueueView};

/// What the site says.
#[derive(Clone, Debug)]
pub struct Book {
    pub(crate) server: site::CallServer,
    pub(crate) plan: acd::Plan,
    pub(crate) host: String,
}

impl Book {
    /// Of a call server whose host name is this.
    pub fn new(server: site::CallServer, host: String) -> Book {
        Book { plan: server.routing().plan, server, host }
    }

    /// First and last name.
    pub(crate) fn name_of(&self, agent: &str) -> (&str, &str) {
        let agent = self.server.agents.iter().find(|known| known.id == agent);
        agent.map_or(("", ""), |agent| {
            (agent.first_name.as_deref().unwrap_or_default(), agent.last_name.as_deref().unwrap_or_default())
        })
    }

    /// Teams that this agent supervises, in the site's order.
    pub(crate) fn supervised_by<'a>(&'a self, agent: &str) -> impl Iterator<Item = &'a acd::TeamPlan> {
        self.plan.teams.iter().filter(move |team| team.supervisors.iter().any(|supervisor| supervisor.0 == agent))
    }
}

/// What the site says, and how things are now.
#[derive(Clone, Debug)]
pub struct Centre {
    pub book: Arc<Book>,
    /// By id.
    pub agents: BTreeMap<String, AgentView>,
    /// By the call server's number.
    pub dialogs: BTreeMap<u64, DialogView>,
    /// By name.
    pub queues: BTreeMap<String, QueueView>,
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

impl Centre {
    pub fn new(
        book: Arc<Book>,
        agents: Vec<AgentView>,
        dialogs: Vec<DialogView>,
        queues: Vec<QueueView>,
        now_ms: u64,
    ) -> Centre {
        Centre {
            book,
            agents: agents.into_iter().map(|agent| (agent.id.clone(), agent)).collect(),
            dialogs: dialogs.into_iter().map(|dialog| (dialog.call, dialog)).collect(),
            queues: queues.into_iter().map(|queue| (queue.name.clone(), queue)).collect(),
            now_ms,
        }
    }

    pub(crate) fn dialogs_of<'a>(&'a self, agent: &'a str) -> impl Iterator<Item = &'a DialogView> {
        self.dialogs.values().filter(move |dialog| dialog.agent == agent)
    }

    /// Queues that this agent may serve.
    pub(crate) fn queues_of<'a>(&'a self, agent: &'a str) -> impl Iterator<Item = &'a QueuePlan> {
        let plan = self.book.plan.agents.iter().find(|plan| plan.id.0 == agent);
        self.book.plan.queues.iter().filter(move |queue| plan.is_some_and(|plan| queue.is_served_by(plan)))
    }

    /// Agents who may serve this queue.
    pub(crate) fn agents_of<'a>(&'a self, queue: &'a QueuePlan) -> impl Iterator<Item = &'a AgentView> {
        let serves = self.book.plan.agents.iter().filter(|agent| queue.is_served_by(agent));
        serves.filter_map(|agent| self.agents.get(&agent.id.0))
    }
}
