//! The header before every list and signed file: who signed, with what, when, and under which name. Tags 1–27.
//!
//! The signature covers the whole file with the SIGNATURE element cut out; HEADERLENGTH counts the cut element too.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::crypto::modulus_code;
use crate::tlv::{Reader, Tlv, put, put_text};
use crate::{Certificate, Digest, Distrust, Error, Malformed, Serial, Signer};

/// How names are spelt and signers' fields ordered. Phones take both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Names {
    /// As call managers write them: `CN=…;OU=…;O=…`; name, serial, issuer.
    #[default]
    Equipment,
    /// As open tools write them: `CN=…,O=…` in the certificate's order; name, issuer, serial.
    Open,
}

/// SIGNERID (tag 3): which certificate signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerId {
    pub subject: String,
    pub serial: Serial,
    pub issuer: String,
    /// Tag 6 stood before tag 5.
    issuer_first: bool,
}

impl SignerId {
    /// Whether this certificate is meant: by serial and issuer, whatever the spelling.
    pub fn is(&self, certificate: &Certificate) -> bool {
        certificate.is(&self.serial, &self.issuer)
    }
}

/// A file's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Major, minor: 1.2 lists, 1.0 signed files, 2.0 encrypted ones.
    pub version: (u8, u8),
    /// Octets from the start of the file to its body.
    pub length: usize,
    /// Tag 28, lists only: 1.1 or more announces HTTPS and elliptic curves.
    pub signer_version: Option<(u8, u8)>,
    pub signer: SignerId,
    pub digest: Digest,
    pub signature: Vec<u8>,
    /// The SIGNATURE element in the file, tag and length included.
    pub signature_span: Range<usize>,
    pub file_name: String,
    /// Seconds since 1970.
    pub timestamp: u32,
    /// Tags 16, 26 and 27 of an encrypted file.
    pub(crate) encryption: Vec<(u8, usize, Vec<u8>)>,
}

/// What a header to be written says.
#[derive(Clone, Debug)]
pub(crate) struct Spec<'a> {
    pub(crate) version: (u8, u8),
    pub(crate) signer_version: Option<(u8, u8)>,
    pub(crate) digest: Digest,
    pub(crate) file_name: &'a str,
    pub(crate) timestamp: u32,
    pub(crate) names: Names,
    /// What follows the timestamp.
    pub(crate) more: &'a [u8],
}

/// The order of the elements; 28 stands between 2 and 3.
const ORDER: [u8; 12] = [1, 2, 28, 3, 7, 12, 14, 15, 16, 26, 27, 13];
const PADDING: u8 = 13;

impl Header {
    /// Reads the header of a file; what follows it is the body.
    pub fn parse(file: &[u8]) -> Result<Header, Malformed> {
        let mut reader = Reader::new(file, 0);
        let version = pair(&expect(&mut reader, 1, "VERSION")?, "VERSION")?;
        let length_element = expect(&mut reader, 2, "HEADERLENGTH")?;
        let length = usize::from(length_element.u16("HEADERLENGTH")?);
        let Some(inside) = file.get(reader.at()..length) else {
            return Err(Malformed::new(
                length_element.at,
                "HEADERLENGTH",
                format!("{} to {}", reader.at(), file.len()),
                length.to_string(),
            ));
        };
        let mut reader = Reader::new(inside, reader.at());
        let mut parts = Parts::default();
        let mut place = 1;
        while let Some(tag) = reader.peek() {
            let at = reader.at();
            if tag == PADDING {
                reader.u8("PADDING")?;
                place = ORDER.len();
                continue;
            }
            let element = reader.tlv("a header element")?;
            // Elements stand in one order, each once: a second signature could be the one that somebody else looks at.
            match ORDER.iter().position(|known| *known == tag) {
                Some(position) if position > place => place = position,
                Some(_) => {
                    return Err(Malformed::new(at, name(tag), "each element once, in order", "one out of its place"));
                }
                None => return Err(Malformed::new(at, "header", "tags 1 to 28", format!("tag {tag}"))),
            }
            parts.take(&element, reader.at())?;
        }
        let missing = |what: &str| Malformed::new(length, "header", what, "its end");
        let (digest, modulus) = parts.algorithms.ok_or_else(|| missing("SIGNATUREINFO"))?;
        let (signature, signature_span) = parts.signature.ok_or_else(|| missing("SIGNATURE"))?;
        if signature.len() != modulus {
            return Err(Malformed::new(
                signature_span.start,
                "SIGNATURE",
                format!("{modulus} octets, as SIGNATUREMODULUS says"),
                signature.len().to_string(),
            ));
        }
        Ok(Header {
            version,
            length,
            signer_version: parts.signer_version,
            signer: parts.signer.ok_or_else(|| missing("SIGNERID"))?,
            digest,
            signature,
            signature_span,
            file_name: parts.file_name.ok_or_else(|| missing("FILENAME"))?,
            timestamp: parts.timestamp.ok_or_else(|| missing("TIMESTAMP"))?,
            encryption: parts.encryption,
        })
    }

