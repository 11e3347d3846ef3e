//! After a storm: people hang up, everything comes to rest within a bounded time, and then nothing may be left, nothing
//! wrong written down, and the next call must go through.

use std::collections::BTreeMap;
use std::time::Duration;

use call::passport::{Passport, verify};
use call::record::{LegRecord, LegState};
use roles::{Control, Reply, Status};

use super::{Storm, Tally};
use crate::rig::Pki;

const S: Duration = Duration::from_secs(1);
/// Nobody waits longer than this for anything but the session timer: transactions give up after 32 s (RFC 3261 §17),
/// and one request may follow another.
const PATIENCE: Duration = Duration::from_secs(150);
/// Who lost a partner without a word hears so from the session timer (RFC 4028): 1,800 s and what follows.
const SESSION: Duration = Duration::from_secs(2100);
/// A phone finds its way back to its registrar within its registration.
const REGISTERED: Duration = Duration::from_secs(660);

impl Storm {
    /// What is wrong, in words; or what came of the storm.
    pub(super) fn rest(&mut self) -> Result<Tally, String> {
        let people = self.people();
        // Fewer than a handful.
        let first = people[self.roll(people.len() as u32) as usize];
        self.hangs_up(first);
        self.pass(12_000);
        for _ in 0..2 {
            for node in people {
                self.hangs_up(node);
            }
            self.world.run(20 * S);
        }
        let most = if self.fell.is_empty() && !self.parted { PATIENCE } else { SESSION };
        self.comes_to_rest(most)?;
        self.desks_were_answered()?;
        self.was_drained()?;
        self.the_next_call_goes_through()?;
        self.comes_to_rest(PATIENCE)?;
        self.callers_are_accounted_for()?;
        self.agents_had_one_call_at_a_time()?;
        self.nothing_inside_was_clear()?;
        let verified = self.statements_hold_together()?;
        match self.errors.all().as_slice() {
            [] => Ok(self.tally(verified)),
            errors => Err(format!("{} errors were logged, the first: {}", errors.len(), errors[0])),
        }
    }

    fn hangs_up(&mut self, node: &str) {
        self.tell(format_args!("{node} hangs up whatever there is"));
        self.world.control(node, Control::HangUp);
    }

    fn tally(&self, verified: u64) -> Tally {
        let talked = |node: &str| {
            self.world.legs.iter().filter(|(at, leg)| at.starts_with(node) && leg.connected_ms.is_some()).count() as u64
        };
        Tally {
            placed: self.placed,
            heard: talked("carrier"),
            served: talked("phone"),
            mixed: talked("mr"),
            messages: self.world.crossed.len() as u64,
            statements: self.world.statements.len() as u64,
            verified,
            transitions: self.transitions,
            lasted_ms: self.world.now().mono.as_millis() as u64,
        }
    }

    fn comes_to_rest(&mut self, most: Duration) -> Result<(), String> {
        let until = self.world.now().mono + most;
        // Heartbeats come and go: an odd step never meets them twice.
        let mut step = Duration::from_millis(1733);
        loop {
            let left = self.left()?;
            let Some(left) = left.first() else { return Ok(()) };
            if self.world.now().mono >= until {
                return Err(left.clone());
            }
            self.world.run(step);
            step = (step * 3 / 2).min(37 * S);
        }
    }

    /// What of calls there is anywhere, in words.
    fn left(&mut self) -> Result<Vec<String>, String> {
        let mut left = Vec::new();
        for node in self.nodes() {
            let Reply::Status(status) = self.ask(node, Control::Status)? else {
                return Err(format!("{node} has no status"));
            };
            let Status { calls, legs, dialogs, transactions, leases_free, panics, .. } = status;
            if (calls, legs, dialogs, transactions, panics) != (0, 0, 0, 0, 0) {
                left.push(format!("{node} keeps {status:?}"));
                continue;
            }
            let lent = self.world.lent(node);
            if lent != leases_free {
                left.push(format!("{node} has {lent} ports of which {leases_free} are free"));
            }
        }
        let Reply::Queues(queues) = self.ask("cvp1", Control::Queues)? else { return Err("no queues".into()) };
        left.extend(queues.iter().filter(|queue| queue.waiting > 0).map(|queue| format!("somebody waits: {queue:?}")));
        let Reply::Agents(agents) = self.ask("cvp1", Control::Agents)? else { return Err("no agents".into()) };
        let at_rest = |state: &str| ["READY", "NOT_READY", "LOGOUT"].contains(&state);
        left.extend(
            agents.iter().filter(|agent| !at_rest(&agent.state)).map(|agent| format!("an agent is kept: {agent:?}")),
        );
        Ok(left)
    }

