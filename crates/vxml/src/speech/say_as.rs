//! `say-as` (SSML 1.1 §3.1.9, VoiceXML 2.0 §4.1.1 and appendix P) in English. What cannot be read as it says is spoken as
//! it is written.

use super::numbers::{cardinal, decimal, ordinal, spelled};

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

/// The words for a text that is to be read in a certain way; `format` as `say-as` has it (`mdy`, `hms12`).
pub fn say_as(interpret_as: &str, format: &str, text: &str) -> String {
    let text = text.trim();
    let kind = interpret_as.strip_prefix("vxml:").unwrap_or(interpret_as);
    let said = match kind {
        "boolean" => match text {
            "true" => Some("yes".to_owned()),
            "false" => Some("no".to_owned()),
            _ => None,
        },
        "digits" | "characters" | "spell-out" | "letters" => Some(spelled(text)),
        "phone" | "telephone" => Some(phone(text)),
        "number" | "cardinal" => match format {
            "ordinal" => whole(text).map(ordinal),
            "digits" => Some(spelled(text)),
            "telephone" => Some(phone(text)),
            _ => decimal(text),
        },
        "ordinal" => whole(text).map(ordinal),
        "date" => date(text, format),
        "time" => time(text),
        "currency" => currency(text),
        "duration" => duration(text),
        _ => None,
    };
    said.unwrap_or_else(|| text.to_owned())
}

fn whole(text: &str) -> Option<u64> {
    text.replace(',', "").parse().ok()
}

/// `x` leads to an extension (VoiceXML 2.0 appendix P).
fn phone(text: &str) -> String {
    let parts: Vec<String> = text.split(['x', 'X']).map(spelled).collect();
    parts.join(" extension ").trim().to_owned()
}

/// `20260203`, `????0203`, `2026-02-03`, or the fields of `format` between slashes.
fn date(text: &str, format: &str) -> Option<String> {
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
    let name = match month {
        Some(month) => Some(*MONTHS.get(usize::try_from(month).ok()?.checked_sub(1)?)?),
        None => None,
    };
    // A day that its month does not have is no date, whatever else is right.
    if day.is_some_and(|day| day == 0 || day > longest(month, year)) {
        return None;
    }
    let parts = [name.map(str::to_owned), day.map(ordinal), year.map(spoken_year)];
    let said = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    (!said.is_empty()).then_some(said)
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
fn time(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (hour, minute): (u64, u64) = (digits.get(0..2)?.parse().ok()?, digits.get(2..4)?.parse().ok()?);
    if hour > 23 || minute > 59 {
        return None;
    }
    let half = match text.chars().last()? {
        'a' => " a m",
        'p' => " p m",
        '?' => "",
        _ if hour >= 12 => " p m",
        _ => " a m",
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
fn currency(text: &str) -> Option<String> {
    let start = text.find(|c: char| c.is_ascii_digit() || c == '-')?;
    let (code, amount) = text.split_at(start);
    let (code, amount) = match amount.find(|c: char| c.is_ascii_alphabetic()) {
        Some(end) if code.is_empty() => (amount.get(end..)?.trim(), amount.get(..end)?.trim()),
        _ => (code.trim(), amount.trim()),
    };
    let (sign, amount) = amount.strip_prefix('-').map_or(("", amount), |amount| ("minus ", amount));
    let amount = amount.replace(',', "");
    let (whole, places) = amount.split_once('.').unwrap_or((&amount, ""));
    let (whole, cents): (u64, u64) = (whole.parse().ok()?, format!("{places:0<2}").get(0..2)?.parse().ok()?);
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
fn duration(text: &str) -> Option<String> {
    let mut seconds = 0_u64;
    let fields: Vec<&str> = text.strip_suffix('s').unwrap_or(text).split(':').collect();
    if fields.len() > 3 {
        return None;
    }
    for field in fields {
        seconds = seconds.checked_mul(60)?.checked_add(field.parse().ok()?)?;
    }
    let parts = [(seconds / 3600, "hour"), (seconds / 60 % 60, "minute"), (seconds % 60, "second")];
    let of = |(count, unit): &(u64, &str)| format!("{} {unit}{}", cardinal(*count), if *count == 1 { "" } else { "s" });
    let said: Vec<String> = parts.iter().filter(|(count, _)| *count > 0).map(of).collect();
    Some(if said.is_empty() { of(&(0, "second")) } else { said.join(" ") })
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
            assert_eq!(say_as(kind, format, text), said, "{kind} {format} {text}");
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