    /// Whether `certificate` is the signer named, and made this signature over `file`.
    pub(crate) fn verify(&self, file: &[u8], certificate: &Certificate) -> Result<(), Distrust> {
        if !self.signer.is(certificate) {
            return Err(self.unknown_signer(std::iter::once(certificate)));
        }
        certificate.verify(self.digest, &self.signed_octets(file), &self.signature)
    }

    pub(crate) fn unknown_signer<'a>(&self, known: impl IntoIterator<Item = &'a Certificate>) -> Distrust {
        let known: Vec<String> = known.into_iter().map(|known| known.subject(Names::Equipment).to_owned()).collect();
        Distrust::UnknownSigner {
            serial: self.signer.serial.to_string(),
            issuer: self.signer.issuer.clone(),
            known: if known.is_empty() { "none".to_owned() } else { known.join(", ") },
        }
    }

    fn signed_octets(&self, file: &[u8]) -> Vec<u8> {
        let before = file.get(..self.signature_span.start).unwrap_or_default();
        let after = file.get(self.signature_span.end..).unwrap_or_default();
        [before, after].concat()
    }
}

/// Writes a header before `body`, signed by `signer`.
pub(crate) fn write(spec: &Spec<'_>, body: &[u8], signer: &Signer) -> Result<Vec<u8>, Error> {
    write_with(spec, body, signer.certificate(), signer.modulus_len(), |message| signer.sign(spec.digest, message))
}

/// As [`write`], the signature made by `sign`.
pub(crate) fn write_with(
    spec: &Spec<'_>,
    body: &[u8],
    signer: &Certificate,
    modulus: usize,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, Error>,
) -> Result<Vec<u8>, Error> {
    let code = modulus_code(modulus).ok_or_else(|| {
        Error::Key(format!("a modulus of {modulus} octets has no code: take an RSA key of 1024, 2048 or 4096 bits"))
    })?;
    let mut start = Vec::new();
    put(&mut start, 1, &[spec.version.0, spec.version.1]);
    put(&mut start, 2, &[0, 0]);
    if let Some((major, minor)) = spec.signer_version {
        put(&mut start, 28, &[major, minor]);
    }
    put(&mut start, 3, &signer_id(signer, spec.names));
    let mut info = Vec::new();
    put(&mut info, 8, &[spec.digest.code()]);
    let mut algorithm = Vec::new();
    put(&mut algorithm, 10, &[0]);
    put(&mut algorithm, 11, &[code]);
    put(&mut info, 9, &algorithm);
    put(&mut start, 7, &info);
    let mut end = Vec::new();
    put_text(&mut end, 14, spec.file_name);
    put(&mut end, 15, &spec.timestamp.to_be_bytes());
    end.extend(spec.more);
    let unpadded = start.len() + 3 + modulus + end.len();
    let length = unpadded.next_multiple_of(4);
    end.extend(vec![PADDING; length - unpadded]);
    let too_long = || Error::Key(format!("a header of {length} octets does not fit: shorten the signer's names"));
    let digits = u16::try_from(length).map_err(|_| too_long())?.to_be_bytes();
    // HEADERLENGTH's value: after VERSION (5 octets), its own tag and length (3).
    start.splice(8..10, digits);
    let signature = sign(&[&start[..], &end, body].concat())?;
    if signature.len() != modulus {
        return Err(Error::Key(format!("a signature of {} octets came, expected {modulus}", signature.len())));
    }
    put(&mut start, 12, &signature);
    Ok([&start[..], &end, body].concat())
}

fn signer_id(signer: &Certificate, names: Names) -> Vec<u8> {
    let mut id = Vec::new();
    put_text(&mut id, 4, signer.subject(names));
    match names {
        Names::Equipment => {
            put(&mut id, 5, signer.serial().octets());
            put_text(&mut id, 6, signer.issuer(names));
        }
        Names::Open => {
            put_text(&mut id, 6, signer.issuer(names));
            put(&mut id, 5, signer.serial().octets());
        }
    }
    id
}

#[derive(Default)]
struct Parts {
    signer_version: Option<(u8, u8)>,
    signer: Option<SignerId>,
    algorithms: Option<(Digest, usize)>,
    signature: Option<(Vec<u8>, Range<usize>)>,
    file_name: Option<String>,
    timestamp: Option<u32>,
    encryption: Vec<(u8, usize, Vec<u8>)>,
}

