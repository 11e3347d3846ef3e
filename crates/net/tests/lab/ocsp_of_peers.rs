//! Partners whose authority is asked by OCSP: who is good, revoked, unknown, or of whom nobody says anything.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use trust::ocsp::{DELEGATE_LIFE, Request, Responder, Status, hear};
use trust::{Ca, Identity};

use super::certificates::knocked;
use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn seconds() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64
}

fn der(ca: &Ca) -> Vec<u8> {
    trust::certificates_der(ca.certificate_pem()).unwrap().remove(0)
}

fn answers_for(ca: &Ca) -> Responder {
    let delegate = ca.issue_responder(SystemTime::now() - HOUR, SystemTime::now() + DELEGATE_LIFE).unwrap();
    Responder::new(delegate, &der(ca), seconds()).unwrap()
}

/// What the authority says, by serial number; of others it says that it does not know them.
type Register = Arc<Mutex<BTreeMap<String, Status>>>;

/// A partner's responder, until the test's process ends. `by`: who signs; nobody: it takes questions and says nothing.
fn responder(network: &str, by: Option<Responder>, register: Register) -> String {
    let listener = TcpListener::bind((format!("{network}200"), 0)).unwrap();
    let at = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            let Some(by) = &by else {
                held.push(stream);
                continue;
            };
            let Some(asked) = posted(&mut stream) else { continue };
            let id = Request::read(&asked).unwrap().id;
            let status = register.lock().unwrap().get(&id.serial()).cloned().unwrap_or(Status::Unknown);
            let answer = by.answer(&id, &status, seconds() - 60, seconds() + 600).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
            let _ = stream.write_all(&[head.as_bytes(), &answer].concat());
        }
    });
    at
}

/// The body of a request, which says how long it is.
fn posted(stream: &mut std::net::TcpStream) -> Option<Vec<u8>> {
    let (mut all, mut room) = (Vec::new(), [0; 4096]);
    loop {
        let got = stream.read(&mut room).ok().filter(|got| *got > 0)?;
        all.extend_from_slice(&room[..got]);
        let Some(end) = all.windows(4).position(|at| at == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse::<usize>().ok()?;
        if all.len() >= end + 4 + length {
            return Some(all[end + 4..].to_vec());
        }
    }
}

/// The example site, whose first voice browser is called by a partner's call server; `rows` say how its authority is asked.
fn asking(network: &'static str, carrier: &Ca, rows: &str) -> Lab {
    let subject = "secure_certificate_subject = [\"cvp1.lab.example\"]    # only the call server may call";
    let text = LAB.replace("127.18.133.", network);
    let text = text.replacen(subject, &format!("authority = \"carrier\"\n{subject}"), 1);
    let text = text.replacen("[tls]", &format!("[[authority]]\nname = \"carrier\"\n{rows}\n[tls]"), 1);
    let root = carrier.certificate_pem().to_owned();
    Lab::with(network, &text, |dir| std::fs::write(dir.join("roots/carrier.pem"), root).unwrap())
}

fn is_about(cause: &str) -> bool {
    cause == "revoked" || cause.starts_with("ocsp_")
}

struct Door {
    server: PeerPlan,
    roots: Vec<String>,
    browser: NodeHandle,
    at_browser: Receiver<Journal>,
}

impl Door {
    fn of(lab: &Lab) -> Door {
        let browser = lab.process.node("vvb1").unwrap();
        let at_browser = browser.watch();
        let roots = store::DataDir::open(&lab.dir).unwrap().roots_pem().unwrap();
        Door { server: lab.secure("vvb1"), roots, browser, at_browser }
    }

    /// Whether somebody is let in; if not, by which cause and with what words.
    fn knock(&self, papers: &Identity) -> Result<(), (String, String)> {
        let both = trust::tls::Versions { tls12: true, tls13: true };
        let config = trust::tls::client(papers, &self.roots, both, &self.server.names).unwrap();
        if knocked(&self.server, &config).is_some() {
            return Ok(());
        }
        Err(wait(&self.at_browser, "the refusal", |line| match line {
            // The lab's own call server is turned away for another reason: it is none of the partner's.
            Journal::Refused(record) if is_about(&record.refusal.cause) => {
                Some((record.refusal.cause.clone(), record.refusal.presented.clone()))
            }
            _ => None,
        }))
    }

    /// Until it is something else than that there is no answer yet.
    fn told(&self, papers: &Identity) -> Result<(), (String, String)> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.knock(papers) {
                Err((cause, words)) if cause == "ocsp_unavailable" && words.contains("no answer yet") => {
                    assert!(Instant::now() < until, "{words}");
                    let _ = self.at_browser.recv_timeout(Duration::from_millis(20));
                }
                other => return other,
            }
        }
    }
}

