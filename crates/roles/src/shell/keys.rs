//! Keys by INFO (`application/dtmf-relay`, one key a request): how an element without media has one that has it press them.
//! Older than RFC 6086 and its packages, and what equipment speaks.

use sip::Body;

const RELAY: &str = "application/dtmf-relay";
/// Milliseconds; what plays it has its own length.
const DURATION: u16 = 160;
/// Keys that are pressed at once.
pub(crate) const MOST_KEYS: usize = 32;

/// Whether there is a key of this name (RFC 4733 §3.2).
pub(crate) fn is_key(key: char) -> bool {
    key.is_ascii_digit() || "*#ABCDabcd".contains(key)
}

/// The body that presses it.
pub(crate) fn pressed(key: char) -> Body {
    Body::new(RELAY, format!("Signal={key}\r\nDuration={DURATION}\r\n"))
}

/// The key that a body presses; nothing where it presses none that there is.
pub(crate) fn key_in(body: &Body) -> Option<char> {
    if !body.is(RELAY) {
        return None;
    }
    let text = std::str::from_utf8(&body.bytes).ok()?;
    let signal = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
    })?;
    // Stars and pounds have been written as event numbers too.
    match signal {
        "10" => Some('*'),
        "11" => Some('#'),
        one => one.chars().next().filter(|key| one.len() == 1 && is_key(*key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_what_is_none_is_none() {
        for key in "0123456789*#ABCD".chars() {
            assert_eq!(key_in(&pressed(key)), Some(key));
        }
        let body = |text: &str| Body::new("Application/DTMF-Relay", text.to_owned());
        assert_eq!(key_in(&body("signal = 5\nduration=100\n")), Some('5'));
        assert_eq!((key_in(&body("Signal=11")), key_in(&body("Signal=10"))), (Some('#'), Some('*')));
        for none in ["", "Signal=", "Signal=55", "Signal=x", "Duration=5", "Signal=\u{e9}"] {
            assert_eq!(key_in(&body(none)), None, "{none}");
        }
        assert_eq!(key_in(&Body::new("text/plain", "Signal=5")), None);
    }
}
