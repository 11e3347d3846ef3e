//! The media resource: conferences, announcements and music on hold for whoever may call it (contract 44, 258, 259).
//! Its services have numbers in the site file, and the addresses of RFC 4240: `sip:annc@…;play=welcome` (§3) and
//! `sip:conf=ID@…`, a conference that is there while somebody is in it (§5). SRTP or nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use media::conference::{MOST_PARTIES, Part};
use media::{Command, Lease, LeaseId, Play};
use sdp::{Direction, Policy, Protection};
use serde::{Deserialize, Serialize};
use sip::{Headers, Method, Name, Request, ServerId, Status, Transport, Uri};
use site::ConferenceBridge;

use crate::plan::{Kind, Peers};
use crate::shell::seats::{self, Seat};
use crate::shell::{CallNo, Invited, LegNo, Refused, Role, Shell, warning};
use crate::terminal::Terminal;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub resource: site::MediaResource,
}

impl Plan {
    pub(crate) fn compile(role: &site::MediaResource, peers: &mut Peers) -> Plan {
        let anywhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let (names, authority) = (&role.secure_certificate_subject, role.authority.as_deref());
        // Before the others: one who is both is a call server.
        let servers = &role.call_server_subject;
        if !servers.is_empty() {
            peers.add_under(CALL_SERVERS, Transport::Tls, anywhere, servers, authority);
        }
        if !names.is_empty() {
            peers.add_under("callers", Transport::Tls, anywhere, names, authority);
        }
        Plan { resource: role.clone() }
    }

    /// What a caller of this address wants; the error is for the caller.
    fn service(&self, invited: &Invited) -> Result<Service, (Status, &'static str)> {
        let none = |why| (Status(404), why);
        let uri = invited.request.request_uri().and_then(Result::ok).ok_or(none(NO_SERVICE))?;
        match Seat::of(&uri) {
            None => self.dialled(&invited.called, &uri).map_err(none),
            Some(_) if **invited.admitted.peer() != *CALL_SERVERS => Err((Status(403), NOT_A_CALL_SERVER)),
            Some(Err(why)) => Err((Status(400), why)),
            Some(Ok(seat)) => match room(&invited.called) {
                Some(name) => {
                    let (most, music) = (ConferenceBridge::PARTIES as usize, String::new());
                    Ok(Service::Conference { name, most, music, seat: Some(seat) })
                }
                None => Err(none("a call server seats parties in conferences of its own: sip:conf=ID@…")),
            },
        }
    }

    fn dialled(&self, called: &str, uri: &Uri) -> Result<Service, &'static str> {
        let site::MediaResource { conferences, announcements, .. } = &self.resource;
        if let Some(conference) = conferences.iter().find(|conference| conference.number == called) {
            let (most, music) = (conference.parties as usize, conference.music.clone());
            return Ok(Service::Conference { name: called.to_owned(), most, music, seat: None });
        }
        if let Some(announcement) = announcements.iter().find(|announcement| announcement.number == called) {
            return Ok(Service::Announcement { prompt: announcement.prompt.clone(), repeat: announcement.repeat });
        }
        if let Some(name) = room(called) {
            let (most, music) = (ConferenceBridge::PARTIES as usize, ConferenceBridge::music());
            return Ok(Service::Conference { name, most, music, seat: None });
        }
        match (called, uri.param("play").flatten(), uri.param("repeat").flatten()) {
            ("annc", Some(_), Some(times)) if times != "forever" && times != "1" => {
                Err("an announcement is played once, or with repeat=forever until the caller hangs up")
            }
            ("annc", Some(prompt), times) if is_name(prompt) => {
                Ok(Service::Announcement { prompt: prompt.to_owned(), repeat: times == Some("forever") })
            }
            ("annc", ..) => Err("annc wants play= with the name of a prompt (RFC 4240 3)"),
            _ => Err(NO_SERVICE),
        }
    }
}

/// Name of the peer that call servers are.
const CALL_SERVERS: &str = "call servers";
const NOT_A_CALL_SERVER: &str = "only a call server says who sits where: expected a certificate that call_server_subject of this media resource names";
const CLOSED: &str =
    "this conference is of another kind: a call server's is closed to who dials it, and the other way round";

