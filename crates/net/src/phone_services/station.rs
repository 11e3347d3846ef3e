//! What a call manager has for its phones: lists, configuration, rows of CAPF; made from the site and the data directory,
//! kept in `nodes/NAME/phones`.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use phones::capf::{AuthMode, Curve, Enrolment, KeyOrder, Operation, Order, Secret};
use phones::config::{self, Asked, Form};
use phones::{
    Certificate, Cluster, Digest, Effect, Function, Kind, Mode, Names, Services, Signer, TrustList, sign_file,
};
use serde::{Deserialize, Serialize};
use site::{CallManager, Node, PhoneDevice, PhoneServices, Proof, Role, SecurityMode, Site, TransportType};
use store::{DataDir, PhoneKeys};
use trust::TakenBack;
use trust::tls::Versions;

/// Largest file served: firmware is some tens of megabytes.
const LARGEST: u64 = 256 * 1024 * 1024;

/// One call manager's services for phones, without their sockets.
pub struct Station {
    folder: PathBuf,
    services: Services,
    digest: Digest,
    settings: PhoneServices,
    manager: CallManager,
    /// By name, where in the site's lists each phone and its device's row are: there may be thousands.
    places: HashMap<String, (Option<usize>, Option<usize>)>,
    sip_port: u16,
    /// What its listeners speak.
    pub(super) versions: Versions,
    /// Where the key that signs phones' tokens is.
    dir: DataDir,
    node: String,
    /// Certificates of phones that are good no longer.
    taken_back: Vec<TakenBack>,
}

/// Certificates of the node's listeners besides the one in force: the one before, and the one that is announced.
fn also_shown(dir: &DataDir, node: &Node) -> anyhow::Result<Vec<Certificate>> {
    let mut ders = Vec::new();
    if let Some(before) = dir.previous_pem(&node.name) {
        ders.extend(trust::certificates_der(&before)?.into_iter().next());
    }
    if let Some((next, _)) = dir.next_identity(&node.name)? {
        ders.extend(next.chain_der().into_iter().next());
    }
    ders.iter().map(|der| Ok(Certificate::from_der(der)?)).collect()
}

/// What of the services was renewed, and what it was for.
fn services_before(keys: &PhoneKeys) -> anyhow::Result<Vec<(Certificate, Function)>> {
    let (before, next) = (&keys.before, keys.next_recovery.as_ref().map(trust::Identity::chain_pem));
    let rows = [
        // Phones take two signers from a list at most: once another is told, the one before is not.
        (&next.or_else(|| before.recovery.clone()), Function::Sast),
        (&before.call_manager, Function::CallManagerAndTftp),
        (&before.capf, Function::Capf),
        (&before.tvs, Function::Tvs),
    ];
    let mut all = Vec::new();
    for (pem, function) in rows {
        for der in pem.iter().map(|pem| trust::certificates_der(pem)).collect::<Result<Vec<_>, _>>()?.concat() {
            all.push((Certificate::from_der(&der)?, function));
        }
    }
    Ok(all)
}

fn places(manager: &CallManager, settings: &PhoneServices) -> HashMap<String, (Option<usize>, Option<usize>)> {
    let mut places: HashMap<String, (Option<usize>, Option<usize>)> = HashMap::new();
    for (at, phone) in manager.phones.iter().enumerate() {
        places.entry(phone.name.clone()).or_default().0 = Some(at);
    }
    for (at, row) in settings.devices.iter().enumerate() {
        places.entry(row.phone.clone()).or_default().1 = Some(at);
    }
    places
}

fn spoken(site: &Site, node: &Node) -> Versions {
    Versions { tls12: site.speaks(node, "1.2"), tls13: site.speaks(node, "1.3") }
}

/// Who asks for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Nobody proved anything.
    Anyone,
    /// Proved by a certificate that this call manager's CAPF issued.
    Device(String),
}

/// Why a file is not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFile {
    #[error("there is no file `{0}`")]
    NotFound(String),
    #[error("`{0}` is a path out of the folder of files")]
    Outside(String),
    #[error("`{file}` is for {owner}, and `{asker}` asked for it with its own certificate")]
    Anothers { file: String, owner: String, asker: String },
}

