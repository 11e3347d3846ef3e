//! English numbers, both ways: to words that are spoken, and from words that were.

pub(crate) const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
pub(crate) const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const SCALES: [(u64, &str); 4] =
    [(1_000_000_000_000, "trillion"), (1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand")];

/// `1234` is "one thousand two hundred thirty four".
pub fn cardinal(number: u64) -> String {
    let mut words = Vec::new();
    say(number, &mut words);
    words.join(" ")
}

fn say(number: u64, words: &mut Vec<String>) {
    let word = |list: &[&str], at: u64| list.get(at as usize).copied().unwrap_or_default().to_owned();
    if let Some((scale, name)) = SCALES.iter().find(|(scale, _)| number >= *scale) {
        say(number / scale, words);
        words.push((*name).to_owned());
        if !number.is_multiple_of(*scale) {
            say(number % scale, words);
        }
    } else if number >= 100 {
        words.extend([word(&ONES, number / 100), "hundred".to_owned()]);
        if !number.is_multiple_of(100) {
            say(number % 100, words);
        }
    } else if number >= 20 {
        words.push(word(&TENS, number / 10));
        if !number.is_multiple_of(10) {
            words.push(word(&ONES, number % 10));
        }
    } else {
        words.push(word(&ONES, number));
    }
}

/// `21` is "twenty first".
pub fn ordinal(number: u64) -> String {
    let whole = cardinal(number);
    let (before, last) = whole.rsplit_once(' ').map_or(("", whole.as_str()), |(before, last)| (before, last));
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        tens if tens.ends_with('y') => format!("{}ieth", tens.trim_end_matches('y')),
        other => format!("{other}th"),
    };
    format!("{before} {last}").trim().to_owned()
}

/// Each character by itself: "one zero four", "star", "a".
pub fn spelled(text: &str) -> String {
    let one = |c: char| match c {
        '0'..='9' => ONES.get(c as usize - '0' as usize).copied().unwrap_or_default().to_owned(),
        '*' => "star".to_owned(),
        '#' => "pound".to_owned(),
        '.' => "point".to_owned(),
        '+' => "plus".to_owned(),
        other => other.to_lowercase().to_string(),
    };
    text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(one).collect::<Vec<_>>().join(" ")
}

/// `-12.5` is "minus twelve point five". `None`: no number.
pub fn decimal(text: &str) -> Option<String> {
    let text = text.trim().replace(',', "");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("minus ", digits),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let number = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    if !places.bytes().all(|place| place.is_ascii_digit()) || (whole.is_empty() && places.is_empty()) {
        return None;
    }
    let places = if places.is_empty() { String::new() } else { format!(" point {}", spelled(places)) };
    Some(format!("{sign}{}{places}", cardinal(number)))
}

/// "four oh two" is `402`; keys that were typed are taken as they are.
pub(crate) fn digits_of_words(words: &[String]) -> Option<String> {
    let mut digits = String::new();
    for word in words {
        let digit = ONES.iter().take(10).position(|known| known == word);
        match (digit, word.as_str()) {
            (Some(digit), _) => digits.push_str(&digit.to_string()),
            (None, "oh" | "o") => digits.push('0'),
            (None, typed) if !typed.is_empty() && typed.bytes().all(|key| key.is_ascii_digit() || key == b'*') => {
                digits.push_str(typed);
            }
            _ => return None,
        }
    }
    Some(digits)
}

/// "one hundred and twenty point five" is `120.5`.
pub(crate) fn number_of_words(words: &[String]) -> Option<String> {
    let (sign, words) = match words.split_first() {
        Some((first, rest)) if first == "minus" || first == "negative" => ("-", rest),
        _ => ("", words),
    };
    let point = words.iter().position(|word| word == "point").unwrap_or(words.len());
    let whole = cardinal_of_words(words.get(..point)?)?;
    let places = digits_of_words(words.get(point + 1..).unwrap_or_default())?;
    let places = if places.is_empty() { places } else { format!(".{places}") };
    Some(format!("{sign}{whole}{places}"))
}

fn cardinal_of_words(words: &[String]) -> Option<u64> {
    if let [typed] = words
        && let Ok(number) = typed.parse::<u64>()
    {
        return Some(number);
    }
    let (mut total, mut part, mut any) = (0u64, 0u64, false);
    for word in words.iter().filter(|word| *word != "and" && *word != "a") {
        any = true;
        if let Some(ones) = ONES.iter().position(|known| known == word) {
            part = part.checked_add(ones as u64)?;
        } else if let Some(tens) = TENS.iter().skip(2).position(|known| known == word) {
            part = part.checked_add((tens as u64 + 2) * 10)?;
        } else if word == "hundred" {
            part = part.max(1).checked_mul(100)?;
        } else {
            let (scale, _) = SCALES.iter().find(|(_, name)| name == word)?;
            total = total.checked_add(part.max(1).checked_mul(*scale)?)?;
            part = 0;
        }
    }
    any.then_some(total.checked_add(part)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_words() {
        assert_eq!(cardinal(0), "zero");
        assert_eq!(cardinal(1_000_015), "one million fifteen");
        assert_eq!(cardinal(98_342), "ninety eight thousand three hundred forty two");
        assert_eq!(ordinal(1), "first");
        assert_eq!(ordinal(22), "twenty second");
        assert_eq!(ordinal(30), "thirtieth");
        assert_eq!(ordinal(112), "one hundred twelfth");
        assert_eq!(decimal("-12.05").unwrap(), "minus twelve point zero five");
        assert_eq!(decimal("1,200").unwrap(), "one thousand two hundred");
        assert_eq!(decimal("a"), None);
        assert_eq!(spelled("10-4 B#"), "one zero four b pound");
    }

    #[test]
    fn words_become_numbers_again() {
        for number in [0, 7, 19, 20, 85, 100, 101, 999, 1_000, 12_345, 7_000_001, 9_999_999_999] {
            let words: Vec<String> = cardinal(number).split(' ').map(str::to_owned).collect();
            assert_eq!(number_of_words(&words), Some(number.to_string()));
        }
    }
}
