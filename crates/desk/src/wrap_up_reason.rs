//! WrapUpReason: what a conversation was about.

use acd::WrapUpReason;

use crate::centre::Centre;
use crate::error::Problem;
use crate::request::{ROOT, encode};
use crate::xml::Xml;

/// The list of a team (`Some(None)`: of who is in none), or all.
pub(crate) fn list(xml: &mut Xml, centre: &Centre, team: Option<Option<&str>>) {
    xml.within("WrapUpReasons", |xml| of_team(centre, team).for_each(|reason| write(xml, reason)));
}

pub(crate) fn of_team<'a>(centre: &'a Centre, team: Option<Option<&'a str>>) -> impl Iterator<Item = &'a WrapUpReason> {
    let fits = move |teams: &[String]| match team {
        None => true,
        Some(team) => teams.is_empty() || team.is_some_and(|team| teams.iter().any(|known| known == team)),
    };
    centre.book.plan.wrap_up_reasons.iter().filter(move |reason| fits(&reason.teams))
}

/// # Errors
/// 404: there is none of this id.
pub(crate) fn one(xml: &mut Xml, centre: &Centre, id: &str) -> Result<(), Problem> {
    let found = centre.book.plan.wrap_up_reasons.iter().find(|reason| reason.label == id);
    write(xml, found.ok_or_else(|| Problem::not_found("wrap-up reason", id))?);
    Ok(())
}

fn write(xml: &mut Xml, reason: &WrapUpReason) {
    xml.within("WrapUpReason", |xml| {
        xml.leaf("uri", &format!("{ROOT}/WrapUpReason/{}", encode(&reason.label)));
        xml.leaf("label", &reason.label);
        xml.flag("forAll", reason.teams.is_empty());
    });
}
