//! `say-as` (SSML 1.1 §3.1.9, VoiceXML 2.0 §4.1.1 and appendix P) in English, Japanese and Korean. What cannot be read as it
//! says is spoken as it is written, and so is what has another language: engines know theirs better.

use super::manner::primary;
use super::numbers::{cardinal, decimal, ordinal, spelled};
use super::{japanese, korean};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Whose words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tongue {
    English,
    Japanese,
    Korean,
    /// Only what needs no words is done.
    Other,
}

impl Tongue {
    /// Where nothing is said it is English.
    fn of(language: &str) -> Tongue {
        match primary(language).to_ascii_lowercase().as_str() {
            "" | "en" => Tongue::English,
            "ja" => Tongue::Japanese,
            "ko" => Tongue::Korean,
            _ => Tongue::Other,
        }
    }
}

/// The words for a text that is to be read in a certain way; `format` as `say-as` has it (`mdy`, `hms12`), `language` a
/// BCP 47 tag, or empty for English.
pub fn say_as(interpret_as: &str, format: &str, text: &str, language: &str) -> String {
    let text = text.trim();
    let kind = interpret_as.strip_prefix("vxml:").unwrap_or(interpret_as);
    let tongue = Tongue::of(language);
    let said = match kind {
        "boolean" => yes_or_no(text, tongue),
        "digits" | "characters" | "spell-out" | "letters" => Some(one_by_one(text, tongue)),
        "phone" | "telephone" => Some(phone(text, tongue)),
        "number" | "cardinal" => match format {
            "ordinal" => in_order(text, tongue),
            "digits" => Some(one_by_one(text, tongue)),
            "telephone" => Some(phone(text, tongue)),
            _ => number(text, tongue),
        },
        "ordinal" => in_order(text, tongue),
        "date" => Date::read(text, format).and_then(|date| date.said(tongue)),
        "time" => time(text, tongue),
        "currency" => currency(text, tongue),
        "duration" => duration(text, tongue),
        _ => None,
    };
    said.unwrap_or_else(|| text.to_owned())
}

fn yes_or_no(text: &str, tongue: Tongue) -> Option<String> {
    let words = match tongue {
        Tongue::English => ["yes", "no"],
        Tongue::Japanese => ["はい", "いいえ"],
        Tongue::Korean => ["예", "아니오"],
        Tongue::Other => return None,
    };
    match text {
        "true" => Some(words[0].to_owned()),
        "false" => Some(words[1].to_owned()),
        _ => None,
    }
}

/// Each character by itself.
fn one_by_one(text: &str, tongue: Tongue) -> String {
    let digit = |c: char| match (tongue, c.to_digit(10)) {
        (Tongue::Japanese, Some(digit)) => japanese::digit(digit).to_owned(),
        (Tongue::Korean, Some(digit)) => korean::digit(digit).to_owned(),
        _ => c.to_lowercase().to_string(),
    };
    match tongue {
        Tongue::English => spelled(text),
        _ => text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(digit).collect::<Vec<_>>().join(" "),
    }
}

fn number(text: &str, tongue: Tongue) -> Option<String> {
    let (minus, point, cardinal): (&str, &str, fn(u64) -> String) = match tongue {
        Tongue::English => return decimal(text),
        Tongue::Japanese => ("マイナス", "てん", japanese::cardinal),
        Tongue::Korean => ("마이너스 ", " 점 ", korean::cardinal),
        Tongue::Other => return None,
    };
    // What English reads is a number.
    decimal(text)?;
    let text = text.replace(',', "");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (minus, digits),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let places = if places.is_empty() { String::new() } else { format!("{point}{}", one_by_one(places, tongue)) };
    Some(format!("{sign}{}{places}", cardinal(whole)))
}

fn in_order(text: &str, tongue: Tongue) -> Option<String> {
    let number = whole(text)?;
    match tongue {
        Tongue::English => Some(ordinal(number)),
        Tongue::Japanese => Some(japanese::turn(number)),
        Tongue::Korean => Some(korean::turn(number)),
        Tongue::Other => None,
    }
}

fn whole(text: &str) -> Option<u64> {
    text.replace(',', "").parse().ok()
}

