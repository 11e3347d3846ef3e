//! `ringfence cert …`, `ringfence reload`, `ringfence data export`

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use admin::api::{Reload, Reloaded};
use admin::certificates::{Certificates, date};
use admin::cli::Cert;
use admin::show::tables::table;
use admin::show::time::rfc3339;
use anyhow::{Context, bail, ensure};
use store::{DataDir, RootStanding, Taken};
use trust::{KeyKind, Request};

mod change;

use super::{Outcome, estate, wait_for};

pub(crate) fn run(data: &Path, cert: Cert) -> Outcome {
    let data = DataDir::open(data)?;
    let now = SystemTime::now();
    match cert {
        Cert::Issue { name, mut dns, ip, days, key, out } => {
            dns.insert(0, name.clone());
            let (not_before, not_after) = validity(now, days)?;
            let request = Request {
                common_name: name,
                dns_names: dns,
                ip_addresses: ip,
                node: None,
                uris: Vec::new(),
                key: key_kind(&key)?,
                not_before,
                not_after,
            };
            issue(&data, &request, &out)?;
        }
        Cert::List { all: false } => list(&data)?,
        Cert::List { all: true } => register(&data)?,
        Cert::Show { name } => show(&data, name.as_deref())?,
        Cert::Renew { name, dangerous_at_once } => change::renew(&data, &name, dangerous_at_once)?,
        Cert::Revoke { what, reason, yes } => change::revoke(&data, &what, &reason, yes)?,
        Cert::Crl => change::list(&data)?,
        Cert::Csr { name, key, output } => {
            put(output.as_deref(), &data.signing_request(&name, key_kind(&key)?, now)?)?;
        }
        Cert::SelfSign { name, key } => change::self_sign(&data, &name, key_kind(&key)?)?,
        Cert::Sign { name, request, output } => {
            put(output.as_deref(), &data.sign_request(&name, &read(&request)?, now)?)?;
        }
        Cert::Import { name, chain } => change::import(&data, &name, &chain)?,
        Cert::Acme { name } => change::acme(&data, &name)?,
        Cert::Export { name, output } => {
            let text = match name.as_str() {
                "root" => data.own_root_pem()?,
                "admin" => data.admin()?.chain_pem(),
                name => data.identity(name)?.chain_pem(),
            };
            put(output.as_deref(), &text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `ringfence reload`: as SIGHUP, by way of the control link.
pub(crate) fn reload(data: &Path, node: Option<&str>) -> Outcome {
    let estate = estate(data)?;
    let mut failed = false;
    wait_for(async {
        for client in estate.nodes(node, |_| true)? {
            let wanted = Reload { list: None, site: true };
            match client.ask::<Reloaded>("/api/v1/reload", &wanted).await {
                Ok(answer) => answer.changed.iter().for_each(|line| println!("{}: {line}", client.node())),
                Err(error) => {
                    failed = true;
                    eprintln!("{error}");
                }
            }
        }
        Ok(())
    })?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn list(data: &DataDir) -> anyhow::Result<()> {
    let identities = data.identities()?.into_iter();
    let rows: Vec<Vec<String>> = identities
        .map(|(name, facts)| {
            let until = rfc3339(facts.not_after.max(0) as u64 * 1000);
            vec![name, facts.names().join(", "), until, facts.fingerprint]
        })
        .collect();
    print!("{}", table(&["IDENTITY", "NAMES", "VALID UNTIL", "SHA-256"], &rows));
    Ok(())
}

fn register(data: &DataDir) -> anyhow::Result<()> {
    let state = |revoked: &Option<Taken>| match revoked {
        Some(taken) => format!("revoked {} ({})", rfc3339(taken.at_ms), taken.reason),
        None => String::new(),
    };
    let store = data.store()?;
    let own = store.certificates()?.into_iter().map(|issued| {
        let state = state(&issued.revoked);
        vec![issued.serial, issued.subject, issued.identity, rfc3339(issued.until_ms), state]
    });
    let of_phones = store.lscs()?.into_iter().map(|lsc| {
        let (whose, state) = (format!("{}, by CAPF", lsc.node), state(&lsc.revoked));
        vec![lsc.serial, format!("CN={}", lsc.device), whose, rfc3339(lsc.until_ms), state]
    });
    let rows: Vec<Vec<String>> = own.chain(of_phones).collect();
    print!("{}", table(&["SERIAL", "SUBJECT", "IDENTITY", "VALID UNTIL", ""], &rows));
    Ok(())
}

fn show(data: &DataDir, name: Option<&str>) -> anyhow::Result<()> {
    let certificates = Certificates::open(data, SystemTime::now())?;
    if let Some(name) = name {
        print!("{}", certificates.show(name)?);
        return Ok(());
    }
    for (name, _) in data.identities()? {
        println!("{}", certificates.show(&name)?);
    }
    println!("Key of the CA: {}", data.ca_key_place()?);
    for (root, standing) in data.own_roots()? {
        let (until, subject) = (date(root.not_after), &root.subject);
        match standing {
            RootStanding::Believed => println!("Root {subject}: believed until {until}"),
            RootStanding::Issues => {
                println!("Root {subject}: issues, until {until}; followed by another from {} on", date(root.due()))
            }
            RootStanding::Follows(from) => {
                println!("Root {subject}: believed, issues from {} on, until {until}", date(from))
            }
            RootStanding::Went => println!(
                "Root {subject}: believed until {until}; peers outside that have it alone refuse us from then on (`ringfence cert export root`)"
            ),
        }
    }
    match data.revocation_list()? {
        Some(list) => println!(
            "Revocation list {}: {} certificates, good until {}{}",
            list.facts().number,
            list.facts().revoked,
            date(list.facts().next),
            if data.has_ca_key() {
                "; made anew by itself"
            } else {
                "; `ringfence cert crl` where the CA's key is makes it anew"
            }
        ),
        None => {
            println!("No revocation list: nobody can be revoked here. Run `ringfence cert crl` where the CA's key is.")
        }
    }
    match certificates.distrust()?.as_slice() {
        [] => println!("Every pair of nodes that this directory knows trusts each other."),
        pairs => pairs.iter().for_each(|words| println!("{words}")),
    }
    Ok(())
}

fn put(output: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match output {
        Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
        None => {
            print!("{text}");
            Ok(())
        }
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A certificate's longest life.
const MOST_DAYS: u64 = 36_525;

/// An hour's grace for clocks that are behind; with negative days both ends lie in the past.
fn validity(now: SystemTime, days: i64) -> anyhow::Result<(SystemTime, SystemTime)> {
    ensure!(
        days.unsigned_abs() <= MOST_DAYS,
        "--days {days}: expected at most {MOST_DAYS} (a hundred years) before or after today; a certificate that should \
         outlive that should be renewed instead"
    );
    let span = Duration::from_secs(days.unsigned_abs() * 86_400);
    let hour = Duration::from_secs(3600);
    Ok(if days < 0 { (now - span - hour, now - hour) } else { (now - hour, now + span) })
}

fn key_kind(name: &str) -> anyhow::Result<KeyKind> {
    Ok(match name {
        "p256" => KeyKind::P256,
        "p384" => KeyKind::P384,
        "rsa2048" => KeyKind::Rsa2048,
        "rsa3072" => KeyKind::Rsa3072,
        "rsa4096" => KeyKind::Rsa4096,
        other => bail!("key kind `{other}`: expected p256, p384, rsa2048, rsa3072 or rsa4096"),
    })
}

fn issue(data: &DataDir, request: &Request, out: &Path) -> anyhow::Result<()> {
    let identity = data.issue("", request, SystemTime::now())?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let write = |name: &str, text: &str| {
        let path = out.join(name);
        store::write_private(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
    };
    write("key.pem", &identity.key_pem())?;
    write("chain.pem", &identity.chain_pem())?;
    write("root.pem", &data.roots_pem()?.concat())?;
    println!(
        "{}: chain.pem, key.pem and root.pem for {}, valid until {}",
        out.display(),
        identity.facts().names().join(", "),
        rfc3339(identity.facts().not_after.max(0) as u64 * 1000)
    );
    Ok(())
}

pub(crate) fn export(data: &Path, nodes: &[String], to: &Path) -> Outcome {
    DataDir::open(data)?.export(nodes, to)?;
    println!(
        "{}: identities of {} and no CA key. Start there: ringfence --data {} run",
        to.display(),
        nodes.join(", "),
        to.display()
    );
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_bounded_before_they_overflow() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_305_600);
        for days in [i64::MAX, i64::MIN, 36_526, -36_526] {
            let error = validity(now, days).unwrap_err().to_string();
            assert!(error.contains(&days.to_string()) && error.contains("at most 36525"), "{error}");
        }
        for days in [-1, 0, 1, 36_525] {
            let (from, to) = validity(now, days).unwrap();
            assert_eq!((from < to, to < now), (true, days < 0), "{days}");
        }
    }
}
