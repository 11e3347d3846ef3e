//! `.enc.sgn`: a configuration that one phone alone can read. AES-128-CBC under a key that is encrypted to the phone's
//! certificate, signed over all of it (encrypt, then sign).
//!
//! Decryption gives one error and does the same work whatever is wrong, so that nobody can ask it questions: a key block
//! that does not open yields a key that follows from the private key and the block (implicit rejection), and only the digest of
//! the whole text decides.

use aes::Aes128;
use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};
use aws_lc_rs::rsa::{Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use md5::{Digest as _, Md5};
use rand_core::RngCore;
use zeroize::Zeroizing;

use crate::crypto::{encrypt_pkcs1, private_der, same};
use crate::header::{self, Header, Names, Spec, expect, nothing_more};
use crate::tlv::{Reader, put};
use crate::{Certificate, Digest, Distrust, Error, Malformed, Signer};

const BLOCK: usize = 16;

/// An encrypted file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedFile {
    header: Header,
    octets: Vec<u8>,
    iv: [u8; BLOCK],
    padding: usize,
    /// The AES key, encrypted to the phone.
    key: Vec<u8>,
    digest: Digest,
    hash: Vec<u8>,
}

/// The file does not open with this key. It never says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this key does not decrypt the file: it was encrypted to another certificate, or changed")]
pub struct Undecryptable;

/// `certHash` of a configuration: which device certificate the encrypted file is for. Lower-case hex of an MD5, as phones
/// compare it.
pub fn certificate_hash(device: &Certificate) -> String {
    trust::hex(&Md5::digest(device.der()))
}

/// Encrypts `plain` to `device` and signs it. The same generator gives the same file.
///
/// # Errors
/// The device's key is not RSA (such a phone can only fetch its configuration over HTTPS).
pub fn encrypt(
    file_name: &str,
    plain: &[u8],
    device: &Certificate,
    signer: &Signer,
    (digest, names): (Digest, Names),
    timestamp: u32,
    rng: &mut dyn RngCore,
) -> Result<Vec<u8>, Error> {
    let mut aes_key = Zeroizing::new([0; BLOCK]);
    rng.fill_bytes(&mut aes_key[..]);
    let mut iv = [0; BLOCK];
    rng.fill_bytes(&mut iv);
    let not_rsa = || {
        Error::Key(format!(
            "`{}` has {}: only an RSA key can be encrypted to; let the phone fetch its configuration over HTTPS",
            device.subject(Names::Equipment),
            device.public_key().words()
        ))
    };
    let wrapped =
        device.public_key().rsa().and_then(|key| encrypt_pkcs1(key, &aes_key[..], rng)).ok_or_else(not_rsa)?;
    let padding = BLOCK - plain.len() % BLOCK;
    let mut body = plain.to_vec();
    body.extend(vec![0x0d; padding]);
    encrypt_cbc(&aes_key, &iv, &mut body);
    // At most 16, and a modulus is at most 1,024 octets.
    let more = encryption(&iv, padding as u16, &wrapped, digest, &digest.of(plain));
    let spec = Spec { version: (2, 0), signer_version: None, digest, file_name, timestamp, names, more: &more };
    header::write(&spec, &body, signer)
}

fn encryption(iv: &[u8], padding: u16, key: &[u8], digest: Digest, hash: &[u8]) -> Vec<u8> {
    let (mut iv_info, mut key_info, mut info, mut out) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    put(&mut iv_info, 18, &[0]);
    put(&mut iv_info, 19, iv);
    put(&mut iv_info, 20, &padding.to_be_bytes());
    put(&mut key_info, 22, &[0]);
    put(&mut key_info, 23, &((key.len() * 8) as u16).to_be_bytes());
    put(&mut key_info, 24, &[1]);
    put(&mut key_info, 25, key);
    put(&mut info, 17, &iv_info);
    put(&mut info, 21, &key_info);
    put(&mut out, 16, &info);
    put(&mut out, 26, &[digest.code()]);
    put(&mut out, 27, hash);
    out
}

