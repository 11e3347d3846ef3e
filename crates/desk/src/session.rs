//! People in browsers, whom a provider logged in: a log-in that began and is not over, the sessions that came of those that
//! are, and which requests a cookie is good for. Pure: time and randomness come in.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use store::accounts::Account;

/// A log-in that takes longer began anew.
const BEGUN_FOR: Duration = Duration::from_secs(600);
/// Log-ins whose end is remembered, so that none ends twice.
const MOST_USED: usize = 65_536;
/// Sessions at a time: one more ends the one that was idle for longest.
const MOST: usize = 10_000;
/// Octets of a path that a browser goes back to.
const LONGEST_PATH: usize = 1024;

/// Log-ins that began. Nothing of them is kept: a cookie has what names one, and state, nonce and verifier follow from
/// that under a key of this process. So nobody fills a memory by beginning.
pub(crate) struct Tickets {
    key: hmac::Key,
    used: BTreeMap<String, Duration>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) cookie: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    /// RFC 7636 §4.1: 43 letters.
    pub(crate) verifier: String,
    /// A path of this desk.
    pub(crate) to: String,
}

/// Why a log-in does not end well here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotBegun {
    /// No cookie of a log-in, or not one of this process.
    Unknown,
    /// Another's, or none.
    State,
    Late,
    Used,
}

impl NotBegun {
    pub(crate) fn words(self) -> &'static str {
        match self {
            NotBegun::Unknown => "no log-in began in this browser: begin at /api/v1/login",
            NotBegun::State => {
                "this answer is of another log-in (its `state` is not the one that was sent): begin at /api/v1/login"
            }
            NotBegun::Late => "the log-in took longer than ten minutes: begin again at /api/v1/login",
            NotBegun::Used => "this log-in is over already: begin another at /api/v1/login",
        }
    }
}

impl Tickets {
    pub(crate) fn new(secret: &[u8; 32]) -> Tickets {
        Tickets { key: hmac::Key::new(hmac::HMAC_SHA256, secret), used: BTreeMap::new() }
    }

    /// `id` is random; `to` what is gone back to afterwards.
    pub(crate) fn begin(&self, id: &[u8; 16], to: &str, now: Duration) -> Ticket {
        let (id, until) = (URL_SAFE_NO_PAD.encode(id), (now + BEGUN_FOR).as_secs());
        self.ticket(format!("{id}.{until}.{}", URL_SAFE_NO_PAD.encode(to)), to.to_owned())
    }

    fn ticket(&self, cookie: String, to: String) -> Ticket {
        let of = |what: &str| URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, format!("{what} {cookie}").as_bytes()));
        Ticket { state: of("state"), nonce: of("nonce"), verifier: of("verifier"), cookie, to }
    }

    /// The log-in that this cookie and this `state` are of.
    pub(crate) fn find(&self, cookie: Option<&str>, state: &str, now: Duration) -> Result<Ticket, NotBegun> {
        let cookie = cookie.ok_or(NotBegun::Unknown)?;
        let mut parts = cookie.split('.');
        let (Some(id), Some(until), Some(to), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(NotBegun::Unknown);
        };
        let to = URL_SAFE_NO_PAD.decode(to).ok().and_then(|to| String::from_utf8(to).ok()).ok_or(NotBegun::Unknown)?;
        let ticket = self.ticket(cookie.to_owned(), to);
        // It vouches for all that the cookie says, too.
        constant_time::verify_slices_are_equal(ticket.state.as_bytes(), state.as_bytes())
            .map_err(|_| NotBegun::State)?;
        let until = Duration::from_secs(until.parse().map_err(|_| NotBegun::Unknown)?);
        if now >= until {
            return Err(NotBegun::Late);
        }
        match self.used.contains_key(id) {
            true => Err(NotBegun::Used),
            false => Ok(ticket),
        }
    }

    /// The same. It is over with this, however it goes on.
    pub(crate) fn end(&mut self, cookie: Option<&str>, state: &str, now: Duration) -> Result<Ticket, NotBegun> {
        let ticket = self.find(cookie, state, now)?;
        if self.used.len() >= MOST_USED {
            self.used.retain(|_, until| *until > now);
            if self.used.len() >= MOST_USED {
                // Rather nobody than somebody twice.
                return Err(NotBegun::Late);
            }
        }
        let id = ticket.cookie.split('.').next().unwrap_or_default();
        self.used.insert(id.to_owned(), now + BEGUN_FOR);
        Ok(ticket)
    }
}

