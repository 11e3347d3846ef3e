//! Whom each customer talked to last; the oldest memories go first.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::AgentId;

/// Customers that are remembered.
const MOST: usize = 10_000;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LastAgents {
    of: BTreeMap<String, (AgentId, u64)>,
    order: VecDeque<(String, u64)>,
    next: u64,
}

impl LastAgents {
    pub(crate) fn remember(&mut self, customer: &str, agent: &AgentId) {
        self.next += 1;
        self.of.insert(customer.to_owned(), (agent.clone(), self.next));
        self.order.push_back((customer.to_owned(), self.next));
        while self.order.len() > MOST {
            let Some((customer, at)) = self.order.pop_front() else { return };
            // One who called again since is remembered for that.
            if self.of.get(&customer).is_some_and(|(_, latest)| *latest == at) {
                self.of.remove(&customer);
            }
        }
    }

    pub(crate) fn of(&self, customer: &str) -> Option<&AgentId> {
        self.of.get(customer).map(|(agent, _)| agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_memory_goes_first() {
        let mut last = LastAgents::default();
        last.remember("first", &AgentId("1".into()));
        last.remember("again", &AgentId("1".into()));
        for n in 0..MOST - 2 {
            last.remember(&n.to_string(), &AgentId("2".into()));
        }
        last.remember("again", &AgentId("3".into()));
        last.remember("more", &AgentId("4".into()));
        assert_eq!(last.of("first"), None);
        assert_eq!(last.of("again"), Some(&AgentId("3".into())));
        assert!(last.of.len() <= MOST);
    }
}
