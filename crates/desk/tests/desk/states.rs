//! Every state × request pair of the agent API, by plain requests against the pure side: what each comes to.

use crate::centre::{self, account, ask, body, doings, in_state, refused};
use desk::{Answer, Deed, ErrorType, Method};
use roles::Control;
use store::accounts::Role;

const STATES: [&str; 8] = ["LOGOUT", "NOT_READY", "READY", "RESERVED", "TALKING", "HOLD", "WORK", "WORK_READY"];

/// What an agent asks for themselves.
const LOGIN: &str = "<User><state>LOGIN</state><extension>1001</extension></User>";
const READY: &str = "<User><state>READY</state></User>";
const NOT_READY: &str = "<User><state>NOT_READY</state><reasonCodeId>10</reasonCodeId></User>";
const LOGOUT: &str = "<User><state>LOGOUT</state><reasonCodeId>20</reasonCodeId></User>";

fn id() -> String {
    "1001".into()
}

fn login() -> Control {
    Control::AgentLogin { agent: id() }
}

fn ready() -> Control {
    Control::AgentReady { agent: id() }
}

fn lunch() -> Control {
    Control::AgentNotReadyLater { agent: id(), reason: "lunch".into() }
}

fn home() -> Control {
    Control::AgentLogout { agent: id(), reason: "shift over".into() }
}

#[test]
fn what_agents_ask_of_themselves_has_its_stated_outcome_in_each_state() {
    for (body, control, allowed) in [
        // Signing in again keeps the state.
        (LOGIN, login(), STATES.as_slice()),
        (READY, ready(), &STATES[1..]),
        // In a call: pending, applied when it and the work after it are over.
        (NOT_READY, lunch(), &STATES[1..]),
        (LOGOUT, home(), &["NOT_READY"]),
    ] {
        for state in STATES {
            let answer = ask(Method::Put, "User/1001", body, &account(Role::Agent, "1001"), &in_state(state));
            match allowed.contains(&state) {
                true => assert_eq!(doings(answer), std::slice::from_ref(&control), "{state}, {body}"),
                false => {
                    let problem = answer.unwrap_err();
                    assert_eq!((problem.status, problem.kind), (400, ErrorType::InvalidState), "{state}, {body}");
                    assert_eq!(problem.data, state);
                }
            }
        }
    }
}

#[test]
fn what_supervisors_ask_of_their_team_has_its_stated_outcome_in_each_state() {
    let word = || "by a supervisor".to_owned();
    for (body, control, allowed) in [
        (READY, ready(), &STATES[1..]),
        (
            "<User><state>NOT_READY</state></User>",
            Control::AgentNotReadyLater { agent: id(), reason: word() },
            &["READY", "WORK", "WORK_READY"],
        ),
        ("<User><state>LOGOUT</state></User>", Control::AgentLogout { agent: id(), reason: word() }, &["NOT_READY"]),
    ] {
        for state in STATES {
            let answer = ask(Method::Put, "User/1001", body, &account(Role::Supervisor, "1009"), &in_state(state));
            match allowed.contains(&state) {
                true => assert_eq!(doings(answer), std::slice::from_ref(&control), "{state}, {body}"),
                false => refused(answer, 400, ErrorType::InvalidState),
            }
        }
    }
    let answer = ask(Method::Put, "User/1001", READY, &account(Role::Supervisor, "1009"), &in_state("NOT_READY"));
    let Ok(Answer::Accepted(deeds)) = answer else { panic!("{answer:?}") };
    let written = Deed::WriteDown("agent 1001, who is NOT_READY, is to be READY".into());
    assert_eq!(deeds[0], written, "what is done to others is written down");
    let answer = ask(Method::Put, "User/1001", LOGIN, &account(Role::Supervisor, "1009"), &in_state("LOGOUT"));
    refused(answer, 400, ErrorType::InvalidInput);
}

/// States that are no requests; those of outbound campaigns, which are not known here; and what is no state.
#[test]
fn what_is_no_request_is_refused_in_each_state_whoever_asks() {
    for word in [
        "RESERVED",
        "RESERVED_OUTBOUND",
        "RESERVED_OUTBOUND_PREVIEW",
        "TALKING",
        "HOLD",
        "WORK",
        "WORK_READY",
        "UNKNOWN",
        "LOGGED_IN",
        "",
    ] {
        let body =
            format!("<User><state>{word}</state><extension>1001</extension><reasonCodeId>10</reasonCodeId></User>");
        let kind = if word.is_empty() { ErrorType::ParameterMissing } else { ErrorType::InvalidInput };
        for state in STATES {
            for who in [account(Role::Agent, "1001"), account(Role::Supervisor, "1009")] {
                refused(ask(Method::Put, "User/1001", &body, &who, &in_state(state)), 400, kind);
            }
        }
    }
}