/// `x` leads to an extension (VoiceXML 2.0 appendix P).
fn phone(text: &str, tongue: Tongue) -> String {
    let extension = match tongue {
        Tongue::English => " extension ",
        Tongue::Japanese => " ないせん ",
        Tongue::Korean => " 내선 ",
        Tongue::Other => " x ",
    };
    let parts: Vec<String> = text.split(['x', 'X']).map(|part| one_by_one(part, tongue)).collect();
    parts.join(extension).trim().to_owned()
}

struct Date {
    year: Option<u64>,
    month: Option<u64>,
    day: Option<u64>,
}

impl Date {
    /// `20260203`, `????0203`, `2026-02-03`, or the fields of `format` between slashes.
    fn read(text: &str, format: &str) -> Option<Date> {
        let fields: Vec<&str> = text.split(['/', '-', '.']).collect();
        let (mut year, mut month, mut day) = (None, None, None);
        if let [whole] = fields.as_slice() {
            year = whole.get(0..4).and_then(|year| year.parse().ok());
            month = whole.get(4..6).and_then(|month| month.parse().ok());
            day = whole.get(6..8).and_then(|day| day.parse().ok());
            if whole.len() != 8 {
                return None;
            }
        } else {
            let order = if format.is_empty() { "ymd" } else { format };
            for (field, value) in order.chars().zip(&fields) {
                let value: Option<u64> = value.parse().ok();
                match field {
                    'y' => year = value,
                    'm' => month = value,
                    'd' => day = value,
                    _ => return None,
                }
            }
        }
        // A day that its month does not have is no date, whatever else is right.
        let is_none = month.is_some_and(|month| !(1..=12).contains(&month))
            || day.is_some_and(|day| day == 0 || day > longest(month, year))
            || (year, month, day) == (None, None, None);
        (!is_none).then_some(Date { year, month, day })
    }

    fn said(self, tongue: Tongue) -> Option<String> {
        let Date { year, month, day } = self;
        match tongue {
            Tongue::English => {
                let name =
                    |month: u64| MONTHS.get(usize::try_from(month).ok()?.checked_sub(1)?).map(|it| (*it).to_owned());
                let parts = [month.and_then(name), day.map(ordinal), year.map(spoken_year)];
                Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
            }
            Tongue::Japanese => Some(japanese::date(year, month, day)),
            Tongue::Korean => Some(korean::date(year, month, day)),
            Tongue::Other => None,
        }
    }
}

/// Days of a month, as many as it may have where month or year is not known.
fn longest(month: Option<u64>, year: Option<u64>) -> u64 {
    let leaps = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        Some(4 | 6 | 9 | 11) => 30,
        Some(2) if year.is_none_or(leaps) => 29,
        Some(2) => 28,
        _ => 31,
    }
}

/// "nineteen eighty four", "two thousand six", "twenty twenty six".
fn spoken_year(year: u64) -> String {
    match (year / 100, year % 100) {
        (_, _) if !(1000..10_000).contains(&year) => cardinal(year),
        (_, 0) if year.is_multiple_of(1000) => cardinal(year),
        (hundreds, 0) => format!("{} hundred", cardinal(hundreds)),
        (20, rest @ 1..=9) => format!("two thousand {}", cardinal(rest)),
        (hundreds, rest @ 1..=9) => format!("{} oh {}", cardinal(hundreds), cardinal(rest)),
        (hundreds, rest) => format!("{} {}", cardinal(hundreds), cardinal(rest)),
    }
}

/// `1305h`, `0905p`, `0905?`, `13:05`.
fn time(text: &str, tongue: Tongue) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (hour, minute): (u64, u64) = (digits.get(0..2)?.parse().ok()?, digits.get(2..4)?.parse().ok()?);
    if hour > 23 || minute > 59 {
        return None;
    }
    let after_noon = match text.chars().last()? {
        'a' => Some(false),
        'p' => Some(true),
        '?' => None,
        _ => Some(hour >= 12),
    };
    match tongue {
        Tongue::English => {}
        Tongue::Japanese => return Some(japanese::time(hour, minute, after_noon)),
        Tongue::Korean => return Some(korean::time(hour, minute, after_noon)),
        Tongue::Other => return None,
    }
    let half = match after_noon {
        Some(false) => " a m",
        Some(true) => " p m",
        None => "",
    };
    let clock = if hour % 12 == 0 { 12 } else { hour % 12 };
    let minutes = match minute {
        0 if half.is_empty() => " o'clock".to_owned(),
        0 => String::new(),
        1..=9 => format!(" oh {}", cardinal(minute)),
        _ => format!(" {}", cardinal(minute)),
    };
    Some(format!("{}{minutes}{half}", cardinal(clock)))
}

