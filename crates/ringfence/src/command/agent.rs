//! `ringfence agent …`, also supervisors in agents' calls, and `ringfence drain NODE`

use std::path::Path;
use std::process::ExitCode;

use admin::api::{AgentState, Availability, Supervision};
use admin::cli::{Agent, Supervise};
use anyhow::Context;
use roles::Oversight;

use super::{Outcome, estate, wait_for};

pub(crate) fn run(data: &Path, agent: Agent) -> Outcome {
    let estate = estate(data)?;
    let (id, wanted) = match agent {
        Agent::Login { id } => (id, AgentState { state: Availability::Login, reason: String::new() }),
        Agent::Logout { id, reason } => (id, AgentState { state: Availability::Logout, reason }),
        Agent::Ready { id } => (id, AgentState { state: Availability::Ready, reason: String::new() }),
        Agent::NotReady { id, reason } => (id, AgentState { state: Availability::NotReady, reason }),
        Agent::Listen(who) => return supervise(data, who, Oversight::Listen),
        Agent::Whisper(who) => return supervise(data, who, Oversight::Whisper),
        Agent::Barge(who) => return supervise(data, who, Oversight::Barge),
        Agent::TakeOver(who) => return supervise(data, who, Oversight::TakeOver),
    };
    let servers = estate.call_servers()?;
    let server = servers.first().context("this site has no call server, so it has no agents")?;
    wait_for(async { Ok(server.post(&format!("/api/v1/agents/{id}/state"), &wanted).await?) })?;
    let state = match wanted.state {
        Availability::Ready => "ready",
        Availability::NotReady => "not ready",
        Availability::Login => "logged in",
        Availability::Logout => "logged out",
    };
    println!("agent {id} is {state}");
    Ok(ExitCode::SUCCESS)
}

fn supervise(data: &Path, Supervise { agent, supervisor }: Supervise, how: Oversight) -> Outcome {
    let estate = estate(data)?;
    let servers = estate.call_servers()?;
    let server = servers.first().context("this site has no call server, so it has no agents")?;
    println!("supervisor {supervisor} is called, unless they are in the call already …");
    let wanted = Supervision { supervisor: supervisor.clone(), how };
    wait_for(async { Ok(server.post(&format!("/api/v1/agents/{agent}/supervision"), &wanted).await?) })?;
    let words = match how {
        Oversight::Listen => "hears the call of agent",
        Oversight::Whisper => "hears the call, and is heard by agent",
        Oversight::Barge => "talks with the caller and agent",
        Oversight::TakeOver => "has the call of agent",
    };
    println!("supervisor {supervisor} {words} {agent}");
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn drain(data: &Path, node: &str) -> Outcome {
    let estate = estate(data)?;
    let client = estate.client(node)?;
    println!("{node} takes no new calls; waiting for the last one to end …");
    wait_for(async { Ok(client.post("/api/v1/drain", &()).await?) })?;
    println!("{node} has no calls: it may be stopped.");
    Ok(ExitCode::SUCCESS)
}