/// A path of ours to go back to; anything else would let a link on another page send people elsewhere by our word.
pub(crate) fn is_own_path(to: &str) -> bool {
    let mut octets = to.bytes();
    octets.next() == Some(b'/')
        && to.len() <= LONGEST_PATH
        && to.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && octets.next() != Some(b'/')
}

/// Those that are open.
#[derive(Default)]
pub(crate) struct Sessions {
    /// By a digest of the cookie, which itself is kept nowhere.
    all: BTreeMap<Vec<u8>, Session>,
    next: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) number: u64,
    pub(crate) account: Account,
    pub(crate) idle_until: Duration,
    pub(crate) until: Duration,
    idle: Duration,
}

impl Sessions {
    /// The number of the one that is opened next.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// `cookie` is random.
    pub(crate) fn open(&mut self, cookie: &str, account: Account, idle: Duration, life: Duration, now: Duration) {
        self.all.retain(|_, session| session.is_open(now));
        if self.all.len() >= MOST
            && let Some(oldest) =
                self.all.iter().min_by_key(|(_, session)| session.idle_until).map(|(key, _)| key.clone())
        {
            self.all.remove(&oldest);
        }
        let session = Session { number: self.next, account, idle_until: now + idle, until: now + life, idle };
        self.next += 1;
        self.all.insert(key(cookie), session);
    }

    /// Whose it is. They are not idle.
    pub(crate) fn find(&mut self, cookie: &str, now: Duration) -> Option<Session> {
        let session = self.all.get_mut(&key(cookie)).filter(|session| session.is_open(now))?;
        session.idle_until = now + session.idle;
        Some(session.clone())
    }

    /// Whether somebody who listens may still. They are not idle.
    pub(crate) fn is_open(&mut self, number: u64, now: Duration) -> bool {
        let found = self.all.values_mut().find(|session| session.number == number && session.is_open(now));
        found.map(|session| session.idle_until = now + session.idle).is_some()
    }

    /// Whose it was.
    pub(crate) fn close(&mut self, cookie: &str) -> Option<Account> {
        self.all.remove(&key(cookie)).map(|session| session.account)
    }

    pub(crate) fn close_all(&mut self) {
        self.all.clear();
    }
}

impl Session {
    fn is_open(&self, now: Duration) -> bool {
        now < self.idle_until && now < self.until
    }
}

fn key(cookie: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, cookie.as_bytes()).as_ref().to_vec()
}

/// Whether a request that changes something comes from a page of ours. A browser adds the cookie to whatever any page has
/// it send; these headers no page can write. All browsers of today send the first; `Origin` is for those before.
pub(crate) fn is_from_here(fetch_site: Option<&str>, origin: Option<&str>, host: Option<&str>) -> bool {
    match (fetch_site, origin, host) {
        (Some(site), _, _) => site == "same-origin",
        (None, Some(origin), Some(host)) => {
            origin.strip_prefix("https://").is_some_and(|of| of.eq_ignore_ascii_case(host))
        }
        (None, _, _) => false,
    }
}

/// The value of this cookie; a name that is there twice is nobody's.
pub(crate) fn cookie<'a>(headers: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    let pairs = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(of, _)| *of == name).map(|(_, value)| value);
    let one = found.next()?;
    found.next().is_none().then_some(one)
}

#[cfg(test)]
mod tests {
    use store::accounts::{Origin, Role};

    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ada(number: u64) -> Account {
        let origin = Origin::Provider { until_s: 99, session: Some(number) };
        Account { name: "ada".into(), role: Role::Agent, agent: Some("1001".into()), made_ms: 0, origin }
    }

