//! Keys in a token (PKCS #11): they are made there, sign there, and never come out. What knows of modules, slots and PINs
//! is here and nowhere else; the rest of the program sees a [`RemoteKey`].
//!
//! A module is a shared library of the token's maker. It is loaded when a site names one and its key is needed, so a
//! machine without one pays nothing. It stays loaded: modules do not like to be taken away.
//!
//! A token locks its PIN after a few wrong ones. So a PIN that it refused is not shown to it again, by no command and no
//! process, until the PIN's file has changed (`pin.refused` remembers which it was), by one process at a time, and never
//! as the token's last try.

mod pin;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11 as Module};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use site::Pkcs11;
use trust::RemoteKey;

use pin::{Pin, alone};

/// `1.2.840.10045.3.1.7`, as CKA_EC_PARAMS has it.
const P256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

/// A token, logged in.
pub(crate) struct Token {
    session: Session,
    /// How it is called in words.
    name: String,
}

/// A key in a token that is logged in.
pub(crate) struct TokenKey {
    point: Vec<u8>,
    name: String,
    held: Mutex<(Session, ObjectHandle)>,
}

impl Token {
    /// Opens the one that the site names and logs in. `folder` is where the PIN's file is looked for and what was refused
    /// is remembered.
    ///
    /// # Errors
    /// The module cannot be loaded, the token is not there, or it does not take the PIN: in words that say what to do.
    pub(crate) fn open(named: &Pkcs11, data: &Path) -> anyhow::Result<Token> {
        let module = module(Path::new(&named.module))?;
        let slot = slot(&module, named)?;
        let _alone = alone(data)?;
        let info = module.get_token_info(slot).map_err(|error| gone(named, &error))?;
        let name = format!("token `{}` (serial {})", info.label(), info.serial_number());
        ensure!(info.user_pin_initialized(), "{name} has no user PIN yet: set one with its maker's tool");
        ensure!(!info.user_pin_locked(), "the PIN of {name} is locked: its security officer has to set another");
        ensure!(
            !info.user_pin_final_try(),
            "one more wrong PIN locks {name}, so none is tried from here: log in once with its maker's tool"
        );
        let session = module.open_rw_session(slot).map_err(|error| gone(named, &error))?;
        let pin = Pin::read(named, data)?;
        pin.was_not_refused()?;
        match session.login(UserType::User, Some(&pin.secret)) {
            Ok(()) => pin.was_taken()?,
            // Another of this process's sessions is: that counts for all of them.
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
                pin.was_refused()?;
                bail!(
                    "{name} does not take the PIN of {}: it is not tried again before that has changed, because a few wrong \
                     ones lock a token",
                    pin.source
                );
            }
            Err(Error::Pkcs11(RvError::PinLocked, _)) => {
                bail!("the PIN of {name} is locked: its security officer has to set another")
            }
            Err(error) => bail!("{name} cannot be logged in to: {error}"),
        }
        Ok(Token { session, name })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes a P-256 key of this label, which can sign and be nothing else, and by nobody be read.
    ///
    /// # Errors
    /// There is one of this label already, or the token makes no such keys.
    pub(crate) fn make(self, label: &str) -> anyhow::Result<TokenKey> {
        ensure!(
            self.find(label)?.is_empty(),
            "{} has a key `{label}` already, which may be another CA's: name another with `key` in `[ca.pkcs11]`",
            self.name
        );
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
        let both = || vec![Attribute::Token(true), Attribute::Label(label.into()), Attribute::Id(id.to_vec())];
        let public = [both(), vec![Attribute::EcParams(P256.to_vec()), Attribute::Verify(true)]].concat();
        let private = [
            both(),
            vec![
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Sign(true),
                Attribute::Decrypt(false),
                Attribute::Unwrap(false),
                Attribute::Derive(false),
            ],
        ]
        .concat();
        let made = self.session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private);
        made.with_context(|| format!("{} makes no P-256 key", self.name))?;
        self.key(label)
    }

    /// The key of this label.
    ///
    /// # Errors
    /// There is none, there are several, or it could be read out of the token.
    pub(crate) fn key(self, label: &str) -> anyhow::Result<TokenKey> {
        let found = self.find(label)?;
        let key = match found.as_slice() {
            [key] => *key,
            [] => bail!("{} has no private key `{label}`: it is another token, or the key was removed", self.name),
            _ => bail!("{} has {} private keys `{label}`: nobody can say which is meant", self.name, found.len()),
        };
        let wanted = [AttributeType::Extractable, AttributeType::NeverExtractable, AttributeType::Sensitive];
        let read = self.session.get_attributes(key, &wanted)?;
        let stays = [Attribute::Extractable(false), Attribute::NeverExtractable(true), Attribute::Sensitive(true)];
        ensure!(
            stays.iter().all(|attribute| read.contains(attribute)),
            "the key `{label}` of {} can be read out of it, or could be once: a CA's key is made in the token and stays there",
            self.name
        );
        let public = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Label(label.into())];
        let handle = self.session.find_objects(&public)?.into_iter().next();
        let handle = handle.with_context(|| format!("{} has no public key `{label}`", self.name))?;
        let read = self.session.get_attributes(handle, &[AttributeType::EcPoint])?;
        let point = read.into_iter().find_map(|attribute| match attribute {
            Attribute::EcPoint(octets) => uncompressed(&octets),
            _ => None,
        });
        let point = point.with_context(|| format!("the key `{label}` of {} is no P-256 key", self.name))?;
        let name = format!("key `{label}` in {}", self.name);
        Ok(TokenKey { point, name, held: Mutex::new((self.session, key)) })
    }

    fn find(&self, label: &str) -> anyhow::Result<Vec<ObjectHandle>> {
        let wanted = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::KeyType(KeyType::EC),
            Attribute::Label(label.into()),
        ];
        self.session.find_objects(&wanted).with_context(|| format!("{} cannot be searched", self.name))
    }
}

