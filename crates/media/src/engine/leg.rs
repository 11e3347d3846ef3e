//! What a lease holds: its stream once agreed, and what is to be done with it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;

use super::doors::{Doors, Inside};
use super::keep::{Ended, Keeping};
use super::outgoing;
use super::record::Recorder;
use super::rooms::Place;
use super::stream::{Heard, Kind, Stream};
use super::tap::Ears;
use super::voice::{Frame, Voice};
use crate::command::{Event, Keep, KeptEnd, LeaseId, Spoken, Transmit};
use crate::dtmf;
use crate::facts::Facts;
use crate::g711;
use crate::inband;
use crate::prompt::Clip;
use crate::rtp::{self, Header};

/// Frames are due on this grid, so that many streams share one wake-up.
const GRID_MS: u128 = 5;
/// What is later than this is left out rather than sent in a burst.
const CATCH_UP: Duration = Duration::from_millis(100);

pub(super) struct Leg {
    pub(super) id: LeaseId,
    local: SocketAddr,
    pub(super) stream: Option<Stream>,
    pub(super) bridge: Option<LeaseId>,
    /// Keys are told while it is bridged.
    pub(super) overheard: bool,
    /// Where it sits in a conference.
    pub(super) place: Option<Place>,
    pub(super) voice: Voice,
    /// When the next frame of the voice is due.
    pace: Option<Duration>,
    /// Of the event under way.
    event_timestamp: u32,
    digits: dtmf::Receiver,
    tones: inband::Detector,
    pub(super) ears: Ears,
    doors: Doors,
    recorder: Option<Recorder>,
    keeping: Option<Box<Keeping>>,
    /// Recordings that can be played here, the oldest first.
    recordings: VecDeque<(String, Clip)>,
}

/// Samples of recordings that a call may have to be played to it: ten minutes. Older ones make room.
const MOST_PLAYABLE: usize = 10 * 60 * 8000;

impl Leg {
    pub(super) fn new(id: LeaseId, local: SocketAddr) -> Leg {
        Leg {
            id,
            local,
            stream: None,
            bridge: None,
            overheard: false,
            place: None,
            voice: Voice::default(),
            pace: None,
            event_timestamp: 0,
            digits: dtmf::Receiver::default(),
            tones: inband::Detector::default(),
            ears: Ears::default(),
            doors: Doors::default(),
            recorder: None,
            keeping: None,
            recordings: VecDeque::new(),
        }
    }

    /// When something is to be done.
    pub(super) fn due(&self) -> Option<Duration> {
        let stream = self.stream.as_ref()?;
        let keeping = self.keeping.as_ref().map(|keeping| keeping.due());
        let due = [self.pace, self.digits.deadline(), stream.quiet_check(), Some(stream.rtcp.next), keeping];
        due.into_iter().chain([stream.handshake_due(), self.ears.due()]).flatten().min()
    }

    /// Begins or ends the pacing, after anything changed in what there is to say.
    pub(super) fn settle(&mut self, now: Duration) {
        if !self.voice.speaks() || self.stream.is_none() {
            self.pace = None;
        } else if self.pace.is_none() {
            self.pace = Some(on_grid(now));
        }
    }

    /// Starts recording; a recording under way ends and is handed out.
    pub(super) fn record(&mut self, heard: String, said: String, now: Duration, events: &mut VecDeque<Event>) {
        self.finish_recording(now, events);
        self.recorder = Some(Recorder::new(heard, said, now));
    }

    /// Starts a recording that is kept sealed; one under way ends.
    pub(super) fn keep(&mut self, keep: Keep, now: Duration, events: &mut VecDeque<Event>) {
        self.end_keep(KeptEnd::Told, now, events);
        self.keeping = Some(Box::new(Keeping::new(keep, now)));
    }