impl EncryptedFile {
    pub fn parse(octets: &[u8]) -> Result<EncryptedFile, Malformed> {
        let header = Header::parse(octets)?;
        let body = octets.len().saturating_sub(header.length);
        if header.version.0 != 2 {
            let found = format!("version {}.{}", header.version.0, header.version.1);
            return Err(Malformed::new(0, "VERSION", "an encrypted file, which is version 2.0", found));
        }
        let part = |tag: u8| {
            header
                .encryption
                .iter()
                .find(|(found, ..)| *found == tag)
                .ok_or_else(|| Malformed::new(header.length, "header", header::name(tag), "its end"))
        };
        let (_, at, info) = part(16)?;
        let mut info = Reader::new(info, at + 3);
        let iv_info = expect(&mut info, 17, "IV_INFO")?;
        let key_info = expect(&mut info, 21, "KEY_INFO")?;
        nothing_more(&info, "ENCRYPTION_INFO")?;
        let mut inside = iv_info.inside();
        expect(&mut inside, 18, "IV_INFO")?;
        let iv = expect(&mut inside, 19, "IV")?;
        let padding_element = expect(&mut inside, 20, "PADDING_LENGTH")?;
        nothing_more(&inside, "IV_INFO")?;
        let mut inside = key_info.inside();
        expect(&mut inside, 22, "KEY_INFO")?;
        let size = expect(&mut inside, 23, "KEY_SIZE")?;
        let algorithm = expect(&mut inside, 24, "KEY_ALGORITHM")?;
        let key = expect(&mut inside, 25, "KEY")?;
        nothing_more(&inside, "KEY_INFO")?;
        let iv_octets: [u8; BLOCK] =
            iv.value.try_into().map_err(|_| Malformed::new(iv.at, "IV", "16 octets", iv.value.len().to_string()))?;
        let padding = usize::from(padding_element.u16("PADDING_LENGTH")?);
        if !(1..=BLOCK).contains(&padding) {
            return Err(Malformed::new(padding_element.at, "PADDING_LENGTH", "1 to 16", padding.to_string()));
        }
        if usize::from(size.u16("KEY_SIZE")?) != key.value.len() * 8 {
            return Err(Malformed::new(size.at, "KEY_SIZE", format!("{} bits", key.value.len() * 8), "another"));
        }
        if algorithm.u8("KEY_ALGORITHM")? != 1 {
            return Err(Malformed::new(algorithm.at, "KEY_ALGORITHM", "1, which is RSA", "another"));
        }
        if body == 0 || body % BLOCK != 0 {
            return Err(Malformed::new(header.length, "body", "one or more blocks of 16 octets", body.to_string()));
        }
        let (_, at, code) = part(26)?;
        let digest = match code[..] {
            [code] => Digest::of_code(code),
            _ => None,
        }
        .ok_or_else(|| Malformed::new(*at, "HASH_ALGORITHM", "1, 2 or 3", trust::hex(code)))?;
        let (_, at, hash) = part(27)?;
        if hash.len() != digest.of(&[]).len() {
            let expected = format!("a {} digest", digest.name());
            return Err(Malformed::new(*at, "HASH", expected, format!("{} octets", hash.len())));
        }
        Ok(EncryptedFile {
            iv: iv_octets,
            padding,
            key: key.value.to_vec(),
            digest,
            hash: hash.clone(),
            octets: octets.to_vec(),
            header,
        })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub fn verify(&self, certificate: &Certificate) -> Result<(), Distrust> {
        self.header.verify(&self.octets, certificate)
    }

    /// The configuration, with the private key (PEM) of the device it was encrypted to.
    ///
    /// # Errors
    /// [`Error::Key`] when the key cannot be used at all; else [`Undecryptable`], whatever is wrong.
    pub fn decrypt(&self, key_pem: &str) -> Result<Result<Zeroizing<Vec<u8>>, Undecryptable>, Error> {
        let unfit = || Error::Key("an encrypted file opens with an RSA key of 2048 bits or more".to_owned());
        let der = private_der(key_pem)?.ok_or_else(unfit)?;
        let private = PrivateDecryptingKey::from_pkcs8(&der).map_err(|_| unfit())?;
        let decrypting = Pkcs1PrivateDecryptingKey::new(private).map_err(|_| unfit())?;
        let mut aes_key = Zeroizing::new(implicit(&der, &self.key));
        let mut room = Zeroizing::new(vec![0; decrypting.min_output_size()]);
        if let Ok(opened) = decrypting.decrypt(&self.key, &mut room)
            && let Ok(opened) = <[u8; BLOCK]>::try_from(&opened[..])
        {
            *aes_key = opened;
        }
        let mut body = Zeroizing::new(self.octets.get(self.header.length..).unwrap_or_default().to_vec());
        decrypt_cbc(&aes_key, &self.iv, &mut body);
        // `parse` saw to it that the body has a block and the padding is no longer than one.
        let length = body.len().saturating_sub(self.padding);
        // Both are always looked at, in one go: an empty text has no octet for its digest to speak of.
        let padded = same(body.get(length..).unwrap_or_default(), &[0x0d; BLOCK][..self.padding]);
        body.truncate(length);
        let good = same(&self.digest.of(&body), &self.hash) & padded;
        Ok(if good { Ok(body) } else { Err(Undecryptable) })
    }
}

/// What stands in for a key that did not open: nobody without the private key can foresee it.
fn implicit(private: &[u8], wrapped: &[u8]) -> [u8; BLOCK] {
    let digest = Zeroizing::new(Digest::Sha256.of(&Zeroizing::new([private, wrapped].concat())));
    let mut key = [0; BLOCK];
    for (to, from) in key.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    key
}

fn encrypt_cbc(key: &[u8; BLOCK], iv: &[u8; BLOCK], octets: &mut [u8]) {
    let cipher = Aes128::new(key.into());
    let mut last = *iv;
    for block in octets.as_chunks_mut::<BLOCK>().0 {
        for (octet, before) in block.iter_mut().zip(last) {
            *octet ^= before;
        }
        cipher.encrypt_block(block.into());
        last = *block;
    }
}

fn decrypt_cbc(key: &[u8; BLOCK], iv: &[u8; BLOCK], octets: &mut [u8]) {
    let cipher = Aes128::new(key.into());
    let mut last = *iv;
    for block in octets.as_chunks_mut::<BLOCK>().0 {
        let this = *block;
        cipher.decrypt_block(block.into());
        for (octet, before) in block.iter_mut().zip(last) {
            *octet ^= before;
        }
        last = this;
    }
}
