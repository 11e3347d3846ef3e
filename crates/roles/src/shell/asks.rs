//! Questions under way to the slow world, and what their answers are for.

use std::collections::BTreeMap;

use call::statement::{Signed, Statement};
use serde::{Deserialize, Serialize};
use sip::locate::Question;

use super::Shell;
use crate::{Ask, AskId, ControlId, Output, Persist, Reply, Resolved, Told};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Purpose {
    /// A live call's statement as it stands, for administration.
    Shown { control: ControlId, payload: Vec<u8> },
    /// Where a peer is.
    Resolve(Question),
    /// Nobody waits for it; only a failure is worth a word.
    Kept,
    /// The role's own.
    Role,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Asks {
    next: u64,
    waiting: BTreeMap<AskId, Purpose>,
}

impl Asks {
    /// What is not yet kept, statements among it.
    pub(super) fn statements(&self) -> usize {
        self.waiting.values().filter(|purpose| matches!(purpose, Purpose::Kept)).count()
    }
}

impl Shell {
    fn ask_for(&mut self, ask: Ask, purpose: Purpose) -> AskId {
        self.asks.next += 1;
        let id = AskId(self.asks.next);
        self.asks.waiting.insert(id, purpose);
        self.outputs.push_back(Output::Ask(id, ask));
        id
    }

    /// A question of the role's: the answer comes by [`super::Role::told`].
    pub fn ask(&mut self, ask: Ask) -> AskId {
        self.ask_for(ask, Purpose::Role)
    }

    /// Keeps something that nobody waits for.
    pub fn persist(&mut self, persist: Persist) {
        self.ask_for(Ask::Persist(persist), Purpose::Kept);
    }

    pub(super) fn resolve(&mut self, question: Question) {
        self.ask_for(Ask::Resolve(question.clone()), Purpose::Resolve(question));
    }

    pub(super) fn sign_statement(&mut self, statement: &Statement) {
        self.ask_for(Ask::State { of: statement.subject(), payload: statement.to_bytes() }, Purpose::Kept);
    }

    pub(super) fn show_statement(&mut self, control: ControlId, payload: Vec<u8>) {
        self.ask_for(Ask::Sign { payload: payload.clone() }, Purpose::Shown { control, payload });
    }

    /// An answer. Given back when it is the role's.
    pub(crate) fn told(&mut self, id: AskId, told: Told) -> Option<Told> {
        if let Told::Speech(_) = told {
            // News on the way to the answer.
            return matches!(self.asks.waiting.get(&id), Some(Purpose::Role)).then_some(told);
        }
        let purpose = self.asks.waiting.remove(&id)?;
        match (purpose, told) {
            (Purpose::Role, told) => return Some(told),
            (Purpose::Resolve(question), Told::Resolved(resolved)) => self.resolved(&question, Ok(resolved)),
            (Purpose::Resolve(question), Told::Failed(why)) => self.resolved(&question, Err(why)),
            (Purpose::Shown { control, payload }, Told::Signed { signature, chain_der }) => {
                self.reply(control, Reply::Statement(Signed::new(&payload, &signature, &chain_der)));
            }
            (Purpose::Shown { control, .. }, Told::Failed(why)) => self.reply(control, Reply::Sorry(why)),
            (Purpose::Kept, Told::Failed(why)) => tracing::error!(%why, "nothing was kept"),
            // Not what was asked.
            (
                Purpose::Resolve(_) | Purpose::Kept | Purpose::Shown { .. },
                Told::Persisted
                | Told::Signed { .. }
                | Told::Fetched(_)
                | Told::Resolved(_)
                | Told::Sound(_)
                | Told::Speech(_)
                | Told::Streamed(_)
                | Told::Heard(_),
            ) => {}
        }
        None
    }

    /// One question leads to the next: SRV records to the addresses of their hosts.
    fn resolved(&mut self, question: &Question, answer: Result<Resolved, String>) {
        if self.dns.told(question, answer, self.now.mono) {
            // Who was a stranger may be a peer at its new address.
            self.sights.retain(|_, sight| sight.admitted.is_ok());
        }
        self.look_up();
    }
}
