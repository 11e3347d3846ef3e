//! On whose word a certificate stands. A site trusts its own CA, and may trust those of partners; a partner's can write
//! any name into a certificate, so a peer is known by its name *and* by the authority that gave it.

use std::fmt;

use rustls_pki_types::{CertificateDer, UnixTime};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::tls::chain::{Roots, Usage};

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
    /// Of root certificates in PEM and whose they are.
    ///
    /// # Errors
    /// One of them is no root certificate.
    pub fn new(roots: &[(Authority, String)]) -> Result<Authorities, Error> {
        let of = |(authority, pem): &(Authority, String)| {
            Ok((authority.clone(), Roots::from_pem(std::slice::from_ref(pem))?))
        };
        roots.iter().map(of).collect::<Result<_, Error>>().map(Authorities)
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
