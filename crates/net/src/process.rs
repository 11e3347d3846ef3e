//! A process: the nodes of a site that run here, started together and stopped together.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;
use roles::{Kind, PeerPlan, Plan};
use sip::Transport;
use site::Site;
use store::DataDir;
use tokio::sync::mpsc;
use trust::Authority;
use trust::tls::{ClientCertificate, Versions};

use crate::MediaCounts;
use crate::asks::{AskThreads, Asks};
use crate::clock::{Clock, millis};
use crate::credentials::Credentials;
use crate::errands::{Errand, Errands, errands};
use crate::handle::{Facts, NodeHandle};
use crate::keep::{self, Keeper};
use crate::key_sets::KeySets;
use crate::mailbox::{Sender, mailbox};
use crate::media_threads::{self, MediaThreads, Owner};
use crate::node::{self, Letter, Machine, Node, Remains};
use crate::ocsp::{Answering, Asker};
use crate::pages;
use crate::phone_services::PhoneServices;
use crate::tokens;
use crate::web;
use crate::wire::{Setup, tls};

mod renewal;
mod restarting;

use renewal::authorities_are_there;

/// Media threads of a process, at most: one core each carries about 1,000 calls (ADR 0002).
const MEDIA_THREADS: usize = 2;

/// A running process: all nodes started here.
pub struct Process {
    clock: Clock,
    media: MediaThreads,
    /// All that can be played: built in, and recordings of applications. One that a reload replaced stays, for who hears it.
    prompts: media::Prompts,
    asks: AskThreads,
    statements: keep::Reader,
    nodes: Vec<Running>,
    phone_services: Vec<PhoneServices>,
    /// Answers OCSP for the site's own CA.
    answering: Option<Answering>,
    /// Asks other authorities, from the first site on that has them asked.
    asker: Option<Asker>,
    /// Where the site's keys are; `None` in a process of phones alone.
    dir: Option<DataDir>,
    next_owner: Owner,
    generation: u64,
    /// What nodes that take tokens go by, as it was read last.
    tokens: BTreeMap<String, store::Tokens>,
    /// Keeps those fresh that are fetched.
    key_sets: KeySets,
    /// The site in force; `None` in a process of phones alone.
    site: Option<Site>,
    /// What nodes are asked to have done, and where it is done.
    errands: Errands,
    inbox: Option<mpsc::Receiver<Errand>>,
}

struct Running {
    handle: NodeHandle,
    thread: JoinHandle<Remains>,
    asks: Asks,
    /// Its number at the media threads, for this run of it.
    owner: Owner,
    /// One of the site's, which a reload concerns.
    of_site: bool,
}

/// What [`Process::start_phone`] needs.
pub struct PhoneStart {
    pub address: IpAddr,
    /// Local SIP ports; 0 lets the system choose.
    pub listen: Vec<(Transport, u16)>,
    pub plan: Arc<Plan>,
    pub peers: Vec<PeerPlan>,
    /// None, and no roots: no TLS. None, and roots: TLS without a certificate of its own, as phones have it that register
    /// by a token.
    pub identity: Option<trust::Identity>,
    pub roots_pem: Vec<String>,
    /// If there are any: the servers that it dials must show one of these certificates (DER), as a phone's trust list has
    /// them, whatever their chain.
    pub pinned: Vec<Vec<u8>>,
    pub media_ports: (u16, u16),
}

/// What every node is started from, the site's and the phones.
struct Start {
    name: String,
    listen: Vec<(Transport, SocketAddr)>,
    source: IpAddr,
    peers: Vec<PeerPlan>,
    tls: Option<tls::Settings>,
    media_ports: (u16, u16),
    control_address: SocketAddr,
    of_site: bool,
}

impl Process {
    /// Starts the nodes of `site` named in `only` (all if empty) with the identities in `data`. When it returns, every
    /// listener is open.
    ///
    /// # Errors
    /// `only` names a node that the site does not have, the data directory lacks an identity, an address cannot be bound.
    pub fn start(site: &Site, data: &Path, only: &[String]) -> anyhow::Result<Process> {
        for name in only {
            let known = || site.nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(", ");
            anyhow::ensure!(site.node(name).is_some(), "there is no node `{name}` in the site; it has {}", known());
        }
        let dir = DataDir::open(data)?;
        let (keeper, reader) = keep::open(&dir)?;
        let recordings = Arc::new(dir.recordings()?);
        let mut process = Process::bare(keeper, reader, site.name_servers())?;
        process.media.keep_in(&recordings);
        process.asks.send_from(web::Archive { recordings, data: dir.path().to_owned() });
        match process.start_nodes(site, &dir, only) {
            Ok(()) => Ok(process),
            Err(error) => {
                process.stop();
                Err(error)
            }
        }
    }

