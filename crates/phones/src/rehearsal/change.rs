//! What may be changed of what phones trust, and how things stand for them afterwards.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use trust::Identity;

use crate::tvs::Directory;
use crate::{Certificate, Error, Function, Kind, Mode, Names, Services, Signer, TrustList};

/// Which of a call manager's certificates is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Signs configuration.
    CallManager,
    Tvs,
    /// Shown by CAPF, and the authority of phones' certificates.
    Capf,
    /// What the SIP and HTTPS listeners show: the node's own identity.
    Tftp,
    /// Signs lists.
    Recovery,
    /// The site's own CA, and with it the node's identity.
    Ca,
}

impl Which {
    pub const ALL: [Which; 6] = [Which::CallManager, Which::Tvs, Which::Capf, Which::Tftp, Which::Recovery, Which::Ca];

    pub fn word(self) -> &'static str {
        match self {
            Which::CallManager => "callmanager",
            Which::Tvs => "tvs",
            Which::Capf => "capf",
            Which::Tftp => "tftp",
            Which::Recovery => "itlrecovery",
            Which::Ca => "ca",
        }
    }
}

/// A change of what phones trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Renew(Which),
    SetMode(Mode),
    /// A root that phones' certificates are believed by is taken away: `ca`, `capf`, or `capf.previous`, the one that CAPF
    /// had before it was renewed.
    RemoveRoot(Root),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Root {
    Ca,
    Capf,
    CapfBefore,
}

impl Root {
    fn word(self) -> &'static str {
        match self {
            Root::Ca => "ca",
            Root::Capf => "capf",
            Root::CapfBefore => "capf.previous",
        }
    }
}

const WORDS: &str = "expected `renew callmanager|tvs|capf|tftp|itlrecovery|ca`, `mixed-mode on|off` or `remove-root \
                     ca|capf|capf.previous`";

impl Change {
    /// From the words of a command line.
    ///
    /// # Errors
    /// What can be typed.
    pub fn parse(words: &[String]) -> Result<Change, String> {
        let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        Ok(match lower[..] {
            ["renew", which] => {
                let known = Which::ALL
                    .into_iter()
                    .find(|known| known.word() == which || which == "recovery" && *known == Which::Recovery);
                Change::Renew(known.ok_or(WORDS)?)
            }
            ["mixed-mode", "on"] => Change::SetMode(Mode::Mixed),
            ["mixed-mode", "off"] => Change::SetMode(Mode::NonSecure),
            ["remove-root", root] => {
                let known = [Root::Ca, Root::Capf, Root::CapfBefore].into_iter().find(|known| known.word() == root);
                Change::RemoveRoot(known.ok_or(WORDS)?)
            }
            _ => return Err(WORDS.into()),
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Renew(which) => write!(f, "renew {}", which.word()),
            Change::SetMode(Mode::Mixed) => f.write_str("mixed-mode on"),
            Change::SetMode(Mode::NonSecure) => f.write_str("mixed-mode off"),
            Change::RemoveRoot(root) => write!(f, "remove-root {}", root.word()),
        }
    }
}

/// A call manager as its phones will meet it: what it serves, shows and believes.
#[derive(Clone, Debug)]
pub struct Standing {
    pub mode: Mode,
    pub itl: TrustList,
    pub ctl: Option<TrustList>,
    /// Who signs configuration.
    pub signs_files: Certificate,
    /// What the SIP and HTTPS listeners show.
    pub shows: Certificate,
    pub capf: Certificate,
    pub tvs: Certificate,
    pub directory: Directory,
    /// Authorities of phones' certificates from CAPF (DER).
    pub authorities: Vec<Vec<u8>>,
    /// Certificates of the site's own CA that phones bear are believed.
    pub believes_ca: bool,
}

impl Standing {
    /// Where this call manager stands. Lists are made at `timestamp` (seconds since 1970), as the next ones would be.
    ///
    /// # Errors
    /// The lists cannot be signed.
    pub fn of(services: &Services, mode: Mode, has_ctl: bool, timestamp: u32) -> Result<Standing, Error> {
        let list = |kind| services.list(kind, mode, timestamp);
        let before = services.before.iter().filter(|(_, function)| *function == Function::Capf);
        let authorities = std::iter::once(&services.capf).chain(before.map(|(certificate, _)| certificate));
        Ok(Standing {
            mode,
            itl: list(Kind::Itl)?,
            ctl: (has_ctl || mode == Mode::Mixed).then(|| list(Kind::Ctl)).transpose()?,
            signs_files: services.call_manager.certificate().clone(),
            shows: services.tls.clone(),
            capf: services.capf.clone(),
            tvs: services.tvs.clone(),
            directory: services.directory(),
            authorities: authorities.map(|certificate| certificate.der().to_vec()).collect(),
            believes_ca: true,
        })
    }

