//! Every state × action pair of a call, and new calls.

use crate::centre::{
    account, ask, body, call, centre_with, consulting, doings, held, in_state, made, refused, supervised, wrapping_up,
};
use desk::{Answer, Centre, Deed, ErrorType, Method, Problem};
use roles::{Control, DialogView, Outward, Oversight, Verb};
use store::accounts::Role;

fn put(action: &str, centre: &Centre) -> Result<Answer, Problem> {
    let body = format!(
        "<Dialog><targetMediaAddress>1001</targetMediaAddress><toAddress>1002</toAddress>\
         <requestedAction>{action}</requestedAction></Dialog>"
    );
    ask(Method::Put, "Dialog/77", &body, &account(Role::Agent, "1001"), centre)
}

fn put_with(action: &str, more: &str, centre: &Centre) -> Result<Answer, Problem> {
    let body = format!(
        "<Dialog><targetMediaAddress>1001</targetMediaAddress><requestedAction>{action}</requestedAction>{more}</Dialog>"
    );
    ask(Method::Put, "Dialog/77", &body, &account(Role::Agent, "1001"), centre)
}

/// The error that is notified of an accepted request.
#[track_caller]
fn notified(answer: Result<Answer, Problem>) -> String {
    let Ok(Answer::Accepted(deeds)) = answer else { panic!("expected 202, not {answer:?}") };
    let [Deed::Notify(told)] = deeds.as_slice() else { panic!("{deeds:?}") };
    assert_eq!(told.node, "/finesse/api/User/1001/Dialogs");
    let kind = told.update.split_once("<errorType>").unwrap().1;
    kind.split_once("</errorType>").unwrap().0.to_owned()
}

const KEYS: &str = "<actionParams><ActionParam><name>dtmfString</name><value>12#</value></ActionParam></actionParams>";

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Asked of the call server.
    Done,
    /// Accepted, and then notified as failed by its state.
    Generic,
    /// Accepted, and then notified as not to be had.
    Failed,
    /// 400.
    State,
    /// 400: something is missing.
    Missing,
}

#[track_caller]
fn outcome(answer: Result<Answer, Problem>) -> Outcome {
    match &answer {
        Ok(Answer::Accepted(deeds)) if matches!(deeds.as_slice(), [Deed::Ask { .. }]) => Outcome::Done,
        Ok(_) => match notified(answer).as_str() {
            "Generic Error" => Outcome::Generic,
            "Call Operation Failure" => Outcome::Failed,
            other => panic!("notified as {other}"),
        },
        Err(problem) if problem.kind == ErrorType::InvalidState => Outcome::State,
        Err(problem) if problem.kind == ErrorType::ParameterMissing => Outcome::Missing,
        Err(problem) => panic!("{problem:?}"),
    }
}

#[test]
fn each_action_has_its_stated_outcome_in_each_state() {
    use Outcome::{Done, Failed, Generic, Missing, State};
    let parts = [
        made("1001", Outward::Initiating),
        made("1001", Outward::Initiated),
        call("1001", false),
        call("1001", true),
        held("1001"),
        consulting("1001"),
        wrapping_up("1001"),
    ];
    for (action, outcomes) in [
        // The agent's phone is called, the destination rings; a caller rings; talking; held; held, and somebody consulted;
        // the work afterwards.
        ("ANSWER", [State, State, Done, State, State, State, State]),
        ("HOLD", [State, State, State, Done, State, State, State]),
        // Held for a consultation: that is to end first.
        ("RETRIEVE", [State, State, State, State, Done, Failed, State]),
        ("DROP", [Done, Done, State, Done, Done, Done, State]),
        ("UPDATE_CALL_DATA", [Missing, Missing, State, Missing, Missing, Missing, Missing]),
        ("TRANSFER_SST", [Generic, Generic, Generic, Done, Generic, Generic, Generic]),
        ("CONSULT_CALL", [Generic, Generic, Generic, Done, Generic, Generic, Generic]),
        ("TRANSFER", [State, State, State, State, State, Done, State]),
        ("CONFERENCE", [State, State, State, State, State, Done, State]),
        ("SEND_DTMF", [State, State, State, Missing, State, State, State]),
        ("START_RECORDING", [State, State, State, Failed, State, State, State]),
        ("PARTICIPANT_DROP", [State, State, State, Failed, Failed, Failed, State]),
        ("ACCEPT", [State; 7]),
        ("REJECT", [State; 7]),
        ("CLOSE", [State; 7]),
        ("RECLASSIFY", [State; 7]),
        ("UPDATE_SCHEDULED_CALLBACK", [State; 7]),
        ("CANCEL_SCHEDULED_CALLBACK", [State; 7]),
    ] {
        for (part, expected) in parts.iter().zip(outcomes) {
            let centre = centre_with(&[], std::slice::from_ref(part));
            assert_eq!(outcome(put(action, &centre)), expected, "{action}: {part:?}");
        }
    }
    for part in &parts {
        refused(put("DANCE", &centre_with(&[], std::slice::from_ref(part))), 400, ErrorType::InvalidInput);
    }
}