/// Which of two states of trust a phone is served: the one in force, or the one that a roll takes it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    InForce,
    /// With the mode that it brings.
    Next(Mode),
}

/// A phone's row as it is kept, with what was ordered when it was.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// What the site ordered: the same again is not done again.
    ordered: String,
    row: Enrolment,
}

impl Station {
    /// `None` for a node that serves no phones.
    ///
    /// # Errors
    /// Its keys are not there.
    pub fn open(dir: &DataDir, site: &Site, node: &Node) -> anyhow::Result<Option<Station>> {
        let Role::CallManager(manager) = &node.role else { return Ok(None) };
        let Some(settings) = &manager.phone_services else { return Ok(None) };
        let keys = dir.phone_keys(&node.name)?;
        let before = services_before(&keys)?;
        let PhoneKeys { recovery, call_manager, capf, tvs, next_recovery: _, before: _ } = keys;
        let leaf = |identity: &trust::Identity| {
            anyhow::Ok(Certificate::from_der(&identity.chain_der().into_iter().next().unwrap_or_default())?)
        };
        let digest = if settings.dangerous_sha1_signatures { Digest::Sha1 } else { Digest::Sha512 };
        let services = Services {
            host: site.host_name(node),
            address: node.address,
            recovery: Signer::new(&recovery)?,
            call_manager: Signer::new(&call_manager)?,
            tls: leaf(&dir.identity(&node.name)?)?,
            also: also_shown(dir, node)?,
            capf: leaf(&capf)?,
            tvs: leaf(&tvs)?,
            before,
            digest,
        };
        Ok(Some(Station {
            folder: dir.phones_folder(&node.name),
            services,
            digest,
            settings: settings.clone(),
            manager: manager.clone(),
            places: places(manager, settings),
            sip_port: node.secure_port,
            versions: spoken(site, node),
            dir: dir.clone(),
            node: node.name.clone(),
            taken_back: dir.taken_back(&node.name)?,
        }))
    }

    /// Whether it was made from what the site and the data directory say of this node.
    pub(crate) fn is_of(&self, dir: &DataDir, site: &Site, node: &Node) -> bool {
        let shown = || {
            let identity = dir.identity(&node.name).ok()?;
            let keys = dir.phone_keys(&node.name).ok()?;
            let leaf = |identity: &trust::Identity| identity.chain_der().into_iter().next();
            let keyed = [&keys.recovery, &keys.call_manager, &keys.capf, &keys.tvs].map(leaf);
            let shown: Option<Vec<Vec<u8>>> = std::iter::once(leaf(&identity)).chain(keyed).collect();
            let also = (also_shown(dir, node).ok()?, services_before(&keys).ok()?);
            Some((shown?, also, dir.taken_back(&node.name).ok()?))
        };
        let services = &self.services;
        let made = [
            &services.tls,
            services.recovery.certificate(),
            services.call_manager.certificate(),
            &services.capf,
            &services.tvs,
        ];
        // What cannot be read now is no reason to stop what serves.
        let as_made = || {
            shown().is_none_or(|(ders, (also, before), taken_back)| {
                let same = ders.iter().zip(made).all(|(der, certificate)| der == certificate.der());
                same && also == services.also && before == services.before && taken_back == self.taken_back
            })
        };
        let same = services.host == site.host_name(node) && self.versions == spoken(site, node);
        same && matches!(&node.role, Role::CallManager(manager) if *manager == self.manager) && as_made()
    }

    /// Phones of the site, each with its row of CAPF and what its security profile comes to.
    ///
    /// # Errors
    /// A row cannot be read.
    pub fn phones(&self) -> anyhow::Result<Vec<(&site::Phone, site::PhoneSecurityProfile, Enrolment)>> {
        let with = |phone| Ok((phone, self.manager.profile_of(phone), self.row(&phone.name)?));
        self.manager.phones.iter().map(with).collect()
    }

