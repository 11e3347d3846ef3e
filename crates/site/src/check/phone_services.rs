//! Phone services: every device is a phone of this call manager, every operation can run.

use std::collections::BTreeMap;

use crate::check::{Check, security_profile};
use crate::{CallManager, Node, Phone, PhoneDevice, PhoneSecurityProfile, PhoneServices};

pub(super) fn check(
    check: &mut Check<'_, '_, '_>,
    node: &Node,
    manager: &CallManager,
    services: &PhoneServices,
    path: &str,
) {
    let ports = [
        ("http_port", services.http_port),
        ("https_port", services.https_port),
        ("https_client_port", services.https_client_port),
        ("capf_port", services.capf_port),
        ("tvs_port", services.tvs_port),
    ];
    for (at, (field, port)) in ports.iter().enumerate() {
        let taken = [Some(node.secure_port), Some(node.control_port), node.console_port_here()];
        if taken.contains(&Some(*port)) || ports.iter().take(at).any(|(_, before)| before == port) {
            check.error(
                format!("{path}.{field}"),
                format!("port {port} of node `{}` has another use", node.name),
                format!("give `{field}` a port of its own, or leave it out for the usual one"),
            );
        }
    }
    if services.dangerous_sha1_signatures {
        check.warning(
            format!("{path}.dangerous_sha1_signatures"),
            "lists and files are signed with SHA-1, which can be forged with effort",
            "leave it out unless a phone is too old for SHA-512",
        );
    }
    for (at, phone) in manager.phones.iter().enumerate() {
        let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
        if phone.name.len() > 64 || !phone.name.bytes().all(good) {
            check.error(
                path.replace(".phone_services", &format!(".phone[{at}].name")),
                format!("phone `{}` asks for its files by this name, which no file can have", phone.name),
                "write letters, digits, `-` and `_`, such as `SEP001122334455`",
            );
        }
    }
    check.unique(&format!("{path}.device"), "phone", services.devices.iter().map(|device| device.phone.as_str()));
    let names: Vec<&str> = manager.phones.iter().map(|phone| phone.name.as_str()).collect();
    // There may be thousands of each.
    let phones: BTreeMap<&str, &Phone> = manager.phones.iter().map(|phone| (phone.name.as_str(), phone)).collect();
    for (at, row) in services.devices.iter().enumerate() {
        let path = format!("{path}.device[{at}]");
        let phone = phones.get(row.phone.as_str()).copied();
        if phone.is_none() {
            check.refers(format!("{path}.phone"), "phone", &row.phone, &names);
        }
        if row.certificate_operation.is_some() && !services.activate_capf {
            check.error(
                format!("{path}.certificate_operation"),
                format!("`{}` is to have a certificate, and CAPF, which gives it one, is not activated", row.phone),
                "remove `activate_capf = false` from the phone services, or leave the operation out",
            );
        }
        if let Some(phone) = phone {
            device(check, row, &row.over(manager.profile_of(phone)), &path);
        }
    }
}

/// `terms`: the row over its phone's profile.
fn device(check: &mut Check<'_, '_, '_>, device: &PhoneDevice, terms: &PhoneSecurityProfile, path: &str) {
    let name = &device.phone;
    if device.certificate_operation.is_some() && device.completes_by().is_none() {
        check.error(
            format!("{path}.operation_completes_by"),
            format!("the certificate operation of `{name}` has no date by which it must be done"),
            "write a day such as `operation_completes_by = \"2027-12-31\"`",
        );
    }
    let secret = device.authentication_secret.as_deref().unwrap_or_default();
    let fits = (4..=16).contains(&secret.len()) && secret.bytes().all(|digit| digit.is_ascii_digit());
    if terms.authentication_mode == "authentication_string" && !fits {
        check.error(
            format!("{path}.authentication_secret"),
            format!("`{name}` proves itself by an authentication string, and that is 4 to 16 digits"),
            "write `authentication_secret = \"…\"`, six random digits or more",
        );
    }
    security_profile::key_sizes(check, &format!("device `{name}`"), terms, path);
    if terms.key_order != "rsa_only" && terms.tftp_encrypted_config {
        check.error(
            format!("{path}.tftp_encrypted_config"),
            format!("nothing can be encrypted to the elliptic key of `{name}`"),
            "write `tftp_encrypted_config = false`: such a phone fetches its configuration over HTTPS with its certificate",
        );
    }
}