#[test]
fn what_a_phone_cannot_be_asked_is_accepted_and_told_as_a_failed_operation() {
    for (action, part) in [("ANSWER", call("1001", false)), ("HOLD", call("1001", true)), ("RETRIEVE", held("1001"))] {
        let can = centre_with(&[], std::slice::from_ref(&part));
        let verb = part.verbs[0].clone();
        let asked = Control::Work { call: 77, agent: "1001".into(), verb, with: String::new() };
        assert_eq!(doings(put(action, &can)), [asked]);
        let cannot = centre_with(&[], &[DialogView { verbs: Vec::new(), ..part }]);
        assert_eq!(outcome(put(action, &cannot)), Outcome::Failed, "{action}");
    }
}

#[test]
fn actions_that_are_listed_are_those_that_are_done() {
    let listed = |centre: &Centre| {
        let xml = body(ask(Method::Get, "Dialog/77", "", &account(Role::Agent, "1001"), centre));
        let words = xml.split("<action>").skip(1).filter_map(|rest| rest.split_once('<'));
        words.map(|(word, _)| word.to_owned()).collect::<Vec<String>>()
    };
    let more = |action: &str| match action {
        "TRANSFER_SST" => "<toAddress>tax &amp; duty</toAddress>",
        "CONSULT_CALL" => "<toAddress>1002</toAddress>",
        "SEND_DTMF" => KEYS,
        "UPDATE_CALL_DATA" => "<mediaProperties><wrapUpReason>sold</wrapUpReason></mediaProperties>",
        _ => "",
    };
    for (part, expected) in [
        (call("1001", false), vec!["ANSWER"]),
        (call("1001", true), vec!["CONSULT_CALL", "DROP", "HOLD", "SEND_DTMF", "TRANSFER_SST", "UPDATE_CALL_DATA"]),
        (held("1001"), vec!["DROP", "RETRIEVE", "UPDATE_CALL_DATA"]),
        (wrapping_up("1001"), vec!["UPDATE_CALL_DATA"]),
        (consulting("1001"), vec!["CONFERENCE", "DROP", "TRANSFER", "UPDATE_CALL_DATA"]),
        (made("1001", Outward::Initiating), vec!["DROP", "UPDATE_CALL_DATA"]),
        (made("1001", Outward::Initiated), vec!["DROP", "UPDATE_CALL_DATA"]),
        (made("1001", Outward::Connected), vec!["CONSULT_CALL", "DROP", "HOLD", "UPDATE_CALL_DATA"]),
    ] {
        let centre = centre_with(&[], std::slice::from_ref(&part));
        assert_eq!(listed(&centre), expected);
        for action in &expected {
            assert_eq!(outcome(put_with(action, more(action), &centre)), Outcome::Done, "{action}");
        }
        // What the phone does not do is not listed.
        let cannot = centre_with(&[], &[DialogView { verbs: Vec::new(), ..part }]);
        let without = |action: &&str| {
            !["ANSWER", "CONSULT_CALL", "HOLD", "RETRIEVE", "SEND_DTMF", "TRANSFER", "CONFERENCE"].contains(action)
        };
        assert_eq!(listed(&cannot), expected.into_iter().filter(without).collect::<Vec<_>>());
    }
}

