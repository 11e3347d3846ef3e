//! Groups of machines that do the same, dialled numbers, queues and agents.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sip::Transport;
use site::Pattern;

use crate::plan::Peers;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub groups: Vec<Group>,
    pub dialled: Vec<Dialled>,
    pub outgoing: Vec<WayOut>,
    /// What voice browsers may call for those whom they serve.
    pub browsers_may_dial: Vec<Pattern>,
    pub agent_group: String,
    pub ingress_group: String,
    /// Of media resources, for conferences and supervisors.
    pub conference_group: Option<String>,
    /// Group of browsers, and application, for whom an agent holds who came to no dialled number: the first one's.
    pub music: Option<(String, String)>,
    pub acd: acd::Plan,
}

/// A SIP server group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Name of the peer in the node's plan.
    pub peer: Arc<str>,
    /// Lower is tried first.
    pub priority: u16,
    /// Share of the calls among members of one priority.
    pub weight: u16,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dialled {
    pub pattern: Pattern,
    pub group: String,
    pub application: Option<String>,
    pub call_type: Option<String>,
}

/// Numbers outside, and the group that leads there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WayOut {
    pub pattern: Pattern,
    pub group: String,
    /// What those who are called see; `None`: the agent's extension.
    pub calling: Option<String>,
}

impl Plan {
    pub(crate) fn compile(role: &site::CallServer, peers: &mut Peers) -> Result<Plan, String> {
        let mut groups = Vec::new();
        for group in &role.sip_server_groups {
            let mut members = Vec::new();
            for member in &group.members {
                let names = [member.host.clone()];
                let peer = match member.secure_port {
                    Some(port) => {
                        let addr = SocketAddr::new(member.address, port);
                        peers.add_under(&member.host, Transport::Tls, addr, &names, member.authority.as_deref())
                    }
                    None if member.dangerous_plain_sip => {
                        peers.add(&member.host, Transport::Tcp, SocketAddr::new(member.address, member.port), &[])
                    }
                    None => return Err(format!("{}: {} has no secure_port", group.name, member.host)),
                };
                peers.heartbeat(&peer, group.heartbeat_s);
                members.push(Member { peer, priority: member.priority, weight: member.weight });
            }
            groups.push(Group { name: group.name.clone(), members });
        }
        let mut dialled = Vec::new();
        for number in &role.dialled_numbers {
            let pattern = Pattern::parse(&number.pattern)?;
            dialled.push(Dialled {
                pattern,
                group: number.group.clone(),
                application: number.application.clone(),
                call_type: number.call_type.clone(),
            });
        }
        let mut outgoing = Vec::new();
        for number in &role.outgoing_numbers {
            let pattern = Pattern::parse(&number.pattern)?;
            outgoing.push(WayOut { pattern, group: number.group.clone(), calling: number.calling_number.clone() });
        }
        let routing = role.routing();
        if let Some(flaw) = routing.flaws.iter().find(|flaw| !flaw.is_warning) {
            return Err(format!("{}: {}", flaw.path, flaw.what));
        }
        Ok(Plan {
            groups,
            dialled,
            outgoing,
            browsers_may_dial: role.browsers_may_dial.iter().map(|p| Pattern::parse(p)).collect::<Result<_, _>>()?,
            agent_group: role.agent_group.clone(),
            ingress_group: role.ingress_group.clone(),
            conference_group: role.conference_group.clone(),
            music: role.dialled_numbers.first().map(|number| {
                (number.group.clone(), number.application.clone().unwrap_or_else(|| number.pattern.clone()))
            }),
            acd: routing.plan,
        })
    }

    pub(super) fn group(&self, name: &str) -> &[Member] {
        self.groups.iter().find(|group| group.name == name).map(|group| group.members.as_slice()).unwrap_or_default()
    }

    /// The pattern with most digits that takes this number.
    pub(super) fn dialled(&self, number: &str) -> Option<&Dialled> {
        most_digits(&self.dialled, |dialled| dialled.pattern.matches(number))
    }

    /// The way out of the house to this number; `None`: it is a phone's.
    pub(super) fn way_out(&self, number: &str) -> Option<&WayOut> {
        most_digits(&self.outgoing, |way| way.pattern.matches(number))
    }

