//! What is read: the objects with the element names of the API, who may read them, and what is told when they change.

use crate::centre::{account, ask, ask_as, body, call, centre_with, in_state, refused};
use desk::{Board, ErrorType, Method};
use roles::DeskEvent;
use store::accounts::{Account, Role};

fn get(path: &str, who: &Account) -> String {
    body(ask(Method::Get, path, "", who, &centre_with(&[("1001", "NOT_READY"), ("1002", "READY")], &[])))
}

#[test]
fn a_user_has_the_elements_of_the_api() {
    let xml = get("User/1001", &account(Role::Agent, "1001"));
    for part in [
        "<User><uri>/finesse/api/User/1001</uri><roles><role>Agent</role></roles>",
        "<loginId>1001</loginId><loginName>1001</loginName>",
        "<state>NOT_READY</state><stateChangeTime>2021-03-25T02:55:19.809Z</stateChangeTime><pendingState></pendingState>",
        "<reasonCodeId>10</reasonCodeId><ReasonCode><uri>/finesse/api/ReasonCode/10</uri><id>10</id>\
         <category>NOT_READY</category><code>10</code><label>lunch</label><forAll>true</forAll><systemCode>false</systemCode></ReasonCode>",
        "<settings><wrapUpOnIncoming>REQUIRED</wrapUpOnIncoming>",
        "<extension>1001</extension><firstName>Ada</firstName><lastName>&lt;King&gt;</lastName>",
        "<teamId>red</teamId><teamName>red</teamName>",
        "<dialogs>/finesse/api/User/1001/Dialogs</dialogs>",
    ] {
        assert!(xml.contains(part), "{part} in {xml}");
    }
    // Who is ready has no reason; who supervises has teams; who is out has no phone.
    assert!(get("User/1002", &account(Role::Agent, "1002")).contains("<reasonCodeId>-1</reasonCodeId><settings>"));
    let supervisor = get("User/1009", &account(Role::Supervisor, "1009"));
    for part in ["<role>Supervisor</role>", "<teams><Team><uri>/finesse/api/Team/red</uri>", "<extension></extension>"]
    {
        assert!(supervisor.contains(part), "{part} in {supervisor}");
    }
}

#[test]
fn a_state_that_the_system_chose_has_the_systems_code() {
    for (reason, code) in [("ring no answer", "50010"), ("by a supervisor", "999"), ("logged in", "-1")] {
        let mut centre = in_state("NOT_READY");
        centre.agents.get_mut("1001").unwrap().reason = reason.into();
        let xml = body(ask(Method::Get, "User/1001", "", &account(Role::Agent, "1001"), &centre));
        assert!(xml.contains(&format!("<reasonCodeId>{code}</reasonCodeId>")), "{xml}");
        assert_eq!(xml.contains("<systemCode>true</systemCode>"), code != "-1");
    }
}

#[test]
fn queues_teams_and_reasons_have_the_elements_of_the_api() {
    let agent = account(Role::Agent, "1002");
    let queues = get("User/1002/Queues", &agent);
    for part in [
        "<Queues><Queue><uri>/finesse/api/Queue/sales</uri><name>sales</name><statistics><callsInQueue>2</callsInQueue>\
         <startTimeOfLongestCallInQueue>2021-03-25T02:55:19.809Z</startTimeOfLongestCallInQueue>\
         <agentsReady>1</agentsReady><agentsNotReady>1</agentsNotReady><agentsBusyOther>0</agentsBusyOther>\
         <agentsLoggedOn>2</agentsLoggedOn><agentsTalkingInbound>0</agentsTalkingInbound>",
        "<uri>/finesse/api/Queue/tax%20%26%20duty</uri><name>tax &amp; duty</name><statistics><callsInQueue>-1</callsInQueue>",
    ] {
        assert!(queues.contains(part), "{part} in {queues}");
    }
    assert!(get("Queue/tax%20%26%20duty", &agent).starts_with("<Queue><uri>"));
    let supervisor = account(Role::Supervisor, "1009");
    let team = get("Team/red", &supervisor);
    for part in [
        "<Team><uri>/finesse/api/Team/red</uri><id>red</id><name>red</name><users><User>",
        "<mediaState>IDLE</mediaState>",
    ] {
        assert!(team.contains(part), "{part} in {team}");
    }
    assert_eq!(team.matches("<User>").count(), 2);
    let quiet = in_state("READY");
    let count = |path| body(ask(Method::Get, path, "", &supervisor, &quiet)).matches("<User>").count();
    assert_eq!((count("Team/red"), count("Team/red?includeLoggedOutAgents=true")), (1, 2));
    let reasons = |query: &str| get(&format!("User/1002/ReasonCodes{query}"), &agent);
    for (query, codes) in [("", 2), ("?category=ALL", 2), ("?category=NOT_READY", 1), ("?category=LOGOUT", 1)] {
        assert_eq!(reasons(query).matches("<ReasonCode>").count(), codes, "{query}");
    }
    let answer = ask(Method::Get, "User/1002/ReasonCodes?category=TEA", "", &agent, &quiet);
    refused(answer, 400, ErrorType::InvalidInput);
    assert_eq!(
        get("User/1002/WrapUpReasons", &agent),
        "<WrapUpReasons><WrapUpReason><uri>/finesse/api/WrapUpReason/sold</uri><label>sold</label><forAll>true</forAll>\
         </WrapUpReason></WrapUpReasons>"
    );
    assert!(get("WrapUpReason/no%20interest%2Flater", &agent).contains("<forAll>false</forAll>"));
}

