//! Two agents work callers by plain REST, with phones that others made: the work after a call, a consultation that becomes a
//! transfer, a caller who is sent on at once; what happens is told as events.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::carrier::{CALLER, Carrier, Order};
use interop::estate::{Estate, eventually};
use interop::phone::Baresip;
use interop::program::{Mark, Program};

use crate::desk::{PASSWORD, XML, ask, start, url};
use crate::scene::{self, SOON};

#[test]
fn a_wrap_up_a_consult_transfer_and_a_caller_sent_on_by_plain_rest() -> Result<()> {
    let mut estate = scene::estate_with(&[("agent2", 77)], |site| {
        let group = "[[node.role.call_server.sip_server_group]]\nname = \"cube1\"";
        let desk = "[node.role.call_server.desk]\n\n[[node.role.call_server.wrap_up_reason]]\nlabel = \"sold\"\n\n";
        let queue = "name = \"sales\"\nring";
        assert!(site.contains(queue), "the example's queue has another form");
        site.replacen(group, &format!("{desk}{group}"), 1).replacen(queue, "name = \"sales\"\nwrap_up_s = 60\nring", 1)
    })?;
    let first = scene::agent_phone(&estate, "1001", "agent", true, &scene::agents_voice())?;
    let second = scene::agent_phone(&estate, "1002", "agent2", true, &[])?;
    for agent in ["1001", "1002"] {
        estate.account("cvp1", agent, PASSWORD)?;
    }
    let (one, two) = (Desk::open(&estate, "1001")?, Desk::open(&estate, "1002")?);
    one.log_in()?;
    two.log_in()?;

    // A caller who hangs up: the agent says afterwards what it was about.
    let mut carrier = one.take_a_call(&first)?;
    let uri = one.active()?;
    carrier.hang_up(1)?;
    carrier.ended(SOON)?;
    one.told(&uri, "<state>WRAP_UP</state>")?;
    one.told(&one.user(), "<state>WORK_READY</state>")?;
    let noted = "<mediaProperties><wrapUpReason>sold</wrapUpReason></mediaProperties>";
    let unknown = "<mediaProperties><wrapUpReason>bought</wrapUpReason></mediaProperties>";
    ensure!(one.act(&uri, "UPDATE_CALL_DATA", unknown)?.0 == 400, "a reason that the site does not have was taken");
    ensure!(one.act(&uri, "HOLD", "")?.0 == 400, "a call that is over was held");
    one.does(&uri, "UPDATE_CALL_DATA", noted)?;
    one.told(&uri, "<wrapUpReason>sold</wrapUpReason>")?;
    let mark = one.events.mark();
    one.is("<state>READY</state>")?;
    one.told_since(mark, &one.list(), "<event>DELETE</event>")?;
    let why = estate.ringfence_at("cvp1", &["why", "last"])?;
    ensure!(why.contains("wrap-up reason: sold"), "{why}");

    // The next caller is held while 1002 is consulted, then brought together with them.
    let mut carrier = one.take_a_call(&first)?;
    let uri = one.active()?;
    let (ringing, consulting) = (second.mark(), one.events.mark());
    one.does(&uri, "CONSULT_CALL", "<toAddress>1002</toAddress>")?;
    second.in_call(ringing, SOON)?;
    one.told_since(consulting, &uri, "<action>TRANSFER</action>")?;
    let over = first.mark();
    one.does(&uri, "TRANSFER", "")?;
    first.hung_up(over, SOON)?;
    two.told(&two.list(), "<event>POST</event>")?;
    two.told(&two.user(), "<state>TALKING</state>")?;
    let same = two.active()?;
    ensure!(same == uri, "{same} is not {uri}");

    // 1002 sends the caller back, and is out of it at once.
    let (ringing, over) = (first.mark(), second.mark());
    let sent = one.events.mark();
    two.does(&uri, "TRANSFER_SST", "<toAddress>1001</toAddress>")?;
    second.hung_up(over, SOON)?;
    first.in_call(ringing, SOON)?;
    one.told_since(sent, &one.list(), "<event>POST</event>")?;
    let (status, dialog) = one.get(&uri)?;
    ensure!(status == 200 && dialog.contains("<state>ACTIVE</state>"), "{status} {dialog}");

    // The same from a terminal, with words for what cannot be.
    let calls = |state: &str| -> Result<()> {
        let shown = estate.ringfence(&["agent", "calls", "1001"])?;
        ensure!(shown.contains(CALLER) && shown.contains(state), "no {state} in:\n{shown}");
        Ok(())
    };
    calls("talking")?;
    estate.ringfence(&["agent", "hold", "1001"])?;
    calls("held")?;
    let (status, said) = estate.ringfence_fails(&["agent", "press", "1001", "5"])?;
    ensure!(status == 1 && said.contains("the caller is held"), "{status} {said}");
    estate.ringfence(&["agent", "retrieve", "1001"])?;
    calls("talking")?;
    estate.ringfence(&["agent", "drop", "1001"])?;
    let (status, said) = estate.ringfence_fails(&["agent", "hold", "1002"])?;
    ensure!(status == 1 && said.contains("agent 1002 has no call"), "{status} {said}");
    carrier.ended(SOON)?;
    first.hung_up(ringing, SOON)?;
    estate.legs_until("cvp1", "no leg left", SOON, <[_]>::is_empty)?;
    drop((one, two));
    first.stop()?;
    second.stop()?;
    estate.demand_clean_logs(&[CALLER, PASSWORD])
}