#[test]
fn a_held_call_is_active_and_the_agents_part_in_it_held() {
    let centre = centre_with(&[], &[held("1001")]);
    let xml = body(ask(Method::Get, "Dialog/77", "", &account(Role::Agent, "1001"), &centre));
    let agents = xml.split("<mediaAddress>1001").nth(1).unwrap().split("</Participant>").next().unwrap();
    assert!(agents.contains("<state>HELD</state>"), "{xml}");
    assert!(xml.contains("<state>ACTIVE</state><toAddress>"), "{xml}");
}

#[test]
fn a_call_that_is_over_is_dropped_and_its_agent_in_wrap_up() {
    let centre = centre_with(&[], &[wrapping_up("1001")]);
    let xml = body(ask(Method::Get, "Dialog/77", "", &account(Role::Agent, "1001"), &centre));
    let agents = xml.split("<mediaAddress>1001").nth(1).unwrap().split("</Participant>").next().unwrap();
    assert!(agents.contains("<state>WRAP_UP</state>"), "{xml}");
    assert!(xml.contains("<state>DROPPED</state><toAddress>"), "{xml}");
}

#[test]
fn a_call_that_an_agent_makes_says_to_whom_and_how_far_it_is() {
    let xml = |dialog: DialogView| {
        let centre = centre_with(&[], &[dialog]);
        body(ask(Method::Get, "Dialog/77", "", &account(Role::Agent, "1001"), &centre))
    };
    for (how_far, agents, whole) in [
        (Outward::Initiating, "INITIATING", "INITIATING"),
        (Outward::Initiated, "INITIATED", "INITIATED"),
        (Outward::Connected, "ACTIVE", "ACTIVE"),
    ] {
        let xml = xml(made("1001", how_far));
        let part = xml.split("<mediaAddress>1001").nth(1).unwrap().split("</Participant>").next().unwrap();
        assert!(part.contains(&format!("<state>{agents}</state>")), "{xml}");
        for expected in [
            "<callType>OUT</callType>",
            "<fromAddress>1001</fromAddress>",
            "<mediaAddress>1002</mediaAddress>",
            &format!("<state>{whole}</state><toAddress>1002</toAddress>"),
        ] {
            assert!(xml.contains(expected), "{expected}: {xml}");
        }
    }
    let consultation = xml(DialogView { beside: Some(76), ..made("1001", Outward::Connected) });
    for expected in
        ["<associatedDialogUri>/finesse/api/Dialog/76</associatedDialogUri>", "<callType>CONSULT</callType>"]
    {
        assert!(consultation.contains(expected), "{expected}: {consultation}");
    }
    let centre = centre_with(&[], &[call("1001", true)]);
    let consult = Control::Work { call: 77, agent: "1001".into(), verb: Verb::Consult, with: "1002".into() };
    assert_eq!(doings(put("CONSULT_CALL", &centre)), [consult]);
    let press = Control::Work { call: 77, agent: "1001".into(), verb: Verb::Press, with: "12#".into() };
    assert_eq!(doings(put_with("SEND_DTMF", KEYS, &centre)), [press]);
}

