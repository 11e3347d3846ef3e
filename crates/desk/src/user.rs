//! User: an agent, the state that the agent is in, and the requests that change it.

use roles::{AgentView, Control};

use crate::access::Reach;
use crate::centre::Centre;
use crate::error::{ErrorType, Problem};
use crate::notification::Notification;
use crate::request::{ROOT, encode};
use crate::xml::{Fields, Xml};
use crate::{Answer, Deed, dialog, reason_code, team};

/// States as the API has them. Those of outbound campaigns are not known here: `docs/desk.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Logout,
    NotReady,
    Ready,
    Reserved,
    Talking,
    /// In a call, and keeps the other party waiting.
    Hold,
    /// Work after a call, not ready afterwards.
    Work,
    /// Work after a call, ready afterwards.
    WorkReady,
    Unknown,
}

impl State {
    pub(crate) fn of(agent: &AgentView) -> State {
        match agent.state.as_str() {
            "LOGOUT" => State::Logout,
            "NOT_READY" => State::NotReady,
            "READY" => State::Ready,
            "RESERVED" => State::Reserved,
            "TALKING" => State::Talking,
            "HOLD" => State::Hold,
            "WORK" if agent.pending.is_some() => State::Work,
            "WORK" => State::WorkReady,
            _ => State::Unknown,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            State::Logout => "LOGOUT",
            State::NotReady => "NOT_READY",
            State::Ready => "READY",
            State::Reserved => "RESERVED",
            State::Talking => "TALKING",
            State::Hold => "HOLD",
            State::Work => "WORK",
            State::WorkReady => "WORK_READY",
            State::Unknown => "UNKNOWN",
        }
    }
}

/// States that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Login,
    Logout,
    Ready,
    NotReady,
}

impl Wanted {
    fn read(word: &str) -> Result<Wanted, Problem> {
        match word {
            "LOGIN" => Ok(Wanted::Login),
            "LOGOUT" => Ok(Wanted::Logout),
            "READY" => Ok(Wanted::Ready),
            "NOT_READY" => Ok(Wanted::NotReady),
            _ => Err(Problem::input(word, "expected <state> to be LOGIN, LOGOUT, READY or NOT_READY")),
        }
    }
}

pub(crate) fn uri(agent: &str) -> String {
    format!("{ROOT}/User/{}", encode(agent))
}

/// The whole object: `User` in bodies, `user` in notifications.
pub(crate) fn write(xml: &mut Xml, name: &str, centre: &Centre, agent: &AgentView) {
    let supervised = || centre.book.supervised_by(&agent.id);
    xml.within(name, |xml| {
        xml.leaf("uri", &uri(&agent.id));
        xml.within("roles", |xml| {
            xml.leaf("role", "Agent");
            if supervised().next().is_some() {
                xml.leaf("role", "Supervisor");
            }
        });
        xml.leaf("loginId", &agent.id);
        xml.leaf("loginName", &agent.id);
        write_state(xml, agent);
        xml.leaf("mediaType", "1");
        write_reason(xml, centre, agent);
        let works_after_calls = centre.queues_of(&agent.id).any(|queue| !queue.wrap_up.is_zero());
        xml.within("settings", |xml| {
            xml.leaf("wrapUpOnIncoming", if works_after_calls { "REQUIRED" } else { "NOT_ALLOWED" });
            xml.leaf("wrapUpOnOutgoing", "NOT_ALLOWED");
        });
        write_person(xml, centre, agent);
        xml.leaf("teamId", agent.team.as_deref().unwrap_or_default());
        xml.leaf("teamName", agent.team.as_deref().unwrap_or_default());
        xml.leaf("dialogs", &dialog::list_uri(&agent.id));
        xml.within("teams", |xml| supervised().for_each(|plan| team::write_name(xml, plan)));
    });
}

/// As a team lists its agents.
pub(crate) fn write_summary(xml: &mut Xml, name: &str, centre: &Centre, agent: &AgentView) {
    xml.within(name, |xml| {
        xml.leaf("uri", &uri(&agent.id));
        xml.leaf("loginId", &agent.id);
        write_person(xml, centre, agent);
        xml.leaf("dialogs", &dialog::list_uri(&agent.id));
        write_state(xml, agent);
        write_reason(xml, centre, agent);
        let busy = matches!(State::of(agent), State::Reserved | State::Talking | State::Hold);
        xml.leaf("mediaState", if busy { "BUSY" } else { "IDLE" });
    });
}

fn write_state(xml: &mut Xml, agent: &AgentView) {
    xml.leaf("state", State::of(agent).word());
    xml.time("stateChangeTime", agent.since_ms);
    xml.leaf("pendingState", if agent.pending.is_some() { State::NotReady.word() } else { "" });
}

