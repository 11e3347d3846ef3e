//! Copying a security profile in the text of a site, as an operator does on a call manager's page: everything stays as it
//! is written but the name and, of a trunk's, the certificate subject. Comments and order are kept.

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

/// Where profiles are, in a call manager.
const PROFILES: [&str; 2] = ["sip_trunk_security_profile", "phone_security_profile"];

/// The text with a copy of profile `from` behind it, called `to`. `subjects`: who may use it, where it is a trunk's; none
/// leaves what the other has.
///
/// # Errors
/// Words: there is no such profile, there are several, or the text cannot be edited.
pub fn copy_profile(text: &str, from: &str, to: &str, subjects: &[String]) -> Result<String, String> {
    let mut site: DocumentMut = text.parse().map_err(|error| format!("the site cannot be read: {error}"))?;
    let mut found = Vec::new();
    for rows in profiles(&mut site) {
        let named = |row: &Table, name: &str| row.get("name").and_then(Item::as_str) == Some(name);
        if rows.iter().any(|row| named(row, to)) {
            return Err(format!("there is a profile `{to}` already: give the copy another name"));
        }
        let at = rows.iter().position(|row| named(row, from));
        found.extend(at.map(|at| (rows, at)));
    }
    let (rows, at) = match found.len() {
        1 => found.remove(0),
        0 => {
            return Err(format!(
                "there is no profile `{from}`; profiles that can be copied stand under `[[node.role.call_manager.{}]]`",
                PROFILES.join("]]` or `[[node.role.call_manager.")
            ));
        }
        _ => return Err(format!("several call managers have a profile `{from}`: copy it by hand")),
    };
    let Some(mut row) = rows.get(at).cloned() else { return Err(format!("there is no profile `{from}`")) };
    row.insert("name", value(to));
    row.decor_mut().set_prefix("\n");
    if !subjects.is_empty() {
        row.insert("secure_certificate_subject", value(Array::from_iter(subjects)));
    }
    rows.push(row);
    Ok(site.to_string())
}

fn profiles(site: &mut DocumentMut) -> Vec<&mut ArrayOfTables> {
    let Some(nodes) = site.get_mut("node").and_then(Item::as_array_of_tables_mut) else { return Vec::new() };
    let mut all = Vec::new();
    for node in nodes.iter_mut() {
        let role = node.get_mut("role").and_then(Item::as_table_like_mut);
        let manager = role.and_then(|role| role.get_mut("call_manager")).and_then(Item::as_table_like_mut);
        let Some(manager) = manager else { continue };
        let tables = manager.iter_mut().filter(|(name, _)| PROFILES.contains(&name.get()));
        all.extend(tables.filter_map(|(_, rows)| rows.as_array_of_tables_mut()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Role, Site};

    const LAB: &str = include_str!("../../../examples/lab.toml");

    #[test]
    fn a_copy_differs_in_name_and_subject_alone() {
        let subject = ["vmail.lab.example".to_owned()];
        let text = copy_profile(LAB, "SecureSIPTLSforCube", "SecureSIPTLSforVoicemail", &subject).unwrap();
        assert!(LAB.lines().all(|line| text.contains(line)), "nothing of the site is lost");
        let site = Site::parse(&text).unwrap();
        let Role::CallManager(manager) = &site.node("cucm1").unwrap().role else { panic!("a call manager") };
        let original = manager.profile("SecureSIPTLSforCube").unwrap().clone();
        let mut copy = manager.profile("SecureSIPTLSforVoicemail").unwrap().clone();
        assert_eq!(copy.secure_certificate_subject, subject);
        copy.name = original.name.clone();
        copy.secure_certificate_subject = original.secure_certificate_subject.clone();
        assert_eq!(copy, original);
    }

    #[test]
    fn a_phones_profile_is_copied_too() {
        let profile = "\n[[node.role.call_manager.phone_security_profile]]\nname = \"A\"\nrsa_key_size = 3072\n";
        let text = copy_profile(&format!("{LAB}{profile}"), "A", "A - Secure Profile", &[]).unwrap();
        let site = Site::parse(&text).unwrap();
        let Role::CallManager(manager) = &site.node("cucm1").unwrap().role else { panic!("a call manager") };
        assert_eq!(manager.phone_profile("A - Secure Profile").unwrap().rsa_key_size, 3072);
    }

    #[test]
    fn what_cannot_be_copied_is_said() {
        let copy = |from: &str, to: &str| copy_profile(LAB, from, to, &[]).unwrap_err();
        assert!(copy("SecureSIP", "New").contains("there is no profile `SecureSIP`"));
        assert!(copy("SecureSIPTLSforCube", "SecureSIPTLSforCvp").contains("already"));
        assert!(copy_profile("name = ", "a", "b", &[]).unwrap_err().contains("cannot be read"));
    }
}