    fn start_nodes(&mut self, site: &Site, dir: &DataDir, only: &[String]) -> anyhow::Result<()> {
        let roots = renewal::roots(dir, site)?;
        authorities_are_there(site, &roots)?;
        renewal::say_what_is_not_asked(&roots);
        self.dir = Some(dir.clone());
        self.site = Some(site.clone());
        self.ask_authorities(dir, site)?;
        if site.tls.dangerous_tls_keylog {
            tracing::warn!(
                "dangerous_tls_keylog: session keys of every TLS connection are written to SSLKEYLOGFILE; \
                 whoever has that file reads all calls' signalling and keys"
            );
        }
        for node in site.nodes.iter().filter(|node| only.is_empty() || only.contains(&node.name)) {
            let settings = renewal::settings(dir, site, node, &roots)?;
            let handle = self.start_node(site, node, settings).with_context(|| format!("node {}", node.name))?;
            let services = PhoneServices::start(dir, site, node, handle.facts.phones.clone());
            self.phone_services.extend(services.with_context(|| format!("node {}", node.name))?);
        }
        self.answer_ocsp(dir, site)?;
        self.tend_key_sets(site)
    }

    /// Where the site says, as it says it now.
    fn answer_ocsp(&mut self, dir: &DataDir, site: &Site) -> anyhow::Result<()> {
        match self.answering.take() {
            Some(answering) if answering.is_of(site) => {
                let read = answering.refresh(dir);
                self.answering = Some(answering);
                return read;
            }
            Some(answering) => answering.stop(),
            None => {}
        }
        let runs = |name: &str| self.nodes.iter().any(|running| running.handle.name() == name);
        self.answering = Answering::start(dir, site, runs)?;
        Ok(())
    }

    fn ask_authorities(&mut self, dir: &DataDir, site: &Site) -> anyhow::Result<()> {
        let asked = site.authority_rows.iter().any(|row| row.revocation == site::Revocation::Ocsp);
        if asked && self.asker.is_none() {
            self.asker = Some(Asker::start(dir.path()).context("OCSP of partners' authorities")?);
        }
        Ok(())
    }

    /// Where OCSP is answered, if it is.
    pub fn answers_ocsp_at(&self) -> Option<SocketAddr> {
        self.answering.as_ref().map(Answering::local)
    }

