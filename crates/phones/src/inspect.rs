//! Any trust list, signed or encrypted file, printed and judged: `ringfence trust inspect`.

use crate::list::{expiry, rows, show};
use crate::{Certificate, EncryptedFile, Header, Names, SignedFile, TrustList};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// In the layout of `show ctl`, with the judgement in words at the end.
    pub text: String,
    /// Everything that could be judged is good.
    pub good: bool,
}

/// Inspects a file at `now` (seconds since 1970). `modified` is its date in words; `certificates` are those at hand to
/// verify with, `key_pem` the device's key that an encrypted file may open with.
pub fn inspect(
    octets: &[u8],
    modified: &str,
    certificates: &[Certificate],
    key_pem: Option<&str>,
    now: i64,
) -> Inspected {
    let header = match Header::parse(octets) {
        Ok(header) => header,
        Err(error) => {
            return Inspected { text: format!("This is no trust list and no signed file: {error}.\n"), good: false };
        }
    };
    match (header.version.0, header.file_name.as_str()) {
        (2, _) => encrypted(octets, modified, certificates, key_pem),
        (_, "CTLFile.tlv" | "ITLFile.tlv") => list(octets, modified, certificates, now),
        _ => signed(octets, modified, certificates),
    }
}

fn malformed(what: &str, error: &crate::Malformed) -> Inspected {
    Inspected { text: format!("The {what} is malformed {error}.\n"), good: false }
}

fn list(octets: &[u8], modified: &str, certificates: &[Certificate], now: i64) -> Inspected {
    let list = match TrustList::parse(octets) {
        Ok(list) => list,
        Err(error) => return malformed("list", &error),
    };
    let mut text = show(&list, modified);
    let mut good = list.verify_itself().is_ok();
    if !certificates.is_empty() {
        let outcome = with_any(&list.header().clone(), certificates, |certificate| list.verify(certificate));
        good &= outcome.is_ok();
        judge(&mut text, "With the certificates given", &outcome);
    }
    for words in list.certificates().iter().filter_map(|certificate| expiry(certificate, now)) {
        good = false;
        text.push_str(&format!("Warning: {words}.\n"));
    }
    Inspected { text, good }
}

fn signed(octets: &[u8], modified: &str, certificates: &[Certificate]) -> Inspected {
    let file = match SignedFile::parse(octets) {
        Ok(file) => file,
        Err(error) => return malformed("signed file", &error),
    };
    let mut text = head("signed", octets, modified, file.header());
    text.push_str(&format!("\nLength of what is signed: {}\n\n", file.body().len()));
    let outcome = with_any(file.header(), certificates, |certificate| file.verify(certificate));
    judge(&mut text, "The file", &outcome);
    Inspected { text, good: outcome.is_ok() }
}

fn encrypted(octets: &[u8], modified: &str, certificates: &[Certificate], key_pem: Option<&str>) -> Inspected {
    let file = match EncryptedFile::parse(octets) {
        Ok(file) => file,
        Err(error) => return malformed("encrypted file", &error),
    };
    let mut text = head("encrypted", octets, modified, file.header());
    text.push('\n');
    let outcome = with_any(file.header(), certificates, |certificate| file.verify(certificate));
    judge(&mut text, "The file", &outcome);
    let mut good = outcome.is_ok();
    match key_pem.map(|key| file.decrypt(key)) {
        None => text.push_str("Not decrypted: name the device's key with --key.\n"),
        Some(Ok(Ok(plain))) => {
            text.push_str(&format!("Decrypted, {} octets:\n\n{}", plain.len(), String::from_utf8_lossy(&plain)));
        }
        Some(Ok(Err(error))) => {
            good = false;
            text.push_str(&format!("Not decrypted: {error}.\n"));
        }
        Some(Err(error)) => {
            good = false;
            text.push_str(&format!("Not decrypted: {error}.\n"));
        }
    }
    Inspected { text, good }
}

fn head(what: &str, octets: &[u8], modified: &str, header: &Header) -> String {
    let mut text = format!("Length of {what} file: {}\nThe file was last modified on {modified}\n\n", octets.len());
    rows(&mut text, header);
    text
}

/// Who of `certificates` signed; with none at hand that is said.
fn with_any(
    header: &Header,
    certificates: &[Certificate],
    verify: impl Fn(&Certificate) -> Result<(), crate::Distrust>,
) -> Result<String, String> {
    match certificates.iter().find(|certificate| header.signer.is(certificate)) {
        Some(certificate) => verify(certificate)
            .map(|()| certificate.subject(Names::Equipment).to_owned())
            .map_err(|error| error.to_string()),
        None => Err(format!("{}; name one with --cert", header.unknown_signer(certificates))),
    }
}

fn judge(text: &mut String, what: &str, outcome: &Result<String, String>) {
    text.push_str(&match outcome {
        Ok(signer) => format!("{what}: verified successfully, signed by `{signer}`.\n"),
        Err(words) => format!("{what}: not verified: {words}.\n"),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_keys::{self as keys, NOW, certificate, signer};
    use crate::{Digest, Function, Kind, ListSpec, Record, sign_file};

    fn list() -> Vec<u8> {
        let spec = ListSpec {
            kind: Kind::Itl,
            signer_version: None,
            digest: Digest::Sha512,
            timestamp: NOW,
            names: Names::Equipment,
            records: vec![Record::new(&certificate(keys::RECOVERY), Function::Sast, "cucm1", None)],
        };
        spec.sign(&signer(keys::RECOVERY)).unwrap().octets().to_vec()
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let check = |octets: &[u8], certificates: &[Certificate], now: i64, good: bool, words: &str| {
            let found = inspect(octets, "today", certificates, None, now);
            assert!(found.good == good && found.text.contains(words), "{words}\n{}", found.text);
        };
        let (list, now) = (list(), i64::from(NOW));
        check(&list, &[], now, true, "The ITL file was verified successfully.");
        check(
            &list,
            &[certificate(keys::RECOVERY)],
            now,
            true,
            "verified successfully, signed by `CN=ITLRECOVERY_cucm1",
        );
        check(&list, &[certificate(keys::CAPF)], now, false, "which is none of the certificates at hand");
        check(
            &list,
            &[],
            now + 30 * 366 * 86_400,
            false,
            "Warning: `CN=ITLRECOVERY_cucm1;OU=Voice;O=Lab;C=NZ` expired on 20",
        );
        let mut changed = list.clone();
        *changed.last_mut().unwrap() ^= 1;
        check(&changed, &[], now, false, "");
        check(b"hello", &[], now, false, "no trust list and no signed file: at octet 0");
        let file =
            sign_file("x.sgn", b"text", &signer(keys::CALL_MANAGER), Digest::Sha1, NOW, Names::Equipment).unwrap();
        check(&file, &[], now, false, "name one with --cert");
        check(&file, &[certificate(keys::CALL_MANAGER)], now, true, "verified successfully");
        // The same name and another key: serial numbers differ.
        check(&file, &[certificate(keys::STRANGER)], now, false, "none of the certificates at hand");
    }
}
