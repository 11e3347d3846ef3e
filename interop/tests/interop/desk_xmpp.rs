//! Desks that others wrote, by the API's published guide, hear an agent's events: strophe.js over BOSH and over
//! WebSocket, slixmpp over TLS on 5223; each refused with a wrong password, and where it may not see.
//!
//! `cargo nextest run -p interop --run-ignored only desks_of_strangers` runs it: `cargo xtask test` does not, for it is to need
//! nothing but the system's packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use interop::carrier::{CALLER, Carrier, Order};
use interop::estate::Estate;
use interop::lab::BRIDGE;
use interop::program::Program;

use crate::desk::{LOGIN, PASSWORD, USER, put_user};
use crate::scene::{self, SOON};

const JID: &str = "1001@cvp1.lab.example";
const NODES: [&str; 2] = ["/finesse/api/Queue/sales", "/finesse/api/User/1002"];

#[test]
#[ignore = "needs node, npm and python3, and fetches strophe.js and slixmpp from their registries"]
fn desks_of_strangers_hear_an_agents_events() -> Result<()> {
    let strangers = Strangers::install()?;
    let mut estate = scene::estate(|site| {
        let group = "[[node.role.call_server.sip_server_group]]\nname = \"cube1\"";
        site.replacen(group, &format!("[node.role.call_server.desk]\n\n{group}"), 1)
    })?;
    estate.account("cvp1", "1001", PASSWORD)?;
    let ways = ["https://cvp1.lab.example:7443/http-bind/", "wss://cvp1.lab.example:7443/ws/", "cvp1.lab.example"];
    let mut desks = Vec::new();
    for way in ways {
        let mut refused = strangers.start(&estate, way, "wrong password")?;
        refused.expect("refused", SOON)?;
        refused.kill();
        let desk = strangers.start(&estate, way, PASSWORD)?;
        desk.expect(&format!("connected {JID}/"), SOON)?;
        desk.expect("subscribed /finesse/api/Queue/sales", SOON)?;
        desk.expect("not-subscribed /finesse/api/User/1002", SOON)?;
        desks.push(desk);
    }
    for (fields, state) in
        [(LOGIN, "NOT_READY"), ("<state>READY</state>", "READY"), ("<state>NOT_READY</state>", "NOT_READY")]
    {
        let marks: Vec<_> = desks.iter().map(Program::mark).collect();
        put_user(&estate, fields)?;
        for (desk, mark) in desks.iter().zip(marks) {
            let told = |line: &str| {
                line.starts_with(&format!("event {USER} <Update>")) && line.contains(&format!("<state>{state}</state>"))
            };
            desk.wait_for(mark, &format!("{state} as an event"), SOON, told)?;
        }
    }
    // A caller comes, talks, and hangs up: all three hear it.
    let phone = scene::agent_phone(&estate, "1001", "agent", true, &scene::agents_voice())?;
    let target = estate.lab().host("cube").address;
    let mut carrier = Carrier::dial(estate.lab(), target, &Order::one(scene::script(&[])))?;
    carrier.answered(1, SOON)?;
    estate.waiting("sales", 1, SOON)?;
    let (ringing, marks) = (phone.mark(), desks.iter().map(Program::mark).collect::<Vec<_>>());
    put_user(&estate, "<state>READY</state>")?;
    phone.in_call(ringing, SOON)?;
    let hear = |node: &str, what: &str| -> Result<()> {
        for (desk, mark) in desks.iter().zip(&marks) {
            let told = |line: &str| line.starts_with(&format!("event {node} <Update>")) && line.contains(what);
            desk.wait_for(*mark, &format!("{what} of {node}"), SOON, told)?;
        }
        Ok(())
    };
    let dialogs = format!("{USER}/Dialogs");
    hear(USER, "<state>RESERVED</state>")?;
    hear(USER, "<state>TALKING</state>")?;
    hear(&dialogs, "<event>POST</event>")?;
    hear(&dialogs, "<state>ACTIVE</state>")?;
    carrier.hang_up(1)?;
    carrier.ended(SOON)?;
    hear(&dialogs, "<event>DELETE</event>")?;
    hear(USER, "<state>READY</state>")?;
    phone.stop()?;
    for mut desk in desks {
        desk.type_line("done")?;
        desk.expect("disconnected", SOON)?;
        ensure!(desk.wait(SOON)?.success(), "a stranger's desk failed:\n{}", desk.output());
    }
    estate.demand_clean_logs(&[CALLER, PASSWORD, "wrong password"])
}

/// Their libraries, from their registries, beside this test's binary.
struct Strangers(PathBuf);

impl Strangers {
    fn install() -> Result<Strangers> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("strangers");
        let run = |program: &str, arguments: &[&str]| -> Result<()> {
            let output = Command::new(program).args(arguments).current_dir(&folder).output();
            let output = output.with_context(|| format!("{program} is not here: install nodejs, npm, python3-venv"))?;
            ensure!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            Ok(())
        };
        std::fs::create_dir_all(&folder)?;
        if !folder.join("node_modules/strophe.js").exists() {
            let libraries = ["strophe.js@5.0.0", "ws@8", "xhr2@0.2", "@xmldom/xmldom@0.9"];
            run("npm", &[["install", "--no-audit", "--no-fund", "--prefix", "."].as_slice(), &libraries].concat())?;
        }
        if !folder.join("venv/lib").exists() {
            run("python3", &["-m", "venv", "venv"])?;
            run("venv/bin/pip", &["install", "--quiet", "slixmpp==1.17.0"])?;
        }
        Ok(Strangers(folder))
    }

    /// A desk that connects this way.
    fn start(&self, estate: &Estate, way: &str, password: &str) -> Result<Program> {
        let script = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("strangers").join(name);
        let text = |path: PathBuf| path.to_str().map(str::to_owned).context("the path is not text");
        let (root, host) = (text(estate.data_of("cvp1").join("ca/root.pem"))?, estate.lab().host(BRIDGE));
        if way.contains("://") {
            let modules = text(self.0.join("node_modules"))?;
            let mut arguments = vec![text(script("agent.cjs"))?, way.into(), JID.into(), password.into()];
            arguments.extend(NODES.map(str::to_owned));
            return host.start_with("node", &arguments, &[("NODE_PATH", &modules), ("NODE_EXTRA_CA_CERTS", &root)]);
        }
        let python = text(self.0.join("venv/bin/python"))?;
        let mut arguments = vec![text(script("agent.py"))?, way.into(), JID.into(), password.into(), root];
        arguments.extend(NODES.map(str::to_owned));
        host.start(&python, &arguments)
    }
}
