//! The messages of RFC 4475 in our own words (`torture/*.sip`), each with what that RFC says becomes of it.
//!
//! Set `RFC4475_DIR` to a directory of the RFC's own messages (`NAME.dat`, in any subdirectory) to hold them to the same
//! table.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sip::message::{self, Body, Contacts, ContentType, Date, Message, Method, Name, Status};
use sip::uri::Scheme;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// It is a message. What becomes of it above is looked at in a test of its own.
    Accept,
    /// Refused at the door with this code.
    Answer(u16),
    /// Not worth an answer.
    Drop,
}
use Outcome::{Accept, Answer, Drop};

const TABLE: &[(&str, Outcome)] = &[
    // §3.1.1: valid.
    ("wsinv", Accept),
    ("intmeth", Accept),
    ("esc01", Accept),
    ("escnull", Accept),
    ("esc02", Accept),
    ("lwsdisp", Accept),
    ("longreq", Accept),
    ("dblreq", Accept),
    ("semiuri", Accept),
    ("transports", Accept),
    ("mpart01", Accept),
    ("unreason", Accept),
    ("noreason", Accept),
    // §3.1.2: invalid.
    ("badinv01", Answer(400)),
    ("clerr", Answer(400)),
    ("ncl", Answer(400)),
    ("scalar02", Answer(400)),
    ("scalarlg", Drop),
    ("quotbal", Answer(400)),
    ("ltgtruri", Answer(400)),
    ("lwsruri", Answer(400)),
    ("lwsstart", Answer(400)),
    ("trws", Answer(400)),
    ("escruri", Answer(400)),
    // "may reject … or ignore": a wrong date is no reason to lose a call.
    ("baddate", Accept),
    ("regbadct", Answer(400)),
    ("badaspec", Answer(400)),
    ("baddn", Answer(400)),
    ("badvers", Answer(505)),
    ("mismatch01", Answer(400)),
    ("mismatch02", Answer(501)),
    ("bigcode", Drop),
    // §3.2: transaction.
    ("badbranch", Accept),
    // §3.3: application.
    ("insuf", Answer(400)),
    ("unkscm", Accept),
    ("novelsc", Accept),
    ("unksm2", Accept),
    ("bext01", Accept),
    ("invut", Accept),
    ("regaut01", Accept),
    ("multi01", Answer(400)),
    ("mcl01", Answer(400)),
    ("bcast", Accept),
    ("zeromf", Accept),
    ("cparam01", Accept),
    ("cparam02", Accept),
    ("regescrt", Accept),
    ("sdp01", Accept),
    // §3.4: backward compatibility.
    ("inv2543", Accept),
];

/// Beyond the RFC.
const OURS: &[(&str, Outcome)] = &[
    ("latin1", Accept),
    ("ipv6", Accept),
    ("barelf", Answer(400)),
    ("longuri", Answer(414)),
    ("manyfields", Answer(513)),
    ("longhead", Answer(513)),
    ("badack", Drop),
    ("noend", Answer(400)),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture")
}

fn bytes(name: &str) -> Bytes {
    Bytes::from(fs::read(folder().join(name).with_extension("sip")).unwrap())
}

fn read(name: &str) -> Message {
    Message::parse(bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn outcome(bytes: &Bytes) -> (Outcome, String) {
    match Message::parse(bytes.clone()) {
        Ok(_) => (Accept, String::new()),
        Err(error) if error.answer == 0 => (Drop, error.to_string()),
        Err(error) => (Answer(error.answer), error.to_string()),
    }
}

#[test]
fn each_message_has_its_outcome() {
    for (name, expect) in TABLE.iter().chain(OURS) {
        let (found, why) = outcome(&bytes(name));
        assert_eq!(found, *expect, "{name}: {why}");
    }
    let files = fs::read_dir(folder())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "sip"));
    assert_eq!(files.count(), TABLE.len() + OURS.len(), "a message without a row, or a row twice");
}

