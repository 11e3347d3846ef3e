//! Every operation, authentication mode, key kind and refusal, server and client against each other; transcripts of other
//! programs where they are at hand.

use super::*;
use crate::test_keys::{self as keys, NOW, certificate, signer};
use crate::{Certificate, Digest};

const DEVICE: &str = "SEP001122334455";

fn now() -> u64 {
    NOW.into()
}

fn order(operation: Operation, mode: AuthMode) -> Order {
    Order {
        operation,
        mode,
        secret: Secret::new(DEVICE, "123456"),
        key: KeyOrder::RsaOnly(2048),
        completes_by: now() + 86_400,
    }
}

fn server(order: Option<Order>) -> Server {
    let mut row = Enrolment::new(DEVICE);
    if let Some(order) = order {
        row.order(order);
    }
    let roots = Roots { mic: vec![certificate(keys::CAPF).der().to_vec()], lsc: vec![], taken_back: vec![] };
    Server::new(Settings { roots }, [row], 1)
}

fn plan(password: &str) -> ClientPlan {
    ClientPlan { device: DEVICE.into(), version: 3, password: password.into(), prover: None, certificate: None }
}

fn spki(key: keys::Key) -> Vec<u8> {
    let der = certificate(key).der().to_vec();
    use x509_parser::prelude::FromDer;
    x509_parser::certificate::X509Certificate::from_der(&der).unwrap().1.public_key().raw.to_vec()
}

/// What came of a session.
struct Told {
    learned: Learned,
    stored: Option<Vec<u8>>,
    events: Vec<Event>,
    /// Octets, as `S>C` and `C>S` say them.
    wire: Vec<(bool, Vec<u8>)>,
}

/// Runs one session to its end, every message over the wire. `key` is what the phone makes, `lsc` what the CA signs.
fn session(server: &mut Server, client: ClientPlan, key: keys::Key, lsc: &[u8], at: u64) -> Told {
    let id = server.connected(at).unwrap();
    let mut client = Client::new(client);
    let mut told = Told { learned: Learned::Refused, stored: None, events: vec![], wire: vec![] };
    let mut ended = false;
    for _ in 0..100 {
        let mut quiet = true;
        while let Some(output) = server.poll() {
            quiet = false;
            match output {
                Output::Send(to, message) => {
                    assert_eq!(to, id);
                    let octets = message.octets();
                    client.handle(&Message::parse(&octets).unwrap());
                    told.wire.push((true, octets));
                }
                Output::Issue { session, device, spki: came } => {
                    assert_eq!((device.as_str(), came), (DEVICE, spki(key)));
                    server.issued(session, Ok(lsc.to_vec()), at);
                }
                Output::Close(session) => assert_eq!(session, id),
                Output::Keep(row) => assert_eq!(row.device, DEVICE),
                Output::Event(event) => told.events.push(event),
            }
        }
        while let Some(output) = client.poll() {
            quiet = false;
            match output {
                ClientOutput::Send(message) => {
                    let octets = message.octets();
                    server.handle(id, Message::parse(&octets).unwrap(), at);
                    told.wire.push((false, octets));
                }
                ClientOutput::MakeRsa(_) | ClientOutput::MakeEc(_) => client.made(spki(key)),
                ClientOutput::Store(der) => told.stored = Some(der),
                ClientOutput::Delete => {}
                ClientOutput::End(learned) => {
                    assert!(!ended, "a session ends once");
                    ended = true;
                    told.learned = learned;
                }
            }
        }
        if quiet {
            assert!(ended, "nobody has anything to say, and the session is not over");
            return told;
        }
    }
    panic!("they talk without end");
}

#[test]
fn a_phone_is_given_its_certificate_by_authentication_string() {
    let mut server = server(Some(order(Operation::InstallUpgrade, AuthMode::AuthenticationString)));
    let told = session(&mut server, plan("123456"), keys::PHONE, b"an LSC", now());
    assert_eq!((told.learned, told.stored.as_deref()), (Learned::Done, Some(&b"an LSC"[..])));
    let row = server.device(DEVICE).unwrap();
    assert_eq!(
        (row.operation().to_string(), row.status.to_string()),
        ("No Pending Operation".into(), "Upgrade Success".into())
    );
    assert_eq!(row.certificate.as_deref(), Some(&b"an LSC"[..]));
    // The string was good for one enrolment.
    assert_eq!(session(&mut server, plan("123456"), keys::PHONE, b"", now()).learned, Learned::NothingPending);
}

