//! Built-in types (VoiceXML 2.0 appendix P): what keys and words they take, and the value they make of them.

use super::model::{Grammar, Mode};
use super::{Judgement, Meaning};
use crate::speech::numbers;

/// A type with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// The keys for yes and no.
    Boolean {
        yes: String,
        no: String,
    },
    Date,
    Digits {
        min: usize,
        max: usize,
    },
    Currency,
    Number,
    Phone,
    Time,
}

/// The longest input that any type takes.
const LONGEST: usize = 64;

impl Builtin {
    /// `digits`, `digits?minlength=3;maxlength=5`, `boolean?y=7;n=9`, …
    ///
    /// # Errors
    /// Words, for `error.unsupported.builtin`, where there is no such type or parameter.
    pub fn named(text: &str) -> Result<Builtin, String> {
        let (name, parameters) = text.split_once('?').unwrap_or((text, ""));
        let mut given: Vec<(&str, &str)> = parameters
            .split([';', '&'])
            .filter(|one| !one.is_empty())
            .map(|one| one.split_once('=').unwrap_or((one, "")))
            .collect();
        let mut take = |wanted: &str| {
            let at = given.iter().position(|(name, _)| *name == wanted)?;
            Some(given.remove(at).1)
        };
        let length = |text: Option<&str>| match text {
            None => Ok(None),
            Some(text) => match text.parse::<usize>() {
                Ok(number @ 1..=LONGEST) => Ok(Some(number)),
                _ => Err(format!("expected a length of 1 to {LONGEST}, found `{text}`")),
            },
        };
        let builtin = match name {
            "boolean" => {
                Builtin::Boolean { yes: take("y").unwrap_or("1").to_owned(), no: take("n").unwrap_or("2").to_owned() }
            }
            "date" => Builtin::Date,
            "digits" => {
                let (min, max, exact) =
                    (length(take("minlength"))?, length(take("maxlength"))?, length(take("length"))?);
                let (min, max) = (exact.or(min).unwrap_or(1), exact.or(max).unwrap_or(LONGEST));
                if min > max {
                    return Err(format!("digits: minlength {min} is more than maxlength {max}"));
                }
                Builtin::Digits { min, max }
            }
            "currency" => Builtin::Currency,
            "number" => Builtin::Number,
            "phone" => Builtin::Phone,
            "time" => Builtin::Time,
            other => return Err(format!("there is no built-in type `{other}`")),
        };
        match given.first() {
            Some((parameter, _)) => Err(format!("the built-in type {name} has no parameter `{parameter}`")),
            None => Ok(builtin),
        }
    }

    /// What can be said for it, in English, as a grammar: for recognisers, whose words [`Builtin::judge`] takes.
    pub(super) fn words(&self) -> Option<Grammar> {
        const DIGIT: &str = "$digit = zero | oh | one | two | three | four | five | six | seven | eight | nine;";
        let digits = |min: usize, max: usize| format!("$main = $digit <{min}-{max}>; {DIGIT}");
        let rules = match self {
            Builtin::Boolean { .. } => {
                "$main = yes [please] | yeah | yep | true | correct | right | no [thanks] | nope | false | wrong;"
                    .into()
            }
            Builtin::Digits { min, max } => digits(*min, *max),
            Builtin::Date => digits(8, 8),
            Builtin::Time => digits(4, 4),
            Builtin::Currency | Builtin::Phone => digits(1, 20),
            Builtin::Number => format!(
                "$main = [minus | negative] $word <1-12> [point $digit <1-6>]; $word = {} | {} | hundred | thousand | \
                 million | and; {DIGIT}",
                numbers::ONES.join(" | "),
                numbers::TENS.get(2..).unwrap_or_default().join(" | "),
            ),
        };
        super::abnf::parse(&format!("#ABNF 1.0;\nmode voice;\nroot $main;\n{rules}"), Mode::Voice).ok()
    }

