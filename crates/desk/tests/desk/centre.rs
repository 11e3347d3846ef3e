//! A small contact centre for the tests: two teams, three agents, a supervisor.

use std::collections::BTreeMap;
use std::sync::Arc;

use desk::{Answer, Book, Centre, Deed, ErrorType, Method, Problem, Request};
use roles::{AgentView, Control, DialogView, Outward, Oversight, QueueView, Verb};
use store::accounts::{Account, Origin, Role};

const SITE: &str = r#"
ingress_group = "cube1"
agent_group = "cucm1"
queue = [{ name = "sales", wrap_up_s = 10 }, { name = "tax & duty" }]
agent = [
  { id = "1001", extension = "1001", queues = ["sales"], team = "red", first_name = "Ada", last_name = "<King>" },
  { id = "1002", extension = "1002", queues = ["sales", "tax & duty"], team = "red" },
  { id = "1003", extension = "1003", queues = ["tax & duty"], team = "blue" },
  { id = "1009", extension = "1009", team = "blue" },
]
team = [{ name = "red", supervisors = ["1009"] }, { name = "blue" }]
reason_code = [
  { code = 10, label = "lunch", category = "not_ready" },
  { code = 11, label = "training", category = "not_ready", teams = ["blue"] },
  { code = 20, label = "shift over", category = "logout" },
]
wrap_up_reason = [{ label = "sold" }, { label = "no interest/later", teams = ["blue"] }]
"#;

pub(crate) fn centre_with(agents: &[(&str, &str)], dialogs: &[DialogView]) -> Centre {
    centre_of(SITE, agents, dialogs)
}

pub(crate) fn without_codes(agents: &[(&str, &str)]) -> Centre {
    let (before, rest) = SITE.split_once("reason_code = [").unwrap();
    let after = rest.split_once("\n]\n").unwrap().1;
    centre_of(&format!("{before}{after}"), agents, &[])
}

/// The site with one thing changed.
pub(crate) fn changed(from: &str, to: &str) -> Centre {
    assert!(SITE.contains(from));
    centre_of(&SITE.replacen(from, to, 1), &[], &[])
}

fn centre_of(site: &str, agents: &[(&str, &str)], dialogs: &[DialogView]) -> Centre {
    let server: site::CallServer = toml::from_str(site).unwrap();
    let known: Vec<String> = server.agents.iter().map(|agent| agent.id.clone()).collect();
    let state = |id: &str| agents.iter().find(|(known, _)| *known == id).map_or("LOGOUT", |(_, state)| *state);
    let agents = server.agents.iter().map(|planned| view(planned, state(&planned.id))).collect();
    let queue = QueueView {
        name: "sales".into(),
        waiting: 2,
        longest_wait_s: 5,
        ready: 0,
        talking: 0,
        wrap_up: 0,
        not_ready: 0,
        estimate_s: None,
        longest_since_ms: Some(1_616_640_919_809),
    };
    assert_eq!(known.len(), 4);
    Centre::new(Arc::new(Book::new(server, "cvp1.lab.example".into())), agents, dialogs.to_vec(), vec![queue], 1)
}

fn view(planned: &site::Agent, state: &str) -> AgentView {
    // Work after a call: ready or not afterwards.
    let (state, pending) = match state {
        "WORK" => ("WORK", Some("lunch".to_owned())),
        "WORK_READY" => ("WORK", None),
        other => (other, None),
    };
    AgentView {
        id: planned.id.clone(),
        extension: planned.extension.clone(),
        state: state.into(),
        reason: if state == "NOT_READY" { "lunch".into() } else { String::new() },
        for_s: 3,
        team: planned.team.clone(),
        pending,
        since_ms: 1_616_640_919_809,
    }
}

/// Agent 1001 in this state, everybody else logged out.
pub(crate) fn in_state(state: &str) -> Centre {
    centre_with(&[("1001", state)], &[])
}

