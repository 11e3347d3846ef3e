//! The other `show` commands: agents, queues, registrations, refusals, status, as plain tables.

use std::fmt::Write;

use roles::{AgentView, DialogView, QueueView, RefusalRecord, Registration, Status, Verb};

use super::plain;
use super::time::{clock, rfc3339};

/// Rows under a header, columns as wide as their widest cell.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let mut widths: Vec<usize> = header.iter().map(|h| h.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let text: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(text.join("  ").trim_end());
        out.push('\n');
    };
    line(&mut header.iter().copied());
    for row in &rows {
        line(&mut row.iter().map(String::as_str));
    }
    out
}

pub fn agents(agents: &[AgentView]) -> String {
    let rows: Vec<_> = agents
        .iter()
        .map(|a| {
            let then = a.pending.as_ref().map(|reason| format!("then not ready: {reason}"));
            let reason = [a.reason.clone(), then.unwrap_or_default()].concat();
            let team = a.team.clone().unwrap_or_default();
            vec![a.id.clone(), a.extension.clone(), team, a.state.clone(), clock(a.for_s), reason]
        })
        .collect();
    table(&["AGENT", "EXTENSION", "TEAM", "STATE", "FOR", "REASON"], &rows)
}

/// Calls of agents, and what can be done with each now.
pub fn dialogs(dialogs: &[DialogView]) -> String {
    let rows: Vec<_> = dialogs
        .iter()
        .map(|dialog| {
            let other = if dialog.outgoing.is_some() { &dialog.dialled } else { &dialog.calling };
            let state = match dialog {
                DialogView { wrapping_up: true, .. } => "over, in wrap-up",
                DialogView { supervises: Some(_), .. } => "supervising",
                DialogView { connected: false, outgoing: Some(_), .. } => "calling",
                DialogView { connected: false, .. } => "ringing",
                DialogView { held: true, .. } => "held",
                DialogView { mixed: true, .. } => "conference",
                _ => "talking",
            };
            let can: Vec<&str> = dialog.verbs.iter().map(verb).collect();
            let (queue, can) = (dialog.queue.clone().unwrap_or_default(), can.join(" "));
            vec![dialog.call.to_string(), other.clone(), queue, state.to_owned(), can]
        })
        .collect();
    table(&["CALL", "WITH", "QUEUE", "STATE", "CAN"], &rows)
}

/// As `ringfence agent` spells it.
fn verb(verb: &Verb) -> &'static str {
    match verb {
        Verb::Answer => "answer",
        Verb::Hold => "hold",
        Verb::Retrieve => "retrieve",
        Verb::Consult => "consult",
        Verb::Complete => "transfer",
        Verb::Press => "press",
        Verb::Confer => "conference",
    }
}

pub fn queues(queues: &[QueueView]) -> String {
    let rows: Vec<_> = queues
        .iter()
        .map(|q| {
            vec![
                q.name.clone(),
                q.waiting.to_string(),
                clock(q.longest_wait_s),
                q.estimate_s.map_or_else(|| "unknown".into(), clock),
                q.ready.to_string(),
                q.talking.to_string(),
                q.wrap_up.to_string(),
                q.not_ready.to_string(),
            ]
        })
        .collect();
    table(&["QUEUE", "WAITING", "LONGEST", "ESTIMATE", "READY", "TALKING", "WRAP-UP", "NOT READY"], &rows)
}

pub fn registrations(registrations: &[Registration]) -> String {
    let rows: Vec<_> = registrations
        .iter()
        .map(|r| {
            vec![
                r.line.clone(),
                r.device.clone(),
                format!("{} {}", r.transport.as_str(), r.remote),
                format!("{}s", r.expires_s),
                r.certificate.clone().unwrap_or_else(|| format!("{} only", r.admitted_by)),
            ]
        })
        .collect();
    table(&["LINE", "DEVICE", "FROM", "EXPIRES", "CERTIFICATE"], &rows)
}