#[test]
fn what_is_refused_is_answered_over_the_way_it_came() {
    let remote = "198.51.100.77:5060".parse().unwrap();
    for (name, expect) in TABLE.iter().chain(OURS) {
        let bytes = bytes(name);
        let Err(error) = Message::parse(bytes.clone()) else {
            continue;
        };
        let answer = message::refuse(&bytes, &error, remote);
        match expect {
            Answer(code) => {
                let answer = answer.unwrap_or_else(|| panic!("{name}: no answer"));
                assert_eq!(answer.status(), Some(Status(*code)), "{name}");
                assert!(answer.header(&Name::Via).is_some(), "{name}");
                assert!(answer.bytes().len() < bytes.len() + 400, "{name}: the answer is no amplifier");
            }
            _ => assert_eq!(answer, None, "{name}"),
        }
    }
}

#[test]
fn the_rfcs_own_messages_fare_the_same() {
    let Some(root) = std::env::var_os("RFC4475_DIR") else {
        eprintln!("RFC4475_DIR is not set: only our renderings were looked at");
        return;
    };
    let mut seen = 0;
    for folder in [PathBuf::from(&root), Path::new(&root).join("valid"), Path::new(&root).join("invalid")] {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let Some((_, expect)) = TABLE.iter().find(|(row, _)| *row == name) else {
                continue;
            };
            if path.extension().is_none_or(|extension| extension != "dat") {
                continue;
            }
            let (found, why) = outcome(&Bytes::from(fs::read(&path).unwrap()));
            assert_eq!(found, *expect, "{name}: {why}");
            seen += 1;
        }
    }
    assert!(seen > 0, "RFC4475_DIR has no message of the table");
}

#[test]
fn white_space_and_folds_do_not_matter() {
    let message = read("wsinv");
    assert_eq!(message.bytes(), &bytes("wsinv"), "kept as it came");
    assert_eq!(message.to_tag(), Some("77001"));
    let from = message.from().unwrap();
    assert_eq!((from.display.as_deref(), from.tag()), (Some("A Caller \\\""), Some("ab12")));
    assert_eq!(message.max_forwards(), Some(42));
    assert_eq!(message.cseq().unwrap(), (11, Method::Invite));
    let vias: Vec<_> = message.all_typed::<message::Via>().map(Result::unwrap).collect();
    assert_eq!(
        vias.iter().map(|via| via.host.as_str()).collect::<Vec<_>>(),
        ["198.51.100.2", "loom.example.org", "10.1.2.3"]
    );
    assert_eq!(vias[2].branch(), Some("z9hG4bK77102"));
    assert_eq!(message.header(&Name::new("SomeNewHeader")), Some("a value that is new and goes on here"));
    assert_eq!(message.header(&Name::new("headerOFnoise")), Some(";;,,;;,;"));
    assert_eq!(message.header(&Name::Subject), Some(""));
    let contact = message.contact().unwrap().unwrap();
    assert_eq!((contact.q(), contact.param("another").as_deref()), (250, Some("")));
    assert!(message.sdp().unwrap().starts_with(b"v=0"));
}