    /// Where it stands once `change` is made. `made` is the new certificate, in a renewal: any of that name will do, since
    /// phones tell certificates by all of their octets.
    ///
    /// # Errors
    /// The lists cannot be signed, or a renewal has no certificate.
    pub fn after(
        mut services: Services,
        (mode, has_ctl): (Mode, bool),
        change: &Change,
        made: Option<&Identity>,
        timestamp: u32,
    ) -> Result<Standing, Error> {
        let mut mode = mode;
        match change {
            Change::Renew(which) => {
                let made = made.ok_or_else(|| Error::Key("a renewal makes a certificate".into()))?;
                services.renew(*which, made)?;
            }
            Change::SetMode(wanted) => mode = *wanted,
            Change::RemoveRoot(Root::CapfBefore) => {
                services.before.retain(|(_, function)| *function != Function::Capf);
            }
            Change::RemoveRoot(Root::Ca | Root::Capf) => {}
        }
        let mut standing = Standing::of(&services, mode, has_ctl, timestamp)?;
        match change {
            Change::Renew(Which::Ca) | Change::RemoveRoot(Root::Ca) => standing.believes_ca = false,
            // CAPF goes on under its certificate; what it issued counts no more.
            Change::RemoveRoot(Root::Capf) => {
                let capf = services.capf.der();
                standing.authorities.retain(|der| der != capf);
            }
            Change::Renew(_) | Change::SetMode(_) | Change::RemoveRoot(Root::CapfBefore) => {}
        }
        Ok(standing)
    }
}

impl Services {
    /// One of them has a new certificate; what was before stays in the lists, as it does in [`crate::Services`] that are
    /// read after a renewal.
    ///
    /// # Errors
    /// The new key is not RSA, where phones know nothing else.
    pub fn renew(&mut self, which: Which, made: &Identity) -> Result<(), Error> {
        let certificate = || Certificate::from_der(&made.chain_der().into_iter().next().unwrap_or_default());
        match which {
            Which::CallManager => {
                let old = std::mem::replace(&mut self.call_manager, Signer::new(made)?);
                self.put_before(old.certificate().clone(), Function::CallManagerAndTftp);
            }
            Which::Tvs => {
                let old = std::mem::replace(&mut self.tvs, certificate()?);
                self.put_before(old, Function::Tvs);
            }
            Which::Capf => {
                let old = std::mem::replace(&mut self.capf, certificate()?);
                self.put_before(old, Function::Capf);
            }
            Which::Tftp | Which::Ca => {
                let old = std::mem::replace(&mut self.tls, certificate()?);
                self.also = vec![old];
            }
            Which::Recovery => {
                let old = std::mem::replace(&mut self.recovery, Signer::new(made)?);
                self.put_before(old.certificate().clone(), Function::Sast);
            }
        }
        Ok(())
    }

    /// Phones read of a certificate that one of them will have, beside the one that it has.
    pub fn announce(&mut self, certificate: Certificate, function: Function) {
        self.before.push((certificate, function));
    }

    /// One before is kept of each, as on the disk.
    fn put_before(&mut self, old: Certificate, function: Function) {
        self.before.retain(|(_, other)| *other != function);
        self.before.push((old, function));
    }
}

/// What a phone proves itself by when it registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The certificate that CAPF issued to it (DER); `None`: it has none.
    Lsc(Option<Vec<u8>>),
    /// One of the site's own CA, installed by hand.
    SiteCertificate,
    /// Digest alone: it may have a certificate of CAPF, and then shows it.
    Digest(Option<Vec<u8>>),
}

impl Proof {
    pub(super) fn lsc(&self) -> Option<&[u8]> {
        match self {
            Proof::Lsc(lsc) | Proof::Digest(lsc) => lsc.as_deref(),
            Proof::SiteCertificate => None,
        }
    }
}

/// When certificates are judged.
pub(super) fn at(now: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(now).unwrap_or(0))
}

/// `CN=cucm1-TVS (serial 4A:…)`.
pub(super) fn named(certificate: &Certificate) -> String {
    format!("{} (serial {})", certificate.subject(Names::Equipment), certificate.serial())
}
