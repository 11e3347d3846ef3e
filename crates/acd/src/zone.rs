//! Time zones as rules: the TZ strings of POSIX.1-2017 §8.3 (with the times of RFC 8536 §3.3.1), as in
//! `CET-1CEST,M3.5.0,M10.5.0/3`. Such a string says by itself when summer time begins and ends, so that a site means the
//! same on every machine, whatever tables that machine has.

use serde::{Deserialize, Serialize};

const DAY: i64 = 86_400;

/// A time zone: offset and, where there is one, summer time with its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Seconds east of Greenwich.
    offset: i64,
    summer: Option<Summer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Summer {
    offset: i64,
    /// In standard time.
    begins: Change,
    /// In summer time.
    ends: Change,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    day: Day,
    /// Seconds after midnight; may be negative or beyond a day.
    time: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Day {
    /// `Mm.w.d`: weekday `d` (0 is Sunday) of week `w` (5 is the last) of month `m`.
    Weekday { month: u32, week: u32, weekday: i64 },
    /// `Jn`: 1 to 365, 29 February is never counted.
    Julian(i64),
    /// `n`: 0 to 365, 29 February is counted.
    Nth(i64),
}

/// A moment as clocks on the wall show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 is Monday.
    pub weekday: u8,
    /// After midnight, 0 to 1439.
    pub minute: u16,
}

impl Zone {
    pub const UTC: Zone = Zone { offset: 0, summer: None };

    /// # Errors
    /// In words: what was expected and what came.
    pub fn parse(text: &str) -> Result<Zone, String> {
        let mut reader = Reader { rest: text };
        reader.name()?;
        let offset = -reader.time("an offset from UTC, e.g. `-1` for one hour east")?;
        if reader.rest.is_empty() {
            return Ok(Zone { offset, summer: None });
        }
        reader.name()?;
        let summer = match reader.rest.is_empty() || reader.rest.starts_with(',') {
            true => offset + 3600,
            false => -reader.time("the offset of summer time, or `,`")?,
        };
        let begins = reader.change()?;
        let ends = reader.change()?;
        match reader.rest {
            "" => Ok(Zone { offset, summer: Some(Summer { offset: summer, begins, ends }) }),
            rest => Err(format!("expected the end, found `{rest}`")),
        }
    }

    /// What the clocks show at this moment (ms since 1970, UTC).
    pub fn local(&self, wall_ms: i64) -> Local {
        let utc = wall_ms.div_euclid(1000);
        let seconds = utc + self.offset_at(utc);
        let days = seconds.div_euclid(DAY);
        let (year, month, day) = date(days);
        // Both remainders are below 7 and 1440.
        let weekday = (days + 3).rem_euclid(7) as u8;
        let minute = (seconds.rem_euclid(DAY) / 60) as u16;
        Local { year, month, day, weekday, minute }
    }

    fn offset_at(&self, utc: i64) -> i64 {
        let Some(summer) = &self.summer else { return self.offset };
        let (year, ..) = date((utc + self.offset).div_euclid(DAY));
        let begins = summer.begins.at(year) - self.offset;
        let ends = summer.ends.at(year) - summer.offset;
        // In the south summer spans the turn of the year.
        let is_summer = if begins < ends { (begins..ends).contains(&utc) } else { !(ends..begins).contains(&utc) };
        if is_summer { summer.offset } else { self.offset }
    }
}

impl Change {
    /// Seconds since 1970 by the clock before the change.
    fn at(&self, year: i64) -> i64 {
        let first = days(year, 1, 1);
        let day = match self.day {
            Day::Nth(n) => first + n,
            Day::Julian(n) => first + n - 1 + i64::from(n > 59 && is_leap(year)),
            Day::Weekday { month, week, weekday } => {
                let first = days(year, month, 1);
                let lead = (weekday - (first + 4)).rem_euclid(7);
                let day = first + lead + 7 * i64::from(week - 1);
                let next = if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) };
                if day >= next { day - 7 } else { day }
            }
        };
        day * DAY + self.time
    }
}

/// Days since 1970 of a date in the Gregorian calendar.
pub fn days(year: i64, month: u32, day: u32) -> i64 {
    // Years counted from March, so that the day that comes and goes is the last one.
    let (month, year) = (i64::from(month), if month < 3 { year - 1 } else { year });
    let days = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + days - 719_468
}

