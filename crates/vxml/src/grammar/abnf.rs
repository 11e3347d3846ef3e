//! The augmented BNF form of SRGS 1.0 (§1, appendix D).

use super::model::{Builder, Grammar, Mode, Node, NodeId, repeat};
use crate::problem::{Place, Problem};

/// How deep parentheses may be nested.
const DEPTH: usize = 50;

pub(super) fn parse(text: &str, mode: Mode) -> Result<Grammar, Problem> {
    let mut reader = Reader { text, at: 0 };
    let header = reader.line();
    let version = header.trim_start_matches('\u{FEFF}').trim().strip_prefix("#ABNF").map(str::trim_start);
    if !version.is_some_and(|version| version.starts_with("1.0")) {
        return Err(reader.bad("expected `#ABNF 1.0`"));
    }
    let mut builder = Builder::new(mode);
    let mut root = None;
    loop {
        reader.blank();
        if reader.is_at_end() {
            break;
        }
        if reader.rest().starts_with('$') {
            rule(&mut reader, &mut builder)?;
            continue;
        }
        let word = reader.word();
        match word.as_str() {
            "public" | "private" => {
                reader.blank();
                rule(&mut reader, &mut builder)?;
            }
            "root" => {
                reader.blank();
                reader.expect('$')?;
                root = Some(reader.word());
                reader.end()?;
            }
            "mode" => {
                reader.blank();
                builder.mode = match reader.word().as_str() {
                    "dtmf" => Mode::Dtmf,
                    "voice" => Mode::Voice,
                    other => return Err(reader.bad(&format!("mode: expected voice or dtmf, found `{other}`"))),
                };
                reader.end()?;
            }
            "tag-format" => builder.literal = reader.until(';')?.trim().trim_matches(['<', '>']).ends_with("-literals"),
            "language" | "base" | "lexicon" | "meta" | "http-equiv" => {
                reader.until(';')?;
            }
            "" => return Err(reader.bad("expected a declaration or a rule")),
            other => return Err(reader.bad(&format!("there is no declaration `{other}`"))),
        }
    }
    let place = reader.place();
    builder.build(root.as_deref(), place)
}

fn rule(reader: &mut Reader<'_>, builder: &mut Builder) -> Result<(), Problem> {
    let place = reader.place();
    reader.expect('$')?;
    let name = reader.word();
    reader.blank();
    reader.expect('=')?;
    let node = alternatives(reader, builder, 0)?;
    reader.end()?;
    builder.define(&name, node, place)
}

fn alternatives(reader: &mut Reader<'_>, builder: &mut Builder, depth: usize) -> Result<NodeId, Problem> {
    if depth > DEPTH {
        return Err(reader.bad("parentheses are nested too deep"));
    }
    let mut ways = Vec::new();
    loop {
        reader.blank();
        if reader.rest().starts_with('/') {
            reader.at += 1;
            reader.until('/')?;
        }
        ways.push(sequence(reader, builder, depth)?);
        reader.blank();
        if !reader.take('|') {
            break;
        }
    }
    Ok(match ways.as_slice() {
        [only] => *only,
        _ => builder.add(Node::OneOf(ways)),
    })
}

fn sequence(reader: &mut Reader<'_>, builder: &mut Builder, depth: usize) -> Result<NodeId, Problem> {
    let mut parts = Vec::new();
    loop {
        reader.blank();
        let Some(first) = reader.rest().chars().next() else { break };
        let node = match first {
            ';' | '|' | ')' | ']' => break,
            '(' => {
                reader.at += 1;
                let inner = alternatives(reader, builder, depth + 1)?;
                reader.expect(')')?;
                inner
            }
            '[' => {
                reader.at += 1;
                let body = alternatives(reader, builder, depth + 1)?;
                reader.expect(']')?;
                builder.add(Node::Repeat { body, min: 0, max: Some(1) })
            }
            '$' => reference(reader, builder)?,
            '{' => {
                let tag = reader.tag()?;
                builder.add(Node::Tag(tag))
            }
            '"' => {
                reader.at += 1;
                let phrase = reader.until('"')?.to_owned();
                let words = builder.words(&phrase);
                builder.sequence(words)
            }
            '<' => {
                let place = reader.place();
                reader.at += 1;
                let counts = reader.until('>')?;
                let counts = counts.split('/').next().unwrap_or_default();
                let (Some((min, max)), Some(body)) = (repeat(counts), parts.pop()) else {
                    return Err(Problem::badfetch(place, "expected `<n>`, `<n-m>` or `<n->` after what is repeated"));
                };
                builder.add(Node::Repeat { body, min, max })
            }
            '!' => {
                // A language of the words before: there is one voice.
                reader.at += 1;
                reader.word();
                continue;
            }
            _ => {
                let token = reader.token();
                if token.is_empty() {
                    return Err(reader.bad(&format!("expected a word, found `{first}`")));
                }
                let words = builder.words(&token);
                builder.sequence(words)
            }
        };
        parts.push(node);
    }
    Ok(builder.sequence(parts))
}

