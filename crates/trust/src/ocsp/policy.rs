//! That an authority's certificates are asked about, as it stands beside its roots and lists: one text is all that a peer of
//! an authority is judged by.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Error;
use crate::identity::to_pem;

const LABEL: &str = "RINGFENCE OCSP POLICY";

/// Each end entity of an authority needs an answer that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Who is asked; absent: whom the certificate itself names.
    pub responder: Option<String>,
    /// Who has no answer is let in. One that says "revoked" or "unknown", or that is not to be believed, counts.
    pub dangerous_soft_fail: bool,
}

impl Policy {
    /// For the text of an authority's roots.
    pub fn pem(&self) -> String {
        let word = if self.dangerous_soft_fail { "soft" } else { "hard" };
        to_pem(LABEL, format!("{word} {}", self.responder.as_deref().unwrap_or_default()).as_bytes())
    }

    /// The one in such a text.
    ///
    /// # Errors
    /// It was not written by [`Policy::pem`].
    pub(crate) fn in_pem(text: &str) -> Result<Option<Policy>, Error> {
        let (begin, end) = (format!("-----BEGIN {LABEL}-----"), format!("-----END {LABEL}-----"));
        let Some((_, rest)) = text.split_once(&begin) else { return Ok(None) };
        let bad = || Error::Certificate("what is asked of an authority (OCSP) cannot be read".into());
        let (inner, _) = rest.split_once(&end).ok_or_else(bad)?;
        let inner: String = inner.split_whitespace().collect();
        let words = String::from_utf8(STANDARD.decode(inner).map_err(|_| bad())?).map_err(|_| bad())?;
        let (word, responder) = words.split_once(' ').ok_or_else(bad)?;
        let dangerous_soft_fail = match word {
            "soft" => true,
            "hard" => false,
            _ => return Err(bad()),
        };
        let responder = Some(responder).filter(|responder| !responder.is_empty()).map(str::to_owned);
        Ok(Some(Policy { responder, dangerous_soft_fail }))
    }
}