#[test]
fn a_partner_whose_authority_has_revoked_it_is_refused_in_words_and_listed() {
    let carrier = Ca::create("carrier", SystemTime::now()).unwrap();
    let register = Register::default();
    let at = responder("127.41.74.", Some(answers_for(&carrier)), register.clone());
    let mut lab = asking("127.41.74.", &carrier, &format!("revocation = \"ocsp\"\nocsp_responder = \"{at}\""));
    let door = Door::of(&lab);
    let papers = |status: Option<Status>| {
        let papers = identity(&carrier, "cvp1.lab.example");
        register.lock().unwrap().extend(status.map(|status| (papers.facts().serial.clone(), status)));
        papers
    };
    let good = papers(Some(Status::Good));
    let (cause, words) = door.knock(&good).unwrap_err();
    assert_eq!(cause, "ocsp_unavailable", "at first contact nothing is known: {words}");
    door.told(&good).expect("let in once its authority has answered");
    assert_eq!(std::fs::read_dir(lab.dir.join("heard")).unwrap().count(), 1, "known after a restart, too");
    let gone = papers(Some(Status::Revoked { at: seconds() - 60, reason: Some(1) }));
    let (cause, words) = door.told(&gone).unwrap_err();
    assert_eq!(cause, "revoked");
    assert!(words.contains("(key-compromise), says its authority (OCSP)") && words.contains(&gone.facts().serial));
    assert_eq!(door.told(&papers(None)).unwrap_err().0, "ocsp_unknown");
    let listed: Vec<String> = door.browser.refusals().into_iter().map(|record| record.refusal.cause).collect();
    for cause in ["ocsp_unavailable", "revoked", "ocsp_unknown"] {
        assert!(listed.iter().any(|other| other == cause), "{cause}: {listed:?}");
    }
    // One that is let in, and revoked then: its connection ends when the process looks, and it does not come again.
    let mut held = std::net::TcpStream::connect(door.server.addr).unwrap();
    let both = trust::tls::Versions { tls12: true, tls13: true };
    let config = trust::tls::client(&good, &door.roots, both, &door.server.names).unwrap();
    let name = rustls_pki_types::ServerName::IpAddress(door.server.addr.ip().into());
    let mut tls = rustls::ClientConnection::new(config, name).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut held).unwrap();
    }
    tls.writer().write_all(b"\r\n\r\n").unwrap();
    while !tls.reader().read(&mut [0; 64]).is_ok_and(|got| got > 0) {
        tls.complete_io(&mut held).unwrap();
    }
    let leaf = good.chain_der().remove(0);
    let revoked = Status::Revoked { at: seconds(), reason: None };
    let answer = answers_for(&carrier).staple(&leaf, &revoked, seconds(), seconds() + 600).unwrap();
    hear(&answer, &leaf, &der(&carrier), seconds()).unwrap();
    lab.process.refresh().unwrap();
    held.set_read_timeout(Some(PATIENCE)).unwrap();
    while !matches!(tls.complete_io(&mut held), Ok((0, 0)) | Err(_)) {}
    assert_eq!(door.told(&good).unwrap_err().0, "revoked");
    lab.end();
}

#[test]
fn a_responder_that_hangs_or_lies_lets_nobody_in_and_keeps_nobody_else_waiting() {
    let (carrier, stranger) =
        (Ca::create("carrier", SystemTime::now()).unwrap(), Ca::create("carrier", SystemTime::now()).unwrap());
    let hangs = responder("127.41.75.", None, Register::default());
    let mut lab = asking("127.41.75.", &carrier, &format!("revocation = \"ocsp\"\nocsp_responder = \"{hangs}\""));
    let door = Door::of(&lab);
    let papers = identity(&carrier, "cvp1.lab.example");
    let (cause, words) = door.told(&papers).unwrap_err();
    assert_eq!(cause, "ocsp_unavailable");
    assert!(words.contains("has not answered within"), "{words}");
    // Meanwhile the site has it asked elsewhere: by whom does not count, only who signs.
    let text = std::fs::read_to_string(lab.dir.join("site.toml")).unwrap();
    let lies = responder("127.41.75.", Some(answers_for(&stranger)), Register::default());
    lab.process.reload(&site::Site::parse(&text.replace(&hangs, &lies)).unwrap()).unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        let (cause, words) = door.knock(&papers).unwrap_err();
        assert_eq!(cause, "ocsp_unavailable", "{words}");
        if words.contains("nor a responder of its own") || words.contains("about another certificate") {
            break;
        }
        assert!(Instant::now() < until, "{words}");
        let _ = door.at_browser.recv_timeout(Duration::from_millis(20));
    }
    // In loud words only: no answer, and let in all the same.
    let soft = text.replacen("ocsp_responder", "dangerous_ocsp_soft_fail = true\nocsp_responder", 1);
    lab.process.reload(&site::Site::parse(&soft).unwrap()).unwrap();
    door.knock(&papers).expect("let in without an answer");
    lab.end();
}
