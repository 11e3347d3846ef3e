//! Stanzas out of a stream of octets (RFC 6120 §4, §11): where one begins and ends, and nothing else of XML.

use super::LARGEST;

/// Elements within elements of one stanza.
const DEEPEST: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The stream's opening tag, closed so that it is an element of its own.
    Open(String),
    /// One element and what is in it. Prefixes of the stream's are not declared in it.
    Stanza(String),
    /// `</stream:stream>`
    Close,
}

/// What cannot be cut: the stream's error (RFC 6120 §4.9.3), and words.
pub(crate) type Broken = (&'static str, &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Text,
    Tag,
    /// An attribute's value, which this octet ends.
    Quoted(u8),
    Cdata,
    /// `<?xml …?>`
    Declaration,
}

/// One stream's. After an error it is of no use any more.
#[derive(Debug)]
pub(crate) struct Cutter {
    held: Vec<u8>,
    /// Octets of `held` that were looked at.
    at: usize,
    /// Where the tag that is being looked at begins.
    tag: usize,
    within: Within,
    depth: usize,
    opened: bool,
}

impl Cutter {
    pub(crate) fn new() -> Cutter {
        Cutter { held: Vec::new(), at: 0, tag: 0, within: Within::Text, depth: 0, opened: false }
    }

    /// The client logged in and begins its stream anew (RFC 6120 §4.3.3).
    pub(crate) fn restart(&mut self) {
        self.opened = false;
    }

    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.held.extend_from_slice(octets);
    }

    /// Whether a stanza has begun and has not ended.
    pub(crate) fn is_within(&self) -> bool {
        !self.held.is_empty()
    }

    /// The next piece; `None`: more octets are needed. Spaces between stanzas are passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, Broken> {
        if self.depth == 0 && self.within == Within::Text && self.at == 0 {
            let spaces = self.held.iter().take_while(|octet| octet.is_ascii_whitespace()).count();
            self.held.drain(..spaces);
        }
        while let Some(octet) = self.held.get(self.at).copied() {
            if self.at >= LARGEST {
                return Err(("policy-violation", "expected a stanza of at most 64 KiB"));
            }
            self.at += 1;
            let here = self.held.get(self.tag..self.at).unwrap_or_default();
            match (self.within, octet) {
                (Within::Text, b'<') => (self.within, self.tag) = (Within::Tag, self.at - 1),
                (Within::Text, _) if self.depth == 0 => return Err(("not-well-formed", "text between stanzas")),
                (Within::Text, _) => {}
                (Within::Tag, quote @ (b'"' | b'\'')) => self.within = Within::Quoted(quote),
                (Within::Tag, b'!') if here == b"<!" && self.depth > 0 => self.within = Within::Cdata,
                (Within::Tag, b'!') if here == b"<!" => return Err(("restricted-xml", "no document type, no comment")),
                (Within::Tag, b'?') if here == b"<?" && !self.opened => self.within = Within::Declaration,
                (Within::Tag, b'?') if here == b"<?" => return Err(("restricted-xml", "no processing instruction")),
                (Within::Tag, b'<') => return Err(("not-well-formed", "a tag within a tag")),
                (Within::Tag, b'>') => {
                    let (closes, empty) = (here.starts_with(b"</"), here.ends_with(b"/>"));
                    self.within = Within::Text;
                    if let Some(piece) = self.tag_ended(closes, empty)? {
                        return Ok(Some(piece));
                    }
                }
                (Within::Tag, _) => {}
                (Within::Quoted(quote), octet) if octet == quote => self.within = Within::Tag,
                (Within::Quoted(_), _) => {}
                (Within::Cdata, octet) => {
                    const START: &[u8] = b"<![CDATA[";
                    if !here.starts_with(START) && !START.starts_with(here) {
                        return Err(("restricted-xml", "no comment, no document type"));
                    }
                    if octet == b'>' && here.len() > START.len() + 2 && here.ends_with(b"]]>") {
                        self.within = Within::Text;
                    }
                }
                (Within::Declaration, b'>') => {
                    self.held.drain(..self.at);
                    (self.at, self.within) = (0, Within::Text);
                    return self.next();
                }
                (Within::Declaration, _) if self.at > 200 => return Err(("not-well-formed", "a long declaration")),
                (Within::Declaration, _) => {}
            }
        }
        Ok(None)
    }

    fn tag_ended(&mut self, closes: bool, empty: bool) -> Result<Option<Piece>, Broken> {
        if !self.opened {
            if closes || empty {
                return Err(("not-well-formed", "expected a stream's opening tag"));
            }
            self.opened = true;
            let mut open = self.take()?;
            open.truncate(open.len().saturating_sub(1));
            return Ok(Some(Piece::Open(open + "/>")));
        }
        match (closes, empty, self.depth) {
            (true, _, 0) => return self.take().map(|_| Some(Piece::Close)),
            (true, _, 1) | (false, true, 0) => {
                self.depth = 0;
                return self.take().map(|stanza| Some(Piece::Stanza(stanza)));
            }
            (true, _, _) => self.depth -= 1,
            (false, true, _) => {}
            (false, false, DEEPEST..) => return Err(("policy-violation", "elements too deep")),
            (false, false, _) => self.depth += 1,
        }
        Ok(None)
    }

    fn take(&mut self) -> Result<String, Broken> {
        let rest = self.held.split_off(self.at);
        let piece = std::mem::replace(&mut self.held, rest);
        (self.at, self.tag) = (0, 0);
        String::from_utf8(piece).map_err(|_| ("unsupported-encoding", "expected UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "<?xml version='1.0'?><stream:stream to='a>b' xmlns:stream=\"s\">";

    fn cut(text: &str, step: usize) -> Result<Vec<Piece>, Broken> {
        let (mut cutter, mut pieces) = (Cutter::new(), Vec::new());
        for octets in text.as_bytes().chunks(step) {
            cutter.push(octets);
            while let Some(piece) = cutter.next()? {
                pieces.push(piece);
            }
        }
        Ok(pieces)
    }

    #[test]
    fn stanzas_are_found_however_they_are_cut() {
        let stanzas = ["<iq a='/>'><b/><c>é</c></iq>", "<presence/>", "<m><![CDATA[</m><x>]]]></m>"];
        let text = format!("{HEAD}{} \n {}{}\t</stream:stream>", stanzas[0], stanzas[1], stanzas[2]);
        let mut expected = vec![Piece::Open("<stream:stream to='a>b' xmlns:stream=\"s\"/>".into())];
        expected.extend(stanzas.map(|stanza| Piece::Stanza(stanza.into())));
        expected.push(Piece::Close);
        for step in [1, 2, 3, 5, 1000] {
            assert_eq!(cut(&text, step).as_ref(), Ok(&expected), "{step}");
        }
    }

    #[test]
    fn what_xmpp_forbids_is_refused_with_its_error() {
        let open = "<stream:stream>";
        for (text, error) in [
            ("<!DOCTYPE a [<!ENTITY b 'bb'>]>".to_owned(), "restricted-xml"),
            (format!("{open}<!DOCTYPE a>"), "restricted-xml"),
            (format!("{open}<iq><!-- x --></iq>"), "restricted-xml"),
            (format!("{open}<?php ?>"), "restricted-xml"),
            (format!("{open}text"), "not-well-formed"),
            (format!("{open}<iq <b>"), "not-well-formed"),
            ("<stream/>".to_owned(), "not-well-formed"),
            ("GET / HTTP/1.1".to_owned(), "not-well-formed"),
            (format!("{open}{}", "<a>".repeat(DEEPEST + 1)), "policy-violation"),
            (format!("{open}<iq>{}", "x".repeat(LARGEST)), "policy-violation"),
            (format!("{open}<iq a='{}", "x".repeat(LARGEST)), "policy-violation"),
        ] {
            assert_eq!(cut(&text, 100).unwrap_err().0, error, "{text:.40}");
        }
        let mut cutter = Cutter::new();
        cutter.push(b"<stream:stream><iq>\xff</iq>");
        assert!(matches!(cutter.next(), Ok(Some(Piece::Open(_)))));
        assert_eq!(cutter.next().unwrap_err().0, "unsupported-encoding");
    }
}
