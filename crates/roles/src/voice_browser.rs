//! The voice browser (CVVB): answers calls of the call server, plays prompts, hears digits, and transfers the caller to
//! a queue by REFER in the dialog (RFC 5552 §6 blind transfer, RFC 3515), where it goes on playing until the call server
//! takes the caller away. SRTP or nothing, unless an administrator says so loudly.

pub mod dialogue;
mod far;
mod hearing;
mod line;
pub mod pages;
mod referring;
pub mod speaking;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::Play;
use sdp::{Direction, Policy, Protection};
use serde::{Deserialize, Serialize};
use sip::{ClientId, Method, Name, NameAddr, Request, ServerId, Status, Transport, Uri};

use self::dialogue::{Ask, Far, Progress, Session, Told};
use self::far::{FarParty, Origin};
use self::hearing::Ear;
use self::pages::{Pages, Reading, server};
use self::referring::Referring;
use self::speaking::{NoSound, Notice};
use crate::plan::{Kind, Peers, suites};
use crate::shell::{CallNo, Invited, LegNo, Outcome, Refused, Role, Shell, Timers, warning};
use crate::terminal::Terminal;
use crate::{AskId, Stream};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub browser: site::VoiceBrowser,
    /// How callers' audio is protected.
    policy: Policy,
    /// Who speaks.
    pub speech: Option<Arc<site::Speech>>,
    /// Who recognises what callers say.
    pub recognition: Option<Arc<site::Recognition>>,
    /// The pages of VoiceXML applications by their numbers: read beforehand, so that no call waits for a disk.
    pub pages: BTreeMap<String, Arc<Pages>>,
}

impl Plan {
    pub(crate) fn compile(role: &site::VoiceBrowser, site: &site::Site, peers: &mut Peers) -> Result<Plan, String> {
        let anywhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let (names, authority) = (&role.secure_certificate_subject, role.authority.as_deref());
        peers.add_under("callers", Transport::Tls, anywhere, names, authority);
        for caller in role.plain_callers() {
            for transport in [Transport::Udp, Transport::Tcp] {
                peers.add(&caller.to_string(), transport, SocketAddr::new(caller, 0), &[]);
            }
        }
        let protection = match (role.srtp, role.dangerous_plain_rtp) {
            (false, true) => Protection::DangerousPlainRtp,
            _ => Protection::Secure,
        };
        let policy = Policy { suites: suites(&role.srtp_crypto)?, ..Policy::new(protection) };
        let speech = site.speech.clone().map(Arc::new);
        let recognition = site.recognition.clone().map(Arc::new);
        Ok(Plan { browser: role.clone(), policy, speech, recognition, pages: BTreeMap::new() })
    }

    /// The application of a dialled number, or of the name that the call server gave instead.
    fn application(&self, called: &str) -> Option<&site::Application> {
        self.browser.applications.iter().find(|application| application.number == called)
    }
}

/// All callers of one voice browser.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct VoiceBrowser {
    visits: BTreeMap<LegNo, Visit>,
    /// Legs that we made, and the callers for whom.
    fars: BTreeMap<LegNo, LegNo>,
    timers: Timers<Alarm>,
    /// Who waits for a media port, in order: when another browser dies, all its callers come at once, and more ports than are
    /// kept ready take a moment to be opened.
    guests: VecDeque<Guest>,
    /// What was asked for: by whom, and the session's number.
    fetching: BTreeMap<AskId, (LegNo, Wanted)>,
}

/// One caller.
#[derive(Debug, Serialize, Deserialize)]
struct Visit {
    terminal: Terminal,
    talk: Talk,
    ear: Ear,
    started: bool,
    origin: Origin,
    far: Option<FarParty>,
    referring: Option<Referring>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Wanted {
    Page(u64),
    Sound(u64),
    Words(u64),
    Stream(u64),
}

/// A caller who is not answered yet.
#[derive(Debug, Serialize, Deserialize)]
struct Guest {
    leg: LegNo,
    offer: Option<Bytes>,
    policy: Policy,
    origin: Origin,
    talk: Talk,
    ear: Ear,
    /// No longer than this.
    until: Duration,
}

/// Who talks with the caller.
#[derive(Debug, Serialize, Deserialize)]
enum Talk {
    Question(Box<Session>),
    Pages(Box<Reading>),
}

impl Talk {
    fn tell(&mut self, told: Told, now: crate::Now) {
        match self {
            Talk::Question(session) => session.tell(told),
            Talk::Pages(reading) => reading.tell(told, now),
        }
    }

