//! The administrator's console by the client that everybody has: OpenSSH, as it is installed, with its own defaults.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::estate::{Estate, eventually};
use interop::lab::BRIDGE;

use crate::scene::{self, SOON};

const PASSWORD: &str = "correct horse battery";

/// What a client did: its exit status, and what it printed.
struct Did {
    status: i32,
    printed: String,
}

#[test]
fn the_openssh_client_administers_call_manager_and_border() -> Result<()> {
    let estate = scene::estate(|site| {
        let (peer, manager) = ("[[node.role.sbc.dial_peer]]", "[[node.role.call_manager.");
        let services = "[node.role.call_manager.phone_services]\ncluster_security_mode = 0\n\n";
        let site = site.replacen(peer, &format!("[node.console]\n\n{peer}"), 1);
        site.replacen(manager, &format!("[node.console]\n\n{services}{manager}"), 1)
    })?;
    let folder = estate.lab().directory().to_owned();
    let key = folder.join("id_ed25519");
    run(&estate, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "ada@lab", "-f", path(&key)?], &[])?;
    for node in ["cucm1", "cube1"] {
        estate.administrator(node, "ada", PASSWORD, &key.with_extension("pub"))?;
    }

    // Mixed mode, switched over SSH; the words are those that scripts wait for.
    eventually("the console to open", SOON, || {
        let did = ssh(&estate, "cucm", &["help"], &[])?;
        Ok(if did.status == 0 { Ok(()) } else { Err(did.printed) })
    })?;
    let did = ssh(&estate, "cucm", &["utils", "ctl", "set-cluster", "mixed-mode"], &["y"])?;
    ensure!(did.status == 0, "{}", did.printed);
    for line in
        ["Moving Cluster to Mixed Mode", "Cluster set to Mixed Mode", "Please restart Cisco CallManager service"]
    {
        ensure!(did.printed.contains(line), "no `{line}` in {}", did.printed);
    }
    let did = ssh(&estate, "cucm", &["utils", "service", "restart", "Cisco", "CallManager"], &["y"])?;
    ensure!(did.status == 0 && did.printed.contains("Cisco CallManager[STARTED] started in "), "{}", did.printed);
    ensure!(did.printed.contains("Cluster Security Mode: 1 (mixed)\nCheck: the CTL file"), "{}", did.printed);

    // The fingerprint that was taken is the one that the administrator can look up.
    let known = run(&estate, "ssh-keygen", &["-l", "-f", path(&folder.join("known_hosts"))?], &[])?.printed;
    let shown = estate.ringfence_at("cucm1", &["console", "show"])?;
    let of = |line: &str| line.split_whitespace().find(|word| word.starts_with("SHA256:")).map(str::to_owned);
    let row = shown.lines().find(|line| line.starts_with("cucm1")).context("no console of cucm1")?;
    ensure!(of(&known).is_some() && of(&known) == of(row), "{known} is not {shown}");

    // The border controller's configuration, in the words of its operators; a terminal with a prompt.
    let did = ssh(&estate, "cube", &["-tt"], &["show running-config", "exit"])?;
    for line in ["cube1#", "sip-ua", "dial-peer voice 6000 voip", " session transport tcp tls", " srtp"] {
        ensure!(did.printed.contains(line), "no `{line}` in {}", did.printed);
    }

    // No tunnel, no files, no other key.
    let did = ssh(&estate, "cucm", &["-W", "127.0.0.1:80"], &[])?;
    ensure!(did.status != 0 && did.printed.contains("it forwards nothing"), "{}", did.printed);
    let did = ssh(&estate, "cucm", &["-s", "sftp"], &[])?;
    ensure!(did.status != 0 && did.printed.contains("subsystem request failed"), "{}", did.printed);
    let stranger = folder.join("stranger");
    run(&estate, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", path(&stranger)?], &[])?;
    fs::rename(&stranger, &key)?;
    fs::remove_file(key.with_extension("pub"))?;
    let did = ssh(&estate, "cucm", &["show", "ctl"], &[])?;
    ensure!(did.status == 255 && did.printed.contains("Permission denied"), "{}", did.printed);
    eventually("the refusals to be listed", SOON, || {
        let refusals = estate.show_text("refusals", "cucm1")?;
        let all = ["TCP forwarding", "subsystem sftp", "keys that are nobody's here"];
        Ok(if all.iter().all(|words| refusals.contains(words)) { Ok(()) } else { Err(refusals) })
    })
}

/// The client's own defaults, but for files that are not this machine's.
fn ssh(estate: &Estate, host: &str, arguments: &[&str], lines: &[&str]) -> Result<Did> {
    let folder = estate.lab().directory();
    let known = format!("UserKnownHostsFile={}", path(&folder.join("known_hosts"))?);
    let (key, to) = (folder.join("id_ed25519"), format!("ada@{}", estate.lab().host(host).address));
    let mut all = vec!["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new", "-o", &known];
    all.extend(["-o", "IdentitiesOnly=yes", "-i", path(&key)?]);
    // Options stand before the host, a command behind it.
    let (options, command): (&[&str], &[&str]) = match arguments.first() {
        Some(&"-s") => (&["-s"], arguments.get(1..).unwrap_or_default()),
        Some(first) if first.starts_with('-') => (arguments, &[]),
        _ => (&[], arguments),
    };
    all.extend(options);
    all.push(&to);
    all.extend(command);
    let mut program = estate.lab().host(BRIDGE).start("ssh", &all)?;
    for line in lines {
        program.type_line(line)?;
    }
    program.end_input();
    let status = program.wait(SOON.max(Duration::from_secs(60)))?;
    Ok(Did { status: status.code().context("it was killed")?, printed: program.output() })
}

fn run(estate: &Estate, program: &str, arguments: &[&str], lines: &[&str]) -> Result<Did> {
    let mut program = estate.lab().host(BRIDGE).start(program, arguments)?;
    for line in lines {
        program.type_line(line)?;
    }
    program.succeed(SOON)?;
    Ok(Did { status: 0, printed: program.output() })
}

fn path(path: &std::path::Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}
