//! Refusals on the wire: Warning (RFC 3261 §20.43) in words that name the rule, what came, what was wanted, what to do.

use sip::{Headers, Name, Status};
use trust::Refusal;

use super::{LegNo, Shell};
use crate::{Journal, RefusalRecord};

/// `Warning: 399 NODE "…"`.
pub fn warning(node: &str, words: &str) -> (Name, String) {
    (Name::Warning, format!("399 {node} \"{}\"", quotable(words)))
}

/// Printable ASCII without what would end a quoted string.
pub(crate) fn quotable(words: &str) -> String {
    let printable = |c: char| match c {
        '"' | '\\' => '\'',
        ' '..='~' => c,
        _ => '?',
    };
    words.chars().take(400).map(printable).collect()
}

/// `why` as `who` has it. What earlier hops put in front of it goes: each hop says who it was from its own side.
pub(crate) fn from_side(who: &str, why: &str) -> String {
    const SIDES: [&str; 3] = ["BYE: ", "the caller: ", "the other side: "];
    let mut bare = why;
    while let Some(rest) = SIDES.iter().find_map(|side| bare.strip_prefix(side)) {
        bare = rest;
    }
    format!("{who}: {bare}")
}

/// A description that was refused, as a refusal.
pub fn rejection(reject: &sdp::Reject) -> Refusal {
    let plain = reject.offered.contains("AVP") && !reject.offered.contains("SAVP");
    let cause = match plain {
        true => "plain_rtp_offered",
        false if reject.status == 400 => "not_sdp",
        false => "no_common_media",
    };
    Refusal {
        cause: cause.into(),
        rule: reject.rule.clone(),
        expected: reject.required.clone(),
        presented: reject.offered.clone(),
        remedy: "offer what is required, or change the rule on both sides".into(),
    }
}

pub(crate) fn in_words(refusal: &Refusal) -> String {
    format!("{}; expected: {}; presented: {}; {}", refusal.rule, refusal.expected, refusal.presented, refusal.remedy)
}

impl Shell {
    /// Writes a refusal down for `show refusals` and the log.
    pub(crate) fn refused(&mut self, flow: Option<sip::Flow>, answered: Status, refusal: Refusal) {
        tracing::warn!(cause = %refusal.cause, rule = %refusal.rule, answered = answered.0, "refused");
        let from = flow.map(|flow| (flow.remote, flow.transport));
        self.write_down(from, format!("SIP {} {}", answered.0, answered.reason()), refusal);
    }

    /// Writes down that a phone's registration was ended by us, of which the phone is not told before it registers again.
    pub(crate) fn withdrawn(&mut self, remote: std::net::SocketAddr, transport: sip::Transport, refusal: Refusal) {
        tracing::warn!(cause = %refusal.cause, rule = %refusal.rule, "a registration was ended");
        self.write_down(Some((remote, transport)), "the registration ended".into(), refusal);
    }

    fn write_down(&mut self, from: Option<(std::net::SocketAddr, sip::Transport)>, answered: String, refusal: Refusal) {
        self.journal(Journal::Refused(RefusalRecord {
            at_ms: call::ms(self.now()),
            node: self.plan().node.clone(),
            remote: from.map(|(remote, _)| remote),
            transport: from.map(|(_, transport)| transport),
            answered,
            refusal,
        }));
    }

    /// Turns down the INVITE or re-INVITE waiting on a leg because of its description: 488 (or 400) with the words.
    pub fn reject(&mut self, leg: LegNo, reject: &sdp::Reject) {
        let status = Status(reject.status);
        let refusal = rejection(reject);
        let headers = self.rejected(leg, status, refusal.clone());
        self.refuse(leg, status, headers, in_words(&refusal));
    }

    /// Writes down that a leg's peer was refused; the Warning header to tell it so.
    pub fn rejected(&mut self, leg: LegNo, status: Status, refusal: Refusal) -> Headers {
        let flow = self.leg(leg).and_then(|leg| self.sip.flow(leg.dialog)).and_then(|flow| self.sight(flow));
        let flow = flow.map(|sight| sight.flow);
        let headers = vec![warning(&self.plan().node, &in_words(&refusal))];
        self.refused(flow, status, refusal);
        headers
    }
}
