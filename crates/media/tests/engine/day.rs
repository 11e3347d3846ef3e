//! A day of one call: every kind of re-INVITE, 1 % loss, many rollovers; not one
//! packet in clear, and none that cannot be opened once a change has settled.
//!
//! An hour of it with 80 changes runs always; `CALL_HOURS=24` makes it the whole day with 200 (4.3 million packets a
//! leg and direction).

#![allow(clippy::disallowed_methods)] // the length is read from the environment

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use media::rtp::Header;
use media::{Command, Facts, Latch};
use sdp::{Direction, Local, MasterKey, Negotiated, Suite};

use crate::rig::{End, Rig, Tapped, ms, secure};

/// After so long nothing under an old key is on its way, and the previous key has ended.
const SETTLED: Duration = Duration::from_secs(3);
/// From an answer's sender to its receiver.
const SIGNAL: Duration = Duration::from_millis(60);

/// What a re-INVITE does to the agent's leg.
#[derive(Clone, Copy, Debug)]
enum Change {
    Keys,
    /// The far end offers: an INVITE without offer (RFC 3264 §5 by way of RFC 3725).
    LateOffer,
    /// A session refresh that says the same again.
    Refresh,
    Hold(Direction),
    /// RFC 2543's: c=0.0.0.0.
    HoldByAddress,
    Suite,
    /// Another phone at another address.
    Moved,
    /// The answer is a second on its way.
    SlowKeys,
    /// The caller's leg, while the agent's stays.
    OtherLeg,
}

const CHANGES: [Change; 10] = [
    Change::Keys,
    Change::Hold(Direction::SendOnly),
    Change::LateOffer,
    Change::Refresh,
    Change::Hold(Direction::Inactive),
    Change::Suite,
    Change::HoldByAddress,
    Change::Moved,
    Change::SlowKeys,
    Change::OtherLeg,
];

struct Day {
    rig: Rig,
    caller: End,
    /// The relay's two legs.
    a: End,
    b: End,
    agent: End,
    suite: Suite,
    fill: u32,
    /// What the agent's leg agreed last, at `b` and at the agent.
    agreed: (Negotiated, Negotiated),
    /// Phones that were moved away from.
    past: Vec<Facts>,
}

#[test]
fn a_day_of_changes_without_a_clear_packet() {
    let hours: u32 = std::env::var("CALL_HOURS").ok().and_then(|text| text.parse().ok()).unwrap_or(1).clamp(1, 24);
    // More than the sources that one key may have: each change brings a fresh one.
    let changes = (200 * hours / 24).max(80);
    let between = Duration::from_secs(u64::from(hours) * 3600) / changes;
    let mut day = Day::begin();
    let clear = Rc::new(Cell::new(0u64));
    let packets = Rc::new(Cell::new(0u64));
    let (seen, all) = (clear.clone(), packets.clone());
    day.rig.watch = Box::new(move |tapped| {
        all.set(all.get() + 1);
        seen.set(seen.get() + u64::from(reads_in_clear(tapped)));
    });
    let mut dice = 1u64;
    day.rig.lose = Box::new(move |_| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33).is_multiple_of(100)
    });
    let mut unsettled = 0;
    for n in 0..changes {
        let change = CHANGES[n as usize % CHANGES.len()];
        let before = day.failures();
        day.make(change);
        day.rig.run(SETTLED);
        let settled = day.failures();
        unsettled += settled - before;
        day.rig.run(between.saturating_sub(SETTLED * 2));
        assert_eq!(day.failures(), settled, "undecodable after {change:?} ({n}) had settled");
        assert_eq!(clear.get(), 0, "{change:?} ({n}) let something out in clear");
    }
    day.end(hours, changes, packets.get(), unsettled);
}

/// RTP and RTCP in clear have shapes that protected ones have not.
fn reads_in_clear(tapped: &Tapped) -> bool {
    if media::rtp::is_rtcp(&tapped.bytes) {
        // The packets of a compound in clear end where the datagram ends.
        let mut rest = tapped.bytes.as_slice();
        while let Some((head, _)) = rest.split_first_chunk::<4>() {
            let len = 4 + usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
            match rest.get(len..) {
                Some(behind) if head[0] >> 6 == 2 => rest = behind,
                _ => return false,
            }
        }
        return rest.is_empty();
    }
    let header = Header::parse(&tapped.bytes).expect("we send nothing but RTP and RTCP");
    // 20 ms of G.711 and a tag of 4, 10 or 16.
    !matches!(tapped.bytes.len() - header.len, 164 | 170 | 176)
}

