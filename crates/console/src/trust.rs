//! A call manager's trust lists, mode and phones as text: what `show ctl`, `show itl`, `show phones` and `show
//! security-mode` print, on the terminal and at the console.

use std::fmt::Write;
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::{Context, bail};
use net::Station;
use phones::{Kind, Mode};
use site::{Node, Role, Site};
use store::DataDir;

/// The services for phones of the node named, or of the only one that has some.
///
/// # Errors
/// As [`server_of_phones`]; or its keys are not there.
pub fn station(dir: &DataDir, node: Option<&str>) -> anyhow::Result<Station> {
    let site = dir.site()?;
    let row = server_of_phones(&site, node)?;
    Station::open(dir, &site, row)?.with_context(|| format!("{} serves no phones", row.name))
}

/// The call manager that serves phones, or the one of several that is named.
///
/// # Errors
/// None does, or several do and none was named.
pub fn server_of_phones<'a>(site: &'a Site, node: Option<&str>) -> anyhow::Result<&'a Node> {
    let mut found = None;
    let serves = |row: &&Node| matches!(&row.role, Role::CallManager(manager) if manager.phone_services.is_some());
    for row in site.nodes.iter().filter(|row| node.is_none_or(|name| name == row.name)).filter(serves) {
        if found.replace(row).is_some() {
            bail!("several call managers serve phones: say which one with --node");
        }
    }
    found.context("no call manager here serves phones: write `[node.role.call_manager.phone_services]` in the site, then `ringfence init SITE`")
}

/// The list that phones are given.
///
/// # Errors
/// There is none, and why.
pub fn list(station: &Station, kind: Kind) -> anyhow::Result<String> {
    let Some(list) = station.list(kind) else {
        bail!(
            "There is no {} file: {}",
            kind.word(),
            match kind {
                Kind::Ctl => "the cluster is not in Mixed Mode, or has not been started yet.",
                Kind::Itl => "start the call manager once (`ringfence run`); it writes one.",
            }
        );
    };
    Ok(phones::show(&list, &modified(&station.list_file(kind))?))
}

/// The cluster's mode, and each phone with its profile and its CAPF information.
///
/// # Errors
/// A phone's row cannot be read.
pub fn phones(station: &Station) -> anyhow::Result<String> {
    let mut out = mode(station);
    for (phone, profile, row) in station.phones()? {
        let named = if profile.name.is_empty() { "none" } else { &profile.name };
        let _ = writeln!(out, "\n{} line {}", phone.name, phone.line);
        let _ = writeln!(out, "  Device Security Profile: {named}, {}", profile.device_security_mode.word());
        let _ = writeln!(out, "  Certificate Operation: {}", row.operation());
        let _ = writeln!(out, "  Certificate Operation Status: {}", row.status);
        if let Some(reason) = &row.reason {
            let _ = writeln!(out, "  Reason: {reason}");
        }
    }
    Ok(out)
}

/// Cluster Security Mode, and whether what phones are given says the same.
pub fn security_mode(station: &Station) -> String {
    let (mut out, mode) = (self::mode(station), station.mode());
    let is_current = |kind| station.list(kind).map(|list| station.services().is_current(&list, mode));
    let said = match (mode, is_current(Kind::Ctl)) {
        (Mode::Mixed, Some(true)) => "Check: the CTL file that phones are given says the same.",
        (Mode::Mixed, Some(false)) => {
            "Check: the CTL file says something else: `utils ctl update CTLFile` writes it again."
        }
        (Mode::Mixed, None) => "Check: there is no CTL file: `utils ctl set-cluster mixed-mode` writes one.",
        (Mode::NonSecure, Some(false)) => "Check: a CTL file says that the cluster is mixed: restart Cisco Tftp.",
        (Mode::NonSecure, Some(true) | None) => "Check: no CTL file says anything else.",
    };
    out.push_str(said);
    out.push('\n');
    out
}

fn mode(station: &Station) -> String {
    let mode = station.mode();
    let word = match mode {
        Mode::Mixed => "mixed",
        Mode::NonSecure => "non-secure",
    };
    format!("Cluster Security Mode: {} ({word})\n", mode.code())
}

/// A file's date as `show ctl` has it.
///
/// # Errors
/// It is not there.
pub fn modified(path: &Path) -> anyhow::Result<String> {
    let at = std::fs::metadata(path)?.modified()?.duration_since(UNIX_EPOCH)?.as_secs();
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let utc = trust::Utc::of(at);
    // Months are 1 to 12, and 1970 began on a Thursday.
    let (month, day) = (MONTHS[utc.month as usize - 1], DAYS[(at / 86_400 % 7) as usize]);
    Ok(format!("{day} {month} {:02} {:02}:{:02}:{:02} UTC {}", utc.day, utc.hour, utc.minute, utc.second, utc.year))
}
