//! Key sets of identity providers (RFC 7517), fetched: by whose tokens phones register. One thread with a runtime, a task for
//! each provider of each node; no node waits for any of it. What was fetched last lies in the data directory and is believed
//! until something else was fetched: a provider that is away takes nothing from phones whose tokens its keys signed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use site::{IdentityProvider, KeySource, Node, Role, Site};
use store::DataDir;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use trust::tls::Versions;

use crate::errands::{Errands, Work};
use crate::open_id::Provider;

/// A key set is fetched anew after as long.
const FRESH: Duration = Duration::from_secs(3600);
/// And after as long when that failed, twice as long each time.
const AGAIN: Duration = Duration::from_secs(30);
/// Nor does a key that nobody knows have it asked more often than that.
const HURRIED: Duration = Duration::from_secs(30);
/// Tokens of unknown keys that wait to be heard of.
const WAITING: usize = 64;

/// Somebody showed a token of this issuer to this node, and no key that is known signed it.
struct Unknown {
    node: String,
    issuer: String,
}

/// A node's way to say that it was shown a token by a key that is not known.
#[derive(Clone)]
pub(crate) struct KeysWanted(mpsc::Sender<Unknown>);

impl KeysWanted {
    pub(crate) fn by(&self, node: &str, issuer: String) {
        // One that finds no room is one of many: a fetch is under way.
        let _ = self.0.try_send(Unknown { node: node.to_owned(), issuer });
    }
}

/// Those of a process.
pub(crate) struct KeySets {
    wanted: mpsc::Sender<Unknown>,
    sources: watch::Sender<Vec<Source>>,
    state: State,
}

enum State {
    /// No site yet has named anything to fetch.
    Idle(mpsc::Receiver<Unknown>, watch::Receiver<Vec<Source>>, Errands),
    Running(JoinHandle<()>),
    /// Only while it is started.
    Between,
}

/// A key set that is fetched.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    node: String,
    issuer: String,
    key_set: Option<String>,
    authority: Option<String>,
}

#[derive(Clone)]
struct Source {
    key: Key,
    row: IdentityProvider,
    at: Provider,
}

impl KeySets {
    /// Whoever is given `errands` puts into force what was fetched.
    pub(crate) fn new(errands: Errands) -> KeySets {
        let (wanted, unknown) = mpsc::channel(WAITING);
        let (sources, watched) = watch::channel(Vec::new());
        KeySets { wanted, sources, state: State::Idle(unknown, watched, errands) }
    }

    pub(crate) fn wanted(&self) -> KeysWanted {
        KeysWanted(self.wanted.clone())
    }

    /// From now on those of these nodes are kept fresh, and no others.
    pub(crate) fn tend<'a>(
        &mut self,
        dir: &DataDir,
        site: &Site,
        nodes: impl Iterator<Item = &'a Node>,
    ) -> std::io::Result<()> {
        let versions = Versions { tls12: site.tls.has("1.2"), tls13: site.tls.has("1.3") };
        let sources: Vec<Source> = nodes.flat_map(|node| sources_of(node, dir, versions)).collect();
        self.state = match std::mem::replace(&mut self.state, State::Between) {
            State::Idle(unknown, watched, errands) if !sources.is_empty() => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                State::Running(std::thread::Builder::new().name("key sets".into()).spawn(move || {
                    runtime.block_on(serve(unknown, watched, errands));
                    // An answer that has not come is not waited for.
                    runtime.shutdown_background();
                })?)
            }
            other => other,
        };
        self.sources.send_replace(sources);
        Ok(())
    }

    pub(crate) fn stop(self) {
        let KeySets { wanted, sources, state } = self;
        drop((wanted, sources));
        if let State::Running(thread) = state {
            let _ = thread.join();
        }
    }
}

