//! A phone as it starts: trust lists (the first unseen, later ones by signature, and TVS asked about a signer that is not
//! known), its configuration, its certificate by CAPF, and its configuration again, decrypted; until it knows whom to
//! register with, by which certificates that server is known, and who it is itself.

mod keeping;
mod tftp;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use phones::capf::{ClientPlan, Learned, Prover};
use phones::config::{SecurityMode, Told, Transport};
use phones::tvs::Answer;
use phones::{Certificate, EncryptedFile, Function, Holding, Kind, Outcome, SignedFile, Signer};

use self::keeping::{Keeping, Lsc};
use crate::phone_services::{ask_tvs, enrol};

/// A phone with nothing but a name, an address and a folder.
pub struct SecurePhone {
    /// `SEP…`
    device: String,
    /// Its own address.
    from: IpAddr,
    tftp: SocketAddr,
    keeping: Keeping,
    holding: Holding,
    /// Authentication string, as its user would key it in.
    password: String,
    /// It registers by a token (SIP OAuth): no certificate is asked of it, and it asks CAPF for none.
    by_token: bool,
    heard: Vec<String>,
}

/// All that it takes to register.
#[derive(Debug)]
pub struct Provisioned {
    pub line: String,
    /// Digest user and secret, where the call manager asks for digest.
    pub digest: Option<(String, String)>,
    /// Name and address of the call manager.
    pub server_name: String,
    pub server: SocketAddr,
    /// The certificates (DER) that the call manager may show: those of the CTL; or where a token is the phone's proof and
    /// there is no mixed mode, of the ITL.
    pub pinned: Vec<Vec<u8>>,
    /// The phone's own, from CAPF; `None`: it registers by a token.
    pub identity: Option<trust::Identity>,
    /// What happened, in words, a line each.
    pub heard: Vec<String>,
}

impl SecurePhone {
    /// `folder` keeps what a phone keeps; an empty one is a phone out of its box.
    ///
    /// # Errors
    /// The folder cannot be made, or what it holds was changed.
    pub fn open(
        device: &str,
        from: IpAddr,
        tftp: SocketAddr,
        folder: &Path,
        password: &str,
    ) -> anyhow::Result<SecurePhone> {
        let keeping = Keeping::open(folder)?;
        let holding = keeping.lists()?;
        Ok(SecurePhone {
            device: device.to_owned(),
            from,
            tftp,
            keeping,
            holding,
            password: password.to_owned(),
            by_token: false,
            heard: Vec::new(),
        })
    }

    /// The same phone, which registers by a token.
    pub fn by_token(self) -> SecurePhone {
        SecurePhone { by_token: true, ..self }
    }

    /// Starts up.
    ///
    /// # Errors
    /// Words: which of the services did not answer, which file is not to be trusted, or why the phone cannot be secure.
    pub async fn start(mut self) -> anyhow::Result<Provisioned> {
        self.take(Kind::Itl).await?;
        self.take(Kind::Ctl).await?;
        let mut told = self.signed().await?;
        if !self.by_token {
            self.enrol(&told).await?;
        }
        // Enrolment changes what the server says, and to whom it is encrypted.
        let lsc = self.keeping.lsc()?;
        if lsc.is_some() {
            told = self.signed().await?;
        }
        if let (Some(lsc), false) = (&lsc, told.full) {
            told = self.encrypted(lsc, told.encrypted_to.as_deref()).await?;
        }
        self.registration(told, lsc)
    }

    fn hear(&mut self, words: impl Into<String>) {
        self.heard.push(words.into());
    }

    /// Its own list of a kind, or the one for all phones.
    async fn take(&mut self, kind: Kind) -> anyhow::Result<()> {
        let own = format!("{}{}.tlv", kind.word(), self.device);
        let octets = match self.read(&own).await? {
            Some(octets) => octets,
            None => match self.read(kind.file_name()).await? {
                Some(octets) => octets,
                None => {
                    self.hear(format!("there is no {}", kind.word()));
                    return Ok(());
                }
            },
        };
        let untrusted = || format!("the {} of {} is not to be trusted", kind.word(), self.tftp);
        let outcome = self.holding.offer(&octets).with_context(untrusted)?;
        let words = match outcome {
            Outcome::Same => return Ok(()),
            Outcome::First => "taken on first use",
            Outcome::Updated => "taken by its signature",
            Outcome::Ask(signer) => {
                self.vouched(&signer).await.with_context(untrusted)?;
                self.holding.offer_vouched(&octets, &signer)?;
                "taken, its signer vouched for by TVS"
            }
        };
        self.keeping.keep_list(kind, &octets)?;
        self.hear(format!("{} {words}", kind.word()));
        Ok(())
    }

    /// TVS says that this certificate may sign lists.
    async fn vouched(&self, signer: &Certificate) -> anyhow::Result<()> {
        let service = SocketAddr::new(self.tftp.ip(), phones::tvs::PORT);
        let answer = ask_tvs(service, &self.certificates(Function::Tvs), &self.device, signer).await?;
        match answer {
            Answer::Trusted { functions, .. } if functions.contains(&Function::Sast) => Ok(()),
            Answer::Trusted { .. } => bail!("TVS knows `{}`, but not as one that signs lists", signer.common_name()),
            Answer::Unknown => bail!("TVS does not know its signer, `{}`", signer.common_name()),
        }
    }

    async fn read(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        tftp::read(self.from, self.tftp, name).await
    }

    fn certificates(&self, function: Function) -> Vec<Vec<u8>> {
        self.holding.certificates(function).iter().map(|certificate| certificate.der().to_vec()).collect()
    }

