//! TLS with OpenSSL at the other end, as the client of a listener and as the server that a node dials: versions, kinds
//! of keys, names, sessions that go on. Who is refused as a client is in `refusals`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use interop::estate::{DOMAIN, Estate, NODES, eventually};
use interop::lab::Lab;
use interop::papers::Authority;
use interop::phone::Papers;
use interop::probe::{Visit, Visitor, visit};
use interop::program::Program;

use crate::scene::SOON;

const VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// `-tls1_2` of `TLSv1.2`.
fn option(version: &str) -> String {
    version.replace("TLSv", "-tls").replace('.', "_")
}

#[test]
fn a_client_is_served_over_either_version_with_any_kind_of_key_and_its_session_goes_on() -> Result<()> {
    let mut estate = Estate::new(Lab::reference()?, |site| site)?;
    estate.start(&["cvp1"])?;
    let border = estate.lab().host("cube").clone();
    let server = SocketAddr::from((estate.host_of("cvp1").address, 5061));
    for key in ["p256", "p384", "rsa2048"] {
        let papers = estate.papers_of(key, &format!("cube1.{DOMAIN}"), "cube")?;
        for version in VERSIONS {
            let what = format!("{key}, {version}");
            let session = estate.lab().directory().join(format!("session-{key}-{version}"));
            let session = session.to_str().context("a path")?;
            let come = |more: &[&str]| -> Result<Visit> {
                let option = option(version);
                let options: Vec<&str> = [option.as_str()].into_iter().chain(more.iter().copied()).collect();
                let visitor = Visitor {
                    papers: Some((&papers.key, &papers.chain)),
                    authority: Some(&papers.authority),
                    server_name: Some("cvp1.lab.example"),
                    options: &options,
                };
                visit(&border, server, &visitor, SOON).with_context(|| what.clone())
            };
            let first = come(&["-sess_out", session])?;
            served(&what, &first, version, false)?;
            ensure!(first.transcript.contains("Verify return code: 0 (ok)"), "{what}: {}", first.transcript);
            ensure!(first.transcript.contains("Server Temp Key: X25519"), "{what}: {}", first.transcript);
            ensure!(first.transcript.contains("GCM"), "{what}: {}", first.transcript);
            // Whose session goes on is still known by the certificate that began it: its request is answered.
            served(&what, &come(&["-sess_in", session])?, version, true)?;
        }
    }
    // A name that the client asks for changes nothing: a node has one identity.
    let papers = estate.papers(&format!("cube1.{DOMAIN}"), "cube")?;
    for name in [&["-noservername"][..], &["-servername", "elsewhere.example"]] {
        let visitor = Visitor { papers: Some((&papers.key, &papers.chain)), options: name, ..Visitor::default() };
        served(name[0], &visit(&border, server, &visitor, SOON)?, "TLSv1.3", false)?;
    }
    Ok(())
}

fn served(what: &str, visit: &Visit, version: &str, again: bool) -> Result<()> {
    ensure!(visit.was_served(), "{what}, again: {again}: no answer\n{}", visit.transcript);
    ensure!(visit.agreed() == Some((version, again)), "{what}: {:?}\n{}", visit.agreed(), visit.transcript);
    Ok(())
}

#[test]
fn a_server_is_spoken_to_if_its_certificate_and_version_are_right_and_else_refused_in_words() -> Result<()> {
    let mut estate = Estate::new(Lab::reference()?, |site| site.replacen("heartbeat_s = 10", "heartbeat_s = 1", 1))?;
    let name = format!("vvb1.{DOMAIN}");
    let right = estate.papers(&name, "vvb")?;
    let foreign = Authority::new(&estate.lab().directory().join("foreign"))?;
    estate.start(&["cvp1"])?;
    for version in VERSIONS {
        for key in ["p256", "p384", "rsa2048"] {
            let papers = estate.papers_of(key, &name, "vvb")?;
            let server = listen(&estate, &papers, &[&option(version)])?;
            server.expect("OPTIONS sip:", SOON).with_context(|| format!("{key}, {version}"))?;
        }
    }
    let other = estate.papers(&format!("other.{DOMAIN}"), "vvb")?;
    let late = estate.papers_for_days(&name, "vvb", -1)?;
    let unknown = foreign.issue(&name, Path::new("vvb1"))?;
    let wrong: [(&str, &Papers, &[&str]); 4] = [
        (&format!("other.{DOMAIN}"), &other, &[]),
        ("expired", &late, &[]),
        ("unknown", &unknown, &[]),
        ("version", &right, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]),
    ];
    for (words, papers, options) in wrong {
        let mut papers = papers.clone();
        papers.authority = right.authority.clone();
        let server = listen(&estate, &papers, options)?;
        eventually(&format!("a refusal that says {words}"), SOON, || {
            let told = estate.refusals("cvp1")?.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            Ok(if told.contains(words) { Ok(()) } else { Err(told) })
        })?;
        ensure!(!server.output().contains("OPTIONS sip:"), "{words}: spoken to all the same\n{}", server.output());
    }
    Ok(())
}

/// `openssl s_server` in the voice browser's place, which asks for a certificate as a voice browser does.
fn listen(estate: &Estate, papers: &Papers, options: &[&str]) -> Result<Program> {
    let host = NODES.iter().find(|(node, _)| *node == "vvb1").context("no such node")?.1;
    let path = |path: &Path| path.to_str().map(str::to_owned).context("a path");
    let (key, chain, authority) = (path(&papers.key)?, path(&papers.chain)?, path(&papers.authority)?);
    let mut arguments = vec!["s_server", "-accept", "5061", "-key", &key, "-cert", &chain, "-cert_chain", &chain];
    arguments.extend(["-CAfile", &authority, "-Verify", "2", "-verify_return_error"]);
    arguments.extend(options);
    let server = estate.lab().host(host).start("openssl", &arguments)?;
    server.expect("ACCEPT", SOON)?;
    Ok(server)
}
