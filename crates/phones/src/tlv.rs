//! Tag (u8), length (u16, big-endian), value: the one shape under trust lists, signed files, CAPF and TVS.

use crate::Malformed;

/// Reads octets, knowing where in the file they stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

/// One element. `at` is the place of its tag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlv<'a> {
    pub(crate) tag: u8,
    pub(crate) at: usize,
    pub(crate) value: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8], at: usize) -> Reader<'a> {
        Reader { octets, at }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.octets.first().copied()
    }

    pub(crate) fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8], Malformed> {
        let Some((taken, rest)) = self.octets.split_at_checked(length) else {
            let left = self.octets.len();
            return Err(Malformed::new(self.at, what, format!("{length} octets"), format!("{left} left")));
        };
        self.octets = rest;
        self.at += length;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self, what: &str) -> Result<u8, Malformed> {
        Ok(number(self.take(1, what)?) as u8)
    }

    pub(crate) fn u16(&mut self, what: &str) -> Result<u16, Malformed> {
        Ok(number(self.take(2, what)?) as u16)
    }

    pub(crate) fn u32(&mut self, what: &str) -> Result<u32, Malformed> {
        Ok(number(self.take(4, what)?))
    }

    pub(crate) fn tlv(&mut self, what: &str) -> Result<Tlv<'a>, Malformed> {
        let at = self.at;
        let tag = self.u8(what)?;
        let length = self.u16(what)?;
        let value = self.take(length.into(), &format!("{what}, tag {tag}, of {length} octets"))?;
        Ok(Tlv { tag, at, value })
    }
}

/// Big-endian; at most four octets are ever asked for.
fn number(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet))
}

impl<'a> Tlv<'a> {
    /// The elements in a container.
    pub(crate) fn inside(&self) -> Reader<'a> {
        Reader::new(self.value, self.at + 3)
    }

    pub(crate) fn u8(&self, what: &str) -> Result<u8, Malformed> {
        self.sized(1, what).map(|value| value as u8)
    }

    pub(crate) fn u16(&self, what: &str) -> Result<u16, Malformed> {
        self.sized(2, what).map(|value| value as u16)
    }

    pub(crate) fn u32(&self, what: &str) -> Result<u32, Malformed> {
        self.sized(4, what)
    }

    fn sized(&self, length: usize, what: &str) -> Result<u32, Malformed> {
        if self.value.len() == length {
            return Ok(number(self.value));
        }
        Err(Malformed::new(self.at, what, format!("{length} octets"), format!("{}", self.value.len())))
    }

    /// Text that ends with its only NUL. No control characters: names reach terminals and logs.
    pub(crate) fn text(&self, what: &str) -> Result<String, Malformed> {
        let wrong = |found: &str| Malformed::new(self.at, what, "printable text ended by one NUL", found);
        let Some((0, text)) = self.value.split_last() else { return Err(wrong("no NUL at the end")) };
        let text = std::str::from_utf8(text).map_err(|_| wrong("octets that are no UTF-8"))?;
        if text.chars().any(char::is_control) {
            return Err(wrong("a control character"));
        }
        Ok(text.to_owned())
    }
}

/// Appends an element. Lengths come from us and from certificates, which are far below 64 KiB; a longer value is cut off
/// by nobody but refused here.
pub(crate) fn put(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    debug_assert!(value.len() <= usize::from(u16::MAX));
    out.push(tag);
    out.extend((value.len() as u16).to_be_bytes());
    out.extend(value);
}

/// As [`put`], with the NUL that text ends with.
pub(crate) fn put_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    let mut value = text.as_bytes().to_vec();
    value.push(0);
    put(out, tag, &value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_file() {
        let octets = [4, 0, 5, 9, 0, 2, b'x', 0, 7];
        let mut reader = Reader::new(&octets, 100);
        let outer = reader.tlv("outer").unwrap();
        assert_eq!((outer.tag, outer.at, reader.at()), (4, 100, 108));
        let inner = outer.inside().tlv("inner").unwrap();
        assert_eq!((inner.tag, inner.at, inner.text("name").unwrap().as_str()), (9, 103, "x"));
        let error = reader.tlv("next").unwrap_err();
        assert_eq!(error.to_string(), "at octet 109: next: expected 2 octets, found 0 left");
    }

    #[test]
    fn text_ends_with_its_only_nul() {
        for (value, good) in [(&b"SEP\0"[..], true), (b"\0", true), (b"", false), (b"SEP", false), (b"S\0P\0", false)] {
            assert_eq!(Tlv { tag: 1, at: 0, value }.text("name").is_ok(), good, "{value:?}");
        }
        assert!(Tlv { tag: 1, at: 0, value: b"a\x1b[2J\0" }.text("name").is_err());
    }
}