#[test]
fn a_null_string_proves_nothing_and_is_asked_for_nothing() {
    let mut server = server(Some(order(Operation::InstallUpgrade, AuthMode::NullString)));
    assert_eq!(session(&mut server, plan(""), keys::PHONE, b"an LSC", now()).learned, Learned::Done);
}

#[test]
fn every_key_kind_is_asked_for_and_no_other_taken() {
    let p384 = KeyOrder::EcOnly(Curve::P384);
    for (key, made, good) in [
        (KeyOrder::RsaOnly(2048), keys::PHONE, true),
        (KeyOrder::RsaOnly(4096), keys::PHONE, false),
        (p384, keys::TFTP_EC, true),
        (p384, keys::PHONE, false),
        (KeyOrder::EcOnly(Curve::P256), keys::TFTP_EC, false),
        (KeyOrder::EcPreferred(Curve::P384, 2048), keys::TFTP_EC, true),
        (KeyOrder::RsaOnly(2048), keys::TFTP_EC, false),
    ] {
        let order = Order { key, ..order(Operation::InstallUpgrade, AuthMode::NullString) };
        let mut server = server(Some(order));
        let told = session(&mut server, plan(""), made, b"an LSC", now());
        assert_eq!(told.learned == Learned::Done, good, "{key:?} {}", certificate(made).public_key().words());
        let status = server.device(DEVICE).unwrap().status.to_string();
        assert_eq!(status, if good { "Upgrade Success" } else { "Upgrade Failed" });
    }
}

#[test]
fn a_soft_phone_is_asked_as_soft_phones_are() {
    let order = Order {
        key: KeyOrder::EcPreferred(Curve::P384, 2048),
        ..order(Operation::InstallUpgrade, AuthMode::NullString)
    };
    let told = session(&mut server(Some(order)), ClientPlan { version: 2, ..plan("") }, keys::PHONE, b"an LSC", now());
    assert_eq!(told.learned, Learned::Done);
    // KEY_GEN_REQ with a size and nothing else; nobody says "in progress".
    assert_eq!(told.wire[2].1, crate::test_keys::unhex("550300000001 0005 0a00020800".replace(' ', "").as_str()));
    assert_eq!(told.wire.len(), 7);
}

#[test]
fn an_existing_certificate_proves_the_phone_and_nobody_else() {
    let prover = |key| Some(Prover { signer: signer(key), kind: 2 });
    let by_mic = |device: &str, key| ClientPlan { device: device.into(), prover: prover(key), ..plan("") };
    let mut good = server(Some(order(Operation::InstallUpgrade, AuthMode::ExistingMic)));
    assert_eq!(session(&mut good, by_mic(DEVICE, keys::PHONE), keys::PHONE, b"an LSC", now()).learned, Learned::Done);
    for (client, words) in [
        (by_mic(DEVICE, keys::STRANGER), "its certificate names `cucm1.lab.example`"),
        (plan(""), "it sent no certificate"),
    ] {
        let mut server = server(Some(order(Operation::InstallUpgrade, AuthMode::ExistingMic)));
        let told = session(&mut server, client, keys::PHONE, b"an LSC", now());
        assert_eq!(told.learned, Learned::Refused);
        assert!(
            matches!(&told.events[0], Event::Refused { words: said, .. } if said.contains(words)),
            "{:?}",
            told.events
        );
        assert_eq!(server.device(DEVICE).unwrap().operation(), Operation::InstallUpgrade, "it stays pending");
    }
    // Nobody vouches for it.
    let mut row = Enrolment::new(DEVICE);
    row.order(order(Operation::InstallUpgrade, AuthMode::ExistingMic));
    let roots = Roots { mic: vec![certificate(keys::TVS).der().to_vec()], lsc: vec![], taken_back: vec![] };
    let mut foreign = Server::new(Settings { roots }, [row], 1);
    assert_eq!(session(&mut foreign, by_mic(DEVICE, keys::PHONE), keys::PHONE, b"", now()).learned, Learned::Refused);
}

