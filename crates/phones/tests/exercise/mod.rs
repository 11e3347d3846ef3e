//! What must hold of any octets, for the fuzz targets and for the replay of their corpora: nothing panics, and what is
//! read and written again is what was read.

use phones::{EncryptedFile, SignedFile, TrustList, capf, inspect, show, tvs};

pub(crate) fn trust_list(input: &[u8]) {
    if let Ok(list) = TrustList::parse(input) {
        assert_eq!(TrustList::parse(list.octets()).as_ref(), Ok(&list));
        assert_eq!(list.octets(), input);
        let _ = list.verify_itself();
        let _ = show(&list, "today");
    }
    let _ = phones::Holding::default().offer(input);
    let _ = inspect(input, "today", &[], None, 0);
}

pub(crate) fn signed_file(input: &[u8]) {
    if let Ok(file) = SignedFile::parse(input) {
        assert!(input.ends_with(file.body()));
    }
    if let Ok(file) = EncryptedFile::parse(input) {
        assert_eq!(file.octets(), input);
    }
    let _ = inspect(input, "today", &[], None, 0);
}

/// As one message, and as a stream in pieces to a server that waits for a phone.
pub(crate) fn capf(input: &[u8]) {
    if let Ok(message) = capf::Message::parse(input) {
        // Certificates and digests have one spelling each, so octets come back as they were.
        assert_eq!(capf::Message::parse(&message.octets()).as_ref(), Ok(&message));
        let _ = format!("{message:?}");
    }
    let mut row = capf::Enrolment::new("SEP001122334455");
    row.order(capf::Order {
        operation: capf::Operation::InstallUpgrade,
        mode: capf::AuthMode::ExistingMic,
        secret: None,
        key: capf::KeyOrder::RsaOnly(2048),
        completes_by: 100,
    });
    let settings = capf::Settings { roots: capf::Roots::default() };
    let mut server = capf::Server::new(settings, [row], 1);
    let session = server.connected(1);
    let mut framer = capf::Framer::default();
    for piece in input.chunks(7) {
        framer.push(piece);
        while let Some(Ok(message)) = framer.next_message() {
            if let Some(session) = session {
                server.handle(session, message, 1);
            }
        }
    }
    while server.poll().is_some() {}
}

pub(crate) fn tvs(input: &[u8]) {
    if let Ok(message) = tvs::Message::parse(input) {
        assert_eq!(tvs::Message::parse(&message.octets()).as_ref(), Ok(&message));
        let _ = tvs::Directory::default().answer(&message, 0);
        let _ = tvs::Answer::read(&message, &message);
    }
    let mut framer = tvs::Framer::default();
    framer.push(input);
    while let Some(Ok(_)) = framer.next_message() {}
}