    /// Whatever a desk asks for is done or refused; whose call server goes down must ask again.
    fn desks_were_answered(&mut self) -> Result<(), String> {
        let asked = std::mem::take(&mut self.asked);
        let answered = |id| self.world.replies.contains_key(id) || self.fell.contains("cvp1");
        let open = asked.iter().find(|(id, _)| !answered(id));
        open.map_or(Ok(()), |(_, what)| Err(format!("a desk was never answered: {what}")))
    }

    /// Who drained is told so when the last call is over; then it is started again.
    fn was_drained(&mut self) -> Result<(), String> {
        for (node, id) in std::mem::take(&mut self.draining) {
            if self.world.replies.remove(&id) != Some(Reply::Done) {
                return Err(format!("{node} has no calls, and has not said that it is drained"));
            }
            let (plan, papers) = (self.world.plan_of(node), self.world.papers_of(node));
            self.world.kill(node);
            self.world.restart((*plan).clone(), papers);
        }
        Ok(())
    }

    fn within(
        &mut self,
        most: Duration,
        what: &str,
        mut so: impl FnMut(&mut Storm) -> Result<bool, String>,
    ) -> Result<(), String> {
        let until = self.world.now().mono + most;
        while !so(self)? {
            if self.world.now().mono >= until {
                return Err(format!("after the storm: not so within {most:?}: {what}"));
            }
            self.world.run(Duration::from_millis(250));
        }
        Ok(())
    }

    fn talks(&mut self, node: &str) -> Result<bool, String> {
        let id = self.world.control(node, Control::Calls);
        self.world.run(Duration::from_millis(301));
        match self.world.replies.remove(&id) {
            Some(Reply::Calls(legs)) => {
                Ok(legs.iter().any(|leg| matches!(leg.state, LegState::Active | LegState::Connected)))
            }
            other => Err(format!("{node} shows no calls but {other:?}")),
        }
    }

    /// A caller is announced to, presses 1, and talks to an agent: whatever happened before.
    fn the_next_call_goes_through(&mut self) -> Result<(), String> {
        self.tell("the next call");
        self.within(REGISTERED, "all phones are registered", |storm| {
            match storm.ask("cucm1", Control::Registrations)? {
                Reply::Registrations(phones) => Ok(phones.len() == storm.people().len() - 1),
                other => Err(format!("no registrations but {other:?}")),
            }
        })?;
        // A member of a group that was silent is asked again within its heartbeat.
        self.world.run(11 * S);
        let Reply::Done = self.ask("carrier", Control::Dial { number: "6016".into() })? else {
            return Err("after the storm the carrier cannot dial".into());
        };
        self.placed += 1;
        self.within(8 * S, "the caller is answered", |storm| storm.talks("carrier"))?;
        self.ask("carrier", Control::Press { digits: "1".into() })?;
        self.world.run(2 * S);
        for agent in ["1001", "1002"] {
            self.ask("cvp1", Control::AgentReady { agent: agent.into() })?;
        }
        self.within(20 * S, "an agent talks to the caller", |storm| {
            for phone in ["phone1001", "phone1002"] {
                storm.ask(phone, Control::Answer)?;
            }
            Ok(storm.talks("phone1001")? || storm.talks("phone1002")?)
        })?;
        self.world.run(S);
        self.hangs_up("carrier");
        Ok(())
    }

