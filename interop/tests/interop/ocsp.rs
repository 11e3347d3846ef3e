//! OpenSSL asks our responder, and sees what our servers staple; OpenSSL's responder says whom we let in.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use interop::estate::{DOMAIN, Estate, eventually};
use interop::lab::Lab;
use interop::papers::Authority;
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
        // The digest counts for the certificates that are named after it.
        let mut all = vec!["ocsp"];
        all.extend(options);
        all.extend(["-issuer", &root, "-cert", &chain, "-CAfile", &root]);
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

/// A line of `openssl ca`'s register.
fn line(estate: &Estate, certificate: &Path, revoked: bool) -> Result<String> {
    let path = certificate.to_str().context("a path")?;
    let mut program = estate.lab().host("carrier").start("openssl", &["x509", "-in", path, "-noout", "-serial"])?;
    program.succeed(SOON)?;
    let serial = program.output().trim().trim_start_matches("serial=").to_owned();
    let state = if revoked { "R\t400101000000Z\t260101000000Z,keyCompromise" } else { "V\t400101000000Z\t" };
    Ok(format!("{state}\t{serial}\tunknown\t/CN=cvp1.{DOMAIN}\n"))
}

#[test]
fn openssls_responder_says_whom_a_partner_has_revoked() -> Result<()> {
    let row = "[[authority]]\nname = \"carrier\"\nrevocation = \"ocsp\"\nocsp_responder = \"http://198.18.133.76:2561/\"\n[tls]";
    let subject = "secure_certificate_subject = [\"cvp1.lab.example\"]    # only the call server may call";
    let mut estate = Estate::new(Lab::reference()?, |site| {
        let named = site.replacen(subject, &format!("authority = \"carrier\"\n{subject}"), 1);
        named.replacen("[tls]", row, 1)
    })?;
    let folder = estate.lab().directory().join("partner");
    let partner = Authority::new(&folder)?;
    let name = format!("cvp1.{DOMAIN}");
    let [good, gone, unheard] = ["good", "gone", "unheard"].map(|who| partner.issue(&name, Path::new(who)));
    let (good, gone, unheard) = (good?, gone?, unheard?);
    let register = folder.join("index.txt");
    fs::write(&register, line(&estate, &good.chain, false)? + &line(&estate, &gone.chain, true)?)?;
    fs::copy(folder.join("ca.pem"), estate.lab().directory().join("data/roots/carrier.pem"))?;
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path");
    let (register, root, key) = (text(&register)?, text(&folder.join("ca.pem"))?, text(&folder.join("ca.key"))?);
    let mut arguments = vec!["ocsp", "-port", "2561", "-nmin", "10", "-index", &register, "-CA", &root];
    arguments.extend(["-rsigner", &root, "-rkey", &key]);
    let responder = estate.lab().host("carrier").start("openssl", &arguments)?;
    responder.expect("waiting for OCSP client connections", SOON)?;
    estate.start(&["vvb1"])?;
    let (from, server) = (estate.lab().host("cvp").clone(), SocketAddr::from((estate.host_of("vvb1").address, 5061)));
    let comes = |papers: &interop::phone::Papers| {
        let shown = Some((papers.key.as_path(), papers.chain.as_path()));
        visit(&from, server, &Visitor { papers: shown, ..Visitor::default() }, SOON)
    };
    ensure!(!comes(&good)?.was_served(), "let in before its authority was asked");
    eventually("the partner's node to be let in", SOON, || {
        let seen = comes(&good)?;
        Ok(if seen.was_served() { Ok(()) } else { Err(seen.transcript) })
    })?;
    for (papers, words) in
        [(&gone, "(key-compromise), says its authority (OCSP)"), (&unheard, "its authority says `unknown`")]
    {
        eventually(&format!("a refusal that says {words}"), SOON, || {
            ensure!(!comes(papers)?.was_served(), "{words}: let in");
            let told = estate.refusals("vvb1")?.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            Ok(if told.contains(words) { Ok(()) } else { Err(told) })
        })?;
    }
    estate.demand_clean_logs(&[])
}
