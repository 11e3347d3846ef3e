//! Attribute values: times (VoiceXML 2.0 §6.5), booleans, variable names.

use std::time::Duration;

/// A time designation: `3s`, `850ms`, `.5s`, `+1.5s`.
pub(crate) fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let (number, scale) = match text.strip_suffix("ms") {
        Some(number) => (number, 1.0),
        None => (text.strip_suffix('s')?, 1000.0),
    };
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let millis = number.parse::<f64>().ok()? * scale;
    // A day is longer than any call may wait.
    (millis <= 86_400_000.0).then(|| Duration::from_millis(millis.round() as u64))
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// An ECMAScript identifier that may name a variable: `a`, `$b`, `c_1` (2.0 §5.1).
pub(crate) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '$'))
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
}

/// The name of a variable, of a scope's variable or of a property: `a`, `application.b`, `c.d[0]`.
pub(crate) fn is_reference(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '$'))
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '[' | ']' | '"' | '\''))
}

/// The word that was probably meant: one letter wrong, or one in four of a long one.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = 1 + word.chars().count() / 4;
    known
        .into_iter()
        .map(|known| (distance(word, known), known))
        .min()
        .filter(|(far, _)| *far <= most)
        .map(|(_, it)| it)
}

/// Letters to change, put in or take out (Levenshtein), row by row.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        // What stands diagonally above; then what is to the left.
        let (mut above, mut left) = (i, i + 1);
        for (cell, to) in row.iter_mut().zip(std::iter::once(None).chain(b.chars().map(Some))) {
            let here = match to {
                None => i + 1,
                Some(to) => (above + usize::from(from != to)).min(left + 1).min(*cell + 1),
            };
            above = std::mem::replace(cell, here);
            left = here;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_6_5_time_designations() {
        assert_eq!(time("3s"), Some(Duration::from_secs(3)));
        assert_eq!(time("850ms"), Some(Duration::from_millis(850)));
        assert_eq!(time("0.7s"), Some(Duration::from_millis(700)));
        assert_eq!(time(".5s"), Some(Duration::from_millis(500)));
        assert_eq!(time("+1.5s"), Some(Duration::from_millis(1500)));
        for wrong in ["", "s", "3", "-1s", "1e9s", "3 s", "99999999s", "1.2.3s"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_of_variables() {
        assert!(is_variable("account") && is_variable("_a$1") && !is_variable("1a") && !is_variable("a.b"));
        assert!(is_reference("application.a.b[0]") && !is_reference("a;b") && !is_reference("f()"));
    }
}