    /// Every call that the carrier placed has an end and a reason for it, and every leg anywhere.
    fn callers_are_accounted_for(&self) -> Result<(), String> {
        let ended = self.world.legs.iter().filter(|(node, _)| node == "carrier").count() as u64;
        if ended != self.placed {
            return Err(format!("{} calls were placed, of {ended} the end is known", self.placed));
        }
        let open = self.world.legs.iter().find(|(_, leg)| {
            leg.state != LegState::Ended
                || leg.ended_ms.is_none()
                || leg.ended_because.as_deref().unwrap_or_default().is_empty()
        });
        open.map_or(Ok(()), |(node, leg)| Err(format!("{node} wrote down a leg without an end or a reason: {leg:?}")))
    }

    /// By the phones' word and by the call server's.
    fn agents_had_one_call_at_a_time(&self) -> Result<(), String> {
        if self.crowded {
            // Who consults has two.
            return Ok(());
        }
        let mut busy: BTreeMap<(&str, String), Vec<(u64, u64)>> = BTreeMap::new();
        for (node, leg) in &self.world.legs {
            let agent = match node.as_str() {
                "phone1001" | "phone1002" => node.clone(),
                "cvp1" if leg.called.0.starts_with("100") => leg.called.0.clone(),
                _ => continue,
            };
            if let (Some(from), Some(to)) = (leg.connected_ms, leg.ended_ms) {
                busy.entry((node, agent)).or_default().push((from, to));
            }
        }
        for ((node, agent), mut spans) in busy {
            spans.sort_unstable();
            if let Some(two) = spans.windows(2).find(|two| two[1].0 < two[0].1) {
                return Err(format!("{node} had {agent} in two calls at once: {two:?}"));
            }
        }
        Ok(())
    }

    fn nothing_inside_was_clear(&self) -> Result<(), String> {
        let inside = |leg: &&LegRecord| leg.dangerous.is_empty();
        for (node, leg) in self.world.legs.iter().filter(|(node, _)| node != "carrier") {
            let Some(leg) = Some(leg).filter(inside) else { continue };
            let Some(media) = leg.media.as_ref().filter(|media| !media.keying.is_empty()) else { continue };
            if media.rx_clear + media.tx_clear > 0 || media.suite.is_empty() {
                return Err(format!("{node} had media in clear: {media:?}"));
            }
            // While keys change, packets under the old ones are on their way; and under new ones to a phone that offered
            // and has not got the answer yet, or never will.
            if media.auth_failed > 0 && media.rekeyed == 0 && !self.has_offered(node, leg) {
                return Err(format!("{node} was sent packets under other keys: {media:?}"));
            }
        }
        Ok(())
    }

    /// Whether this phone made an offer in mid-call: in a re-INVITE, or in its answer to one that had none.
    fn has_offered(&self, phone: &str, leg: &LegRecord) -> bool {
        let (Some(connected), ended) = (leg.connected_ms, leg.ended_ms.unwrap_or(u64::MAX)) else { return false };
        let origin = call::ms(self.world.now()) - self.world.now().mono.as_millis() as u64;
        self.world.crossed.iter().filter(|crossed| crossed.from == phone && crossed.to == "cucm1").any(|crossed| {
            let at = origin + crossed.at.as_millis() as u64;
            at > connected && at <= ended && matches!(crossed.arrow().as_str(), "INVITE" | "200 INVITE")
        })
    }

    /// Where no node went down, all that nodes signed of a call holds together.
    fn statements_hold_together(&self) -> Result<u64, String> {
        let mut by_caller = BTreeMap::new();
        let of_site = |node: &str| node != "carrier" && !node.starts_with("phone");
        for (_, caller, signed) in self.world.statements.iter().filter(|(node, ..)| of_site(node)) {
            by_caller.entry(caller.clone()).or_insert_with(Vec::new).push(signed.clone());
        }
        if !self.fell.is_empty() {
            return Ok(0);
        }
        let root = [Pki::of_the_lab().root_der()];
        for (caller, signed) in &by_caller {
            let mut passport = Passport::bundle("lab", caller.clone(), &root, signed.clone());
            for other in passport.told_elsewhere() {
                passport.add(by_caller.get(&other).cloned().unwrap_or_default());
            }
            let verdict = verify(&passport, Some(&root), self.world.now().wall);
            if let Some(wrong) = &verdict.wrong {
                return Err(format!("a passport does not hold: {wrong}\n{verdict}"));
            }
        }
        Ok(by_caller.len() as u64)
    }
}
