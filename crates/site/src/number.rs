//! Number patterns as IOS dial-peers write them.
//!
//! A pattern matches a *prefix* of the number unless it ends in `$`: that is why `incoming called-number .` takes every
//! call on equipment in the field, and ours must read the same line the same way.

use serde::{Deserialize, Serialize};

/// An IOS-style number pattern: digits, `*`, `#`, `A`–`D`; a leading `+`; `.` one digit; `[1-5]`, `[13]`, `[^0]` one of
/// (none of) these; a final `T` any number of digits, none included; a final `$` nothing may follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    elements: Vec<Element>,
    end: End,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Element {
    Exactly(char),
    Any,
    OneOf { allowed: Vec<(char, char)>, negated: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    /// More digits may follow: no mark (IOS matches prefixes), or `T`, which says so aloud.
    Open,
    /// `$`.
    Exact,
}

impl Pattern {
    /// Reads a pattern; the error says in words what is wrong with it.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        if text.is_empty() {
            return Err("the pattern is empty; write digits, or `.` for any number".into());
        }
        let mut elements = Vec::new();
        let mut chars = text.chars().peekable();
        let mut end = End::Open;
        while let Some(c) = chars.next() {
            match c {
                '0'..='9' | '*' | '#' | 'A'..='D' => elements.push(Element::Exactly(c)),
                '+' if elements.is_empty() => elements.push(Element::Exactly('+')),
                '+' => return Err("`+` stands only at the start of a pattern".into()),
                '.' => elements.push(Element::Any),
                '[' => elements.push(class(&mut chars)?),
                'T' if chars.peek().is_none() => end = End::Open,
                'T' => {
                    return Err("`T` (any number of digits) stands only at the end of a pattern".into());
                }
                '$' if chars.peek().is_none() => end = End::Exact,
                '$' => {
                    return Err("`$` (nothing may follow) stands only at the end of a pattern".into());
                }
                'x' | 'X' => return Err(format!("`{c}` is not one digit here; IOS writes `.`")),
                other => {
                    return Err(format!(
                        "`{other}` means nothing in a pattern; it may hold digits, `*`, `#`, `.`, `[1-5]`, and at its end `T` or `$`"
                    ));
                }
            }
        }
        Ok(Pattern { elements, end })
    }

    /// Number of digits matched explicitly, or `None`: larger wins. `.` and `[…]` match without counting.
    pub fn matches(&self, number: &str) -> Option<usize> {
        let mut digits = number.chars();
        let mut explicit = 0;
        for element in &self.elements {
            let digit = digits.next()?;
            match element {
                Element::Exactly(wanted) if *wanted == digit => explicit += 1,
                Element::Exactly(_) => return None,
                Element::Any if is_digit(digit) => {}
                Element::Any => return None,
                Element::OneOf { allowed, negated } => {
                    let among = allowed.iter().any(|(from, to)| (*from..=*to).contains(&digit));
                    if among == *negated || !is_digit(digit) {
                        return None;
                    }
                }
            }
        }
        let mut rest = digits.peekable();
        match self.end {
            End::Exact if rest.peek().is_some() => None,
            _ if rest.all(is_digit) => Some(explicit),
            _ => None,
        }
    }

    /// The number itself, if the pattern is only one number.
    pub fn literal(&self) -> Option<String> {
        self.elements
            .iter()
            .map(|element| match element {
                Element::Exactly(digit) => Some(*digit),
                Element::Any | Element::OneOf { .. } => None,
            })
            .collect()
    }
}

/// Digits, perhaps after a `+`: what can be called.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    !digits.is_empty() && digits.chars().all(is_digit)
}

fn is_digit(c: char) -> bool {
    matches!(c, '0'..='9' | '*' | '#' | 'A'..='D')
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Element, String> {
    const OPEN: &str = "`[` without its `]`";
    let negated = chars.next_if_eq(&'^').is_some();
    let mut allowed = Vec::new();
    loop {
        let from = match chars.next().ok_or(OPEN)? {
            ']' if allowed.is_empty() => return Err("`[]` names no digit".into()),
            ']' => return Ok(Element::OneOf { allowed, negated }),
            ',' => continue,
            c if is_digit(c) => c,
            other => return Err(format!("`{other}` is no digit, in `[…]`")),
        };
        if chars.next_if_eq(&'-').is_none() {
            allowed.push((from, from));
            continue;
        }
        match chars.next().ok_or(OPEN)? {
            to if to.is_ascii_digit() && from.is_ascii_digit() && from <= to => allowed.push((from, to)),
            to => return Err(format!("`[{from}-{to}]` is no range of digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_ios_does() {
        // pattern, number, digits matched explicitly
        let table = [
            ("6016", "6016", Some(4)),
            ("6016", "60161", Some(4)),
            ("6016$", "60161", None),
            ("6016$", "6016", Some(4)),
            ("6...", "6016", Some(1)),
            ("6...", "601", None),
            (".", "3227046971", Some(0)),
            ("9T", "9", Some(1)),
            ("9T", "90113227046971", Some(1)),
            ("[1-5]00", "300", Some(2)),
            ("[1-5]00", "600", None),
            ("[^1-5]00", "600", Some(2)),
            ("[13,9]0", "90", Some(1)),
            ("+32T", "+3227046971", Some(3)),
            ("+32T", "3227046971", None),
            ("*..", "*12", Some(1)),
            (".", "alice", None),
            ("6", "6alice", None),
            (".", "", None),
        ];
        for (pattern, number, want) in table {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(number), want, "{pattern} on {number}");
        }
    }

    #[test]
    fn bad_patterns_say_what_is_wrong() {
        let table = [
            ("", "the pattern is empty"),
            ("60xx", "IOS writes `.`"),
            ("6T0", "only at the end"),
            ("6$0", "only at the end"),
            ("6+", "only at the start"),
            ("[1-", "without its `]`"),
            ("[]", "names no digit"),
            ("[5-1]", "no range"),
            ("6 0", "means nothing"),
        ];
        for (pattern, words) in table {
            let error = Pattern::parse(pattern).unwrap_err();
            assert!(error.contains(words), "{pattern}: {error}");
        }
    }
}
