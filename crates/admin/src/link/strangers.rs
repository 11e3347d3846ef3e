//! Handshakes under way, of the control link or another listener for people: whoever has not yet shown who they are takes
//! no administrator's place.
//!
//! A source may have a few at once. When all places are taken the one that has been silent longest makes room: an
//! administrator's handshake takes milliseconds, so it is never that one.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Handshakes under way, in all and from one address.
const MOST: usize = 128;
const MOST_ONE_SOURCE: usize = 16;

/// The waiting room; clones are the same one.
#[derive(Clone)]
pub struct Strangers(Arc<Mutex<Room>>);

struct Room {
    most: usize,
    most_one_source: usize,
    next: u64,
    /// In the order of their coming. Dropping the sender tells a handshake to make room.
    under_way: BTreeMap<u64, (IpAddr, oneshot::Sender<()>)>,
}

/// A place in the waiting room: given up when dropped.
pub struct Place {
    room: Strangers,
    number: u64,
    /// Ends when somebody else needs the place.
    wanted: oneshot::Receiver<()>,
}

impl Default for Strangers {
    fn default() -> Strangers {
        Strangers::with_room(MOST, MOST_ONE_SOURCE)
    }
}

impl Strangers {
    /// For as many in all, and from one address.
    pub fn with_room(most: usize, most_one_source: usize) -> Strangers {
        Strangers(Arc::new(Mutex::new(Room { most, most_one_source, next: 0, under_way: BTreeMap::new() })))
    }

    /// The next connection, with its place. Who is turned away, or could not be accepted, is in the log under `service`.
    pub async fn accept(&self, listener: &TcpListener, service: &str) -> (TcpStream, SocketAddr, Place) {
        loop {
            let (stream, remote) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(service, %error, "accept failed");
                    // Out of descriptors, mostly: others must end before another try can go better.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            match self.enter(remote.ip()) {
                Some(place) => return (stream, remote, place),
                None => tracing::debug!(service, %remote, "turned away: too many of its handshakes are under way"),
            }
        }
    }

    /// `None`: this source has as many handshakes under way as one may.
    pub fn enter(&self, source: IpAddr) -> Option<Place> {
        let mut room = self.room();
        if room.under_way.values().filter(|(other, _)| *other == source).count() >= room.most_one_source {
            return None;
        }
        if room.under_way.len() >= room.most {
            room.under_way.pop_first();
        }
        let (keep, wanted) = oneshot::channel();
        let number = room.next;
        room.next += 1;
        room.under_way.insert(number, (source, keep));
        Some(Place { room: self.clone(), number, wanted })
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        // Nothing in here can leave the room half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Comes back when the place is needed for somebody else.
    pub async fn wanted(&mut self) {
        let _ = (&mut self.wanted).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.room().under_way.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: usize) -> IpAddr {
        IpAddr::from((n as u32).to_be_bytes())
    }

    #[tokio::test]
    async fn a_source_has_a_share_and_the_oldest_makes_room() {
        let strangers = Strangers::default();
        let here: Vec<Place> = (0..MOST_ONE_SOURCE).filter_map(|_| strangers.enter(source(0))).collect();
        assert_eq!(here.len(), MOST_ONE_SOURCE);
        assert!(strangers.enter(source(0)).is_none());
        let mut others: Vec<Place> = (here.len()..MOST).filter_map(|n| strangers.enter(source(n))).collect();
        let _late = strangers.enter(source(MOST)).expect("somebody makes room");
        let mut here = here.into_iter();
        here.next().expect("the oldest").wanted().await;
        let still = tokio::time::timeout(std::time::Duration::ZERO, others[0].wanted()).await;
        assert!(still.is_err(), "nobody else has to go");
        drop((here, others));
        assert_eq!(strangers.room().under_way.len(), 1, "a place is given up with its connection");
    }
}