    pub(super) fn end_keep(&mut self, why: KeptEnd, now: Duration, events: &mut VecDeque<Event>) {
        let Some(keeping) = self.keeping.take() else { return };
        let Ended { id, codes } = keeping.finish(self.id, why, now, events);
        if let Some(codes) = codes {
            self.recordings.push_back((Keep::prompt(id), Clip::of_pcmu(&codes)));
        }
        let samples = |clips: &VecDeque<(String, Clip)>| -> usize { clips.iter().map(|(_, clip)| clip.len()).sum() };
        while samples(&self.recordings) > MOST_PLAYABLE {
            self.recordings.pop_front();
        }
    }

    /// A recording of this call that may be played on it.
    pub(super) fn recording(&self, prompt: &str) -> Option<&Clip> {
        self.recordings.iter().find(|(name, _)| name == prompt).map(|(_, clip)| clip)
    }

    /// Whoever listens by this tap speaks; one that does not listen is not heard.
    pub(super) fn say(&mut self, tap: u64, said: Spoken, events: &mut VecDeque<Event>) {
        if self.ears.has(tap) {
            self.voice.say(tap, said);
            self.tell_marks(events);
        }
    }

    fn tell_marks(&mut self, events: &mut VecDeque<Event>) {
        let (lease, reached) = (self.id, self.voice.reached());
        if let Some((tap, marks)) = reached {
            events.extend(marks.into_iter().map(|mark| Event::Marked { lease, tap, mark }));
        }
    }

    /// Takes a packet off the wire.
    pub(super) fn hear(&mut self, from: SocketAddr, buffer: &mut [u8], len: usize, now: Duration) -> Option<Heard> {
        let heard = self.stream.as_mut()?.hear(from, buffer, len, now)?;
        let keeps = self.recorder.is_some() || self.keeping.is_some();
        let listens = keeps || self.place.is_some() || self.ears.are_open();
        if heard.kind == Kind::Event {
            self.doors.heard_other(&heard.header);
        } else if listens || self.has_events() == Some(false) {
            let payload = buffer.get(rtp::HEADER..heard.len)?;
            self.doors.hear(&heard, payload);
            let Inside { codec, codes, timestamp } = self.doors.heard(&heard, payload);
            let ssrc = heard.header.ssrc;
            if let Some(recorder) = &mut self.recorder {
                recorder.heard.take(codec, ssrc, timestamp, codes, now);
            }
            if let Some(keeping) = &mut self.keeping {
                keeping.heard.take(codec, ssrc, timestamp, codes, now);
                keeping.listen(codec, codes, now);
            }
            self.ears.take(codec, ssrc, timestamp, codes, now);
        }
        Some(heard)
    }

    /// The audio of a packet that was just heard, as G.711.
    pub(super) fn inside<'a>(&'a self, heard: &Heard, packet: &'a [u8]) -> Inside<'a> {
        self.doors.heard(heard, packet.get(rtp::HEADER..heard.len).unwrap_or_default())
    }

