//! An agent works a call through the desk's interface with curl, written by the API's published guide: log-in, states,
//! the call as it rings and connects, hold and back, its wrap-up reason, hanging up, a call of
//! the agent's own; what happens is told as events.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::carrier::{CALLER, Carrier, Order};
use interop::estate::{Estate, eventually};
use interop::lab::BRIDGE;
use interop::program::Program;

use crate::scene::{self, SOON};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const USER: &str = "/finesse/api/User/1001";

#[test]
fn an_agent_works_a_call_by_plain_rest() -> Result<()> {
    let mut estate = scene::estate_with(&[("agent2", 77)], |site| {
        let group = "[[node.role.call_server.sip_server_group]]\nname = \"cube1\"";
        let desk = "[node.role.call_server.desk]\n\n[[node.role.call_server.wrap_up_reason]]\nlabel = \"sold\"\n\n";
        site.replacen(group, &format!("{desk}{group}"), 1)
    })?;
    estate.account("cvp1", "1001", PASSWORD)?;
    let phone = scene::agent_phone(&estate, "1001", "agent", true, &scene::agents_voice())?;
    let events = curl(&estate, &["-N", &url("/api/v1/events")])?;

    // Nobody is let in by a wrong password, or sees somebody else.
    ensure!(ask(&estate, &["-u", "1001:wrong password"], USER)?.0 == 401, "a wrong password was let in");
    ensure!(get(&estate, "/finesse/api/User/1002")?.0 == 401, "another agent was shown");
    let user = get(&estate, USER)?;
    ensure!(user.0 == 200 && user.1.contains("<state>LOGOUT</state>"), "{user:?}");
    let put = |path: &str, body: &str| -> Result<()> {
        let (status, answer) = ask(&estate, &["-u", &login(), "-X", "PUT", "-H", XML, "-d", body], path)?;
        ensure!(status == 202, "{body}: {status} {answer}");
        Ok(())
    };
    put_user(&estate, LOGIN)?;
    told(&events, USER, "<state>NOT_READY</state>")?;

    // A caller waits; the agent is ready, and has the call.
    let mut carrier = Carrier::dial(estate.lab(), estate.lab().host("cube").address, &Order::one(scene::script(&[])))?;
    carrier.answered(1, SOON)?;
    estate.waiting("sales", 1, SOON)?;
    let ringing = phone.mark();
    put(USER, "<User><state>READY</state></User>")?;
    phone.in_call(ringing, SOON)?;
    told(&events, USER, "<state>RESERVED</state>")?;
    told(&events, USER, "<state>TALKING</state>")?;
    let list = "/finesse/api/User/1001/Dialogs";
    told(&events, list, "<event>POST</event>")?;
    let dialogs = eventually("the call to be active", SOON, || {
        let (_, dialogs) = get(&estate, list)?;
        Ok(if dialogs.contains("<state>ACTIVE</state>") { Ok(dialogs) } else { Err(dialogs) })
    })?;
    let uri = dialogs.rsplit_once("<uri>").and_then(|(_, rest)| rest.split_once("</uri>")).context("no uri")?.0;

    // Held and taken back: this phone takes no orders, so it is done from the call server.
    let action = |action: &str, more: &str| {
        put(
            uri,
            &format!(
                "<Dialog><targetMediaAddress>1001</targetMediaAddress><requestedAction>{action}</requestedAction>{more}</Dialog>"
            ),
        )
    };
    action("HOLD", "")?;
    told(&events, uri, "<state>HELD</state>")?;
    told(&events, USER, "<state>HOLD</state>")?;
    action("RETRIEVE", "")?;
    eventually("the call to be taken back", SOON, || {
        let (_, dialog) = get(&estate, uri)?;
        Ok(if dialog.contains("<state>HELD</state>") { Err(dialog) } else { Ok(()) })
    })?;

    // What it was about, and the end of it.
    action("UPDATE_CALL_DATA", "<mediaProperties><wrapUpReason>sold</wrapUpReason></mediaProperties>")?;
    told(&events, uri, "<wrapUpReason>sold</wrapUpReason>")?;
    action("DROP", "")?;
    told(&events, list, "<event>DELETE</event>")?;
    phone.hung_up(ringing, SOON)?;
    carrier.ended(SOON)?;
    estate.legs_until("cvp1", "no leg left", SOON, <[_]>::is_empty)?;
    estate.agent_is("1001", "READY", SOON)?;

    // A call of the agent's own, to another phone.
    let other = scene::agent_phone(&estate, "1002", "agent2", true, &[])?;
    let (own, called) = (phone.mark(), other.mark());
    let make = "<Dialog><requestedAction>MAKE_CALL</requestedAction><toAddress>1002</toAddress><fromAddress>1001</fromAddress></Dialog>";
    let (status, answer) = ask(&estate, &["-u", &login(), "-X", "POST", "-H", XML, "-d", make], list)?;
    ensure!(status == 202, "{status} {answer}");
    phone.in_call(own, SOON)?;
    other.in_call(called, SOON)?;
    let dialogs = eventually("the call to be active", SOON, || {
        let (_, dialogs) = get(&estate, list)?;
        let made = dialogs.contains("<callType>OUT</callType>") && dialogs.contains("<state>ACTIVE</state>");
        Ok(if made { Ok(dialogs) } else { Err(dialogs) })
    })?;
    let uri = dialogs.rsplit_once("<uri>").and_then(|(_, rest)| rest.split_once("</uri>")).context("no uri")?.0;
    let drop = "<Dialog><targetMediaAddress>1001</targetMediaAddress><requestedAction>DROP</requestedAction></Dialog>";
    put(uri, drop)?;
    other.hung_up(called, SOON)?;
    other.stop()?;
    estate.legs_until("cvp1", "no leg left", SOON, <[_]>::is_empty)?;
    // Off the hook, so not ready afterwards.
    estate.agent_is("1001", "NOT_READY", SOON)?;
    put(USER, "<User><state>LOGOUT</state></User>")?;
    told(&events, USER, "<state>LOGOUT</state>")?;
    phone.stop()?;
    estate.demand_clean_logs(&[CALLER, PASSWORD, "wrong password"])
}

