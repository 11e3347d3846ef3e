//! OpenSSL asks our responder, and sees what our servers staple.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use interop::estate::{DOMAIN, Estate, eventually};
use interop::lab::Lab;
use interop::probe::{Visitor, visit};

use crate::scene::SOON;

#[test]
fn openssl_believes_our_responder_and_what_our_servers_staple() -> Result<()> {
    let answering = "[ocsp]\nnode = \"cucm1\"\nurl = \"http://198.18.133.3:2560/\"\n[tls]";
    let mut estate = Estate::new(Lab::reference()?, |site| site.replacen("[tls]", answering, 1))?;
    estate.start_at_home("cucm1")?;
    let papers = estate.papers(&format!("stranger.{DOMAIN}"), "cube")?;
    let path = |path: &std::path::Path| path.to_str().map(str::to_owned).context("a path");
    let (chain, root) = (path(&papers.chain)?, path(&papers.authority)?);
    let border = estate.lab().host("cube").clone();
    // It was issued after the process began; the process reads the register again within a minute, or when told.
    estate.ringfence(&["reload", "--node", "cucm1"])?;
    let ask = |options: &[&str]| -> Result<String> {
        let mut all = vec!["ocsp", "-issuer", &root, "-cert", &chain, "-CAfile", &root];
        all.extend(options);
        let mut program = border.start("openssl", &all)?;
        program.succeed(SOON)?;
        Ok(program.output())
    };
    // The certificate itself says where.
    let mut said = border.start("openssl", &["x509", "-in", &chain, "-noout", "-ocsp_uri"])?;
    said.succeed(SOON)?;
    let at = said.output().trim().to_owned();
    ensure!(at == "http://198.18.133.3:2560/", "{at}");
    for options in [&["-url", at.as_str(), "-no_nonce"][..], &["-url", at.as_str()], &["-sha256", "-url", at.as_str()]]
    {
        let told = ask(options)?;
        ensure!(told.contains("Response verify OK") && told.contains(": good"), "{options:?}: {told}");
    }
    estate.ringfence(&["cert", "revoke", &chain, "--reason", "key-compromise", "--yes"])?;
    eventually("the revocation to be told", SOON, || {
        let told = ask(&["-url", &at, "-no_nonce"])?;
        let whole = told.contains("Response verify OK") && told.contains(": revoked") && told.contains("keyCompromise");
        Ok(if whole { Ok(()) } else { Err(told) })
    })?;
    let server = SocketAddr::from((estate.host_of("cucm1").address, 5061));
    let visitor = estate.papers(&format!("cube1.{DOMAIN}"), "cube")?;
    for version in ["-tls1_2", "-tls1_3"] {
        let options = ["-status", version];
        let shown = Some((visitor.key.as_path(), visitor.chain.as_path()));
        let authority = Some(visitor.authority.as_path());
        let visitor = Visitor { papers: shown, authority, options: &options, ..Visitor::default() };
        let seen = visit(&border, server, &visitor, SOON)?.transcript;
        ensure!(seen.contains("OCSP Response Status: successful"), "{version}: {seen}");
        ensure!(seen.contains("Cert Status: good"), "{version}: {seen}");
    }
    estate.demand_clean_logs(&[])
}