fn sources_of(node: &Node, dir: &DataDir, versions: Versions) -> Vec<Source> {
    let Role::CallManager(manager) = &node.role else { return Vec::new() };
    let rows = manager.oauth.iter().flat_map(|oauth| &oauth.identity_providers);
    let source = |row: &IdentityProvider| {
        let (issuer, authority) = (row.issuer.clone(), row.authority.clone());
        let at = Provider { issuer: issuer.clone(), authority: authority.clone(), versions, data: dir.clone() };
        let key = Key { node: node.name.clone(), issuer, key_set: row.key_set.clone(), authority };
        Source { key, row: row.clone(), at }
    };
    rows.filter(|row| row.is_fetched()).map(source).collect()
}

/// Until the process ends.
async fn serve(mut unknown: mpsc::Receiver<Unknown>, mut sources: watch::Receiver<Vec<Source>>, errands: Errands) {
    let mut tended: BTreeMap<Key, (AbortHandle, Arc<Notify>)> = BTreeMap::new();
    loop {
        let now = sources.borrow_and_update().clone();
        tended.retain(|key, (task, _)| {
            let stays = now.iter().any(|source| source.key == *key);
            if !stays {
                task.abort();
            }
            stays
        });
        for source in now {
            tended.entry(source.key.clone()).or_insert_with(|| {
                let wanted = Arc::new(Notify::new());
                let task = tokio::spawn(keep_fresh(source, wanted.clone(), errands.clone()));
                (task.abort_handle(), wanted)
            });
        }
        tokio::select! {
            changed = sources.changed() => if changed.is_err() { return },
            heard = unknown.recv() => {
                let Some(Unknown { node, issuer }) = heard else { return };
                for (_, (_, wanted)) in tended.iter().filter(|(key, _)| key.node == node && key.issuer == issuer) {
                    wanted.notify_one();
                }
            }
        }
    }
}

/// Fetches one key set, again and again.
async fn keep_fresh(source: Source, wanted: Arc<Notify>, errands: Errands) {
    let (mut failures, mut hurried) = (0u32, None::<Instant>);
    loop {
        let due = match fetch(&source).await {
            Ok(changed) => {
                failures = 0;
                if changed {
                    put_into_force(&source, &errands).await;
                }
                FRESH
            }
            Err(why) => {
                failures += 1;
                say(&source, &why);
                AGAIN.saturating_mul(1 << failures.min(8).saturating_sub(1)).min(FRESH)
            }
        };
        let due = Instant::now() + due;
        tokio::select! {
            () = sleep_until(due) => {}
            () = wanted.notified() => {
                // What comes in the meantime is answered by the same fetch.
                if let Some(last) = hurried {
                    sleep_until(last + HURRIED).await;
                }
                hurried = Some(Instant::now());
            }
        }
    }
}

/// Whether it is another than before.
async fn fetch(Source { key, row, at }: &Source) -> Result<bool, String> {
    let address = match row.keys() {
        KeySource::Address(address) => address.to_owned(),
        KeySource::Discovery | KeySource::Files(_) => at.key_set_address().await?,
    };
    let (text, keys) = at.key_set(&address).await?;
    let changed = at.data.keep_key_set(&key.node, row, &text).map_err(|error| format!("{error:#}"))?;
    if changed {
        tracing::info!(node = key.node, issuer = key.issuer, keys = keys.len(), "key set fetched");
    }
    Ok(changed)
}

async fn put_into_force(Source { key, .. }: &Source, errands: &Errands) {
    if let Err(why) = errands.run(Work::ReadAgain { list: None, site: false }).await {
        tracing::warn!(node = key.node, issuer = key.issuer, why, "the key set is in force within a minute");
    }
}

/// What it means that it is away.
fn say(Source { key, row, at }: &Source, why: &str) {
    let (node, issuer) = (&key.node, &key.issuer);
    match at.data.has_key_set(node, row) {
        true => tracing::warn!(node, issuer, why, "its key set was not fetched; keys of before stay"),
        false => tracing::warn!(node, issuer, why, "its key set was not fetched: until it is, its tokens are refused"),
    }
}

#[cfg(test)]
mod tests;
