//! Korean numbers, dates, times and amounts. There are two rows of numbers: that from Chinese for amounts, dates and minutes,
//! and Korea's own for hours and for what is counted.

const DIGITS: [&str; 10] = ["영", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"];
const SCALES: [(u64, &str); 4] = [(1_000_000_000_000, "조"), (100_000_000, "억"), (10_000, "만"), (1, "")];
/// Before a counter.
const OWN: [&str; 10] = ["", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉"];
const OWN_TENS: [&str; 10] = ["", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔"];

fn at(list: &[&'static str], index: u64) -> &'static str {
    usize::try_from(index).ok().and_then(|index| list.get(index)).copied().unwrap_or_default()
}

pub(super) fn cardinal(number: u64) -> String {
    if number == 0 {
        return DIGITS[0].to_owned();
    }
    let (mut out, mut rest) = (Vec::new(), number);
    for (scale, name) in SCALES {
        let part = rest / scale;
        rest %= scale;
        let group = match part {
            0 => continue,
            // 만, not 일만.
            1 if name == "만" => String::new(),
            10_000.. => cardinal(part),
            _ => below_ten_thousand(part),
        };
        out.push(format!("{group}{name}"));
    }
    out.join(" ")
}

fn below_ten_thousand(number: u64) -> String {
    let mut out = String::new();
    for (unit, name) in [(1000, "천"), (100, "백"), (10, "십"), (1, "")] {
        let digit = number / unit % 10;
        if digit > 1 || (digit == 1 && unit == 1) {
            out.push_str(at(&DIGITS, digit));
        }
        if digit > 0 {
            out.push_str(name);
        }
    }
    out
}

/// In Korea's own row, before a counter; from 100 on there is none.
fn own(number: u64) -> String {
    match (number / 10, number % 10) {
        (10.., _) => cardinal(number),
        (2, 0) => "스무".to_owned(),
        (tens, ones) => format!("{}{}", at(&OWN_TENS, tens), at(&OWN, ones)),
    }
}

/// As telephone numbers are read: zero is 공.
pub(super) fn digit(digit: u32) -> &'static str {
    if digit == 0 { "공" } else { at(&DIGITS, digit.into()) }
}

pub(super) fn date(year: Option<u64>, month: Option<u64>, day: Option<u64>) -> String {
    let year = year.map(|year| format!("{}년", cardinal(year)));
    let month = month.map(|month| match month {
        6 => "유월".to_owned(),
        10 => "시월".to_owned(),
        _ => format!("{}월", cardinal(month)),
    });
    let day = day.map(|day| format!("{}일", cardinal(day)));
    [year, month, day].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Of 24 hours; `half`: `Some(true)` after noon.
pub(super) fn time(hour: u64, minute: u64, half: Option<bool>) -> String {
    let twelve = (hour + 11) % 12 + 1;
    let hours = match half {
        Some(true) => format!("오후 {} 시", own(twelve)),
        Some(false) => format!("오전 {} 시", own(twelve)),
        None if hour > 12 || hour == 0 => format!("{} 시", cardinal(hour)),
        None => format!("{} 시", own(hour)),
    };
    if minute == 0 { hours } else { format!("{hours} {}", minutes(minute)) }
}

pub(super) fn minutes(minutes: u64) -> String {
    format!("{} 분", cardinal(minutes))
}

pub(super) fn hours(hours: u64) -> String {
    format!("{} 시간", own(hours))
}

pub(super) fn seconds(seconds: u64) -> String {
    format!("{} 초", cardinal(seconds))
}

/// A place in a line.
pub(super) fn turn(number: u64) -> String {
    if number == 1 { "첫 번째".to_owned() } else { format!("{} 번째", own(number)) }
}

/// Whole units and hundredths of a currency.
pub(super) fn currency(code: &str, whole: u64, hundredths: u64) -> Option<String> {
    let (unit, part) = match code {
        "KRW" | "₩" => return Some(format!("{} 원", cardinal(whole))),
        "JPY" | "¥" => return Some(format!("{} 엔", cardinal(whole))),
        "USD" | "$" | "CAD" | "AUD" => ("달러", "센트"),
        "EUR" | "€" => ("유로", "센트"),
        "GBP" | "£" => ("파운드", "펜스"),
        _ => return None,
    };
    Some(match (whole, hundredths) {
        (_, 0) => format!("{} {unit}", cardinal(whole)),
        (0, rest) => format!("{} {part}", cardinal(rest)),
        (whole, rest) => format!("{} {unit} {} {part}", cardinal(whole), cardinal(rest)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_counters() {
        for (number, said) in [
            (0, "영"),
            (10, "십"),
            (14, "십사"),
            (110, "백십"),
            (657, "육백오십칠"),
            (10_000, "만"),
            (12_345_678, "천이백삼십사만 오천육백칠십팔"),
            (100_010_000, "일억 만"),
        ] {
            assert_eq!(cardinal(number), said);
        }
        assert_eq!(date(Some(2026), Some(6), Some(1)), "이천이십육년 유월 일일");
        assert_eq!(date(None, Some(10), Some(24)), "시월 이십사일");
        assert_eq!(time(16, 30, Some(true)), "오후 네 시 삼십 분");
        assert_eq!(time(0, 5, Some(false)), "오전 열두 시 오 분");
        assert_eq!(time(13, 0, None), "십삼 시");
        assert_eq!(currency("KRW", 1234, 0).unwrap(), "천이백삼십사 원");
        assert_eq!(currency("USD", 12, 50).unwrap(), "십이 달러 오십 센트");
        assert_eq!(
            (turn(1), turn(3), turn(20), turn(21)),
            ("첫 번째".into(), "세 번째".into(), "스무 번째".into(), "스물한 번째".into())
        );
        assert_eq!(hours(2), "두 시간");
    }
}
