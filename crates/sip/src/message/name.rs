//! Names of header fields (RFC 3261 §20, §7.3.3): one table gives spelling, compact form, and whether the grammar has
//! a comma-separated list or allows the field only once.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

/// How often a field may stand in a message, and how its value is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Values may be joined by commas.
    List,
    /// A second field of this name makes the message ambiguous, so it is refused (RFC 4475 §3.3.8).
    Once,
    Plain,
}
use Shape::{List, Once, Plain};

macro_rules! names {
    ($($variant:ident $text:literal $compact:literal $shape:ident),+ $(,)?) => {
        /// A header field name: known ones are variants (compact forms folded in), the rest keep their spelling.
        /// Names compare without regard to case (RFC 3261 §7.3.1).
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub enum Name {
            $($variant,)+
            Other(String),
        }

        /// Codes are positions in this table plus one; 0 is a name that is not in it.
        const TABLE: &[(&str, &str, Shape)] = &[$(($text, $compact, $shape)),+];

        const VARIANTS: &[Name] = &[$(Name::$variant),+];

        /// The same rows by number.
        #[derive(Clone, Copy)]
        enum Row {
            $($variant),+
        }

        impl Name {
            /// The full name as the registry spells it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Name::$variant => $text,)+
                    Name::Other(name) => name,
                }
            }

            /// Known without a look at the spelling, but for names that may be known ones in disguise.
            pub(crate) fn code(&self) -> u8 {
                match self {
                    $(Name::$variant => Row::$variant as u8 + 1,)+
                    Name::Other(name) => code(name.as_bytes()),
                }
            }
        }
    };
}

names! {
    Accept "Accept" "" List,
    AcceptContact "Accept-Contact" "a" List,
    AcceptEncoding "Accept-Encoding" "" List,
    AcceptLanguage "Accept-Language" "" List,
    AlertInfo "Alert-Info" "" List,
    Allow "Allow" "" List,
    AllowEvents "Allow-Events" "u" List,
    AlsoReplaces "Also-Replaces" "" Plain,
    AuthenticationInfo "Authentication-Info" "" Plain,
    Authorization "Authorization" "" Plain,
    CSeq "CSeq" "" Once,
    CallId "Call-ID" "i" Once,
    CallInfo "Call-Info" "" List,
    Contact "Contact" "m" List,
    ContentDisposition "Content-Disposition" "" Plain,
    ContentEncoding "Content-Encoding" "e" List,
    ContentLanguage "Content-Language" "" List,
    ContentLength "Content-Length" "l" Once,
    ContentType "Content-Type" "c" Once,
    Date "Date" "" Plain,
    Diversion "Diversion" "" List,
    ErrorInfo "Error-Info" "" List,
    Event "Event" "o" Once,
    Expires "Expires" "" Once,
    FlowTimer "Flow-Timer" "" Once,
    From "From" "f" Once,
    Geolocation "Geolocation" "" List,
    HistoryInfo "History-Info" "" List,
    Identity "Identity" "y" List,
    IdentityInfo "Identity-Info" "n" Plain,
    InReplyTo "In-Reply-To" "" List,
    InfoPackage "Info-Package" "" Plain,
    Join "Join" "" Once,
    MaxBreadth "Max-Breadth" "" Once,
    MaxForwards "Max-Forwards" "" Once,
    MimeVersion "MIME-Version" "" Plain,
    MinExpires "Min-Expires" "" Once,
    MinSe "Min-SE" "" Once,
    Organization "Organization" "" Plain,
    PAssertedIdentity "P-Asserted-Identity" "" List,
    PPreferredIdentity "P-Preferred-Identity" "" List,
    Path "Path" "" List,
    Priority "Priority" "" Plain,
    Privacy "Privacy" "" Plain,
    ProxyAuthenticate "Proxy-Authenticate" "" Plain,
    ProxyAuthorization "Proxy-Authorization" "" Plain,
    ProxyRequire "Proxy-Require" "" List,
    RAck "RAck" "" Once,
    RSeq "RSeq" "" Once,
    Reason "Reason" "" List,
    RecordRoute "Record-Route" "" List,
    RecvInfo "Recv-Info" "" List,
    ReferSub "Refer-Sub" "" Plain,
    ReferTo "Refer-To" "r" Once,
    ReferredBy "Referred-By" "b" Once,
    RejectContact "Reject-Contact" "j" List,
    RemotePartyId "Remote-Party-ID" "" List,
    Replaces "Replaces" "" Once,
    ReplyTo "Reply-To" "" Plain,
    RequestDisposition "Request-Disposition" "d" List,
    Require "Require" "" List,
    RetryAfter "Retry-After" "" Plain,
    Route "Route" "" List,
    Server "Server" "" Plain,
    ServiceRoute "Service-Route" "" List,
    SessionExpires "Session-Expires" "x" Once,
    SessionId "Session-ID" "" Plain,
    SipEtag "SIP-ETag" "" Plain,
    SipIfMatch "SIP-If-Match" "" Plain,
    Subject "Subject" "s" Plain,
    SubscriptionState "Subscription-State" "" Once,
    Supported "Supported" "k" List,
    TargetDialog "Target-Dialog" "" Once,
    Timestamp "Timestamp" "" Plain,
    To "To" "t" Once,
    Unsupported "Unsupported" "" List,
    UserAgent "User-Agent" "" Plain,
    UserToUser "User-to-User" "" List,
    Via "Via" "v" List,
    Warning "Warning" "" List,
    WwwAuthenticate "WWW-Authenticate" "" Plain,
}

