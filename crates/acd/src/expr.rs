//! Who may serve: boolean expressions over agents' attributes, as precision queues have them.
//!
//! `english >= 7 and (billing or retention >= 3) and not trainee`. An attribute is a word with a level from 1 to 10; an
//! agent who does not have it has level 0. A word alone means level 1 or more. `not` binds closest, then `and`, then `or`.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Brackets and `not`s within one another; deeper is a mistake, and would cost the parser's stack.
const DEEPEST: usize = 32;
/// Highest level of an attribute.
pub const HIGHEST: u8 = 10;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expr {
    Level { attribute: String, is: Comparison, level: u8 },
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    AtLeast,
    AtMost,
    Above,
    Below,
    Equal,
    Unequal,
}

const COMPARISONS: [(&str, Comparison); 6] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("!=", Comparison::Unequal),
    (">", Comparison::Above),
    ("<", Comparison::Below),
    ("=", Comparison::Equal),
];

impl Expr {
    /// # Errors
    /// In words: what was expected and what came.
    pub fn parse(text: &str) -> Result<Expr, String> {
        let mut words = Words { rest: text };
        let expr = words.or(0)?;
        match words.rest.trim_start() {
            "" => Ok(expr),
            rest => Err(format!("expected `and`, `or` or the end, found `{}`", first(rest))),
        }
    }

    /// Whether it holds for somebody of these levels; 0 is "does not have it".
    pub fn holds(&self, level_of: &impl Fn(&str) -> u8) -> bool {
        match self {
            Expr::Level { attribute, is, level } => {
                let have = level_of(attribute);
                match is {
                    Comparison::AtLeast => have >= *level,
                    Comparison::AtMost => have <= *level,
                    Comparison::Above => have > *level,
                    Comparison::Below => have < *level,
                    Comparison::Equal => have == *level,
                    Comparison::Unequal => have != *level,
                }
            }
            Expr::Not(inner) => !inner.holds(level_of),
            Expr::And(all) => all.iter().all(|expr| expr.holds(level_of)),
            Expr::Or(any) => any.iter().any(|expr| expr.holds(level_of)),
        }
    }

    /// The attributes that it asks about.
    pub fn attributes(&self) -> BTreeSet<&str> {
        match self {
            Expr::Level { attribute, .. } => BTreeSet::from([attribute.as_str()]),
            Expr::Not(inner) => inner.attributes(),
            Expr::And(all) | Expr::Or(all) => all.iter().flat_map(Expr::attributes).collect(),
        }
    }
}

struct Words<'t> {
    rest: &'t str,
}