#[test]
fn fetch_and_delete() {
    let with = |der: Option<&[u8]>| ClientPlan { certificate: der.map(<[u8]>::to_vec), ..plan("123456") };
    for (operation, held, status) in [
        (Operation::Troubleshoot, Some(&b"theirs"[..]), "Troubleshoot Success"),
        (Operation::Troubleshoot, None, "Troubleshoot Failed"),
        (Operation::Delete, Some(b"theirs"), "Delete Success"),
        (Operation::Delete, None, "Delete Failed"),
    ] {
        let mut server = server(Some(order(operation, AuthMode::AuthenticationString)));
        let told = session(&mut server, with(held), keys::PHONE, b"", now());
        assert_eq!(told.learned, Learned::Done);
        let row = server.device(DEVICE).unwrap();
        assert_eq!(row.status.to_string(), status);
        assert_eq!(row.certificate.is_some(), operation == Operation::Troubleshoot && held.is_some());
    }
}

#[test]
fn what_is_not_ordered_does_not_happen() {
    assert_eq!(session(&mut server(None), plan(""), keys::PHONE, b"", now()).learned, Learned::NothingPending);
    let unknown = ClientPlan { device: "SEP00DEADBEEF00".into(), ..plan("") };
    let told = session(&mut server(None), unknown, keys::PHONE, b"", now());
    assert_eq!(told.learned, Learned::UnknownDevice);
}

#[test]
fn an_operation_past_its_date_does_not_run() {
    let mut server = server(Some(order(Operation::InstallUpgrade, AuthMode::NullString)));
    let told = session(&mut server, plan(""), keys::PHONE, b"an LSC", now() + 86_400);
    assert_eq!((told.learned, told.stored), (Learned::NothingPending, None));
    let row = server.device(DEVICE).unwrap();
    assert_eq!(row.status.to_string(), "Upgrade Failed");
    assert!(row.reason.as_deref().unwrap().contains("date has passed"), "{row:?}");
}

#[test]
fn guessing_is_stopped_and_not_even_the_right_string_is_looked_at() {
    let mut server = server(Some(order(Operation::InstallUpgrade, AuthMode::AuthenticationString)));
    for guess in 0..5 {
        let told = session(&mut server, plan(&format!("00000{guess}")), keys::PHONE, b"", now());
        assert_eq!(told.learned, Learned::Refused);
    }
    let told = session(&mut server, plan("123456"), keys::PHONE, b"", now() + 899);
    assert_eq!(told.learned, Learned::Refused);
    assert!(matches!(&told.events[0], Event::Refused { words, .. } if words.contains("none is looked at for 1 s")));
    assert_eq!(session(&mut server, plan("123456"), keys::PHONE, b"an LSC", now() + 900).learned, Learned::Done);
}

#[test]
fn who_falls_silent_is_let_go_and_may_come_again() {
    let mut server = server(Some(order(Operation::InstallUpgrade, AuthMode::NullString)));
    let id = server.connected(now()).unwrap();
    let elements = vec![Element::Version(3), Element::DeviceName(DEVICE.into())];
    server.handle(id, Message::new(Command::AuthRes, id, elements), now());
    assert_eq!(server.device(DEVICE).unwrap().status, Status::InProgress);
    while server.poll().is_some() {}
    server.tick(server.deadline().unwrap());
    let outputs: Vec<Output> = std::iter::from_fn(|| server.poll()).collect();
    assert!(outputs.contains(&Output::Close(id)));
    assert_eq!(server.deadline(), None);
    assert_eq!(server.device(DEVICE).unwrap().status, Status::Pending);
    assert_eq!(session(&mut server, plan(""), keys::PHONE, b"an LSC", now()).learned, Learned::Done);
}

#[test]
fn out_of_turn_and_anothers_number_end_the_session() {
    for (command, number) in [(Command::StoreCertRes, 0), (Command::AuthRes, 1), (Command::Other(99), 0)] {
        let mut server = server(Some(order(Operation::InstallUpgrade, AuthMode::NullString)));
        let id = server.connected(now()).unwrap();
        let elements = vec![Element::DeviceName(DEVICE.into()), Element::Reason(Reason::Success)];
        server.handle(id, Message::new(command, id + number, elements), now());
        let outputs: Vec<Output> = std::iter::from_fn(|| server.poll()).collect();
        assert!(outputs.contains(&Output::Close(id)), "{outputs:?}");
        assert_eq!(server.device(DEVICE).unwrap().status, Status::Pending);
    }
}

#[test]
fn a_password_is_never_printed() {
    let message = Message::new(Command::AuthRes, 1, [Element::Password("123456".into())]);
    assert!(!format!("{message:?}").contains("123456"));
    assert!(
        !format!("{:?}", server(Some(order(Operation::Delete, AuthMode::AuthenticationString)))).contains("123456")
    );
    assert_eq!(Secret::new(DEVICE, "123"), None);
    assert_eq!(Secret::new(DEVICE, "12345a"), None);
}

