//! One subscription where the state is (RFC 6665 §4.2): granted, refreshed, ended; and its NOTIFYs, one at a time, no
//! faster than its package allows, the newest state instead of all that were missed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::package::{Package, Refused};
use crate::message::{Body, Status, SubscriptionState, Substate};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// Somebody has yet to say whether it may.
    Pending,
    Active,
    /// The last NOTIFY is owed or under way.
    Ending,
    Over,
}

/// A NOTIFY to be sent in the subscription's dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub state: SubscriptionState,
    /// None while pending: whoever may not know hears nothing (§4.2.1.2).
    pub body: Option<Body>,
}

/// One subscription, from the SUBSCRIBE that was answered 200 to its last NOTIFY.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Notifier {
    package: Package,
    state: State,
    until: Duration,
    /// Why it ends, for the last NOTIFY.
    reason: Option<String>,
    body: Option<Body>,
    /// A NOTIFY is owed, and not before when.
    owed: Option<Duration>,
    /// A NOTIFY waits for its answer.
    under_way: bool,
    last: Option<Duration>,
}

impl Notifier {
    /// `expires` is what the SUBSCRIBE asks, `body` the full state now, `pending` when somebody has yet to allow it. Gives
    /// the seconds for the 200's Expires; `Some(0)` in the request is a fetch: one NOTIFY, then it is over (§4.4.3).
    pub fn new(
        package: Package,
        expires: Option<u32>,
        pending: bool,
        body: Option<Body>,
        now: Duration,
    ) -> Result<(Notifier, u32), Refused> {
        let granted = package.terms().grant(expires)?;
        let state = match (granted, pending) {
            (0, _) => State::Ending,
            (_, true) => State::Pending,
            (_, false) => State::Active,
        };
        let notifier = Notifier {
            package,
            state,
            until: now + Duration::from_secs(granted.into()),
            reason: (granted == 0).then(|| "timeout".to_owned()),
            body: body.filter(|_| !pending),
            owed: Some(now),
            under_way: false,
            last: None,
        };
        Ok((notifier, granted))
    }

    /// A SUBSCRIBE within the dialog: seconds for its 200. It is answered by a NOTIFY with the full state (§4.2.1.2). 481
    /// when the subscription is over.
    pub fn refresh(&mut self, expires: Option<u32>, now: Duration) -> Result<u32, Refused> {
        if matches!(self.state, State::Ending | State::Over) {
            return Err(Refused { status: Status(481), headers: Vec::new() });
        }
        let granted = self.package.terms().grant(expires)?;
        self.until = now + Duration::from_secs(granted.into());
        match granted {
            0 => self.end("timeout", now),
            _ => self.owed = Some(now),
        }
        Ok(granted)
    }

    /// Somebody has allowed it.
    pub fn allow(&mut self, body: Option<Body>, now: Duration) {
        if self.state == State::Pending {
            self.state = State::Active;
            self.body = body;
            self.owed = Some(now);
        }
    }

    /// The state is another one. What is not sent yet is replaced.
    pub fn changed(&mut self, body: Body, now: Duration) {
        if self.state == State::Active && self.body.as_ref() != Some(&body) {
            self.body = Some(body);
            let earliest = self.last.map_or(now, |last| (last + self.package.pace()).max(now));
            self.owed = Some(self.owed.map_or(earliest, |owed| owed.min(earliest)));
        }
    }

    /// Ends it with a last NOTIFY: `noresource`, `rejected`, `deactivated`, `probation`, `giveup`, … (§4.1.3).
    pub fn end(&mut self, reason: &str, now: Duration) {
        if matches!(self.state, State::Pending | State::Active) {
            if self.state == State::Pending {
                self.body = None;
            }
            self.state = State::Ending;
            self.reason = Some(reason.to_owned());
            self.owed = Some(now);
        }
    }

    /// The NOTIFY that is due; its answer, or that none came (408), is told to [`Notifier::answered`].
    pub fn poll(&mut self, now: Duration) -> Option<Notice> {
        if self.under_way || self.owed.is_none_or(|at| at > now) || self.state == State::Over {
            return None;
        }
        self.owed = None;
        self.under_way = true;
        self.last = Some(now);
        let left = u32::try_from(self.until.saturating_sub(now).as_secs()).unwrap_or(u32::MAX);
        let state = match self.state {
            State::Pending => SubscriptionState { state: Substate::Pending, ..SubscriptionState::active(left) },
            State::Active => SubscriptionState::active(left),
            State::Ending | State::Over => {
                SubscriptionState::terminated(self.reason.as_deref().unwrap_or("noresource"))
            }
        };
        Some(Notice { state, body: self.body.clone() })
    }

