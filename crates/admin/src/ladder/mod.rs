//! The ladder: one call's messages between all parties on one self-contained page, with the security of every arrow.
//!
//! It is drawn from the nodes' traces, which are taken after decryption with the keys of `a=crypto` already redacted.

mod page;

use std::collections::BTreeSet;
use std::net::IpAddr;

use net::TraceEntry;

pub use page::{Page, page};

/// The entries of one call: those of every SIP Call-ID that carried the caller's UUID in its Session-ID.
pub fn of_call(entries: Vec<TraceEntry>, caller: &str) -> Vec<TraceEntry> {
    let caller = caller.to_ascii_lowercase();
    let call_ids: BTreeSet<String> = entries
        .iter()
        .filter(|e| header(&e.text, "session-id").is_some_and(|v| v.to_ascii_lowercase().contains(&caller)))
        .filter_map(|e| call_id(&e.text))
        .map(str::to_owned)
        .collect();
    entries.into_iter().filter(|e| call_id(&e.text).is_some_and(|id| call_ids.contains(id))).collect()
}

/// One arrow.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrow {
    pub at_us: u64,
    pub from: IpAddr,
    pub to: IpAddr,
    /// `INVITE`, `200 OK`, …
    pub what: String,
    /// Body and method facts worth a second line: `RTP/SAVP AEAD_AES_256_GCM +3`, `CSeq 2 INVITE`.
    pub detail: String,
    /// `TLSv1.3 mutual`, or `UDP in clear`.
    pub security: String,
    /// Suite and group of the connection.
    pub cipher: String,
    pub secure: bool,
    pub text: String,
}

/// Arrows of all nodes' entries in order of time; a message that both of its ends saw is one arrow, timed by its sender.
pub fn arrows(mut entries: Vec<TraceEntry>) -> Vec<Arrow> {
    let nodes: BTreeSet<IpAddr> = entries.iter().map(|e| e.local.ip()).collect();
    // What came from one of our own nodes was already seen when that node sent it.
    entries.retain(|e| e.sent || !nodes.contains(&e.remote.ip()));
    entries.sort_by_key(|e| e.at_us);
    entries.into_iter().map(arrow).collect()
}

fn arrow(entry: TraceEntry) -> Arrow {
    let (from, to) = if entry.sent { (entry.local, entry.remote) } else { (entry.remote, entry.local) };
    let (security, cipher) = match &entry.tls {
        Some(tls) => {
            let proof = if tls.mutual { "mutual" } else { "server only" };
            (format!("{} {proof}", tls.version), format!("{} {}", tls.suite, tls.group))
        }
        None => (format!("{} in clear", entry.transport.as_str()), String::new()),
    };
    Arrow {
        at_us: entry.at_us,
        from: from.ip(),
        to: to.ip(),
        what: what(&entry.text),
        detail: detail(&entry.text),
        secure: entry.tls.is_some(),
        security,
        cipher,
        text: entry.text,
    }
}

/// Method of a request, code and reason of a response.
fn what(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    match first.strip_prefix("SIP/2.0 ") {
        Some(status) => status.trim().to_owned(),
        None => first.split(' ').next().unwrap_or_default().to_owned(),
    }
}

fn detail(text: &str) -> String {
    let mut parts = Vec::new();
    if let Some(cseq) = header(text, "cseq").filter(|cseq| !cseq.starts_with("1 ")) {
        parts.push(format!("CSeq {cseq}"));
    }
    if let Some(media) = text.lines().find(|l| l.starts_with("m=audio")) {
        let profile = media.split(' ').nth(2).unwrap_or_default();
        let suites: Vec<&str> =
            text.lines().filter_map(|l| l.strip_prefix("a=crypto:")).filter_map(|l| l.split(' ').nth(1)).collect();
        let more = if suites.len() > 1 { format!(" +{}", suites.len() - 1) } else { String::new() };
        parts.push(format!("{profile} {}{more}", suites.first().copied().unwrap_or_default()).trim_end().to_owned());
    }
    if let Some(refer) = header(text, "refer-to") {
        let target = refer.trim_start_matches('<').split(['@', '>']).next().unwrap_or_default();
        parts.push(format!("to {target}"));
    }
    if let Some(fragment) = text.split("\r\n\r\n").nth(1).filter(|b| b.starts_with("SIP/2.0 ")) {
        parts.push(fragment.lines().next().unwrap_or_default().trim_start_matches("SIP/2.0 ").to_owned());
    }
    parts.join(" · ")
}

/// A header field of a message's text by its long name (as our own nodes write them) or compact form.
fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let head = text.split("\r\n\r\n").next()?;
    head.lines().skip(1).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn call_id(text: &str) -> Option<&str> {
    header(text, "call-id").or_else(|| header(text, "i"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(local: &str, remote: &str, sent: bool, text: &str) -> TraceEntry {
        TraceEntry {
            at_us: 1,
            node: "n".into(),
            sent,
            transport: sip::Transport::Udp,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            tls: None,
            text: text.into(),
        }
    }

    #[test]
    fn a_call_is_all_messages_of_its_call_ids() {
        let with = "INVITE sip:x SIP/2.0\r\nCall-ID: a\r\n\r\n";
        let mark = "SIP/2.0 200 OK\r\nCall-ID: a\r\nSession-ID: 00ff;remote=11\r\n\r\n";
        let other = "INVITE sip:x SIP/2.0\r\nCall-ID: b\r\n\r\n";
        let all = [with, mark, other].map(|t| entry("127.0.0.1:1", "127.0.0.2:1", true, t)).to_vec();
        let texts: Vec<_> = of_call(all, "00FF").into_iter().map(|e| e.text).collect();
        assert_eq!(texts, [with, mark]);
    }

    #[test]
    fn a_message_seen_at_both_ends_is_one_arrow() {
        let text = "BYE sip:x SIP/2.0\r\nCall-ID: a\r\nCSeq: 3 BYE\r\n\r\n";
        let both = vec![
            entry("127.0.0.1:5061", "127.0.0.2:5061", true, text),
            entry("127.0.0.2:5061", "127.0.0.1:40000", false, text),
            entry("127.0.0.1:5060", "127.0.0.9:5062", false, text),
        ];
        let arrows = arrows(both);
        assert_eq!(arrows.len(), 2);
        assert_eq!((arrows[0].what.as_str(), arrows[0].detail.as_str()), ("BYE", "CSeq 3 BYE"));
    }
}
