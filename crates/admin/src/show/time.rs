//! Times as IOS prints them: `02:55:19.809 UTC Thu Mar 25 2021`, `00:00:26`.

use trust::Utc;

/// Milliseconds since 1970 as `02:55:19.809 UTC Thu Mar 25 2021`.
pub fn ios_wall(ms: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = ms / 86_400_000;
    let Utc { year, month, day, .. } = Utc::of(ms / 1000);
    let weekday = WEEKDAYS.get((days % 7) as usize).copied().unwrap_or_default();
    let month = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
    format!("{}.{:03} UTC {weekday} {month} {day} {year}", clock((ms / 1000) % 86_400), ms % 1000)
}

/// Milliseconds since 1970 as `2021-03-25T02:55:19.809Z` (RFC 3339).
pub fn rfc3339(ms: u64) -> String {
    let Utc { year, month, day, .. } = Utc::of(ms / 1000);
    format!("{year:04}-{month:02}-{day:02}T{}.{:03}Z", clock((ms / 1000) % 86_400), ms % 1000)
}

/// Seconds as `hh:mm:ss`.
pub fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
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