pub(crate) fn call(agent: &str, connected: bool) -> DialogView {
    DialogView {
        call: 77,
        agent: agent.into(),
        extension: agent.into(),
        calling: "+4420".into(),
        dialled: "6016".into(),
        queue: Some("sales".into()),
        call_type: None,
        attached: Some("0461626364;encoding=hex".into()),
        notes: BTreeMap::from([("callVariable3".into(), "gold".into()), ("wrapUpReason".into(), "sold".into())]),
        connected,
        held: false,
        verbs: if connected { vec![Verb::Hold, Verb::Consult, Verb::Press] } else { vec![Verb::Answer] },
        outgoing: None,
        beside: None,
        mixed: false,
        parties: Vec::new(),
        supervises: None,
        wrapping_up: false,
        began_ms: 1_616_640_919_000,
        since_ms: 1_616_640_919_809,
    }
}

/// One that the agent holds, and can take back at the desk.
pub(crate) fn held(agent: &str) -> DialogView {
    DialogView { held: true, verbs: vec![Verb::Retrieve], ..call(agent, true) }
}

/// One that is over, while the agent works on it.
pub(crate) fn wrapping_up(agent: &str) -> DialogView {
    DialogView { wrapping_up: true, verbs: Vec::new(), ..call(agent, true) }
}

/// The same with somebody whom the agent consults.
pub(crate) fn consulting(agent: &str) -> DialogView {
    DialogView { verbs: vec![Verb::Complete, Verb::Confer], beside: Some(78), ..held(agent) }
}

/// Agent 1001's call that supervisor 1009 is in, and the supervisor's part.
pub(crate) fn supervised(how: Oversight) -> [DialogView; 2] {
    let parties = Vec::from_iter((how == Oversight::Barge).then(|| "1009".to_owned()));
    let part = DialogView { call: 90, supervises: Some(how), beside: Some(77), ..made("1009", Outward::Connected) };
    [
        DialogView { mixed: true, verbs: Vec::new(), parties, ..call("1001", true) },
        DialogView { dialled: "1001".into(), verbs: Vec::new(), ..part },
    ]
}

/// One that the agent makes.
pub(crate) fn made(agent: &str, how_far: Outward) -> DialogView {
    let connected = how_far == Outward::Connected;
    let verbs = if connected { vec![Verb::Hold, Verb::Consult] } else { Vec::new() };
    let (calling, dialled) = (agent.to_owned(), "1002".to_owned());
    DialogView { outgoing: Some(how_far), calling, dialled, verbs, queue: None, ..call(agent, connected) }
}

pub(crate) fn account(role: Role, agent: &str) -> Account {
    let agent = Some(agent.to_owned()).filter(|agent| !agent.is_empty());
    Account { name: "somebody".into(), role, agent, made_ms: 0, origin: Origin::Store }
}

/// `path` after `/finesse/api/`, with its query.
pub(crate) fn ask(method: Method, path: &str, body: &str, who: &Account, centre: &Centre) -> Result<Answer, Problem> {
    ask_as(method, path, body, Some(who), centre)
}

pub(crate) fn ask_as(
    method: Method,
    path: &str,
    body: &str,
    who: Option<&Account>,
    centre: &Centre,
) -> Result<Answer, Problem> {
    let path = format!("/finesse/api/{path}");
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    desk::answer(&Request { method, path, query, body }, who, centre)
}

#[track_caller]
pub(crate) fn body(answer: Result<Answer, Problem>) -> String {
    match answer {
        Ok(Answer::Here(xml)) => xml,
        other => panic!("expected a body, not {other:?}"),
    }
}

/// What the call server is asked for.
#[track_caller]
pub(crate) fn doings(answer: Result<Answer, Problem>) -> Vec<Control> {
    let Ok(Answer::Accepted(deeds)) = answer else { panic!("expected 202, not {answer:?}") };
    let control = |deed| match deed {
        Deed::Ask { control, .. } => Some(control),
        Deed::WriteDown(_) => None,
        Deed::Notify(told) => panic!("notified: {told:?}"),
    };
    deeds.into_iter().filter_map(control).collect()
}

#[track_caller]
pub(crate) fn refused(answer: Result<Answer, Problem>, status: u16, kind: ErrorType) {
    let problem = answer.unwrap_err();
    assert_eq!((problem.status, problem.kind), (status, kind), "{problem:?}");
}
