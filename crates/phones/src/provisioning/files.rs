//! Each maker's file.

use super::{Handset, Xml};

/// `key = value` lines.
fn pairs(start: &str, rows: &[(&str, &str)]) -> String {
    let lines: Vec<String> = rows.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    format!("{start}{}", lines.concat())
}

pub(super) fn yealink(handset: &Handset) -> String {
    let (port, expires) = (handset.port.to_string(), handset.register_expires_s.to_string());
    pairs(
        "#!version:1.0.0.1\n",
        &[
            ("account.1.enable", "1"),
            ("account.1.label", &handset.display_name),
            ("account.1.display_name", &handset.display_name),
            ("account.1.user_name", &handset.number),
            ("account.1.auth_name", &handset.auth_user),
            ("account.1.password", &handset.secret),
            ("account.1.sip_server.1.address", &handset.server),
            ("account.1.sip_server.1.port", &port),
            // 2 is TLS.
            ("account.1.sip_server.1.transport_type", "2"),
            ("account.1.sip_server.1.expires", &expires),
            // 2 is "compulsory".
            ("account.1.srtp_encryption", "2"),
            ("static.trusted_certificates.url", &handset.root_url),
            ("static.security.trust_certificates", "1"),
            ("static.security.cn_validation", "1"),
            // 1 is "only uploaded certificates".
            ("static.security.ca_cert", "1"),
            ("sip.tls_min_version", "TLSv1.2"),
        ],
    )
}

/// Numbers of parameters, as the maker's templates list them.
pub(super) fn grandstream(handset: &Handset) -> String {
    let mut xml = Xml::new("gs_provision", &[("version", "1")]);
    xml.text("mac", &handset.mac).start("config", &[("version", "1")]);
    let server = format!("{}:{}", handset.server, handset.port);
    let minutes = (handset.register_expires_s / 60).max(1).to_string();
    for (parameter, value) in [
        ("P271", "1"),
        ("P270", handset.display_name.as_str()),
        ("P3", &handset.display_name),
        ("P35", &handset.number),
        ("P36", &handset.auth_user),
        ("P34", &handset.secret),
        ("P47", &server),
        ("P32", &minutes),
        // SIP transport: TLS.
        ("P130", "2"),
        // SRTP: enabled and forced.
        ("P183", "2"),
        // The server's certificate is checked against ours.
        ("P2311", "1"),
        ("P8434", &handset.root_url),
    ] {
        xml.text(parameter, value);
    }
    xml.finish()
}

pub(super) fn snom(handset: &Handset) -> String {
    let mut xml = Xml::new("settings", &[]);
    xml.start("phone-settings", &[("e", "2")]);
    let registrar = format!("{}:{};transport=tls", handset.server, handset.port);
    for (name, value) in [
        ("user_active", "on"),
        ("user_realname", handset.display_name.as_str()),
        ("user_name", &handset.number),
        ("user_pname", &handset.auth_user),
        ("user_pass", &handset.secret),
        ("user_host", &handset.server),
        ("user_outbound", &registrar),
        ("user_expiry", &handset.register_expires_s.to_string()),
        ("user_srtp", "on"),
        // SRTP and nothing else.
        ("user_savp", "mandatory"),
        ("user_auth_tag", "off"),
    ] {
        xml.text_with(name, &[("idx", "1"), ("perm", "")], value);
    }
    xml.text_with("check_server_certificate", &[("perm", "")], "on").end();
    xml.start("certificates", &[]).empty("certificate", &[("url", &handset.root_url)]);
    xml.finish()
}

pub(super) fn poly_master(mac: &str) -> String {
    let mut xml = Xml::new("APPLICATION", &[("CONFIG_FILES", &format!("{mac}-phone.cfg")), ("MISC_FILES", "")]);
    xml.end();
    xml.finish()
}