    /// The built-in issuer's public keys; `None`: there is no such issuer.
    ///
    /// # Errors
    /// Its key cannot be read.
    pub(super) fn token_key_set(&self) -> anyhow::Result<Option<String>> {
        let issues = self.manager.oauth.as_ref().is_some_and(|oauth| oauth.built_in_issuer);
        issues.then(|| self.dir.token_key_set(&self.node)).transpose()
    }

    /// Names of the phones.
    pub fn devices(&self) -> impl Iterator<Item = String> {
        self.manager.phones.iter().map(|phone| phone.name.clone())
    }

    pub fn settings(&self) -> &PhoneServices {
        &self.settings
    }

    pub(super) fn into_services(self) -> Services {
        self.services
    }

    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Cluster Security Mode.
    pub fn mode(&self) -> Mode {
        match fs::read_to_string(self.folder.join("security_mode")).ok().as_deref().map(str::trim) {
            Some("0") => Mode::NonSecure,
            Some("1") => Mode::Mixed,
            _ if self.settings.cluster_security_mode == 0 => Mode::NonSecure,
            _ => Mode::Mixed,
        }
    }

    /// What `utils ctl` looks at.
    pub fn cluster(&self) -> Cluster {
        // Phones are added by name here; none registers itself.
        Cluster { mode: self.mode(), auto_registration: false, has_ctl: self.list(Kind::Ctl).is_some() }
    }

    /// The list in force, if there is one.
    pub fn list(&self, kind: Kind) -> Option<TrustList> {
        self.list_of(kind, Edition::InForce)
    }

    pub fn list_file(&self, kind: Kind) -> PathBuf {
        self.folder.join(kind.file_name())
    }

    fn file_of(&self, kind: Kind, edition: Edition) -> PathBuf {
        match edition {
            Edition::InForce => self.list_file(kind),
            Edition::Next(_) => self.folder.join("next").join(kind.file_name()),
        }
    }

    fn list_of(&self, kind: Kind, edition: Edition) -> Option<TrustList> {
        TrustList::parse(&fs::read(self.file_of(kind, edition)).ok()?).ok()
    }

    /// The list that a roll takes phones to.
    pub(super) fn next_list(&self, kind: Kind) -> Option<TrustList> {
        self.list_of(kind, Edition::Next(Mode::Mixed))
    }

    /// Writes the lists that a roll takes phones to, from `services`, which tell of what is to come.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn write_next(&self, services: &Services, mode: Mode, now: SystemTime) -> anyhow::Result<()> {
        fs::create_dir_all(self.folder.join("next"))?;
        for kind in [Kind::Itl, Kind::Ctl] {
            if kind == Kind::Ctl && mode == Mode::NonSecure && !self.list_file(kind).exists() {
                continue;
            }
            let list = services.list(kind, mode, self.timestamp(kind, now))?;
            let file = self.file_of(kind, Edition::Next(mode));
            store::write_private(&file, list.octets()).with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(())
    }

    /// The roll is over. What is in force is newer than what it brought.
    ///
    /// # Errors
    /// The folder cannot be removed.
    pub(super) fn drop_next(&self) -> anyhow::Result<()> {
        let folder = self.folder.join("next");
        if folder.exists() { Ok(fs::remove_dir_all(folder)?) } else { Ok(()) }
    }

