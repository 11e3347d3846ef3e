//! Bytes as a session description (RFC 8866), as an offer and as an answer (RFC 3264): nothing may panic, and what is
//! read must read the same after it has been written.
#![no_main]

use std::hint::black_box;

use sdp::{Direction, Local, MasterKey, Policy, Protection, Session, Suite};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(session) = Session::parse(input) {
        let written = session.to_string();
        assert_eq!(Session::parse(written.as_bytes()).as_ref(), Ok(&session));
    }
    for protection in [Protection::Secure, Protection::DangerousPlainRtp] {
        let policy = Policy { protection, suites: vec![], codecs: vec![], telephone_event: true };
        let mut keys = |suite: Suite| {
            let (key, salt) = suite.key_salt_len();
            MasterKey::new(vec![7; key + salt])
        };
        let mut local = Local { addr: "192.0.2.1:40000".parse().unwrap(), session_id: 1, version: 1 };
        black_box(sdp::inspect(&policy, input).is_ok());
        if let Ok((text, _)) = sdp::answer(&policy, &mut local, input, &mut keys) {
            assert!(Session::parse(text.as_bytes()).is_ok(), "our own answer must read");
        }
        let (_, offered) = sdp::offer(&policy, &mut local, Direction::SendRecv, &mut keys);
        black_box(sdp::accept(&offered, &policy, input).is_ok());
    }
});