pub(super) fn poly(handset: &Handset) -> String {
    let mut xml = Xml::new("polycomConfig", &[]);
    let (port, expires) = (handset.port.to_string(), handset.register_expires_s.to_string());
    xml.empty(
        "reg",
        &[
            ("reg.1.address", &handset.number),
            ("reg.1.displayName", &handset.display_name),
            ("reg.1.label", &handset.number),
            ("reg.1.auth.userId", &handset.auth_user),
            ("reg.1.auth.password", &handset.secret),
            ("reg.1.server.1.address", &handset.server),
            ("reg.1.server.1.port", &port),
            ("reg.1.server.1.transport", "TLS"),
            ("reg.1.server.1.expires", &expires),
            ("reg.1.srtp.enable", "1"),
            ("reg.1.srtp.offer", "1"),
            ("reg.1.srtp.require", "1"),
        ],
    );
    xml.empty(
        "sec",
        &[
            ("sec.srtp.enable", "1"),
            ("sec.srtp.require", "1"),
            ("sec.TLS.customCaCert.1", &handset.root_url),
            ("sec.TLS.profileSelection.SIP", "ApplicationProfile1"),
            ("sec.TLS.profile.1.caCert.defaultList", "0"),
            ("sec.TLS.profile.1.caCert.application1", "1"),
            ("sec.TLS.SIP.strictCertCommonNameValidation", "1"),
        ],
    );
    xml.finish()
}

/// A line of baresip's `accounts`.
pub(super) fn baresip_account(handset: &Handset) -> String {
    let name = handset.display_name.replace(['"', '\\', '<', '>', ';'], " ");
    format!(
        "\"{name}\" <sip:{}@{}:{};transport=tls>;auth_user={};auth_pass={};mediaenc=srtp-mand;regint={};answermode=manual\n",
        handset.number, handset.server, handset.port, handset.auth_user, handset.secret, handset.register_expires_s
    )
}

pub(super) fn baresip_config(handset: &Handset) -> String {
    // baresip's own files have a tab between key and value.
    format!(
        "# Root certificate: fetch it from {} and name it here.\nsip_cafile\t\troot.pem\nsip_verify_server\tyes\nmodule\t\t\tsrtp.so\nmodule\t\t\tg711.so\nmodule_app\t\taccount.so\n",
        handset.root_url
    )
}

/// Remote provisioning (`lpconfig.xsd`).
pub(super) fn linphone(handset: &Handset) -> String {
    let mut xml = Xml::new("config", &[("xmlns", "http://www.linphone.org/xsds/lpconfig.xsd")]);
    let mut section = |name: &str, entries: &[(&str, String)]| {
        xml.start("section", &[("name", name)]);
        for (key, value) in entries {
            xml.text_with("entry", &[("name", key), ("overwrite", "true")], value);
        }
        xml.end();
    };
    section(
        "sip",
        &[
            ("default_proxy", "0".into()),
            // 0 closes what is not TLS.
            ("sip_port", "0".into()),
            ("sip_tcp_port", "0".into()),
            ("sip_tls_port", "-1".into()),
            ("media_encryption", "srtp".into()),
            ("media_encryption_mandatory", "1".into()),
            ("verify_server_certs", "1".into()),
            ("verify_server_cn", "1".into()),
        ],
    );
    section(
        "proxy_0",
        &[
            ("reg_proxy", format!("<sip:{}:{};transport=tls>", handset.server, handset.port)),
            ("reg_identity", format!("\"{}\" <sip:{}@{}>", handset.display_name, handset.number, handset.server)),
            ("reg_expires", handset.register_expires_s.to_string()),
            ("reg_sendregister", "1".into()),
        ],
    );
    section(
        "auth_info_0",
        &[
            ("username", handset.number.clone()),
            ("userid", handset.auth_user.clone()),
            ("passwd", handset.secret.clone()),
            ("domain", handset.server.clone()),
        ],
    );
    xml.finish()
}