    /// Those of the site's nodes that run here are fetched.
    fn tend_key_sets(&mut self, site: &Site) -> anyhow::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let here = |node: &&site::Node| self.nodes.iter().any(|running| running.handle.name() == node.name);
        let nodes: Vec<&site::Node> = site.nodes.iter().filter(here).collect();
        self.key_sets.tend(dir, site, nodes.into_iter()).context("key sets of identity providers")
    }

    /// No node yet: what phones and tests start in.
    pub(crate) fn bare(
        keeper: impl Keeper,
        statements: keep::Reader,
        name_servers: Vec<SocketAddr>,
    ) -> anyhow::Result<Process> {
        crate::panics::keep_words_out_of_logs();
        let clock = Clock::start();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // MEDIA_THREADS is 2, so it fits.
        let count = cores.min(MEDIA_THREADS) as u16;
        let prompts = media::Prompts::built_in();
        let media = MediaThreads::start(count, clock, Arc::new(prompts.clone()), seed)?;
        let mut asks = AskThreads::start(keeper, name_servers, media.senders())?;
        let (errands, inbox) = errands();
        let key_sets = KeySets::new(errands.clone());
        asks.want_keys_of(key_sets.wanted());
        Ok(Process {
            clock,
            media,
            prompts,
            asks,
            statements,
            nodes: Vec::new(),
            phone_services: Vec::new(),
            answering: None,
            asker: None,
            dir: None,
            next_owner: 0,
            generation: 1,
            tokens: BTreeMap::new(),
            key_sets,
            site: None,
            errands,
            inbox: Some(inbox),
        })
    }

    /// A process that has only phones: nothing is stored.
    pub fn phones_only() -> anyhow::Result<Process> {
        Process::bare(keep::Nothing, keep::Reader::nothing(), Vec::new())
    }

    fn start_node(&mut self, site: &Site, node: &site::Node, settings: tls::Settings) -> anyhow::Result<NodeHandle> {
        let mut plan = Plan::compile(site, &node.name, self.generation).map_err(anyhow::Error::msg)?;
        pages::load(&mut plan, &mut self.prompts)?;
        if let Some(dir) = &self.dir {
            let read = tokens::load(&mut plan, dir, node)?;
            self.tokens.extend(read.map(|read| (node.name.clone(), read)));
        }
        if matches!(plan.kind, Kind::VoiceBrowser(_)) {
            self.media.prompts(&self.prompts);
        }
        let start = Start {
            name: node.name.clone(),
            listen: plan.local.clone(),
            source: node.address,
            peers: plan.peers.clone(),
            tls: Some(settings),
            media_ports: node.media_ports.unwrap_or(media_threads::RANGE),
            control_address: SocketAddr::new(node.address, node.control_port),
            of_site: true,
        };
        let machine = self.machine(node, plan);
        self.run(start, |_| machine)
    }

    /// With what was kept of it.
    fn machine(&self, node: &site::Node, plan: Plan) -> roles::Node {
        let now = self.clock.now();
        let mut machine = roles::Node::new(seed(), Arc::new(plan), now);
        self.statements.adopt(&node.name, &mut machine, now);
        if let Some(number) = &node.dangerous_panic_on_number {
            machine.dangerous_panic_at(number);
        }
        machine
    }

    /// A headless phone (or the lab's carrier): the same loop, with its own identity (PEM chain and key) or none.
    pub fn start_phone(&mut self, phone: PhoneStart) -> anyhow::Result<NodeHandle> {
        let PhoneStart { address, listen, plan, peers, identity, roots_pem, pinned, media_ports } = phone;
        // One that knows an authority and has no certificate proves itself by a token: what it listens with is shown to nobody
        // whom it dials.
        let nameless = identity.is_none() && !roots_pem.is_empty();
        let identity = if nameless { Some(throwaway(&plan.node)?) } else { identity };
        let settings = identity.map(|identity| tls::Settings {
            identity,
            trustpoints: Vec::new(),
            // A phone knows one authority: whoever these are.
            roots: roots_pem.into_iter().map(|pem| (Authority::Own, pem)).collect(),
            pinned,
            ocsp_revocations: 0,
            versions: Versions { tls12: true, tls13: true },
            clients: ClientCertificate::Required,
            doors: Vec::new(),
            nameless,
            dangerous_keylog: false,
        });
        let start = Start {
            name: plan.node.clone(),
            listen: listen.into_iter().map(|(transport, port)| (transport, SocketAddr::new(address, port))).collect(),
            source: address,
            peers,
            tls: settings,
            media_ports,
            control_address: SocketAddr::new(address, 0),
            of_site: false,
        };
        let now = self.clock.now();
        self.run(start, |local| {
            // Ports that the system chose stand in Via and Contact.
            let plan = Plan { local: local.to_vec(), ..Plan::clone(&plan) };
            roles::Node::new(seed(), Arc::new(plan), now)
        })
    }

    /// Opens a node's sockets, joins it to the media threads and starts its thread.
    fn run<M: Machine + 'static>(
        &mut self,
        start: Start,
        machine: impl FnOnce(&[(Transport, SocketAddr)]) -> M,
    ) -> anyhow::Result<NodeHandle> {
        let Start { name, listen, source, peers, tls, media_ports, control_address, of_site } = start;
        let (letters, inbox) = mailbox(node::LETTERS)?;
        let credentials = tls.clone().map(Credentials::new);
        let asks = self.asks.asks(name.clone(), credentials.clone(), letters.clone());
        let setup = Setup { node: name.clone(), listen, source, peers, tls };
        let (owner, node) = self.open(setup, machine, Remains::new(inbox), &letters, asks.clone(), media_ports)?;
        let facts = Facts {
            name: name.clone(),
            control_address,
            local: node.wire().local(),
            started_ms: millis(self.clock.now().wall).into(),
            credentials,
            statements: self.statements.clone(),
            errands: self.errands.clone(),
            phones: Default::default(),
        };
        let handle = NodeHandle { facts: Arc::new(facts), letters };
        for (transport, addr) in handle.local() {
            tracing::info!(node = name, transport = transport.as_str(), %addr, "listening");
        }
        let thread = spawn(&name, node)?;
        self.nodes.push(Running { handle: handle.clone(), thread, asks, owner, of_site });
        Ok(handle)
    }

    /// Sockets, media threads, the machine: a node ready to run, and its number at the media threads.
    fn open<M: Machine + 'static>(
        &mut self,
        setup: Setup,
        machine: impl FnOnce(&[(Transport, SocketAddr)]) -> M,
        remains: Remains,
        letters: &Sender<Letter>,
        asks: Asks,
        media_ports: (u16, u16),
    ) -> anyhow::Result<(Owner, Node<M>)> {
        self.next_owner += 1;
        let owner = self.next_owner;
        let deliver = letters.clone();
        let deliver: media_threads::Deliver = Arc::new(move |event| {
            deliver.send(Letter::Media(event)).map_err(|refused| {
                refused.map(|letter| match letter {
                    Letter::Media(event) => event,
                    // What is refused is what was sent.
                    _ => media::Event::Leased(Vec::new()),
                })
            })
        });
        for media in self.media.senders() {
            let join = media_threads::Letter::Join { owner, deliver: deliver.clone(), range: media_ports };
            media.send(join).map_err(|_| anyhow::anyhow!("a media thread is gone"))?;
        }
        let around = node::Surroundings { owner, clock: self.clock, remains, media: self.media.senders(), asks };
        let mut node = Node::new(machine, setup, around)?;
        // Media threads answer in order: once they have, the first ports are in the mailbox, before whatever is asked of
        // the node through its handle.
        node.begin();
        self.media.counts();
        Ok((owner, node))
    }

    pub fn nodes(&self) -> Vec<NodeHandle> {
        self.nodes.iter().map(|node| node.handle.clone()).collect()
    }

    pub fn node(&self, name: &str) -> Option<NodeHandle> {
        self.nodes.iter().map(|node| &node.handle).find(|handle| handle.name() == name).cloned()
    }

    /// What is asked of this process by way of its nodes ([`NodeHandle::read_again`]): whoever runs it takes them once, and
    /// sees to each. A process whose errands nobody takes answers none.
    pub fn errands(&mut self) -> Option<mpsc::Receiver<Errand>> {
        self.inbox.take()
    }

    /// Those of the call managers that serve phones.
    pub fn phone_services(&self) -> &[PhoneServices] {
        &self.phone_services
    }

    /// What passed the media threads' sockets, kernel drops apart.
    pub fn media(&self) -> MediaCounts {
        self.media.counts()
    }

    /// Swaps the plans; calls up keep theirs. When it returns, every node judges what comes by its new plan. Identities,
    /// roots and lists are read again, too ([`Process::refresh`]). Listeners stay as they are: an address that changed needs
    /// a restart, and that is an error here, with nothing swapped.
    pub fn reload(&mut self, site: &Site) -> anyhow::Result<()> {
        if let Some(dir) = self.dir.clone() {
            self.ask_authorities(&dir, site)?;
        }
        let swaps = self.read_again(site)?;
        let generation = self.generation + 1;
        let (mut plans, mut read) = (Vec::new(), BTreeMap::new());
        for node in self.nodes.iter().filter(|node| node.of_site) {
            let name = node.handle.name();
            let mut plan =
                Plan::compile(site, name, generation).map_err(|words| anyhow::anyhow!("node {name}: {words}"))?;
            pages::load(&mut plan, &mut self.prompts).with_context(|| format!("node {name}"))?;
            if let (Some(dir), Some(row)) = (&self.dir, site.node(name)) {
                let tokens = tokens::load(&mut plan, dir, row).with_context(|| format!("node {name}"))?;
                read.extend(tokens.map(|tokens| (name.to_owned(), tokens)));
            }
            let (mut now, mut then) = (node.handle.local().to_vec(), plan.local.clone());
            now.sort_unstable();
            then.sort_unstable();
            anyhow::ensure!(
                now == then,
                "node {name}: its addresses change from {now:?} to {then:?}, which needs a restart of the node"
            );
            plans.push((node.handle.clone(), Arc::new(plan)));
        }
        self.media.prompts(&self.prompts);
        // A plan may name an authority that was not trusted before.
        renewal::swap(swaps)?;
        renewal::swap_plans(plans)?;
        self.tokens = read;
        self.generation = generation;
        self.site = Some(site.clone());
        if let Some(dir) = self.dir.clone() {
            self.answer_ocsp(&dir, site)?;
        }
        self.tend_key_sets(site)?;
        self.reload_phone_services(site)
    }

    /// Those whose part of the site has changed start anew: a phone that was reading a file asks again, and no call is
    /// touched.
    fn reload_phone_services(&mut self, site: &Site) -> anyhow::Result<()> {
        let Some(dir) = self.dir.clone() else { return Ok(()) };
        for handle in self.nodes() {
            let Some(node) = site.node(handle.name()) else { continue };
            let at = self.phone_services.iter().position(|services| services.node() == node.name);
            match at {
                Some(at)
                    if self
                        .phone_services
                        .get(at)
                        .is_some_and(|services| services.station().is_of(&dir, site, node)) =>
                {
                    continue;
                }
                Some(at) => self.phone_services.swap_remove(at).stop(),
                None => {}
            }
            // They are a runtime of their own, and whoever reloads may be in one.
            self.start_phone_services(&dir, site, node, &handle)?;
        }
        Ok(())
    }

    /// They are a runtime of their own, and whoever starts them may be in one.
    fn start_phone_services(
        &mut self,
        dir: &DataDir,
        site: &Site,
        node: &site::Node,
        handle: &NodeHandle,
    ) -> anyhow::Result<()> {
        let board = handle.facts.phones.clone();
        let start = || PhoneServices::start(dir, site, node, board);
        let started = std::thread::scope(|scope| scope.spawn(start).join());
        let services = started.map_err(|_| anyhow::anyhow!("the phone services of {} panicked", node.name))?;
        self.phone_services.extend(services.with_context(|| format!("node {}", node.name))?);
        Ok(())
    }

    /// Ends loops, closes sockets, joins threads.
    pub fn stop(self) {
        if let Some(answering) = self.answering {
            answering.stop();
        }
        for services in self.phone_services {
            services.stop();
        }
        for node in &self.nodes {
            node.handle.letters.insist(Letter::Stop);
        }
        for node in self.nodes {
            drop(node.asks);
            let _ = node.thread.join();
        }
        self.media.stop();
        self.key_sets.stop();
        self.asks.stop();
    }
}

