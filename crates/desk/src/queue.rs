//! Queue: who waits, and what the agents who may serve it are doing.

use acd::QueuePlan;

use crate::centre::Centre;
use crate::request::{ROOT, encode};
use crate::user::State;
use crate::xml::Xml;

pub(crate) fn uri(name: &str) -> String {
    format!("{ROOT}/Queue/{}", encode(name))
}

/// Queues that an agent may serve.
pub(crate) fn list_uri(agent: &str) -> String {
    format!("{}/Queues", crate::user::uri(agent))
}

/// `Queue` in bodies, `queue` in notifications.
pub(crate) fn write(xml: &mut Xml, name: &str, centre: &Centre, queue: &QueuePlan) {
    let agents = |state: State| centre.agents_of(queue).filter(|agent| State::of(agent) == state).count();
    let logged_on = centre.agents_of(queue).filter(|agent| State::of(agent) != State::Logout).count();
    // In a call of another queue, which this one may not have.
    let elsewhere = centre.agents_of(queue).filter(|agent| State::of(agent) == State::Talking);
    let elsewhere = elsewhere
        .filter(|agent| centre.dialogs_of(&agent.id).all(|dialog| dialog.queue.as_deref() != Some(&queue.name)))
        .count();
    xml.within(name, |xml| {
        xml.leaf("uri", &uri(&queue.name));
        xml.leaf("name", &queue.name);
        xml.within("statistics", |xml| {
            match centre.queues.get(&queue.name) {
                Some(now) => {
                    xml.number("callsInQueue", now.waiting);
                    match now.longest_since_ms {
                        Some(since) => xml.time("startTimeOfLongestCallInQueue", since),
                        None => xml.leaf("startTimeOfLongestCallInQueue", ""),
                    }
                }
                None => {
                    xml.leaf("callsInQueue", "-1");
                    xml.leaf("startTimeOfLongestCallInQueue", "");
                }
            }
            xml.number("agentsReady", agents(State::Ready));
            xml.number("agentsNotReady", agents(State::NotReady));
            xml.number("agentsBusyOther", agents(State::Reserved) + elsewhere);
            xml.number("agentsLoggedOn", logged_on);
            xml.number("agentsTalkingInbound", agents(State::Talking) - elsewhere);
            // Calls that agents make themselves are not seen here.
            xml.leaf("agentsTalkingOutbound", "-1");
            xml.leaf("agentsTalkingInternal", "-1");
            xml.number("agentsWrapUpNotReady", agents(State::Work));
            xml.number("agentsWrapUpReady", agents(State::WorkReady));
        });
    });
}
