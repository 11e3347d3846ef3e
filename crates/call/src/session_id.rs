//! Session-ID (RFC 7989): a UUID of each end, carried end to end, mirrored on the two legs of a hop.

use std::fmt;

use serde::{Deserialize, Serialize};

/// 32 lower-case hex digits; all zeros when the other end is not known yet (§5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uuid(pub String);

impl Uuid {
    /// The nil UUID: nobody is known there yet (RFC 7989 §5).
    pub fn nil() -> Uuid {
        Uuid("0".repeat(32))
    }

    /// A version 4 UUID (RFC 9562 §5.4) of 16 random octets of the caller's.
    pub fn random(mut octets: [u8; 16]) -> Uuid {
        octets[6] = (octets[6] & 0x0f) | 0x40;
        octets[8] = (octets[8] & 0x3f) | 0x80;
        Uuid(octets.iter().map(|octet| format!("{octet:02x}")).collect())
    }

    /// 32 hex digits in any case, as RFC 7989 §10.1 writes them; `None` for anything else.
    pub fn parse(text: &str) -> Option<Uuid> {
        let is_uuid = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_uuid.then(|| Uuid(text.to_ascii_lowercase()))
    }

    pub fn is_nil(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As seen on one leg: `local` is the end on our side of it, `remote` the end beyond the peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId {
    pub local: Uuid,
    pub remote: Uuid,
}

impl SessionId {
    /// Neither end is known.
    pub fn nil() -> SessionId {
        SessionId { local: Uuid::nil(), remote: Uuid::nil() }
    }

    /// The header field's value as we send it on this leg: `local;remote=remote`.
    pub fn to_header(&self) -> String {
        format!("{};remote={}", self.local, self.remote)
    }

    /// What a peer wrote, as it names the ends: `local` is *its* side. Without a `remote` parameter (the old form of
    /// RFC 7329) that half is nil. `None` when the first half is no UUID.
    pub fn parse(value: &str) -> Option<SessionId> {
        let mut parts = value.split(';').map(str::trim);
        let local = Uuid::parse(parts.next()?)?;
        let remote = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("remote").then(|| Uuid::parse(value.trim()))?
        });
        Some(SessionId { local, remote: remote.unwrap_or_else(Uuid::nil) })
    }

    /// Takes over what the peer says of its own side. True when that changed who is there: the first word from a
    /// party is no change.
    pub fn hear(&mut self, theirs: &SessionId) -> bool {
        if theirs.local.is_nil() || theirs.local == self.remote {
            return false;
        }
        let known = !self.remote.is_nil();
        self.remote = theirs.local.clone();
        known
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionId, Uuid};

    const A: &str = "ab30317f1a784dc48ff824d0d3715d86";
    const B: &str = "47755a9de7794ba387653f2099600ef2";

    #[test]
    fn written_and_read_back_mirrored() {
        let ours = SessionId { local: Uuid(A.into()), remote: Uuid(B.into()) };
        assert_eq!(ours.to_header(), format!("{A};remote={B}"));
        assert_eq!(SessionId::parse(&ours.to_header()), Some(ours));
    }

    #[test]
    fn upper_case_spaces_and_unknown_parameters_are_read() {
        let read = SessionId::parse(&format!("{} ;x=1; Remote={}", A.to_uppercase(), B)).unwrap();
        assert_eq!((read.local.0.as_str(), read.remote.0.as_str()), (A, B));
        assert!(SessionId::parse(&format!("{A};remote=short")).unwrap().remote.is_nil());
        assert_eq!(SessionId::parse("nonsense"), None);
        assert_eq!(SessionId::parse(""), None);
    }

    #[test]
    fn a_change_of_party_is_told_from_its_first_word() {
        let mut leg = SessionId { local: Uuid(A.into()), remote: Uuid::nil() };
        let first = SessionId { local: Uuid(B.into()), remote: Uuid(A.into()) };
        assert!(!leg.hear(&first), "the first word is no change");
        assert!(!leg.hear(&first), "nor is the same again");
        assert!(!leg.hear(&SessionId { local: Uuid::nil(), remote: Uuid(A.into()) }), "nor is silence");
        assert_eq!(leg.remote.0, B);
        assert!(leg.hear(&SessionId { local: Uuid(A.into()), remote: Uuid::nil() }));
    }

    #[test]
    fn random_ones_are_version_4() {
        assert_eq!(Uuid::random([0xff; 16]).0, "ffffffffffff4fffbfffffffffffffff");
        assert!(Uuid::parse(&Uuid::random([7; 16]).0).is_some());
    }
}
