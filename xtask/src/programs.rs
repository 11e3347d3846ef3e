//! The programs that others wrote and our interop runs drive: there, installed now, or named in one command.

use anyhow::{Result, bail};

use crate::run::{command, have, output};

/// Program and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 14] = [
    ("sipp", "sip-tester"),
    ("baresip", "baresip-core"),
    ("kamailio", "kamailio"),
    ("linphonec", "linphone-cli"),
    ("tshark", "tshark"),
    ("dumpcap", "wireshark-common"),
    ("openssl", "openssl"),
    ("ip", "iproute2"),
    ("ssh", "openssh-client"),
    ("slapd", "slapd"),
    ("espeak-ng", "espeak-ng"),
    ("flite", "flite"),
    // Not interop's: the token that the CA's key is tried in, and an authority that speaks ACME.
    ("softhsm2-util", "softhsm2"),
    ("pebble", "pebble"),
];
/// Said before they are installed: the directory gets no configuration, so its package starts no server.
const SETTLED: &str = "echo 'slapd slapd/no_configuration boolean true' | debconf-set-selections";
/// Packages without a program of their own.
const COMPANIONS: [&str; 2] = ["kamailio-tls-modules", "python3-websockets"];

pub(crate) fn ensure() -> Result<()> {
    let mut missing: Vec<&str> = PROGRAMS.iter().filter(|(program, _)| !have(program)).map(|(_, p)| *p).collect();
    missing.extend(COMPANIONS.into_iter().filter(|package| {
        let status = output("dpkg-query", &["-W", "-f=${Status}", package]);
        !status.is_ok_and(|status| status.contains("ok installed"))
    }));
    if missing.is_empty() {
        return Ok(());
    }
    let wanted = missing.join(" ");
    let by_hand = format!(
        "{SETTLED} && apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {wanted}"
    );
    let root = output("id", &["-u"]).is_ok_and(|id| id.trim() == "0");
    if !root || !have("apt-get") {
        bail!("the interop runs need {wanted}. As root: {by_hand}\nor leave them out: cargo xtask test --quick");
    }
    command("sh", &["-c", &by_hand])
}
