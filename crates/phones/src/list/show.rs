//! `show ctl` and `show itl`: a list as administrators compare it, line by line.

use md5::{Digest as _, Md5};

use super::{Field, Record, TrustList};
use crate::{Digest, Names};

/// The list in the layout of `show ctl`. `modified` is the file's date in words; it is verified by itself.
pub fn show(list: &TrustList, modified: &str) -> String {
    let kind = list.kind().word();
    let mut out = String::new();
    out.push_str(&format!("The checksum value of the {kind} file:\n"));
    out.push_str(&format!("{}(MD5)\n", trust::hex(&Md5::digest(list.octets()))));
    out.push_str(&format!("{}(SHA1)\n\n", trust::hex(&Digest::Sha1.of(list.octets()))));
    out.push_str(&format!("Length of {kind} file: {}\n", list.octets().len()));
    out.push_str(&format!("The {kind} File was last modified on {modified}\n\n"));
    out.push_str(&format!("Parse {kind} File\n----------------\n\n"));
    header(&mut out, list);
    for (number, record) in list.records().iter().enumerate() {
        out.push_str(&format!("\n\t{kind} Record #:{}\n\t  ----\n", number + 1));
        body(&mut out, list, record);
    }
    out.push('\n');
    match list.verify_itself() {
        Ok(_) => out.push_str(&format!("The {kind} file was verified successfully.\n")),
        Err(error) => out.push_str(&format!("The {kind} file was not verified: {error}.\n")),
    }
    out
}

pub(crate) const RULE: &str = "BYTEPOS\tTAG\t\tLENGTH\tVALUE\n-------\t---\t\t------\t-----\n";

fn header(out: &mut String, list: &TrustList) {
    rows(out, list.header());
}

/// The header's rows, of a list or of a signed file.
pub(crate) fn rows(out: &mut String, header: &crate::Header) {
    out.push_str(&format!("Version:\t{}.{}\n", header.version.0, header.version.1));
    out.push_str(&format!("HeaderLength:\t{} (BYTES)\n\n", header.length));
    out.push_str(RULE);
    let signer = &header.signer;
    let names = [signer.subject.len() + 1, signer.serial.octets().len(), signer.issuer.len() + 1];
    if let Some((major, minor)) = header.signer_version {
        row(out, 28, "SIGNERVERSION", 2, &format!("{major}.{minor}"));
    }
    row(out, 3, "SIGNERID", 2, &(names.iter().sum::<usize>() + 9).to_string());
    row(out, 4, "SIGNERNAME", signer.subject.len() + 1, &signer.subject);
    row(out, 5, "SERIALNUMBER", signer.serial.octets().len(), &signer.serial.to_string());
    row(out, 6, "CANAME", signer.issuer.len() + 1, &signer.issuer);
    row(out, 7, "SIGNATUREINFO", 2, "15");
    // The spelling of the next and of tag 10 is the original's: scripts look for it.
    row(out, 8, "DIGESTALGORTITHM", 1, header.digest.name());
    row(out, 9, "SIGNATUREALGOINFO", 2, "8");
    row(out, 10, "SIGNATUREALGORTITHM", 1, "RSA");
    row(out, 11, "SIGNATUREMODULUS", 1, &(header.signature.len() * 8).to_string());
    row(out, 12, "SIGNATURE", header.signature.len(), "");
    for line in header.signature.chunks(16) {
        let octets: Vec<String> = line.iter().map(|octet| format!("{octet:02x}")).collect();
        out.push_str(&format!("{}\n", octets.join(" ")));
    }
    row(out, 14, "FILENAME", header.file_name.len() + 1, &header.file_name);
    row(out, 15, "TIMESTAMP", 4, &timestamp(header.timestamp));
}

/// In UTC, and as the number that is compared.
pub(crate) fn timestamp(seconds: u32) -> String {
    let at = trust::Utc::of(seconds.into());
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC ({seconds})",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

fn body(out: &mut String, list: &TrustList, record: &Record) {
    out.push_str(RULE);
    let length: usize = record.fields().iter().map(|field| field.length() + 3).sum();
    row(out, 1, "RECORDLENGTH", 2, &(length + 5).to_string());
    let mut fields: Vec<&Field> = record.fields().iter().collect();
    // As equipment writes them, whoever wrote this one: two lists are compared line by line.
    fields.sort_by_key(|field| field.tag());
    for field in fields {
        let (name, value) = match field {
            Field::DnsName(name) => ("DNSNAME\t", name.clone()),
            Field::Subject(name) => ("SUBJECTNAME", name.clone()),
            Field::Function(function) => ("FUNCTION", function.to_string()),
            Field::Issuer(name) => ("ISSUERNAME", name.clone()),
            Field::Serial(serial) => ("SERIALNUMBER", serial.to_string()),
            Field::PublicKey(_) => ("PUBLICKEY", String::new()),
            Field::Signature(_) => ("SIGNATURE", String::new()),
            Field::Certificate(certificate) => {
                let hash = certificate.digest(Digest::Sha1);
                let octets: Vec<String> = hash.iter().map(|octet| format!("{octet:02X}")).collect();
                ("CERTIFICATE", format!("{} (SHA1 Hash HEX)", octets.join(" ")))
            }
            Field::Address(address) => ("IPADDRESS", address.to_string()),
            Field::CertificateHash(hash) => ("CERTIFICATEHASH", trust::hex(hash)),
            Field::HashAlgorithm(digest) => ("HASHALGORITHM", digest.name().to_owned()),
            Field::Unknown(_, octets) => ("UNKNOWN", trust::hex(octets)),
        };
        row(out, field.tag(), name, field.length(), &value);
    }
    if record.certificate().is_some_and(|certificate| list.header().signer.is(certificate)) {
        out.push_str(&format!("This etoken was used to sign the {} file.\n", list.kind().word()));
    } else if record.function() == super::Function::Sast {
        out.push_str(&format!("This etoken was not used to sign the {} file.\n", list.kind().word()));
    }
}

fn row(out: &mut String, tag: u8, name: &str, length: usize, value: &str) {
    let line = format!("{tag}\t{name}\t{length}\t{value}");
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Expiry in words, for what `inspect` adds below the layout.
pub(crate) fn expiry(certificate: &crate::Certificate, now: i64) -> Option<String> {
    let (from, until) = certificate.validity();
    let name = certificate.subject(Names::Equipment);
    if now > until {
        Some(format!("`{name}` expired on {}", timestamp(until.clamp(0, i64::from(u32::MAX)) as u32)))
    } else if now < from {
        Some(format!("`{name}` is not valid before {}", timestamp(from.clamp(0, i64::from(u32::MAX)) as u32)))
    } else {
        None
    }
}
