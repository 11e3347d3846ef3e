//! What page servers let us keep (RFC 9111), for all callers of one voice browser: a shared cache. Nothing is guessed: a page
//! that says nothing of its age is asked about again (§4.2.2 would allow otherwise).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use hyper::header::{AGE, CACHE_CONTROL, DATE, ETAG, EXPIRES, LAST_MODIFIED, VARY};
use trust::Authority;

/// What is kept at most, in all.
const MOST_BYTES: usize = 64 << 20;
const MOST_PAGES: usize = 4096;

/// A page is found by who vouches for its server, and its address.
pub(super) type Key = (Authority, String);

#[derive(Debug, Default)]
pub(super) struct Cache {
    kept: BTreeMap<Key, Kept>,
    bytes: usize,
    /// Counts up with each use: the page with the lowest goes first.
    uses: u64,
}

#[derive(Debug)]
struct Kept {
    bytes: Arc<[u8]>,
    terms: Terms,
    conditions: Conditions,
    used: u64,
}

/// How long an answer may be used (§4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Terms {
    lifetime: Duration,
    /// Its age when it came (§4.2.3).
    age: Duration,
    came: SystemTime,
    /// Stale, it is never given unasked (§5.2.2.2, §5.2.2.8).
    strict: bool,
    /// It is asked about before each use (§5.2.2.4).
    always_ask: bool,
}

/// What a page is asked about by: `If-None-Match`, `If-Modified-Since` (RFC 9110 §13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    pub(super) etag: Option<String>,
    pub(super) modified: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It may be used as it is.
    Good(Arc<[u8]>),
    /// It may be used if the server says that it has not changed.
    AskAbout(Conditions),
    Nothing,
}

impl Cache {
    /// What there is for a request that takes this age at most, and stale pages of this staleness (VoiceXML 2.0 §6.1.2).
    pub(super) fn look(&mut self, key: &Key, max_age: Option<u32>, max_stale: Option<u32>, now: SystemTime) -> Found {
        self.uses += 1;
        let Some(kept) = self.kept.get_mut(key) else { return Found::Nothing };
        kept.used = self.uses;
        let terms = &kept.terms;
        let age = terms.age + now.duration_since(terms.came).unwrap_or_default();
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let good = if terms.always_ask {
            false
        } else if age < terms.lifetime {
            max_age.is_none_or(|most| age <= seconds(most))
        } else {
            !terms.strict && max_stale.is_some_and(|most| age - terms.lifetime <= seconds(most))
        };
        match good {
            true => Found::Good(kept.bytes.clone()),
            false => Found::AskAbout(kept.conditions.clone()),
        }
    }

    /// A 200 to a GET that was sent at `asked`. What may not be kept replaces what was.
    pub(super) fn keep(
        &mut self,
        key: Key,
        headers: &HeaderMap,
        bytes: &Arc<[u8]>,
        asked: SystemTime,
        now: SystemTime,
    ) {
        self.forget(&key);
        let Some(terms) = terms(headers, asked, now) else { return };
        let conditions = Conditions { etag: text(headers, ETAG), modified: text(headers, LAST_MODIFIED) };
        // What is stale at once and cannot be asked about is of no use to anybody.
        let useless = terms.lifetime.is_zero() && conditions == Conditions::default();
        if useless || bytes.len() > MOST_BYTES {
            return;
        }
        self.bytes += bytes.len();
        self.kept.insert(key, Kept { bytes: bytes.clone(), terms, conditions, used: self.uses });
        while self.bytes > MOST_BYTES || self.kept.len() > MOST_PAGES {
            let Some(oldest) = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone()) else {
                return;
            };
            self.forget(&oldest);
        }
    }

    /// A 304: the page is as it was, its terms are new (§4.3.4).
    pub(super) fn unchanged(
        &mut self,
        key: &Key,
        headers: &HeaderMap,
        asked: SystemTime,
        now: SystemTime,
    ) -> Option<Arc<[u8]>> {
        let kept = self.kept.get_mut(key)?;
        let bytes = kept.bytes.clone();
        match terms(headers, asked, now) {
            Some(terms) => {
                kept.terms = terms;
                kept.conditions.etag = text(headers, ETAG).or(kept.conditions.etag.take());
                kept.conditions.modified = text(headers, LAST_MODIFIED).or(kept.conditions.modified.take());
            }
            None => self.forget(key),
        }
        Some(bytes)
    }

    /// The page has gone, or was changed by a POST (§4.4).
    pub(super) fn forget(&mut self, key: &Key) {
        if let Some(kept) = self.kept.remove(key) {
            self.bytes -= kept.bytes.len();
        }
    }
}

