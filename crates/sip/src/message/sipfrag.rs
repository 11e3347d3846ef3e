//! message/sipfrag bodies (RFC 3420) as NOTIFY carries them for a REFER (RFC 3515 §2.4.5): how the call is going.

use super::{Body, Status, lex};

impl Body {
    /// `SIP/2.0 code reason`: what has become of the call that was asked for.
    pub fn sipfrag(status: Status) -> Body {
        Body::new("message/sipfrag;version=2.0", format!("SIP/2.0 {status} {}\r\n", status.reason()))
    }

    /// The status line in a sipfrag body, be it alone or the start of more; `None` for any other body.
    pub fn sipfrag_status(&self) -> Option<Status> {
        let fragment = self.part("message/sipfrag")?;
        let text = std::str::from_utf8(fragment.get(..12).or(fragment.get(..11))?).ok()?;
        let (version, code) = text.split_at_checked(8)?;
        let digits = lex::trim(code);
        let is_code = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let code = digits.parse().ok().filter(|code| is_code && (100..700).contains(code))?;
        version.eq_ignore_ascii_case("SIP/2.0 ").then_some(Status(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for code in [100, 200, 603] {
            assert_eq!(Body::sipfrag(Status(code)).sipfrag_status(), Some(Status(code)));
        }
        assert_eq!(Body::sipfrag(Status(100)).bytes, "SIP/2.0 100 Trying\r\n");
        let long = Body::new("message/sipfrag", "SIP/2.0 486 Busy Here\r\nTo: <sip:a@b>\r\n");
        assert_eq!(long.sipfrag_status(), Some(Status(486)));
        assert_eq!(Body::new("Message/SIPfrag", "SIP/2.0 200").sipfrag_status(), Some(Status(200)));
    }

    #[test]
    fn what_is_not_one_has_no_status() {
        for text in [
            "",
            "SIP/2.0",
            "SIP/2.0 2000",
            "SIP/2.0 20x OK",
            "INVITE sip:a SIP/2.0",
            "SIP/2.0 +20 x",
            "é".repeat(9).as_str(),
        ] {
            assert_eq!(Body::new("message/sipfrag", text.to_owned()).sipfrag_status(), None, "{text}");
        }
        assert_eq!(Body::sdp("SIP/2.0 200 OK").sipfrag_status(), None);
    }
}
