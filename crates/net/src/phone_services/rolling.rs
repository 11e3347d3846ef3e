//! A roll of a change of trust over the phones of one call manager: which phone is given which edition, who is back, and
//! the change made for good when all are. The running services alone write `roll.json`; commands leave their orders in
//! `roll.order`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use phones::config::{Asked, whose_list};
use phones::{
    Certificate, Change, Contact, Effect, Function, Held, Kind, Mode, Roll, RollState, Services, Terms, Which,
    list_digest,
};
use serde::{Deserialize, Serialize};
use site::{Node, Site};
use store::DataDir;

use super::rehearsal::Census;
use super::station::Edition;
use super::{Asker, Shared, Station};

/// What a command asks of the running services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollOrder {
    Begin {
        change: Change,
        terms: Terms,
    },
    /// `leave`: nobody waits any more for those who are missing.
    Resume {
        leave: bool,
    },
    /// Back to what was before, for everybody.
    Abandon,
}

/// A roll, from outside of the running services.
pub struct Rolls {
    dir: DataDir,
    site: Site,
    node: Node,
    folder: PathBuf,
}

impl Rolls {
    /// Of a node that serves phones.
    pub fn of(dir: &DataDir, site: &Site, node: &Node) -> Rolls {
        let folder = dir.phones_folder(&node.name);
        Rolls { dir: dir.clone(), site: site.clone(), node: node.clone(), folder }
    }

    /// The roll as the services last wrote it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn now(&self) -> anyhow::Result<Option<Roll>> {
        read(&self.folder.join("roll.json"))
    }

    /// Whether an order waits for the services.
    pub fn is_ordered(&self) -> bool {
        self.folder.join("roll.order").exists()
    }

    /// Leaves an order for the services, which see it within a second, or when they next start.
    ///
    /// # Errors
    /// It makes no sense as things are, or cannot be written. A change that rings cannot bring is refused with the reason.
    pub fn order(&self, order: &RollOrder) -> anyhow::Result<()> {
        let now = self.now()?;
        match (order, &now) {
            (RollOrder::Begin { .. }, Some(roll)) => {
                bail!("`{}` is on its way: `ringfence trust roll status`", roll.change)
            }
            (RollOrder::Begin { .. }, None) if self.is_ordered() => {
                bail!("an order waits already for the call manager to run: `ringfence trust roll status`")
            }
            (RollOrder::Begin { change, .. }, None) => {
                if let Some(which) = key_of(change)? {
                    self.dir.announce_phone_key(&self.node.name, which, SystemTime::now())?;
                }
            }
            (RollOrder::Resume { .. }, Some(roll)) if matches!(roll.state(), RollState::Stopped { .. }) => {}
            (RollOrder::Resume { .. }, _) => bail!("nothing has stopped that could go on"),
            (RollOrder::Abandon, None) => bail!("no change is on its way"),
            (RollOrder::Abandon, Some(roll)) if matches!(roll.state(), RollState::Through { .. }) => {
                bail!("all phones are back, and the change is being made")
            }
            (RollOrder::Abandon, Some(_)) => {}
        }
        put(&self.folder.join("roll.order"), order)
    }

    /// Before the services open: a change whose phones are all back is made, if a crash came between.
    pub(super) fn settle(&self) -> anyhow::Result<()> {
        if let Some(roll) = self.now()?
            && matches!(roll.state(), RollState::Through { .. })
            && let Some(which) = key_of(&roll.change)?
        {
            self.dir.take_announced_phone_key(&self.node.name, which)?;
        }
        Ok(())
    }
}

/// Which key a change renews; `None`: the cluster's mode changes.
fn key_of(change: &Change) -> anyhow::Result<Option<&'static str>> {
    match change {
        Change::Renew(which @ (Which::CallManager | Which::Tvs | Which::Capf)) => Ok(Some(which.word())),
        Change::SetMode(_) => Ok(None),
        Change::Renew(Which::Tftp) => bail!(
            "the node's own certificate is told to all phones for 14 days before it is shown: `ringfence cert renew NODE`"
        ),
        Change::Renew(Which::Recovery) => bail!(
            "it is told to all phones at once, and signs when each holds it: `ringfence cert renew NODE/itlrecovery`"
        ),
        Change::Renew(Which::Ca) | Change::RemoveRoot(_) => {
            bail!("`{change}` is rehearsed, and not carried out by this release")
        }
    }
}

/// The roll of running services.
pub(super) struct Rolling {
    rolls: Rolls,
    roll: Mutex<Option<Roll>>,
}