impl RemoteKey for TokenKey {
    fn point(&self) -> &[u8] {
        &self.point
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (session, key) = &*held;
        // Tokens that hash by themselves are fewer than those that sign.
        let hash = digest(&SHA256, message);
        let signed = session.sign(&Mechanism::Ecdsa, *key, hash.as_ref());
        signed.map_err(|error| format!("the {} does not sign: {error}", self.name))
    }
}

/// CKA_EC_POINT is an OCTET STRING around the point; some tokens leave that out.
fn uncompressed(octets: &[u8]) -> Option<Vec<u8>> {
    let point = octets.strip_prefix(&[4, 65]).filter(|inner| inner.len() == 65).unwrap_or(octets);
    (point.len() == 65 && point.first() == Some(&4)).then(|| point.to_vec())
}

/// Loaded once in a process, and initialised once: a second time is an error to some.
fn module(path: &Path) -> anyhow::Result<Module> {
    static LOADED: Mutex<BTreeMap<PathBuf, Module>> = Mutex::new(BTreeMap::new());
    let mut loaded: MutexGuard<'_, BTreeMap<PathBuf, Module>> = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = loaded.get(path) {
        return Ok(module.clone());
    }
    ensure!(
        path.exists(),
        "there is no PKCS #11 module {}: install what the token's maker gives for it, or correct `module` in `[ca.pkcs11]`",
        path.display()
    );
    let no_module = || format!("{} is no PKCS #11 module of this machine", path.display());
    let module = Module::new(path).with_context(no_module)?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => bail!("the PKCS #11 module {} cannot be used: {error}", path.display()),
    }
    loaded.insert(path.to_owned(), module.clone());
    Ok(module)
}

/// By its label, or its slot.
fn slot(module: &Module, named: &Pkcs11) -> anyhow::Result<Slot> {
    let mut there = Vec::new();
    for slot in module.get_slots_with_initialized_token().map_err(|error| gone(named, &error))? {
        // One that was pulled out since it was counted.
        let Ok(info) = module.get_token_info(slot) else { continue };
        there.push((slot, info.label().to_owned()));
    }
    let fits = |(slot, label): &&(Slot, String)| match (&named.token, named.slot) {
        (Some(wanted), _) => label == wanted,
        (None, wanted) => Some(slot.id()) == wanted,
    };
    let found: Vec<&(Slot, String)> = there.iter().filter(fits).collect();
    match found.as_slice() {
        [(slot, _)] => Ok(*slot),
        [] => {
            let has = there.iter().map(|(slot, label)| format!("`{label}` in slot {}", slot.id()));
            let has = has.reduce(|all, one| format!("{all}, {one}")).unwrap_or_else(|| "none".into());
            bail!("{} is not there: plug it in, or correct `[ca.pkcs11]`; {} has {has}", wanted(named), named.module)
        }
        _ => bail!("{} tokens are labelled `{}`: name the `slot` instead", found.len(), wanted(named)),
    }
}

fn wanted(named: &Pkcs11) -> String {
    match (&named.token, named.slot) {
        (Some(label), _) => format!("token `{label}`"),
        (None, slot) => format!("the token in slot {}", slot.unwrap_or_default()),
    }
}

fn gone(named: &Pkcs11, error: &Error) -> anyhow::Error {
    anyhow::anyhow!("{} does not answer: {error}", wanted(named))
}

/// What signs as it is shared.
pub(crate) fn shared(key: TokenKey) -> Arc<dyn RemoteKey> {
    Arc::new(key)
}
