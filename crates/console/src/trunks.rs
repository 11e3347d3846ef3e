//! `show trunks`: where each SIP trunk of a call manager leads, by which security profile, and whether its media is SRTP.

use std::fmt::Write;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use site::{CallManager, Node, Role, SipTrunk, Site};

/// Those of the call manager named, or of all there are.
///
/// # Errors
/// It is none, or the site has none.
pub(crate) fn trunks(site: &Site, node: Option<&str>) -> anyhow::Result<String> {
    let asked = site.nodes.iter().filter(|row| node.is_none_or(|name| name == row.name));
    let managers: Vec<&CallManager> = asked.filter_map(manager).collect();
    if managers.is_empty() {
        match node {
            Some(name) => bail!("`{name}` is no call manager: it has no SIP trunks"),
            None => bail!("the site has no call manager, and so no SIP trunks"),
        }
    }
    let mut out = String::new();
    for manager in managers {
        for trunk in &manager.sip_trunks {
            write_trunk(&mut out, manager, trunk)?;
        }
    }
    if out.is_empty() {
        out.push_str("No trunk: add `[[node.role.call_manager.sip_trunk]]` in the site file.\n");
    }
    Ok(out)
}

fn manager(node: &Node) -> Option<&CallManager> {
    match &node.role {
        Role::CallManager(manager) => Some(manager),
        _ => None,
    }
}

fn write_trunk(out: &mut String, manager: &CallManager, trunk: &SipTrunk) -> anyhow::Result<()> {
    let named = &trunk.sip_trunk_security_profile;
    let profile = manager.profile(named).with_context(|| format!("there is no profile `{named}`"))?;
    let to = SocketAddr::new(trunk.destination_address, trunk.destination_port);
    let media = if trunk.srtp_allowed { "yes" } else { "no, RTP in clear passes" };
    writeln!(out, "{} to {to}", trunk.name)?;
    let mode = profile.device_security_mode.word();
    writeln!(out, "  SIP Trunk Security Profile: {named}, {mode}, {}", profile.outgoing().word())?;
    if !profile.secure_certificate_subject.is_empty() {
        let subjects = profile.secure_certificate_subject.join(", ");
        writeln!(out, "  Secure Certificate Subject or Subject Alternate Name: {subjects}")?;
    }
    writeln!(out, "  SRTP Allowed: {media}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::trunks;

    const LAB: &str = include_str!("../../../examples/lab.toml");

    #[test]
    fn trunks_say_where_they_lead_by_which_profile_and_whether_media_is_srtp() {
        let plain = "sip_trunk_security_profile = \"SecureSIPTLSforCvp\"\nsrtp_allowed = true";
        let site = LAB.replace(plain, &plain.replace("true", "false\ndangerous_plain_rtp = true"));
        let site = site::Site::parse(&site).unwrap();
        let shown = trunks(&site, None).unwrap();
        assert_eq!(
            shown,
            "vCube to 127.18.133.226:5061\n  SIP Trunk Security Profile: SecureSIPTLSforCube, encrypted, tls\n  \
             Secure Certificate Subject or Subject Alternate Name: cube1.lab.example\n  SRTP Allowed: yes\n\
             CVP-SIP-Trunk to 127.18.133.13:5061\n  SIP Trunk Security Profile: SecureSIPTLSforCvp, encrypted, tls\n  \
             Secure Certificate Subject or Subject Alternate Name: cvp1.lab.example\n  \
             SRTP Allowed: no, RTP in clear passes\n"
        );
        assert_eq!(trunks(&site, Some("cucm1")).unwrap(), shown);
        assert!(trunks(&site, Some("cvp1")).unwrap_err().to_string().contains("is no call manager"));
    }
}