    #[test]
    fn a_log_in_ends_once_in_its_own_browser_and_in_time() {
        let mut tickets = Tickets::new(&[1; 32]);
        let one = tickets.begin(&[2; 16], "/here?a=b", at(5));
        let other = tickets.begin(&[3; 16], "/here?a=b", at(5));
        assert_eq!(one.verifier.len(), 43);
        assert!(one.state != one.nonce && one.state != other.state && one.nonce != one.verifier);
        let cookie = Some(one.cookie.as_str());
        assert_eq!(tickets.end(None, &one.state, at(6)), Err(NotBegun::Unknown));
        assert_eq!(tickets.end(Some("x"), &one.state, at(6)), Err(NotBegun::Unknown));
        assert_eq!(tickets.end(cookie, &other.state, at(6)), Err(NotBegun::State));
        assert_eq!(tickets.end(cookie, "", at(6)), Err(NotBegun::State));
        assert_eq!(tickets.end(cookie, &one.state, at(605)), Err(NotBegun::Late));
        // Whoever makes it longer, or sends it elsewhere, makes it another.
        for (from, to) in [(".605.", ".999."), (&one.cookie[27..], &URL_SAFE_NO_PAD.encode("/there"))] {
            let changed = one.cookie.replace(from, to);
            assert_ne!(changed, one.cookie);
            assert_eq!(tickets.end(Some(&changed), &one.state, at(6)), Err(NotBegun::State));
        }
        // To be looked at does not end it.
        for _ in 0..2 {
            assert_eq!(tickets.find(cookie, &one.state, at(6)), Ok(one.clone()));
        }
        assert_eq!(tickets.end(cookie, &one.state, at(6)), Ok(one.clone()));
        assert_eq!(tickets.find(cookie, &one.state, at(7)), Err(NotBegun::Used));
        assert_eq!(tickets.end(cookie, &one.state, at(7)), Err(NotBegun::Used));
        assert_eq!(Tickets::new(&[9; 32]).end(cookie, &one.state, at(6)), Err(NotBegun::State), "another process's");
    }

    #[test]
    fn sessions_end_when_idle_when_old_and_when_closed() {
        let mut sessions = Sessions::default();
        sessions.open("a", ada(0), at(30), at(100), at(0));
        sessions.open("b", ada(1), at(30), at(100), at(0));
        assert!(sessions.find("c", at(1)).is_none());
        assert_eq!(sessions.find("a", at(29)).unwrap().number, 0);
        assert!(sessions.find("b", at(30)).is_none(), "idle");
        assert!(sessions.is_open(0, at(58)), "who listens is not idle");
        assert!(sessions.find("a", at(87)).is_some());
        assert!(sessions.find("a", at(99)).is_some() && sessions.find("a", at(100)).is_none(), "old");
        sessions.open("d", ada(2), at(30), at(100), at(100));
        assert_eq!(sessions.close("d"), Some(ada(2)));
        assert!(!sessions.is_open(2, at(101)) && sessions.close("d").is_none());
    }

    #[test]
    fn a_cookie_is_good_for_pages_of_ours_alone() {
        for (site, origin, good) in [
            (Some("same-origin"), None, true),
            (Some("same-origin"), Some("https://evil.example"), true),
            (Some("same-site"), Some("https://cvp1.lab.example:8445"), false),
            (Some("cross-site"), None, false),
            (Some("none"), None, false),
            (None, Some("https://CVP1.lab.example:8445"), true),
            (None, Some("http://cvp1.lab.example:8445"), false),
            (None, Some("https://cvp1.lab.example"), false),
            (None, Some("null"), false),
            (None, None, false),
        ] {
            assert_eq!(is_from_here(site, origin, Some("cvp1.lab.example:8445")), good, "{site:?} {origin:?}");
        }
        let cookies = || ["a=1; __Host-session=x", "b=2"].into_iter();
        assert_eq!(cookie(cookies(), "__Host-session"), Some("x"));
        assert_eq!(cookie(cookies(), "session"), None);
        assert_eq!(cookie(["a=1; a=2"].into_iter(), "a"), None);
    }

    #[test]
    fn nobody_is_sent_elsewhere() {
        for good in ["/", "/api/v1/session", "/desk?x=1#y"] {
            assert!(is_own_path(good), "{good}");
        }
        for bad in
            ["", "desk", "//evil.example", "/\\evil.example", "https://evil.example", "/a b", "/\r\nx: y", "/\u{e9}"]
        {
            assert!(!is_own_path(bad), "{bad}");
        }
    }
}
