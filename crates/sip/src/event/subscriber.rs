//! One subscription where the state is wanted (RFC 6665 §4.1): made, refreshed in time, made anew when the other side says
//! so, given up when it must be.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::package::Package;
use crate::message::{Message, Name, Status, SubscriptionState};

/// Silence of the notifier after a 2xx: no NOTIFY within timer N (64·T1) and it was no subscription (§4.1.2.4).
const FIRST_NOTIFY: Duration = Duration::from_secs(32);
/// Pause before another try where nobody names one.
const PAUSE: Duration = Duration::from_secs(30);
/// Tries in a row without a NOTIFY before the pause grows no more.
const DOUBLINGS: u32 = 6;

/// What the machine wants of its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// SUBSCRIBE outside a dialog, with these seconds in Expires. Any earlier dialog of this subscription is forgotten.
    Begin { expires: u32 },
    /// SUBSCRIBE inside the dialog; 0 ends it.
    Refresh { expires: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// To be begun at this time.
    Idle(Duration),
    /// SUBSCRIBE is under way outside a dialog.
    Asked,
    /// Granted, and the first NOTIFY is awaited until then.
    Granted(Duration),
    /// A NOTIFY said active or pending.
    Up,
    /// We asked for its end.
    Leaving,
    Over,
}

/// One wish to know, for as long as its user has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subscriber {
    state: State,
    /// Seconds that we ask for; grows with a 423.
    expires: u32,
    /// When it runs out, and when to refresh.
    until: Duration,
    refresh_at: Duration,
    /// A refresh is under way.
    refreshing: bool,
    failures: u32,
    wish: Option<Wish>,
}

impl Subscriber {
    pub fn new(package: Package, now: Duration) -> Subscriber {
        let expires = package.terms().usual;
        let mut subscriber = Subscriber {
            state: State::Idle(now),
            expires,
            until: now,
            refresh_at: now,
            refreshing: false,
            failures: 0,
            wish: None,
        };
        subscriber.tick(now);
        subscriber
    }

    pub fn poll(&mut self) -> Option<Wish> {
        self.wish.take()
    }

    /// The state is no longer wanted.
    pub fn leave(&mut self) {
        match self.state {
            State::Granted(_) | State::Up => {
                self.state = State::Leaving;
                self.wish = Some(Wish::Refresh { expires: 0 });
            }
            State::Asked => self.state = State::Leaving,
            State::Idle(_) => self.state = State::Over,
            State::Leaving | State::Over => {}
        }
    }

    /// A final answer to a SUBSCRIBE of ours.
    pub fn answered(&mut self, response: &Message, now: Duration) {
        let status = response.status().unwrap_or(Status(500));
        let was_refresh = std::mem::take(&mut self.refreshing);
        if status.is_success() {
            let granted = response.expires().filter(|granted| *granted <= self.expires).unwrap_or(self.expires);
            self.runs(granted, now);
            match self.state {
                State::Asked => self.state = State::Granted(now + FIRST_NOTIFY),
                // It came while we were being let in.
                State::Leaving if !was_refresh && granted > 0 => self.wish = Some(Wish::Refresh { expires: 0 }),
                _ => {}
            }
            return;
        }
        let least = response.header(&Name::MinExpires).and_then(|text| text.trim().parse::<u32>().ok());
        match (status.0, least, self.state) {
            (_, _, State::Leaving) => self.state = State::Over,
            (423, Some(least), _) if least > self.expires => {
                self.expires = least;
                self.ask(was_refresh);
            }
            // The dialog is gone at the other side: begin anew (§4.1.2.3).
            (481, _, State::Up) => self.state = State::Idle(now),
            // A fault of the moment: what was granted stands until it runs out.
            (_, _, State::Up) if was_refresh && status.0 != 489 && status.0 != 403 => {
                self.refresh_at = now + (self.until.saturating_sub(now) / 2).max(Duration::from_secs(5));
            }
            (403 | 404 | 405 | 410 | 416 | 482..=485 | 489 | 501 | 600..=699, _, _) => self.state = State::Over,
            _ => self.later(response.typed().and_then(Result::ok), now),
        }
        self.tick(now);
    }

    /// No answer to a SUBSCRIBE, or no way to send it.
    pub fn failed(&mut self, now: Duration) {
        self.refreshing = false;
        match self.state {
            State::Leaving => self.state = State::Over,
            State::Over => {}
            _ => self.later(None, now),
        }
    }

