//! Published state (RFC 3903 §6): kept softly, each publication under an entity-tag of its own, gone when nobody refreshes
//! it. Bounded: a publisher that makes up entities finds no room.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::package::{Package, Refused};
use crate::message::{Body, Message, Name, Status};

/// Publications kept, of all entities together, and of one.
const MOST: usize = 65_536;
const MOST_OF_ONE: usize = 16;

/// Names one version of one publication (RFC 3903 §4.1). Hard to guess: whoever knows it may change the state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Etag(pub String);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Publication {
    body: Body,
    until: Duration,
    /// Counts up: the one that was published last comes first.
    serial: u64,
}

/// What a PUBLISH did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// For `SIP-ETag` of the 200.
    pub etag: Etag,
    /// For its `Expires`.
    pub expires: u32,
    /// The entity's state is another one: its subscribers want to know.
    pub changed: bool,
}

/// All that was published of one package, by entity and entity-tag.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Compositor {
    package: Package,
    entities: BTreeMap<String, BTreeMap<Etag, Publication>>,
    serial: u64,
    count: usize,
}

impl Compositor {
    pub fn new(package: Package) -> Compositor {
        Compositor { package, entities: BTreeMap::new(), serial: 0, count: 0 }
    }

    /// A PUBLISH for `entity`, by somebody who may. `fresh` is the tag to give: random, never given before.
    ///
    /// The refusal is 400 for a body that is missing, 412 for a tag that is not known (any more), 415 for another media
    /// type, 423 for too short a time, 503 when there is no room.
    pub fn publish(
        &mut self,
        entity: &str,
        request: &Message,
        fresh: Etag,
        now: Duration,
    ) -> Result<Published, Refused> {
        self.expire(now);
        let refuse = |status: u16| Err(Refused { status: Status(status), headers: Vec::new() });
        let expires = self.package.terms().grant(request.expires())?;
        let known = match request.header(&Name::SipIfMatch) {
            None => None,
            Some(tag) => {
                let tag = Etag(tag.trim().to_owned());
                match self.entities.get(entity).is_some_and(|published| published.contains_key(&tag)) {
                    true => Some(tag),
                    false => return refuse(412),
                }
            }
        };
        let body = request.body();
        if let Some(body) = &body
            && !body.is(self.package.media_type())
        {
            let accept = vec![(Name::Accept, self.package.media_type().to_owned())];
            return Err(Refused { status: Status(415), headers: accept });
        }
        if known.is_none() && (body.is_none() || expires == 0) {
            return refuse(400);
        }
        let before = self.state(entity).cloned();
        if expires == 0 {
            if let Some(tag) = &known {
                self.remove(entity, tag);
            }
        } else {
            let of_one = self.entities.get(entity).map_or(0, BTreeMap::len);
            if known.is_none() && (self.count >= MOST || of_one >= MOST_OF_ONE) {
                return refuse(503);
            }
            let old = known.as_ref().and_then(|tag| self.remove(entity, tag));
            // Without a body a refresh: what was published stays, and its place too.
            let serial = match (&body, &old) {
                (None, Some(old)) => old.serial,
                _ => {
                    self.serial += 1;
                    self.serial
                }
            };
            let Some(body) = body.or(old.map(|old| old.body)) else { return refuse(400) };
            let until = now + Duration::from_secs(expires.into());
            let publication = Publication { body, until, serial };
            self.entities.entry(entity.to_owned()).or_default().insert(fresh.clone(), publication);
            self.count += 1;
        }
        Ok(Published { etag: fresh, expires, changed: self.state(entity) != before.as_ref() })
    }

    /// What is known of an entity: what was published last and still holds.
    pub fn state(&self, entity: &str) -> Option<&Body> {
        let newest = self.entities.get(entity)?.values().max_by_key(|publication| publication.serial)?;
        Some(&newest.body)
    }

    pub fn deadline(&self) -> Option<Duration> {
        self.entities.values().flat_map(BTreeMap::values).map(|publication| publication.until).min()
    }

    /// Forgets what ran out; the entities whose state is another one now.
    pub fn expire(&mut self, now: Duration) -> Vec<String> {
        let mut changed = Vec::new();
        let late = |publication: &Publication| publication.until <= now;
        let touched: Vec<String> = self
            .entities
            .iter()
            .filter(|(_, published)| published.values().any(late))
            .map(|(entity, _)| entity.clone())
            .collect();
        for entity in touched {
            let before = self.state(&entity).cloned();
            if let Some(published) = self.entities.get_mut(&entity) {
                let held = published.len();
                published.retain(|_, publication| !late(publication));
                self.count -= held - published.len();
                if published.is_empty() {
                    self.entities.remove(&entity);
                }
            }
            if self.state(&entity) != before.as_ref() {
                changed.push(entity);
            }
        }
        changed
    }