/// `None`: it may not be kept (§3).
fn terms(headers: &HeaderMap, asked: SystemTime, now: SystemTime) -> Option<Terms> {
    let directives: Vec<(String, Option<String>)> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| match directive.split_once('=') {
            Some((name, value)) => (name.trim().to_ascii_lowercase(), Some(value.trim().trim_matches('"').to_owned())),
            None => (directive.trim().to_ascii_lowercase(), None),
        })
        .collect();
    let says = |name: &str| directives.iter().any(|(directive, _)| directive == name);
    // All our requests are alike but for their addresses, so of `Vary` only the star matters.
    let varies = headers.get_all(VARY).iter().any(|value| value.as_bytes().contains(&b'*'));
    if says("no-store") || says("private") || varies {
        return None;
    }
    // §4.2.1: what is not a number counts as stale.
    let seconds = |name: &str| {
        let (_, value) = directives.iter().find(|(directive, _)| directive == name)?;
        Some(Duration::from_secs(value.as_ref().and_then(|value| value.parse::<u32>().ok()).unwrap_or(0).into()))
    };
    let date = text(headers, DATE).and_then(|date| httpdate::parse_http_date(&date).ok());
    let expires = text(headers, EXPIRES).map(|expires| {
        let expires = httpdate::parse_http_date(&expires).ok();
        expires.and_then(|expires| expires.duration_since(date.unwrap_or(now)).ok()).unwrap_or_default()
    });
    let lifetime = seconds("s-maxage").or_else(|| seconds("max-age")).or(expires).unwrap_or_default();
    let apparent = date.and_then(|date| now.duration_since(date).ok()).unwrap_or_default();
    let on_the_way = text(headers, AGE).and_then(|age| age.trim().parse::<u32>().ok()).unwrap_or(0);
    let corrected = Duration::from_secs(on_the_way.into()) + now.duration_since(asked).unwrap_or_default();
    Some(Terms {
        lifetime,
        age: apparent.max(corrected),
        came: now,
        strict: says("must-revalidate") || says("proxy-revalidate") || says("s-maxage"),
        always_ask: says("no-cache"),
    })
}

