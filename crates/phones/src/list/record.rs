//! One record of a trust list: a certificate and what it is good for. Tags 1–12, a name space of their own.

use std::fmt;
use std::net::IpAddr;

use crate::tlv::{Reader, Tlv, put, put_text};
use crate::{Certificate, Digest, Malformed, Names, Serial};

/// FUNCTION (tag 4): what a certificate is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// System administrator security token: may sign lists.
    Sast,
    CallManager,
    CallManagerAndTftp,
    Tftp,
    Capf,
    ApplicationServer,
    Tvs,
    /// One that we do not know.
    Other(u16),
}

impl Function {
    pub fn of_code(code: u16) -> Function {
        match code {
            0 => Function::Sast,
            1 => Function::CallManager,
            2 => Function::CallManagerAndTftp,
            3 => Function::Tftp,
            4 => Function::Capf,
            7 => Function::ApplicationServer,
            21 => Function::Tvs,
            other => Function::Other(other),
        }
    }

    pub fn code(self) -> u16 {
        match self {
            Function::Sast => 0,
            Function::CallManager => 1,
            Function::CallManagerAndTftp => 2,
            Function::Tftp => 3,
            Function::Capf => 4,
            Function::ApplicationServer => 7,
            Function::Tvs => 21,
            Function::Other(other) => other,
        }
    }

    /// Whether it may sign configuration.
    pub fn signs_files(self) -> bool {
        matches!(self, Function::Tftp | Function::CallManagerAndTftp)
    }
}

/// As `show ctl` prints it.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Function::Sast => "System Administrator Security Token",
            Function::CallManager => "CCM",
            Function::CallManagerAndTftp => "CCM+TFTP",
            Function::Tftp => "TFTP",
            Function::Capf => "CAPF",
            Function::ApplicationServer => "Application Server",
            Function::Tvs => "TVS",
            Function::Other(code) => return write!(f, "{code}"),
        })
    }
}

/// One element of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    DnsName(String),
    Subject(String),
    Function(Function),
    Issuer(String),
    Serial(Serial),
    PublicKey(Vec<u8>),
    Signature(Vec<u8>),
    Certificate(Certificate),
    Address(IpAddr),
    CertificateHash(Vec<u8>),
    HashAlgorithm(Digest),
    /// Skipped by its length, kept as it came.
    Unknown(u8, Vec<u8>),
}

impl Field {
    pub fn tag(&self) -> u8 {
        match self {
            Field::DnsName(_) => 2,
            Field::Subject(_) => 3,
            Field::Function(_) => 4,
            Field::Issuer(_) => 5,
            Field::Serial(_) => 6,
            Field::PublicKey(_) => 7,
            Field::Signature(_) => 8,
            Field::Certificate(_) => 9,
            Field::Address(_) => 10,
            Field::CertificateHash(_) => 11,
            Field::HashAlgorithm(_) => 12,
            Field::Unknown(tag, _) => *tag,
        }
    }

    fn read(element: &Tlv<'_>) -> Result<Field, Malformed> {
        Ok(match element.tag {
            2 => Field::DnsName(element.text("DNSNAME")?),
            3 => Field::Subject(element.text("SUBJECTNAME")?),
            4 => Field::Function(Function::of_code(element.u16("FUNCTION")?)),
            5 => Field::Issuer(element.text("ISSUERNAME")?),
            6 => Field::Serial(Serial::new(element.value)),
            7 => Field::PublicKey(element.value.to_vec()),
            8 => Field::Signature(element.value.to_vec()),
            9 => {
                Field::Certificate(Certificate::from_der(element.value).map_err(|error| {
                    Malformed::new(element.at, "CERTIFICATE", "a DER certificate", error.to_string())
                })?)
            }
            10 => Field::Address(read_address(element)?),
            11 => Field::CertificateHash(element.value.to_vec()),
            12 => {
                let code = element.u8("HASH_ALGORITHM")?;
                Field::HashAlgorithm(
                    Digest::of_code(code)
                        .ok_or_else(|| Malformed::new(element.at, "HASH_ALGORITHM", "1, 2 or 3", code.to_string()))?,
                )
            }
            tag => Field::Unknown(tag, element.value.to_vec()),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let tag = self.tag();
        match self {
            Field::DnsName(text) | Field::Subject(text) | Field::Issuer(text) => put_text(out, tag, text),
            Field::Function(function) => put(out, tag, &function.code().to_be_bytes()),
            Field::Serial(serial) => put(out, tag, serial.octets()),
            Field::Certificate(certificate) => put(out, tag, certificate.der()),
            Field::Address(IpAddr::V4(address)) => put(out, tag, &address.octets()),
            Field::Address(IpAddr::V6(address)) => put(out, tag, &address.octets()),
            Field::HashAlgorithm(digest) => put(out, tag, &[digest.code()]),
            Field::PublicKey(octets)
            | Field::Signature(octets)
            | Field::CertificateHash(octets)
            | Field::Unknown(_, octets) => put(out, tag, octets),
        }
    }

    /// Octets of the value.
    pub(super) fn length(&self) -> usize {
        let mut out = Vec::new();
        self.write(&mut out);
        out.len() - 3
    }
}

fn read_address(element: &Tlv<'_>) -> Result<IpAddr, Malformed> {
    // Some call managers once wrote other lengths here, and what read them broke (CSCum48958).
    let wrong = || Malformed::new(element.at, "IPADDRESS", "4 or 16 octets", element.value.len().to_string());
    if let Ok(octets) = <[u8; 4]>::try_from(element.value) {
        return Ok(octets.into());
    }
    <[u8; 16]>::try_from(element.value).map(IpAddr::from).map_err(|_| wrong())
}

/// In which order a record's elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Layout {
    /// 2, 3, 4, 5, 6, 7, 8, 9, 10: what call managers write.
    #[default]
    Equipment,
    /// 3, 5, 6, 4, 7, 8, 9 and no address: what open tools write.
    Open,
}

/// A record. Its elements keep their order, so that what was read can be written again octet for octet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    at: usize,
    pub(super) fields: Vec<Field>,
}

