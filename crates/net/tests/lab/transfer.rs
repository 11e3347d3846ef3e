//! A page that calls somebody for its caller, over real sockets: both hear each other under SRTP, and a key ends it.

use roles::phone::Record;

use super::sound::likeness;
use super::*;

#[test]
fn a_caller_and_whom_the_page_calls_hear_each_other_until_a_key_ends_it() {
    let network = "127.41.27.";
    let folder = std::env::temp_dir().join(format!("ringfence-net-transfer-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let document = folder.join("main.vxml");
    let page = "<vxml version='2.1'><form><transfer name='t' dest='tel:1001' bridge='true'>
         <grammar mode='dtmf' version='1.0' root='r'><rule id='r'>*</rule></grammar>
         <filled><if cond=\"t == 'near_end_disconnect'\"><disconnect/></if></filled></transfer>
         <field name='stays' type='digits'><prompt timeout='60s'/></field></form></vxml>";
    std::fs::write(&document, page).unwrap();
    let text = super::vxml::site(network, document.to_str().unwrap())
        .replace("document = ", "may_dial = [\"1001$\"]\ndocument = ")
        .replace("ingress_group = ", "browsers_may_dial = [\"1001$\"]\ningress_group = ");
    let mut lab = Lab::with(network, &text, |_| {});
    let record = |name: &str| {
        let heard = folder.join(format!("{name}.wav")).to_str().unwrap().to_owned();
        Record { said: format!("{heard}.said"), heard }
    };
    let (of_agent, of_caller) = (record("agent"), record("caller"));
    let agent = lab.agent_with(|plan| plan.record = Some(of_agent.clone()));
    let at_agent = agent.watch();
    if !matches!(agent.control_blocking(Control::Registrations), Reply::Registrations(_)) {
        wait(&at_agent, "the phone's registration", |line| {
            matches!(line, Journal::Registered { registered: true, .. }).then_some(())
        });
    }
    let carrier = lab.carrier_with(|plan| plan.record = Some(of_caller.clone()));
    let at_carrier = carrier.watch();
    dial(&carrier);
    wait(&at_agent, "the call of the page", connected);
    // Three seconds of each other.
    let received = |phone: &NodeHandle| -> u64 {
        match phone.control_blocking(Control::Calls) {
            Reply::Calls(legs) => {
                legs.iter().filter_map(|leg| leg.media.as_ref()).map(|it| it.rx_protected + it.rx_clear).sum()
            }
            other => panic!("{other:?}"),
        }
    };
    for (phone, journal) in [(&agent, &at_agent), (&carrier, &at_carrier)] {
        let (until, wanted) = (Instant::now() + PATIENCE, received(phone) + 150u64);
        while received(phone) < wanted {
            assert!(Instant::now() < until, "it hears nothing");
            let _ = journal.recv_timeout(Duration::from_millis(100));
        }
    }
    let Reply::Calls(legs) = lab.process.node("vvb1").unwrap().control_blocking(Control::Calls) else {
        panic!("no calls")
    };
    assert_eq!(legs.len(), 2, "the caller's and the far party's: {legs:?}");
    for leg in &legs {
        assert!(leg.signalling.tls.as_ref().is_some_and(|tls| tls.mutual), "{leg:?}");
        let media = leg.media.as_ref().expect("it ends media");
        assert!(media.is_protected() && media.auth_failed == 0 && media.rx_protected > 100, "{media:?}");
    }
    assert_eq!(carrier.control_blocking(Control::Press { digits: "*".into() }), Reply::Done);
    for journal in [&at_agent, &at_carrier] {
        wait(journal, "the recording of the call", |line| matches!(line, Journal::Recorded { .. }).then_some(()));
    }
    let (at_caller, at_far) = (likeness(&of_caller.heard, "agent"), likeness(&of_agent.heard, "caller"));
    assert!(at_caller > 0.9 && at_far > 0.9, "the caller hears {at_caller:.2}, the far party {at_far:.2}");
    std::fs::remove_dir_all(folder).unwrap();
    lab.end();
}
