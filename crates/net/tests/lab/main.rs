//! The lab's site over real sockets, in one process: a carrier, an agent's phone, and the nodes between them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use net::{NodeHandle, PhoneStart, Process};
use roles::phone::{Plan, Registration, Say, Secret};
use roles::{Control, Journal, PeerPlan, Reply};
use sdp::Protection;
use sip::Transport;

const PATIENCE: Duration = Duration::from_secs(30);
/// Addresses of this test alone, so that it meets no other run of the lab on this machine.
const NETWORK: &str = "127.41.7.";

struct Lab {
    process: Process,
    dir: PathBuf,
    site: site::Site,
    network: &'static str,
}

impl Lab {
    fn start() -> Lab {
        Lab::on(NETWORK)
    }

    /// On a network of its own (`127.x.y.`).
    fn on(network: &'static str) -> Lab {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/lab.toml")).unwrap();
        let text = text.replace("127.18.133.", network);
        let dir = std::env::temp_dir().join(format!("ringfence-net-lab-{network}{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        store::DataDir::init(&dir, &text, SystemTime::now()).unwrap();
        let site = site::Site::parse(&text).unwrap();
        let process = Process::start(&site, &dir, &[]).unwrap();
        Lab { process, dir, site, network }
    }

    fn address(&self, last: u8) -> IpAddr {
        format!("{}{last}", self.network).parse().unwrap()
    }

    fn agent(&mut self) -> NodeHandle {
        let dir = store::DataDir::open(&self.dir).unwrap();
        let now = SystemTime::now();
        let request = trust::Request {
            common_name: "SEP000000001001".into(),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            node: None,
            uris: Vec::new(),
            key: trust::KeyKind::P256,
            not_before: now - PATIENCE,
            not_after: now + Duration::from_secs(3600),
        };
        let identity = dir.ca().unwrap().issue(&request).unwrap();
        let server = PeerPlan {
            name: "server".into(),
            transport: Transport::Tls,
            addr: SocketAddr::new(self.address(3), 5061),
            names: vec!["cucm1.lab.example".into()],
        };
        let mut plan = Plan::new("1001", &server);
        plan.registration = Some(Registration {
            expires: Duration::from_secs(600),
            user: "1001".into(),
            secret: Secret::new("lab-1001-secret"),
        });
        plan.answer_after = Some(Duration::from_millis(200));
        plan.say = Some(Say { prompt: "agent".into(), repeat: true });
        self.phone("1001", 75, server, plan, Some(identity), dir.roots_pem().unwrap())
    }

    fn carrier(&mut self) -> NodeHandle {
        let server = PeerPlan {
            name: "server".into(),
            transport: Transport::Udp,
            addr: SocketAddr::new(self.address(226), 5060),
            names: Vec::new(),
        };
        let mut plan = Plan::new("3227046971", &server);
        plan.protection = Protection::DangerousPlainRtp;
        plan.say = Some(Say { prompt: "caller".into(), repeat: true });
        self.phone("3227046971", 76, server, plan, None, Vec::new())
    }

    fn phone(
        &mut self,
        line: &str,
        last: u8,
        server: PeerPlan,
        plan: Plan,
        identity: Option<trust::Identity>,
        roots_pem: Vec<String>,
    ) -> NodeHandle {
        let (address, transport) = (self.address(last), server.transport);
        let port = if transport == Transport::Udp { 5062 } else { 0 };
        let local = vec![(transport, SocketAddr::new(address, port))];
        let plan = plan.of_node("lab", line, local, server.clone());
        let start = PhoneStart {
            address,
            listen: vec![(transport, port)],
            plan: plan.into(),
            peers: vec![server],
            identity,
            roots_pem,
            media_ports: (16384, 17000),
        };
        self.process.start_phone(start).unwrap()
    }
}

fn wait<T>(journal: &Receiver<Journal>, what: &str, mut pick: impl FnMut(&Journal) -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let line = journal.recv_timeout(left).unwrap_or_else(|_| panic!("waited in vain for {what}"));
        if let Some(found) = pick(&line) {
            return found;
        }
    }
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
    let mut lab = Lab::start();
    let agent = lab.agent();
    let at_agent = agent.watch();
    if !matches!(agent.control_blocking(Control::Registrations), Reply::Registrations(_)) {
        wait(&at_agent, "the agent's registration", |line| {
            matches!(line, Journal::Registered { registered: true, .. }).then_some(())
        });
    }
    let call_server = lab.process.node("cvp1").unwrap();
    let ready = call_server.control_blocking(Control::AgentReady { agent: "1001".into() });
    assert!(matches!(ready, Reply::Done), "{ready:?}");

    let carrier = lab.carrier();
    let at_carrier = carrier.watch();
    let dialled = carrier.control_blocking(Control::Dial { number: "6016".into() });
    assert!(matches!(dialled, Reply::Done), "{dialled:?}");
    let leg = wait(&at_carrier, "the voice browser's answer", connected);
    assert!(leg.signalling.tls.is_none(), "the carrier's leg is plain");
    carrier.control_blocking(Control::Press { digits: "1".into() });
    let leg = wait(&at_agent, "the agent's call", connected);
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
    lab.process.stop();
    std::fs::remove_dir_all(lab.dir).unwrap();
}

#[test]
fn a_restart_leaves_agents_as_they_were() {
    let mut lab = Lab::on("127.41.8.");
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
    lab.process.stop();
    std::fs::remove_dir_all(lab.dir).unwrap();
}