#[test]
fn who_may_read_and_change_what() {
    let centre = centre_with(&[("1001", "READY"), ("1003", "READY")], &[]);
    let (agent, supervisor) = (account(Role::Agent, "1001"), account(Role::Supervisor, "1009"));
    let administrator = account(Role::Administrator, "");
    let get = |path: &str, who: &Account| ask(Method::Get, path, "", who, &centre);
    for path in ["User/1002", "User/1002/Dialogs", "User/1002/Queues", "User/1002/ReasonCodes", "User/nobody"] {
        refused(get(path, &agent), 401, ErrorType::InvalidAuthorizationUser);
    }
    refused(get("User/1003", &supervisor), 401, ErrorType::InvalidSupervisor);
    refused(get("Team/blue", &supervisor), 401, ErrorType::InvalidSupervisor);
    refused(get("Team/red", &agent), 401, ErrorType::InvalidSupervisor);
    refused(get("User/nobody", &supervisor), 404, ErrorType::UserNotFound);
    for path in ["Users", "ReasonCodes", "WrapUpReasons"] {
        refused(get(path, &agent), 401, ErrorType::AuthorizationFailure);
        refused(get(path, &supervisor), 401, ErrorType::AuthorizationFailure);
        body(get(path, &administrator));
    }
    for path in ["User/1001", "User/1003", "Team/red", "Team/blue", "Queue/sales"] {
        body(get(path, &administrator));
    }
    for path in ["Queue/none", "ReasonCode/99", "WrapUpReason/x", "Nothing", "User/1001/Nothing"] {
        refused(get(path, &administrator), 404, ErrorType::NotFound);
    }
    // The role in the account counts, not only the site's word: this supervisor logs in as an agent.
    refused(get("User/1001", &account(Role::Agent, "1009")), 401, ErrorType::InvalidAuthorizationUser);
    // Configuration is the site file's.
    for method in [Method::Post, Method::Put, Method::Delete] {
        refused(ask(method, "ReasonCodes", "", &administrator, &centre), 403, ErrorType::Forbidden);
        refused(ask(method, "ReasonCode/10", "", &agent, &centre), 401, ErrorType::AuthorizationFailure);
    }
    refused(ask(Method::Delete, "User/1001", "", &agent, &centre), 405, ErrorType::BadRequest);
    // Without a log-in there is only SystemInfo.
    refused(ask_as(Method::Get, "User/1001", "", None, &centre), 401, ErrorType::AuthorizationFailure);
    let info = body(ask_as(Method::Get, "SystemInfo", "", None, &centre));
    assert!(info.contains("<status>IN_SERVICE</status>") && info.contains("<host>cvp1.lab.example</host>"), "{info}");
}

#[test]
fn error_bodies_are_the_apis() {
    let problem =
        ask(Method::Get, "User/nobody", "", &account(Role::Administrator, ""), &in_state("READY")).unwrap_err();
    assert_eq!(
        problem.body(),
        "<ApiErrors><ApiError><ErrorType>User Not Found</ErrorType><ErrorData>4023</ErrorData>\
         <ErrorMessage>UNKNOWN_USER</ErrorMessage></ApiError></ApiErrors>"
    );
}

