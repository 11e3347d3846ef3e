//! Overload control between neighbours (RFC 7339 with the loss algorithm) and how much one source may send.
//!
//! A neighbour that says `oc` in its Via is told in each answer how much of its traffic to keep to itself, and does so by
//! itself; from others the same share is refused here, early and without state. What a neighbour asks of us holds for
//! the time it names: that share of our own new requests fails at once, so that a role tries somebody else.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::Typed;
use crate::message::via::Via;

/// From this share of the room on (percent) less is asked for.
const COMFORT: usize = 70;
/// How long what we ask for holds; each answer says it anew.
const VALIDITY: Duration = Duration::from_millis(500);
/// Neighbours and sources that are remembered.
const MOST: usize = 4096;

/// New requests that one source may send: so many a second, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Bucket {
    /// Thousandths of a request.
    left: u64,
    filled: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    percent: u32,
    until: Duration,
    seq: (u64, u64),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Overload {
    asked: BTreeMap<SocketAddr, Asked>,
    buckets: BTreeMap<IpAddr, Bucket>,
    /// Counts up with each value that we tell.
    told: u64,
}

/// Percent of new requests to keep away, of a node that holds `held` of at most `most` transactions.
pub(crate) fn loss(held: usize, most: usize) -> u32 {
    let used = held.saturating_mul(100) / most.max(1);
    let over = used.saturating_sub(COMFORT).min(100 - COMFORT);
    u32::try_from(over * 100 / (100 - COMFORT)).unwrap_or(100)
}

impl Overload {
    /// Whether this source may send one more. Sources beyond what is remembered share nothing: the fullest buckets, which
    /// are those of the quiet, are forgotten first.
    pub(crate) fn admits(&mut self, source: IpAddr, rate: Rate, now: Duration) -> bool {
        let full = u64::from(rate.burst.max(1)) * 1000;
        if !self.buckets.contains_key(&source) && self.buckets.len() >= MOST {
            self.buckets.retain(|_, bucket| filled(bucket, rate, now) < full);
        }
        if !self.buckets.contains_key(&source) && self.buckets.len() >= MOST {
            return false;
        }
        let bucket = self.buckets.entry(source).or_insert(Bucket { left: full, filled: now });
        (bucket.left, bucket.filled) = (filled(bucket, rate, now), now);
        let admitted = bucket.left >= 1000;
        if admitted {
            bucket.left -= 1000;
        }
        admitted
    }

    /// The topmost Via of an answer to a neighbour that speaks this: its `oc` filled in (RFC 7339 §4.1–§4.4). `None` for
    /// one that does not, or knows no algorithm but others.
    pub(crate) fn tell(&mut self, top: &str, loss: u32) -> Option<String> {
        // Most neighbours do not, and their Via is not read for it.
        if !top.contains(";oc") && !top.contains("; oc") {
            return None;
        }
        let mut via = Via::read(top).ok().filter(speaks)?;
        via.params.retain(|(name, _)| name != "oc" && !name.starts_with("oc-"));
        self.told += 1;
        let mut put = |name: &str, value: String| via.params.push((name.to_owned(), Some(value)));
        put("oc", loss.to_string());
        put("oc-algo", "\"loss\"".to_owned());
        put("oc-validity", VALIDITY.as_millis().to_string());
        put("oc-seq", format!("{}.0", self.told));
        Some(via.to_string())
    }

    /// Takes what a neighbour says in the topmost Via of its answer.
    pub(crate) fn hear(&mut self, neighbour: SocketAddr, top: &str, now: Duration) {
        let Ok(via) = Via::read(top) else { return };
        let value = |name: &str| via.params.iter().find(|(n, _)| n == name).and_then(|(_, value)| value.as_deref());
        let Some(percent) = value("oc").and_then(|text| text.parse::<u32>().ok()) else { return };
        if value("oc-algo").is_some_and(|algorithm| !algorithm.trim_matches('"').eq_ignore_ascii_case("loss")) {
            return;
        }
        let validity = value("oc-validity").and_then(|ms| ms.parse().ok()).unwrap_or(500);
        let seq = value("oc-seq").map_or((0, 0), |text| {
            let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
            (whole.parse().unwrap_or(0), part.parse().unwrap_or(0))
        });
        match self.asked.get(&neighbour) {
            // An answer that was overtaken (§4.4); what has run out counts no more, since the neighbour may have restarted.
            Some(known) if known.until > now && seq < known.seq => return,
            None if self.asked.len() >= MOST => self.asked.retain(|_, asked| asked.until > now),
            _ => {}
        }
        if percent == 0 || validity == 0 {
            self.asked.remove(&neighbour);
        } else if self.asked.len() < MOST || self.asked.contains_key(&neighbour) {
            let until = now + Duration::from_millis(validity);
            self.asked.insert(neighbour, Asked { percent: percent.min(100), until, seq });
        }
    }

