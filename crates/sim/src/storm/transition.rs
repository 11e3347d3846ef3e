//! What may happen in a storm: the closed list, and how often.

use std::sync::Arc;
use std::time::Duration;

use roles::{Control, Input, Oversight, Plan, Reply};

use super::Storm;

/// Pairs of nodes that talk over streams.
const LINKS: [(&str, &str); 8] = [
    ("cube1", "cvp1"),
    ("cvp1", "vvb1"),
    ("cvp1", "vvb2"),
    ("cvp1", "cucm1"),
    ("cucm1", "phone1001"),
    ("cucm1", "phone1002"),
    // Where three can come together.
    ("cvp1", "mr1"),
    ("cucm1", "phone1009"),
];
const AGENTS: [(&str, &str); 2] = [("1001", "phone1001"), ("1002", "phone1002")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The carrier's caller dials the announcement; or a number that leads nowhere.
    Dial,
    DialNowhere,
    /// The key that the announcement asks for, or another.
    PressRight,
    PressWrong,
    CallerHangsUp,
    /// Ready, and not ready, by the agent's number.
    Ready(&'static str),
    NotReady(&'static str),
    /// The agent takes the call that rings.
    Answer(&'static str),
    /// The agent hangs up, or declines what rings.
    AgentHangsUp(&'static str),
    Hold(&'static str, bool),
    /// A desk asks for something that is possible with a call, or drops it.
    Desk,
    /// The supervisor comes into this agent's call, or does something else there.
    Supervise(&'static str, Oversight),
    /// The process is killed: its connections break.
    Kill(&'static str),
    /// The machine is gone without a word.
    Vanish(&'static str),
    /// What is down comes back, with what it had kept.
    Return,
    Reset(&'static str, &'static str),
    HalfClose(&'static str, &'static str),
    Part(&'static str, &'static str, u32),
    Drain(&'static str),
    /// A new plan, half of the time one in which phones ring for a shorter time.
    Reload(&'static str),
    /// Nothing for a while.
    Wait,
}

impl Transition {
    pub(super) fn draw(storm: &mut Storm) -> Transition {
        use Transition as T;
        let (agent, phone) = AGENTS[usize::from(storm.roll(3) == 0)];
        let (a, b) = LINKS[storm.roll(if storm.crowded { 8 } else { 6 }) as usize];
        if storm.crowded && storm.roll(2) == 0 {
            use Oversight::{Barge, Listen, TakeOver, Whisper};
            return match storm.roll(3) {
                0 => T::Supervise(agent, [Listen, Whisper, Barge, TakeOver][storm.roll(4) as usize]),
                _ => T::Desk,
            };
        }
        match storm.roll(100) {
            0..8 => T::Dial,
            8..10 => T::DialNowhere,
            10..28 => T::PressRight,
            28..32 => T::PressWrong,
            32..37 => T::CallerHangsUp,
            37..52 => T::Ready(agent),
            52..55 => T::NotReady(agent),
            55..62 => T::Answer(storm.somebodys(phone)),
            62..67 => T::AgentHangsUp(storm.somebodys(phone)),
            67..70 => T::Hold(phone, storm.roll(2) == 0),
            70..77 => storm.fall(),
            77..81 => T::Return,
            81..86 => T::Reset(a, b),
            86..89 => T::HalfClose(a, b),
            89..93 => T::Part(a, b, [300, 3000, 9000][storm.roll(3) as usize]),
            93 => T::Drain(["cube1", "cvp1", "vvb1", "cucm1"][storm.roll(4) as usize]),
            94..96 => T::Reload(["cube1", "cvp1", "vvb1", "cucm1"][storm.roll(4) as usize]),
            _ => T::Wait,
        }
    }
}

impl Storm {
    /// Who goes down, if anybody: in half of the storms nobody does, so that what was signed can be held together.
    fn fall(&mut self) -> Transition {
        if self.gentle {
            return Transition::Wait;
        }
        let who = ["vvb1", "vvb1", "vvb2", "phone1001", "phone1001", "phone1002", "cvp1", "cvp1", "cucm1", "cube1"];
        let who = match self.crowded && self.roll(4) == 0 {
            true => ["mr1", "mr1", "phone1009"][self.roll(3) as usize],
            false => who[self.roll(10) as usize],
        };
        if self.roll(3) == 0 { Transition::Vanish(who) } else { Transition::Kill(who) }
    }

    /// Now and then the supervisor's phone instead.
    fn somebodys(&mut self, phone: &'static str) -> &'static str {
        if self.crowded && self.roll(3) == 0 { "phone1009" } else { phone }
    }

    pub(super) fn take(&mut self, transition: Transition) {
        use Transition as T;
        self.transitions += 1;
        self.tell(format_args!("{transition:?}"));
        match transition {
            T::Dial => self.dial("6016"),
            T::DialNowhere => self.dial("6999"),
            T::PressRight => self.said("carrier", Control::Press { digits: "1".into() }),
            T::PressWrong => self.said("carrier", Control::Press { digits: "7".into() }),
            T::CallerHangsUp => self.said("carrier", Control::HangUp),
            T::Ready(agent) => self.said("cvp1", Control::AgentReady { agent: agent.into() }),
            T::NotReady(agent) => {
                self.said("cvp1", Control::AgentNotReady { agent: agent.into(), reason: "lunch".into() })
            }
            T::Answer(phone) => self.said(phone, Control::Answer),
            T::AgentHangsUp(phone) => self.said(phone, Control::HangUp),
            T::Hold(phone, on) => self.said(phone, Control::Hold { on }),
            T::Desk => self.desk(),
            T::Supervise(agent, how) => {
                let (supervisor, agent) = ("1009".to_owned(), agent.to_owned());
                self.asks(Control::Supervise { supervisor, agent, how });
            }
            T::Kill(node) => {
                if self.fell(node) {
                    self.world.kill(node);
                }
            }
            T::Vanish(node) => {
                if self.fell(node) {
                    let patience = Duration::from_secs(u64::from(self.roll(20)));
                    self.world.vanish(node, patience);
                }
            }
            T::Return => {
                if let Some(node) = self.down.keys().next().copied() {
                    self.come_back(node);
                }
            }
            T::Reset(a, b) => self.world.cut(a, b),
            T::HalfClose(a, b) => {
                let later = Duration::from_millis(self.roll(2000).into());
                self.world.half_close(a, b, later);
            }
            T::Part(a, b, ms) => {
                let span = Duration::from_millis(u64::from(1 + self.roll(ms)));
                self.world.part(a, b, span);
                self.parted = true;
            }
            T::Drain(node) => {
                if self.world.is_up(node) && !self.draining.contains_key(node) {
                    let id = self.world.control(node, Control::Drain);
                    self.draining.insert(node, id);
                }
            }
            T::Reload(node) => self.reload(node),
            T::Wait => {
                self.pass(12_000);
            }
        }
    }

    /// Something of what is possible now with one of the calls that agents have.
    fn desk(&mut self) {
        if !self.world.is_up("cvp1") {
            return;
        }
        let Ok(Reply::Dialogs(dialogs)) = self.ask("cvp1", Control::Dialogs) else { return };
        if dialogs.is_empty() {
            return;
        }
        let dialog = &dialogs[self.roll(dialogs.len() as u32) as usize];
        let (call, agent) = (dialog.call, dialog.agent.clone());
        let control = match self.roll(2 * dialog.verbs.len() as u32 + 2) as usize {
            0 => Control::Drop { call, agent },
            1 => {
                let to = ["sales", "1001", "1002", "1003"][self.roll(4) as usize].into();
                Control::Transfer { call, agent, to }
            }
            at => {
                // Each twice, and two more.
                let verb = dialog.verbs[(at - 2) / 2].clone();
                let with = match verb {
                    roles::Verb::Press => "5",
                    _ if agent == "1001" => "1002",
                    _ => "1001",
                };
                Control::Work { call, agent, verb, with: with.into() }
            }
        };
        self.asks(control);
    }

    /// Asks the call server, which has to answer some time.
    fn asks(&mut self, control: Control) {
        if self.world.is_up("cvp1") {
            self.tell(format_args!("    {control:?}"));
            let what = format!("{control:?}");
            let id = self.world.control("cvp1", control);
            self.asked.push((id, what));
        }
    }

    /// Asks; what the node thinks of it is not our business here.
    fn said(&mut self, node: &str, request: Control) {
        if self.world.is_up(node) {
            let id = self.world.control(node, request);
            self.world.replies.remove(&id);
        }
    }

    fn dial(&mut self, number: &str) {
        let id = self.world.control("carrier", Control::Dial { number: number.into() });
        if self.world.replies.remove(&id) == Some(Reply::Done) {
            self.placed += 1;
        }
    }

    /// Makes a note of a node that goes down; false when it is down already.
    fn fell(&mut self, node: &'static str) -> bool {
        if !self.world.is_up(node) {
            return false;
        }
        let plan = Plan::clone(&self.world.plan_of(node));
        let papers = self.world.papers_of(node);
        self.down.insert(node, (plan, papers));
        self.fell.insert(node);
        self.draining.remove(node);
        true
    }

    pub(super) fn come_back(&mut self, node: &'static str) {
        if let Some((plan, papers)) = self.down.remove(node) {
            self.tell(format_args!("{node} is back"));
            self.world.restart(plan, papers);
        }
    }

    fn reload(&mut self, node: &str) {
        if !self.world.is_up(node) {
            return;
        }
        self.generation += 1;
        let mut site = self.site();
        if self.roll(2) == 0 {
            for node in &mut site.nodes {
                if let site::Role::CallServer(server) = &mut node.role {
                    for queue in &mut server.queues {
                        queue.ring_no_answer_s = 5;
                    }
                }
            }
        }
        let plan = Plan::compile(&site, node, self.generation).expect("a validated site compiles");
        self.world.input(node, Input::Plan(Arc::new(plan)));
    }

    /// The storm is over: links heal and nodes come back.
    pub(super) fn clear_up(&mut self) {
        self.tell("it clears up");
        self.world.clear_up();
        for node in super::NODES.iter().copied() {
            self.come_back(node);
        }
    }
}