impl Day {
    fn begin() -> Day {
        let mut rig = Rig::new(3);
        rig.tap = false;
        let (caller, a, b, agent) = (rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2));
        let suite = Suite::AesCm128HmacSha1_80;
        rig.connect(caller, a, &secure(suite));
        let agreed = rig.agree(b, agent, &secure(suite));
        rig.set(b, agreed.0.clone());
        rig.set(agent, agreed.1.clone());
        rig.bridge(a, b);
        rig.play(caller, "moh", true);
        rig.play(agent, "agent", true);
        Day { rig, caller, a, b, agent, suite, fill: 0, agreed, past: Vec::new() }
    }

    fn make(&mut self, change: Change) {
        match change {
            Change::Keys => self.renew(false, Direction::SendRecv, false, SIGNAL),
            Change::SlowKeys => self.renew(false, Direction::SendRecv, false, ms(1000)),
            Change::LateOffer => self.renew(true, Direction::SendRecv, false, SIGNAL),
            Change::Refresh => {
                let (at_b, at_agent) = self.agreed.clone();
                self.rig.set(self.agent, at_agent);
                self.rig.run(SIGNAL);
                self.rig.set(self.b, at_b);
            }
            Change::Hold(direction) => {
                self.renew(false, direction, false, SIGNAL);
                self.rig.run(ms(20_000));
                self.renew(false, Direction::SendRecv, false, SIGNAL);
            }
            Change::HoldByAddress => {
                self.renew(false, Direction::SendRecv, true, SIGNAL);
                self.rig.run(ms(20_000));
                self.renew(false, Direction::SendRecv, false, SIGNAL);
            }
            Change::Suite => {
                let at = Suite::ALL.iter().position(|suite| *suite == self.suite).unwrap_or(0);
                self.suite = Suite::ALL[(at + 3) % Suite::ALL.len()];
                self.renew(false, Direction::SendRecv, false, SIGNAL);
            }
            Change::Moved => {
                let gone = std::mem::replace(&mut self.agent, self.rig.lend(2));
                self.renew(false, Direction::SendRecv, false, SIGNAL);
                self.rig.play(self.agent, "agent", true);
                let facts = self.rig.facts(gone);
                self.past.push(facts);
                self.rig.tell(gone, |lease| Command::Close { lease });
            }
            Change::OtherLeg => {
                let (caller, a) = (self.caller, self.a);
                let (at_caller, at_a) = self.negotiate(caller, a, Direction::SendRecv, false);
                self.rig.set(a, at_a);
                self.rig.run(SIGNAL);
                self.rig.set(caller, at_caller);
            }
        }
    }

    /// A re-INVITE of the agent's leg with fresh keys: the answerer switches first, the offerer when the answer comes.
    fn renew(&mut self, late: bool, direction: Direction, unspecified: bool, way: Duration) {
        let (b, agent) = (self.b, self.agent);
        let (offerer, answerer) = if late { (agent, b) } else { (b, agent) };
        let (at_offerer, at_answerer) = self.negotiate(offerer, answerer, direction, unspecified);
        self.rig.set_latched(answerer, at_answerer.clone(), Latch::Never);
        self.rig.run(way);
        self.rig.set_latched(offerer, at_offerer.clone(), Latch::Never);
        self.agreed = if late { (at_answerer, at_offerer) } else { (at_offerer, at_answerer) };
    }

    fn negotiate(&mut self, a: End, b: End, direction: Direction, unspecified: bool) -> (Negotiated, Negotiated) {
        let policy = secure(self.suite);
        let mut fill = self.fill;
        let mut keys = |suite: Suite| {
            fill += 1;
            let (key, salt) = suite.key_salt_len();
            let seed = fill.to_be_bytes();
            MasterKey::new((0..key + salt).map(|n| seed[n % 4] ^ n as u8).collect())
        };
        let local = |end: End| Local::new(end.lease.addr, 1);
        let (mut text, offered) = sdp::offer(&policy, &mut local(a), direction, &mut keys);
        if unspecified {
            text = text.replace(&format!("c=IN IP4 {}", a.lease.addr.ip()), "c=IN IP4 0.0.0.0");
        }
        let (reply, at_b) = sdp::answer(&policy, &mut local(b), text.as_bytes(), &mut keys).unwrap();
        let at_a = sdp::accept(&offered, &policy, reply.as_bytes()).unwrap();
        self.fill = fill;
        (at_a, at_b)
    }

    fn facts(&mut self) -> Vec<Facts> {
        let live = [self.caller, self.a, self.b, self.agent].map(|end| self.rig.facts(end));
        self.past.iter().cloned().chain(live).collect()
    }

    /// Packets that some end could not open.
    fn failures(&mut self) -> u64 {
        self.facts().iter().map(|facts| facts.auth_failed + facts.clear_dropped + facts.replayed).sum()
    }

    fn end(mut self, hours: u32, changes: u32, packets: u64, unsettled: u64) {
        for facts in self.facts() {
            assert_eq!((facts.tx.clear, facts.rx.clear, facts.clear_dropped, facts.replayed), (0, 0, 0, 0));
        }
        let (caller, a) = (self.rig.facts(self.caller), self.rig.facts(self.a));
        let sent = caller.tx.protected;
        // 1 % was lost, and everything else came through.
        let lost = sent - a.rx.protected - a.auth_failed;
        assert!((sent / 125..sent / 80).contains(&lost), "{lost} of {sent}");
        assert!(sent > u64::from(hours) * 178_000, "{sent}");
        // The first packets under a key that its receiver cannot know yet: those of one way of the answer.
        assert!(unsettled < u64::from(changes) * 60, "{unsettled}");
        eprintln!(
            "{hours} h, {changes} changes: {packets} packets, 0 in clear, {unsettled} under a key not yet known, 0 after"
        );
    }
}