    fn ask(&mut self) -> Option<Ask> {
        match self {
            Talk::Question(session) => session.ask(),
            Talk::Pages(reading) => reading.ask(),
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Alarm {
    leg: LegNo,
    due: Due,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Due {
    /// A session's waiting, by its own number.
    Session(u64),
    /// REFER again.
    Refer,
}

/// When everything is in use: try another browser of the group, and this one after so many seconds.
const RETRY_AFTER: &str = "5";
/// How long a caller waits for a media port: less than the call server waits for a sign of life.
const PORT_PATIENCE: Duration = Duration::from_secs(2);
const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, NOTIFY";

impl VoiceBrowser {
    pub(crate) fn new(_shell: &mut Shell) -> VoiceBrowser {
        VoiceBrowser::default()
    }

    /// An INVITE for an application.
    fn arrive(&mut self, shell: &mut Shell, invited: Invited, browser: &Plan, application: site::Application) {
        let policy = browser.policy.clone();
        let (pages, speech) = (browser.pages.get(&application.number).cloned(), browser.speech.clone());
        let leg = invited.leg;
        if let Some(leg) = shell.leg_mut(leg) {
            leg.record.dangerous.extend(policy.protection.dangerous());
        }
        let origin = Origin::of(shell, &invited, policy.protection);
        // The call server's word for a caller who waits already, or is held.
        let waits = invited.request.request_uri().and_then(Result::ok).is_some_and(|uri| uri.param("queue").is_some());
        let talk = match (pages, &application.document) {
            _ if waits && !application.queue_music.is_empty() => {
                Talk::Question(Box::new(Session::music(application, speech)))
            }
            (Some(pages), Some(_)) => {
                let (called, calling, seed) = (&invited.called, &invited.calling, shell.random());
                let made = (seed, browser.recognition.is_none());
                let reading = Reading::new(pages, speech, application.language.clone(), called, calling, made);
                Talk::Pages(Box::new(reading.as_allowed(&application)))
            }
            _ => Talk::Question(Box::new(Session::new(application, speech))),
        };
        let until = shell.now().mono + PORT_PATIENCE;
        let ear = Ear::new(browser.recognition.clone());
        let guest = Guest { leg, offer: invited.sdp, policy, origin, talk, ear, until };
        // Nobody overtakes who waits for a port already.
        let waits = if self.guests.is_empty() { self.answer(shell, guest) } else { Some(guest) };
        self.guests.extend(waits);
    }

    /// Answers an INVITE: their offer, or our own where they made none. Given back: no media port is open for it yet.
    fn answer(&mut self, shell: &mut Shell, guest: Guest) -> Option<Guest> {
        let Some(mut terminal) = Terminal::open(shell, guest.policy.clone()) else { return Some(guest) };
        let Guest { leg, offer, origin, talk, ear, .. } = guest;
        terminal.belongs_to(shell, leg);
        let described = match &offer {
            Some(offer) => match terminal.answer(shell, leg, offer) {
                Ok(answer) => answer,
                Err(reject) => {
                    shell.reject(leg, &reject);
                    return None;
                }
            },
            None => terminal.offer(shell, Direction::SendRecv),
        };
        let uuid = shell.mint_uuid();
        shell.is_party(leg, uuid);
        self.visits.insert(leg, Visit { terminal, talk, ear, started: false, origin, far: None, referring: None });
        shell.respond(leg, Status(200), Vec::new(), Some(described));
        None
    }

    /// Tells the session and does what it asks then.
    fn tell(&mut self, shell: &mut Shell, leg: LegNo, told: Told) {
        let Some(visit) = self.visits.get_mut(&leg) else { return };
        // What a page does to its interpreter is this call's affair, and no other's.
        shell.set_current(shell.book().leg(leg).map(|entry| entry.call));
        visit.talk.tell(told, shell.now());
        let (mut referring, mut dialling) = (None, None);
        while let Some(ask) = visit.talk.ask() {
            match ask {
                Ask::Play { id, prompt, repeat } => visit.terminal.play(shell, Play { id, prompt, repeat }),
                Ask::Silence => visit.terminal.silence(shell),
                Ask::Wait { id, within } => {
                    self.timers.set(shell.now().mono + within, Alarm { leg, due: Due::Session(id) })
                }
                Ask::Transfer { queue, attached, call_back } => {
                    let mut target = Uri { user: Some(queue.clone()), ..visit.origin.server.clone() };
                    if let Some(attached) = &attached {
                        // RFC 5552 §6.1.
                        target = target.with_param("aai", Some(attached));
                    }
                    if call_back {
                        target = target.with_param("call-back", None);
                    }
                    let target = NameAddr::new(target);
                    shell.note(leg, format!("transfer to queue {queue}"));
                    referring = Some(target);
                }
                Ask::Prefetch { fetch, is_audio: true } => {
                    shell.ask(crate::Ask::Sound(*fetch));
                }
                Ask::Prefetch { fetch, is_audio: false } => {
                    shell.ask(crate::Ask::Fetch(*fetch));
                }
                Ask::Dial { number, attached } => dialling = Some((number, attached)),
                Ask::Join => visit.join(shell),
                Ask::LetGo { why } => {
                    if let Some(far) = visit.let_go(shell, &why) {
                        self.fars.remove(&far);
                    }
                }
                Ask::HandOver => {
                    shell.note(leg, "transfer to whom was called");
                    referring = visit.replacing(shell);
                }
                Ask::Fetch { id, fetch } => {
                    let ask = shell.ask(crate::Ask::Fetch(*fetch));
                    self.fetching.insert(ask, (leg, Wanted::Page(id)));
                }
                Ask::Sound { id, fetch } => {
                    let ask = shell.ask(crate::Ask::Sound(*fetch));
                    self.fetching.insert(ask, (leg, Wanted::Sound(id)));
                }
                Ask::Speak { id, speak } => {
                    let ask = shell.ask(crate::Ask::Speak(speak));
                    self.fetching.insert(ask, (leg, Wanted::Sound(id)));
                }
                Ask::Hear { id, hearing } => match visit.ear.hear(shell, visit.terminal.lease().id, id, *hearing) {
                    Some(ask) => drop(self.fetching.insert(ask, (leg, Wanted::Words(id)))),
                    None => visit.talk.tell(Told::Heard(id, None), shell.now()),
                },
                Ask::Stream { id, order, authority, dangerous_plain_http } => {
                    let (lease, server) = (visit.terminal.lease().id, server(&order.url).unwrap_or_default());
                    let tap = visit.ear.listen(shell, lease, id);
                    let caller = shell.leg(leg).map(|leg| leg.record.session_id.remote.0.clone()).unwrap_or_default();
                    let stream = Stream { lease, tap, caller, order: *order, authority, dangerous_plain_http };
                    // Who else hears the caller belongs into the call's record; an address may hold what opens a door.
                    shell.note(leg, format!("stream to {server}"));
                    let ask = shell.ask(crate::Ask::Stream(Box::new(stream)));
                    self.fetching.insert(ask, (leg, Wanted::Stream(id)));
                }
                Ask::EndStream | Ask::StopHearing => visit.ear.stop(shell, visit.terminal.lease().id),
                Ask::Record { recording, longest, final_silence, patience } => {
                    let caller = shell.leg(leg).map(|leg| leg.record.session_id.remote.0.clone()).unwrap_or_default();
                    let keep = media::Keep {
                        id: recording,
                        node: shell.plan().node.clone(),
                        caller,
                        both: false,
                        longest: Some(longest),
                        final_silence: Some(final_silence),
                        patience: Some(patience),
                        playable: true,
                    };
                    shell.note(leg, format!("recording {recording:016x}"));
                    shell.media(media::Command::Keep { lease: visit.terminal.lease().id, keep });
                }
                Ask::StopRecord => shell.media(media::Command::EndKeep { lease: visit.terminal.lease().id }),
                Ask::HangUp { why } => {
                    shell.end(leg, why);
                    self.forget(shell, leg);
                    return;
                }
            }
        }
        if let Some(target) = referring {
            self.refer(shell, leg, target);
        }
        if let Some((number, attached)) = dialling {
            self.dial(shell, leg, number, attached.as_deref());
        }
    }

    fn forget(&mut self, shell: &mut Shell, leg: LegNo) {
        if let Some(far) = self.visits.remove(&leg).and_then(|mut visit| visit.let_go(shell, "the caller is gone")) {
            self.fars.remove(&far);
        }
        self.guests.retain(|guest| guest.leg != leg);
        self.timers.drop_where(|alarm| alarm.leg == leg);
        self.fetching.retain(|_, (whose, _)| *whose != leg);
    }

    /// How the transfer goes, as a NOTIFY tells it (RFC 3515 §2.4.4).
    fn notified(&mut self, shell: &mut Shell, leg: LegNo, server: ServerId, request: &Request) {
        let event = request.header(&Name::Event).unwrap_or_default();
        if !event.split(';').next().is_some_and(|package| package.trim().eq_ignore_ascii_case("refer")) {
            let headers = vec![(Name::AllowEvents, "refer".into())];
            return shell.answer(leg, server, Status(489), headers, None);
        }
        let Some(status) = request.body().and_then(|body| body.sipfrag_status()) else {
            let words = warning(&shell.plan().node, "a NOTIFY of refer carries message/sipfrag (RFC 3515 2.4.5)");
            return shell.answer(leg, server, Status(400), vec![words], None);
        };
        shell.answer(leg, server, Status(200), Vec::new(), None);
        let over =
            matches!(request.typed::<sip::message::SubscriptionState>(), Some(Ok(state)) if state.is_terminated());
        let progress = match status.0 {
            200..300 => Progress::Done,
            300.. => Progress::Failed(status.0),
            // Nobody will tell how it ends: for the caller it has.
            _ if over => Progress::Failed(408),
            182 => {
                let fragment = request.body().map(|body| body.bytes).unwrap_or_default();
                let line = std::str::from_utf8(&fragment).ok().and_then(|text| text.lines().next()).unwrap_or_default();
                if let Some(notice) = line.get("SIP/2.0 182 ".len()..).and_then(Notice::read) {
                    return self.tell(shell, leg, Told::Notice(notice));
                }
                Progress::Queued
            }
            _ => Progress::Trying,
        };
        shell.note(leg, format!("transfer: {} {}", status.0, status.reason()));
        self.tell(shell, leg, Told::Transfer(progress));
    }
}

impl Role for VoiceBrowser {
    fn invited(&mut self, shell: &mut Shell, invited: Invited) {
        let plan = shell.plan_of(invited.call);
        let Kind::VoiceBrowser(browser) = &plan.kind else { return };
        let found = browser.application(&invited.called);
        match found {
            Some(application) if application.document.is_some() && !browser.pages.contains_key(&application.number) => {
                let words = "the application's pages could not be read";
                shell.refuse(invited.leg, Status(500), vec![warning(&plan.node, words)], words);
            }
            Some(application) => self.arrive(shell, invited, browser, application.clone()),
            None => {
                let headers = vec![warning(&plan.node, "no application has this number")];
                shell.refuse(invited.leg, Status(404), headers, "no application has this number");
            }
        }
    }

    fn acked(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        let Some(visit) = self.visits.get_mut(&leg) else { return };
        if let Err(why) = visit.terminal.acked(shell, leg, sdp.as_deref()) {
            self.forget(shell, leg);
            return shell.end(leg, why);
        }
        if let Some(visit) = self.visits.get_mut(&leg)
            && !std::mem::replace(&mut visit.started, true)
        {
            self.tell(shell, leg, Told::Started);
        }
    }

    fn reinvited(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        if let Some(terminal) = self.terminal(leg) {
            terminal.reinvited(shell, leg, sdp.as_deref());
        }
    }

    fn refresh_due(&mut self, shell: &mut Shell, leg: LegNo) {
        if let Some(terminal) = self.terminal(leg) {
            terminal.refresh(shell, leg);
        }
    }

    fn reaccepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        shell.ack(leg, None);
        let Some(terminal) = self.terminal(leg) else { return };
        if let Err(reject) = terminal.accept(shell, leg, sdp.as_deref().unwrap_or_default(), false) {
            shell.end(leg, reject.to_string());
            match self.fars.contains_key(&leg) {
                true => self.far_over(shell, leg, Far::Lost),
                false => self.forget(shell, leg),
            }
        }
    }

    fn rerefused(&mut self, _: &mut Shell, leg: LegNo, _: Status, _: String) {
        if let Some(terminal) = self.terminal(leg) {
            terminal.withdraw();
        }
    }

    fn in_dialog(&mut self, shell: &mut Shell, leg: LegNo, server: ServerId, request: Request) {
        match request.method() {
            Method::Notify if self.visits.contains_key(&leg) => self.notified(shell, leg, server, &request),
            _ => shell.answer(leg, server, Status(405), vec![(Name::Allow, ALLOW.into())], None),
        }
    }

    fn outcome(&mut self, shell: &mut Shell, leg: LegNo, _: ClientId, method: Method, outcome: Outcome) {
        if method == Method::Refer {
            self.refer_outcome(shell, leg, &outcome);
        }
    }

    fn media(&mut self, shell: &mut Shell, leg: LegNo, event: media::Event) {
        match event {
            media::Event::Digit { digit, .. } => self.tell(shell, leg, Told::Digit(digit)),
            media::Event::Played { id, .. } => self.tell(shell, leg, Told::Played(id)),
            media::Event::Kept { id, end, duration_ms, .. } => {
                self.tell(shell, leg, Told::Recorded { recording: id, end, duration_ms });
            }
            media::Event::Unplayable { id, prompt, .. } => {
                tracing::warn!(%prompt, "there is no such prompt: the caller heard nothing");
                self.tell(shell, leg, Told::Played(id));
            }
            _ => {}
        }
    }

    fn gone(&mut self, shell: &mut Shell, leg: LegNo, _: String) {
        self.far_over(shell, leg, Far::HungUp);
        if let Some(visit) = self.visits.get_mut(&leg) {
            // So that an application can put its things in order: what it sends to its server then is sent (2.0 §1.5.4),
            // and nobody waits for the answer. Nothing else that it asks for can reach the caller.
            visit.talk.tell(Told::HungUp, shell.now());
            while let Some(ask) = visit.talk.ask() {
                if let Ask::Fetch { fetch, .. } = ask {
                    shell.ask(crate::Ask::Fetch(*fetch));
                }
            }
        }
        self.forget(shell, leg);
    }

    fn lost(&mut self, shell: &mut Shell, leg: LegNo, why: String) {
        match self.fars.contains_key(&leg) {
            true => self.far_over(shell, leg, Far::Lost),
            false => self.gone(shell, leg, why),
        }
    }

    fn leased(&mut self, shell: &mut Shell) {
        while let Some(guest) = self.guests.pop_front() {
            if let Some(guest) = self.answer(shell, guest) {
                self.guests.push_front(guest);
                return;
            }
        }
    }

    fn told(&mut self, shell: &mut Shell, ask: AskId, told: crate::Told) {
        let on_the_way = matches!(told, crate::Told::Speech(_));
        let found = if on_the_way { self.fetching.get(&ask).copied() } else { self.fetching.remove(&ask) };
        let Some((leg, wanted)) = found else { return };
        let told = match (wanted, told) {
            (Wanted::Page(id), crate::Told::Fetched(outcome)) => Told::Fetched(id, outcome),
            (Wanted::Page(id), crate::Told::Failed(words)) => {
                Told::Fetched(id, Err(vxml::NotFetched::Unreachable(words)))
            }
            (Wanted::Sound(id), crate::Told::Sound(name)) => Told::Sound(id, Ok(name)),
            (Wanted::Sound(id), crate::Told::Failed(_)) => Told::Sound(id, Err(NoSound::Failed)),
            (Wanted::Words(id), told) => {
                let Some(visit) = self.visits.get_mut(&leg).filter(|visit| visit.ear.listens_for(id)) else { return };
                match told {
                    crate::Told::Speech(on) => Told::Speech(id, on),
                    crate::Told::Heard(utterances) => {
                        visit.ear.stop(shell, visit.terminal.lease().id);
                        Told::Heard(id, Some(utterances))
                    }
                    _ => {
                        visit.ear.stop(shell, visit.terminal.lease().id);
                        Told::Heard(id, None)
                    }
                }
            }
            (Wanted::Stream(id), told) => {
                let Some(visit) = self.visits.get_mut(&leg).filter(|visit| visit.ear.listens_for(id)) else { return };
                visit.ear.stop(shell, visit.terminal.lease().id);
                match told {
                    crate::Told::Streamed(outcome) => Told::Streamed(id, outcome),
                    _ => Told::Streamed(id, Err("error.noresource".into())),
                }
            }
            // Not what was asked.
            _ => return,
        };
        self.tell(shell, leg, told);
    }

    fn over(&mut self, _: &mut Shell, _: CallNo) {}

    fn accepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        self.far_answered(shell, leg, sdp.as_deref());
    }

    fn refused(&mut self, shell: &mut Shell, leg: LegNo, refused: Refused) {
        self.far_over(shell, leg, Far::Refused(refused.status.0));
    }

    fn deadline(&self) -> Option<Duration> {
        self.timers.deadline().into_iter().chain(self.guests.front().map(|guest| guest.until)).min()
    }

    fn tick(&mut self, shell: &mut Shell) {
        while let Some(guest) = self.guests.pop_front_if(|guest| guest.until <= shell.now().mono) {
            let why = "no media port is free";
            let headers = vec![(Name::RetryAfter, RETRY_AFTER.into()), warning(&shell.plan().node, why)];
            shell.refuse(guest.leg, Status(503), headers, why);
        }
        while let Some(alarm) = self.timers.due(shell.now().mono) {
            match alarm.due {
                Due::Session(id) => self.tell(shell, alarm.leg, Told::TimedOut(id)),
                Due::Refer => self.refer_now(shell, alarm.leg),
            }
        }
    }
}
