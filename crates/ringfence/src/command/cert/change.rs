//! Commands that change certificates while nodes run: each says first what it interrupts, and hands what it made to them.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::SystemTime;

use admin::api::{Reload, Reloaded};
use admin::certificates::{Certificates, date};
use admin::estate::Estate;
use anyhow::{Context, bail, ensure};
use net::{Connections, RecoveryRenewed, Station};
use store::{DataDir, Lsc, Renewed, RootRenewed};
use trust::{KeyKind, Reason};

use super::super::wait_for;

pub(super) fn renew(data: &DataDir, name: &str, at_once: bool) -> anyhow::Result<()> {
    if name == "root" {
        return renew_root(data, at_once);
    }
    if let Some((node, which)) = name.split_once('/') {
        if ["itlrecovery", "recovery"].iter().any(|word| which.eq_ignore_ascii_case(word)) {
            return renew_recovery(data, node, at_once);
        }
        println!(
            "{node}: calls and registrations stay up; phones learn of it from a list that the same recovery key signs."
        );
        let facts = data.renew_phone_key(node, which, SystemTime::now())?;
        println!(
            "{name}: serial {}, until {}; what was before stays in the lists.",
            facts.serial,
            date(facts.not_after)
        );
        return tell(data, None);
    }
    let held = if name == "admin" { data.admin() } else { data.identity(name) };
    println!("{name}: connections and calls that are up stay up; the certificate before stays good until its own end.");
    match data.renew(name, SystemTime::now(), at_once)? {
        Renewed::Taken(facts) => {
            println!("{name}: serial {}, until {}", facts.serial, date(facts.not_after));
            if let Ok(held) = held {
                println!("If the key of before is not to be trusted: ringfence cert revoke {}", held.facts().serial);
            }
            if at_once {
                println!(
                    "Phones that hold lists without it cannot register anew until they have fetched the lists again."
                );
            }
        }
        Renewed::Announced(facts, from) => println!(
            "{name}: serial {} is in the phones' lists from now on and in force from {}: until then phones fetch it. \
             (Now, whatever phones hold: --dangerous-at-once)",
            facts.serial,
            date(from)
        ),
    }
    println!(
        "(A node that runs from another data directory has it after `ringfence data export`, or by csr, sign and import.)"
    );
    tell(data, None)?;
    say_distrust(data)
}

fn renew_root(data: &DataDir, at_once: bool) -> anyhow::Result<()> {
    println!("The site's root: connections and calls that are up stay up.");
    match data.renew_root(SystemTime::now(), at_once)? {
        RootRenewed::Announced(facts, from) => println!(
            "`{}` is believed beside the one in force from now on, and issues from {}. (Now: --dangerous-at-once)",
            facts.subject,
            date(from)
        ),
        RootRenewed::Issues(facts) => println!(
            "`{}` issues from now on, until {}; identities are made anew by it within a minute, call managers' after their \
             fortnight. The one before is believed until its end.",
            facts.subject,
            date(facts.not_after)
        ),
    }
    println!("Peers outside that have the one before alone need it before that ends: ringfence cert export root");
    tell(data, Some(data.handout()?))
}

fn renew_recovery(data: &DataDir, node: &str, at_once: bool) -> anyhow::Result<()> {
    let site = data.site()?;
    let row = site.node(node).with_context(|| format!("there is no node `{node}` in the site"))?;
    match Station::renew_recovery(data, &site, row, SystemTime::now(), at_once)? {
        RecoveryRenewed::Announced(facts, awaited) => {
            println!("{node}: the next ITLRecovery, serial {}, is told in phones' lists from now on.", facts.serial);
            println!(
                "It signs them from {} at the earliest, by itself, when each phone that is known holds such a list; {} do not: {}",
                date(facts.not_before + 3600 + 14 * 86_400),
                awaited.len(),
                awaited.join(", ")
            );
        }
        RecoveryRenewed::Taken(facts) => {
            println!(
                "{node}: ITLRecovery with serial {} signs phones' lists; the one before stays in them.",
                facts.serial
            );
        }
    }
    tell(data, None)
}