impl Rolling {
    /// Takes up a roll where it was. One that is through has been made: its lists give way to newer ones.
    ///
    /// # Errors
    /// It cannot be read, or the lists cannot be written.
    pub(super) fn open(rolls: Rolls, station: &Station, now: SystemTime) -> anyhow::Result<Rolling> {
        let mut roll = rolls.now()?;
        if roll.as_ref().is_some_and(|roll| matches!(roll.state(), RollState::Through { .. })) {
            if let Some(Roll { change: Change::SetMode(mode), .. }) = roll {
                station.carry_out(effect(mode), now)?;
            }
            finish(&rolls, station, now)?;
            roll = None;
        }
        Ok(Rolling { rolls, roll: Mutex::new(roll) })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Roll>> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose keys may change now: nobody's while a roll is on its way or ordered.
    pub(super) fn idle(&self) -> Option<(&DataDir, &Site, &Node)> {
        let Rolls { dir, site, node, .. } = &self.rolls;
        (self.lock().is_none() && !self.rolls.is_ordered()).then_some((dir, site, node))
    }

    fn edition(&self, device: Option<&str>, mode: Mode) -> Edition {
        match &*self.lock() {
            Some(roll) if device.is_some_and(|device| roll.is_in(device)) => {
                Edition::Next(mode_after(&roll.change, mode))
            }
            _ => Edition::InForce,
        }
    }
}

impl Shared {
    /// Which edition is for who asks: by the name in the file's name, or by the certificate that it showed.
    pub(super) fn edition(&self, name: &str, asker: &Asker) -> Edition {
        let name = name.trim_start_matches('/');
        let named = match Asked::of(name) {
            Some(Asked::Ctl | Asked::Itl) => whose_list(name).map(str::to_owned),
            Some(Asked::Device { device, .. }) => Some(device),
            None => None,
        };
        let proved = match asker {
            Asker::Device(device) => Some(device.clone()),
            Asker::Anyone => None,
        };
        self.rolling.edition(named.or(proved).as_deref(), self.station.mode())
    }

    /// Takes orders, sees who is back, and goes on or stops.
    ///
    /// # Errors
    /// Something cannot be read or written; what was, stays.
    pub(super) fn tend_roll(&self, at: SystemTime) -> anyhow::Result<()> {
        let (rolls, mut held) = (&self.rolling.rolls, self.rolling.lock());
        let before = held.clone();
        let now = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let file = rolls.folder.join("roll.order");
        let order: Option<RollOrder> = read(&file)?;
        match order {
            Some(RollOrder::Begin { change, terms }) if held.is_none() => {
                self.write_next(&change, at)?;
                let draw = |device: &str| draw(device, &change.to_string(), now);
                let roll = Roll::begin(change.clone(), terms, self.station.devices(), draw, now);
                // Whatever goes wrong after this: what phones are given from here on is known to whoever starts next.
                put(&rolls.folder.join("roll.json"), &roll)?;
                *held = Some(roll);
            }
            Some(RollOrder::Resume { leave }) => {
                if let Some(roll) = &mut *held {
                    roll.resume(leave, now);
                }
            }
            Some(RollOrder::Abandon) => {
                if let Some(roll) = &*held {
                    if let Some(which) = key_of(&roll.change)? {
                        rolls.dir.drop_announced_phone_key(&self.node, which)?;
                    }
                    finish(rolls, &self.station, at)?;
                    tracing::warn!(node = self.node, change = %roll.change, "roll abandoned: phones are given what was before");
                    // Last: what could not be done is done at the next look.
                    *held = None;
                }
            }
            Some(RollOrder::Begin { .. }) | None => {}
        }
        if let Some(roll) = &mut *held {
            roll.phones_are(&self.station.devices().collect(), now);
            let awaited: Vec<String> = roll.awaited().map(str::to_owned).collect();
            if !awaited.is_empty() {
                self.book.keep(&self.node);
                let census = Census::read(&rolls.dir, &self.station, &self.node)?;
                let next = self.next_digests();
                for device in awaited.iter().filter(|device| is_back(&census.held(device), &next)) {
                    roll.returned(device, now);
                }
            }
            roll.tick(now);
        }
        if *held != before
            && let Some(roll) = &*held
        {
            put(&rolls.folder.join("roll.json"), roll)?;
            self.say(before.as_ref(), roll);
        }
        // Only now: whoever crashes in between finds what was decided.
        if file.exists() {
            fs::remove_file(&file)?;
        }
        if let Some(roll) = &*held
            && matches!(roll.state(), RollState::Through { .. })
        {
            match &roll.change {
                Change::SetMode(mode) => {
                    self.station.carry_out(effect(*mode), at)?;
                    finish(rolls, &self.station, at)?;
                    *held = None;
                }
                // The services start anew with it when the process next looks at its certificates, within a minute.
                _ => rolls.settle()?,
            }
        }
        Ok(())
    }

