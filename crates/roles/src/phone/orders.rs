//! What a phone does because its server says so: NOTIFY within a call with `Event: talk` (pick up, or take back) or `hold`,
//! and INVITEs that are to be answered by themselves. Phones of the field have these doors, without an RFC.

use sip::{Headers, Name, Request, ServerId, Status};

use super::{Phone, Plan, Stage, plan_of};
use crate::shell::{LegNo, Shell, warning};

const EVENTS: &str = "talk, hold";

/// Only who registers has a server that may say so.
fn obeys(plan: &Plan) -> bool {
    plan.call_control && plan.registration.is_some()
}

/// What may be asked of a call, for the answers to its INVITE.
pub(super) fn allowed(plan: &Plan) -> Headers {
    obeys(plan).then(|| (Name::AllowEvents, EVENTS.to_owned())).into_iter().collect()
}

/// Whether the INVITE is to be answered without ringing.
pub(super) fn answers_itself(plan: &Plan, request: &Request) -> bool {
    let asks = |value: &str| {
        value.split(';').skip(1).any(|parameter| {
            let (name, seconds) = parameter.split_once('=').unwrap_or((parameter, ""));
            name.trim().eq_ignore_ascii_case("answer-after") && seconds.trim() == "0"
        })
    };
    obeys(plan) && request.headers(&Name::CallInfo).any(asks)
}

impl Phone {
    pub(super) fn ordered(&mut self, shell: &mut Shell, leg: LegNo, server: ServerId, request: &Request) {
        let Some(plan) = plan_of(shell).filter(obeys) else {
            return shell.answer(leg, server, Status(489), Headers::new(), None);
        };
        let event = request.header(&Name::Event).unwrap_or_default();
        let event = event.split(';').next().unwrap_or_default().trim();
        let rings = self.calls.get(&leg).is_some_and(|call| call.stage == Stage::Rings);
        if !["talk", "hold"].iter().any(|known| event.eq_ignore_ascii_case(known)) {
            return shell.answer(leg, server, Status(489), allowed(&plan), None);
        }
        let holds = event.eq_ignore_ascii_case("hold");
        let fits = self.calls.get(&leg).and_then(|call| call.terminal.as_ref()).is_some_and(|it| !it.is_offering());
        if !(rings && !holds || fits) {
            let words = warning(&shell.plan().node, "not in this state of the call");
            return shell.answer(leg, server, Status(480), vec![words], None);
        }
        shell.answer(leg, server, Status(200), Headers::new(), None);
        let done = if rings { self.answer(shell, leg) } else { self.hold_on(shell, leg, holds) };
        if let Err(why) = done {
            tracing::warn!(%why, "the phone did not do as it was told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_registers_answers_by_itself_what_is_to_be_answered_so() {
        let invite = |info: &str| {
            let text = format!(
                "INVITE sip:1 SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:1@h>\r\n\
                 Call-ID: c\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n{info}Content-Length: 0\r\n\r\n"
            );
            sip::Message::parse(text.replace("sip:1 ", "sip:1@h ").into()).unwrap()
        };
        let server = crate::PeerPlan::new(
            "cucm",
            sip::Transport::Tls,
            std::net::SocketAddr::from(([192, 0, 2, 1], 5061)),
            vec!["cucm".into()],
        );
        let mut plan = Plan::new("1001", &server);
        let asks = invite("Call-Info: <sip:h>;answer-after=0\r\n");
        assert!(!answers_itself(&plan, &asks), "it registers nowhere");
        plan.registration = Some(super::super::Registration {
            expires: std::time::Duration::from_secs(60),
            user: "1001".into(),
            secret: super::super::Secret::new("s"),
        });
        assert!(answers_itself(&plan, &asks));
        assert!(!answers_itself(&plan, &invite("Call-Info: <sip:h>;answer-after=5\r\n")));
        assert!(!answers_itself(&plan, &invite("Call-Info: <sip:h;answer-after=1>\r\n")));
        assert!(!answers_itself(&plan, &invite("")));
        plan.call_control = false;
        assert!(!answers_itself(&plan, &asks), "switched off");
    }
}