fn date(since_1970: i64) -> (i64, u32, u32) {
    let all = since_1970 + 719_468;
    let (era, day) = (all.div_euclid(146_097), all.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    // Within 1 to 12 and 1 to 31.
    (year + era * 400 + i64::from(month < 3), month as u32, day as u32)
}

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    /// `CET`, or `<+03>` where it is no word.
    fn name(&mut self) -> Result<(), String> {
        let quoted = self.rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (name, rest) = match quoted {
            Some(parts) => parts,
            None => {
                let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
                self.rest.split_at(end)
            }
        };
        if name.len() < 3 {
            return Err(format!("expected a zone's name of three letters or more, e.g. `CET`, found `{}`", self.rest));
        }
        self.rest = rest;
        Ok(())
    }

    /// `[+-]h[:mm[:ss]]` as seconds.
    fn time(&mut self, wanted: &str) -> Result<i64, String> {
        let expected = |found: &str| format!("expected {wanted}, found `{found}`");
        let sign = match self.rest.as_bytes().first() {
            Some(b'-') => -1,
            _ => 1,
        };
        let found = self.rest;
        self.rest = self.rest.strip_prefix(['-', '+']).unwrap_or(self.rest);
        let mut seconds = self.number(167).ok_or_else(|| expected(found))? * 3600;
        for unit in [60, 1] {
            let Some(rest) = self.rest.strip_prefix(':') else { break };
            self.rest = rest;
            seconds += self.number(59).ok_or_else(|| expected(found))? * unit;
        }
        Ok(sign * seconds)
    }

    fn number(&mut self, most: i64) -> Option<i64> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let number = digits.parse().ok().filter(|number| *number <= most)?;
        self.rest = rest;
        Some(number)
    }

    fn change(&mut self) -> Result<Change, String> {
        let found = self.rest;
        let expected = || {
            let found = if found.is_empty() { "the end" } else { found };
            format!("expected when summer time begins and ends, e.g. `,M3.5.0,M10.5.0/3`, found `{found}`")
        };
        self.rest = self.rest.strip_prefix(',').ok_or_else(expected)?;
        let day = self.day().ok_or_else(expected)?;
        let time = match self.rest.strip_prefix('/') {
            Some(rest) => {
                self.rest = rest;
                self.time("a time of day")?
            }
            None => 2 * 3600,
        };
        Ok(Change { day, time })
    }

    fn day(&mut self) -> Option<Day> {
        if let Some(rest) = self.rest.strip_prefix('M') {
            self.rest = rest;
            let month = self.number(12).filter(|month| *month > 0)?;
            self.rest = self.rest.strip_prefix('.')?;
            let week = self.number(5).filter(|week| *week > 0)?;
            self.rest = self.rest.strip_prefix('.')?;
            let weekday = self.number(6)?;
            // At most 12 and 5.
            return Some(Day::Weekday { month: month as u32, week: week as u32, weekday });
        }
        match self.rest.strip_prefix('J') {
            Some(rest) => {
                self.rest = rest;
                self.number(365).filter(|day| *day > 0).map(Day::Julian)
            }
            None => self.number(365).map(Day::Nth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(zone: &str, utc: i64) -> (u32, u32, u16) {
        let local = Zone::parse(zone).unwrap().local(utc * 1000);
        (local.month, local.day, local.minute)
    }

    #[test]
    fn summer_time_begins_and_ends_by_its_rule() {
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        // 2026-03-29 00:59:59 and 01:00:00 UTC, 2026-10-25 00:59:59 and 01:00:00 UTC.
        assert_eq!(shown(berlin, 1_774_745_999), (3, 29, 119));
        assert_eq!(shown(berlin, 1_774_746_000), (3, 29, 180));
        assert_eq!(shown(berlin, 1_792_889_999), (10, 25, 179));
        assert_eq!(shown(berlin, 1_792_890_000), (10, 25, 120));
        // The second Sunday of March, 2026-03-08 07:00 UTC.
        assert_eq!(shown("EST5EDT,M3.2.0,M11.1.0", 1_772_953_199), (3, 8, 119));
        assert_eq!(shown("EST5EDT,M3.2.0,M11.1.0", 1_772_953_200), (3, 8, 180));
        // Sydney: January is summer, July is not.
        let sydney = "AEST-10AEDT,M10.1.0,M4.1.0/3";
        assert_eq!(shown(sydney, 1_767_225_600), (1, 1, 11 * 60));
        assert_eq!(shown(sydney, 1_782_864_000), (7, 1, 10 * 60));
        assert_eq!(shown("<+0530>-5:30", 1_767_225_600), (1, 1, 330));
        assert_eq!(shown("UTC0", 1_709_164_800), (2, 29, 0), "a leap day");
    }

    #[test]
    fn days_count_both_ways_and_weekdays_follow() {
        for day in (-200_000..200_000).step_by(97) {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
        }
        // 1 January 1970 was a Thursday.
        assert_eq!(Zone::UTC.local(0), Local { year: 1970, month: 1, day: 1, weekday: 3, minute: 0 });
        assert_eq!(Zone::UTC.local(-1).day, 31);
    }

    #[test]
    fn a_mistake_is_named() {
        for (text, words) in [
            ("", "a zone's name"),
            ("Europe/Berlin", "an offset from UTC"),
            ("CET", "an offset from UTC"),
            ("CET-1CEST", "when summer time begins"),
            ("CET-1CEST,M3.5.0", "found `the end`"),
            ("CET-1CEST,M13.5.0,M10.5.0", "when summer time begins"),
            ("CET-1CEST,M3.5.0,M10.5.0/3 ", "expected the end"),
        ] {
            let error = Zone::parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
