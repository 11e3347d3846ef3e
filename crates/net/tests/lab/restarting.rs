//! One service restarted in a process that goes on: what an operator does to a call manager after a change of mode.

use net::Part;

use super::*;

/// Until the manager has the phone's registration.
fn registered(manager: &NodeHandle) {
    let until = Instant::now() + PATIENCE;
    while !matches!(manager.control_blocking(Control::Registrations), Reply::Registrations(list) if list.len() == 1) {
        assert!(Instant::now() < until, "no phone came again");
        std::thread::yield_now();
    }
}

#[test]
fn a_node_that_is_restarted_keeps_its_handle_and_what_it_had_kept() {
    let mut lab = Lab::on("127.41.17.");
    let (agent, at_agent) = staff(&mut lab);
    let (manager, call_server) = (lab.process.node("cucm1").unwrap(), lab.process.node("cvp1").unwrap());
    let (began, at_call_server) = (manager.started_ms(), call_server.watch());

    for node in ["cucm1", "cvp1"] {
        let said = lab.process.restart(node, Part::Node).unwrap();
        assert!(said[0].starts_with("stopped in ") && said[1].starts_with("started in "), "{said:?}");
    }
    assert!(manager.started_ms() > began, "the same handle, a later start");
    assert!(matches!(manager.control_blocking(Control::Status), Reply::Status(status) if status.calls == 0));
    assert!(lab.process.restart("nobody", Part::Node).unwrap_err().to_string().contains("nobody"));
    assert!(lab.process.restart("cucm1", Part::PhoneServices).unwrap_err().to_string().contains("serves no phones"));

    // The phone lost its connection and comes again by itself; the agent is ready as before; calls go through.
    registered(&manager);
    let carrier = lab.carrier();
    let at_carrier = carrier.watch();
    dial(&carrier);
    wait(&at_carrier, "an answer", connected);
    assert_eq!(carrier.control_blocking(Control::Press { digits: "1".into() }), Reply::Done);
    wait(&at_agent, "the agent's call", connected);
    // Who watched the call server before watches it still.
    wait(&at_call_server, "a decision", |line| matches!(line, Journal::Decision { .. }).then_some(()));
    carrier.control_blocking(Control::HangUp);
    wait(&at_carrier, "the end", |line| matches!(line, Journal::Leg(_)).then_some(()));
    drop(agent);
    lab.end();
}

#[test]
fn a_voice_browser_that_is_restarted_under_a_call_leaves_the_caller_to_another() {
    let mut lab = Lab::on("127.41.18.");
    let carrier = lab.carrier();
    let at_carrier = carrier.watch();
    dial(&carrier);
    wait(&at_carrier, "an answer", connected);
    let busy = ["vvb1", "vvb2"].into_iter().find(|name| lab.calls_at(name) == 1).expect("one has the call");
    lab.process.restart(busy, Part::Node).unwrap();
    assert_eq!(lab.calls_at(busy), 0, "its loop is another, and so are its streams");
    let until = Instant::now() + PATIENCE;
    while lab.calls_at("vvb1") + lab.calls_at("vvb2") == 0 {
        assert!(Instant::now() < until, "nobody took the caller");
        std::thread::yield_now();
    }
    carrier.control_blocking(Control::HangUp);
    wait(&at_carrier, "the end", |line| matches!(line, Journal::Leg(_)).then_some(()));
    lab.end();
}
