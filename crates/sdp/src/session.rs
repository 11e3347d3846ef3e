//! A session description as lines (RFC 8866 §5, §9): parsed and printed without losing or moving any.

use std::fmt;

/// Larger bodies are no session descriptions.
const MOST_OCTETS: usize = 64 * 1024;
const MOST_LINES: usize = 1024;
const MOST_MEDIA: usize = 64;

/// What is wrong, on which line (from 1), and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SDP line {line}: expected {expected}, found '{found}'")]
pub struct ParseError {
    pub line: usize,
    pub expected: &'static str,
    /// Bounded; keys are left out.
    pub found: String,
}

/// One `x=value` line.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    pub kind: char,
    pub value: String,
}

impl Line {
    pub fn new(kind: char, value: impl Into<String>) -> Line {
        Line { kind, value: value.into() }
    }

    /// The name and value of an `a=` line: `a=ptime:20` is `("ptime", "20")`, `a=sendonly` is `("sendonly", "")`.
    pub fn attribute(&self) -> Option<(&str, &str)> {
        (self.kind == 'a').then(|| self.value.split_once(':').unwrap_or((&self.value, "")))
    }

    /// The line as it may be shown: keys (`a=crypto`, `k=`) are left out.
    fn shown(&self) -> String {
        match (self.kind, self.attribute()) {
            (_, Some((name, _))) if secret(name.trim()) => format!("a={}:…", name.trim()),
            ('k', _) => "k=…".to_owned(),
            _ => format!("{}={}", self.kind, self.value.chars().take(80).collect::<String>()),
        }
    }
}

/// Attributes whose value is a key or a password (RFC 4568, RFC 4567, RFC 8839).
fn secret(name: &str) -> bool {
    ["crypto", "key-mgmt", "ice-pwd"].iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// One `m=` section with its lines in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `audio`, `video`, `application` …
    pub media: String,
    /// 0: declined.
    pub port: u16,
    /// The number of ports behind the slash, where one is written.
    pub ports: Option<u16>,
    /// `RTP/AVP`, `RTP/SAVP` …
    pub proto: String,
    /// Payload types for RTP profiles.
    pub formats: Vec<String>,
    pub lines: Vec<Line>,
}

/// A whole description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The lines ahead of the first `m=`, `v=` and `o=` among them.
    pub lines: Vec<Line>,
    pub media: Vec<Media>,
}

impl Session {
    /// Reads a description. Line ends may be CRLF or LF; unknown lines and attributes are kept where they are. Required
    /// are `v=0` first and a well-formed `o=`, `c=` and `m=` wherever they stand; the rest is the sender's.
    pub fn parse(bytes: &[u8]) -> Result<Session, ParseError> {
        if bytes.len() > MOST_OCTETS {
            return Err(wrong(1, "at most 64 KiB", &Line::new('v', "…")));
        }
        let text = String::from_utf8_lossy(bytes);
        let mut session = Session { lines: Vec::new(), media: Vec::new() };
        let mut count = 0;
        for raw in text.split('\n') {
            let raw = raw.strip_suffix('\r').unwrap_or(raw);
            count += 1;
            if raw.is_empty() {
                continue; // a blank last line is common, one between lines is harmless
            }
            let line = split(raw, count)?;
            session.take(line, count)?;
        }
        if !session.lines.iter().any(|line| line.kind == 'o') {
            return Err(ParseError {
                line: count,
                expected: "an o= line in the session part",
                found: "the end".into(),
            });
        }
        Ok(session)
    }

    fn take(&mut self, line: Line, number: usize) -> Result<(), ParseError> {
        if number > MOST_LINES {
            return Err(wrong(number, "at most 1024 lines", &line));
        }
        let first = self.lines.is_empty() && self.media.is_empty();
        match line.kind {
            'v' if first && line.value.trim() == "0" => {}
            _ if first => return Err(wrong(number, "v=0 on the first line", &line)),
            'm' if self.media.len() == MOST_MEDIA => {
                return Err(wrong(number, "at most 64 m= lines", &line));
            }
            'm' => {
                let media =
                    media(&line).ok_or_else(|| wrong(number, "m=<media> <port>[/<n>] <proto> <fmt> …", &line))?;
                self.media.push(media);
                return Ok(());
            }
            'o' if line.value.split_ascii_whitespace().count() != 6 => {
                return Err(wrong(number, "o=<user> <id> <version> IN IP4|IP6 <address>", &line));
            }
            'c' if line.value.split_ascii_whitespace().count() != 3 => {
                return Err(wrong(number, "c=IN IP4|IP6 <address>", &line));
            }
            _ => {}
        }
        match self.media.last_mut() {
            Some(media) => media.lines.push(line),
            None => self.lines.push(line),
        }
        Ok(())
    }
}