pub fn status(nodes: &[Status]) -> String {
    let rows: Vec<_> = nodes
        .iter()
        .map(|s| {
            vec![
                s.node.clone(),
                s.role.clone(),
                if s.draining { "draining".into() } else { "in service".into() },
                s.calls.to_string(),
                s.legs.to_string(),
                s.transactions.to_string(),
                s.leases_free.to_string(),
                s.panics.to_string(),
                s.plan_generation.to_string(),
            ]
        })
        .collect();
    let mut out =
        table(&["NODE", "ROLE", "STATE", "CALLS", "LEGS", "TRANSACTIONS", "FREE PORTS", "PANICS", "PLAN"], &rows);
    let refused: Vec<_> = nodes
        .iter()
        .flat_map(|s| s.refused.iter().map(|(cause, times)| vec![s.node.clone(), cause.clone(), times.to_string()]))
        .collect();
    if !refused.is_empty() {
        let _ = write!(out, "\n{}", table(&["NODE", "SIP REFUSED BECAUSE OF", "TIMES"], &refused));
    }
    out
}

/// Refusals in words, newest last: what happened, what was expected, what came, and what to do.
pub fn refusals(refusals: &[RefusalRecord]) -> String {
    if refusals.is_empty() {
        return "No refusals.\n".into();
    }
    let mut out = String::new();
    for r in refusals {
        let remote = r.remote.map_or_else(|| "unknown".into(), |a| a.to_string());
        let transport = r.transport.map_or("", |t| t.as_str());
        let _ = writeln!(out, "{}  {} refused {remote} {transport}: {}", rfc3339(r.at_ms), r.node, r.refusal.cause);
        let lines = [
            ("rule", &r.refusal.rule),
            ("expected", &r.refusal.expected),
            ("presented", &r.refusal.presented),
            ("answered", &r.answered),
            ("to do", &r.refusal.remedy),
        ];
        for (name, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
            let _ = writeln!(out, "    {name:<10}{}", plain(value));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let text = table(&["A", "B"], &[vec!["long cell".into(), "x".into()], vec!["y".into(), "z".into()]]);
        assert_eq!(text, "A          B\nlong cell  x\ny          z\n");
    }

    #[test]
    fn what_a_peer_says_moves_no_cursor_and_begins_no_line() {
        let refusal = trust::Refusal {
            cause: "name".into(),
            rule: String::new(),
            expected: String::new(),
            presented: "\x1b[2Jx\r\nnode  SECURE\u{9b}1m".into(),
            remedy: String::new(),
        };
        let record = RefusalRecord {
            at_ms: 0,
            node: "cube1".into(),
            remote: None,
            transport: None,
            answered: String::new(),
            refusal,
        };
        let text = refusals(&[record]);
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        let text = table(&["A"], &[vec!["x\n\x1b]0;y\x07".into()]]);
        assert_eq!(text, "A\nx\u{fffd}\u{fffd}]0;y\u{fffd}\n");
        assert_eq!(super::super::plain_lines("a\r\n\x1b[1mb\n"), "a\u{fffd}\n\u{fffd}[1mb\n");
    }

    #[test]
    fn what_sip_refused_is_counted_below_the_nodes() {
        let quiet = Status { node: "cube1".into(), ..Status::default() };
        assert!(!status(std::slice::from_ref(&quiet)).contains("REFUSED"));
        let refused = [("no_dialog".to_owned(), 3), ("uri_scheme".to_owned(), 1)].into();
        let text = status(&[Status { refused, ..quiet }]);
        assert!(text.ends_with(
            "NODE   SIP REFUSED BECAUSE OF  TIMES\ncube1  no_dialog               3\ncube1  uri_scheme              1\n"
        ));
    }

    #[test]
    fn a_refusal_names_expected_and_presented() {
        let text = refusals(&[RefusalRecord {
            at_ms: 0,
            node: "cucm1".into(),
            remote: Some("127.18.133.226:4000".parse().unwrap()),
            transport: Some(sip::Transport::Tls),
            answered: "SIP 403 Forbidden".into(),
            refusal: trust::Refusal {
                cause: "wrong_subject".into(),
                rule: "Secure Certificate Subject or Subject Alternate Name".into(),
                expected: "cube1.lab.example".into(),
                presented: "evil.lab.example".into(),
                remedy: "name it in the profile".into(),
            },
        }]);
        assert!(text.contains("cucm1 refused 127.18.133.226:4000 TLS: wrong_subject"));
        assert!(text.contains("    expected  cube1.lab.example\n    presented evil.lab.example\n"));
    }
}
