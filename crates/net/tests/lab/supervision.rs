//! Agents' conferences and supervisors over real sockets: who hears whom, by what each phone recorded.

use call::passport::{Passport, verify};
use call::session_id::Uuid;
use roles::phone::Record;
use roles::{DialogView, Oversight, Verb};

use super::sound::likeness;
use super::*;

/// The lab with a media resource for the call server, and a supervisor of its agents.
fn site(network: &str) -> String {
    include_str!("../../../../examples/supervision.toml").replace("127.18.133.", network)
}

struct Phone {
    handle: NodeHandle,
    journal: Receiver<Journal>,
    heard: String,
}

impl Phone {
    /// Packets that it has received in its calls, and whether any of them was in clear.
    fn received(&self) -> u64 {
        match self.handle.control_blocking(Control::Calls) {
            Reply::Calls(legs) => {
                legs.iter().filter_map(|leg| leg.media.as_ref()).map(|media| media.rx_protected).sum()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Until it has heard so many more seconds.
    fn hear(&self, seconds: u64) {
        let (until, wanted) = (Instant::now() + PATIENCE, self.received() + 50 * seconds);
        while self.received() < wanted {
            assert!(Instant::now() < until, "it hears nothing");
            let _ = self.journal.recv_timeout(Duration::from_millis(100));
        }
    }
}

/// A caller who talks with agent 1001, their colleague 1002 and supervisor 1009; each says something of their own.
struct Centre {
    lab: Lab,
    carrier: Phone,
    agent: Phone,
    colleague: Phone,
    supervisor: Phone,
}

impl Centre {
    fn talking(network: &'static str) -> Centre {
        let mut lab = Lab::with(network, &site(network), |_| {});
        let folder = lab.dir.join("sounds");
        std::fs::create_dir_all(&folder).unwrap();
        let record = |line: &str| {
            let heard = folder.join(format!("{line}.wav")).to_str().unwrap().to_owned();
            Record { said: format!("{heard}.said"), heard }
        };
        let phones = [("1001", 75, "agent"), ("1002", 74, "menu"), ("1009", 73, "goodbye")].map(|(line, at, says)| {
            let server = lab.secure("cucm1");
            let mut plan = Plan::new(line, &server);
            plan.registration = Some(Registration {
                expires: Duration::from_secs(600),
                user: line.into(),
                secret: Secret::new(format!("lab-{line}-secret")),
            });
            (plan.answer_after, plan.call_control, plan.calls) = (Some(Duration::from_millis(200)), true, 2);
            plan.say = Some(Say { prompt: says.into(), repeat: true });
            let record = record(line);
            plan.record = Some(record.clone());
            let papers = lab.papers(&format!("SEP00000000{line}"));
            let handle = lab.phone(line, SocketAddr::new(lab.address(at), 0), server, plan, papers);
            let journal = handle.watch();
            if !matches!(handle.control_blocking(Control::Registrations), Reply::Registrations(_)) {
                wait(&journal, "a registration", |line| {
                    matches!(line, Journal::Registered { registered: true, .. }).then_some(())
                });
            }
            Phone { handle, journal, heard: record.heard }
        });
        let [agent, colleague, supervisor] = phones;
        let server = lab.process.node("cvp1").unwrap();
        assert_eq!(server.control_blocking(Control::AgentReady { agent: "1001".into() }), Reply::Done);
        assert_eq!(server.control_blocking(Control::AgentLogin { agent: "1009".into() }), Reply::Done);
        let own = record("carrier");
        let handle = lab.carrier_with(|plan| plan.record = Some(own.clone()));
        let carrier = Phone { journal: handle.watch(), handle, heard: own.heard };
        dial(&carrier.handle);
        wait(&carrier.journal, "the voice browser's answer", connected);
        carrier.handle.control_blocking(Control::Press { digits: "1".into() });
        wait(&agent.journal, "the agent's call", connected);
        let centre = Centre { lab, carrier, agent, colleague, supervisor };
        let until = Instant::now() + PATIENCE;
        while !centre.dialogs().iter().any(|dialog| dialog.verbs.contains(&Verb::Hold)) {
            assert!(Instant::now() < until, "caller and agent do not talk");
        }
        centre
    }

    fn ask(&self, control: Control) -> Reply {
        self.lab.process.node("cvp1").unwrap().control_blocking(control)
    }

    fn dialogs(&self) -> Vec<DialogView> {
        match self.ask(Control::Dialogs) {
            Reply::Dialogs(dialogs) => dialogs,
            other => panic!("{other:?}"),
        }
    }

    /// No leg of the media resource has seen a packet in clear, nor one under another's keys.
    fn is_secure(&self) {
        let Reply::Calls(legs) = self.lab.process.node("mr1").unwrap().control_blocking(Control::Calls) else {
            panic!("no calls")
        };
        assert_eq!(legs.len(), 3, "{legs:?}");
        for leg in legs {
            let media = leg.media.expect("it ends media");
            assert!(media.is_protected() && media.auth_failed == 0 && media.rx_protected > 0, "{media:?}");
        }
    }

    /// The call is over, and what all nodes signed of it holds together: nobody's word is missing, each seat's among them.
    fn is_told_by_good_statements(&self) {
        let nodes = || self.lab.process.nodes().into_iter().filter(|node| self.lab.site.node(node.name()).is_some());
        let caller = {
            let call_server = self.lab.process.node("cvp1").unwrap();
            let until = Instant::now() + PATIENCE;
            while call_server.statements().is_empty() {
                assert!(Instant::now() < until, "the call server has signed nothing");
                let _ = self.carrier.journal.recv_timeout(Duration::from_millis(50));
            }
            call_server.statements().pop().unwrap().0
        };
        let own = store::DataDir::open(&self.lab.dir).unwrap().own_root_pem().unwrap();
        let roots: Vec<Vec<u8>> = rustls_pki_types::pem::PemObject::pem_slice_iter(own.as_bytes())
            .map(|root: Result<rustls_pki_types::CertificateDer<'_>, _>| root.unwrap().to_vec())
            .collect();
        let until = Instant::now() + PATIENCE;
        loop {
            let signed: Vec<_> = nodes().flat_map(|node| node.statements_of(&caller)).collect();
            let at_resource = self.lab.process.node("mr1").unwrap().statements_of(&caller).len();
            let passport = Passport::bundle("lab", Uuid(caller.clone()), &roots, signed);
            let verdict = verify(&passport, Some(&roots), SystemTime::now());
            if verdict.is_vouched_for() && at_resource == 3 {
                return;
            }
            // Nodes write what they have signed a moment after the call, each in its own time.
            assert!(Instant::now() < until, "{at_resource} seats of 3: {verdict}");
            let _ = self.carrier.journal.recv_timeout(Duration::from_millis(50));
        }
    }

    /// How much of what each says is in what each heard, after all have hung up.
    fn heard(self, listeners: [&str; 3], voices: [&str; 3]) -> [[f64; 3]; 3] {
        self.carrier.handle.control_blocking(Control::HangUp);
        let confers = listeners.contains(&"colleague");
        if confers {
            self.colleague.handle.control_blocking(Control::HangUp);
        }
        let heard = listeners.map(|listener| {
            let phone = match listener {
                "caller" => &self.carrier,
                "agent" => &self.agent,
                "colleague" => &self.colleague,
                _ => &self.supervisor,
            };
            // Of the agent who consulted the second counts: the line on which they did.
            for _ in 0..if confers && listener == "agent" { 2 } else { 1 } {
                wait(&phone.journal, "the recording", |line| {
                    matches!(line, Journal::Recorded { heard, .. } if *heard == phone.heard).then_some(())
                });
            }
            voices.map(|voice| likeness(&phone.heard, voice))
        });
        self.is_told_by_good_statements();
        self.lab.end();
        println!("{listeners:?} of {voices:?}: {heard:?}");
        heard
    }

    fn supervised(network: &'static str, how: Oversight) -> [[f64; 3]; 3] {
        let centre = Centre::talking(network);
        let asked = Control::Supervise { supervisor: "1009".into(), agent: "1001".into(), how };
        assert_eq!(centre.ask(asked), Reply::Done);
        centre.supervisor.hear(9);
        centre.is_secure();
        let audit = store::DataDir::open(&centre.lab.dir).unwrap().store().unwrap().changes(100).unwrap();
        assert!(audit.iter().any(|change| change.who == "1009" && change.what.contains("agent 1001")), "{audit:?}");
        centre.heard(["caller", "agent", "supervisor"], ["caller", "agent", "goodbye"])
    }
}

/// By listener and voice.
#[track_caller]
fn is_heard(likeness: [[f64; 3]; 3], expected: [[bool; 3]; 3]) {
    for (row, expected) in likeness.into_iter().zip(expected) {
        for (alike, heard) in row.into_iter().zip(expected) {
            assert!(if heard { alike > 0.8 } else { alike < 0.65 }, "{likeness:?}");
        }
    }
}

#[test]
fn who_listens_hears_both_and_is_heard_by_neither() {
    let heard = Centre::supervised("127.41.32.", Oversight::Listen);
    is_heard(heard, [[false, true, false], [true, false, false], [true, true, false]]);
}

#[test]
fn who_whispers_is_heard_by_the_agent_alone() {
    let heard = Centre::supervised("127.41.33.", Oversight::Whisper);
    is_heard(heard, [[false, true, false], [true, false, true], [true, true, false]]);
}

#[test]
fn who_barges_in_is_heard_by_both() {
    let heard = Centre::supervised("127.41.34.", Oversight::Barge);
    is_heard(heard, [[false, true, true], [true, false, true], [true, true, false]]);
}

#[test]
fn caller_agent_and_consulted_hear_each_other() {
    let centre = Centre::talking("127.41.35.");
    let call = centre.dialogs()[0].call;
    let work = |verb, with: &str| Control::Work { call, agent: "1001".into(), verb, with: with.into() };
    assert_eq!(centre.ask(work(Verb::Consult, "1002")), Reply::Done);
    assert_eq!(centre.ask(work(Verb::Confer, "")), Reply::Done);
    centre.colleague.hear(9);
    centre.is_secure();
    let heard = centre.heard(["caller", "agent", "colleague"], ["caller", "agent", "menu"]);
    is_heard(heard, [[false, true, true], [true, false, true], [true, true, false]]);
}
