//! Japanese numbers, dates, times and amounts, in kana: what every engine reads the same way. Sounds that change where
//! number and counter meet (`さんびゃく`, `よじ`, `ついたち`) are written so.

const DIGITS: [&str; 10] = ["ゼロ", "いち", "に", "さん", "よん", "ご", "ろく", "なな", "はち", "きゅう"];
const HUNDREDS: [&str; 10] = [
    "",
    "ひゃく",
    "にひゃく",
    "さんびゃく",
    "よんひゃく",
    "ごひゃく",
    "ろっぴゃく",
    "ななひゃく",
    "はっぴゃく",
    "きゅうひゃく",
];
const THOUSANDS: [&str; 10] =
    ["", "せん", "にせん", "さんぜん", "よんせん", "ごせん", "ろくせん", "ななせん", "はっせん", "きゅうせん"];
const SCALES: [(u64, &str); 4] = [(1_000_000_000_000, "ちょう"), (100_000_000, "おく"), (10_000, "まん"), (1, "")];
const DAYS: [&str; 11] =
    ["", "ついたち", "ふつか", "みっか", "よっか", "いつか", "むいか", "なのか", "ようか", "ここのか", "とおか"];

fn at(list: &[&'static str], index: u64) -> &'static str {
    usize::try_from(index).ok().and_then(|index| list.get(index)).copied().unwrap_or_default()
}

pub(super) fn cardinal(number: u64) -> String {
    if number == 0 {
        return DIGITS[0].to_owned();
    }
    let (mut out, mut rest) = (String::new(), number);
    for (scale, name) in SCALES {
        let part = rest / scale;
        rest %= scale;
        if part == 0 {
            continue;
        }
        // Beyond 9,999 of the largest there is no name: its number is said.
        let group = if part > 9999 { cardinal(part) } else { below_ten_thousand(part) };
        // いっちょう: the one number that joins with its scale.
        match (name, part % 10) {
            ("ちょう", 1) if group.ends_with("いち") => {
                out.push_str(&(group.trim_end_matches("いち").to_owned() + "いっ"))
            }
            _ => out.push_str(&group),
        }
        out.push_str(name);
    }
    out
}

fn below_ten_thousand(number: u64) -> String {
    let (thousands, hundreds, tens, ones) = (number / 1000, number / 100 % 10, number / 10 % 10, number % 10);
    let mut out = format!("{}{}", at(&THOUSANDS, thousands), at(&HUNDREDS, hundreds));
    if tens > 0 {
        out.push_str(if tens > 1 { at(&DIGITS, tens) } else { "" });
        out.push_str("じゅう");
    }
    if ones > 0 {
        out.push_str(at(&DIGITS, ones));
    }
    out
}

/// A number before a counter: its last digit may sound otherwise there.
fn counted(number: u64, counter: &str, changes: &[(u64, &str)]) -> String {
    let whole = cardinal(number);
    let last = number % 10;
    match changes.iter().find(|(digit, _)| *digit == last && number != 0) {
        Some((_, sound)) => {
            let before = whole.strip_suffix(at(&DIGITS, last)).unwrap_or_default();
            // Ten has no digit of its own that could change.
            format!("{before}{sound}{counter}")
        }
        None => format!("{whole}{counter}"),
    }
}

pub(super) fn digit(digit: u32) -> &'static str {
    at(&DIGITS, digit.into())
}

pub(super) fn date(year: Option<u64>, month: Option<u64>, day: Option<u64>) -> String {
    let year = year.map(|year| counted(year, "ねん", &[(4, "よ"), (7, "しち"), (9, "く")]));
    let month = month.map(|month| counted(month, "がつ", &[(4, "し"), (7, "しち"), (9, "く")]));
    let day = day.map(|day| match day {
        1..=10 => at(&DAYS, day).to_owned(),
        14 => "じゅうよっか".into(),
        20 => "はつか".into(),
        24 => "にじゅうよっか".into(),
        _ => counted(day, "にち", &[(7, "しち"), (9, "く")]),
    });
    [year, month, day].into_iter().flatten().collect()
}

/// Of 24 hours; `half`: `Some(true)` after noon.
pub(super) fn time(hour: u64, minute: u64, half: Option<bool>) -> String {
    let (before, clock) = match half {
        Some(true) => ("ごご", if hour > 12 { hour - 12 } else { hour }),
        Some(false) => ("ごぜん", hour),
        None => ("", hour),
    };
    let hours = counted(clock, "じ", &[(4, "よ"), (7, "しち"), (9, "く")]);
    let hours = if clock == 0 { "れいじ".to_owned() } else { hours };
    let minutes = if minute == 0 { String::new() } else { minutes(minute) };
    format!("{before}{hours}{minutes}")
}

pub(super) fn minutes(minutes: u64) -> String {
    match minutes % 10 {
        0 if minutes > 0 => format!("{}ぷん", cardinal(minutes).trim_end_matches("じゅう").to_owned() + "じゅっ"),
        1 => counted(minutes, "ぷん", &[(1, "いっ")]),
        3 => counted(minutes, "ぷん", &[]),
        4 => counted(minutes, "ぷん", &[]),
        6 => counted(minutes, "ぷん", &[(6, "ろっ")]),
        8 => counted(minutes, "ぷん", &[(8, "はっ")]),
        _ => counted(minutes, "ふん", &[]),
    }
}

pub(super) fn hours(hours: u64) -> String {
    counted(hours, "じかん", &[(4, "よ"), (7, "しち"), (9, "く")])
}

pub(super) fn seconds(seconds: u64) -> String {
    counted(seconds, "びょう", &[])
}

/// A place in a line.
pub(super) fn turn(number: u64) -> String {
    counted(number, "ばんめ", &[])
}

/// Whole units and hundredths of a currency.
pub(super) fn currency(code: &str, whole: u64, hundredths: u64) -> Option<String> {
    let (unit, part) = match code {
        "JPY" | "¥" => return Some(counted(whole, "えん", &[(4, "よ")])),
        "KRW" | "₩" => return Some(counted(whole, "ウォン", &[])),
        "USD" | "$" | "CAD" | "AUD" => ("ドル", "セント"),
        "EUR" | "€" => ("ユーロ", "セント"),
        "GBP" | "£" => ("ポンド", "ペンス"),
        _ => return None,
    };
    Some(match (whole, hundredths) {
        (_, 0) => counted(whole, unit, &[]),
        (0, part_only) => counted(part_only, part, &[]),
        (whole, rest) => format!("{}{}", counted(whole, unit, &[]), counted(rest, part, &[])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_counters() {
        for (number, said) in [
            (0, "ゼロ"),
            (10, "じゅう"),
            (14, "じゅうよん"),
            (300, "さんびゃく"),
            (657, "ろっぴゃくごじゅうなな"),
            (3888, "さんぜんはっぴゃくはちじゅうはち"),
            (10_000, "いちまん"),
            (12_345_678, "せんにひゃくさんじゅうよんまんごせんろっぴゃくななじゅうはち"),
            (100_000_000, "いちおく"),
            (1_000_000_000_000, "いっちょう"),
        ] {
            assert_eq!(cardinal(number), said);
        }
        assert_eq!(date(Some(2026), Some(4), Some(1)), "にせんにじゅうろくねんしがつついたち");
        assert_eq!(date(None, Some(9), Some(24)), "くがつにじゅうよっか");
        assert_eq!(date(None, Some(12), Some(19)), "じゅうにがつじゅうくにち");
        assert_eq!(time(16, 30, Some(true)), "ごごよじさんじゅっぷん");
        assert_eq!(time(9, 8, Some(false)), "ごぜんくじはっぷん");
        assert_eq!(time(0, 0, None), "れいじ");
        assert_eq!(
            (minutes(1), minutes(4), minutes(5), minutes(16)),
            ("いっぷん".into(), "よんぷん".into(), "ごふん".into(), "じゅうろっぷん".into())
        );
        assert_eq!(currency("JPY", 1234, 0).unwrap(), "せんにひゃくさんじゅうよえん");
        assert_eq!(currency("USD", 12, 50).unwrap(), "じゅうにドルごじゅうセント");
        assert_eq!(turn(3), "さんばんめ");
    }
}