    /// Both ways: who holds us is not heard in a conference, or else their music would be.
    pub(super) fn is_open(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::may_speak)
    }

    /// Whether the peer sends and takes telephone-event.
    pub(super) fn has_events(&self) -> Option<bool> {
        self.stream.as_ref().map(|stream| stream.terms.telephone_event.is_some())
    }

    /// The keys that a packet ends: of events, or in the audio of a peer that sends none.
    pub(super) fn keys(&mut self, heard: &Heard, packet: &[u8], now: Duration, mut tell: impl FnMut(dtmf::Press)) {
        let payload = packet.get(rtp::HEADER..heard.len).unwrap_or_default();
        match heard.kind {
            Kind::Event => {
                if let Some(payload) = dtmf::Payload::parse(payload) {
                    self.digits.take(heard.header.timestamp, payload, now).into_iter().flatten().for_each(tell);
                }
            }
            Kind::Audio if self.has_events() == Some(false) => {
                let Inside { codec, codes, .. } = self.doors.heard(heard, payload);
                let samples = codes.iter().map(|code| g711::decode(codec, *code));
                self.tones.take(samples, &mut tell);
            }
            Kind::Audio => {}
        }
    }

    /// Passes a packet of the other leg on, in place. None while we speak ourselves, or when it has no place here.
    pub(super) fn pass(&mut self, slot: u16, heard: &Heard, buffer: &mut [u8], now: Duration) -> Option<Transmit> {
        let stream = self.stream.as_mut()?;
        if self.voice.speaks() || !stream.may_speak() {
            return None;
        }
        if heard.kind == Kind::Event {
            stream.terms.telephone_event?;
        }
        let mut place =
            stream.outgoing.relayed(heard.header.ssrc, heard.header.sequence, heard.header.timestamp, now)?;
        let mut len = heard.len;
        if heard.kind == Kind::Event {
            self.doors.relay_other(&heard.header);
        } else {
            let spoken = stream.terms.spoken();
            let (relayed, ahead) = self.doors.relay(heard, &spoken, buffer)?;
            len = relayed;
            place.timestamp = place.timestamp.wrapping_sub(ahead);
            let said = self.keeping.as_mut().and_then(|keeping| keeping.said.as_mut());
            if self.recorder.is_some() || said.is_some() {
                let (ssrc, sequence, timestamp) = (stream.outgoing.ssrc, place.sequence, place.timestamp);
                let header = Header { ssrc, sequence, timestamp, ..heard.header };
                let Inside { codec, codes, timestamp } =
                    self.doors.said(spoken.codec, &header, buffer.get(rtp::HEADER..len)?);
                if let Some(recorder) = &mut self.recorder {
                    recorder.said.take(codec, ssrc, timestamp, codes, now);
                }
                if let Some(said) = said {
                    said.take(codec, ssrc, timestamp, codes, now);
                }
            }
        }
        stream.say(slot, heard.kind, place, heard.header.marker, buffer, len)
    }

    /// Everything that is due by `now`.
    pub(super) fn tick(
        &mut self,
        slot: u16,
        now: Duration,
        scratch: &mut [u8],
        random: &mut ChaCha12Rng,
        events: &mut VecDeque<Event>,
        send: &mut dyn FnMut(Transmit, &[u8]),
    ) {
        if let Some(press) = self.digits.tick(now).filter(|_| self.bridge.is_none()) {
            events.push_back(digit(self.id, press));
        }
        while let Some(due) = self.pace.filter(|due| *due <= now) {
            let due = if due + CATCH_UP < now { on_grid_before(now) } else { due };
            self.pace = self.speak(due, scratch, events, send).map(|step| due + step);
            self.settle(now);
        }
        let lease = self.id;
        if let Some(why) = self.keeping.as_mut().and_then(|keeping| keeping.tick(lease, now, events)) {
            self.end_keep(why, now, events);
        }
        self.ears.tick(lease, now, events);
        let Some(stream) = &mut self.stream else {
            return;
        };
        if stream.handshake_due().is_some_and(|due| due <= now)
            && let Some(why) = stream.handshake(slot, now, send)
        {
            events.push_back(Event::Unkeyed { lease: self.id, why });
        }
        if stream.rtcp.next <= now
            && let Some(transmit) = stream.report(slot, scratch, now, random)
            && let Some(packet) = scratch.get(..transmit.len)
        {
            send(transmit, packet);
        }
        if let Some(seconds) = stream.quiet(now) {
            events.push_back(Event::Silent { lease: self.id, seconds });
        }
    }

    pub(super) fn facts(&self) -> Box<Facts> {
        let facts = self.stream.as_ref().map_or_else(Facts::default, Stream::facts);
        Box::new(Facts { local: Some(self.local), ..facts })
    }

    /// Recordings and final facts.
    pub(super) fn close(mut self: Box<Self>, now: Duration, events: &mut VecDeque<Event>) {
        self.finish_recording(now, events);
        self.end_keep(KeptEnd::Closed, now, events);
        self.ears.close_all(self.id, events);
        events.push_back(Event::Closed { lease: self.id, facts: self.facts() });
    }

    /// One frame of ours; how long it lasts, or none when there was nothing to say.
    fn speak(
        &mut self,
        due: Duration,
        scratch: &mut [u8],
        events: &mut VecDeque<Event>,
        send: &mut dyn FnMut(Transmit, &[u8]),
    ) -> Option<Duration> {
        let stream = self.stream.as_mut()?;
        let codec = g711::inside(stream.terms.codec);
        let samples = usize::from(stream.terms.ptime_ms) * 8;
        let said =
            self.voice.next(codec, stream.terms.telephone_event.is_some(), samples, scratch.get_mut(rtp::HEADER..)?)?;
        // On hold the prompt goes on unheard, as music does.
        if stream.may_speak() && said.frame != Frame::Pause {
            let mut place = stream.outgoing.own(due);
            let (kind, marker, len) = match said.frame {
                Frame::Event { first, payload } => {
                    if first {
                        self.event_timestamp = place.timestamp;
                    }
                    place.timestamp = self.event_timestamp;
                    scratch.get_mut(rtp::HEADER..rtp::HEADER + 4)?.copy_from_slice(&payload.octets());
                    (Kind::Event, first, 4)
                }
                Frame::Audio(len) => (Kind::Audio, false, len),
                Frame::Pause => return None,
            };
            self.send_own((kind, marker), place, rtp::HEADER + len, due, scratch, send);
        }
        events.extend(said.finished.map(|id| Event::Played { lease: self.id, id }));
        self.tell_marks(events);
        Some(Duration::from_micros(said.samples as u64 * 125))
    }

    /// A frame of the conference, unless we speak ourselves or are held.
    pub(super) fn say_mixed(
        &mut self,
        codes: &[u8],
        due: Duration,
        scratch: &mut [u8],
        send: &mut dyn FnMut(Transmit, &[u8]),
    ) {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.may_speak()) else { return };
        let len = rtp::HEADER + codes.len();
        if self.voice.speaks() {
            return;
        }
        let Some(payload) = scratch.get_mut(rtp::HEADER..len) else { return };
        payload.copy_from_slice(codes);
        let place = stream.outgoing.own(due);
        self.send_own((Kind::Audio, false), place, len, due, scratch, send);
    }

    /// Sends, and records as said, the `len` octets of a packet of ours whose payload, G.711, is in `scratch`.
    fn send_own(
        &mut self,
        (kind, marker): (Kind, bool),
        place: outgoing::Place,
        len: usize,
        due: Duration,
        scratch: &mut [u8],
        send: &mut dyn FnMut(Transmit, &[u8]),
    ) {
        let Some(stream) = &mut self.stream else { return };
        let (codec, ssrc) = (g711::inside(stream.terms.codec), stream.outgoing.ssrc);
        let mut len = len;
        if let (Kind::Audio, Some(payload)) = (kind, scratch.get(rtp::HEADER..len)) {
            if let Some(recorder) = &mut self.recorder {
                recorder.said.take(codec, ssrc, place.timestamp, payload, due);
            }
            if let Some(said) = self.keeping.as_mut().and_then(|keeping| keeping.said.as_mut()) {
                said.take(codec, ssrc, place.timestamp, payload, due);
            }
            let Some(spoken) = self.doors.speak(&stream.terms.spoken(), scratch, len) else { return };
            len = spoken;
        }
        if let Some(transmit) = stream.say(self.id.slot, kind, place, marker, scratch, len)
            && let Some(packet) = scratch.get(..transmit.len)
        {
            send(transmit, packet);
        }
    }

    fn finish_recording(&mut self, now: Duration, events: &mut VecDeque<Event>) {
        let Some(recorder) = self.recorder.take() else {
            return;
        };
        for (path, wav) in [recorder.heard.finish(now), recorder.said.finish(now)] {
            events.push_back(Event::Recording { lease: self.id, path, wav });
        }
    }
}

pub(super) fn digit(lease: LeaseId, press: dtmf::Press) -> Event {
    Event::Digit { lease, digit: press.digit, duration_ms: press.duration_ms }
}

pub(super) fn on_grid(now: Duration) -> Duration {
    Duration::from_millis((now.as_nanos().div_ceil(GRID_MS * 1_000_000) * GRID_MS) as u64)
}

/// The last moment of the grid that is not after `now`.
pub(super) fn on_grid_before(now: Duration) -> Duration {
    Duration::from_millis((now.as_millis() / GRID_MS * GRID_MS) as u64)
}