#[test]
fn a_caller_is_sent_on_and_notes_are_taken() {
    let centre = centre_with(&[], &[call("1001", true)]);
    let to = Control::Transfer { call: 77, agent: "1001".into(), to: "tax & duty".into() };
    assert_eq!(doings(put_with("TRANSFER_SST", "<toAddress>tax &amp; duty</toAddress>", &centre)), [to]);
    let note = |inside: &str| {
        let more = format!("<mediaProperties>{inside}</mediaProperties>");
        put_with("UPDATE_CALL_DATA", &more, &centre)
    };
    let variable =
        |name: &str, value: &str| format!("<CallVariable><name>{name}</name><value>{value}</value></CallVariable>");
    let both = format!(
        "<wrapUpReason>sold</wrapUpReason><callvariables>{}{}</callvariables>",
        variable("callVariable10", "a b"),
        variable("user.colour", "")
    );
    let values = [("callVariable10", "a b"), ("user.colour", ""), ("wrapUpReason", "sold")];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(doings(note(&both)), [Control::Note { call: 77, agent: "1001".into(), values }]);
    for wrong in [
        // Of another team.
        "<wrapUpReason>no interest/later</wrapUpReason>".to_owned(),
        variable("callVariable11", "x"),
        variable("callVariable0", "x"),
        variable("user.attached", "x"),
        variable("anything", "x"),
        variable("callVariable1", &"x".repeat(41)),
    ] {
        refused(note(&wrong), 400, ErrorType::InvalidInput);
    }
}

#[test]
fn a_call_is_its_agents_alone() {
    let centre = centre_with(&[], &[call("1002", true)]);
    refused(put("DROP", &centre), 401, ErrorType::InvalidAuthorizationUser);
    refused(put("DROP", &in_state("READY")), 404, ErrorType::DialogNotFound);
    let drop = "<Dialog><targetMediaAddress>1002</targetMediaAddress><requestedAction>DROP</requestedAction></Dialog>";
    // A supervisor of the team sees it, and may not hang up in the agent's name.
    let supervisor = account(Role::Supervisor, "1009");
    assert!(
        body(ask(Method::Get, "Dialog/77", "", &supervisor, &centre)).contains("<mediaAddress>1002</mediaAddress>")
    );
    refused(ask(Method::Put, "Dialog/77", drop, &supervisor, &centre), 401, ErrorType::AuthorizationFailure);
    let own = account(Role::Agent, "1002");
    assert_eq!(
        doings(ask(Method::Put, "Dialog/77", drop, &own, &centre)),
        [Control::Drop { call: 77, agent: "1002".into() }]
    );
    for (body, kind) in [
        (drop.replace("1002", "1001"), ErrorType::InvalidInput),
        (drop.replace("<targetMediaAddress>1002</targetMediaAddress>", ""), ErrorType::ParameterMissing),
        ("<Dialog><targetMediaAddress>1002</targetMediaAddress></Dialog>".into(), ErrorType::ParameterMissing),
        ("<User/>".into(), ErrorType::BadRequest),
    ] {
        refused(ask(Method::Put, "Dialog/77", &body, &own, &centre), 400, kind);
    }
}

#[test]
fn a_new_call_is_for_who_is_in_none() {
    let make = "<Dialog><requestedAction>MAKE_CALL</requestedAction><toAddress>5</toAddress><fromAddress>1001</fromAddress></Dialog>";
    for state in ["LOGOUT", "NOT_READY", "READY", "RESERVED", "TALKING", "HOLD", "WORK", "WORK_READY"] {
        let answer = ask(Method::Post, "User/1001/Dialogs", make, &account(Role::Agent, "1001"), &in_state(state));
        match state {
            "NOT_READY" | "READY" => {
                assert_eq!(doings(answer), [Control::MakeCall { agent: "1001".into(), to: "5".into() }]);
            }
            _ => refused(answer, 400, ErrorType::InvalidState),
        }
    }
    for (body, kind) in [
        (make.replace("1001", "1002"), ErrorType::InvalidInput),
        (make.replace("<toAddress>5</toAddress>", ""), ErrorType::ParameterMissing),
        (make.replace("MAKE_CALL", "SING"), ErrorType::InvalidInput),
    ] {
        let answer = ask(Method::Post, "User/1001/Dialogs", &body, &account(Role::Agent, "1001"), &in_state("READY"));
        refused(answer, 400, kind);
    }
}

