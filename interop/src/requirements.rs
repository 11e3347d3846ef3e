//! The programs that the runs need, and what to say when one is missing: a test then fails with the
//! one command that helps. It is never skipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// The packages of Debian and Ubuntu that hold every program used here.
pub const PACKAGES: [&str; 14] = [
    "baresip-core",
    "curl",
    "flite",
    "iproute2",
    "kamailio",
    "kamailio-tls-modules",
    "linphone-cli",
    "openssh-client",
    "openssl",
    "python3-websockets",
    "sip-tester",
    "slapd",
    "tshark",
    "util-linux",
];

/// The programs looked for, in the order of a failing report.
pub const PROGRAMS: [&str; 14] = [
    "ip",
    "setpriv",
    "sipp",
    "baresip",
    "kamailio",
    "linphonec",
    "dumpcap",
    "tshark",
    "openssl",
    "curl",
    "ssh",
    "ssh-keygen",
    "slapd",
    "slapadd",
];

/// The command that installs all of them. The directory gets no configuration, so that its package starts no server.
pub fn install_command() -> String {
    format!(
        "echo 'slapd slapd/no_configuration boolean true' | debconf-set-selections && apt-get update && \
         DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends {}",
        PACKAGES.join(" ")
    )
}

/// Which of [`PROGRAMS`] are not here.
pub fn missing() -> Vec<&'static str> {
    PROGRAMS.into_iter().filter(|program| find(program).is_err()).collect()
}

/// The path of a program.
///
/// # Errors
/// When it is not installed, with the command that installs it.
pub fn find(program: &str) -> Result<PathBuf> {
    let path = Path::new(program);
    if path.is_absolute() {
        if path.is_file() {
            return Ok(path.to_owned());
        }
        bail!("{program} is not there; build it first: cargo build --package ringfence");
    }
    let searched = std::env::var("PATH").unwrap_or_default();
    let folders = searched.split(':').chain(["/usr/sbin", "/sbin"]);
    match folders.map(|folder| Path::new(folder).join(program)).find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("{program} is not installed; this installs what the interop runs need:\n  {}", install_command()),
    }
}

/// Checks that this process may make network namespaces.
///
/// # Errors
/// When it may not, with the command that runs the tests so that they may.
pub fn namespaces() -> Result<()> {
    let ip = find("ip")?;
    // Listing never fails; entering a namespace of its own needs the privilege that making one needs.
    let allowed = Command::new("unshare").args(["--net", "--mount"]).arg(ip).arg("link").output();
    if allowed.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    bail!("making network namespaces needs root; run the tests as root:\n  sudo --preserve-env cargo xtask test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_answered_with_the_one_command_that_installs_it() {
        let told = find("no-such-telephone").unwrap_err().to_string();
        assert!(told.contains("no-such-telephone is not installed"), "{told}");
        assert!(told.contains("apt-get install") && told.contains("sip-tester"), "{told}");
        assert!(find("/no/such/ringfence").unwrap_err().to_string().contains("cargo build"));
    }
}
