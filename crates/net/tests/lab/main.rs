//! The lab's site over real sockets, in one process: a carrier, an agent's phone, and the nodes between them.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use net::{NodeHandle, PhoneStart, Process};
use roles::phone::{Plan, Registration, Say, Secret};
use roles::{Control, Journal, PeerPlan, Reply};
use sdp::Protection;
use sip::Transport;

mod certificates;
mod conference;
mod https;
mod ipv6;
mod light;
mod oauth;
mod ocsp;
mod ocsp_of_peers;
mod recognition;
mod record;
mod reload;
mod renewal;
mod restarting;
mod sound;
mod speech;
#[path = "../../src/speech_server/tests/server.rs"]
mod speech_server;
mod spoken;
mod stream;
mod supervision;
mod torture;
mod transfer;
mod trustpoints;
mod vxml;
mod websocket;
mod withdrawn;

const PATIENCE: Duration = Duration::from_secs(30);
/// Addresses of this test alone, so that it meets no other run of the lab on this machine.
const NETWORK: &str = "127.41.7.";

/// The example site.
const LAB: &str = include_str!("../../../../examples/lab.toml");

struct Lab {
    process: Process,
    dir: PathBuf,
    site: site::Site,
    /// `127.x.y.`, or nothing: everybody is on `::1`.
    network: &'static str,
}

/// A phone's own part.
struct Papers {
    identity: Option<trust::Identity>,
    roots_pem: Vec<String>,
}

impl Lab {
    fn start() -> Lab {
        Lab::on(NETWORK)
    }

    /// The example site on a network of its own (`127.x.y.`).
    fn on(network: &'static str) -> Lab {
        Lab::with(network, &LAB.replace("127.18.133.", network), |_| {})
    }