fn write_reason(xml: &mut Xml, centre: &Centre, agent: &AgentView) {
    match reason_code::of_words(centre, &agent.reason) {
        Some(reason) => {
            xml.number("reasonCodeId", reason.code);
            reason_code::write(xml, &reason);
        }
        None => xml.leaf("reasonCodeId", "-1"),
    }
}

fn write_person(xml: &mut Xml, centre: &Centre, agent: &AgentView) {
    let (first, last) = centre.book.name_of(&agent.id);
    // The phone is an agent's from log-in to log-out.
    let extension = if State::of(agent) == State::Logout { "" } else { &agent.extension };
    xml.leaf("extension", extension);
    xml.leaf("firstName", first);
    xml.leaf("lastName", last);
}

/// PUT: a state is asked for. What it comes to is notified.
pub(crate) fn put(centre: &Centre, reach: Reach, agent: &AgentView, fields: &Fields) -> Result<Answer, Problem> {
    let wanted = Wanted::read(fields.must("state")?)?;
    match reach {
        Reach::Own => own(centre, agent, wanted, fields),
        Reach::Supervisor => by_supervisor(agent, wanted),
    }
}

fn own(centre: &Centre, agent: &AgentView, wanted: Wanted, fields: &Fields) -> Result<Answer, Problem> {
    let (id, is) = (agent.id.clone(), State::of(agent));
    match (wanted, is) {
        (_, State::Unknown) => Err(Problem::state(is.word(), word(wanted))),
        (Wanted::Login, _) => {
            let extension = fields.must("extension")?;
            if fields.get("mobileAgent").or(fields.get("dialNumber")).is_some() {
                return Err(Problem::input("mobileAgent", "agents here work at a phone of the call manager"));
            }
            match extension == agent.extension {
                // Who is in already stays as they are.
                true => Ok(ask(agent, Control::AgentLogin { agent: id })),
                false => Ok(Answer::Accepted(vec![Deed::Notify(wrong_device(agent, extension))])),
            }
        }
        (_, State::Logout) => Err(Problem::state(is.word(), word(wanted))),
        (Wanted::Ready, _) => Ok(ask(agent, Control::AgentReady { agent: id })),
        (Wanted::NotReady, _) => {
            let reason = reason_code::chosen(centre, agent, acd::Category::NotReady, fields)?;
            Ok(ask(agent, Control::AgentNotReadyLater { agent: id, reason }))
        }
        (Wanted::Logout, State::NotReady) => {
            let reason = reason_code::chosen(centre, agent, acd::Category::Logout, fields)?;
            Ok(ask(agent, Control::AgentLogout { agent: id, reason }))
        }
        (Wanted::Logout, _) => Err(Problem::state(is.word(), word(wanted))),
    }
}

/// Without a reason code: the system's own stands for it.
fn by_supervisor(agent: &AgentView, wanted: Wanted) -> Result<Answer, Problem> {
    let (id, is) = (agent.id.clone(), State::of(agent));
    let reason = reason_code::BY_SUPERVISOR.to_owned();
    let control = match (wanted, is) {
        (Wanted::Login, _) => Err(Problem::input("LOGIN", "nobody is logged in by somebody else")),
        (Wanted::Ready, State::Logout | State::Unknown) => Err(Problem::state(is.word(), word(wanted))),
        (Wanted::Ready, _) => Ok(Control::AgentReady { agent: id }),
        (Wanted::NotReady, State::Ready | State::Work | State::WorkReady) => {
            Ok(Control::AgentNotReadyLater { agent: id, reason })
        }
        (Wanted::Logout, State::NotReady) => Ok(Control::AgentLogout { agent: id, reason }),
        (Wanted::NotReady | Wanted::Logout, _) => Err(Problem::state(is.word(), word(wanted))),
    }?;
    let uri = uri(&agent.id);
    Ok(Answer::Accepted(vec![
        Deed::WriteDown(format!("agent {}, who is {}, is to be {}", agent.id, is.word(), word(wanted))),
        Deed::Ask { control, node: uri.clone(), source: uri },
    ]))
}

fn word(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Login => "LOGIN",
        Wanted::Logout => "LOGOUT",
        Wanted::Ready => "READY",
        Wanted::NotReady => "NOT_READY",
    }
}

fn ask(agent: &AgentView, control: Control) -> Answer {
    let uri = uri(&agent.id);
    Answer::Accepted(vec![Deed::Ask { control, node: uri.clone(), source: uri }])
}

fn wrong_device(agent: &AgentView, extension: &str) -> Notification {
    let words = format!("extension {extension} is not this agent's phone");
    let uri = uri(&agent.id);
    Notification::error(&uri, &uri, &Problem::new(ErrorType::InvalidDevice, extension, words))
}
