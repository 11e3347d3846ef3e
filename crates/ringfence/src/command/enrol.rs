//! `ringfence capf enrol`, `ringfence tvs query`: a phone's side of both services.

use std::path::Path;
use std::process::ExitCode;

use admin::cli::{Capf, Tvs};
use anyhow::{Context, ensure};
use phones::capf::{ClientPlan, Learned, Prover};
use phones::tvs::Answer;
use phones::{Certificate, Function, Signer, TrustList};

use super::{Outcome, wait_for};

pub(crate) fn run(capf: Capf) -> Outcome {
    let Capf::Enrol { device, server, trust, password, identity, out } = capf;
    let pinned = pinned(&trust, Function::Capf)?;
    let existing = identity.as_deref().map(existing).transpose()?;
    let certificate = existing.as_ref().map(|prover| prover.signer.certificate().der().to_vec());
    let plan = ClientPlan { device: device.clone(), version: 3, password, prover: existing, certificate };
    let enrolled = wait_for(net::enrol(server, &pinned, plan))?;
    println!("{device}: {}", enrolled.learned);
    if let Some((der, key)) = enrolled.issued.filter(|_| enrolled.learned == Learned::Done) {
        std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
        store::write_private(&out.join("key.pem"), key.as_bytes())?;
        store::write_private(&out.join("chain.pem"), trust::certificate_pem(&der).as_bytes())?;
        println!("{}: chain.pem and key.pem", out.display());
    }
    Ok(if enrolled.learned == Learned::Done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn query(tvs: Tvs) -> Outcome {
    let Tvs::Query { certificate, server, trust, device } = tvs;
    let pinned = pinned(&trust, Function::Tvs)?;
    let about = Certificate::read_all(&read(&certificate)?)?.remove(0);
    match wait_for(net::ask_tvs(server, &pinned, &device, &about))? {
        Answer::Trusted { functions, seconds, .. } => {
            let functions: Vec<String> = functions.iter().map(Function::to_string).collect();
            println!("`{}` is trusted as {}, for {seconds} s", about.common_name(), functions.join(", "));
            Ok(ExitCode::SUCCESS)
        }
        Answer::Unknown => {
            println!(
                "`{}` is not trusted: nobody vouches for this certificate, or it has expired",
                about.common_name()
            );
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The certificates that a service may show: those of its function in a trust list, or a certificate itself.
fn pinned(path: &Path, function: Function) -> anyhow::Result<Vec<Vec<u8>>> {
    let octets = read(path)?;
    if let Ok(list) = TrustList::parse(&octets) {
        list.verify_itself().with_context(|| format!("in {}", path.display()))?;
        let found: Vec<Vec<u8>> =
            list.of(function).filter_map(|record| record.certificate()).map(|found| found.der().to_vec()).collect();
        ensure!(!found.is_empty(), "{} has no certificate for {function}", path.display());
        return Ok(found);
    }
    let all = Certificate::read_all(&octets)
        .with_context(|| format!("{} is neither a trust list nor a certificate in PEM or DER", path.display()))?;
    Ok(all.iter().map(|certificate| certificate.der().to_vec()).collect())
}

fn existing(folder: &Path) -> anyhow::Result<Prover> {
    let text = |name: &str| anyhow::Ok(String::from_utf8(read(&folder.join(name))?)?);
    let identity = trust::Identity::from_pem(&text("chain.pem")?, &text("key.pem")?)?;
    Ok(Prover { signer: Signer::new(&identity)?, kind: 1 })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