fn reference(reader: &mut Reader<'_>, builder: &mut Builder) -> Result<NodeId, Problem> {
    let place = reader.place();
    reader.expect('$')?;
    if reader.rest().starts_with(['<', '$']) {
        return Err(reader.bad("rules of other grammars are not taken, only `$name` of this one"));
    }
    let name = reader.word();
    Ok(match name.as_str() {
        "NULL" => builder.add(Node::Nothing),
        "VOID" => builder.add(Node::Never),
        "GARBAGE" => builder.add(Node::Anything),
        "" => return Err(Problem::badfetch(place, "expected a rule's name after `$`")),
        name => builder.refer(name, place),
    })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    fn place(&self) -> Place {
        let before = self.text.get(..self.at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Place { line: line as u32, column: column as u32 }
    }

    fn bad(&self, words: &str) -> Problem {
        Problem::badfetch(self.place(), words)
    }

    /// Blanks and comments.
    fn blank(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            let comment = if trimmed.starts_with("//") {
                trimmed.find('\n').unwrap_or(trimmed.len())
            } else if trimmed.starts_with("/*") {
                trimmed.find("*/").map_or(trimmed.len(), |end| end + 2)
            } else {
                return;
            };
            self.at += comment;
        }
    }

    fn line(&mut self) -> &'a str {
        let rest = self.rest();
        // A header may end with `;` on the line of the first declaration.
        let end = rest.find([';', '\n']).unwrap_or(rest.len());
        self.at += (end + 1).min(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    fn run(&mut self, of: impl Fn(char) -> bool) -> String {
        let rest = self.rest();
        let end = rest.find(|c| !of(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default().to_owned()
    }

    fn word(&mut self) -> String {
        self.run(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
    }

    fn token(&mut self) -> String {
        self.run(|c| {
            !c.is_whitespace()
                && !matches!(c, ';' | '=' | '|' | '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}' | '"' | '$' | '!' | '/')
        })
    }

    fn until(&mut self, end: char) -> Result<&'a str, Problem> {
        let rest = self.rest();
        let Some(found) = rest.find(end) else { return Err(self.bad(&format!("expected `{end}`, found the end"))) };
        self.at += found + end.len_utf8();
        Ok(rest.get(..found).unwrap_or_default())
    }

    /// `{…}` or `{!{…}!}`.
    fn tag(&mut self) -> Result<String, Problem> {
        let rest = self.rest();
        let (open, close) = if rest.starts_with("{!{") { ("{!{", "}!}") } else { ("{", "}") };
        let inner = rest.get(open.len()..).unwrap_or_default();
        let Some(end) = inner.find(close) else { return Err(self.bad(&format!("expected `{close}`, found the end"))) };
        self.at += open.len() + end + close.len();
        Ok(inner.get(..end).unwrap_or_default().trim().to_owned())
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), Problem> {
        self.blank();
        if self.take(wanted) {
            return Ok(());
        }
        let found = self.rest().chars().next().map_or("the end".to_owned(), |c| format!("`{c}`"));
        Err(self.bad(&format!("expected `{wanted}`, found {found}")))
    }

    fn end(&mut self) -> Result<(), Problem> {
        self.expect(';')
    }
}