#[test]
fn what_changes_is_told_once_and_where_it_belongs() {
    let before = in_state("READY");
    let mut board = Board::new(before.clone());
    assert_eq!(board.look(before.clone()), [], "nothing is new");
    let mut agent = before.agents["1001"].clone();
    agent.for_s += 100;
    assert_eq!(board.hear(DeskEvent::Agent(agent.clone())), [], "time that goes by is no news");
    agent.state = "RESERVED".into();
    board.expect("/finesse/api/User/1001", "r&1");
    let told = board.hear(DeskEvent::Agent(agent.clone()));
    let nodes: Vec<&str> = told.iter().map(|told| told.node.as_str()).collect();
    assert_eq!(nodes, ["/finesse/api/User/1001", "/finesse/api/Team/red/Users"]);
    for told in &told {
        let ends = "<event>PUT</event><requestId>r&amp;1</requestId><source>/finesse/api/User/1001</source></Update>";
        assert!(told.update.starts_with("<Update><data><user><uri>") && told.update.ends_with(ends), "{}", told.update);
    }
    assert_eq!(board.hear(DeskEvent::Agent(agent.clone())), []);

    let tell = |board: &mut Board, event| -> Vec<(String, String)> {
        let part = |text: &str, from: &str, to: &str| {
            text.split_once(from)
                .and_then(|(_, rest)| rest.split_once(to))
                .map_or(String::new(), |(part, _)| part.into())
        };
        let told = board.hear(event);
        assert!(told.iter().all(|told| told.node == "/finesse/api/User/1001/Dialogs"), "{told:?}");
        told.iter()
            .map(|t| (part(&t.update, "<event>", "</event>"), part(&t.update, "<source>", "</source>")))
            .collect()
    };
    let (list, one) = ("/finesse/api/User/1001/Dialogs".to_owned(), "/finesse/api/Dialog/77".to_owned());
    assert_eq!(tell(&mut board, DeskEvent::Dialog(call("1001", false))), [("POST".into(), list.clone())]);
    assert_eq!(tell(&mut board, DeskEvent::Dialog(call("1001", true))), [("PUT".into(), one)]);
    assert_eq!(tell(&mut board, DeskEvent::DialogOver { call: 77 }), [("DELETE".into(), list)]);
    assert_eq!(board.hear(DeskEvent::DialogOver { call: 77 }), []);

    // What the journal lost is found by looking: a call that rings at another agent than the one that was known.
    board.hear(DeskEvent::Dialog(call("1001", false)));
    let mut now = centre_with(&[("1001", "NOT_READY"), ("1002", "RESERVED")], &[call("1002", false)]);
    let told = board.look(now.clone());
    let told: Vec<(&str, bool)> = told.iter().map(|t| (t.node.as_str(), t.update.contains("<event>DELETE"))).collect();
    for expected in [
        ("/finesse/api/User/1001", false),
        ("/finesse/api/User/1001/Dialogs", true),
        ("/finesse/api/User/1002", false),
        ("/finesse/api/User/1002/Dialogs", false),
        // Statistics, because agents' states are part of them.
        ("/finesse/api/Queue/sales", false),
    ] {
        assert!(told.contains(&expected), "{expected:?} in {told:?}");
    }
    now.queues.get_mut("sales").unwrap().waiting = 9;
    let told = board.look(now);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].update.contains("<queue><uri>/finesse/api/Queue/sales</uri>")
            && told[0].update.contains("<callsInQueue>9<")
    );
}

#[test]
fn events_are_heard_by_those_who_may_read_the_object() {
    let centre = in_state("READY");
    let named = |nodes: &[&str]| nodes.iter().map(|node| format!("/finesse/api/{node}")).collect::<Vec<_>>();
    let (agent, supervisor) = (account(Role::Agent, "1001"), account(Role::Supervisor, "1009"));
    assert_eq!(
        desk::subscription(&agent, &centre, &[]).unwrap(),
        named(&["SystemInfo", "User/1001", "User/1001/Dialogs"])
    );
    for node in ["User/1002", "User/1002/Dialogs", "Team/red/Users"] {
        assert_eq!(desk::subscription(&agent, &centre, &named(&[node])).unwrap_err().status, 401, "{node}");
        desk::subscription(&supervisor, &centre, &named(&[node])).unwrap();
    }
    assert_eq!(desk::subscription(&supervisor, &centre, &named(&["Team/blue/Users"])).unwrap_err().status, 401);
    desk::subscription(&agent, &centre, &named(&["Queue/sales"])).unwrap();
    for node in ["Queue/none", "Team/red", "Users", "ReasonCodes", "Queue/sales/Users"] {
        let nodes = named(&[node]);
        assert_eq!(
            desk::subscription(&account(Role::Administrator, ""), &centre, &nodes).unwrap_err().status,
            404,
            "{node}"
        );
    }
}

#[test]
fn queues_that_an_agent_gets_or_loses_with_a_new_site_are_told() {
    let mut board = Board::new(in_state("READY"));
    let other = crate::centre::changed(
        r#"extension = "1001", queues = ["sales"]"#,
        r#"extension = "1001", queues = ["tax & duty"]"#,
    );
    let told = board.replace(other.book.clone());
    let node = "/finesse/api/User/1001/Queues";
    assert!(told.iter().all(|told| told.node == node), "{told:?}");
    let [added, gone] = told.as_slice() else { panic!("one more and one less: {told:?}") };
    for (told, event, name) in [(added, "POST", "tax &amp; duty"), (gone, "DELETE", "sales")] {
        assert!(told.update.starts_with("<Update><data><queues><Queue><uri>"), "{}", told.update);
        assert!(told.update.contains(&format!("<event>{event}</event>")), "{}", told.update);
        assert!(told.update.contains(&format!("<name>{name}</name>")), "{}", told.update);
    }
    assert_eq!(board.replace(other.book), [], "nothing is new");
}