    /// Percent of our new requests that this neighbour does not want now.
    pub(crate) fn asked_by(&self, neighbour: SocketAddr, now: Duration) -> u32 {
        self.asked.get(&neighbour).filter(|asked| asked.until > now).map_or(0, |asked| asked.percent)
    }
}

/// What a bucket holds now, in thousandths.
fn filled(bucket: &Bucket, rate: Rate, now: Duration) -> u64 {
    let passed = u64::try_from(now.saturating_sub(bucket.filled).as_millis()).unwrap_or(u64::MAX);
    let more = passed.saturating_mul(rate.per_second.into());
    bucket.left.saturating_add(more).min(u64::from(rate.burst.max(1)) * 1000)
}

/// `oc` without a value, and an algorithm that we know.
fn speaks(via: &Via) -> bool {
    let says = via.params.iter().any(|(name, value)| name == "oc" && value.is_none());
    let knows = |value: &str| value.trim_matches('"').split(',').any(|name| name.trim().eq_ignore_ascii_case("loss"));
    says && via.params.iter().find(|(name, _)| name == "oc-algo").is_none_or(|(_, v)| v.as_deref().is_some_and(knows))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn less_is_asked_for_from_seventy_percent_on() {
        let curve = [0, 69, 70, 85, 99, 100, 200].map(|held| loss(held, 100));
        assert_eq!(curve, [0, 0, 0, 50, 96, 100, 100]);
        assert_eq!(loss(0, 0), 0);
    }

    #[test]
    fn a_source_gets_its_burst_and_then_its_rate() {
        let (mut overload, rate) = (Overload::default(), Rate { per_second: 10, burst: 3 });
        let [a, b]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let taken = (0..10).filter(|_| overload.admits(a, rate, AT(0))).count();
        assert_eq!(taken, 3);
        assert!(overload.admits(b, rate, AT(0)), "another source has its own");
        let taken = (0..1000).filter(|ms| overload.admits(a, rate, AT(*ms))).count();
        assert!((9..=10).contains(&taken), "{taken} in a second");
        let taken = (0..10).filter(|_| overload.admits(a, rate, AT(60_000))).count();
        assert_eq!(taken, 3, "quiet saves no more than a burst");
    }

    #[test]
    fn made_up_sources_take_bounded_room_and_make_way() {
        let (mut overload, rate) = (Overload::default(), Rate { per_second: 1, burst: 2 });
        let source = |n: u32| IpAddr::from(std::net::Ipv4Addr::from(n));
        for n in 0..MOST as u32 {
            assert!(overload.admits(source(n), rate, AT(0)));
        }
        assert!(!overload.admits(source(u32::MAX), rate, AT(0)));
        assert_eq!(overload.buckets.len(), MOST);
        assert!(overload.admits(source(u32::MAX), rate, AT(2000)), "the quiet made way");
    }

    #[test]
    fn who_speaks_it_is_told() {
        let mut overload = Overload::default();
        let top = "SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1;oc;oc-algo=\"loss,A\"";
        let told = overload.tell(top, 20).unwrap();
        assert_eq!(
            told,
            "SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1;oc=20;oc-algo=\"loss\";oc-validity=500;oc-seq=1.0"
        );
        for other in ["SIP/2.0/UDP h;branch=z9hG4bK1", "SIP/2.0/UDP h;oc=3", "SIP/2.0/UDP h;oc;oc-algo=\"rate\""] {
            assert_eq!(overload.tell(other, 20), None, "{other}");
        }
        assert!(overload.tell("SIP/2.0/UDP h;oc", 0).unwrap().contains(";oc=0;"));
    }

    #[test]
    fn what_a_neighbour_asks_holds_for_its_time_and_in_its_order() {
        let mut overload = Overload::default();
        let neighbour: SocketAddr = "192.0.2.1:5061".parse().unwrap();
        let mut hear = |text: &str, at: u64| {
            overload.hear(neighbour, &format!("SIP/2.0/TLS h;branch=z9hG4bK1;{text}"), AT(at));
            (overload.asked_by(neighbour, AT(at)), overload.asked_by(neighbour, AT(at + 1000)))
        };
        assert_eq!(hear("oc=40;oc-algo=\"loss\";oc-validity=800;oc-seq=7.1", 0), (40, 0));
        assert_eq!(hear("oc=10;oc-validity=800;oc-seq=7.0", 10).0, 40, "overtaken");
        assert_eq!(hear("oc=10;oc-validity=2000;oc-seq=7.2", 10), (10, 10));
        assert_eq!(hear("oc=90;oc-algo=\"rate\";oc-seq=8.0", 10).0, 10, "another algorithm");
        assert_eq!(hear("oc=nothing", 10).0, 10);
        assert_eq!(hear("oc=0;oc-seq=9.0", 20), (0, 0));
        assert_eq!(hear("oc=250;oc-seq=1.0", 20).0, 100);
    }
}