impl Parts {
    fn take(&mut self, element: &Tlv<'_>, end: usize) -> Result<(), Malformed> {
        match element.tag {
            28 => self.signer_version = Some(pair(element, "SIGNER_VERSION")?),
            3 => self.signer = Some(read_signer(element)?),
            7 => self.algorithms = Some(read_algorithms(element)?),
            12 => self.signature = Some((element.value.to_vec(), element.at..end)),
            14 => self.file_name = Some(element.text("FILENAME")?),
            15 => self.timestamp = Some(element.u32("TIMESTAMP")?),
            tag => self.encryption.push((tag, element.at, element.value.to_vec())),
        }
        Ok(())
    }
}

fn read_signer(element: &Tlv<'_>) -> Result<SignerId, Malformed> {
    let (mut subject, mut serial, mut issuer, mut issuer_first) = (None, None, None, false);
    let mut inside = element.inside();
    while !inside.is_empty() {
        let child = inside.tlv("an element of SIGNERID")?;
        let again = match child.tag {
            4 => subject.replace(child.text("SIGNERNAME")?).is_some(),
            5 => {
                issuer_first = issuer.is_some();
                serial.replace(Serial::new(child.value)).is_some()
            }
            6 => issuer.replace(child.text("CANAME")?).is_some(),
            tag => return Err(Malformed::new(child.at, "SIGNERID", "tags 4, 5 and 6", format!("tag {tag}"))),
        };
        if again {
            return Err(Malformed::new(child.at, "SIGNERID", "each element once", format!("tag {} again", child.tag)));
        }
    }
    let missing = |what: &str| Malformed::new(element.at, "SIGNERID", what, "none");
    Ok(SignerId {
        subject: subject.ok_or_else(|| missing("SIGNERNAME"))?,
        serial: serial.ok_or_else(|| missing("SERIALNUMBER"))?,
        issuer: issuer.ok_or_else(|| missing("CANAME"))?,
        issuer_first,
    })
}

/// The digest, and the modulus in octets.
fn read_algorithms(element: &Tlv<'_>) -> Result<(Digest, usize), Malformed> {
    let mut inside = element.inside();
    let digest = expect(&mut inside, 8, "DIGESTALGORITHM")?;
    let code = digest.u8("DIGESTALGORITHM")?;
    let digest = Digest::of_code(code)
        .ok_or_else(|| Malformed::new(digest.at, "DIGESTALGORITHM", "1, 2 or 3", code.to_string()))?;
    let info = expect(&mut inside, 9, "SIGNATUREALGOINFO")?;
    nothing_more(&inside, "SIGNATUREINFO")?;
    let mut inside = info.inside();
    let algorithm = expect(&mut inside, 10, "SIGNATUREALGORITHM")?;
    let code = algorithm.u8("SIGNATUREALGORITHM")?;
    if code != 0 {
        return Err(Malformed::new(algorithm.at, "SIGNATUREALGORITHM", "0, which is RSA", code.to_string()));
    }
    let modulus = expect(&mut inside, 11, "SIGNATUREMODULUS")?;
    nothing_more(&inside, "SIGNATUREALGOINFO")?;
    let code = modulus.u8("SIGNATUREMODULUS")?;
    let octets = [64, 128, 256, 512]
        .get(usize::from(code))
        .ok_or_else(|| Malformed::new(modulus.at, "SIGNATUREMODULUS", "0 to 3", code.to_string()))?;
    Ok((digest, *octets))
}

pub(crate) fn nothing_more(reader: &Reader<'_>, what: &str) -> Result<(), Malformed> {
    match reader.peek() {
        None => Ok(()),
        Some(tag) => Err(Malformed::new(reader.at(), what, "its end", format!("tag {tag}"))),
    }
}

pub(crate) fn expect<'a>(reader: &mut Reader<'a>, tag: u8, what: &str) -> Result<Tlv<'a>, Malformed> {
    let at = reader.at();
    match reader.peek() {
        Some(found) if found == tag => reader.tlv(what),
        Some(found) => Err(Malformed::new(at, what, format!("tag {tag}"), format!("tag {found}"))),
        None => Err(Malformed::new(at, what, format!("tag {tag}"), "the end")),
    }
}

fn pair(element: &Tlv<'_>, what: &str) -> Result<(u8, u8), Malformed> {
    let [major, minor] = element.u16(what)?.to_be_bytes();
    Ok((major, minor))
}

/// What `show` calls a tag of the header.
pub(crate) fn name(tag: u8) -> &'static str {
    match tag {
        1 => "VERSION",
        2 => "HEADERLENGTH",
        3 => "SIGNERID",
        7 => "SIGNATUREINFO",
        12 => "SIGNATURE",
        13 => "PADDING",
        14 => "FILENAME",
        15 => "TIMESTAMP",
        16 => "ENCRYPTION_INFO",
        26 => "HASH_ALGORITHM",
        27 => "HASH",
        28 => "SIGNER_VERSION",
        _ => "header element",
    }
}

impl Header {
    /// The spelling that the file was written in.
    pub fn names(&self) -> Names {
        if self.signer.issuer_first { Names::Open } else { Names::Equipment }
    }
}