/// Lines `S>C hex` and `C>S hex`; not in this repository.
fn transcript(name: &str) -> Option<Vec<(bool, Vec<u8>)>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/formats/vectors/");
    let text = std::fs::read_to_string(format!("{folder}{name}.txt")).ok()?;
    let line = |line: &str| {
        let (from, hex) = line.split_once(' ').unwrap();
        (from == "S>C", keys::unhex(hex))
    };
    Some(text.lines().map(line).collect())
}

/// What the others' phone said is said to our server, and what their server said to our phone: each must answer as the
/// other side of the transcript did, octet for octet.
#[test]
fn transcripts_of_the_open_programs_are_replayed_both_ways() {
    let ec = Order { key: KeyOrder::EcOnly(Curve::P256), ..order(Operation::InstallUpgrade, AuthMode::NullString) };
    for (name, ordered, password) in [
        ("capf-install-rsa-password", Some(order(Operation::InstallUpgrade, AuthMode::AuthenticationString)), "123456"),
        ("capf-install-ec-secp256r1", Some(ec), ""),
        ("capf-fetch", Some(order(Operation::Troubleshoot, AuthMode::NullString)), ""),
        ("capf-none", None, ""),
        ("capf-wrong-password", Some(order(Operation::InstallUpgrade, AuthMode::AuthenticationString)), "999999"),
    ] {
        let Some(lines) = transcript(name) else { return };
        let parsed: Vec<(bool, Message)> =
            lines.iter().map(|(from, octets)| (*from, Message::parse(octets).unwrap())).collect();
        for ((_, message), (_, octets)) in parsed.iter().zip(&lines) {
            assert_eq!(&message.octets(), octets, "{name}: what is read is written again");
        }
        let held = parsed.iter().find_map(|(_, message)| {
            message.find(|element| match element {
                Element::Certificate(_, der) => Some(der.clone()),
                _ => None,
            })
        });
        if let Some(der) = &held {
            assert_eq!(Certificate::from_der(der).unwrap().common_name(), DEVICE);
        }
        let key = parsed.iter().find_map(|(_, message)| {
            message.find(|element| match element {
                Element::PublicKey(spki) => Some(spki.clone()),
                _ => None,
            })
        });
        // Our server, their phone.
        let mut row = Enrolment::new(DEVICE);
        if let Some(order) = ordered.clone() {
            row.order(order);
        }
        let mut server = Server::new(Settings { roots: Roots::default() }, [row], lines[0].1[5].into());
        let id = server.connected(now()).unwrap();
        let mut said = parsed.iter();
        let mut expected = lines.iter().filter(|(from, _)| *from).map(|(_, octets)| octets.clone());
        loop {
            let mut quiet = true;
            while let Some(output) = server.poll() {
                quiet = false;
                match output {
                    Output::Send(_, message) => assert_eq!(Some(message.octets()), expected.next(), "{name}"),
                    Output::Issue { session, .. } => server.issued(session, Ok(held.clone().unwrap()), now()),
                    _ => {}
                }
            }
            match said.find(|(from, _)| !from) {
                Some((_, message)) => server.handle(id, message.clone(), now()),
                None if quiet => break,
                None => {}
            }
        }
        assert_eq!(expected.next(), None, "{name}: our server fell silent");
        // Our phone, their server.
        let mut client = Client::new(ClientPlan { certificate: held.clone(), ..plan(password) });
        let mut expected = lines.iter().filter(|(from, _)| !from).map(|(_, octets)| octets.clone());
        for (_, message) in parsed.iter().filter(|(from, _)| *from) {
            client.handle(message);
            while let Some(output) = client.poll() {
                match output {
                    ClientOutput::Send(message) => assert_eq!(Some(message.octets()), expected.next(), "{name}"),
                    ClientOutput::MakeRsa(_) | ClientOutput::MakeEc(_) => client.made(key.clone().unwrap()),
                    _ => {}
                }
            }
        }
        assert_eq!(expected.next(), None, "{name}: our phone fell silent");
    }
}

#[test]
fn a_bare_signature_is_what_phones_make() {
    let signer = signer(keys::PHONE);
    let proof = Prover { signer, kind: 1 }.prove(DEVICE).unwrap();
    let [_, Element::SignedData(sha1), Element::Sha2SignedData(Digest::Sha512, sha512)] = &proof[..] else {
        panic!("three elements")
    };
    assert_eq!((sha1.len(), sha512.len()), (256, 256));
}
