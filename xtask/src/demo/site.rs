//! The demo's site: `examples/lab.toml`, and what an agent's desk and phone need beside it.

use anyhow::{Result, ensure};

/// The agent's phone, as the lab has it.
pub(super) const PHONE: &str = "SEP000000001001";
/// Where the phone asks first. 69 would take root.
pub(super) const TFTP: &str = "127.18.133.3:10069";

/// What stands before each in the example: the node's own settings end there.
const BEFORE: [&str; 2] =
    ["[[node.role.call_server.sip_server_group]]", "[[node.role.call_manager.sip_trunk_security_profile]]"];

/// The lab with a desk at its call server, and with services for phones at its call manager: a cluster in mixed mode whose
/// CAPF is to give the agent's phone its certificate.
///
/// # Errors
/// The example has another form.
pub(super) fn made(lab: &str) -> Result<String> {
    let port = TFTP.rsplit(':').next().unwrap_or_default();
    let added = [
        "[node.role.call_server.desk]".to_owned(),
        format!(
            "[node.role.call_manager.phone_services]\ntftp_port = {port}\n\n\
             [[node.role.call_manager.phone_services.device]]\nphone = \"{PHONE}\"\n\
             certificate_operation = \"install_upgrade\"\noperation_completes_by = \"2099-12-31\""
        ),
    ];
    let mut site = lab.to_owned();
    for (before, added) in BEFORE.iter().zip(added) {
        ensure!(site.contains(before), "expected {before} in the example");
        site = site.replacen(before, &format!("{added}\n\n{before}"), 1);
    }
    Ok(site)
}
