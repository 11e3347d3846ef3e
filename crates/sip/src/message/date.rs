//! Date (RFC 3261 §20.17): RFC 1123 dates, in GMT alone.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Name, ParseError, Typed, lex};

/// Seconds since 1970-01-01 00:00:00 UTC, leap seconds aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Date(pub u64);

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY: u64 = 86_400;

impl Typed for Date {
    const NAME: Name = Name::Date;

    fn read(text: &str) -> Result<Date, ParseError> {
        let bad = || ParseError::new("expected a date such as `Sat, 13 Nov 2010 23:29:00 GMT`", 0);
        let (weekday, rest) = lex::trim(text).split_once(", ").ok_or_else(bad)?;
        let mut words = rest.split(' ');
        let mut word = || words.next().ok_or_else(bad);
        let (day, month, year, time, zone) = (word()?, word()?, word()?, word()?, word()?);
        if word().is_ok() || !zone.eq_ignore_ascii_case("GMT") {
            return Err(bad());
        }
        let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month)).ok_or_else(bad)? as u64;
        let mut clock = time.split(':');
        let mut part = |most: u64| digits(clock.next(), 2).filter(|number| *number <= most).ok_or_else(bad);
        let seconds = part(23)? * 3600 + part(59)? * 60 + part(59)?;
        let (day, year) = (digits(Some(day), 2).ok_or_else(bad)?, digits(Some(year), 4).ok_or_else(bad)?);
        if clock.next().is_some() || year < 1970 || day == 0 || day > month_len(year, month) {
            return Err(bad());
        }
        let date = Date((days_before(year, month) + day - 1) * DAY + seconds);
        // A date that does not know its own weekday was not made by a clock.
        if !weekday.eq_ignore_ascii_case(date.weekday()) {
            return Err(bad());
        }
        Ok(date)
    }
}

impl Date {
    fn weekday(self) -> &'static str {
        let day = (self.0 / DAY % 7) as usize;
        WEEKDAYS.get(day).copied().unwrap_or("Thu")
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut days, seconds) = (self.0 / DAY, self.0 % DAY);
        // 400 years are always the same number of days, so the search below is short whatever the number.
        let mut year = 1970 + days / DAYS_OF_400 * 400;
        days %= DAYS_OF_400;
        while days >= year_len(year) {
            days -= year_len(year);
            year += 1;
        }
        let mut month = 0;
        while days >= month_len(year, month) {
            days -= month_len(year, month);
            month += 1;
        }
        let name = MONTHS.get(month as usize).copied().unwrap_or("Jan");
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{}, {:02} {name} {year:04} {hours:02}:{minutes:02}:{seconds:02} GMT", self.weekday(), days + 1)
    }
}

const DAYS_OF_400: u64 = 146_097;

fn digits(text: Option<&str>, len: usize) -> Option<u64> {
    let text = text.filter(|text| text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn year_len(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn month_len(year: u64, month: u64) -> u64 {
    match month {
        1 => 28 + u64::from(is_leap(year)),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of a month.
fn days_before(year: u64, month: u64) -> u64 {
    (1970..year).map(year_len).sum::<u64>() + (0..month).map(|month| month_len(year, month)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sat, 13 Nov 2010 23:29:00 GMT", 1_289_690_940),
            ("Tue, 29 Feb 2000 12:00:01 GMT", 951_825_601),
            ("Sat, 15 Oct 2005 04:44:56 GMT", 1_129_351_496),
            ("Fri, 31 Dec 2100 23:59:59 GMT", 4_133_980_799),
        ] {
            assert_eq!(Date::read(text).unwrap(), Date(seconds), "{text}");
            assert_eq!(Date(seconds).to_string(), text);
        }
        assert!(Date(u64::MAX).to_string().ends_with("GMT"));
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in [
            "",
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Sat, 01 Jan 2010 16:00:00 GMT",
            "Mon, 29 Feb 2010 16:00:00 GMT",
            "Fri, 00 Jan 2010 16:00:00 GMT",
            "Fri, 01 Jan 2010 24:00:00 GMT",
            "Fri, 01 Jan 2010 16:00 GMT",
            "Fri, 1 Jan 2010 16:00:00 GMT",
            "Fri, 01 Jan 2010 16:00:00 GMT x",
            "01 Jan 2010 16:00:00 GMT",
        ] {
            assert!(Date::read(text).is_err(), "{text}");
        }
    }
}