/// Why there is none in this site, the call server says, and that is notified.
#[test]
fn a_conference_is_listed_where_there_is_one_and_asked_for_where_there_is_none() {
    let asked = Control::Work { call: 77, agent: "1001".into(), verb: Verb::Confer, with: String::new() };
    for verbs in [vec![Verb::Complete], vec![Verb::Complete, Verb::Confer]] {
        let there = verbs.contains(&Verb::Confer);
        let centre = centre_with(&[], &[DialogView { verbs, ..consulting("1001") }]);
        let xml = body(ask(Method::Get, "Dialog/77", "", &account(Role::Agent, "1001"), &centre));
        assert_eq!(xml.contains("<action>CONFERENCE</action>"), there, "{xml}");
        assert_eq!(doings(put("CONFERENCE", &centre)), std::slice::from_ref(&asked));
    }
    let three = DialogView { mixed: true, parties: vec!["1002".into()], verbs: Vec::new(), ..call("1001", true) };
    let xml = body(ask(Method::Get, "Dialog/77", "", &account(Role::Agent, "1001"), &centre_with(&[], &[three])));
    assert_eq!(xml.matches("<Participant>").count(), 3, "{xml}");
    assert!(xml.contains("<callType>CONFERENCE</callType>") && xml.contains("<mediaAddress>1002<"), "{xml}");
    assert!(xml.contains("<actions><action>DROP</action><action>UPDATE_CALL_DATA</action></actions>"), "{xml}");
}

const MONITOR: &str = "<Dialog><requestedAction>SILENT_MONITOR</requestedAction><fromAddress>1009</fromAddress><toAddress>1001</toAddress></Dialog>";

#[test]
fn supervisors_listen_and_barge_in_on_agents_of_theirs_and_nobody_else_does() {
    let centre = centre_with(&[("1009", "NOT_READY")], &[call("1001", true)]);
    let supervisor = account(Role::Supervisor, "1009");
    let post = |body: &str, who, centre: &Centre| ask(Method::Post, "User/1009/Dialogs", body, who, centre);
    let asked = |how| Control::Supervise { supervisor: "1009".into(), agent: "1001".into(), how };
    assert_eq!(doings(post(MONITOR, &supervisor, &centre)), [asked(Oversight::Listen)]);
    let Ok(Answer::Accepted(deeds)) = post(MONITOR, &supervisor, &centre) else { panic!("not accepted") };
    assert!(matches!(&deeds[0], Deed::WriteDown(what) if what.contains("listen to agent 1001")), "{deeds:?}");
    let barge = |uri: &str| {
        let more = format!("<associatedDialogUri>{uri}</associatedDialogUri></Dialog>");
        MONITOR.replace("SILENT_MONITOR", "BARGE_CALL").replace("</Dialog>", &more)
    };
    assert_eq!(doings(post(&barge("/finesse/api/Dialog/77"), &supervisor, &centre)), [asked(Oversight::Barge)]);
    for (body, kind) in [
        (MONITOR.replace("SILENT_MONITOR", "BARGE_CALL"), ErrorType::ParameterMissing),
        (barge("/finesse/api/Dialog/78"), ErrorType::InvalidInput),
        (MONITOR.replace("<fromAddress>1009", "<fromAddress>1002"), ErrorType::InvalidInput),
        (MONITOR.replace("<toAddress>1001", "<toAddress>99"), ErrorType::InvalidInput),
        (MONITOR.replace("<toAddress>1001", "<toAddress>1009"), ErrorType::InvalidInput),
        (MONITOR.replace("<toAddress>1001</toAddress>", ""), ErrorType::ParameterMissing),
    ] {
        refused(post(&body, &supervisor, &centre), 400, kind);
    }
    // Of a team of somebody else's; agents; another's phone.
    let others = MONITOR.replace("<toAddress>1001", "<toAddress>1003");
    refused(post(&others, &supervisor, &centre), 401, ErrorType::InvalidSupervisor);
    refused(post(MONITOR, &account(Role::Agent, "1009"), &centre), 401, ErrorType::AuthorizationFailure);
    let answer = ask(Method::Post, "User/1001/Dialogs", MONITOR, &supervisor, &centre);
    refused(answer, 401, ErrorType::AuthorizationFailure);
}

