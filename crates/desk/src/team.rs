//! Team: agents under the same supervisors.

use acd::TeamPlan;
use roles::AgentView;

use crate::centre::Centre;
use crate::request::{ROOT, encode};
use crate::user::{self, State};
use crate::xml::Xml;

pub(crate) fn uri(name: &str) -> String {
    format!("{ROOT}/Team/{}", encode(name))
}

/// With its agents; those who are logged out only if `all` are asked for.
pub(crate) fn write(xml: &mut Xml, centre: &Centre, team: &TeamPlan, all: bool) {
    let is_in =
        |agent: &&AgentView| agent.team.as_deref() == Some(&team.name) && (all || State::of(agent) != State::Logout);
    xml.within("Team", |xml| {
        write_facts(xml, team);
        xml.within("users", |xml| {
            centre.agents.values().filter(is_in).for_each(|agent| user::write_summary(xml, "User", centre, agent));
        });
    });
}

/// Without.
pub(crate) fn write_name(xml: &mut Xml, team: &TeamPlan) {
    xml.within("Team", |xml| write_facts(xml, team));
}

fn write_facts(xml: &mut Xml, team: &TeamPlan) {
    xml.leaf("uri", &uri(&team.name));
    xml.leaf("id", &team.name);
    xml.leaf("name", &team.name);
}
