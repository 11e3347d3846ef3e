//! `ringfence profile list`: which security profiles there are; `profile copy`: one more, in the site file.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use admin::cli::Profile;
use anyhow::Context;
use serde_json::{Value, json};
use site::{CallManager, PhoneSecurityProfile, Role, Site};

use super::{Outcome, check};

pub(crate) fn run(profile: &Profile) -> Outcome {
    match profile {
        Profile::List { site, product, json } => list(site, product.as_deref(), *json),
        Profile::Copy { site, from, to, secure, node, subject } => {
            copy(site, (from, to), subject, *secure, node.as_deref())
        }
    }
}

fn copy(site: &Path, (from, to): (&str, &str), subject: &[String], secure: bool, node: Option<&str>) -> Outcome {
    let text =
        std::fs::read_to_string(site).with_context(|| format!("cannot read the site file {}", site.display()))?;
    let is_template = site::templates().any(|template| template.name == from);
    let copied = match is_template {
        true => site::copy_template(&text, from, to, node, secure),
        false => site::copy_profile(&text, from, to, subject),
    };
    let copied = copied.map_err(anyhow::Error::msg)?;
    // Nothing is saved that could not be run.
    if check::report(site, &copied).is_none() {
        return Ok(ExitCode::from(super::BAD_SITE));
    }
    std::fs::write(site, copied).with_context(|| format!("cannot write {}", site.display()))?;
    println!("Add successful");
    if !is_template {
        println!("Reset of the trunk is required to have changes take effect.");
        println!("(`ringfence run` resets it when it reads the site again: calls that are up go on)");
    }
    Ok(ExitCode::SUCCESS)
}

fn list(site: &Path, product: Option<&str>, as_json: bool) -> Outcome {
    let text =
        std::fs::read_to_string(site).with_context(|| format!("cannot read the site file {}", site.display()))?;
    let Some(site) = check::report(site, &text) else { return Ok(ExitCode::from(super::BAD_SITE)) };
    let rows = rows(&site, product);
    if as_json {
        println!("{}", serde_json::to_string_pretty(&rows.iter().map(Row::as_data).collect::<Vec<_>>())?);
    } else {
        print!("{}", as_text(&rows));
    }
    Ok(if rows.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A profile as it is listed.
struct Row {
    name: String,
    /// A trunk's, a phone's, or a template of phones' profiles.
    kind: &'static str,
    product: String,
    mode: &'static str,
    transport: &'static str,
    /// Trunks or phones that name it.
    used: usize,
}

impl Row {
    fn of_phone(kind: &'static str, profile: &PhoneSecurityProfile, used: usize) -> Row {
        Row {
            name: profile.name.clone(),
            kind,
            product: profile.product_type.clone(),
            mode: profile.device_security_mode.word(),
            transport: profile.transport().word(),
            used,
        }
    }

    fn as_data(&self) -> Value {
        json!({
            "name": self.name, "kind": self.kind, "product_type": self.product, "device_security_mode": self.mode,
            "transport_type": self.transport, "used": self.used,
        })
    }
}

/// Of the site first, then templates. Asked for a kind of phone, trunks have none.
fn rows(site: &Site, product: Option<&str>) -> Vec<Row> {
    let wanted = product.map(str::to_lowercase);
    let fits = |row: &Row| {
        wanted.as_ref().is_none_or(|wanted| row.kind != "trunk" && row.product.to_lowercase().contains(wanted.as_str()))
    };
    let managers = site.nodes.iter().filter_map(|node| match &node.role {
        Role::CallManager(manager) => Some(manager),
        _ => None,
    });
    let templates = site::templates().map(|template| Row::of_phone("template", &template, 0));
    managers.flat_map(of_manager).chain(templates).filter(fits).collect()
}

fn of_manager(manager: &CallManager) -> Vec<Row> {
    let trunks = manager.sip_trunk_security_profiles.iter().map(|profile| Row {
        name: profile.name.clone(),
        kind: "trunk",
        product: String::new(),
        mode: profile.device_security_mode.word(),
        transport: profile.incoming().word(),
        used: manager.sip_trunks.iter().filter(|trunk| trunk.sip_trunk_security_profile == profile.name).count(),
    });
    let phones = manager.phone_security_profiles.iter().map(|profile| {
        let names = |phone: &&site::Phone| phone.device_security_profile.as_deref() == Some(profile.name.as_str());
        Row::of_phone("phone", profile, manager.phones.iter().filter(names).count())
    });
    trunks.chain(phones).collect()
}

fn as_text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "No profile is for such a phone.\n".into();
    }
    let widest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for row in rows {
        let used = if row.kind == "template" { "copy it".to_owned() } else { format!("used by {}", row.used) };
        // Writing to a String never fails.
        let _ = writeln!(out, "{:widest$}  {:8}  {:13}  {:7}  {used}", row.name, row.kind, row.mode, row.transport);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = include_str!("../../../../examples/lab.toml");

    #[test]
    fn profiles_are_listed_and_found_by_the_kind_of_phone() {
        let site = Site::parse(LAB).unwrap();
        let all = rows(&site, None);
        let text = as_text(&all);
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
        assert!(
            line("SecureSIPTLSforCube ").contains("encrypted") && line("SecureSIPTLSforCube ").contains("used by 1")
        );
        let found = rows(&site, Some("client services"));
        assert_eq!(found.len(), 1, "the soft phone's alone");
        assert!(found[0].name.ends_with("Standard SIP Non-Secure Profile") && found[0].mode == "non_secure");
        assert!(rows(&site, Some("fax")).is_empty());
    }
}