#[test]
fn a_supervisor_sees_their_part_hangs_up_and_takes_over_by_taking_the_agent_out() {
    let supervisor = account(Role::Supervisor, "1009");
    let act = |dialog: &str, target: &str, action: &str, centre: &Centre| {
        let body = format!(
            "<Dialog><targetMediaAddress>{target}</targetMediaAddress><requestedAction>{action}</requestedAction></Dialog>"
        );
        ask(Method::Put, dialog, &body, &supervisor, centre)
    };
    for (how, kind) in [
        (Oversight::Listen, "SUPERVISOR_MONITOR"),
        (Oversight::Whisper, "SUPERVISOR_MONITOR"),
        (Oversight::Barge, "CONFERENCE"),
    ] {
        let centre = centre_with(&[], &supervised(how));
        let xml = body(ask(Method::Get, "User/1009/Dialogs", "", &supervisor, &centre));
        for part in [
            &format!("<callType>{kind}</callType>"),
            "<associatedDialogUri>/finesse/api/Dialog/77</associatedDialogUri>",
            "<actions><action>DROP</action></actions>",
            "<fromAddress>1009</fromAddress>",
            "<toAddress>1001</toAddress>",
        ] {
            assert!(xml.contains(part), "{part}: {xml}");
        }
        // The agent's dialog shows who is heard, and no more.
        let xml = body(ask(Method::Get, "Dialog/77", "", &account(Role::Agent, "1001"), &centre));
        assert_eq!(xml.contains("<mediaAddress>1009<"), how == Oversight::Barge, "{xml}");
        assert_eq!(
            doings(act("Dialog/90", "1009", "DROP", &centre)),
            [Control::Drop { call: 90, agent: "1009".into() }]
        );
        refused(act("Dialog/90", "1009", "HOLD", &centre), 400, ErrorType::InvalidState);
        let out = act("Dialog/77", "1001", "PARTICIPANT_DROP", &centre);
        match how {
            Oversight::Barge => {
                let how = Oversight::TakeOver;
                let asked = Control::Supervise { supervisor: "1009".into(), agent: "1001".into(), how };
                assert_eq!(doings(out), [asked]);
            }
            _ => assert!(matches!(out, Ok(Answer::Accepted(deeds)) if matches!(deeds.as_slice(), [Deed::Notify(_)]))),
        }
    }
}

#[test]
fn a_dialog_says_who_what_and_since_when() {
    let centre = centre_with(&[], &[call("1001", true)]);
    let xml = body(ask(Method::Get, "User/1001/Dialogs", "", &account(Role::Agent, "1001"), &centre));
    assert!(xml.starts_with("<Dialogs><Dialog>") && xml.ends_with("</Dialog></Dialogs>"), "{xml}");
    for part in [
        "<fromAddress>+4420</fromAddress>",
        "<id>77</id>",
        "<queueName>sales</queueName>",
        "<CallVariable><name>user.attached</name><value>abcd</value></CallVariable>",
        "<CallVariable><name>callVariable3</name><value>gold</value></CallVariable></callvariables><wrapUpReason>sold</wrapUpReason>",
        "<mediaType>Voice</mediaType>",
        "<mediaAddress>1001</mediaAddress><mediaAddressType>AGENT_DEVICE</mediaAddressType>",
        "<stateChangeTime>2021-03-25T02:55:19.809Z</stateChangeTime>",
        "<state>ACTIVE</state>",
        "<toAddress>6016</toAddress>",
        "<uri>/finesse/api/Dialog/77</uri>",
    ] {
        assert!(xml.contains(part), "{part} in {xml}");
    }
    let nobodys = body(ask(Method::Get, "User/1002/Dialogs", "", &account(Role::Agent, "1002"), &centre));
    assert_eq!(nobodys, "<Dialogs></Dialogs>");
}
