//! The store as nodes need it: what is to last, and what is read back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use call::statement::Signed;
use roles::{Journal, Now, Persist};
use store::{DataDir, Decision, Figures, Refused, Routed, RoutingInput, Statement, Store};

use crate::asks::Stated;
use crate::clock::millis;

/// Statements that `statements()` lists.
const LISTED: u32 = 1000;

/// Something to keep, and whose it is.
pub(crate) struct Kept<'a> {
    pub node: &'a str,
    pub what: What<'a>,
}

pub(crate) enum What<'a> {
    Persist(&'a Persist),
    Stated(&'a Stated),
    Journal(&'a Journal),
}

/// Who makes things last: the store, or nobody.
pub(crate) trait Keeper: Send + 'static {
    /// All of it is durable when this returns, or none of it.
    fn keep(&mut self, batch: &[Kept<'_>]) -> Result<(), NotKept>;
}

/// Why nothing was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotKept {
    pub(crate) why: String,
    /// The disk is full or gone, say: the same may be kept later.
    pub(crate) may_pass: bool,
}

/// A process without a data directory keeps nothing: phones, the lab's carrier.
pub(crate) struct Nothing;

impl Keeper for Nothing {
    fn keep(&mut self, _batch: &[Kept<'_>]) -> Result<(), NotKept> {
        Ok(())
    }
}

impl Keeper for Store {
    fn keep(&mut self, batch: &[Kept<'_>]) -> Result<(), NotKept> {
        let kept = self.together(|store| {
            for Kept { node, what } in batch {
                match what {
                    What::Persist(what) => persist(store, node, what)?,
                    What::Stated(stated) => store.put_statement(&statement(node, stated))?,
                    What::Journal(line) => journal(store, node, line)?,
                }
            }
            Ok(())
        });
        kept.map_err(|error| NotKept { why: error.to_string(), may_pass: error.may_pass() })
    }
}

fn statement(node: &str, stated: &Stated) -> Statement {
    let Stated { of, payload, signature, chain_der } = stated;
    Statement {
        node: node.into(),
        caller: of.caller.0.clone(),
        began_ms: of.began_ms,
        call: of.call,
        made_ms: of.made_ms,
        payload: payload.clone(),
        signature: signature.clone(),
        chain_der: chain_der.clone(),
    }
}

fn persist(store: &mut Store, node: &str, what: &Persist) -> Result<(), store::Error> {
    match what {
        Persist::Call { call, state, .. } => store.put_snapshot(node, *call, state.as_deref()),
        Persist::Registration { line, state } => {
            if state.is_some() {
                store.put_line_registered(node, line, now_ms())?;
            }
            store.put_registration(node, line, state.as_deref())
        }
        Persist::Agent { id, state } => store.put_agent_state(node, id, state),
        Persist::Interval(figures) => {
            store.put_figures(node, &Figures { begins_ms: figures.begins_ms, figures: json(figures) })
        }
    }
}

fn journal(store: &mut Store, node: &str, line: &Journal) -> Result<(), store::Error> {
    match line {
        Journal::Refused(refused) => store.add_refusal(&Refused {
            node: node.into(),
            at_ms: refused.at_ms,
            cause: refused.refusal.cause.clone(),
            record: json(refused),
        }),
        Journal::Decision { caller, words } => store.add_decision(&Decision {
            node: node.into(),
            at_ms: now_ms(),
            caller: caller.0.clone(),
            words: words.clone(),
        }),
        Journal::Routed { caller, decision } => store.add_routed(&Routed {
            node: node.into(),
            at_ms: now_ms(),
            caller: caller.0.clone(),
            decision: json(decision),
        }),
        Journal::Routing(input) => {
            store.add_routing_input(&RoutingInput { node: node.into(), at_ms: now_ms(), input: json(input) })
        }
        Journal::Audit { who, what } => store.add_change(&store::Change {
            at_ms: now_ms(),
            who: who.clone(),
            source: node.into(),
            what: what.clone(),
            detail: "{}".into(),
        }),
        // A leg that ended is in its call's statement; the others are for those who watch.
        Journal::Leg(_) | Journal::Changed(_) | Journal::Desk(_) => Ok(()),
        Journal::Registered { .. } | Journal::Recorded { .. } | Journal::KeysWanted { .. } => Ok(()),
    }
}

/// Reads what was kept, on a connection of its own: readers never wait for the writer, nor a node's loop for either.
#[derive(Clone)]
pub(crate) struct Reader(Option<Arc<Mutex<Store>>>);

impl Reader {
    pub(crate) fn nothing() -> Reader {
        Reader(None)
    }

    /// Newest last.
    pub(crate) fn list(&self, node: &str) -> Vec<(String, u64)> {
        let mut list = self.read("statements", |store| store.statement_list(node, LISTED)).unwrap_or_default();
        list.reverse();
        list
    }

    /// A node's statements on a caller's calls, oldest call first.
    pub(crate) fn of_caller(&self, node: &str, caller: &str) -> Vec<Signed> {
        let statements =
            self.read("statements of a caller", |store| store.statements(node, caller)).unwrap_or_default();
        statements.iter().map(|kept| Signed::new(&kept.payload, &kept.signature, &kept.chain_der)).collect()
    }

    /// Hands a node that starts what an earlier process kept of it.
    pub(crate) fn adopt(&self, node: &str, machine: &mut roles::Node, now: Now) {
        for kept in self.read("figures", |store| store.figures(node)).unwrap_or_default() {
            match serde_json::from_str(&kept.figures) {
                Ok(figures) => machine.adopt_figures(figures, now),
                Err(error) => tracing::warn!(node, %error, "figures of an earlier version were let go"),
            }
        }
        for registration in self.read("registrations", |store| store.registrations(node)).unwrap_or_default() {
            machine.adopt_registration(&registration.state, now);
        }
        for snapshot in self.read("live calls", |store| store.snapshots(node)).unwrap_or_default() {
            machine.adopt_call(snapshot.call, &snapshot.state, now);
        }
        for agent in self.read("agents' states", |store| store.agent_states(node)).unwrap_or_default() {
            machine.adopt_agent(&agent.id, &agent.state, now);
        }
    }

    fn read<T>(&self, what: &str, work: impl FnOnce(&Store) -> Result<T, store::Error>) -> Option<T> {
        let store = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        work(&store).inspect_err(|error| tracing::error!(%error, "{what} could not be read from the store")).ok()
    }
}

/// The writer and the reader of a data directory.
pub(crate) fn open(dir: &DataDir) -> anyhow::Result<(Store, Reader)> {
    Ok((dir.store()?, Reader(Some(Arc::new(Mutex::new(dir.store()?))))))
}

fn json(value: &impl serde::Serialize) -> String {
    // Records are plain data with string keys, so they always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

fn now_ms() -> u64 {
    millis(SystemTime::now())
}
