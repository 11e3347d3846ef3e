//! Phone security profiles that exist before any is written: for each kind of phone the standard one, from which others
//! are copied. They are non-secure, as on a call manager; a copy is what phones name.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use crate::{PhoneSecurityProfile, SecurityMode};

/// Kinds of phones that have one.
const PRODUCTS: [&str; 6] = [
    "Cisco Unified Client Services Framework",
    "Cisco 7841",
    "Cisco 8845",
    "Cisco 8865",
    "Third-party SIP Device (Advanced)",
    "Third-party SIP Device (Basic)",
];
const STANDARD: &str = " - Standard SIP Non-Secure Profile";

/// All of them, by the names of their phones.
pub fn templates() -> impl Iterator<Item = PhoneSecurityProfile> {
    PRODUCTS.into_iter().map(|product| PhoneSecurityProfile {
        name: format!("{product}{STANDARD}"),
        product_type: product.to_owned(),
        ..PhoneSecurityProfile::of_none(SecurityMode::NonSecure)
    })
}

/// The text with a copy of a template, called `to`, in call manager `node` (or the only one). Product type and protocol
/// are the template's; `secure` makes the copy encrypted over TLS.
///
/// # Errors
/// Words: there is no such template, `to` is taken, or it is not clear which call manager is meant.
pub fn copy_template(text: &str, from: &str, to: &str, node: Option<&str>, secure: bool) -> Result<String, String> {
    let template = templates().find(|template| template.name == from);
    let template = template.ok_or_else(|| {
        format!("there is no profile `{from}`; `ringfence profile list` has those that can be copied")
    })?;
    let mut site: DocumentMut = text.parse().map_err(|error| format!("the site cannot be read: {error}"))?;
    let rows = rows_of(&mut site, node)?;
    let is_taken = |row: &Table| row.get("name").and_then(Item::as_str) == Some(to);
    if rows.iter().any(is_taken) || templates().any(|template| template.name == to) {
        return Err(format!("there is a profile `{to}` already: give the copy another name"));
    }
    let mut row = Table::new();
    row.insert("name", value(to));
    row.insert("product_type", value(template.product_type));
    row.insert("device_protocol", value(template.device_protocol));
    let mode = if secure { SecurityMode::Encrypted } else { template.device_security_mode };
    row.insert("device_security_mode", value(mode.word()));
    if secure {
        row.insert("transport_type", value("tls"));
    }
    row.decor_mut().set_prefix("\n");
    rows.push(row);
    Ok(site.to_string())
}

/// The profiles of the call manager that is meant.
fn rows_of<'a>(site: &'a mut DocumentMut, wanted: Option<&str>) -> Result<&'a mut ArrayOfTables, String> {
    let nodes = site.get_mut("node").and_then(Item::as_array_of_tables_mut).ok_or("the site has no nodes")?;
    let mut found = Vec::new();
    for node in nodes.iter_mut() {
        let name = node.get("name").and_then(Item::as_str).unwrap_or_default().to_owned();
        let role = node.get_mut("role").and_then(Item::as_table_like_mut);
        let manager = role.and_then(|role| role.get_mut("call_manager")).and_then(Item::as_table_like_mut);
        if wanted.is_none_or(|wanted| wanted == name) {
            found.extend(manager);
        }
    }
    let manager = match found.len() {
        1 => found.remove(0),
        0 => return Err("there is no such call manager".into()),
        _ => return Err("several call managers: say which one with --node".into()),
    };
    let rows = manager.entry("phone_security_profile").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    rows.as_array_of_tables_mut()
        .ok_or_else(|| "write its profiles as `[[node.role.call_manager.phone_security_profile]]`".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Role, Site, TransportType};

    const LAB: &str = include_str!("../../../examples/lab.toml");
    const SOFT_PHONE: &str = "Cisco Unified Client Services Framework - Standard SIP Non-Secure Profile";
    const SECURE: &str = "Cisco Unified Client Services Framework - Secure Profile";

    #[test]
    fn the_soft_phones_template_is_copied_into_a_secure_profile_of_its_kind() {
        let template = templates().find(|template| template.name == SOFT_PHONE).unwrap();
        assert_eq!(template.device_security_mode, SecurityMode::NonSecure);
        let text = copy_template(LAB, SOFT_PHONE, SECURE, None, true).unwrap();
        assert!(LAB.lines().all(|line| text.contains(line)), "nothing of the site is lost");
        let site = Site::parse(&text).unwrap();
        let Role::CallManager(manager) = &site.node("cucm1").unwrap().role else { panic!("a call manager") };
        let copy = manager.phone_profile(SECURE).unwrap();
        assert_eq!((&copy.product_type, &copy.device_protocol), (&template.product_type, &template.device_protocol));
        assert_eq!((copy.device_security_mode, copy.transport()), (SecurityMode::Encrypted, TransportType::Tls));
        // And a copy of the copy is of the same kind.
        let again = crate::copy_profile(&text, SECURE, "Another", &[]).unwrap();
        let site = Site::parse(&again).unwrap();
        let Role::CallManager(manager) = &site.node("cucm1").unwrap().role else { panic!("a call manager") };
        assert_eq!(manager.phone_profile("Another").unwrap().product_type, template.product_type);
    }

    #[test]
    fn a_copy_that_is_not_secure_is_not_run_unless_the_node_says_so_loudly() {
        let text = copy_template(LAB, SOFT_PHONE, "Plain", Some("cucm1"), false).unwrap();
        assert!(Site::parse(&text).is_err());
        for (from, to, node, words) in [
            ("Nothing", "A", None, "there is no profile `Nothing`"),
            (SOFT_PHONE, SOFT_PHONE, None, "already"),
            (SOFT_PHONE, "A", Some("cube1"), "no such call manager"),
        ] {
            let error = copy_template(LAB, from, to, node, true).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
