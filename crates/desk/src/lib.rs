//! The interface that agents' desks work through: the objects, states, actions and errors of the field's agent API
//! (`/finesse/api/…`), over HTTPS with Basic log-in, and what happens as Server-Sent Events (`/api/v1/events`).
//!
//! One file an object, by the name that the API's guide gives it: [`user`], [`dialog`], [`queue`], [`team`],
//! [`reason_code`], [`wrap_up_reason`], [`system_info`]. They are pure: [`answer`] takes a request, who asks, and the
//! contact centre as it is now, and says what to send back and what to do. [`server`] is the only part with sockets.

mod access;
mod board;
mod centre;
mod dialog;
mod error;
mod notification;
mod queue;
mod reason_code;
mod request;
mod ring;
mod routes;
pub mod server;
mod session;
mod system_info;
mod team;
mod user;
mod wrap_up_reason;
mod xml;
mod xmpp;

pub use board::Board;
pub use centre::{Book, Centre};
pub use error::{ErrorType, Problem};
pub use notification::Notification;
pub use request::{Method, Request, Resource};
use store::accounts::Account;

use crate::access::Reach;
use crate::xml::{Fields, Xml};

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// 200, and this XML.
    Here(String),
    /// 202, and nothing: these are done, and what comes of them is notified.
    Accepted(Vec<Deed>),
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Asked of the call server. Should it be sorry, that is notified at this node as an error of this source.
    Ask { control: roles::Control, node: String, source: String },
    /// An accepted request that failed.
    Notify(Notification),
    /// Somebody changed what is another's: for the audit log.
    WriteDown(String),
}

/// Answers a request of somebody who is logged in; without an account only what everybody may know.
///
/// # Errors
/// What the API's guide calls an error: its status, its type, and words.
pub fn answer(request: &Request<'_>, account: Option<&Account>, centre: &Centre) -> Result<Answer, Problem> {
    let resource = Resource::of(request.path)?;
    if resource == Resource::SystemInfo {
        return get(request).map(|()| Answer::Here(system_info::body(centre)));
    }
    let account = account.ok_or_else(Problem::not_logged_in)?;
    match (request.method, &resource) {
        (Method::Put, Resource::User(id)) => {
            let (reach, agent) = access::agent(centre, account, id)?;
            user::put(centre, reach, agent, &Fields::read("User", request.body)?)
        }
        (Method::Post, Resource::Dialogs(id)) => {
            let (reach, agent) = access::agent(centre, account, id)?;
            dialog::post(centre, (account, reach), agent, &Fields::read("Dialog", request.body)?)
        }
        (Method::Put, Resource::Dialog(id)) => {
            let (reach, dialog) = access::dialog(centre, account, id)?;
            dialog::put(centre, (account, reach), dialog, &Fields::read("Dialog", request.body)?)
        }
        (Method::Get, _) => look(request, &resource, account, centre).map(Answer::Here),
        (_, resource) if resource.is_configuration() => {
            access::administrator(account)?;
            Err(Problem::forbidden("the site file is the configuration: change it there, and reload"))
        }
        (_, _) => get(request).map(|()| Answer::Accepted(Vec::new())),
    }
}

/// The body that answers a GET.
fn look(request: &Request<'_>, resource: &Resource, account: &Account, centre: &Centre) -> Result<String, Problem> {
    let mut xml = Xml::default();
    match resource {
        Resource::SystemInfo => return Ok(system_info::body(centre)),
        Resource::Users => {
            access::administrator(account)?;
            xml.within("Users", |xml| centre.agents.values().for_each(|agent| user::write(xml, "User", centre, agent)));
        }
        Resource::User(id) => user::write(&mut xml, "User", centre, access::agent(centre, account, id)?.1),
        Resource::Dialogs(id) => {
            let (_, agent) = access::agent(centre, account, id)?;
            xml.within("Dialogs", |xml| {
                centre.dialogs_of(&agent.id).for_each(|dialog| dialog::write(xml, "Dialog", dialog));
            });
        }
        Resource::Queues(id) => {
            let (_, agent) = access::agent(centre, account, id)?;
            xml.within("Queues", |xml| {
                centre.queues_of(&agent.id).for_each(|plan| queue::write(xml, "Queue", centre, plan));
            });
        }
        Resource::UserReasonCodes(id) => {
            let (_, agent) = access::agent(centre, account, id)?;
            reason_code::list(&mut xml, centre, Some(agent.team.as_deref()), request.query("category").as_deref())?;
        }
        Resource::UserWrapUpReasons(id) => {
            let (_, agent) = access::agent(centre, account, id)?;
            wrap_up_reason::list(&mut xml, centre, Some(agent.team.as_deref()));
        }
        Resource::Dialog(id) => dialog::write(&mut xml, "Dialog", access::dialog(centre, account, id)?.1),
        Resource::Queue(id) => {
            let plan = centre.book.plan.queues.iter().find(|queue| queue.name == *id);
            queue::write(&mut xml, "Queue", centre, plan.ok_or_else(|| Problem::not_found("queue", id))?);
        }
        Resource::Team(id) => {
            let team = access::team(centre, account, id)?;
            let all = request.query("includeLoggedOutAgents").as_deref() == Some("true");
            team::write(&mut xml, centre, team, all);
        }
        Resource::ReasonCodes => {
            access::administrator(account)?;
            reason_code::list(&mut xml, centre, None, request.query("category").as_deref())?;
        }
        Resource::ReasonCode(id) => reason_code::one(&mut xml, centre, id)?,
        Resource::WrapUpReasons => {
            access::administrator(account)?;
            wrap_up_reason::list(&mut xml, centre, None);
        }
        Resource::WrapUpReason(id) => wrap_up_reason::one(&mut xml, centre, id)?,
    }
    Ok(xml.text())
}

fn get(request: &Request<'_>) -> Result<(), Problem> {
    match request.method {
        Method::Get => Ok(()),
        other => Err(Problem::not_allowed(other.word(), request.path)),
    }
}

/// The events that somebody may hear of those that they name; without a name, those that come by themselves: the agent's
/// own state and calls, and the system's.
///
/// # Errors
/// One of them is not theirs to hear, or is none.
pub fn subscription(account: &Account, centre: &Centre, named: &[String]) -> Result<Vec<String>, Problem> {
    let mut nodes = vec![system_info::URI.to_owned()];
    if let Some(agent) = &account.agent {
        nodes.extend([user::uri(agent), dialog::list_uri(agent)]);
    }
    for node in named {
        match (Resource::of(node), node.strip_suffix("/Users").map(Resource::of)) {
            (Ok(Resource::SystemInfo), _) => {}
            (Ok(Resource::User(id) | Resource::Dialogs(id) | Resource::Queues(id)), _) => {
                access::agent(centre, account, &id)?;
            }
            (Ok(Resource::Queue(id)), _) if centre.book.plan.queues.iter().any(|queue| queue.name == id) => {}
            (_, Some(Ok(Resource::Team(id)))) => drop(access::team(centre, account, &id)?),
            _ => return Err(Problem::not_found("event node", node)),
        }
        nodes.push(node.clone());
    }
    Ok(nodes)
}

impl Reach {
    /// Whether somebody does this to themselves.
    fn is_own(self) -> bool {
        self == Reach::Own
    }
}
