//! Times as IOS prints them: `02:55:19.809 UTC Thu Mar 25 2021`, `00:00:26`.

/// Milliseconds since 1970 as `02:55:19.809 UTC Thu Mar 25 2021`.
pub fn ios_wall(ms: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = ms / 86_400_000;
    let (year, month, day) = civil(days);
    let weekday = WEEKDAYS.get((days % 7) as usize).copied().unwrap_or_default();
    let month = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
    format!("{}.{:03} UTC {weekday} {month} {day} {year}", clock((ms / 1000) % 86_400), ms % 1000)
}

/// Milliseconds since 1970 as `2021-03-25T02:55:19.809Z` (RFC 3339).
pub fn rfc3339(ms: u64) -> String {
    let (year, month, day) = civil(ms / 86_400_000);
    format!("{year:04}-{month:02}-{day:02}T{}.{:03}Z", clock((ms / 1000) % 86_400), ms % 1000)
}

/// Seconds as `hh:mm:ss`.
pub fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Days since 1970-01-01 as year, month, day of the Gregorian calendar. Years are counted from March, so that the leap
/// day ends a year, in cycles of 400 years (146,097 days).
fn civil(days: u64) -> (u64, u64, u64) {
    let since_march_0000 = days + 719_468;
    let (cycle, day_of_cycle) = (since_march_0000 / 146_097, since_march_0000 % 146_097);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = cycle * 400 + year_of_cycle + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_of_the_procedure() {
        assert_eq!(ios_wall(1_616_640_919_809), "02:55:19.809 UTC Thu Mar 25 2021");
        assert_eq!(rfc3339(1_616_640_919_809), "2021-03-25T02:55:19.809Z");
    }

    #[test]
    fn leap_days_and_the_epoch() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }
}