    /// Whose turn it is among members not tried yet: those who are up before those who are not, the lowest priority
    /// number, and there by weight. `dice` is any number.
    pub(super) fn member(
        &self,
        group: &str,
        tried: &[Arc<str>],
        is_up: impl Fn(&str) -> bool,
        dice: u64,
    ) -> Option<Arc<str>> {
        let untried = || self.group(group).iter().filter(|member| !tried.contains(&member.peer));
        let rank = |member: &&Member| (!is_up(&member.peer), member.priority);
        let best = untried().map(|member| rank(&member)).min()?;
        let equals: Vec<&Member> = untried().filter(|member| rank(member) == best).collect();
        let all: u64 = equals.iter().map(|member| u64::from(member.weight.max(1))).sum();
        let mut at = dice % all.max(1);
        for member in &equals {
            let weight = u64::from(member.weight.max(1));
            if at < weight {
                return Some(member.peer.clone());
            }
            at -= weight;
        }
        None
    }
}

/// The one of them that takes most digits explicitly; of equals the first.
fn most_digits<T>(among: &[T], digits: impl Fn(&T) -> Option<usize>) -> Option<&T> {
    let taken = among.iter().filter_map(|one| Some((digits(one)?, one)));
    // `max_by_key` takes the last of equals.
    taken.rev().max_by_key(|(digits, _)| *digits).map(|(_, one)| one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(members: &[(&str, u16, u16)]) -> Plan {
        let member = |(peer, priority, weight): &(&str, u16, u16)| Member {
            peer: (*peer).into(),
            priority: *priority,
            weight: *weight,
        };
        let groups = vec![Group { name: "g".into(), members: members.iter().map(member).collect() }];
        let acd = acd::Plan::default();
        let dialled = |pattern: &str, group: &str| Dialled {
            pattern: Pattern::parse(pattern).unwrap(),
            group: group.into(),
            application: None,
            call_type: None,
        };
        let dialled = vec![dialled("6...", "all"), dialled("6016", "one")];
        let group = || String::from("g");
        let way = |pattern: &str, group: &str| WayOut {
            pattern: Pattern::parse(pattern).unwrap(),
            group: group.into(),
            calling: None,
        };
        let outgoing = vec![way("0T", "carrier"), way("00T", "abroad")];
        Plan {
            groups,
            dialled,
            outgoing,
            browsers_may_dial: Vec::new(),
            agent_group: group(),
            ingress_group: group(),
            conference_group: None,
            music: None,
            acd,
        }
    }

    #[test]
    fn priority_then_weight_and_health_before_both() {
        let plan = plan(&[("a", 10, 30), ("b", 10, 10), ("c", 20, 10)]);
        let pick = |tried: &[&str], down: &[&str], dice: u64| {
            let tried: Vec<Arc<str>> = tried.iter().map(|t| Arc::from(*t)).collect();
            plan.member("g", &tried, |peer| !down.contains(&peer), dice).map(|peer| peer.to_string())
        };
        assert_eq!(pick(&[], &[], 29).as_deref(), Some("a"));
        assert_eq!(pick(&[], &[], 30).as_deref(), Some("b"));
        assert_eq!(pick(&["a", "b"], &[], 0).as_deref(), Some("c"));
        assert_eq!(pick(&[], &["a", "b"], 0).as_deref(), Some("c"), "who is up before who is not");
        assert_eq!(pick(&["c"], &["a", "b"], 0).as_deref(), Some("a"), "better one that was down than none");
        assert_eq!(pick(&["a", "b", "c"], &[], 0), None);
    }

    #[test]
    fn the_longest_pattern_takes_the_number() {
        let plan = plan(&[]);
        assert_eq!(plan.dialled("6016").map(|dialled| dialled.group.as_str()), Some("one"));
        assert_eq!(plan.dialled("6017").map(|dialled| dialled.group.as_str()), Some("all"));
        assert_eq!(plan.dialled("7017"), None);
        let way = |number| plan.way_out(number).map(|way| way.group.as_str());
        assert_eq!([way("0227046971"), way("0049301"), way("1002")], [Some("carrier"), Some("abroad"), None]);
    }
}