    /// A NOTIFY: what it says of the subscription. The answer that it must get: 200, 400 without Subscription-State, 481
    /// when nobody asked any more (§4.1.3).
    pub fn notified(&mut self, notify: &Message, now: Duration) -> Status {
        let Some(Ok(said)) = notify.typed::<SubscriptionState>() else { return Status(400) };
        if matches!(self.state, State::Over | State::Idle(_)) {
            return Status(481);
        }
        self.failures = 0;
        if !said.is_terminated() {
            if let Some(left) = said.expires() {
                self.runs(left.min(self.expires), now);
            }
            if self.state != State::Leaving {
                self.state = State::Up;
            }
            return Status(200);
        }
        if self.state == State::Leaving {
            self.state = State::Over;
            return Status(200);
        }
        let again = |after: u32| State::Idle(now + Duration::from_secs(after.into()));
        self.refreshing = false;
        self.state = match said.reason() {
            Some("rejected" | "noresource" | "invariant") => State::Over,
            Some("deactivated" | "timeout") => again(0),
            Some("probation" | "giveup") => again(said.retry_after().unwrap_or(PAUSE.as_secs() as u32)),
            _ => again(said.retry_after().unwrap_or(0)),
        };
        self.tick(now);
        Status(200)
    }

    /// Nothing will come any more, and nothing is wanted.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// A NOTIFY has shown that it stands.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Idle(at) => Some(at),
            State::Granted(until) => Some(until),
            State::Up if self.refreshing => Some(self.until),
            State::Up => Some(self.refresh_at),
            State::Leaving => Some(self.until),
            State::Asked | State::Over => None,
        }
    }

    pub fn tick(&mut self, now: Duration) {
        match self.state {
            State::Idle(at) if at <= now => {
                self.state = State::Asked;
                self.ask(false);
            }
            State::Granted(until) if until <= now => self.later(None, now),
            State::Up if self.until <= now => {
                self.state = State::Idle(now);
                self.tick(now);
            }
            State::Up if !self.refreshing && self.refresh_at <= now => self.ask(true),
            State::Leaving if self.until <= now => self.state = State::Over,
            _ => {}
        }
    }

    fn ask(&mut self, inside: bool) {
        self.refreshing = inside;
        let expires = self.expires;
        self.wish = Some(if inside { Wish::Refresh { expires } } else { Wish::Begin { expires } });
    }

    /// Runs for so many seconds from now; refreshed at nine tenths, and no later than half a minute before the end.
    fn runs(&mut self, seconds: u32, now: Duration) {
        let whole = Duration::from_secs(seconds.into());
        self.until = now + whole;
        self.refresh_at = now + (whole * 9 / 10).min(whole.saturating_sub(Duration::from_secs(30))).max(whole / 2);
    }

    /// Tries again after a pause that doubles with each failure in a row.
    fn later(&mut self, named: Option<crate::message::RetryAfter>, now: Duration) {
        let pause = PAUSE * 2u32.pow(self.failures.min(DOUBLINGS));
        self.failures += 1;
        let pause = named.map_or(pause, |named| Duration::from_secs(named.seconds.into()));
        self.state = State::Idle(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const AT: fn(u64) -> Duration = Duration::from_secs;

    fn message(start: &str, more: &str) -> Message {
        let method = if start.starts_with("NOTIFY") { "NOTIFY" } else { "SUBSCRIBE" };
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: x\r\n\
             CSeq: 1 {method}\r\n{more}\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn answer(status: u16, more: &str) -> Message {
        message(&format!("SIP/2.0 {status} X"), more)
    }

    fn notify(state: &str) -> Message {
        message("NOTIFY sip:c@d SIP/2.0", &format!("Event: dialog\r\nSubscription-State: {state}\r\n"))
    }

    /// Up since 0, for 600 s.
    fn up() -> Subscriber {
        let mut subscriber = Subscriber::new(Package::Dialog, AT(0));
        assert_eq!(subscriber.poll(), Some(Wish::Begin { expires: 3600 }));
        subscriber.answered(&answer(200, "Expires: 600\r\n"), AT(0));
        assert_eq!(subscriber.notified(&notify("active;expires=600"), AT(0)), Status(200));
        assert!(subscriber.is_up());
        subscriber
    }

    #[test]
    fn it_is_refreshed_before_it_runs_out() {
        let mut subscriber = up();
        assert_eq!(subscriber.deadline(), Some(AT(540)));
        subscriber.tick(AT(540));
        assert_eq!(subscriber.poll(), Some(Wish::Refresh { expires: 3600 }));
        assert_eq!(subscriber.poll(), None);
        subscriber.answered(&answer(200, "Expires: 600\r\n"), AT(541));
        assert_eq!(subscriber.deadline(), Some(AT(1081)));
    }

    #[test]
    fn the_notify_may_come_before_the_answer() {
        let mut subscriber = Subscriber::new(Package::Dialog, AT(0));
        subscriber.poll();
        assert_eq!(subscriber.notified(&notify("pending;expires=60"), AT(0)), Status(200));
        assert!(subscriber.is_up());
        subscriber.answered(&answer(200, "Expires: 60\r\n"), AT(1));
        assert!(subscriber.is_up());
    }

    #[test]
    fn a_2xx_without_notify_is_no_subscription() {
        let mut subscriber = Subscriber::new(Package::Dialog, AT(0));
        subscriber.poll();
        subscriber.answered(&answer(200, "Expires: 600\r\n"), AT(0));
        subscriber.tick(AT(32));
        assert!(!subscriber.is_up() && subscriber.poll().is_none());
        assert_eq!(subscriber.deadline(), Some(AT(62)));
        subscriber.tick(AT(62));
        assert_eq!(subscriber.poll(), Some(Wish::Begin { expires: 3600 }));
    }

    #[test]
    fn too_brief_asks_for_more_and_never_for_less() {
        let mut subscriber = Subscriber::new(Package::Dialog, AT(0));
        subscriber.poll();
        subscriber.answered(&answer(423, "Min-Expires: 7200\r\n"), AT(0));
        assert_eq!(subscriber.poll(), Some(Wish::Begin { expires: 7200 }));
        subscriber.answered(&answer(423, "Min-Expires: 100\r\n"), AT(0));
        assert_eq!(subscriber.poll(), None, "nonsense is not obeyed in a circle");
    }

    #[test]
    fn what_the_notifier_says_of_the_end_is_done() {
        for (said, again) in [
            ("terminated;reason=noresource", None),
            ("terminated;reason=rejected", None),
            ("terminated;reason=deactivated", Some(100)),
            ("terminated;reason=timeout", Some(100)),
            ("terminated;reason=probation;retry-after=20", Some(120)),
            ("terminated;reason=giveup", Some(130)),
            ("terminated", Some(100)),
        ] {
            let mut subscriber = up();
            assert_eq!(subscriber.notified(&notify(said), AT(100)), Status(200));
            match again {
                None => assert!(subscriber.is_over(), "{said}"),
                Some(at) => {
                    subscriber.tick(AT(at - 1));
                    let early = subscriber.poll();
                    subscriber.tick(AT(at));
                    let wish = early.or(subscriber.poll());
                    assert_eq!(wish, Some(Wish::Begin { expires: 3600 }), "{said}");
                    assert!(at == 100 || early.is_none(), "{said}: too early");
                }
            }
        }
    }

    #[test]
    fn refusals_end_it_or_are_tried_again_later_and_later() {
        for status in [403, 404, 489, 603] {
            let mut subscriber = Subscriber::new(Package::Presence, AT(0));
            subscriber.poll();
            subscriber.answered(&answer(status, ""), AT(0));
            assert!(subscriber.is_over(), "{status}");
        }
        let mut subscriber = Subscriber::new(Package::Presence, AT(0));
        subscriber.poll();
        subscriber.answered(&answer(503, "Retry-After: 7\r\n"), AT(0));
        assert_eq!(subscriber.deadline(), Some(AT(7)));
        subscriber.tick(AT(7));
        subscriber.poll();
        subscriber.failed(AT(7));
        assert_eq!(subscriber.deadline(), Some(AT(67)), "30 s, then twice that");
    }

    #[test]
    fn a_refresh_that_fails_costs_only_what_it_must() {
        let mut subscriber = up();
        subscriber.tick(AT(540));
        subscriber.poll();
        subscriber.answered(&answer(500, ""), AT(540));
        assert!(subscriber.is_up());
        subscriber.tick(AT(570));
        assert!(matches!(subscriber.poll(), Some(Wish::Refresh { .. })));
        subscriber.answered(&answer(481, ""), AT(571));
        assert_eq!(subscriber.poll(), Some(Wish::Begin { expires: 3600 }), "the other side knows nothing of it");
    }

    #[test]
    fn leaving_is_said_and_the_last_notify_is_the_end() {
        let mut subscriber = up();
        subscriber.leave();
        assert_eq!(subscriber.poll(), Some(Wish::Refresh { expires: 0 }));
        subscriber.answered(&answer(200, "Expires: 0\r\n"), AT(10));
        assert_eq!(subscriber.notified(&notify("terminated;reason=timeout"), AT(10)), Status(200));
        assert!(subscriber.is_over());
        assert_eq!(subscriber.notified(&notify("active"), AT(11)), Status(481));
        let mut early = Subscriber::new(Package::Dialog, AT(0));
        early.poll();
        early.leave();
        early.answered(&answer(200, "Expires: 600\r\n"), AT(1));
        assert_eq!(early.poll(), Some(Wish::Refresh { expires: 0 }), "as soon as it can be said");
    }

    #[test]
    fn a_notify_that_says_nothing_of_the_subscription_is_400() {
        let mut subscriber = up();
        assert_eq!(subscriber.notified(&message("NOTIFY sip:c@d SIP/2.0", "Event: dialog\r\n"), AT(1)), Status(400));
    }
}
