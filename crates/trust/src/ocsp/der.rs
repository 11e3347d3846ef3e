//! What OCSP's structures have in common, on yasna: strict DER, nothing after its end.

use yasna::models::{GeneralizedTime, ObjectIdentifier};
use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader, DERWriter, Tag};

use crate::Utc;

pub(super) fn oid(components: &[u64]) -> ObjectIdentifier {
    ObjectIdentifier::from_slice(components)
}

/// id-pkix-ocsp-basic (RFC 6960 §4.2.1).
pub(super) const BASIC: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 1];

pub(super) fn invalid<T>() -> ASN1Result<T> {
    Err(ASN1Error::new(ASN1ErrorKind::Invalid))
}

/// Seconds since 1970.
pub(super) fn read_time(reader: BERReader<'_, '_>) -> ASN1Result<i64> {
    Ok(reader.read_generalized_time()?.datetime().unix_timestamp())
}

pub(super) fn write_time(writer: DERWriter<'_>, seconds: i64) {
    let Utc { year, month, day, hour, minute, second } = Utc::of(seconds.max(0).unsigned_abs());
    let text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    // Years have four digits until 9999, and our answers end before.
    if let Some(time) = GeneralizedTime::parse(text.as_bytes()) {
        writer.write_generalized_time(&time);
    }
}

/// Extensions (RFC 5280 §4.1), read past: whether one of them must be understood.
pub(super) fn has_critical(reader: BERReader<'_, '_>) -> ASN1Result<bool> {
    let extensions = reader.collect_sequence_of(|reader| {
        reader.read_sequence(|reader| {
            reader.next().read_oid()?;
            let critical = reader.read_default(false, |reader| reader.read_bool())?;
            reader.next().read_bytes()?;
            Ok(critical)
        })
    })?;
    Ok(extensions.contains(&true))
}

/// The same behind an explicit tag, where there are any.
pub(super) fn optional_critical(reader: &mut yasna::BERReaderSeq<'_, '_>, tag: u64) -> ASN1Result<bool> {
    let found = reader.read_optional(|reader| reader.read_tagged(Tag::context(tag), has_critical))?;
    Ok(found.unwrap_or(false))
}