/// `USD12.50`, `$12.50`, `12.50`.
fn currency(text: &str, tongue: Tongue) -> Option<String> {
    let start = text.find(|c: char| c.is_ascii_digit() || c == '-')?;
    let (code, amount) = text.split_at(start);
    let (code, amount) = match amount.find(|c: char| c.is_ascii_alphabetic()) {
        Some(end) if code.is_empty() => (amount.get(end..)?.trim(), amount.get(..end)?.trim()),
        _ => (code.trim(), amount.trim()),
    };
    let minus = match tongue {
        Tongue::English => "minus ",
        Tongue::Japanese => "マイナス",
        Tongue::Korean => "마이너스 ",
        Tongue::Other => return None,
    };
    let (sign, amount) = amount.strip_prefix('-').map_or(("", amount), |amount| (minus, amount));
    let amount = amount.replace(',', "");
    let (whole, places) = amount.split_once('.').unwrap_or((&amount, ""));
    let (whole, cents): (u64, u64) = (whole.parse().ok()?, format!("{places:0<2}").get(0..2)?.parse().ok()?);
    let foreign = |said: fn(&str, u64, u64) -> Option<String>| {
        let own = said(code, whole, cents).or_else(|| Some(format!("{} {code}", number(&amount, tongue)?)));
        own.map(|said| format!("{sign}{said}"))
    };
    match tongue {
        Tongue::Japanese => return foreign(japanese::currency),
        Tongue::Korean => return foreign(korean::currency),
        Tongue::English | Tongue::Other => {}
    }
    let (one, many, cent, cents_name) = match code {
        "USD" | "$" | "" | "CAD" | "AUD" => ("dollar", "dollars", "cent", "cents"),
        "EUR" | "€" => ("euro", "euros", "cent", "cents"),
        "GBP" | "£" => ("pound", "pounds", "penny", "pence"),
        "JPY" | "¥" => ("yen", "yen", "", ""),
        "KRW" | "₩" => ("won", "won", "", ""),
        _ => return Some(format!("{sign}{} {}", decimal(&amount)?, spelled(code))),
    };
    let of = |count: u64, one: &str, many: &str| format!("{} {}", cardinal(count), if count == 1 { one } else { many });
    let said = match (whole, cents) {
        (whole, 0) => of(whole, one, many),
        (_, _) if cent.is_empty() => of(whole, one, many),
        (0, cents) => of(cents, cent, cents_name),
        (whole, cents) => format!("{} and {}", of(whole, one, many), of(cents, cent, cents_name)),
    };
    Some(format!("{sign}{said}"))
}

/// `90s`, `1:30` (minutes and seconds), `1:00:30` (hours before them).
fn duration(text: &str, tongue: Tongue) -> Option<String> {
    let mut seconds = 0_u64;
    let fields: Vec<&str> = text.strip_suffix('s').unwrap_or(text).split(':').collect();
    if fields.len() > 3 {
        return None;
    }
    for field in fields {
        seconds = seconds.checked_mul(60)?.checked_add(field.parse().ok()?)?;
    }
    let of: [fn(u64) -> String; 3] = match tongue {
        Tongue::English => {
            [|count| counted(count, "hour"), |count| counted(count, "minute"), |count| counted(count, "second")]
        }
        Tongue::Japanese => [japanese::hours, japanese::minutes, japanese::seconds],
        Tongue::Korean => [korean::hours, korean::minutes, korean::seconds],
        Tongue::Other => return None,
    };
    let parts = [seconds / 3600, seconds / 60 % 60, seconds % 60];
    let said: Vec<String> =
        parts.iter().zip(of).filter(|(count, _)| **count > 0).map(|(count, of)| of(*count)).collect();
    Some(if said.is_empty() { of[2](0) } else { said.join(if tongue == Tongue::Japanese { "" } else { " " }) })
}