pub(super) fn revoke(data: &DataDir, what: &str, reason: &str, yes: bool) -> anyhow::Result<()> {
    let (reason, now) = (Reason::parse(reason).map_err(anyhow::Error::msg)?, SystemTime::now());
    // A phone may have certificates of both authorities.
    let of_phones = data.phone_certificates(what, now);
    let meant = match data.issued(what, now) {
        Err(_) if of_phones.as_ref().map_or(true, |lscs| !lscs.is_empty()) => Vec::new(),
        meant => meant?,
    };
    let of_phones = match of_phones {
        Err(_) if !meant.is_empty() => Vec::new(),
        of_phones => of_phones?,
    };
    let is_meant = |facts: &trust::CertificateFacts| {
        let of_phone = |lsc: &Lsc| (&lsc.issuer, &lsc.serial) == (&facts.issuer, &facts.serial);
        meant.iter().any(|issued| issued.serial == facts.serial) || of_phones.iter().any(of_phone)
    };
    if let Ok(admin) = data.admin()
        && is_meant(admin.facts())
    {
        bail!(
            "this is the certificate that the command line shows to the nodes: run `ringfence cert renew admin`, then revoke serial {}",
            admin.facts().serial
        );
    }
    for issued in &meant {
        println!("{}, serial {}, is taken back for good.", issued.subject, issued.serial);
    }
    for lsc in &of_phones {
        println!("{}, serial {}, of {}'s CAPF, is taken back for good.", lsc.device, lsc.serial, lsc.node);
    }
    // Where nodes run that were exported there is no administrator's identity: they look by themselves.
    let estate = Estate::open(data);
    if let Ok(estate) = &estate {
        match wait_for(uses(estate, is_meant))?.as_slice() {
            [] => println!("No node that runs has a connection with it."),
            all => println!("Closed at once: {}.", all.join(", ")),
        }
    }
    if let Some((name, _)) = data.identities()?.into_iter().find(|(_, facts)| is_meant(facts)) {
        println!("{name} is out of service with it, until `ringfence cert renew {name}` gives it another.");
    }
    for device in of_phones.iter().map(|lsc| &lsc.device).collect::<BTreeSet<_>>() {
        println!(
            "{device} comes back when it enrols anew: give its row in `phone_services` a new authentication_secret, and enter that at the phone."
        );
    }
    ensure!(yes || confirmed()?, "nothing was revoked");
    if !of_phones.is_empty() {
        data.revoke_phone_certificates(&of_phones, reason, now)?;
        println!("Revoked ({reason}).");
    }
    let mut list = None;
    if !meant.is_empty() {
        let done = data.revoke(what, reason, now)?;
        println!("Revoked ({reason}), on list {}.", done.list.facts().number);
        list = Some(data.handout()?);
    }
    match estate {
        Ok(estate) => hand(&estate, list)?,
        Err(_) => println!("A process that runs from this directory takes it within a minute, or at SIGHUP."),
    }
    say_distrust(data)
}

/// Makes the list anew.
pub(super) fn list(data: &DataDir) -> anyhow::Result<()> {
    let list = data.make_list(SystemTime::now())?;
    let facts = list.facts();
    println!("List {} of {} revoked certificates, good until {}.", facts.number, facts.revoked, date(facts.next));
    tell(data, Some(data.handout()?))
}

pub(super) fn import(data: &DataDir, name: &str, chain: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(chain).with_context(|| format!("cannot read {}", chain.display()))?;
    let facts = data.import(name, &text, SystemTime::now())?;
    println!("{name}: {} by {}, until {}", facts.subject, facts.issuer, date(facts.not_after));
    println!("Connections and calls that are up stay up.");
    tell(data, None)?;
    say_distrust(data)
}

pub(super) fn acme(data: &DataDir, name: &str) -> anyhow::Result<()> {
    let facts = wait_for(net::acme::order(data, name))?;
    println!("{name}: {} by {}, until {}", facts.subject, facts.issuer, date(facts.not_after));
    println!("Connections and calls that are up stay up.");
    tell(data, None)?;
    say_distrust(data)
}

pub(super) fn self_sign(data: &DataDir, name: &str, kind: KeyKind) -> anyhow::Result<()> {
    let facts = data.self_sign(name, kind, SystemTime::now())?;
    println!("{name}: {} by itself, until {}, SHA-256 {}", facts.subject, date(facts.not_after), facts.fingerprint);
    println!(
        "Whom it is shown to must be given it (`ringfence cert export {name}`); what they show belongs into roots/NAME.pem, with `authority = \"NAME\"` at the peer."
    );
    tell(data, None)?;
    say_distrust(data)
}

/// Who has connections with these certificates, a phrase each.
async fn uses(estate: &Estate, meant: impl Fn(&trust::CertificateFacts) -> bool) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for client in estate.nodes(None, |_| true)? {
        // One that does not run has none.
        let Ok(connections) = client.get::<Connections>("/api/v1/connections").await else { continue };
        let with = |open: &&net::Connection| open.peer.as_ref().is_some_and(&meant);
        match connections.open.iter().filter(with).count() {
            0 => {}
            1 => all.push(format!("a connection of {}", client.node())),
            several => all.push(format!("{several} connections of {}", client.node())),
        }
    }
    Ok(all)
}

/// Lets running nodes read again, and hands them a list if there is a new one.
fn tell(data: &DataDir, list: Option<String>) -> anyhow::Result<()> {
    // Where there is no administrator's identity nobody can be told: processes of this directory look by themselves.
    match Estate::open(data) {
        Ok(estate) => hand(&estate, list),
        Err(_) => {
            println!("A process that runs from this directory takes it within a minute, or at SIGHUP.");
            Ok(())
        }
    }
}

fn hand(estate: &Estate, list: Option<String>) -> anyhow::Result<()> {
    let told = wait_for(async {
        let mut told = Vec::new();
        for client in estate.nodes(None, |_| true)? {
            let wanted = Reload { list: list.clone(), site: false };
            let answer: Result<Reloaded, _> = client.ask("/api/v1/reload", &wanted).await;
            told.push((client.node().to_owned(), answer));
        }
        Ok(told)
    })?;
    for (node, answer) in told {
        match answer {
            Ok(answer) => answer.changed.iter().for_each(|line| println!("{line}")),
            Err(error) => {
                println!(
                    "{node} was not told ({error}); it reads it at its start. Where its data directory is another, run `ringfence cert crl` once it is up."
                );
            }
        }
    }
    Ok(())
}

fn say_distrust(data: &DataDir) -> anyhow::Result<()> {
    for words in Certificates::open(data, SystemTime::now())?.distrust()? {
        println!("{words}");
    }
    Ok(())
}

fn confirmed() -> anyhow::Result<bool> {
    print!("Go on? (y/n): ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if !std::io::stdin().is_terminal() {
        println!();
    }
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