/// An identity that nobody knows and that ends with the process.
fn throwaway(name: &str) -> anyhow::Result<trust::Identity> {
    let (day, now) = (std::time::Duration::from_secs(86_400), std::time::SystemTime::now());
    let request = trust::Request {
        common_name: name.to_owned(),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        node: None,
        uris: Vec::new(),
        key: trust::KeyKind::P256,
        not_before: now - day,
        not_after: now + 365 * day,
    };
    Ok(trust::self_signed("nobody", &request, false)?)
}

fn spawn<M: Machine + 'static>(name: &str, node: Node<M>) -> std::io::Result<JoinHandle<Remains>> {
    std::thread::Builder::new().name(format!("{}{name}", crate::panics::NODE)).spawn(move || node.run())
}

/// From the operating system's generator, by way of TLS's provider.
pub(crate) fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    // The system's generator fails on no system that we run on, and without randomness nothing here may start.
    #[allow(clippy::expect_used)]
    provider.secure_random.fill(&mut seed).expect("the operating system gives randomness");
    seed
}

impl Machine for roles::Node {
    fn handle(&mut self, input: roles::Input, now: roles::Now) {
        roles::Node::handle(self, input, now);
    }
    fn tick(&mut self, now: roles::Now) {
        roles::Node::tick(self, now);
    }
    fn poll(&mut self) -> Option<roles::Output> {
        roles::Node::poll(self)
    }
    fn deadline(&self) -> Option<std::time::Duration> {
        roles::Node::deadline(self)
    }
    fn abandon(&mut self, now: roles::Now) {
        roles::Node::abandon(self, now);
    }
    fn watched(&mut self, by: roles::Watched) {
        roles::Node::watched(self, by);
    }
}