fn counted(count: u64, unit: &str) -> String {
    format!("{} {unit}{}", cardinal(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appendix_p_values_are_read_back() {
        for (kind, format, text, said) in [
            ("vxml:boolean", "", "true", "yes"),
            ("vxml:digits", "", "402", "four zero two"),
            ("vxml:date", "", "20260203", "February third twenty twenty six"),
            ("vxml:date", "", "????0203", "February third"),
            ("date", "mdy", "7/4/1976", "July fourth nineteen seventy six"),
            ("date", "ymd", "2000/13/01", "2000/13/01"),
            ("vxml:time", "", "1305h", "one oh five p m"),
            ("vxml:time", "", "0900a", "nine a m"),
            ("vxml:time", "", "0900?", "nine o'clock"),
            ("vxml:currency", "", "USD12.50", "twelve dollars and fifty cents"),
            ("vxml:currency", "", "EUR1", "one euro"),
            ("vxml:currency", "", "GBP0.01", "one penny"),
            ("vxml:currency", "", "CHF3", "three c h f"),
            ("currency", "", "$-3.05", "minus three dollars and five cents"),
            ("vxml:number", "", "1042", "one thousand forty two"),
            ("number", "ordinal", "3", "third"),
            ("vxml:phone", "", "5551234x22", "five five five one two three four extension two two"),
            ("duration", "", "90s", "one minute thirty seconds"),
            ("duration", "", "0s", "zero seconds"),
            ("duration", "", "1:00:30", "one hour thirty seconds"),
            ("duration", "", "3600s", "one hour"),
            ("duration", "", "1:2:3:4", "1:2:3:4"),
            ("vxml:date", "", "20240229", "February twenty ninth twenty twenty four"),
            ("vxml:date", "", "????0229", "February twenty ninth"),
            ("date", "", "2023-02-29", "2023-02-29"),
            ("date", "", "2026-02-45", "2026-02-45"),
            ("vxml:date", "", "20260431", "20260431"),
            ("ordinal", "", "1,000,001", "one million first"),
            ("vxml:phone", "", "x22", "extension two two"),
            ("spell-out", "", "MAX", "m a x"),
            ("spell-out", "", "A1", "a one"),
            ("nothing", "", "as it is", "as it is"),
        ] {
            assert_eq!(say_as(kind, format, text, "en-GB"), said, "{kind} {format} {text}");
        }
    }

    #[test]
    fn the_same_in_japanese_and_korean_and_as_it_is_elsewhere() {
        for (kind, format, text, japanese, korean, elsewhere) in [
            ("vxml:boolean", "", "true", "はい", "예", "true"),
            ("vxml:digits", "", "402", "よん ゼロ に", "사 공 이", "4 0 2"),
            ("vxml:date", "", "20260203", "にせんにじゅうろくねんにがつみっか", "이천이십육년 이월 삼일", "20260203"),
            ("vxml:time", "", "1305h", "ごごいちじごふん", "오후 한 시 오 분", "1305h"),
            ("vxml:currency", "", "JPY1200", "せんにひゃくえん", "천이백 엔", "JPY1200"),
            ("vxml:currency", "", "CHF3", "さん CHF", "삼 CHF", "CHF3"),
            ("vxml:number", "", "-12.5", "マイナスじゅうにてんご", "마이너스 십이 점 오", "-12.5"),
            ("number", "ordinal", "3", "さんばんめ", "세 번째", "3"),
            ("vxml:phone", "", "55x2", "ご ご ないせん に", "오 오 내선 이", "5 5 x 2"),
            ("duration", "", "90s", "いっぷんさんじゅうびょう", "일 분 삼십 초", "90s"),
            ("duration", "", "0s", "ゼロびょう", "영 초", "0s"),
            ("date", "", "2026-02-45", "2026-02-45", "2026-02-45", "2026-02-45"),
        ] {
            for (language, said) in [("ja-JP", japanese), ("ko", korean), ("de-DE", elsewhere)] {
                assert_eq!(say_as(kind, format, text, language), said, "{language} {kind} {format} {text}");
            }
        }
    }

    #[test]
    fn years() {
        for (year, said) in [
            (1900, "nineteen hundred"),
            (1905, "nineteen oh five"),
            (2000, "two thousand"),
            (2006, "two thousand six"),
            (2026, "twenty twenty six"),
        ] {
            assert_eq!(spoken_year(year), said);
        }
    }
}