impl<'t> Words<'t> {
    fn or(&mut self, depth: usize) -> Result<Expr, String> {
        let mut any = vec![self.and(depth)?];
        while self.keyword("or") {
            any.push(self.and(depth)?);
        }
        Ok(one_or(any, Expr::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Expr, String> {
        let mut all = vec![self.one(depth)?];
        while self.keyword("and") {
            all.push(self.one(depth)?);
        }
        Ok(one_or(all, Expr::And))
    }

    fn one(&mut self, depth: usize) -> Result<Expr, String> {
        if depth > DEEPEST {
            return Err(format!("more than {DEEPEST} brackets or `not`s within one another"));
        }
        if self.keyword("not") {
            return Ok(Expr::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.symbol("(") {
            let inner = self.or(depth + 1)?;
            return match self.symbol(")") {
                true => Ok(inner),
                false => Err(format!("expected `)`, found `{}`", first(self.rest))),
            };
        }
        let word = word(self.rest.trim_start());
        if word.is_empty() || matches!(word, "and" | "or" | "not") {
            return Err(format!("expected an attribute, `not` or `(`, found `{}`", first(self.rest)));
        }
        self.take(word);
        let found = COMPARISONS.iter().find(|(symbol, _)| self.symbol(symbol));
        let (is, level) = match found {
            Some((symbol, is)) => (*is, self.level(symbol)?),
            None => (Comparison::AtLeast, 1),
        };
        Ok(Expr::Level { attribute: word.to_owned(), is, level })
    }

    fn level(&mut self, after: &str) -> Result<u8, String> {
        let rest = self.rest.trim_start();
        let digits = rest.get(..rest.bytes().take_while(u8::is_ascii_digit).count()).unwrap_or_default();
        let level = digits.parse::<u8>().ok().filter(|level| *level <= HIGHEST);
        self.take(digits);
        level.ok_or_else(|| format!("expected a level from 0 to {HIGHEST} after `{after}`, found `{}`", first(rest)))
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = word(self.rest.trim_start()) == keyword;
        if found {
            self.take(keyword);
        }
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.rest.trim_start().starts_with(symbol);
        if found {
            self.take(symbol);
        }
        found
    }

    /// Moves past what was just seen at the front.
    fn take(&mut self, seen: &str) {
        self.rest = self.rest.trim_start().strip_prefix(seen).unwrap_or_default();
    }
}

/// The name at the front: letters, digits, `_` and `-`, a letter first.
fn word(text: &str) -> &str {
    let named = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let end = text.find(|c| !named(c)).unwrap_or(text.len());
    let word = text.get(..end).unwrap_or_default();
    if word.starts_with(char::is_alphabetic) { word } else { "" }
}

/// What stands at the front, for people.
fn first(text: &str) -> &str {
    let text = text.trim_start();
    match text.split_whitespace().next() {
        Some(word) => word,
        None => "the end",
    }
}

fn one_or(mut several: Vec<Expr>, as_one: fn(Vec<Expr>) -> Expr) -> Expr {
    match several.len() {
        1 => several.remove(0),
        _ => as_one(several),
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, of: &[Expr], word: &str| {
            for (at, expr) in of.iter().enumerate() {
                if at > 0 {
                    write!(f, " {word} ")?;
                }
                match expr {
                    Expr::And(_) | Expr::Or(_) => write!(f, "({expr})")?,
                    Expr::Level { .. } | Expr::Not(_) => write!(f, "{expr}")?,
                }
            }
            Ok(())
        };
        match self {
            Expr::Level { attribute, is: Comparison::AtLeast, level: 1 } => write!(f, "{attribute}"),
            Expr::Level { attribute, is, level } => {
                let symbol = COMPARISONS.iter().find(|(_, known)| known == is).map_or("", |(symbol, _)| symbol);
                write!(f, "{attribute} {symbol} {level}")
            }
            Expr::Not(inner) => match **inner {
                Expr::And(_) | Expr::Or(_) => write!(f, "not ({inner})"),
                Expr::Level { .. } | Expr::Not(_) => write!(f, "not {inner}"),
            },
            Expr::And(all) => joined(f, all, "and"),
            Expr::Or(any) => joined(f, any, "or"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(of: &'static [(&'static str, u8)]) -> impl Fn(&str) -> u8 {
        move |name| of.iter().find(|(known, _)| *known == name).map_or(0, |(_, level)| *level)
    }

    #[test]
    fn words_bind_as_people_read_them() {
        let ann = levels(&[("english", 8), ("billing", 2)]);
        for (text, holds) in [
            ("english", true),
            ("french", false),
            ("english >= 8", true),
            ("english > 8", false),
            ("english=8 and billing<3", true),
            ("french or english and billing", true),
            ("(french or english) and french", false),
            ("not french", true),
            ("not (french or english)", false),
            ("not english or billing", true),
            ("english != 8 or billing <= 1", false),
            ("notable or andrew", false),
        ] {
            assert_eq!(Expr::parse(text).unwrap().holds(&ann), holds, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for text in ["english", "a >= 7 and (b or c < 3)", "not (a or b) and not c", "(a and b) or (c and d = 0)"] {
            let expr = Expr::parse(text).unwrap();
            assert_eq!(Expr::parse(&expr.to_string()).unwrap(), expr);
            assert_eq!(expr.to_string(), text);
        }
    }

    #[test]
    fn a_mistake_is_named() {
        for (text, words) in [
            ("", "expected an attribute, `not` or `(`, found `the end`"),
            ("english and", "found `the end`"),
            ("english >= 11", "level from 0 to 10 after `>=`, found `11`"),
            ("english >= much", "found `much`"),
            ("(english", "expected `)`"),
            ("english french", "expected `and`, `or` or the end, found `french`"),
            ("7english", "expected an attribute"),
        ] {
            let error = Expr::parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(Expr::parse(&"(".repeat(100_000)).unwrap_err().contains("more than 32"));
        assert!(Expr::parse(&"not ".repeat(100_000)).unwrap_err().contains("more than 32"));
    }
}