fn text(headers: &HeaderMap, name: hyper::header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + 1_790_000_000 * S
    }

    fn key() -> Key {
        (Authority::Own, "https://pages.example/main.vxml".into())
    }

    /// A cache with one page that came with these headers at [`start`].
    fn kept(headers: &[(&'static str, &str)]) -> Cache {
        let mut cache = Cache::default();
        cache.keep(key(), &map(headers), &Arc::from(*b"page"), start(), start());
        cache
    }

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn at(cache: &mut Cache, seconds: u32, max_age: Option<u32>, max_stale: Option<u32>) -> &'static str {
        match cache.look(&key(), max_age, max_stale, start() + seconds * S) {
            Found::Good(bytes) => {
                assert_eq!(&*bytes, b"page");
                "good"
            }
            Found::AskAbout(_) => "ask",
            Found::Nothing => "nothing",
        }
    }

    #[test]
    fn a_page_is_good_for_as_long_as_its_server_says() {
        let mut cache = kept(&[("cache-control", "public, max-age=60")]);
        assert_eq!(at(&mut cache, 59, None, None), "good");
        assert_eq!(at(&mut cache, 60, None, None), "ask");
        // What a proxy kept it for counts.
        let mut cache = kept(&[("cache-control", "max-age=60"), ("age", "50")]);
        assert_eq!((at(&mut cache, 9, None, None), at(&mut cache, 11, None, None)), ("good", "ask"));
        let (date, expires) = (httpdate::fmt_http_date(start()), httpdate::fmt_http_date(start() + 30 * S));
        let mut cache = kept(&[("date", &date), ("expires", &expires)]);
        assert_eq!((at(&mut cache, 29, None, None), at(&mut cache, 31, None, None)), ("good", "ask"));
        // For a cache that many share its own word goes first.
        let mut cache = kept(&[("cache-control", "max-age=60, s-maxage=5")]);
        assert_eq!(at(&mut cache, 6, None, None), "ask");
    }

    #[test]
    fn maxage_and_maxstale_of_the_application_hold() {
        let mut cache = kept(&[("cache-control", "max-age=60"), ("etag", "\"1\"")]);
        assert_eq!((at(&mut cache, 10, Some(10), None), at(&mut cache, 11, Some(10), None)), ("good", "ask"));
        assert_eq!(at(&mut cache, 0, Some(0), None), "good", "as young as it can be");
        assert_eq!((at(&mut cache, 90, None, Some(30)), at(&mut cache, 91, None, Some(30))), ("good", "ask"));
        let mut strict = kept(&[("cache-control", "max-age=60, must-revalidate"), ("etag", "\"1\"")]);
        assert_eq!(at(&mut strict, 61, None, Some(30)), "ask");
    }

    #[test]
    fn what_may_not_be_kept_is_not_and_replaces_what_was() {
        for control in ["no-store", "private, max-age=60", "max-age=nonsense", ""] {
            let mut cache = kept(&[("cache-control", control)]);
            assert_eq!(at(&mut cache, 0, None, Some(60)), "nothing", "{control}");
        }
        assert_eq!(at(&mut kept(&[("cache-control", "max-age=60"), ("vary", "*")]), 0, None, None), "nothing");
        assert_eq!(at(&mut kept(&[("cache-control", "no-cache, max-age=60")]), 0, None, Some(60)), "ask");
        let mut cache = kept(&[("cache-control", "max-age=60")]);
        cache.keep(key(), &map(&[("cache-control", "no-store")]), &Arc::from(*b"new"), start(), start());
        assert_eq!(at(&mut cache, 0, None, None), "nothing");
        assert_eq!(cache.bytes, 0);
    }

    #[test]
    fn what_has_not_changed_is_good_for_another_while() {
        let mut cache = kept(&[("etag", "\"1\""), ("last-modified", "Sun, 22 Nov 2026 08:00:00 GMT")]);
        let conditions =
            Conditions { etag: Some("\"1\"".into()), modified: Some("Sun, 22 Nov 2026 08:00:00 GMT".into()) };
        assert_eq!(cache.look(&key(), None, None, start()), Found::AskAbout(conditions));
        let later = start() + 100 * S;
        let bytes = cache.unchanged(&key(), &map(&[("cache-control", "max-age=60")]), later, later);
        assert_eq!(bytes.as_deref(), Some(&b"page"[..]));
        assert_eq!((at(&mut cache, 159, None, None), at(&mut cache, 160, None, None)), ("good", "ask"));
    }

    #[test]
    fn the_page_that_was_used_longest_ago_goes_first() {
        let mut cache = Cache::default();
        let page: Arc<[u8]> = vec![0; MOST_BYTES / 4].into();
        let key = |n: u32| (Authority::Own, format!("https://pages.example/{n}"));
        for n in 0..4 {
            cache.keep(key(n), &map(&[("cache-control", "max-age=60")]), &page, start(), start());
            assert_ne!(cache.look(&key(0), None, None, start()), Found::Nothing);
        }
        cache.keep(key(4), &map(&[("cache-control", "max-age=60")]), &page, start(), start());
        let there: Vec<bool> = (0..5).map(|n| cache.look(&key(n), None, None, start()) != Found::Nothing).collect();
        assert_eq!(there, [true, false, true, true, true]);
        assert!(cache.bytes <= MOST_BYTES);
    }
}