    /// What the NOTIFY met. 481 and silence, and every refusal that RFC 5057 §5.1 takes for the end of the usage, end it
    /// without another word; after others it goes on (§4.2.2).
    pub fn answered(&mut self, status: Status, now: Duration) {
        self.under_way = false;
        let fatal = matches!(status.0, 404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604);
        match self.state {
            _ if fatal => self.state = State::Over,
            State::Ending if self.owed.is_none() => self.state = State::Over,
            _ => {}
        }
        // What changed meanwhile waits for the pace, counted from the NOTIFY that was just answered.
        if let (State::Active, Some(owed), Some(last)) = (self.state, self.owed, self.last) {
            self.owed = Some(owed.max(last + self.package.pace()).max(now));
        }
    }

    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Over => None,
            State::Ending => self.owed.filter(|_| !self.under_way),
            State::Pending | State::Active => {
                let owed = self.owed.filter(|_| !self.under_way);
                Some(owed.map_or(self.until, |owed| owed.min(self.until)))
            }
        }
    }

    /// Lets it run out.
    pub fn tick(&mut self, now: Duration) {
        if self.until <= now {
            self.end("timeout", now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Duration = Duration::from_secs;

    fn state(text: &str) -> Option<Body> {
        Some(Body::new("application/pidf+xml", text.to_owned()))
    }

    fn presence(pending: bool) -> Notifier {
        Notifier::new(Package::Presence, Some(600), pending, state("here"), AT(0)).unwrap().0
    }

    fn told(notifier: &mut Notifier, at: u64) -> Option<(String, Option<Body>)> {
        notifier.tick(AT(at));
        let notice = notifier.poll(AT(at))?;
        Some((notice.state.to_string(), notice.body))
    }

    #[test]
    fn the_full_state_is_told_at_once_and_after_each_refresh() {
        let mut notifier = presence(false);
        assert_eq!(told(&mut notifier, 0), Some(("active;expires=600".into(), state("here"))));
        assert_eq!(told(&mut notifier, 0), None);
        notifier.answered(Status(200), AT(0));
        assert_eq!(notifier.deadline(), Some(AT(600)));
        assert_eq!(notifier.refresh(Some(300), AT(100)), Ok(300));
        assert_eq!(told(&mut notifier, 100), Some(("active;expires=300".into(), state("here"))));
        assert_eq!(notifier.refresh(Some(5), AT(100)).unwrap_err().status, Status(423));
    }

    #[test]
    fn one_notify_at_a_time_at_the_packages_pace_with_the_newest_state() {
        let mut notifier = presence(false);
        told(&mut notifier, 0);
        for (at, text) in [(1, "away"), (2, "here"), (3, "gone")] {
            notifier.changed(state(text).unwrap(), AT(at));
            assert_eq!(told(&mut notifier, at), None, "one is under way");
        }
        notifier.answered(Status(200), AT(4));
        assert_eq!(told(&mut notifier, 4), None, "five seconds apart");
        assert_eq!(notifier.deadline(), Some(AT(5)));
        assert_eq!(told(&mut notifier, 5).unwrap().1, state("gone"));
        notifier.answered(Status(200), AT(5));
        notifier.changed(state("gone").unwrap(), AT(50));
        assert_eq!(told(&mut notifier, 50), None, "nothing has changed");
    }

    #[test]
    fn who_is_not_allowed_yet_hears_nothing() {
        let mut notifier = presence(true);
        assert_eq!(told(&mut notifier, 0), Some(("pending;expires=600".into(), None)));
        notifier.answered(Status(200), AT(0));
        notifier.changed(state("secret").unwrap(), AT(1));
        assert_eq!(told(&mut notifier, 10), None);
        let mut refused = notifier.clone();
        notifier.allow(state("here"), AT(20));
        assert_eq!(told(&mut notifier, 20), Some(("active;expires=580".into(), state("here"))));
        refused.end("rejected", AT(20));
        assert_eq!(told(&mut refused, 20), Some(("terminated;reason=rejected".into(), None)));
    }

    #[test]
    fn it_ends_by_time_by_request_and_by_us_with_a_last_word_each() {
        let mut late = presence(false);
        told(&mut late, 0);
        late.answered(Status(200), AT(0));
        assert_eq!(told(&mut late, 599), None);
        assert_eq!(told(&mut late, 600), Some(("terminated;reason=timeout".into(), state("here"))));
        assert!(!late.is_over());
        late.answered(Status(200), AT(600));
        assert!(late.is_over() && late.deadline().is_none());
        assert_eq!(late.refresh(Some(600), AT(601)).unwrap_err().status, Status(481));

        let mut asked = presence(false);
        told(&mut asked, 0);
        // While one is under way: the last word waits for its answer.
        assert_eq!(asked.refresh(Some(0), AT(1)), Ok(0));
        assert_eq!(told(&mut asked, 1), None);
        asked.answered(Status(200), AT(2));
        assert_eq!(told(&mut asked, 2).unwrap().0, "terminated;reason=timeout");
        asked.answered(Status(200), AT(3));
        assert!(asked.is_over());
    }

    #[test]
    fn a_fetch_is_one_notify() {
        let (mut notifier, granted) = Notifier::new(Package::Reg, Some(0), false, state("x"), AT(0)).unwrap();
        assert_eq!(granted, 0);
        assert_eq!(told(&mut notifier, 0), Some(("terminated;reason=timeout".into(), state("x"))));
        notifier.answered(Status(200), AT(0));
        assert!(notifier.is_over());
    }

    #[test]
    fn a_subscriber_that_is_gone_gets_no_more() {
        for status in [481, 408, 404, 489] {
            let mut notifier = presence(false);
            told(&mut notifier, 0);
            notifier.answered(Status(status), AT(0));
            assert!(notifier.is_over(), "{status}");
            assert_eq!(told(&mut notifier, 1000), None);
        }
        let mut notifier = presence(false);
        told(&mut notifier, 0);
        notifier.answered(Status(500), AT(0));
        assert!(!notifier.is_over(), "a passing fault");
    }
}
