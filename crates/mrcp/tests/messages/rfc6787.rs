//! Every message of RFC 6787's examples, in both directions: read, and written again octet for octet.

use bytes::Bytes;
use mrcp::{Framer, Limits, Message, Start, nlsml};

const TABLE: &str = include_str!("rfc6787.txt");

struct Example {
    section: String,
    from_client: bool,
    bytes: Bytes,
    text: String,
}

/// A body of the type that the example has.
fn body(name: &str) -> &'static str {
    match name {
        "ssml" => {
            "<?xml version=\"1.0\"?>\r\n<speak version=\"1.0\" xmlns=\"http://www.w3.org/2001/10/synthesis\" \
             xml:lang=\"en-US\">\r\n  <s>Four messages are <mark name=\"here\"/>new.</s>\r\n</speak>\r\n"
        }
        "grammar" => {
            "<?xml version=\"1.0\"?>\r\n<grammar xmlns=\"http://www.w3.org/2001/06/grammar\" version=\"1.0\" \
             xml:lang=\"en-US\" root=\"a\">\r\n  <rule id=\"a\"><item>André Roy</item></rule>\r\n</grammar>\r\n"
        }
        "uris" => "session:one@form.example\r\nsession:two@field.example\r\n",
        "result" => {
            "<?xml version=\"1.0\"?>\r\n<result xmlns=\"urn:ietf:params:xml:ns:mrcpv2\" grammar=\"session:one\">\r\n  \
             <interpretation><instance><name>Roy</name></instance><input>Roy, please</input></interpretation>\r\n\
             </result>\r\n"
        }
        "enrolment" => {
            "<?xml version=\"1.0\"?>\r\n<result xmlns=\"urn:ietf:params:xml:ns:mrcpv2\"><enrollment-result>\
             <num-clashes> 1 </num-clashes></enrollment-result></result>\r\n"
        }
        "verification" => {
            "<?xml version=\"1.0\"?>\r\n<result xmlns=\"urn:ietf:params:xml:ns:mrcpv2\"><verification-result>\
             <voiceprint id=\"a\"><incremental><decision> accepted </decision></incremental></voiceprint>\
             </verification-result></result>\r\n"
        }
        other => panic!("no body is called {other}"),
    }
}

/// Puts lengths where the table has dots. Counted on its own, not as the crate counts.
fn measured(text: &str, content: &str) -> String {
    let text = text.replace("Content-Length:...", &format!("Content-Length:{}", content.len()));
    let whole = format!("{text}\r\n{content}");
    (1..7)
        .map(|digits| (digits, whole.len() - "...".len() + digits))
        .find(|(digits, length)| length.to_string().len() == *digits)
        .map(|(_, length)| whole.replacen("...", &length.to_string(), 1))
        .expect("every message has a length")
}

fn examples() -> Vec<Example> {
    let mut out = Vec::new();
    let mut section = String::new();
    let mut open: Option<(bool, String, &str)> = None;
    let mut close = |open: &mut Option<(bool, String, &str)>, section: &str| {
        if let Some((from_client, head, content)) = open.take() {
            let text = measured(&head, content);
            out.push(Example { section: section.to_owned(), from_client, bytes: Bytes::from(text.clone()), text });
        }
    };
    for line in TABLE.lines() {
        match line.split_once(' ') {
            Some(("#", rest)) => {
                close(&mut open, &section);
                section = rest.to_owned();
            }
            Some((side @ ("C" | "S"), rest)) => {
                close(&mut open, &section);
                open = Some((side == "C", format!("{rest}\r\n"), ""));
            }
            _ if line.is_empty() => {}
            _ => {
                let (_, head, content) = open.as_mut().expect("a field belongs to a message");
                match line.strip_prefix('@') {
                    Some(name) => *content = body(name),
                    None => head.push_str(&format!("{line}\r\n")),
                }
            }
        }
    }
    close(&mut open, &section);
    out
}

