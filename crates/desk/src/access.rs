//! Who may touch whom: an agent themselves, a supervisor the agents of the teams that the site gives them, an
//! administrator everybody.

use acd::TeamPlan;
use roles::{AgentView, DialogView};
use store::accounts::{Account, Role};

use crate::centre::Centre;
use crate::error::{ErrorType, Problem};

/// In what right somebody is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Own,
    Supervisor,
}

/// An agent, for somebody who may see and change them.
///
/// # Errors
/// 401 for one who is not theirs, 404 for one who is not there. Who may see only themselves is not told who is there.
pub(crate) fn agent<'a>(centre: &'a Centre, account: &Account, id: &str) -> Result<(Reach, &'a AgentView), Problem> {
    let found = centre.agents.get(id).ok_or_else(Problem::unknown_user);
    let own = account.agent.as_deref().unwrap_or_default();
    match account.role {
        _ if own == id => Ok((Reach::Own, found?)),
        Role::Agent => Err(Problem::new(
            ErrorType::InvalidAuthorizationUser,
            id,
            format!("{} may not see or change agent {id}", account.name),
        )),
        Role::Supervisor => {
            let found = found?;
            let team = found.team.as_deref();
            match centre.book.supervised_by(own).any(|supervised| Some(supervised.name.as_str()) == team) {
                true => Ok((Reach::Supervisor, found)),
                false => {
                    let words = format!("{} supervises no team of agent {id}", account.name);
                    Err(Problem::new(ErrorType::InvalidSupervisor, id, words))
                }
            }
        }
        Role::Administrator => Ok((Reach::Supervisor, found?)),
    }
}

/// A call, for its agent and those who may see them.
///
/// # Errors
/// 401 for somebody else's, 404 for none.
pub(crate) fn dialog<'a>(centre: &'a Centre, account: &Account, id: &str) -> Result<(Reach, &'a DialogView), Problem> {
    let found = id.parse().ok().and_then(|call: u64| centre.dialogs.get(&call));
    let found = found.ok_or_else(|| Problem::new(ErrorType::DialogNotFound, id, format!("there is no dialog {id}")))?;
    let (reach, _) = agent(centre, account, &found.agent)?;
    Ok((reach, found))
}

/// # Errors
/// 401 for a team that they do not supervise, 404 for one that is not there.
pub(crate) fn team<'a>(centre: &'a Centre, account: &Account, id: &str) -> Result<&'a TeamPlan, Problem> {
    let own = account.agent.as_deref().unwrap_or_default();
    let supervised = centre.book.supervised_by(own).find(|team| team.name == id);
    match (account.role, supervised) {
        (Role::Administrator, _) => {
            centre.book.plan.teams.iter().find(|team| team.name == id).ok_or_else(|| Problem::not_found("team", id))
        }
        (Role::Supervisor, Some(team)) => Ok(team),
        (Role::Supervisor | Role::Agent, _) => {
            let words = format!("{} does not supervise team `{id}`", account.name);
            Err(Problem::new(ErrorType::InvalidSupervisor, id, words))
        }
    }
}

/// # Errors
/// 401 for anybody else.
pub(crate) fn administrator(account: &Account) -> Result<(), Problem> {
    match account.role {
        Role::Administrator => Ok(()),
        Role::Agent | Role::Supervisor => {
            let words = format!("{} is no administrator", account.name);
            Err(Problem::new(ErrorType::AuthorizationFailure, account.role.word(), words))
        }
    }
}