    fn remove(&mut self, entity: &str, tag: &Etag) -> Option<Publication> {
        let published = self.entities.get_mut(entity)?;
        let removed = published.remove(tag)?;
        self.count -= 1;
        if published.is_empty() {
            self.entities.remove(entity);
        }
        Some(removed)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const AT: fn(u64) -> Duration = Duration::from_secs;

    fn publish(fields: &str, body: &str) -> Message {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/pidf+xml\r\n" };
        let text = format!(
            "PUBLISH sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
             Call-ID: x\r\nCSeq: 1 PUBLISH\r\nEvent: presence\r\n{kind}{fields}\r\n{body}"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn tag(n: u32) -> Etag {
        Etag(format!("t{n}"))
    }

    fn status(found: Result<Published, Refused>) -> u16 {
        found.map_or_else(|refused| refused.status.0, |_| 200)
    }

    #[test]
    fn a_publication_lives_from_its_first_word_to_its_last() {
        let mut all = Compositor::new(Package::Presence);
        let first = all.publish("a", &publish("Expires: 600\r\n", "here"), tag(1), AT(0)).unwrap();
        assert_eq!(first, Published { etag: tag(1), expires: 600, changed: true });
        assert_eq!(all.state("a").unwrap().bytes, "here");
        // Refresh: no body, a new tag, no change.
        let again = all.publish("a", &publish("SIP-If-Match: t1\r\nExpires: 600\r\n", ""), tag(2), AT(300)).unwrap();
        assert!(!again.changed);
        assert_eq!(
            status(all.publish("a", &publish("SIP-If-Match: t1\r\n", "x"), tag(9), AT(300))),
            412,
            "the old tag"
        );
        let other = all.publish("a", &publish("SIP-If-Match: t2\r\n", "gone"), tag(3), AT(301)).unwrap();
        assert_eq!((other.changed, other.expires), (true, 3600));
        let last = all.publish("a", &publish("SIP-If-Match: t3\r\nExpires: 0\r\n", ""), tag(4), AT(302)).unwrap();
        assert_eq!((last.changed, last.expires), (true, 0));
        assert!(all.state("a").is_none() && all.deadline().is_none());
    }

    #[test]
    fn what_nobody_refreshes_is_gone() {
        let mut all = Compositor::new(Package::Presence);
        all.publish("a", &publish("Expires: 60\r\n", "phone"), tag(1), AT(0)).unwrap();
        all.publish("a", &publish("Expires: 600\r\n", "desk"), tag(2), AT(1)).unwrap();
        all.publish("b", &publish("Expires: 60\r\n", "x"), tag(3), AT(1)).unwrap();
        assert_eq!(all.deadline(), Some(AT(60)));
        assert_eq!(all.expire(AT(60)), Vec::<String>::new(), "the newer one stands");
        assert_eq!(all.expire(AT(61)), ["b"]);
        assert_eq!(all.state("a").unwrap().bytes, "desk");
        assert_eq!(status(all.publish("b", &publish("SIP-If-Match: t3\r\n", ""), tag(4), AT(62))), 412);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_code() {
        let mut all = Compositor::new(Package::Presence);
        assert_eq!(status(all.publish("a", &publish("", ""), tag(1), AT(0))), 400, "nothing to publish");
        assert_eq!(status(all.publish("a", &publish("Expires: 5\r\n", "x"), tag(1), AT(0))), 423);
        let mut summary = Compositor::new(Package::MessageSummary);
        let refused = summary.publish("a", &publish("", "x"), tag(1), AT(0)).unwrap_err();
        assert_eq!(refused.status, Status(415));
        assert_eq!(refused.headers, [(Name::Accept, "application/simple-message-summary".to_owned())]);
        for n in 0..MOST_OF_ONE as u32 {
            assert_eq!(status(all.publish("a", &publish("", "x"), tag(n), AT(0))), 200);
        }
        assert_eq!(status(all.publish("a", &publish("", "x"), tag(99), AT(0))), 503, "one entity has its bound");
        assert_eq!(status(all.publish("a", &publish("SIP-If-Match: t0\r\n", "y"), tag(99), AT(0))), 200);
    }
}