/// How many names the table has.
pub(crate) const KNOWN: usize = TABLE.len();

/// Code of names that are not in the table.
pub(crate) const OTHER: u8 = 0;

const SLOTS: usize = 512;

/// Open addressing, filled by the compiler, so that a name is known after one hash and (nearly always) one comparison.
const HASHED: [u8; SLOTS] = {
    let mut slots = [OTHER; SLOTS];
    let mut row = 0;
    while row < TABLE.len() {
        let spellings = [TABLE[row].0.as_bytes(), TABLE[row].1.as_bytes()];
        let mut i = 0;
        while i < 2 {
            if !spellings[i].is_empty() {
                let mut slot = hash(spellings[i]);
                while slots[slot] != OTHER {
                    slot = (slot + 1) % SLOTS;
                }
                slots[slot] = row as u8 + 1;
            }
            i += 1;
        }
        row += 1;
    }
    slots
};

const fn hash(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let first = name[0].to_ascii_lowercase() as usize;
    let middle = name[len / 2].to_ascii_lowercase() as usize;
    let last = name[len - 1].to_ascii_lowercase() as usize;
    (len * 31 + first * 7 + middle * 131 + last * 61) % SLOTS
}

/// The code of a name as it stands in a message, compact or in full.
pub(crate) fn code(name: &[u8]) -> u8 {
    let mut slot = hash(name);
    loop {
        let code = HASHED[slot];
        let Some((full, compact, _)) = usize::from(code).checked_sub(1).and_then(|row| TABLE.get(row)) else {
            return OTHER;
        };
        if name.eq_ignore_ascii_case(full.as_bytes()) || name.eq_ignore_ascii_case(compact.as_bytes()) {
            return code;
        }
        slot = (slot + 1) % SLOTS;
    }
}

pub(crate) fn from_code(code: u8) -> Option<&'static Name> {
    usize::from(code).checked_sub(1).and_then(|row| VARIANTS.get(row))
}

fn shape(code: u8) -> Shape {
    usize::from(code).checked_sub(1).and_then(|row| TABLE.get(row)).map_or(Plain, |row| row.2)
}

pub(crate) fn is_list(code: u8) -> bool {
    shape(code) == List
}

pub(crate) fn is_once(code: u8) -> bool {
    shape(code) == Once
}

impl Name {
    /// Any spelling: full or compact, in any case. What is not known keeps its spelling.
    pub fn new(text: &str) -> Name {
        from_code(code(text.as_bytes())).cloned().unwrap_or_else(|| Name::Other(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        let code = self.code();
        code == other.code() && (code != OTHER || self.as_str().eq_ignore_ascii_case(other.as_str()))
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        let lower = |name: &'_ Name| name.as_str().to_ascii_lowercase();
        lower(self).cmp(&lower(other))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.as_str().bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
        state.write_u8(0xff);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_finds_its_name() {
        for (row, (full, compact, _)) in TABLE.iter().enumerate() {
            let expect = row as u8 + 1;
            for spelling in [*full, &full.to_ascii_lowercase(), &full.to_ascii_uppercase()] {
                assert_eq!(code(spelling.as_bytes()), expect, "{spelling}");
            }
            if !compact.is_empty() {
                assert_eq!(code(compact.as_bytes()), expect, "{compact}");
                assert_eq!(code(compact.to_ascii_uppercase().as_bytes()), expect, "{compact}");
            }
            assert_eq!(VARIANTS[row].as_str(), *full);
            assert_eq!(VARIANTS[row].code(), expect);
        }
    }

    #[test]
    fn compact_forms_are_unique() {
        let mut forms: Vec<_> = TABLE.iter().map(|row| row.1).filter(|form| !form.is_empty()).collect();
        let all = forms.len();
        forms.sort_unstable();
        forms.dedup();
        assert_eq!(forms.len(), all);
    }

    #[test]
    fn unknown_names_keep_their_spelling_and_compare_without_case() {
        let name = Name::new("X-Cisco-Guid");
        assert_eq!(name.as_str(), "X-Cisco-Guid");
        assert_eq!(name, Name::Other("x-cisco-guid".into()));
        assert_ne!(name, Name::new("X-Cisco-Gui"));
        assert_eq!(code(b""), OTHER);
        assert_eq!(code(b"C%6Fntact"), OTHER);
    }

    #[test]
    fn probes_are_short() {
        // A slower table would still be right; this keeps it from being slow without anybody noticing.
        let longest = TABLE.iter().map(|(full, ..)| {
            let (mut slot, mut probes) = (hash(full.as_bytes()), 1);
            while HASHED[slot] != code(full.as_bytes()) {
                slot = (slot + 1) % SLOTS;
                probes += 1;
            }
            probes
        });
        assert!(longest.max().unwrap() <= 6);
    }
}