    /// Writes the lists in force anew, newer than any that a phone was given.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn supersede(&self, now: SystemTime) -> anyhow::Result<()> {
        for kind in [Kind::Itl, Kind::Ctl].into_iter().filter(|kind| self.list_file(*kind).exists()) {
            self.write(kind, self.mode(), now)?;
        }
        Ok(())
    }

    /// Never older than what phones hold, whatever became of this host's clock.
    fn timestamp(&self, kind: Kind, now: SystemTime) -> u32 {
        let held = [self.list(kind), self.next_list(kind)].into_iter().flatten();
        let newest = held.map(|list| list.header().timestamp).max().unwrap_or(0);
        seconds(now).max(newest.saturating_add(1))
    }

    /// Writes the lists that are missing or say something else than they should.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn refresh(&self, now: SystemTime) -> anyhow::Result<()> {
        let mode = self.mode();
        let has_ctl = self.list_file(Kind::Ctl).exists();
        for kind in [Kind::Itl, Kind::Ctl] {
            if kind == Kind::Ctl && mode == Mode::NonSecure && !has_ctl {
                continue;
            }
            if !self.list(kind).is_some_and(|list| self.services.is_current(&list, mode)) {
                self.write(kind, mode, now)?;
            }
        }
        Ok(())
    }

    /// Does what a dialogue of `utils ctl` has confirmed.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn carry_out(&self, effect: Effect, now: SystemTime) -> anyhow::Result<()> {
        // The list first: a cluster that says it is mixed has one.
        match effect {
            Effect::EnterMixedMode => {
                self.write(Kind::Ctl, Mode::Mixed, now)?;
                self.set_mode(Mode::Mixed)
            }
            Effect::LeaveMixedMode => {
                self.set_mode(Mode::NonSecure)?;
                self.write(Kind::Ctl, Mode::NonSecure, now)
            }
            Effect::WriteCtl => self.write(Kind::Ctl, self.mode(), now),
            Effect::SignItlByRecovery => self.write(Kind::Itl, self.mode(), now),
        }
    }

    fn write(&self, kind: Kind, mode: Mode, now: SystemTime) -> anyhow::Result<()> {
        let list = self.services.list(kind, mode, self.timestamp(kind, now))?;
        let file = self.list_file(kind);
        store::write_private(&file, list.octets()).with_context(|| format!("cannot write {}", file.display()))
    }

    fn set_mode(&self, mode: Mode) -> anyhow::Result<()> {
        let file = self.folder.join("security_mode");
        store::write_private(&file, mode.code().to_string().as_bytes())
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Every phone's row of CAPF, as it was kept and with what the site newly orders.
    ///
    /// # Errors
    /// A row cannot be read.
    pub fn rows(&self) -> anyhow::Result<Vec<Enrolment>> {
        self.manager.phones.iter().map(|phone| self.row(&phone.name)).collect()
    }

    /// One phone's row.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn row(&self, phone: &str) -> anyhow::Result<Enrolment> {
        let kept = self.kept(phone)?;
        let (ordered, order) = self.order(phone);
        let (before, mut row) = kept.map_or((String::new(), Enrolment::new(phone)), |kept| (kept.ordered, kept.row));
        if before != ordered {
            match order {
                Some(order) => row.order(order),
                None => row.order = None,
            }
        }
        // Nothing is encrypted to a key that is trusted no longer.
        row.certificate = row.certificate.filter(|der| !self.is_taken_back(der));
        Ok(row)
    }

    fn is_taken_back(&self, der: &[u8]) -> bool {
        let facts = trust::CertificateFacts::from_der(der).ok();
        facts.is_some_and(|facts| self.taken_back.iter().any(|it| it.says_of(&facts).is_some()))
    }

    pub(super) fn taken_back(&self) -> &[TakenBack] {
        &self.taken_back
    }

    /// Keeps a row: when this returns it is on the disk.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn keep(&self, row: &Enrolment) -> anyhow::Result<()> {
        let (ordered, _) = self.order(&row.device);
        let folder = self.folder.join("devices");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let text = serde_json::to_vec(&Kept { ordered, row: row.clone() })?;
        let file = self.row_file(&row.device);
        store::write_private(&file, &text).with_context(|| format!("cannot write {}", file.display()))
    }

    fn kept(&self, phone: &str) -> anyhow::Result<Option<Kept>> {
        let file = self.row_file(phone);
        match fs::read(&file) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text).with_context(|| format!("in {}", file.display()))?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// Phones' names are letters, digits, `-` and `_`: the site was checked for it.
    fn row_file(&self, phone: &str) -> PathBuf {
        self.folder.join("devices").join(format!("{phone}.json"))
    }

    fn device(&self, phone: &str) -> Option<&PhoneDevice> {
        self.settings.devices.get(self.places.get(phone)?.1?)
    }

    fn phone(&self, name: &str) -> Option<&site::Phone> {
        self.manager.phones.get(self.places.get(name)?.0?)
    }

    /// What the phone's profile and its row here say of its keys and files.
    fn terms(&self, phone: &str) -> site::PhoneSecurityProfile {
        let profile = self.phone(phone).map_or_else(Default::default, |row| self.manager.profile_of(row));
        match self.device(phone) {
            Some(device) => device.over(profile),
            None => profile,
        }
    }

    /// What the site orders for a phone, and a word that changes when it does.
    fn order(&self, phone: &str) -> (String, Option<Order>) {
        let Some(device) = self.device(phone) else { return (String::new(), None) };
        let operation = match device.certificate_operation.as_deref() {
            Some("install_upgrade") => Operation::InstallUpgrade,
            Some("delete") => Operation::Delete,
            Some("troubleshoot") => Operation::Troubleshoot,
            _ => return (String::new(), None),
        };
        let terms = self.terms(phone);
        let curve = match terms.ec_key_size {
            256 => Curve::P256,
            521 => Curve::P521,
            _ => Curve::P384,
        };
        let secret = device.authentication_secret.as_deref().and_then(|digits| Secret::new(phone, digits));
        let order = Order {
            operation,
            mode: match terms.authentication_mode.as_str() {
                "authentication_string" => AuthMode::AuthenticationString,
                "existing_lsc" => AuthMode::ExistingLsc,
                "existing_mic" => AuthMode::ExistingMic,
                _ => AuthMode::NullString,
            },
            secret,
            key: match terms.key_order.as_str() {
                "ec_only" => KeyOrder::EcOnly(curve),
                "ec_preferred" => KeyOrder::EcPreferred(curve, terms.rsa_key_size),
                _ => KeyOrder::RsaOnly(terms.rsa_key_size),
            },
            completes_by: device.completes_by().unwrap_or(0),
        };
        (serde_json::to_string(&order).unwrap_or_default(), Some(order))
    }

    /// The file of this name (a path with `/` for what stands in folders).
    ///
    /// # Errors
    /// There is none, or it is not for who asks.
    pub fn file(
        &self,
        name: &str,
        asker: &Asker,
        edition: Edition,
        now: SystemTime,
    ) -> anyhow::Result<Result<Vec<u8>, NoFile>> {
        let name = name.trim_start_matches('/');
        let missing = || Ok(Err(NoFile::NotFound(name.to_owned())));
        match Asked::of(name) {
            Some(Asked::Ctl) => {
                Ok(fs::read(self.file_of(Kind::Ctl, edition)).map_err(|_| NoFile::NotFound(name.into())))
            }
            Some(Asked::Itl) => {
                Ok(fs::read(self.file_of(Kind::Itl, edition)).map_err(|_| NoFile::NotFound(name.into())))
            }
            Some(Asked::Device { device, form }) => {
                let Some(phone) = self.phone(&device) else {
                    return missing();
                };
                if let Asker::Device(asker) = asker
                    && *asker != device
                {
                    let (file, asker) = (name.to_owned(), asker.clone());
                    return Ok(Err(NoFile::Anothers { file, owner: device, asker }));
                }
                let mode = match edition {
                    Edition::InForce => self.mode(),
                    Edition::Next(mode) => mode,
                };
                match self.configuration(phone, form, mode, name, asker, now)? {
                    Some(octets) => Ok(Ok(octets)),
                    None => missing(),
                }
            }
            None => self.other(name, now),
        }
    }

    fn configuration(
        &self,
        phone: &site::Phone,
        form: Form,
        mode: Mode,
        name: &str,
        asker: &Asker,
        now: SystemTime,
    ) -> anyhow::Result<Option<Vec<u8>>> {
        let row = self.row(&phone.name)?;
        let own = row.certificate.as_deref().map(Certificate::from_der).transpose()?;
        let rsa = own.as_ref().filter(|certificate| certificate.public_key().rsa().is_some());
        let encrypted = rsa.filter(|_| self.terms(&phone.name).tftp_encrypted_config);
        // The digest secret leaves here to the phone that proved itself, or encrypted to it; to nobody else.
        let proved = *asker == Asker::Device(phone.name.clone());
        let plain = |with_secret: bool| self.describe(phone, &row, mode, with_secret);
        Ok(match (form, encrypted) {
            (Form::Plain, _) => Some(plain(proved).full().into_bytes()),
            // HTTPS has proved who serves: there the text is given as it is.
            (Form::Signed, _) if proved => Some(plain(true).full().into_bytes()),
            (Form::Signed, Some(certificate)) => {
                let short = plain(false).short(&phones::certificate_hash(certificate));
                Some(self.sign(name, short.as_bytes(), now)?)
            }
            (Form::Signed, None) => Some(self.sign(name, plain(false).full().as_bytes(), now)?),
            (Form::EncryptedSigned, Some(certificate)) => {
                let text = plain(true).full_encrypted(&phones::certificate_hash(certificate));
                let (style, signer) = ((self.digest, Names::Equipment), &self.services.call_manager);
                let mut rng = SystemRandom;
                let octets =
                    phones::encrypt(name, text.as_bytes(), certificate, signer, style, seconds(now), &mut rng)?;
                Some(octets)
            }
            (Form::EncryptedSigned, None) | (Form::Encrypted, _) => None,
        })
    }

    fn sign(&self, name: &str, text: &[u8], now: SystemTime) -> anyhow::Result<Vec<u8>> {
        let signer = &self.services.call_manager;
        Ok(sign_file(name, text, signer, self.digest, seconds(now), Names::Equipment)?)
    }

    fn describe(&self, phone: &site::Phone, row: &Enrolment, mode: Mode, with_secret: bool) -> config::Device {
        let host = self.services.host.clone();
        let terms = self.terms(&phone.name);
        let mixed = mode == Mode::Mixed;
        let by_token = terms.proof() == Proof::OAuth;
        let door = self.manager.oauth.as_ref().filter(|_| by_token).map(|oauth| oauth.port);
        let security_mode = match terms.device_security_mode {
            // SIP OAuth is there with and without mixed mode: a token is no part of it.
            SecurityMode::Encrypted if mixed || by_token => config::SecurityMode::Encrypted,
            SecurityMode::Authenticated if mixed => config::SecurityMode::Authenticated,
            _ => config::SecurityMode::NonSecure,
        };
        let digest = with_secret && terms.proof() == Proof::Digest;
        let mode = self.device(&phone.name).and_then(|_| self.order(&phone.name).1).map(|order| order.mode);
        let mut device = config::Device {
            name: phone.name.clone(),
            label: phone.line.clone(),
            security_mode,
            transport: match terms.transport() {
                TransportType::Tls => config::Transport::Tls,
                TransportType::Tcp | TransportType::TcpUdp => config::Transport::Tcp,
                TransportType::Udp => config::Transport::Udp,
            },
            sip_port: terms.sip_phone_port,
            call_managers: vec![config::CallManager {
                name: host.clone(),
                host: host.clone(),
                sip_port: 5060,
                secure_sip_port: door.unwrap_or(self.sip_port),
            }],
            tvs: vec![(host.clone(), self.settings.tvs_port)],
            capf: self.settings.activate_capf.then_some(config::Capf {
                mode: mode.unwrap_or(AuthMode::NullString),
                host,
                port: self.settings.capf_port,
            }),
            lines: vec![config::Line {
                number: phone.line.clone(),
                display_name: phone.line.clone(),
                digest: digest.then(|| (phone.line.clone(), phone.digest_secret.clone())),
                max_calls: 4,
                busy_trigger: 2,
            }],
            speed_dials: Vec::new(),
            media_ports: (16384, 32766),
            load: String::new(),
            dial_template: String::new(),
            soft_keys: String::new(),
            time_zone: "GMT Standard/Daylight Time".into(),
            ntp: Vec::new(),
            locale: "English_United_States".into(),
            vendor: config::VendorConfig::default(),
            version_stamp: String::new(),
        };
        device.version_stamp = stamp(&format!("{device:?}{:?}", row.certificate));
        device
    }

    /// Defaults, and files of the folder; those asked for with `.sgn` are signed as they go.
    fn other(&self, name: &str, now: SystemTime) -> anyhow::Result<Result<Vec<u8>, NoFile>> {
        if name == "XMLDefault.cnf.xml" {
            let managers = self
                .manager
                .phones
                .first()
                .map(|phone| self.describe(phone, &Enrolment::new(&phone.name), self.mode(), false).call_managers);
            return Ok(Ok(config::default_device(&managers.unwrap_or_default()).into_bytes()));
        }
        let Some(folder) = &self.settings.files else { return Ok(Err(NoFile::NotFound(name.into()))) };
        let folder = Path::new(folder);
        match read_inside(folder, name)? {
            Err(NoFile::NotFound(_)) => {}
            other => return Ok(other),
        }
        let Some(unsigned) = name.strip_suffix(".sgn") else { return Ok(Err(NoFile::NotFound(name.into()))) };
        match read_inside(folder, unsigned)? {
            Ok(text) => Ok(Ok(self.sign(name, &text, now)?)),
            Err(no) => Ok(Err(no)),
        }
    }
}

