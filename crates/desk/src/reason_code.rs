//! ReasonCode: why an agent is not ready, or logs out. The codes are the site's; some are the system's own.

use acd::Category;
use roles::AgentView;

use crate::centre::Centre;
use crate::error::Problem;
use crate::request::ROOT;
use crate::xml::{Fields, Xml};

/// The reason of an agent whose state a supervisor changed.
pub(crate) const BY_SUPERVISOR: &str = "by a supervisor";
/// Its code.
const SUPERVISORS: u16 = 999;
/// Of an agent whose phone rang out.
const NOT_ANSWERED: u16 = 50_010;
/// Of an agent who was ready and made a call.
const OFF_HOOK: u16 = 50_006;
/// The reason of an agent whose desk is gone.
pub(crate) const CONNECTION_LOST: &str = "connection of the desk lost";
/// Its code.
const LOST: u16 = 50_002;

pub(crate) struct Reason<'a> {
    pub(crate) code: u16,
    label: &'a str,
    category: Category,
    for_all: bool,
    /// Not the site's to define.
    system: bool,
}

impl<'a> Reason<'a> {
    fn of_site(reason: &'a acd::ReasonCode) -> Reason<'a> {
        let acd::ReasonCode { code, label, category, teams } = reason;
        Reason { code: *code, label, category: *category, for_all: teams.is_empty(), system: false }
    }
}

/// The reason that these words of the call server's stand for; `None`: no code has them.
pub(crate) fn of_words<'a>(centre: &'a Centre, words: &'a str) -> Option<Reason<'a>> {
    let system = |code| Reason { code, label: words, category: Category::NotReady, for_all: true, system: true };
    match words {
        BY_SUPERVISOR => Some(system(SUPERVISORS)),
        CONNECTION_LOST => Some(system(LOST)),
        acd::RING_NO_ANSWER => Some(system(NOT_ANSWERED)),
        acd::OUTGOING => Some(system(OFF_HOOK)),
        _ => centre.book.plan.reasons.iter().find(|reason| reason.label == words).map(Reason::of_site),
    }
}

/// What the call server is told for the code that an agent chose; nothing where the agent's team has none.
///
/// # Errors
/// There are codes and none was chosen, or one that is not of this category and team.
pub(crate) fn chosen(
    centre: &Centre,
    agent: &AgentView,
    category: Category,
    fields: &Fields,
) -> Result<String, Problem> {
    let mut known = of_team(centre, Some(agent.team.as_deref())).filter(|reason| reason.category == category);
    match fields.get("reasonCodeId") {
        Some(id) => match known.find(|reason| Ok(reason.code) == id.parse()) {
            Some(reason) => Ok(reason.label.clone()),
            None => Err(Problem::input(id, "expected <reasonCodeId> to be one of those in the agent's ReasonCodes")),
        },
        None if known.next().is_some() => Err(Problem::missing("reasonCodeId")),
        None => Ok(String::new()),
    }
}

/// Codes for this team (`Some(None)`: for who is in none), or all.
fn of_team<'a>(centre: &'a Centre, team: Option<Option<&'a str>>) -> impl Iterator<Item = &'a acd::ReasonCode> {
    let fits = move |teams: &[String]| match team {
        None => true,
        Some(team) => teams.is_empty() || team.is_some_and(|team| teams.iter().any(|known| known == team)),
    };
    centre.book.plan.reasons.iter().filter(move |reason| fits(&reason.teams))
}

/// The list of a team (`Some(None)`: of who is in none), or all.
///
/// # Errors
/// A category that is none.
pub(crate) fn list(
    xml: &mut Xml,
    centre: &Centre,
    team: Option<Option<&str>>,
    category: Option<&str>,
) -> Result<(), Problem> {
    let category = match category {
        None | Some("ALL") => None,
        Some("NOT_READY") => Some(Category::NotReady),
        Some("LOGOUT") => Some(Category::Logout),
        Some(other) => return Err(Problem::input(other, "expected the category NOT_READY, LOGOUT or ALL")),
    };
    xml.within("ReasonCodes", |xml| {
        of_team(centre, team)
            .filter(|reason| category.is_none_or(|category| category == reason.category))
            .for_each(|reason| write(xml, &Reason::of_site(reason)));
    });
    Ok(())
}

/// # Errors
/// 404: there is none of this id.
pub(crate) fn one(xml: &mut Xml, centre: &Centre, id: &str) -> Result<(), Problem> {
    let found = centre.book.plan.reasons.iter().find(|reason| Ok(reason.code) == id.parse());
    let found = found.ok_or_else(|| Problem::not_found("reason code", id))?;
    write(xml, &Reason::of_site(found));
    Ok(())
}

pub(crate) fn write(xml: &mut Xml, reason: &Reason<'_>) {
    xml.within("ReasonCode", |xml| {
        xml.leaf("uri", &format!("{ROOT}/ReasonCode/{}", reason.code));
        xml.number("id", reason.code);
        xml.leaf("category", if reason.category == Category::Logout { "LOGOUT" } else { "NOT_READY" });
        xml.number("code", reason.code);
        xml.leaf("label", reason.label);
        xml.flag("forAll", reason.for_all);
        xml.flag("systemCode", reason.system);
    });
}
