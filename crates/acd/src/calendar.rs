//! When a centre is open: hours of the week, holidays, and days with hours of their own, in a stated time zone.

use serde::{Deserialize, Serialize};

use crate::zone::{Local, Zone, days, is_leap};

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    pub name: String,
    pub zone: Zone,
    pub open: Vec<Hours>,
    pub holidays: Vec<Holiday>,
}

/// `mon-fri 09:00-17:30`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// Bit 0 is Monday.
    weekdays: u8,
    span: Span,
}

/// `2026-12-25`, `12-25` (every year), or `2026-12-24 09:00-12:00`: open then only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holiday {
    year: Option<i64>,
    month: u32,
    day: u32,
    open: Option<Span>,
}

/// Minutes after midnight: from the first, up to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Span(u16, u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opening {
    Open,
    Closed,
    Holiday,
}

impl Calendar {
    /// At this moment (ms since 1970, UTC). A holiday's own hours stand in place of the week's.
    pub fn at(&self, wall_ms: i64) -> Opening {
        let now = self.zone.local(wall_ms);
        let mut today = self.holidays.iter().filter(|holiday| holiday.is(&now)).peekable();
        if today.peek().is_some() {
            let open = today.any(|holiday| holiday.open.is_some_and(|span| span.has(now.minute)));
            return if open { Opening::Open } else { Opening::Holiday };
        }
        let open = |hours: &Hours| hours.weekdays >> now.weekday & 1 == 1 && hours.span.has(now.minute);
        if self.open.iter().any(open) { Opening::Open } else { Opening::Closed }
    }
}

impl Opening {
    pub fn word(self) -> &'static str {
        match self {
            Opening::Open => "open",
            Opening::Closed => "closed",
            Opening::Holiday => "closed for a holiday",
        }
    }
}

impl Hours {
    /// # Errors
    /// In words: what was expected and what came.
    pub fn parse(text: &str) -> Result<Hours, String> {
        let (on, span) = text
            .trim()
            .split_once(' ')
            .ok_or_else(|| format!("expected weekdays and hours, e.g. `mon-fri 09:00-17:30`, found `{text}`"))?;
        let weekday = |name: &str| {
            WEEKDAYS
                .iter()
                .position(|known| *known == name)
                .ok_or_else(|| format!("expected a weekday ({}), found `{name}`", WEEKDAYS.join(", ")))
        };
        let mut weekdays = 0;
        for part in on.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (mut at, last) = (weekday(first)?, weekday(last)?);
            // `sat-mon` goes over the end of the week.
            loop {
                weekdays |= 1 << at;
                if at == last {
                    break;
                }
                at = (at + 1) % 7;
            }
        }
        Ok(Hours { weekdays, span: Span::parse(span.trim())? })
    }
}

impl Holiday {
    /// # Errors
    /// In words: what was expected and what came.
    pub fn parse(text: &str) -> Result<Holiday, String> {
        let (date, span) = match text.trim().split_once(' ') {
            Some((date, span)) => (date, Some(Span::parse(span.trim())?)),
            None => (text.trim(), None),
        };
        let wrong = || format!("expected a date, e.g. `2026-12-25`, or `12-25` for every year, found `{date}`");
        let parts: Vec<u32> = date.split('-').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let (year, month, day) = match parts.as_slice() {
            [year, month, day] => (Some(i64::from(*year)), *month, *day),
            [month, day] => (None, *month, *day),
            _ => return Err(wrong()),
        };
        let length = match month {
            2 if year.is_none_or(is_leap) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return Err(wrong()),
        };
        match (1..=length).contains(&day) {
            true => Ok(Holiday { year, month, day, open: span }),
            false => Err(format!("month {month} has no day {day}")),
        }
    }

    fn is(&self, now: &Local) -> bool {
        self.year.is_none_or(|year| year == now.year) && (self.month, self.day) == (now.month, now.day)
    }

    /// Whether it lies before this moment for good.
    pub fn is_over(&self, wall_ms: i64) -> bool {
        self.year.is_some_and(|year| days(year, self.month, self.day) < wall_ms.div_euclid(86_400_000) - 1)
    }
}

impl Span {
    fn parse(text: &str) -> Result<Span, String> {
        let wrong = || format!("expected hours, e.g. `09:00-17:30`, found `{text}`");
        let minute = |time: &str| {
            let (hour, minute) = time.split_once(':')?;
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            (hour < 24 && minute < 60 || hour == 24 && minute == 0).then_some(hour * 60 + minute)
        };
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, to) = minute(from).zip(minute(to)).ok_or_else(wrong)?;
        match from < to {
            true => Ok(Span(from, to)),
            false => Err(format!(
                "`{text}` ends before it begins: hours over midnight are written as two, `22:00-24:00` and `00:00-02:00` of the next day"
            )),
        }
    }

    fn has(self, minute: u16) -> bool {
        (self.0..self.1).contains(&minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn office() -> Calendar {
        Calendar {
            name: "office".into(),
            zone: Zone::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
            open: ["mon-fri 09:00-17:30", "sat 10:00-14:00"].map(|text| Hours::parse(text).unwrap()).to_vec(),
            holidays: ["12-25", "2026-12-24 09:00-12:00"].map(|text| Holiday::parse(text).unwrap()).to_vec(),
        }
    }

    #[test]
    fn a_week_a_change_of_clocks_and_christmas() {
        for (utc, opening) in [
            (1_792_738_800, Opening::Open),    // Fri 2026-10-23 09:00 summer time
            (1_792_738_799, Opening::Closed),  // a second before
            (1_792_998_000, Opening::Closed),  // Mon 2026-10-26 08:00 winter time: the same UTC hour
            (1_793_001_600, Opening::Open),    // 09:00
            (1_793_032_200, Opening::Closed),  // 17:30 is not open any more
            (1_792_915_200, Opening::Closed),  // Sunday
            (1_798_102_800, Opening::Open),    // Thu 24 December 10:00
            (1_798_110_000, Opening::Holiday), // 12:00
            (1_798_192_800, Opening::Holiday), // Fri 25 December 11:00
            (1_829_728_800, Opening::Holiday), // and in 2027, a Saturday
        ] {
            assert_eq!(office().at(utc * 1000), opening, "{utc}");
        }
    }

    #[test]
    fn a_mistake_is_named() {
        for (text, words) in [
            ("mon-fri", "weekdays and hours"),
            ("mon-fry 09:00-17:30", "found `fry`"),
            ("mon 9-17", "expected hours"),
            ("mon 22:00-02:00", "over midnight"),
            ("mon 09:00-24:30", "expected hours"),
        ] {
            assert!(Hours::parse(text).unwrap_err().contains(words), "{text}");
        }
        for (text, words) in
            [("25.12.", "a date"), ("2026-02-29", "no day 29"), ("13-01", "a date"), ("04-31", "no day 31")]
        {
            assert!(Holiday::parse(text).unwrap_err().contains(words), "{text}");
        }
        assert!(Hours::parse("sat-mon 00:00-24:00").is_ok());
        assert!(Holiday::parse("02-29").is_ok());
        assert!(Holiday::parse("2024-02-29").unwrap().is_over(1_792_735_200_000));
        assert!(!Holiday::parse("02-28").unwrap().is_over(1_792_735_200_000));
    }
}