/// An agent's desk: requests by curl, and the events that it hears.
struct Desk<'a> {
    estate: &'a Estate,
    agent: &'static str,
    events: Program,
}

impl<'a> Desk<'a> {
    fn open(estate: &'a Estate, agent: &'static str) -> Result<Desk<'a>> {
        let login = format!("{agent}:{PASSWORD}");
        let events = start(estate, &["-u", &login, "-N", "-v", &url("/api/v1/events")])?;
        // What happens before it is open, it does not hear.
        events.wait_for(Default::default(), "the stream to be open", SOON, |line| line.contains("HTTP/1.1 200"))?;
        Ok(Desk { estate, agent, events })
    }

    fn user(&self) -> String {
        format!("/finesse/api/User/{}", self.agent)
    }

    fn list(&self) -> String {
        format!("{}/Dialogs", self.user())
    }

    fn send(&self, options: &[&str], path: &str) -> Result<(u16, String)> {
        let login = format!("{}:{PASSWORD}", self.agent);
        ask(self.estate, &[&["-u", &login], options].concat(), path)
    }

    fn get(&self, path: &str) -> Result<(u16, String)> {
        self.send(&[], path)
    }

    fn is(&self, fields: &str) -> Result<()> {
        let body = format!("<User>{fields}</User>");
        let (status, answer) = self.send(&["-X", "PUT", "-H", XML, "-d", &body], &self.user())?;
        ensure!(status == 202, "{body}: {status} {answer}");
        Ok(())
    }

    fn log_in(&self) -> Result<()> {
        self.is(&format!("<state>LOGIN</state><extension>{}</extension>", self.agent))?;
        self.told(&self.user(), "<state>NOT_READY</state>")
    }

    /// An action on a call, and how it is answered.
    fn act(&self, uri: &str, action: &str, more: &str) -> Result<(u16, String)> {
        let body = format!(
            "<Dialog><targetMediaAddress>{}</targetMediaAddress><requestedAction>{action}</requestedAction>{more}</Dialog>",
            self.agent
        );
        self.send(&["-X", "PUT", "-H", XML, "-d", &body], uri)
    }

    fn does(&self, uri: &str, action: &str, more: &str) -> Result<()> {
        let (status, answer) = self.act(uri, action, more)?;
        ensure!(status == 202, "{action}: {status} {answer}");
        Ok(())
    }

    /// A caller comes to the queue, and this agent becomes ready.
    fn take_a_call(&self, phone: &Baresip) -> Result<Carrier> {
        let lab = self.estate.lab();
        let carrier = Carrier::dial(lab, lab.host("cube").address, &Order::one(scene::script(&[])))?;
        carrier.answered(1, SOON)?;
        let ringing = phone.mark();
        self.is("<state>READY</state>")?;
        phone.in_call(ringing, SOON)?;
        Ok(carrier)
    }

    /// The one call, when it is up.
    fn active(&self) -> Result<String> {
        let dialogs = eventually("the call to be active", SOON, || {
            let (_, dialogs) = self.get(&self.list())?;
            Ok(if dialogs.contains("<state>ACTIVE</state>") { Ok(dialogs) } else { Err(dialogs) })
        })?;
        let uri = dialogs.rsplit_once("<uri>").and_then(|(_, rest)| rest.split_once("</uri>"));
        Ok(uri.context("no uri")?.0.to_owned())
    }

    /// Waits until an event of this object says so.
    fn told(&self, source: &str, what: &str) -> Result<()> {
        self.told_since(Default::default(), source, what)
    }

    fn told_since(&self, mark: Mark, source: &str, what: &str) -> Result<()> {
        let of = |line: &str| line.starts_with("data: ") && line.contains(source) && line.contains(what);
        self.events.wait_for(mark, &format!("{what} of {source}"), SOON + Duration::from_secs(5), of)?;
        Ok(())
    }
}