    fn write_next(&self, change: &Change, now: SystemTime) -> anyhow::Result<()> {
        let Rolls { dir, site, node, .. } = &self.rolling.rolls;
        let station = Station::open(dir, site, node)?.context("the node serves no phones any more")?;
        let mode = mode_after(change, station.mode());
        let mut services: Services = station.into_services();
        if let (Change::Renew(which), Some(key)) = (change, key_of(change)?) {
            let made = dir.announced_phone_key(&node.name, key)?.context("what is to be announced is gone")?;
            let leaf = Certificate::from_der(&made.chain_der().into_iter().next().unwrap_or_default())?;
            services.announce(
                leaf,
                match which {
                    Which::Tvs => Function::Tvs,
                    Which::Capf => Function::Capf,
                    _ => Function::CallManagerAndTftp,
                },
            );
        }
        self.station.write_next(&services, mode, now)
    }

    fn next_digests(&self) -> BTreeMap<Kind, String> {
        let digest = |kind| Some((kind, list_digest(self.station.next_list(kind)?.octets())));
        [Kind::Ctl, Kind::Itl].into_iter().filter_map(digest).collect()
    }

    fn say(&self, before: Option<&Roll>, roll: &Roll) {
        let (node, change, (back, of)) = (&self.node, &roll.change, roll.progress());
        match roll.state() {
            state if before.is_some_and(|before| before.state() == state) => {}
            RollState::Open { ring, .. } => {
                tracing::info!(node, %change, ring = ring + 1, back, of, "a ring of phones is open");
            }
            RollState::Stopped { ring, missing, .. } => {
                let phones = missing.join(", ");
                tracing::warn!(node, %change, ring = ring + 1, phones, "roll stopped: these phones did not come back in time");
            }
            RollState::Through { .. } => {
                tracing::info!(node, %change, back, of, "all rings are back: the change is made")
            }
        }
    }
}

/// It has both lists of the next edition, and has registered since.
fn is_back(held: &Held, next: &BTreeMap<Kind, String>) -> bool {
    let has =
        |(kind, digest): (&Kind, &String)| held.list(*kind).filter(|list| list.digest == *digest).map(|list| list.at);
    let read: Option<Vec<u64>> = next.iter().map(has).collect();
    let registered = held.contacts.get(&Contact::Registration);
    let since = read.and_then(|times| times.into_iter().max());
    since.zip(registered).is_some_and(|(since, registered)| *registered >= since)
}

/// What is in force is newer than what the roll brought, and nothing of it is left.
fn finish(rolls: &Rolls, station: &Station, now: SystemTime) -> anyhow::Result<()> {
    station.supersede(now)?;
    station.drop_next()?;
    let file = rolls.folder.join("roll.json");
    if file.exists() { Ok(fs::remove_file(file)?) } else { Ok(()) }
}

fn mode_after(change: &Change, mode: Mode) -> Mode {
    match change {
        Change::SetMode(wanted) => *wanted,
        Change::Renew(_) | Change::RemoveRoot(_) => mode,
    }
}

fn effect(mode: Mode) -> Effect {
    match mode {
        Mode::Mixed => Effect::EnterMixedMode,
        Mode::NonSecure => Effect::LeaveMixedMode,
    }
}

/// A place for a phone that nobody can guess from its name, and that is another in the next roll.
fn draw(device: &str, change: &str, now: u64) -> u64 {
    let digest = trust::fingerprint(format!("{device}\n{change}\n{now}").as_bytes());
    u64::from_str_radix(digest.get(..16).unwrap_or_default(), 16).unwrap_or_default()
}

fn read<T: for<'a> Deserialize<'a>>(file: &Path) -> anyhow::Result<Option<T>> {
    match fs::read(file) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text).with_context(|| format!("in {}", file.display()))?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

fn put(file: &Path, what: &impl Serialize) -> anyhow::Result<()> {
    store::write_private(file, &serde_json::to_vec(what)?).with_context(|| format!("cannot write {}", file.display()))
}