impl Record {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Record, Malformed> {
        let at = reader.at();
        let length = crate::header::expect(reader, 1, "RECORDLENGTH")?;
        let octets = usize::from(length.u16("RECORDLENGTH")?);
        let Some(rest) = octets.checked_sub(5) else {
            return Err(Malformed::new(at, "RECORDLENGTH", "at least 5", octets.to_string()));
        };
        let inside = reader.take(rest, &format!("the record of {octets} octets that begins at {at}"))?;
        let mut inside = Reader::new(inside, at + 5);
        let mut fields: Vec<Field> = Vec::new();
        while !inside.is_empty() {
            let element = inside.tlv("an element of a record")?;
            if element.tag == 1 || fields.iter().any(|field| field.tag() == element.tag) {
                let found = format!("tag {} again", element.tag);
                return Err(Malformed::new(element.at, "a record", "each element once", found));
            }
            fields.push(Field::read(&element)?);
        }
        let record = Record { at, fields };
        record.check()?;
        Ok(record)
    }

    /// What a record says beside its certificate must be the certificate's: phones look at the one or the other.
    fn check(&self) -> Result<(), Malformed> {
        if !self.fields.iter().any(|field| matches!(field, Field::Function(_))) {
            return Err(Malformed::new(self.at, "a record", "FUNCTION", "none"));
        }
        let Some(certificate) = self.certificate() else { return Ok(()) };
        let wrong = |what: &str| {
            Malformed::new(self.at, "a record", format!("the {what} of its certificate"), format!("another {what}"))
        };
        for field in &self.fields {
            match field {
                Field::Serial(serial) if serial != certificate.serial() => return Err(wrong("serial number")),
                Field::PublicKey(key) if key != certificate.public_key().octets() => return Err(wrong("public key")),
                Field::Signature(signature) if signature != certificate.signature() => return Err(wrong("signature")),
                _ => {}
            }
        }
        Ok(())
    }

    /// A record for `certificate`.
    pub fn new(certificate: &Certificate, function: Function, dns_name: &str, address: Option<IpAddr>) -> Record {
        Record::laid_out(certificate, function, dns_name, address, Layout::Equipment)
    }

    pub fn laid_out(
        certificate: &Certificate,
        function: Function,
        dns_name: &str,
        address: Option<IpAddr>,
        layout: Layout,
    ) -> Record {
        let names = match layout {
            Layout::Equipment => Names::Equipment,
            Layout::Open => Names::Open,
        };
        let subject = Field::Subject(certificate.subject(names).to_owned());
        let issuer = Field::Issuer(certificate.issuer(names).to_owned());
        let serial = Field::Serial(certificate.serial().clone());
        let function = Field::Function(function);
        let mut fields = match layout {
            Layout::Equipment => vec![Field::DnsName(dns_name.to_owned()), subject, function, issuer, serial],
            Layout::Open => vec![subject, issuer, serial, function],
        };
        fields.extend([
            Field::PublicKey(certificate.public_key().octets().to_vec()),
            Field::Signature(certificate.signature().to_vec()),
            Field::Certificate(certificate.clone()),
        ]);
        if layout == Layout::Equipment {
            fields.extend(address.map(Field::Address));
        }
        Record { at: 0, fields }
    }

    /// What is left of a call manager's record in non-secure mode: its name and address, no certificate.
    pub fn stub(function: Function, dns_name: &str, address: IpAddr) -> Record {
        let fields = vec![Field::DnsName(dns_name.to_owned()), Field::Function(function), Field::Address(address)];
        Record { at: 0, fields }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut inside = Vec::new();
        for field in &self.fields {
            field.write(&mut inside);
        }
        put(out, 1, &((inside.len() + 5) as u16).to_be_bytes());
        out.extend(inside);
    }

    /// Place of its first octet in the file.
    pub fn at(&self) -> usize {
        self.at
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub fn function(&self) -> Function {
        let found = self.fields.iter().find_map(|field| match field {
            Field::Function(function) => Some(*function),
            _ => None,
        });
        // `check` and the constructors see to it that there is one.
        found.unwrap_or(Function::Other(u16::MAX))
    }

    pub fn certificate(&self) -> Option<&Certificate> {
        self.fields.iter().find_map(|field| match field {
            Field::Certificate(certificate) => Some(certificate),
            _ => None,
        })
    }

    pub fn address(&self) -> Option<IpAddr> {
        self.fields.iter().find_map(|field| match field {
            Field::Address(address) => Some(*address),
            _ => None,
        })
    }

    pub fn dns_name(&self) -> Option<&str> {
        self.fields.iter().find_map(|field| match field {
            Field::DnsName(name) => Some(name.as_str()),
            _ => None,
        })
    }
}