/// A conference by its address (RFC 4240 §5).
fn room(called: &str) -> Option<String> {
    called.strip_prefix("conf=").filter(|id| !id.is_empty()).map(|id| format!("conf={id}"))
}

const NO_SERVICE: &str = "there is no conference and no announcement of this name";

/// A name of the catalogue: nobody who calls reaches into a folder.
fn is_name(prompt: &str) -> bool {
    !prompt.is_empty() && !prompt.starts_with('.') && !prompt.contains(['/', '\\', ':'])
}

/// All callers of one media resource.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct MediaResource {
    guests: BTreeMap<LegNo, Guest>,
    /// Conferences by name, each while somebody is in it.
    conferences: BTreeMap<String, Conference>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Guest {
    terminal: Terminal,
    service: Service,
    started: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Service {
    Announcement {
        prompt: String,
        repeat: bool,
    },
    Conference {
        name: String,
        most: usize,
        music: String,
        /// In a conference of a call server's: where, and in which part.
        seat: Option<Seat>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Conference {
    /// The media thread's number for it.
    id: u64,
    /// A port of the thread that mixes it: everybody else's is of the same.
    near: Lease,
    /// A call server's: it alone says who comes in.
    closed: bool,
    parties: Vec<LegNo>,
}

/// Music has no end that anybody waits for, announcements have.
const MUSIC: u64 = 0;
const ANNOUNCEMENT: u64 = 1;

fn policy() -> Policy {
    Policy {
        protection: Protection::Secure,
        suites: Vec::new(),
        codecs: Vec::new(),
        telephone_event: true,
        exchange: Vec::new(),
    }
}

impl MediaResource {
    /// A port for this service; the error says with which status there is none.
    fn port(&self, shell: &mut Shell, service: &Service) -> Result<Lease, (Status, &'static str)> {
        const NO_PORT: (Status, &str) = (Status(503), "no media port is free");
        let Service::Conference { name, most, seat, .. } = service else { return shell.lend().ok_or(NO_PORT) };
        match self.conferences.get(name) {
            Some(conference) if conference.closed != seat.is_some() => Err((Status(403), CLOSED)),
            Some(conference) if conference.parties.len() >= (*most).min(MOST_PARTIES) => {
                Err((Status(486), "the conference is full"))
            }
            Some(conference) => shell.lend_beside(conference.near).ok_or(NO_PORT),
            None => shell.lend().ok_or(NO_PORT),
        }
    }

    fn answer(&mut self, shell: &mut Shell, invited: Invited, service: Service) {
        let leg = invited.leg;
        let lease = match self.port(shell, &service) {
            Ok(lease) => lease,
            Err((status, why)) => {
                let headers = vec![warning(&shell.plan().node, why)];
                return shell.refuse(leg, status, headers, why);
            }
        };
        let mut terminal = Terminal::on(lease, shell, policy());
        terminal.belongs_to(shell, leg);
        let described = match &invited.sdp {
            Some(offer) => match terminal.answer(shell, leg, offer) {
                Ok(answer) => answer,
                Err(reject) => return shell.reject(leg, &reject),
            },
            None => terminal.offer(shell, Direction::SendRecv),
        };
        let uuid = shell.mint_uuid();
        shell.is_party(leg, uuid);
        let mut headers = Headers::new();
        if let Service::Conference { name, seat, .. } = &service {
            let closed = seat.is_some();
            let id = shell.random();
            let conference = self.conferences.entry(name.clone());
            conference.or_insert(Conference { id, near: lease, closed, parties: Vec::new() }).parties.push(leg);
            headers.extend(focus(shell, &invited.called));
            shell.note(leg, format!("in conference {name}"));
            if let Some(seat) = seat {
                record(shell, leg, seat);
            }
        }
        self.guests.insert(leg, Guest { terminal, service, started: false });
        shell.respond(leg, Status(200), headers, Some(described));
    }

    /// The media is agreed and acknowledged: what was called begins.
    fn begin(&mut self, shell: &mut Shell, leg: LegNo) {
        let Some(guest) = self.guests.get_mut(&leg) else { return };
        if std::mem::replace(&mut guest.started, true) {
            return;
        }
        match guest.service.clone() {
            Service::Announcement { prompt, repeat } => {
                guest.terminal.play(shell, Play { id: ANNOUNCEMENT, prompt, repeat });
            }
            Service::Conference { name, .. } => {
                self.sit(shell, leg);
                self.entertain(shell, &name);
            }
        }
    }

    /// Takes the seat, or another part there. Whoever whispers to somebody who comes later is heard by them from then on.
    fn sit(&self, shell: &mut Shell, leg: LegNo) {
        let Some(Guest { service: Service::Conference { name, seat, .. }, .. }) = self.guests.get(&leg) else { return };
        let Some(conference) = self.conferences.get(name) else { return };
        let comes = seat.as_ref().map(|seat| seat.name.as_str());
        let others = conference.parties.iter().filter(|party| **party != leg);
        // Oneself first: the media thread takes a whisper to nobody for none.
        for party in std::iter::once(&leg).chain(others) {
            let Some(guest) = self.guests.get(party).filter(|guest| guest.started) else { continue };
            let Service::Conference { seat, .. } = &guest.service else { continue };
            let part = seat.as_ref().map_or(&Part::Talks, |seat| &seat.part);
            let to_who_comes = matches!(part, Part::Whispers { to } if Some(to.as_str()) == comes);
            if *party == leg || to_who_comes {
                let part = self.part(conference, part);
                shell.media(Command::Confer { lease: guest.terminal.lease().id, conference: conference.id, part });
            }
        }
    }

    /// As the media thread knows it. Nobody hears who whispers to somebody who is not there.
    fn part(&self, conference: &Conference, part: &Part<String>) -> Part<LeaseId> {
        let to = match part {
            Part::Talks => return Part::Talks,
            Part::Listens => return Part::Listens,
            Part::Whispers { to } => to,
        };
        let named = |guest: &&Guest| match &guest.service {
            Service::Conference { seat: Some(seat), .. } => guest.started && seat.name == *to,
            _ => false,
        };
        let found = conference.parties.iter().filter_map(|party| self.guests.get(party)).find(named);
        found.map_or(Part::Listens, |guest| Part::Whispers { to: guest.terminal.lease().id })
    }

    /// Who is alone hears music; who has company hears that.
    fn entertain(&mut self, shell: &mut Shell, name: &str) {
        let Some(conference) = self.conferences.get(name) else { return };
        let there: Vec<&Guest> = conference.parties.iter().filter_map(|leg| self.guests.get(leg)).collect();
        let there: Vec<&Guest> = there.into_iter().filter(|guest| guest.started).collect();
        if conference.closed {
            return;
        }
        match there.as_slice() {
            [Guest { terminal, service: Service::Conference { music, .. }, .. }] => {
                terminal.play(shell, Play { id: MUSIC, prompt: music.clone(), repeat: true });
            }
            guests => guests.iter().for_each(|guest| guest.terminal.silence(shell)),
        }
    }

    fn forget(&mut self, shell: &mut Shell, leg: LegNo) {
        let Some(Guest { service: Service::Conference { name, .. }, .. }) = self.guests.remove(&leg) else { return };
        let Some(conference) = self.conferences.get_mut(&name) else { return };
        conference.parties.retain(|party| *party != leg);
        match conference.parties.is_empty() {
            true => drop(self.conferences.remove(&name)),
            false => self.entertain(shell, &name),
        }
    }
}

/// Who listens unheard, or is heard by one alone, leaves a trace here too.
fn record(shell: &mut Shell, leg: LegNo, seat: &Seat) {
    let words = format!("the {} {}", seat.name, seats::words(&seat.part));
    match seat.part {
        Part::Talks => shell.note(leg, words),
        Part::Listens | Part::Whispers { .. } => shell.took_part(leg, &words),
    }
}

/// Contact of a conference's focus (RFC 4579 §5.1).
fn focus(shell: &Shell, called: &str) -> Option<(Name, String)> {
    let at = shell.local(Transport::Tls)?;
    let uri = Uri::sip(Some(called), at.ip(), Some(at.port())).with_param("transport", Some("tls"));
    Some((Name::Contact, format!("<{uri}>;isfocus")))
}

impl Role for MediaResource {
    fn invited(&mut self, shell: &mut Shell, invited: Invited) {
        let plan = shell.plan_of(invited.call);
        let Kind::MediaResource(resource) = &plan.kind else { return };
        match resource.service(&invited) {
            Ok(service) => self.answer(shell, invited, service),
            Err((status, why)) => shell.refuse(invited.leg, status, vec![warning(&plan.node, why)], why),
        }
    }

    /// Another part for who sits in a call server's conference: the shell has made sure that it is this call server who asks.
    fn in_dialog(&mut self, shell: &mut Shell, leg: LegNo, server: ServerId, request: Request) {
        let seat = match self.guests.get_mut(&leg) {
            Some(Guest { service: Service::Conference { seat: Some(seat), .. }, .. }) => seat,
            _ => return shell.answer_not_allowed(leg, server),
        };
        let part = request.body().and_then(|body| seats::part_in(&body));
        match (request.method(), part) {
            (Method::Info, Some(part)) => {
                seat.part = part;
                let seat = seat.clone();
                record(shell, leg, &seat);
                self.sit(shell, leg);
                shell.answer(leg, server, Status(200), Headers::new(), None);
            }
            (Method::Info, None) => shell.answer(leg, server, Status(415), Headers::new(), None),
            _ => shell.answer_not_allowed(leg, server),
        }
    }

    fn acked(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        let Some(guest) = self.guests.get_mut(&leg) else { return };
        match guest.terminal.acked(shell, leg, sdp.as_deref()) {
            Ok(()) => self.begin(shell, leg),
            Err(why) => {
                self.forget(shell, leg);
                shell.end(leg, why);
            }
        }
    }

    fn reinvited(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        if let Some(guest) = self.guests.get_mut(&leg) {
            guest.terminal.reinvited(shell, leg, sdp.as_deref());
        }
    }

    fn refresh_due(&mut self, shell: &mut Shell, leg: LegNo) {
        if let Some(guest) = self.guests.get_mut(&leg) {
            guest.terminal.refresh(shell, leg);
        }
    }

    fn reaccepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        shell.ack(leg, None);
        let Some(guest) = self.guests.get_mut(&leg) else { return };
        if let Err(reject) = guest.terminal.accept(shell, leg, sdp.as_deref().unwrap_or_default(), false) {
            self.forget(shell, leg);
            shell.end(leg, reject.to_string());
        }
    }

    fn rerefused(&mut self, _: &mut Shell, leg: LegNo, _: Status, _: String) {
        if let Some(guest) = self.guests.get_mut(&leg) {
            guest.terminal.withdraw();
        }
    }

    fn media(&mut self, shell: &mut Shell, leg: LegNo, event: media::Event) {
        let why = match event {
            media::Event::Played { id: ANNOUNCEMENT, .. } => "the announcement has ended",
            media::Event::Unplayable { id: ANNOUNCEMENT, .. } => "there is no such prompt",
            media::Event::Unplayable { prompt, .. } => {
                return tracing::warn!(%prompt, "there is no such prompt: who is alone in the conference hears nothing");
            }
            _ => return,
        };
        self.forget(shell, leg);
        shell.end(leg, why);
    }

    fn gone(&mut self, shell: &mut Shell, leg: LegNo, _: String) {
        self.forget(shell, leg);
    }

    fn over(&mut self, _: &mut Shell, _: CallNo) {}

    /// A media resource calls nobody.
    fn accepted(&mut self, _: &mut Shell, _: LegNo, _: Option<Bytes>) {}

    fn refused(&mut self, _: &mut Shell, _: LegNo, _: Refused) {}

    fn deadline(&self) -> Option<Duration> {
        None
    }
}
