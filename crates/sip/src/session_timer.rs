//! Session timers (RFC 4028): who refreshes a session, how often, and when it is taken for dead.
//!
//! Plain arithmetic over seconds; the endpoint reads and writes the header fields and sends what is due.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The `refresher` parameter: which side of *this transaction* refreshes from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refresher {
    Uac,
    Uas,
}

impl Refresher {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Refresher::Uac => "uac",
            Refresher::Uas => "uas",
        }
    }
}

/// What a request or an answer says of session timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// `Session-Expires`, in seconds.
    pub(crate) expires: Option<u32>,
    pub(crate) refresher: Option<Refresher>,
    /// `Min-SE`, in seconds; 90 when absent (RFC 4028 §5).
    pub(crate) min_se: Option<u32>,
    /// `Supported: timer`.
    pub(crate) supported: bool,
}

/// What both sides hold to after a 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) expires: u32,
    pub(crate) refresher: Refresher,
    /// The answer carries `Require: timer` (RFC 4028 §9).
    pub(crate) require: bool,
}

/// RFC 4028 §4: nobody may insist on less.
pub(crate) const LEAST: u32 = 90;

/// What the answering side makes of a request (RFC 4028 §9, table 2). `Err` is our Min-SE for a 422.
pub(crate) fn answer(said: Said, wanted: u32, min_se: u32) -> Result<Option<Agreed>, u32> {
    let floor = said.min_se.unwrap_or(LEAST).max(min_se);
    let Some(asked) = said.expires else {
        // The peer would not refresh and would not expire: a timer is worth its traffic only if it takes part.
        let agreed = Agreed { expires: wanted.max(floor), refresher: Refresher::Uac, require: true };
        return Ok(said.supported.then_some(agreed));
    };
    if !said.supported {
        // A proxy asked for it; the caller does not know timers, so we refresh and 422 would tell it nothing.
        return Ok(Some(Agreed { expires: asked.max(floor), refresher: Refresher::Uas, require: false }));
    }
    if asked < min_se {
        return Err(min_se);
    }
    let refresher = said.refresher.unwrap_or(Refresher::Uac);
    Ok(Some(Agreed { expires: asked.min(wanted).max(floor), refresher, require: true }))
}

/// What the asking side makes of a 2xx (RFC 4028 §7.2). No `Session-Expires` means no timer.
pub(crate) fn accepted(said: Said) -> Option<Agreed> {
    let refresher = said.refresher.unwrap_or(Refresher::Uac);
    said.expires.map(|expires| Agreed { expires: expires.max(LEAST), refresher, require: false })
}

/// The timer of one running session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionTimer {
    pub(crate) expires: u32,
    /// It is our turn to refresh.
    pub(crate) ours: bool,
    refresh_at: Option<Duration>,
    expires_at: Duration,
}

/// What a running session wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionDue {
    Nothing,
    Refresh,
    Expired,
}

impl SessionTimer {
    /// Starts over at each 2xx. `ours`: this side refreshes.
    pub(crate) fn start(expires: u32, ours: bool, now: Duration) -> SessionTimer {
        let whole = Duration::from_secs(expires.into());
        // RFC 4028 §10: the waiting side ends it min(32 s, a third) early, the refreshing side refreshes at the half.
        let early = Duration::from_secs(32).min(whole / 3);
        SessionTimer { expires, ours, refresh_at: ours.then_some(now + whole / 2), expires_at: now + whole - early }
    }

    pub(crate) fn due(&self) -> Duration {
        self.refresh_at.map_or(self.expires_at, |at| at.min(self.expires_at))
    }

    pub(crate) fn tick(&mut self, now: Duration) -> SessionDue {
        if self.expires_at <= now {
            return SessionDue::Expired;
        }
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_at = None;
            return SessionDue::Refresh;
        }
        SessionDue::Nothing
    }

    /// A refresh could not be made now; try once more after `pause`.
    pub(crate) fn again(&mut self, pause: Duration, now: Duration) {
        self.refresh_at = Some(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(expires: u32, refresher: Option<Refresher>, supported: bool) -> Said {
        Said { expires: Some(expires), refresher, min_se: None, supported }
    }

    #[test]
    fn table_2_of_rfc_4028() {
        use Refresher::{Uac, Uas};
        let refresher = |said| answer(said, 1800, 90).unwrap().map(|a| (a.refresher, a.require));
        assert_eq!(refresher(said(1800, None, false)), Some((Uas, false)));
        assert_eq!(refresher(said(1800, None, true)), Some((Uac, true)));
        assert_eq!(refresher(said(1800, Some(Uac), true)), Some((Uac, true)));
        assert_eq!(refresher(said(1800, Some(Uas), true)), Some((Uas, true)));
        assert_eq!(refresher(Said { supported: true, ..Said::default() }), Some((Uac, true)));
        assert_eq!(refresher(Said::default()), None);
    }

    #[test]
    fn too_small_is_refused_only_to_who_understands() {
        assert_eq!(answer(said(60, None, true), 1800, 90), Err(90));
        assert_eq!(answer(said(60, None, false), 1800, 90).unwrap().unwrap().expires, 90);
    }

    #[test]
    fn an_interval_is_lowered_but_never_below_either_minimum() {
        assert_eq!(answer(said(3600, None, true), 600, 90).unwrap().unwrap().expires, 600);
        let asked = Said { min_se: Some(900), ..said(3600, None, true) };
        assert_eq!(answer(asked, 600, 90).unwrap().unwrap().expires, 900);
    }

    #[test]
    fn the_refreshing_side_acts_at_the_half_the_other_ends_it() {
        let second = Duration::from_secs;
        let mut ours = SessionTimer::start(1800, true, second(10));
        assert_eq!(ours.due(), second(910));
        assert_eq!(ours.tick(second(910)), SessionDue::Refresh);
        assert_eq!(ours.due(), second(1778));
        assert_eq!(ours.tick(second(1778)), SessionDue::Expired);
        assert_eq!(SessionTimer::start(90, false, second(0)).due(), second(60));
    }
}