/// A file below `folder`, and never one that is elsewhere, by `..`, by an absolute path or by a link.
fn read_inside(folder: &Path, name: &str) -> anyhow::Result<Result<Vec<u8>, NoFile>> {
    let outside = || Ok(Err(NoFile::Outside(name.to_owned())));
    let path = Path::new(name);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(part) if part.to_str().is_some_and(|part| !part.starts_with('.')));
    if name.contains(['\\', '\0']) || !path.components().all(plain) {
        return outside();
    }
    let missing = || Ok(Err(NoFile::NotFound(name.to_owned())));
    let (Ok(root), Ok(found)) = (folder.canonicalize(), folder.join(path).canonicalize()) else { return missing() };
    if !found.starts_with(&root) {
        return outside();
    }
    let about = fs::metadata(&found).with_context(|| format!("cannot read {}", found.display()))?;
    if !about.is_file() {
        return missing();
    }
    ensure!(about.len() <= LARGEST, "{} is larger than {LARGEST} octets", found.display());
    Ok(Ok(fs::read(&found).with_context(|| format!("cannot read {}", found.display()))?))
}

/// A UUID that follows from what it stands for.
fn stamp(text: &str) -> String {
    let digest = trust::fingerprint(text.as_bytes());
    let part = |range: std::ops::Range<usize>| digest.get(range).unwrap_or_default().to_owned();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

/// Seconds since 1970, as lists have them.
fn seconds(now: SystemTime) -> u32 {
    u32::try_from(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()).unwrap_or(u32::MAX)
}

/// The operating system's generator, by way of TLS's provider.
struct SystemRandom;

impl rand_core::RngCore for SystemRandom {
    fn next_u32(&mut self) -> u32 {
        let mut octets = [0; 4];
        self.fill_bytes(&mut octets);
        u32::from_ne_bytes(octets)
    }

    fn next_u64(&mut self) -> u64 {
        let mut octets = [0; 8];
        self.fill_bytes(&mut octets);
        u64::from_ne_bytes(octets)
    }

    fn fill_bytes(&mut self, octets: &mut [u8]) {
        // The system's generator fails on no system that we run on, and without randomness nothing here may go on.
        #[allow(clippy::expect_used)]
        rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(octets).expect("randomness");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_folder_is_read() {
        let base = std::env::temp_dir().join(format!("ringfence-files-{}", std::process::id()));
        let folder = base.join("files");
        fs::create_dir_all(folder.join("English")).unwrap();
        fs::write(folder.join("English/tones.xml"), "tones").unwrap();
        fs::write(base.join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(base.join("secret"), folder.join("link")).unwrap();
        assert_eq!(read_inside(&folder, "English/tones.xml").unwrap(), Ok(b"tones".to_vec()));
        for name in ["../secret", "/etc/passwd", "English/../../secret", "link", "..\\secret", ".hidden", "a\0b", "./x"]
        {
            let found = read_inside(&folder, name).unwrap();
            assert_eq!(found, Err(NoFile::Outside(name.into())), "{name}");
        }
        for name in ["", "English", "nothing"] {
            assert_eq!(read_inside(&folder, name).unwrap(), Err(NoFile::NotFound(name.into())), "{name}");
        }
        fs::remove_dir_all(base).unwrap();
    }
}
