//! On whose word a certificate stands. A site trusts its own CA, and may trust those of partners; a partner's can write
//! any name into a certificate, so a peer is known by its name *and* by the authority that gave it.

use std::fmt;
use std::time::Duration;

use rustls::{CertificateError, Connection, HandshakeKind};
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::{Deserialize, Serialize};

use crate::tls::chain::{Roots, Usage};
use crate::{CertificateFacts, Error, Refusal, words};

/// Whose certificates are good for a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Authority {
    /// The site's own CA.
    #[default]
    Own,
    /// The CAPF of the call manager that is asked: it issues phones' certificates (LSC), and vouches for nobody else.
    Phones,
    /// A partner's, by the name that the site gives it.
    Named(String),
}

impl Authority {
    /// As the site names it; nobody named is our own.
    pub fn of(name: Option<&str>) -> Authority {
        name.map_or(Authority::Own, |name| Authority::Named(name.to_owned()))
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Authority::Own => f.write_str("the site's own authority"),
            Authority::Phones => f.write_str("the call manager's CAPF"),
            Authority::Named(name) => write!(f, "authority `{name}`"),
        }
    }
}

/// The authorities that a node trusts, told apart.
#[derive(Debug)]
pub struct Authorities(Vec<(Authority, Roots)>);

impl Authorities {
    /// Of root certificates in PEM and whose they are; lists of what an authority revoked may stand in the same text.
    ///
    /// # Errors
    /// One of them is no root certificate, or a list beside it is not its own.
    pub fn new(roots: &[(Authority, String)]) -> Result<Authorities, Error> {
        let of = |(authority, pem): &(Authority, String)| {
            Ok((authority.clone(), Roots::from_pem(std::slice::from_ref(pem))?))
        };
        roots.iter().map(of).collect::<Result<_, Error>>().map(Authorities)
    }

    /// What is wrong today with a chain that was good when its connection was made: one of its certificates was revoked
    /// since, or the authority that vouched is trusted no longer. Dates are not looked at again, nor whether a list is
    /// old: what was let in stays until it is withdrawn.
    pub fn withdrawn(&self, connection: &Connection, at: UnixTime) -> Option<Refusal> {
        let chain = connection.peer_certificates()?;
        self.judge(chain, at, usage_of(connection))
    }

    /// The same for a caller's chain.
    pub fn withdrawn_from_caller(&self, chain: &[CertificateDer<'_>], at: UnixTime) -> Option<Refusal> {
        self.judge(chain, at, Usage::Dials)
    }

    /// What is wrong now with the peer of a session that was taken up again: its certificates came with an earlier
    /// connection, and TLS asks no verifier about them a second time (RFC 8446 §4.6.1). Whoever resumes is judged as
    /// whoever comes anew, dates and lists included; a full handshake was judged when it was made.
    pub fn overdue(&self, connection: &Connection, at: UnixTime) -> Option<Refusal> {
        if connection.handshake_kind() != Some(HandshakeKind::Resumed) {
            return None;
        }
        let (leaf, intermediates) = connection.peer_certificates()?.split_first()?;
        let facts = CertificateFacts::from_der(leaf).ok();
        let mut worst = None;
        for (_, roots) in &self.0 {
            let Err(error) = roots.verify(leaf, intermediates, at, usage_of(connection)) else { return None };
            // Who knows it says more than who does not.
            let known = !matches!(error, rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
            if known || worst.is_none() {
                worst = Some((error, facts.as_ref().and_then(|facts| roots.revoked(facts))));
            }
        }
        let (error, revoked) = worst?;
        if error == rustls::Error::InvalidCertificate(CertificateError::Revoked) {
            return Some(words::revoked(facts.as_ref(), revoked.as_deref()));
        }
        let names: Vec<String> = self.0.iter().flat_map(|(_, roots)| roots.names()).collect();
        Some(words::of_certificate(&error, &[], facts.as_ref(), &names))
    }

    fn judge(&self, chain: &[CertificateDer<'_>], at: UnixTime, usage: Usage) -> Option<Refusal> {
        let (leaf, intermediates) = chain.split_first()?;
        let facts = CertificateFacts::from_der(leaf).ok()?;
        // As if its own dates still held: an authority tells whom it does not know from whom it knows and is too old.
        let within = (at.as_secs() as i64).clamp(facts.not_before, facts.not_after.max(facts.not_before));
        let at = UnixTime::since_unix_epoch(Duration::from_secs(within.max(0).unsigned_abs()));
        let mut unknown = None;
        for (_, roots) in &self.0 {
            let Err(error) = roots.verify(leaf, intermediates, at, usage) else { return None };
            let rustls::Error::InvalidCertificate(reason) = &error else { continue };
            if *reason == CertificateError::UnknownIssuer {
                let names: Vec<String> = self.0.iter().flat_map(|(_, roots)| roots.names()).collect();
                unknown = Some(words::of_certificate(&error, &[], Some(&facts), &names));
                continue;
            }
            // This one knows it. What else is wrong, such as an old list, was not when it came; who is on it counts, too.
            let said = chain.iter().filter_map(|der| CertificateFacts::from_der(der).ok());
            let said = said.filter_map(|facts| roots.revoked(&facts)).next();
            let revoked = said.is_some() || *reason == CertificateError::Revoked;
            return revoked.then(|| words::revoked(Some(&facts), said.as_deref()));
        }
        unknown
    }

    /// Those from which this chain comes. With one authority only there is nothing to tell apart.
    pub(crate) fn of(&self, chain: &[CertificateDer<'_>], at: UnixTime, usage: Usage) -> Vec<Authority> {
        let Some((leaf, intermediates)) = chain.split_first() else { return Vec::new() };
        match self.0.as_slice() {
            [(only, _)] => vec![only.clone()],
            all => {
                let vouches = |(_, roots): &&(Authority, Roots)| roots.verify(leaf, intermediates, at, usage).is_ok();
                all.iter().filter(vouches).map(|(authority, _)| authority.clone()).collect()
            }
        }
    }
}

/// What the peer of a connection does with its certificate.
pub(crate) fn usage_of(connection: &Connection) -> Usage {
    match connection {
        Connection::Client(_) => Usage::Listens,
        Connection::Server(_) => Usage::Dials,
    }
}