#[test]
fn odd_characters_are_kept() {
    let message = read("intmeth");
    assert_eq!(message.method().as_str(), "!a-Method.with_all*the+odd`ones%in'it~7");
    let uri = message.request_uri().unwrap().unwrap();
    assert_eq!(uri.to_string(), message.request_uri_text().unwrap());
    assert_eq!(message.to().unwrap().display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(message.from().unwrap().params[0], ("fromparam''~+*_!.-%".into(), Some("\"штука\"".into())));
    assert_eq!(message.header(&Name::new("oddHeader-!.%*+_`'~")), Some("\u{feff}大阪"));
    assert_eq!(read("unreason").reason(), Some("= 2**3 * 5**2 сто раз по два"));
    assert_eq!(read("noreason").reason(), Some(""));
}

#[test]
fn escapes_mean_octets_in_uris_and_nothing_elsewhere() {
    let message = read("esc01");
    let uri = message.request_uri().unwrap().unwrap();
    assert_eq!((uri.user.as_deref(), uri.host.as_str()), (Some("sips:desk@example.org"), "example.net"));
    assert_eq!(message.to().unwrap().uri.user.as_deref(), Some("desk"));
    assert_eq!(message.contact().unwrap().unwrap().uri.param("name"), Some(Some("value%41")));
    let message = read("esc02");
    assert_ne!(message.method(), Method::Register);
    assert_eq!(message.values(&Name::Contact).count(), 2, "C%6Fntact is another name");
    assert_eq!(message.to().unwrap().display.as_deref(), Some("%Z%45"));
    let Contacts::Addresses(nulls) = read("escnull").contacts().unwrap() else { panic!() };
    assert_eq!(nulls[0].uri.user.as_deref(), Some("\0"));
    assert!(!nulls[0].uri.matches(&nulls[1].uri));
    assert_eq!(read("semiuri").request_uri().unwrap().unwrap().user.as_deref(), Some("desk;par=u@example.net"));
    assert_eq!(read("semiuri").values(&Name::Accept).count(), 6);
}

#[test]
fn one_datagram_is_one_message() {
    let message = read("dblreq");
    assert_eq!((message.method(), message.body()), (Method::Register, None));
    assert!(message.bytes().ends_with(b"Content-Length: 0\r\n\r\n"));
    let message = read("mpart01");
    let parts = message.body().unwrap().parts();
    assert_eq!(parts[0], Body::new("text/plain", "Hello"));
    assert_eq!(parts[1].bytes.last(), Some(&0x80));
    assert_eq!(message.sdp(), None);
}

#[test]
fn long_is_no_reason_to_refuse() {
    let message = read("longreq");
    assert_eq!(message.all_typed::<message::Via>().filter(Result::is_ok).count(), 33);
    assert!(message.from_tag().unwrap().len() > 150);
}

/// What the layers above need in order to do as §3.2–§3.4 say.
#[test]
fn the_ground_for_later_decisions_is_there() {
    assert_eq!(read("badbranch").branch(), Some("z9hG4bK"), "the cookie with nothing behind it names no transaction");
    for name in ["unkscm", "novelsc"] {
        let scheme = read(name).request_uri().unwrap().unwrap().scheme;
        assert!(matches!(scheme, Scheme::Other(_)), "{name}: 416");
    }
    assert_eq!(read("unksm2").to().unwrap().uri.to_string(), "isbn:2983792873");
    assert_eq!(read("bext01").values(&Name::Require).collect::<Vec<_>>(), ["nobodyHasThis", "norThis"]);
    assert!(read("invut").typed::<ContentType>().unwrap().unwrap().is("application/neverheard"));
    assert!(sip::auth::Credentials::parse(read("regaut01").header(&Name::Authorization).unwrap()).is_err());
    assert_eq!(read("bcast").values(&Name::Via).count(), 2, "not ours alone: to be dropped");
    assert_eq!(read("zeromf").max_forwards(), Some(0), "483 unless it is for us");
    assert!(read("baddate").typed::<Date>().unwrap().is_err());
    let in_header = read("cparam01").contact().unwrap().unwrap();
    assert_eq!((in_header.param("alien").as_deref(), in_header.uri.param("alien")), (Some(""), None));
    let in_uri = read("cparam02").contact().unwrap().unwrap();
    assert_eq!((in_uri.param("alien"), in_uri.uri.param("alien")), (None, Some(None)));
    assert_eq!(read("regescrt").contact().unwrap().unwrap().uri.headers[0].1, "<sip:sip.example.org>");
    let old = read("inv2543");
    assert_eq!((old.branch(), old.from_tag(), old.max_forwards()), (None, None, None));
    assert!(old.sdp().unwrap().ends_with(b"\r\n"), "without Content-Length the datagram's end is the body's");
}

#[test]
fn octets_that_are_no_utf8_pass_through() {
    let message = read("latin1");
    assert_eq!(message.from().unwrap().display.as_deref(), Some("Zo?"));
    assert_eq!(message.header(&Name::Subject), Some("caf?"));
    assert_eq!(message.header_bytes(&Name::Subject), Some(&b"caf\xe9"[..]));
    let answer = message::Builder::response(&message, Status(200), Some("t")).build();
    assert_eq!(answer.header_bytes(&Name::From), message.header_bytes(&Name::From));
    let v6 = read("ipv6");
    assert_eq!(v6.via().unwrap().received(), "2001:db8::2".parse().ok());
    assert_eq!(v6.contact().unwrap().unwrap().uri.ip(), "2001:db8::1".parse().ok());
}