#[test]
fn every_message_of_the_rfcs_examples_is_read_and_written_again_octet_for_octet() {
    let examples = examples();
    assert_eq!(examples.len(), 151, "messages in RFC 6787");
    for Example { section, from_client, bytes, text } in &examples {
        let message = Message::parse(bytes).unwrap_or_else(|error| panic!("§{section}: {error}\n{text}"));
        assert_eq!(message.write(), bytes, "§{section}");
        let of_client = matches!(message.start, Start::Request { .. });
        assert_eq!(of_client, *from_client, "§{section}: who says it\n{text}");
        if let Start::Request { method, .. } = &message.start {
            assert!(mrcp::Method::ALL.contains(method), "§{section}: {method}");
        }
        if let Start::Event { name, .. } = &message.start {
            assert!(mrcp::EventName::ALL.contains(name), "§{section}: {name}");
        }
        // Whatever field there is, it is one that can be understood.
        for name in message.headers().names() {
            let value = message.headers().value(name).expect("it is there");
            assert!(value.is_ok(), "§{section}: {name}: {:?}", value.err());
        }
        if let Some(kind) = message.headers().text("Content-Type").filter(|kind| kind.contains("nlsml")) {
            assert!(nlsml::read(message.body()).is_ok(), "§{section}: {kind}");
        }
    }
}

#[test]
fn the_examples_as_one_stream_are_cut_however_they_arrive() {
    let examples = examples();
    let stream: Vec<u8> = examples.iter().flat_map(|example| example.bytes.to_vec()).collect();
    for step in [1, 7, 1460, stream.len()] {
        let mut framer = Framer::new(Limits::default());
        let mut seen = 0;
        for piece in stream.chunks(step) {
            framer.push(piece);
            while let Some(message) = framer.next().unwrap() {
                assert_eq!(message.write(), examples[seen].bytes);
                seen += 1;
            }
        }
        assert_eq!((seen, framer.pending()), (examples.len(), 0));
    }
}

/// What the RFC's own examples have that its rules do not: what becomes of each here.
#[test]
fn where_the_rfc_slips() {
    let read = |head: &str| Message::parse(&Bytes::from(measured(head, "")));
    let words = |head: &str| read(head).unwrap_err().to_string();
    // §8.10: `@speechsynth` stands behind the state and not behind the channel. The table has it put right.
    let slipped = "MRCP/2.0 ... 543258 200 IN-PROGRESS@speechsynth\r\nChannel-Identifier:32AECB23433802\r\n";
    assert!(words(slipped).contains("COMPLETE, IN-PROGRESS or PENDING was expected"));
    // §9.10: a request with a status code. Put right in the table.
    let slipped = "MRCP/2.0 ... STOP 543258 200\r\nChannel-Identifier:32AECB23433801@speechrecog\r\n";
    assert!(words(slipped).contains("the request's state was expected"));
    // §5.1, §9.20, §9.21: an event with a status code. Taken and kept, since it misleads nobody.
    let slipped = "MRCP/2.0 ... INTERPRETATION-COMPLETE 543266 200 COMPLETE\r\nCompletion-Cause:000 success\r\n";
    assert!(matches!(read(slipped).unwrap().start, Start::Event { stray: Some(_), .. }));
    // §11.15: no Channel-Identifier. It is a message, and nobody's: a resource refuses it.
    let slipped = "MRCP/2.0 ... VERIFICATION-COMPLETE 543259 COMPLETE\r\nCompletion-Cause:000 success\r\n";
    assert!(read(slipped).unwrap().headers().channel().is_none());
    // §5.1 gives lengths as "proper" ones. With CRLF its three messages have 878, 85 and 631 octets, not 877, 82 and 634.
    let slipped = "MRCP/2.0 82 543266 200 IN-PROGRESS\r\nChannel-Identifier:32AECB23433801@speechrecog\r\n\r\n";
    let error = Message::parse(&Bytes::from(slipped)).unwrap_err().to_string();
    assert_eq!(error, "the message has 85 octets, its start line says 82 (at octet 0)");
}
