//! What a certificate says of its own status: where it is asked for, and that whoever shows it staples an answer.

use x509_parser::extensions::{GeneralName, ParsedExtension};

use super::der::oid;
use super::id::parsed;

/// By its own word, which its authority signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The first responder with an `http` address (RFC 5280 §4.2.2.1).
    pub responder: Option<String>,
    /// Must-staple (RFC 7633): a server that shows it without an answer is not believed.
    pub must_staple: bool,
}

/// Of a certificate in DER; nothing, of one that cannot be read.
pub fn asked_of(certificate: &[u8]) -> Asked {
    const OCSP: &str = "1.3.6.1.5.5.7.48.1";
    const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";
    let mut asked = Asked::default();
    let Ok(certificate) = parsed(certificate) else { return asked };
    for extension in certificate.extensions() {
        if let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() {
            let at = access.accessdescs.iter().filter(|row| row.access_method.to_id_string() == OCSP);
            asked.responder = at
                .filter_map(|row| match &row.access_location {
                    GeneralName::URI(uri) if uri.starts_with("http://") => Some((*uri).to_owned()),
                    _ => None,
                })
                .next();
        }
        if extension.oid.to_id_string() == TLS_FEATURE {
            let features =
                yasna::parse_der(extension.value, |reader| reader.collect_sequence_of(|reader| reader.read_u16()));
            // status_request and status_request_v2 (RFC 6066 §8, RFC 6961).
            asked.must_staple = features.is_ok_and(|features| features.contains(&5) || features.contains(&17));
        }
    }
    asked
}

/// The extension that says where (RFC 5280 §4.2.2.1).
pub(crate) fn authority_information(responder: &str) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&oid(&[1, 3, 6, 1, 5, 5, 7, 48, 1]));
                writer
                    .next()
                    .write_tagged_implicit(yasna::Tag::context(6), |writer| writer.write_ia5_string(responder));
            });
        });
    })
}
