//! `ringfence agent …`: states, calls, supervisors in agents' calls; and `ringfence drain NODE`

use std::path::Path;
use std::process::ExitCode;

use admin::api::{AgentState, Availability, CallWork, Deed, NewCall, Supervision};
use admin::cli::{Agent, OfCall, Supervise};
use admin::link::Client;
use admin::show::tables;
use anyhow::{Context, bail};
use roles::{DialogView, Oversight, Verb};

use super::{Outcome, estate, wait_for};

const NO_CALL_SERVER: &str = "this site has no call server, so it has no agents";

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
        Agent::Calls { id, json } => return calls(data, &id, json),
        Agent::Call { id, number } => return call(data, &id, number),
        Agent::Answer(of) => return work(data, of, Deed::Answer, String::new()),
        Agent::Hold(of) => return work(data, of, Deed::Hold, String::new()),
        Agent::Retrieve(of) => return work(data, of, Deed::Retrieve, String::new()),
        Agent::Transfer(of) => return work(data, of, Deed::Transfer, String::new()),
        Agent::Conference(of) => return work(data, of, Deed::Conference, String::new()),
        Agent::Drop(of) => return work(data, of, Deed::Drop, String::new()),
        Agent::Consult { id, number, call } => return work(data, OfCall { id, call }, Deed::Consult, number),
        Agent::SendOn { id, to, call } => return work(data, OfCall { id, call }, Deed::SendOn, to),
        Agent::Press { id, keys, call } => return work(data, OfCall { id, call }, Deed::Press, keys),
        Agent::WrapUp { id, reason, call } => return work(data, OfCall { id, call }, Deed::WrapUp, reason),
    };
    let servers = estate.call_servers()?;
    let server = servers.first().context(NO_CALL_SERVER)?;
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

fn calls(data: &Path, id: &str, json: bool) -> Outcome {
    let estate = estate(data)?;
    let servers = estate.call_servers()?;
    let calls = calls_of(servers.first().context(NO_CALL_SERVER)?, id)?;
    match json {
        true => println!("{}", serde_json::to_string_pretty(&calls)?),
        false => print!("{}", tables::dialogs(&calls)),
    }
    Ok(ExitCode::SUCCESS)
}

fn calls_of(server: &Client, id: &str) -> anyhow::Result<Vec<DialogView>> {
    wait_for(async { Ok(server.get(&format!("/api/v1/agents/{id}/calls")).await?) })
}

fn call(data: &Path, id: &str, number: String) -> Outcome {
    let estate = estate(data)?;
    let servers = estate.call_servers()?;
    let server = servers.first().context(NO_CALL_SERVER)?;
    println!("the phone of agent {id} is called, then the number …");
    wait_for(async { Ok(server.post(&format!("/api/v1/agents/{id}/calls"), &NewCall { to: number }).await?) })?;
    println!("agent {id} is connected");
    Ok(ExitCode::SUCCESS)
}

fn work(data: &Path, OfCall { id, call }: OfCall, deed: Deed, with: String) -> Outcome {
    let estate = estate(data)?;
    let servers = estate.call_servers()?;
    let server = servers.first().context(NO_CALL_SERVER)?;
    let call = match call {
        Some(call) => call,
        None => meant(&calls_of(server, &id)?, &id, deed)?,
    };
    if deed == Deed::Consult {
        println!("the caller is held, and the number called …");
    }
    wait_for(async { Ok(server.post(&format!("/api/v1/agents/{id}/calls/{call}"), &CallWork { deed, with }).await?) })?;
    let words = match deed {
        Deed::Answer => "has picked up call",
        Deed::Hold => "holds call",
        Deed::Retrieve => "has taken back call",
        Deed::Consult => "consults over call",
        Deed::Transfer => "has brought both together, and is out of call",
        Deed::Conference => "confers in call",
        Deed::SendOn => "has sent on call",
        Deed::Press => "has pressed the keys in call",
        Deed::WrapUp => "has said what it was about of call",
        Deed::Drop => "has hung up call",
    };
    println!("agent {id} {words} {call}");
    Ok(ExitCode::SUCCESS)
}

/// The one call that this can be done with.
fn meant(calls: &[DialogView], id: &str, deed: Deed) -> anyhow::Result<u64> {
    let verb = match deed {
        Deed::Answer => Some(Verb::Answer),
        Deed::Hold => Some(Verb::Hold),
        Deed::Retrieve => Some(Verb::Retrieve),
        Deed::Consult => Some(Verb::Consult),
        Deed::Transfer => Some(Verb::Complete),
        Deed::Conference => Some(Verb::Confer),
        Deed::Press => Some(Verb::Press),
        Deed::SendOn | Deed::WrapUp | Deed::Drop => None,
    };
    let fits = |call: &&DialogView| match (deed, &verb) {
        (_, Some(verb)) => call.verbs.contains(verb),
        (Deed::WrapUp, None) => call.connected,
        (Deed::SendOn, None) => call.connected && !call.held && !call.wrapping_up && call.outgoing.is_none(),
        (_, None) => !call.wrapping_up,
    };
    let fitting: Vec<&DialogView> = calls.iter().filter(fits).collect();
    match (fitting.as_slice(), calls) {
        ([one], _) => Ok(one.call),
        ([], []) => bail!("agent {id} has no call"),
        // The call server says why it cannot be.
        ([], [one]) => Ok(one.call),
        ([], _) => bail!("this can be done with none of the calls of agent {id}:\n{}", tables::dialogs(calls)),
        _ => bail!("say which by --call N:\n{}", tables::dialogs(calls)),
    }
}

fn supervise(data: &Path, Supervise { agent, supervisor }: Supervise, how: Oversight) -> Outcome {
    let estate = estate(data)?;
    let servers = estate.call_servers()?;
    let server = servers.first().context(NO_CALL_SERVER)?;
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