/// What an agent logs in with.
pub(crate) const LOGIN: &str = "<state>LOGIN</state><extension>1001</extension>";

/// The agent asks for another state of theirs.
pub(crate) fn put_user(estate: &Estate, fields: &str) -> Result<()> {
    let body = format!("<User>{fields}</User>");
    let (status, answer) = ask(estate, &["-u", &login(), "-X", "PUT", "-H", XML, "-d", &body], USER)?;
    ensure!(status == 202, "{body}: {status} {answer}");
    Ok(())
}

pub(crate) const XML: &str = "Content-Type: application/xml";

fn login() -> String {
    format!("1001:{PASSWORD}")
}

pub(crate) fn url(path: &str) -> String {
    format!("https://cvp1.lab.example:8445{path}")
}

fn get(estate: &Estate, path: &str) -> Result<(u16, String)> {
    ask(estate, &["-u", &login()], path)
}

/// Status and body.
pub(crate) fn ask(estate: &Estate, options: &[&str], path: &str) -> Result<(u16, String)> {
    let url = url(path);
    let mut arguments = vec!["-w", "\n%{http_code}\n", &url];
    arguments.extend(options);
    let mut program = start(estate, &arguments)?;
    program.succeed(Duration::from_secs(15))?;
    let output = program.output();
    let (body, status) = output.trim_end().rsplit_once('\n').unwrap_or(("", output.trim_end()));
    Ok((status.parse().with_context(|| output.clone())?, body.to_owned()))
}

fn curl(estate: &Estate, arguments: &[&str]) -> Result<Program> {
    let login = login();
    start(estate, &[&["-u", &login], arguments].concat())
}

pub(crate) fn start(estate: &Estate, arguments: &[&str]) -> Result<Program> {
    let root = estate.data_of("cvp1").join("ca/root.pem");
    let root = root.to_str().context("the path is not text")?;
    let always = ["-sS", "--cacert", root, "--resolve", "cvp1.lab.example:8445:198.18.133.13"];
    estate.lab().host(BRIDGE).start("curl", &[always.as_slice(), arguments].concat())
}

/// Waits until an event of this object says so.
fn told(events: &Program, source: &str, what: &str) -> Result<()> {
    let of = |line: &str| line.starts_with("data: ") && line.contains(source) && line.contains(what);
    events.wait_for(Default::default(), &format!("{what} of {source}"), SOON, of)?;
    Ok(())
}
