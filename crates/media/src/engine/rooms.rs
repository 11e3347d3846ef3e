//! The conferences of this thread: who sits in which seat, and the frame that everybody gets every 20 ms.

use std::collections::BTreeMap;
use std::time::Duration;

use sdp::Codec;

use super::leg;
use crate::command::LeaseId;
use crate::conference::{Conference, FRAME, Part, Seat};

/// What is later than this is left out rather than mixed in a burst.
const CATCH_UP: Duration = Duration::from_millis(100);
const EVERY: Duration = Duration::from_millis(20);

/// Where a leg sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) conference: u64,
    seat: Seat,
}

#[derive(Default)]
pub(super) struct Rooms(BTreeMap<u64, Room>);

struct Room {
    conference: Conference,
    seats: BTreeMap<Seat, LeaseId>,
    /// When the next frame is due.
    next: Duration,
}

impl Rooms {
    pub(super) fn sit(
        &mut self,
        conference: u64,
        lease: LeaseId,
        part: Part<LeaseId>,
        codec: Codec,
        now: Duration,
    ) -> Option<Place> {
        let room = self.0.entry(conference).or_insert_with(|| Room {
            conference: Conference::new(),
            seats: BTreeMap::new(),
            next: leg::on_grid(now),
        });
        let seat = room.conference.join(room.part(part), codec)?;
        room.seats.insert(seat, lease);
        Some(Place { conference, seat })
    }

    pub(super) fn take_part(&mut self, place: Place, part: Part<LeaseId>) {
        if let Some(room) = self.0.get_mut(&place.conference) {
            room.conference.take_part(place.seat, room.part(part));
        }
    }

    pub(super) fn set_codec(&mut self, place: Place, codec: Codec) {
        if let Some(room) = self.0.get_mut(&place.conference) {
            room.conference.set_codec(place.seat, codec);
        }
    }

    /// The last one closes the door.
    pub(super) fn leave(&mut self, place: Place) {
        let Some(room) = self.0.get_mut(&place.conference) else { return };
        room.conference.leave(place.seat);
        room.seats.remove(&place.seat);
        if room.seats.is_empty() {
            self.0.remove(&place.conference);
        }
    }

    pub(super) fn take(&mut self, place: Place, ssrc: u32, timestamp: u32, payload: &[u8], now: Duration) {
        if let Some(room) = self.0.get_mut(&place.conference) {
            room.conference.take(place.seat, ssrc, timestamp, payload, now);
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.0.values().map(|room| room.next).min()
    }

    /// Every frame that is due by `now`: `say` is given each party's.
    pub(super) fn tick(&mut self, now: Duration, mut say: impl FnMut(LeaseId, Duration, &[u8; FRAME])) {
        for room in self.0.values_mut() {
            if room.next + CATCH_UP < now {
                room.next = leg::on_grid_before(now);
            }
            while room.next <= now {
                let (due, seats) = (room.next, &room.seats);
                room.conference.tick(due, |seat, codes| {
                    if let Some(lease) = seats.get(&seat) {
                        say(*lease, due, codes);
                    }
                });
                room.next += EVERY;
            }
        }
    }
}

impl Room {
    /// Who whispers to somebody who is not here is heard by nobody.
    fn part(&self, part: Part<LeaseId>) -> Part {
        match part {
            Part::Talks => Part::Talks,
            Part::Listens => Part::Listens,
            Part::Whispers { to } => match self.seats.iter().find(|(_, lease)| **lease == to) {
                Some((seat, _)) => Part::Whispers { to: *seat },
                None => Part::Listens,
            },
        }
    }
}