    /// This site; `prepare` sees the data directory before anything starts.
    fn with(network: &'static str, text: &str, prepare: impl FnOnce(&Path)) -> Lab {
        let dir = std::env::temp_dir().join(format!("ringfence-net-lab-{network}{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        store::DataDir::init(&dir, text, SystemTime::now()).unwrap();
        prepare(&dir);
        let site = site::Site::parse(text).unwrap();
        let process = Process::start(&site, &dir, &[]).unwrap();
        Lab { process, dir, site, network }
    }

    fn address(&self, last: u8) -> IpAddr {
        match self.network {
            "" => std::net::Ipv6Addr::LOCALHOST.into(),
            network => format!("{network}{last}").parse().unwrap(),
        }
    }

    fn secure(&self, node: &str) -> PeerPlan {
        let found = self.site.node(node).unwrap();
        PeerPlan::new(
            "server",
            Transport::Tls,
            SocketAddr::new(found.address, found.secure_port),
            vec![format!("{node}.lab.example")],
        )
    }

    fn papers(&self, name: &str) -> Papers {
        let dir = store::DataDir::open(&self.dir).unwrap();
        Papers { identity: Some(identity(&dir.ca().unwrap(), name)), roots_pem: dir.roots_pem().unwrap() }
    }

    fn agent_with(&mut self, prepare: impl FnOnce(&mut Plan)) -> NodeHandle {
        let server = self.secure("cucm1");
        let mut plan = Plan::new("1001", &server);
        plan.registration = Some(Registration {
            expires: Duration::from_secs(600),
            user: "1001".into(),
            secret: Secret::new("lab-1001-secret"),
        });
        plan.answer_after = Some(Duration::from_millis(200));
        plan.say = Some(Say { prompt: "agent".into(), repeat: true });
        prepare(&mut plan);
        let papers = self.papers("SEP000000001001");
        self.phone("1001", SocketAddr::new(self.address(75), 0), server, plan, papers)
    }

    fn carrier(&mut self) -> NodeHandle {
        self.carrier_with(|_| {})
    }

    fn carrier_with(&mut self, prepare: impl FnOnce(&mut Plan)) -> NodeHandle {
        let sbc = self.site.node("cube1").unwrap();
        let server =
            PeerPlan::new("server", Transport::Udp, SocketAddr::new(sbc.address, sbc.port.unwrap()), Vec::new());
        let mut plan = Plan::new("3227046971", &server);
        plan.protection = Protection::DangerousPlainRtp;
        plan.say = Some(Say { prompt: "caller".into(), repeat: true });
        prepare(&mut plan);
        let papers = Papers { identity: None, roots_pem: Vec::new() };
        self.phone("3227046971", SocketAddr::new(self.address(76), 5062), server, plan, papers)
    }

    fn phone(&mut self, line: &str, local: SocketAddr, server: PeerPlan, plan: Plan, papers: Papers) -> NodeHandle {
        let transport = server.transport;
        let plan = plan.of_node("lab", line, vec![(transport, local)], server.clone());
        let start = PhoneStart {
            address: local.ip(),
            listen: vec![(transport, local.port())],
            plan: plan.into(),
            peers: vec![server],
            identity: papers.identity,
            roots_pem: papers.roots_pem,
            pinned: Vec::new(),
            media_ports: (16384, 17000),
        };
        self.process.start_phone(start).unwrap()
    }

    /// Calls that are up at a node.
    fn calls_at(&self, node: &str) -> usize {
        match self.process.node(node).unwrap().control_blocking(Control::Status) {
            Reply::Status(status) => status.calls,
            other => panic!("{other:?}"),
        }
    }

    fn end(self) {
        self.process.stop();
        std::fs::remove_dir_all(self.dir).unwrap();
    }
}

fn identity(ca: &trust::Ca, name: &str) -> trust::Identity {
    let now = SystemTime::now();
    let request = trust::Request {
        common_name: name.into(),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        node: None,
        uris: Vec::new(),
        key: trust::KeyKind::P256,
        not_before: now - PATIENCE,
        not_after: now + Duration::from_secs(3600),
    };
    ca.issue(&request).unwrap()
}

fn wait<T>(journal: &Receiver<Journal>, what: &str, mut pick: impl FnMut(&Journal) -> Option<T>) -> T {
    let (until, mut instead) = (Instant::now() + PATIENCE, Vec::new());
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let line = journal.recv_timeout(left).unwrap_or_else(|_| panic!("waited in vain for {what}: {instead:#?}"));
        if let Some(found) = pick(&line) {
            return found;
        }
        instead.push(line);
    }
}

/// Calls the contact centre.
fn dial(phone: &NodeHandle) {
    assert_eq!(phone.control_blocking(Control::Dial { number: "6016".into() }), Reply::Done);
}

/// An agent who is registered and ready.
fn staff(lab: &mut Lab) -> (NodeHandle, Receiver<Journal>) {
    staff_with(lab, |_| {})
}

fn staff_with(lab: &mut Lab, prepare: impl FnOnce(&mut Plan)) -> (NodeHandle, Receiver<Journal>) {
    let agent = lab.agent_with(prepare);
    let at_agent = agent.watch();
    if !matches!(agent.control_blocking(Control::Registrations), Reply::Registrations(_)) {
        wait(&at_agent, "the agent's registration", |line| {
            matches!(line, Journal::Registered { registered: true, .. }).then_some(())
        });
    }
    let call_server = lab.process.node("cvp1").unwrap();
    assert_eq!(call_server.control_blocking(Control::AgentReady { agent: "1001".into() }), Reply::Done);
    (agent, at_agent)
}

fn connected(line: &Journal) -> Option<call::record::LegRecord> {
    match line {
        Journal::Changed(leg)
            if leg.state == call::record::LegState::Active || leg.state == call::record::LegState::Connected =>
        {
            Some((**leg).clone())
        }
        _ => None,
    }
}

#[test]
fn a_carriers_call_reaches_the_voice_browser_over_tls_and_an_agent_with_srtp() {
    whole_call(Lab::start());
}

/// From the carrier by way of the voice browser to the agent, and its end.
fn whole_call(mut lab: Lab) {
    let (_agent, at_agent) = staff(&mut lab);
    let call_server = lab.process.node("cvp1").unwrap();
    let carrier = lab.carrier();
    let at_carrier = carrier.watch();
    dial(&carrier);
    let leg = wait(&at_carrier, "the voice browser's answer", connected);
    assert!(leg.signalling.tls.is_none(), "the carrier's leg is plain");
    carrier.control_blocking(Control::Press { digits: "1".into() });
    let leg = wait(&at_agent, "the agent's call", connected);
    let remote = leg.signalling.remote.expect("a peer");
    assert_eq!(remote.is_ipv6(), lab.network.is_empty(), "{remote}");
    assert!(leg.signalling.tls.as_ref().is_some_and(|tls| tls.mutual), "{:?}", leg.signalling);

    // Between the nodes there is TLS and nothing else.
    for node in ["cvp1", "vvb1", "cucm1"] {
        let shown = lab.process.node(node).unwrap().connections();
        assert!(!shown.open.is_empty(), "{node}");
        assert!(
            shown.open.iter().all(|connection| connection.tls.is_some() && connection.peer.is_some()),
            "{node}: {shown:?}"
        );
    }
    carrier.control_blocking(Control::HangUp);
    wait(&at_agent, "the end at the agent", |line| matches!(line, Journal::Leg(_)).then_some(()));

    // What each node said of the call is signed and kept.
    let call_server_journal = call_server.watch();
    let until = Instant::now() + PATIENCE;
    while call_server.statements().is_empty() && Instant::now() < until {
        let _ = call_server_journal.recv_timeout(Duration::from_millis(50));
    }
    let (caller, _) = call_server.statements().pop().expect("a statement");
    assert!(call_server.statements_of(&caller).len() == 1);

    let media = lab.process.media();
    assert!(media.received > 0 && media.kernel_drops == 0 && media.panics == 0, "{media:?}");
    let site = lab.site.clone();
    lab.process.reload(&site).unwrap();
    for node in lab.process.nodes() {
        if let Reply::Status(status) = node.control_blocking(Control::Status) {
            assert_eq!(status.panics, 0, "{}", node.name());
        }
        assert!(node.refusals().is_empty(), "{}: {:?}", node.name(), node.refusals());
    }
    lab.end();
}

#[test]
fn a_restart_leaves_agents_as_they_were() {
    let mut lab = Lab::on("127.41.48.");
    let agents = |process: &Process| match process.node("cvp1").unwrap().control_blocking(Control::Agents) {
        Reply::Agents(agents) => {
            agents.into_iter().map(|agent| (agent.id, agent.state, agent.reason)).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let state = |id: &str, state: &str, reason: &str| (id.to_owned(), state.to_owned(), reason.to_owned());
    assert_eq!(agents(&lab.process), [state("1001", "LOGOUT", ""), state("1002", "LOGOUT", "")]);
    let call_server = lab.process.node("cvp1").unwrap();
    call_server.control_blocking(Control::AgentReady { agent: "1001".into() });
    call_server.control_blocking(Control::AgentReady { agent: "1002".into() });
    call_server.control_blocking(Control::AgentNotReady { agent: "1002".into(), reason: "lunch until two".into() });

    lab.process.stop();
    lab.process = Process::start(&lab.site, &lab.dir, &[]).unwrap();
    assert_eq!(agents(&lab.process), [state("1001", "READY", ""), state("1002", "NOT_READY", "lunch until two")]);
    lab.end();
}
