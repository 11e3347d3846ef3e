//! What must hold of any octets, for the fuzz target and for the replay of its corpus: nothing panics, what is read and
//! written again is what was read, our own answer reads, and no refusal or debug text shows a key.

use sdp::{Direction, Local, MasterKey, Policy, Protection, Session, Suite};

/// What became of an input.
#[derive(Default)]
#[allow(dead_code)] // the fuzz target asks for nothing
pub(crate) struct Outcome {
    pub(crate) is_description: bool,
    pub(crate) is_answered: bool,
}

/// As a description (RFC 8866), as an offer and as an answer (RFC 3264), to a secure side and to one in clear.
pub(crate) fn bytes(input: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    if let Ok(session) = Session::parse(input) {
        outcome.is_description = true;
        assert_eq!(Session::parse(session.to_string().as_bytes()).as_ref(), Ok(&session));
        assert!(!format!("{session:?}").contains("inline:"));
    }
    for protection in [Protection::Secure, Protection::DangerousPlainRtp] {
        let policy = Policy::new(protection);
        let mut local = Local::new(([192, 0, 2, 1], 4000).into(), 1);
        let mut keys = |suite: Suite| {
            let (key, salt) = suite.key_salt_len();
            MasterKey::new(vec![7; key + salt])
        };
        let _ = sdp::inspect(&policy, input);
        match sdp::answer(&policy, &mut local, input, &mut keys) {
            Ok((text, _)) => {
                outcome.is_answered = true;
                assert!(Session::parse(text.as_bytes()).is_ok(), "our own answer must read");
            }
            // The method may be named, its key not.
            Err(refusal) => assert!(!format!("{refusal} {refusal:?}").replace("'inline:'", "").contains("inline:")),
        }
        let (_, offered) = sdp::offer(&policy, &mut local, Direction::SendRecv, &mut keys);
        let _ = sdp::accept(&offered, &policy, input);
    }
    outcome
}