    pub(super) fn judge(&self, mode: Mode, words: &[String]) -> Judgement {
        let keys = match mode {
            Mode::Dtmf => Some(words.concat()),
            Mode::Voice => match self.spoken(words) {
                Some(judgement) => return judgement,
                None => numbers::digits_of_words(words),
            },
        };
        match keys {
            Some(keys) if keys.len() <= LONGEST => self.pressed(&keys),
            _ => Judgement::default(),
        }
    }

    /// What only words can say.
    fn spoken(&self, words: &[String]) -> Option<Judgement> {
        let whole = |value: String| Judgement { meaning: Some(Meaning::Text(value)), ..Judgement::default() };
        match self {
            Builtin::Boolean { .. } => match words.join(" ").as_str() {
                "yes" | "yeah" | "yep" | "true" | "correct" | "right" | "yes please" => Some(whole("true".into())),
                "no" | "nope" | "false" | "wrong" | "no thanks" => Some(whole("false".into())),
                _ => None,
            },
            Builtin::Number => numbers::number_of_words(words).map(whole),
            _ => None,
        }
    }

    fn pressed(&self, keys: &str) -> Judgement {
        let text = |value: String| Some(Meaning::Text(value));
        let all_digits = keys.bytes().all(|key| key.is_ascii_digit());
        let (meaning, more) = match self {
            Builtin::Boolean { yes, no } if keys == yes => (text("true".into()), false),
            Builtin::Boolean { no, .. } if keys == no => (text("false".into()), false),
            Builtin::Boolean { yes, no } => (None, yes.starts_with(keys) || no.starts_with(keys)),
            Builtin::Digits { .. } | Builtin::Date | Builtin::Time if !all_digits => (None, false),
            Builtin::Digits { min, max } => {
                ((keys.len() >= *min && keys.len() <= *max).then(|| keys.to_owned()).and_then(text), keys.len() < *max)
            }
            Builtin::Date => (date(keys).and_then(text), keys.len() < 8),
            Builtin::Time => (time(keys).and_then(text), keys.len() < 4),
            Builtin::Currency | Builtin::Number => {
                let places = keys.split_once('*').map(|(_, after)| after.len());
                let well = keys.chars().all(|key| key.is_ascii_digit() || key == '*') && keys.matches('*').count() <= 1;
                let currency = *self == Builtin::Currency;
                let fits = well && !(currency && places.is_some_and(|places| places > 2));
                let whole = fits && keys.starts_with(|key: char| key.is_ascii_digit());
                let value = whole.then(|| decimal(keys, currency));
                (value.and_then(text), fits && !(currency && places == Some(2)))
            }
            Builtin::Phone => {
                let well = keys.chars().all(|key| key.is_ascii_digit() || key == '*') && keys.matches('*').count() <= 1;
                let whole = well && keys.starts_with(|key: char| key.is_ascii_digit()) && !keys.ends_with('*');
                (whole.then(|| keys.replace('*', "x")).and_then(text), well)
            }
        };
        Judgement { meaning, more: more && keys.len() < LONGEST, exploded: false }
    }
}

/// `12*5` to `12.5`, and to `12.50` as money.
fn decimal(keys: &str, currency: bool) -> String {
    let (whole, places) = keys.split_once('*').unwrap_or((keys, ""));
    match (currency, places) {
        (true, places) => format!("{whole}.{places:0<2}"),
        (false, "") => whole.to_owned(),
        (false, places) => format!("{whole}.{places}"),
    }
}

/// yyyymmdd, of a day that exists.
fn date(keys: &str) -> Option<String> {
    let number = |from: usize, to: usize| keys.get(from..to)?.parse::<u32>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (keys.len() == 8 && (1..=last).contains(&day)).then(|| keys.to_owned())
}

/// hhmm and `h` where only the 24-hour clock can be meant, `?` where nobody can know.
fn time(keys: &str) -> Option<String> {
    let number = |from: usize, to: usize| keys.get(from..to)?.parse::<u32>().ok();
    let (hour, minute) = (number(0, 2)?, number(2, 4)?);
    let clock = if hour == 0 || hour > 12 { 'h' } else { '?' };
    (keys.len() == 4 && hour < 24 && minute < 60).then(|| format!("{keys}{clock}"))
}