/// A state that this version does not know, of a newer call server say.
#[test]
fn nothing_is_asked_of_an_agent_in_an_unknown_state() {
    let unknown = in_state("RESERVED_OUTBOUND");
    let xml = body(ask(Method::Get, "User/1001", "", &account(Role::Agent, "1001"), &unknown));
    assert!(xml.contains("<state>UNKNOWN</state>"), "{xml}");
    for body in [LOGIN, READY, NOT_READY, LOGOUT] {
        refused(
            ask(Method::Put, "User/1001", body, &account(Role::Agent, "1001"), &unknown),
            400,
            ErrorType::InvalidState,
        );
    }
    for body in [READY, "<User><state>NOT_READY</state></User>", "<User><state>LOGOUT</state></User>"] {
        let supervisor = account(Role::Supervisor, "1009");
        refused(ask(Method::Put, "User/1001", body, &supervisor, &unknown), 400, ErrorType::InvalidState);
    }
}

/// Of another team's agent a supervisor changes nothing, in whatever state that one is.
#[test]
fn another_teams_agents_are_no_supervisors_of_this_one() {
    for state in STATES {
        let centre = centre::centre_with(&[("1003", state)], &[]);
        for body in [LOGIN, READY, "<User><state>NOT_READY</state></User>", "<User><state>LOGOUT</state></User>"] {
            let answer = ask(Method::Put, "User/1003", body, &account(Role::Supervisor, "1009"), &centre);
            refused(answer, 401, ErrorType::InvalidSupervisor);
        }
    }
}

#[test]
fn states_are_told_as_the_api_names_them() {
    for state in STATES {
        let xml = body(ask(Method::Get, "User/1001", "", &account(Role::Agent, "1001"), &in_state(state)));
        assert!(xml.contains(&format!("<state>{state}</state>")), "{state}: {xml}");
    }
    // In a call, and asked to be not ready.
    let mut centre = in_state("TALKING");
    centre.agents.get_mut("1001").unwrap().pending = Some("lunch".into());
    let xml = body(ask(Method::Get, "User/1001", "", &account(Role::Agent, "1001"), &centre));
    assert!(xml.contains("<state>TALKING</state>") && xml.contains("<pendingState>NOT_READY</pendingState>"), "{xml}");
}

#[test]
fn a_wrong_extension_is_accepted_and_then_notified_as_an_invalid_device() {
    let body = LOGIN.replace("1001", "1002");
    for state in STATES {
        let answer = ask(Method::Put, "User/1001", &body, &account(Role::Agent, "1001"), &in_state(state));
        let Ok(Answer::Accepted(deeds)) = answer else { panic!("{answer:?}") };
        let [Deed::Notify(told)] = deeds.as_slice() else { panic!("{deeds:?}") };
        assert_eq!(told.node, "/finesse/api/User/1001");
        for part in [
            "<Update><data><apiErrors><apiError><errorData>1002</errorData>",
            "<errorType>Invalid Device</errorType></apiError></apiErrors></data><event>PUT</event>",
            "<source>/finesse/api/User/1001</source></Update>",
        ] {
            assert!(told.update.contains(part), "{}", told.update);
        }
    }
}

#[test]
fn bodies_that_lack_something_or_say_what_does_not_exist_are_refused() {
    let agent = account(Role::Agent, "1001");
    let put = |body: &str| ask(Method::Put, "User/1001", body, &agent, &in_state("READY"));
    for (body, kind) in [
        ("", ErrorType::BadRequest),
        ("<User>", ErrorType::BadRequest),
        ("<Dialog><state>READY</state></Dialog>", ErrorType::BadRequest),
        ("<User/>", ErrorType::ParameterMissing),
        ("<User><state>LOGIN</state></User>", ErrorType::ParameterMissing),
        ("<User><state>NOT_READY</state></User>", ErrorType::ParameterMissing),
        ("<User><state>TALKING</state></User>", ErrorType::InvalidInput),
        ("<User><state>ready</state></User>", ErrorType::InvalidInput),
        ("<User><state>NOT_READY</state><reasonCodeId>x</reasonCodeId></User>", ErrorType::InvalidInput),
        ("<User><state>NOT_READY</state><reasonCodeId>70000</reasonCodeId></User>", ErrorType::InvalidInput),
        // Of the other category, and of another team.
        ("<User><state>NOT_READY</state><reasonCodeId>20</reasonCodeId></User>", ErrorType::InvalidInput),
        ("<User><state>NOT_READY</state><reasonCodeId>11</reasonCodeId></User>", ErrorType::InvalidInput),
        (
            "<User><state>LOGIN</state><extension>1001</extension><mobileAgent><dialNumber>5</dialNumber></mobileAgent></User>",
            ErrorType::InvalidInput,
        ),
    ] {
        refused(put(body), 400, kind);
    }
    // Where there are no codes none is asked for.
    let bare = centre::without_codes(&[("1001", "READY")]);
    let answer = ask(Method::Put, "User/1001", "<User><state>NOT_READY</state></User>", &agent, &bare);
    assert_eq!(doings(answer), [Control::AgentNotReadyLater { agent: id(), reason: String::new() }]);
}
