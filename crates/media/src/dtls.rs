//! A handshake on the media path that ends in SRTP keys (RFC 5763, RFC 5764): DTLS 1.2 and 1.3 are `dimpl`'s. Which
//! certificate is meant the description says, and no key is given out before the peer has shown that one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use dimpl::{Config, DtlsCertificate, Output, SrtpProfile};
use sdp::{Fingerprint, Hash, MasterKey, Suite};

/// Largest datagram that a handshake sends is well below.
const MOST: usize = 2048;

/// What all streams of an engine show: a certificate of its own, with its key.
#[derive(Clone)]
pub struct Identity {
    certificate: DtlsCertificate,
    config: Arc<Config>,
    /// The moment at which the engine's time is nought.
    epoch: Instant,
}

/// SRTP keys of both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) suite: Suite,
    /// Protects what we send.
    pub(crate) local: MasterKey,
    pub(crate) remote: MasterKey,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Going,
    /// Once, when the peer has proved to be whom the description named.
    Keyed(Box<Keys>),
    /// For good, in words.
    Failed(String),
}

/// One handshake, and the association after it (its last flight may be asked for again).
pub(crate) struct Handshake {
    dtls: dimpl::Dtls,
    epoch: Instant,
    active: bool,
    /// Whom the description named.
    expected: Fingerprint,
    is_expected: bool,
    connected: bool,
    keys: Option<Box<Keys>>,
    due: Option<Duration>,
}

impl Identity {
    /// Of an ECDSA certificate (DER) and its key (PKCS #8, DER). `epoch` is when the engine's time was nought.
    ///
    /// # Errors
    /// In words, when the library takes no such settings.
    pub fn new(certificate: Vec<u8>, private_key: Vec<u8>, epoch: Instant) -> Result<Identity, String> {
        let config = Config::builder().require_client_certificate(true).handshake_timeout(PATIENCE).build();
        let config = config.map_err(|error| format!("DTLS cannot be had: {error}"))?;
        let certificate = DtlsCertificate { certificate, private_key };
        Ok(Identity { certificate, config: Arc::new(config), epoch })
    }

    /// SHA-256 of the certificate.
    pub fn fingerprint(&self) -> [u8; 32] {
        let digest = digest::digest(&digest::SHA256, &self.certificate.certificate);
        // SHA-256 is 32 octets.
        digest.as_ref().try_into().unwrap_or([0; 32])
    }
}

/// How long a handshake may take: the way may still be opened by the peer's checks.
const PATIENCE: Duration = Duration::from_secs(20);

impl Handshake {
    pub(crate) fn new(identity: &Identity, active: bool, expected: Fingerprint, now: Duration) -> Handshake {
        let at = identity.epoch + now;
        let mut dtls = dimpl::Dtls::new_auto(identity.config.clone(), identity.certificate.clone(), at);
        dtls.set_active(active);
        Handshake {
            dtls,
            epoch: identity.epoch,
            active,
            expected,
            is_expected: false,
            connected: false,
            keys: None,
            // Who begins has something to say at once.
            due: active.then_some(now),
        }
    }

    /// When [`Handshake::tick`] has something to do.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// A datagram of the peer's; what is to be sent goes to `send`.
    pub(crate) fn take(&mut self, datagram: &[u8], now: Duration, send: impl FnMut(&[u8])) -> Progress {
        let at = self.epoch + now;
        let taken = self.dtls.handle_timeout(at).and_then(|()| self.dtls.handle_packet(datagram));
        self.go_on(taken, send)
    }

    pub(crate) fn tick(&mut self, now: Duration, send: impl FnMut(&[u8])) -> Progress {
        let ticked = self.dtls.handle_timeout(self.epoch + now);
        self.go_on(ticked, send)
    }

    fn go_on(&mut self, result: Result<(), dimpl::Error>, mut send: impl FnMut(&[u8])) -> Progress {
        let mut buffer = [0; MOST];
        self.due = None;
        // What was to be sent is sent also where it ends: an alert says why.
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => send(packet),
                Output::Timeout(at) => {
                    // Some far moment means none.
                    self.due = Some(at.saturating_duration_since(self.epoch)).filter(|due| *due < FAR);
                    break;
                }
                Output::PeerCert(der) => {
                    if hash(self.expected.hash, der) != self.expected.digest {
                        return Progress::Failed(format!(
                            "the peer's certificate is not the one of its description (a=fingerprint:{} expected); \
                             somebody else is on the media path, or the peer is at fault",
                            self.expected
                        ));
                    }
                    self.is_expected = true;
                }
                Output::KeyingMaterial(material, profile) => match keys(&material, profile, self.active) {
                    Some(keys) => self.keys = Some(Box::new(keys)),
                    None => {
                        return Progress::Failed(format!("the peer took an SRTP profile that is not had: {profile}"));
                    }
                },
                Output::Connected => self.connected = true,
                Output::BufferTooSmall { needed } => {
                    return Progress::Failed(format!("a flight of {needed} octets, of which {MOST} are had at most"));
                }
                Output::CloseNotify => return Progress::Failed("the peer ended the association".into()),
                _ => {}
            }
        }
        if let Err(error) = result {
            return Progress::Failed(format!("DTLS: {error}"));
        }
        if self.connected && !self.is_expected && self.keys.is_some() {
            return Progress::Failed("the peer showed no certificate".into());
        }
        match self.keys.take_if(|_| self.connected && self.is_expected) {
            Some(keys) => Progress::Keyed(keys),
            None => Progress::Going,
        }
    }
}

/// A hundred years: the library has no word for "never".
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);

fn hash(hash: Hash, der: &[u8]) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    };
    digest::digest(algorithm, der).as_ref().to_vec()
}

/// Client's key, server's, client's salt, server's (RFC 5764 §4.2).
fn keys(material: &[u8], profile: SrtpProfile, active: bool) -> Option<Keys> {
    let suite = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128HmacSha1_80,
        SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
        _ => return None,
    };
    let (key, salt) = suite.key_salt_len();
    let (keys, salts) = material.split_at_checked(2 * key)?;
    let of = |nth: usize| {
        let (key, salt) = (keys.get(nth * key..(nth + 1) * key)?, salts.get(nth * salt..(nth + 1) * salt)?);
        Some(MasterKey::new([key, salt].concat()))
    };
    let (client, server) = (of(0)?, of(1)?);
    let (local, remote) = if active { (client, server) } else { (server, client) };
    Some(Keys { suite, local, remote })
}