    /// The signed configuration, believed.
    async fn signed(&mut self) -> anyhow::Result<Told> {
        let name = format!("{}.cnf.xml.sgn", self.device);
        let octets = self.read(&name).await?;
        let octets = octets.with_context(|| {
            format!("{} has no {name}: add phone `{}` to the call manager, or correct the name", self.tftp, self.device)
        })?;
        let file = SignedFile::parse(&octets)?;
        self.holding.believe(&file, &name).with_context(|| format!("{name} is not to be trusted"))?;
        told(file.body())
    }

    /// The whole configuration, believed and decrypted.
    async fn encrypted(&mut self, lsc: &Lsc, to: Option<&str>) -> anyhow::Result<Told> {
        let own = phones::certificate_hash(&Certificate::from_der(&lsc.certificate)?);
        ensure!(
            to == Some(own.as_str()),
            "the configuration is encrypted to another certificate than this phone has: have CAPF install one anew"
        );
        let name = format!("{}.cnf.xml.enc.sgn", self.device);
        let octets = self.read(&name).await?.with_context(|| format!("{} has no {name}", self.tftp))?;
        let file = EncryptedFile::parse(&octets)?;
        self.holding.believe_encrypted(&file, &name).with_context(|| format!("{name} is not to be trusted"))?;
        let text = file.decrypt(&lsc.key)?.with_context(|| format!("{name} cannot be decrypted"))?;
        self.hear("configuration decrypted");
        told(&text)
    }

    /// Goes to CAPF, and does what is ordered there.
    async fn enrol(&mut self, told: &Told) -> anyhow::Result<()> {
        let Some(capf) = &told.capf else { return Ok(()) };
        let existing = self.keeping.lsc()?;
        let server = self.address(&capf.host, capf.port)?;
        let own = existing.as_ref().map(identity).transpose()?;
        // The proof by a certificate is an RSA signature: a phone with an elliptic key has none.
        let prover = own.and_then(|own| Signer::new(&own).ok()).map(|signer| Prover { signer, kind: 1 });
        let plan = ClientPlan {
            device: self.device.clone(),
            version: 3,
            password: self.password.clone(),
            prover,
            certificate: existing.map(|lsc| lsc.certificate),
        };
        let enrolled = enrol(server, &self.certificates(Function::Capf), plan).await?;
        if let (Learned::Done, Some((certificate, key))) = (&enrolled.learned, enrolled.issued) {
            self.keeping.keep_lsc(&Lsc { certificate, key })?;
        }
        self.hear(format!("CAPF: {}", enrolled.learned));
        Ok(())
    }

    /// Where a host of the configuration is: as the trust lists say that, then by DNS.
    fn address(&self, host: &str, port: u16) -> anyhow::Result<SocketAddr> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(address, port));
        }
        if let Some(address) = self.holding.address_of(host) {
            return Ok(SocketAddr::new(address, port));
        }
        let mut found = std::net::ToSocketAddrs::to_socket_addrs(&(host, port))
            .with_context(|| format!("`{host}` has no address in the trust lists, nor in DNS"))?;
        found.next().with_context(|| format!("`{host}` has no address"))
    }

    /// The certificates that this list has for call managers.
    fn call_managers(&self, kind: Kind) -> Vec<Vec<u8>> {
        let records = self.holding.list(kind).into_iter().flat_map(|list| list.of(Function::CallManagerAndTftp));
        records.filter_map(|record| record.certificate()).map(|certificate| certificate.der().to_vec()).collect()
    }

    fn registration(self, told: Told, lsc: Option<Lsc>) -> anyhow::Result<Provisioned> {
        ensure!(
            told.security_mode != SecurityMode::NonSecure && told.transport == Transport::Tls,
            "this phone is told not to be secure: its device security profile is non-secure, or the cluster is not in \
             mixed mode (`ringfence utils ctl set-cluster mixed-mode`)"
        );
        let (server_name, port) =
            told.call_managers.first().cloned().context("the configuration names no call manager")?;
        let server = self.address(&server_name, port)?;
        let mut pinned = self.call_managers(Kind::Ctl);
        let identity = match (self.by_token, lsc) {
            (true, _) => {
                // A token needs no mixed mode: then the ITL, by whose signers this configuration is believed, says who it is.
                pinned = if pinned.is_empty() { self.call_managers(Kind::Itl) } else { pinned };
                ensure!(
                    !pinned.is_empty(),
                    "neither CTL nor ITL has a certificate of a call manager: nobody could be verified"
                );
                None
            }
            (false, Some(lsc)) => Some(identity(&lsc)?),
            (false, None) => bail!(
                "this phone has no certificate of its own (LSC): order `certificate_operation = \"install_upgrade\"` \
                 for `{}`, or enable OAuth in its profile and give it a token (--token)",
                self.device
            ),
        };
        ensure!(!pinned.is_empty(), "the CTL has no certificate of a call manager: the cluster is not in mixed mode");
        let line = told.line.with_context(|| match self.by_token {
            true => "the configuration has no line; if it is encrypted, have CAPF give this phone a certificate first",
            false => "the configuration has no line",
        })?;
        Ok(Provisioned {
            line: line.number,
            digest: line.digest,
            server_name,
            server,
            pinned,
            identity,
            heard: self.heard,
        })
    }
}

fn told(text: &[u8]) -> anyhow::Result<Told> {
    Told::read(&String::from_utf8_lossy(text)).map_err(anyhow::Error::msg)
}

fn identity(lsc: &Lsc) -> anyhow::Result<trust::Identity> {
    Ok(trust::Identity::from_pem(&trust::certificate_pem(&lsc.certificate), &lsc.key)?)
}
