//! `ringfence cert …`, `ringfence data export`

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use admin::cli::Cert;
use admin::show::time::rfc3339;
use anyhow::{Context, bail, ensure};
use store::DataDir;
use trust::{KeyKind, Request};

use super::Outcome;

pub(crate) fn run(data: &Path, cert: Cert) -> Outcome {
    let data = DataDir::open(data)?;
    match cert {
        Cert::Issue { name, mut dns, ip, days, key, out } => {
            dns.insert(0, name.clone());
            let (not_before, not_after) = validity(SystemTime::now(), days)?;
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
        Cert::List => {
            let rows: Vec<Vec<String>> = data
                .identities()?
                .into_iter()
                .map(|(name, facts)| {
                    let until = rfc3339(facts.not_after.max(0) as u64 * 1000);
                    vec![name, facts.names().join(", "), until, facts.fingerprint]
                })
                .collect();
            print!("{}", admin::show::tables::table(&["IDENTITY", "NAMES", "VALID UNTIL", "SHA-256"], &rows));
        }
    }
    Ok(ExitCode::SUCCESS)
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
        other => bail!("key kind `{other}`: expected p256, p384 or rsa2048"),
    })
}

fn issue(data: &DataDir, request: &Request, out: &Path) -> anyhow::Result<()> {
    let identity = data.ca()?.issue(request)?;
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