impl fmt::Display for Session {
    /// The description for the wire, keys and all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let print = |f: &mut fmt::Formatter<'_>, line: &Line| write!(f, "{}={}\r\n", line.kind, line.value);
        self.lines.iter().try_for_each(|line| print(f, line))?;
        for media in &self.media {
            write!(f, "m={} {}", media.media, media.port)?;
            if let Some(ports) = media.ports {
                write!(f, "/{ports}")?;
            }
            write!(f, " {}", media.proto)?;
            media.formats.iter().try_for_each(|format| write!(f, " {format}"))?;
            f.write_str("\r\n")?;
            media.lines.iter().try_for_each(|line| print(f, line))?;
        }
        Ok(())
    }
}

fn split(raw: &str, number: usize) -> Result<Line, ParseError> {
    let mut chars = raw.chars();
    match (chars.next(), chars.next()) {
        (Some(kind), Some('=')) if kind.is_ascii_alphabetic() => Ok(Line::new(kind, chars.as_str())),
        // What is not a line could still hold a key: it is not shown.
        _ => Err(ParseError { line: number, expected: "<letter>=<value>", found: "something else".into() }),
    }
}

fn media(line: &Line) -> Option<Media> {
    let mut fields = line.value.split_ascii_whitespace();
    let media = fields.next()?.to_owned();
    let port = fields.next()?;
    let (port, ports) = match port.split_once('/') {
        Some((port, ports)) => (port.parse().ok()?, Some(ports.parse().ok()?)),
        None => (port.parse().ok()?, None),
    };
    let proto = fields.next()?.to_owned();
    let formats: Vec<String> = fields.map(str::to_owned).collect();
    (!formats.is_empty()).then_some(Media { media, port, ports, proto, formats, lines: Vec::new() })
}

fn wrong(line: usize, expected: &'static str, found: &Line) -> ParseError {
    ParseError { line, expected, found: found.shown() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: &str = "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns= \r\ni=who\r\nc=IN IP4 192.0.2.1\r\nb=TIAS:64000\r\nt=0 0\r\n\
        z=0 0\r\na=x-unknown:kept as it is \r\nm=audio 4000/2 RTP/SAVP 0 101\r\nk=prompt\r\na=rtpmap:0 PCMU/8000\r\n\
        a=crypto:1 ODD_SUITE inline:secretsecret\r\na=\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\na=inactive\r\n";

    #[test]
    fn every_line_is_kept_in_its_place() {
        assert_eq!(Session::parse(ODD.as_bytes()).unwrap().to_string(), ODD);
        assert_eq!(Session::parse(ODD.replace("\r\n", "\n").as_bytes()).unwrap().to_string(), ODD);
    }

    #[test]
    fn debug_leaves_keys_out() {
        let text = format!("{:?}", Session::parse(ODD.as_bytes()).unwrap());
        assert!(text.contains("a=crypto:…") && !text.contains("secret") && !text.contains("prompt"), "{text}");
    }

    #[test]
    fn errors_name_the_line_and_what_was_expected() {
        let cases = [
            ("", "an o= line in the session part", 1),
            ("v=1\r\n", "v=0 on the first line", 1),
            ("o=- 1 2 IN IP4 192.0.2.1\r\n", "v=0 on the first line", 1),
            ("v=0\r\ns=-\r\n", "an o= line in the session part", 3),
            ("v=0\r\no=- 1 2 IN\r\n", "o=<user> <id> <version> IN IP4|IP6 <address>", 2),
            ("v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\nc=IN 192.0.2.1\r\n", "c=IN IP4|IP6 <address>", 3),
            ("v=0\r\no=- 1 2 IN IP4 h\r\nm=audio 70000 RTP/AVP 0\r\n", "m=<media> <port>[/<n>] <proto> <fmt> …", 3),
            ("v=0\r\no=- 1 2 IN IP4 h\r\nm=audio 7000 RTP/AVP\r\n", "m=<media> <port>[/<n>] <proto> <fmt> …", 3),
            ("v=0\r\nnonsense\r\n", "<letter>=<value>", 2),
        ];
        for (text, expected, line) in cases {
            let error = Session::parse(text.as_bytes()).unwrap_err();
            assert_eq!((error.expected, error.line), (expected, line), "{text:?}");
        }
    }
}
