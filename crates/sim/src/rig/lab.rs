//! The lab of `examples/lab.toml` in a rig: its nodes, a carrier, agents' phones.

use std::net::SocketAddr;
use std::time::Duration;

use roles::{Control, PeerPlan, phone};
use sdp::Protection;
use sip::Transport;
use site::{OutgoingNumber, Role};

use super::{Papers, Sound, World};

/// The site that ships as an example.
pub fn site() -> site::Site {
    site::Site::parse(include_str!("../../../../examples/lab.toml")).expect("the example is a good site")
}

/// The same with a media resource `mr1` for conferences, the agents in a team, and their supervisor 1009.
pub fn conference_site() -> site::Site {
    let text = include_str!("../../../../examples/supervision.toml");
    site::Site::parse(text).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

/// The lab where agents call outside with a 0 before the number: by the border controller to the carrier, which sees
/// 3227046016 calling.
pub fn outside_site() -> site::Site {
    let mut site = site();
    for node in &mut site.nodes {
        match &mut node.role {
            Role::Sbc(sbc) => {
                for dial_peer in &mut sbc.dial_peers {
                    match dial_peer.tag {
                        6000 => dial_peer.incoming_called_number = Some("0T".into()),
                        6000100 => dial_peer.destination_pattern = Some("0T".into()),
                        _ => {}
                    }
                }
            }
            Role::CallServer(server) => server.outgoing_numbers.push(OutgoingNumber {
                pattern: "0T".into(),
                group: "cube1".into(),
                calling_number: Some("3227046016".into()),
            }),
            _ => {}
        }
    }
    site
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// The carrier: plain SIP and RTP from 127.18.133.76:5062, since it has nothing better. Node `carrier`.
pub fn carrier() -> roles::Plan {
    let sbc = PeerPlan::new("sbc", Transport::Udp, addr("127.18.133.226:5060"), Vec::new());
    let mut plan = phone::Plan::new("3227046971", &sbc);
    plan.protection = Protection::DangerousPlainRtp;
    plan.say = Some(phone::Say { prompt: "welcome".into(), repeat: true });
    plan.of_node("world", "carrier", vec![(Transport::Udp, addr("127.18.133.76:5062"))], sbc)
}

/// One of many lines of the carrier's, each a caller of a number of their own: node `lineN`, number [`line_number`].
pub fn line(n: u16) -> roles::Plan {
    let mut plan = carrier();
    plan.node = format!("line{n}");
    plan.local = vec![(Transport::Udp, SocketAddr::from(([127, 18, 133, 76], 20_000 + n)))];
    if let roles::Kind::Phone(phone) = &mut plan.kind {
        phone.line = line_number(n);
    }
    plan
}

pub fn line_number(n: u16) -> String {
    format!("32270{n:04}")
}

/// Which line has this number.
pub fn line_of(number: &str) -> Option<u16> {
    number.strip_prefix("32270")?.parse().ok()
}

/// An agent's phone of the lab (`1001` at .75, `1002` at .74) that picks up after so long, or only when told to.
pub fn agent(line: &str, answer_after: Option<Duration>) -> roles::Plan {
    let at = match line {
        "1001" => "127.18.133.75:5061",
        "1009" => "127.18.133.73:5061",
        _ => "127.18.133.74:5061",
    };
    let manager = PeerPlan::new("cucm1", Transport::Tls, addr("127.18.133.3:5061"), vec!["cucm1.lab.example".into()]);
    let mut plan = phone::Plan::new(line, &manager);
    plan.domain = "lab.example".into();
    plan.registration = Some(phone::Registration {
        expires: Duration::from_secs(600),
        user: line.into(),
        secret: phone::Secret::new(format!("lab-{line}-secret")),
    });
    plan.answer_after = answer_after;
    plan.say = Some(phone::Say { prompt: "welcome".into(), repeat: true });
    plan.of_node("lab", &format!("phone{line}"), vec![(Transport::Tls, addr(at))], manager)
}

impl World {
    /// The lab, up, with both phones registered and nobody ready.
    pub fn lab(seed: u64, sound: Sound, answer_after: Option<Duration>) -> World {
        World::lab_of(&site(), seed, sound, answer_after)
    }

    /// The same with another site of the same nodes.
    pub fn lab_of(site: &site::Site, seed: u64, sound: Sound, answer_after: Option<Duration>) -> World {
        let mut world = World::new(seed, sound);
        world.start_site(site);
        world.start(carrier(), Papers::None);
        for line in ["1001", "1002"] {
            world.start(agent(line, answer_after), Papers::phone(&format!("phone{line}.lab.example")));
        }
        world.run(Duration::from_secs(1));
        world
    }

    /// The carrier's caller dials.
    pub fn dial(&mut self, number: &str) {
        self.control("carrier", Control::Dial { number: number.into() });
    }

    pub fn press(&mut self, digits: &str) {
        self.control("carrier", Control::Press { digits: digits.into() });
    }

    pub fn hang_up(&mut self, node: &str) {
        self.control(node, Control::HangUp);
    }

    pub fn ready(&mut self, agent: &str) {
        self.control("cvp1", Control::AgentReady { agent: agent.into() });
    }
}
