//! What a passport proves: as data, and as text that can be read at 3 a.m.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::session_id::Uuid;

/// The outcome of [`crate::passport::verify`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub site: String,
    pub caller: Uuid,
    pub made_ms: u64,
    /// The statements chain to roots that the verifier brought along, not merely to those in the file.
    pub roots_are_ours: bool,
    pub signers: Vec<Signer>,
    /// In the order in which the call went. Empty when a statement could not be believed: then nothing can be said.
    pub hops: Vec<Hop>,
    pub media: Vec<MediaPath>,
    /// The first thing that is wrong.
    pub wrong: Option<Wrong>,
}

/// Whose word it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    pub node: String,
    pub role: String,
    pub subject: String,
    /// Of the certificate, SHA-256, lower-case hex.
    pub fingerprint: String,
    pub made_ms: u64,
}

/// One SIP dialog between two boxes, as its two ends tell it, or as one does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Who called.
    pub from: String,
    pub to: String,
    pub seen: Seen,
    pub signalling: String,
    pub media: String,
    /// `connected, ended: …`, `never connected: …`, `still up`
    pub state: String,
    /// Who took part otherwise than as one of two who talk: supervisors, who may have listened unheard.
    #[serde(default)]
    pub parts: Vec<String>,
    /// What an administrator's loud words allow, said loudly.
    pub exceptions: Vec<String>,
    /// Nodes that saw the SDES keys of this hop because they pass descriptions on.
    pub keys_seen_by: Vec<String>,
    pub wrong: Vec<Wrong>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    BothEnds,
    /// The other end is no node of ours: this node's word alone.
    OneSided {
        by: String,
    },
}

/// One stream of media between two nodes that both counted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaPath {
    pub a: String,
    pub b: String,
    pub words: String,
    pub wrong: Vec<Wrong>,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    pub kind: Kind,
    pub place: String,
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Not a passport, or of another format.
    Format,
    NoStatement,
    /// A statement's base64 or JSON.
    Unreadable,
    /// A root certificate in the file that the verifier does not trust.
    Root,
    /// A changed byte, or a certificate that does not chain or was not valid then.
    Signature,
    /// Signed by somebody else than it says.
    Identity,
    Site,
    /// Statements of different calls.
    Caller,
    Time,
    Duplicate,
    /// A hop's other end is a node of ours whose statement is not here.
    MissingStatement,
    /// Two ends do not say the same.
    Disagreement,
    /// Signalling that is not protected as it must be.
    Signalling,
    /// Media that is not protected as it must be.
    Media,
}

impl Wrong {
    pub(crate) fn new(kind: Kind, place: &str, what: String) -> Wrong {
        Wrong { kind, place: place.into(), what }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl Verdict {
    /// Nothing found yet.
    pub(crate) fn of(site: String, caller: Uuid, made_ms: u64, roots_are_ours: bool) -> Verdict {
        Verdict {
            site,
            caller,
            made_ms,
            roots_are_ours,
            signers: Vec::new(),
            hops: Vec::new(),
            media: Vec::new(),
            wrong: None,
        }
    }

    pub fn is_good(&self) -> bool {
        self.wrong.is_none()
    }

    /// Good, and by a root that the verifier named: the one thing that an exit status of 0 may mean.
    pub fn is_vouched_for(&self) -> bool {
        self.is_good() && self.roots_are_ours
    }

    /// How many hops are as they are by an administrator's loud words.
    pub fn exceptions(&self) -> usize {
        self.hops.iter().filter(|hop| !hop.exceptions.is_empty()).count()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.signers.is_empty() {
            writeln!(f, "call of {}  site {}  as of {}", self.caller.0, self.site, utc(self.made_ms))?;
            let width = self.signers.iter().map(|s| s.node.len()).max().unwrap_or(0);
            for signer in &self.signers {
                let short = signer.fingerprint.get(..16).unwrap_or(&signer.fingerprint);
                writeln!(f, "signed  {:width$}  {:<13}  {}  {short}…", signer.node, signer.role, signer.subject)?;
            }
        }
        for (n, hop) in self.hops.iter().enumerate() {
            let seen = match &hop.seen {
                Seen::BothEnds => "both ends say so".into(),
                Seen::OneSided { by } => format!("one-sided: the word of {by}"),
            };
            writeln!(f, "hop {}   {} -> {}", n + 1, hop.from, hop.to)?;
            writeln!(f, "        {}; {}", hop.signalling, hop.media)?;
            writeln!(f, "        {seen}; {}", hop.state)?;
            if !hop.keys_seen_by.is_empty() {
                writeln!(f, "        media keys passed through {}", hop.keys_seen_by.join(", "))?;
            }
            for part in &hop.parts {
                writeln!(f, "  !!    {part}")?;
            }
            for exception in &hop.exceptions {
                writeln!(f, "  !!    EXCEPTION {exception}")?;
            }
            for wrong in &hop.wrong {
                writeln!(f, "  XX    WRONG {}", wrong.what)?;
            }
        }
        for path in &self.media {
            writeln!(f, "media   {} <-> {}  {}", path.a, path.b, path.words)?;
            for wrong in &path.wrong {
                writeln!(f, "  XX    WRONG {}", wrong.what)?;
            }
        }
        if !self.roots_are_ours && !self.signers.is_empty() {
            writeln!(f, "  !!    the root certificate is the file's own word: give yours (--root) to know who signed")?;
        }
        match (&self.wrong, self.exceptions()) {
            (Some(wrong), _) => writeln!(f, "verdict WRONG: {wrong}"),
            (None, _) if !self.roots_are_ours => {
                writeln!(f, "verdict WHOLE: nothing is wrong with it, but nobody whom you named vouches for it")
            }
            (None, 0) => writeln!(f, "verdict GOOD: {} hops, every one secure", self.hops.len()),
            (None, 1) => writeln!(
                f,
                "verdict GOOD: {} hops, secure but for 1 exception by an administrator's words",
                self.hops.len()
            ),
            (None, n) => writeln!(
                f,
                "verdict GOOD: {} hops, secure but for {n} exceptions by an administrator's words",
                self.hops.len()
            ),
        }
    }
}

/// `2021-03-25 02:55:20 UTC`.
fn utc(ms: u64) -> String {
    let trust::Utc { year, month, day, hour, minute, second } = trust::Utc::of(ms / 1000);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_the_calendar_has_them() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(1_616_640_920_819), "2021-03-25 02:55:20 UTC");
        assert_eq!(utc(1_709_164_800_000), "2024-02-29 00:00:00 UTC");
        assert_eq!(utc(4_107_542_399_000), "2100-02-28 23:59:59 UTC");
        assert_eq!(utc(4_107_542_400_000), "2100-03-01 00:00:00 UTC");
    }
}
