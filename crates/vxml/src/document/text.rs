//! Octets as text: what a document, a script or a grammar is written in (XML 1.0 §4.3.3 and appendix F, VoiceXML 2.0 §5.3.12).

use encoding_rs::{Encoding, UTF_8};

/// A byte order mark says most, then `charset`; UTF-8 where nobody says.
///
/// # Errors
/// Words: a name that is no encoding's, or octets that are not of it.
pub(crate) fn decode(bytes: &[u8], charset: Option<&str>) -> Result<String, String> {
    let (encoding, mark) = match (Encoding::for_bom(bytes), charset) {
        (Some(marked), _) => marked,
        (None, Some(name)) => match Encoding::for_label(name.trim().as_bytes()) {
            Some(encoding) => (encoding, 0),
            None => return Err(format!("there is no encoding `{name}`: save it as UTF-8")),
        },
        (None, None) => (UTF_8, 0),
    };
    let bytes = bytes.get(mark..).unwrap_or_default();
    match encoding.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) => Ok(text.into_owned()),
        None if encoding == UTF_8 => {
            let at = mark + std::str::from_utf8(bytes).err().map_or(0, |error| error.valid_up_to());
            Err(format!("expected UTF-8, found another byte at {at}: save the document as UTF-8"))
        }
        None => Err(format!("expected {}, found other octets", encoding.name())),
    }
}

/// What an XML declaration calls the encoding.
pub(crate) fn declared(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(200)).unwrap_or_default()).into_owned();
    let (declaration, _) = head.strip_prefix("<?xml")?.split_once("?>")?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value.get(1..)?.split_once(quote).map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_it_was_written() {
        for (bytes, charset, text) in [
            (&b"caf\xE9"[..], Some("ISO-8859-1"), "café"),
            (b"\x80", Some("windows-1252"), "€"),
            (b"\x93\xFA\x96\x7B", Some("Shift_JIS"), "日本"),
            (b"\xC7\xD1", Some("EUC-KR"), "한"),
            (b"\xEF\xBB\xBFa", Some("ISO-8859-1"), "a"),
            (b"\xFF\xFEa\0", None, "a"),
        ] {
            assert_eq!(decode(bytes, charset).as_deref(), Ok(text), "{charset:?}");
        }
        assert!(decode(b"a\xE9", None).unwrap_err().contains("byte at 1"));
        assert!(decode(b"a", Some("klingon")).unwrap_err().contains("klingon"));
        assert!(decode(b"\x81\x20", Some("Shift_JIS")).unwrap_err().contains("Shift_JIS"));
    }

    #[test]
    fn an_xml_declaration_names_its_encoding() {
        assert_eq!(declared(b"<?xml version='1.0' encoding = \"EUC-KR\" ?><a/>").as_deref(), Some("EUC-KR"));
        assert_eq!(declared(b"<?xml version='1.0'?><a b=' encoding=\"x\"'/>"), None);
        assert_eq!(declared(b"<a/>"), None);
    }
}
