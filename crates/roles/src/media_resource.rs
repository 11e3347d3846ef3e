//! The media resource: conferences, announcements and music on hold for whoever may call it (contract 44, 258, 259).
//! Its services have numbers in the site file, and the addresses of RFC 4240: `sip:annc@…;play=welcome` (§3) and
//! `sip:conf=ID@…`, a conference that is there while somebody is in it (§5). SRTP or nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use media::conference::{MOST_PARTIES, Part};
use media::{Command, Lease, Play};
use sdp::{Direction, Policy, Protection};
use serde::{Deserialize, Serialize};
use sip::{Headers, Name, Request, Status, Transport, Uri};
use site::ConferenceBridge;

use crate::plan::{Kind, Peers};
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
        peers.add_under("callers", Transport::Tls, anywhere, names, authority);
        Plan { resource: role.clone() }
    }

    /// What a caller of this address wants; the error is for the caller.
    fn service(&self, called: &str, request: &Request) -> Result<Service, &'static str> {
        let site::MediaResource { conferences, announcements, .. } = &self.resource;
        if let Some(conference) = conferences.iter().find(|conference| conference.number == called) {
            let (most, music) = (conference.parties as usize, conference.music.clone());
            return Ok(Service::Conference { name: called.to_owned(), most, music });
        }
        if let Some(announcement) = announcements.iter().find(|announcement| announcement.number == called) {
            return Ok(Service::Announcement { prompt: announcement.prompt.clone(), repeat: announcement.repeat });
        }
        if let Some(id) = called.strip_prefix("conf=").filter(|id| !id.is_empty()) {
            let (most, music) = (ConferenceBridge::PARTIES as usize, ConferenceBridge::music());
            return Ok(Service::Conference { name: format!("conf={id}"), most, music });
        }
        let Some(Ok(uri)) = request.request_uri() else { return Err(NO_SERVICE) };
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
    Announcement { prompt: String, repeat: bool },
    Conference { name: String, most: usize, music: String },
}

#[derive(Debug, Serialize, Deserialize)]
struct Conference {
    /// The media thread's number for it.
    id: u64,
    /// A port of the thread that mixes it: everybody else's is of the same.
    near: Lease,
    parties: Vec<LegNo>,
}

/// Music has no end that anybody waits for, announcements have.
const MUSIC: u64 = 0;
const ANNOUNCEMENT: u64 = 1;

fn policy() -> Policy {
    Policy { protection: Protection::Secure, suites: Vec::new(), codecs: Vec::new(), telephone_event: true }
}

impl MediaResource {
    /// A port for this service; the error says with which status there is none.
    fn port(&self, shell: &mut Shell, service: &Service) -> Result<Lease, (Status, &'static str)> {
        const NO_PORT: (Status, &str) = (Status(503), "no media port is free");
        let Service::Conference { name, most, .. } = service else { return shell.lend().ok_or(NO_PORT) };
        match self.conferences.get(name) {
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
        if let Service::Conference { name, .. } = &service {
            let id = shell.random();
            let conference = self.conferences.entry(name.clone());
            conference.or_insert(Conference { id, near: lease, parties: Vec::new() }).parties.push(leg);
            headers.extend(focus(shell, &invited.called));
            shell.note(leg, format!("in conference {name}"));
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
                let Some(conference) = self.conferences.get(&name) else { return };
                let lease = guest.terminal.lease().id;
                shell.media(Command::Confer { lease, conference: conference.id, part: Part::Talks });
                self.entertain(shell, &name);
            }
        }
    }

    /// Who is alone hears music; who has company hears that.
    fn entertain(&mut self, shell: &mut Shell, name: &str) {
        let Some(conference) = self.conferences.get(name) else { return };
        let there: Vec<&Guest> = conference.parties.iter().filter_map(|leg| self.guests.get(leg)).collect();
        let there: Vec<&Guest> = there.into_iter().filter(|guest| guest.started).collect();
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
        match resource.service(&invited.called, &invited.request) {
            Ok(service) => self.answer(shell, invited, service),
            Err(why) => shell.refuse(invited.leg, Status(404), vec![warning(&plan.node, why)], why),
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
