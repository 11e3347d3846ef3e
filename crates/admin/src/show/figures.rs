//! Figures of the contact centre by intervals: as a table, and as comma-separated values (RFC 4180).

use acd::Interval;

use super::tables::table;
use super::time::{clock, rfc3339};

const QUEUES: [&str; 12] = [
    "BEGINS",
    "QUEUE",
    "OFFERED",
    "ANSWERED",
    "IN LEVEL",
    "ABANDONED",
    "NO ANSWER",
    "RELEASED",
    "CALLBACKS",
    "MEAN WAIT",
    "LONGEST",
    "MEAN TALK",
];
const AGENTS: [&str; 9] =
    ["BEGINS", "AGENT", "ANSWERED", "NO ANSWER", "NOT READY", "READY", "RINGING", "TALKING", "WRAP-UP"];
const CALL_TYPES: [&str; 6] = ["BEGINS", "CALL TYPE", "OFFERED", "ANSWERED", "ABANDONED", "RELEASED"];

/// Queues, call types and agents, each as a table of its own.
pub fn text(intervals: &[Interval]) -> String {
    let seconds = |ms: u64| clock(ms / 1000);
    [
        table(&QUEUES, &queues(intervals, seconds)),
        table(&CALL_TYPES, &call_types(intervals)),
        table(&AGENTS, &agents(intervals, seconds)),
    ]
    .join("\n")
}

/// The same three, times in milliseconds, a line without fields between them.
pub fn csv(intervals: &[Interval]) -> String {
    let ms = |ms: u64| ms.to_string();
    [
        comma_separated(&QUEUES, &queues(intervals, ms)),
        comma_separated(&CALL_TYPES, &call_types(intervals)),
        comma_separated(&AGENTS, &agents(intervals, ms)),
    ]
    .join("\r\n")
}

/// A header and rows as RFC 4180 has them: CRLF, and quotes where a field needs them. A field that a spreadsheet would
/// take for a formula is led by an apostrophe.
pub fn comma_separated(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|name| name.to_lowercase().replace([' ', '-'], "_")).collect();
    let mut out = String::new();
    for row in [&header].into_iter().chain(rows) {
        let fields: Vec<String> = row.iter().map(|field| quoted(field)).collect();
        out.push_str(&fields.join(","));
        out.push_str("\r\n");
    }
    out
}

fn quoted(field: &str) -> String {
    let field = match field.starts_with(['=', '+', '-', '@', '\t']) {
        true => format!("'{field}"),
        false => field.to_owned(),
    };
    match field.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    }
}

fn begins(interval: &Interval) -> String {
    rfc3339(interval.begins_ms.max(0).unsigned_abs())
}

fn queues(intervals: &[Interval], time: impl Fn(u64) -> String) -> Vec<Vec<String>> {
    let mean = |sum: u64, of: u32| sum.checked_div(of.into()).unwrap_or(0);
    let mut rows = Vec::new();
    for interval in intervals {
        for (name, q) in &interval.queues {
            let counts = [q.offered, q.answered, q.within_level, q.abandoned, q.no_answer, q.released, q.callbacks];
            let times = [mean(q.wait_ms, q.answered), q.longest_wait_ms, mean(q.talk_ms, q.answered)];
            let mut row = vec![begins(interval), name.clone()];
            row.extend(counts.iter().map(u32::to_string));
            row.extend(times.into_iter().map(&time));
            rows.push(row);
        }
    }
    rows
}

fn call_types(intervals: &[Interval]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for interval in intervals {
        for (name, c) in &interval.call_types {
            let mut row = vec![begins(interval), name.clone()];
            row.extend([c.offered, c.answered, c.abandoned, c.released].iter().map(u32::to_string));
            rows.push(row);
        }
    }
    rows
}

fn agents(intervals: &[Interval], time: impl Fn(u64) -> String) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for interval in intervals {
        for (name, a) in &interval.agents {
            let mut row = vec![begins(interval), name.clone(), a.answered.to_string(), a.no_answer.to_string()];
            row.extend([a.not_ready_ms, a.ready_ms, a.ringing_ms, a.talk_ms, a.wrap_up_ms].into_iter().map(&time));
            rows.push(row);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use acd::QueueFigures;

    use super::*;

    #[test]
    fn a_field_survives_a_spreadsheet() {
        let rows = vec![vec!["a,b".to_owned(), "say \"hi\"".into()], vec!["=1+1".into(), "line\nbreak".into()]];
        assert_eq!(
            comma_separated(&["THE NAME", "WHAT"], &rows),
            "the_name,what\r\n\"a,b\",\"say \"\"hi\"\"\"\r\n'=1+1,\"line\nbreak\"\r\n"
        );
    }

    #[test]
    fn an_interval_as_a_line() {
        let mut interval = Interval { begins_ms: 900_000, ..Interval::default() };
        let figures =
            QueueFigures { offered: 3, answered: 2, wait_ms: 5000, talk_ms: 90_000, ..QueueFigures::default() };
        interval.queues.insert("sales".into(), figures);
        let text = csv(&[interval]);
        assert!(text.contains("\r\n1970-01-01T00:15:00.000Z,sales,3,2,0,0,0,0,0,2500,0,45000\r\n"), "{text}");
    }
}
