//! `ringfence show …`

use std::path::Path;
use std::process::ExitCode;

use admin::api::Calls;
use admin::cli::{Question, Show};
use admin::estate::Estate;
use admin::link::Client;
use admin::show::{debugging, plain_lines, tables, tls_detail, voice_brief};
use net::{Connections, SslDebug};
use roles::{AgentView, QueueView, RefusalRecord, Registration, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use site::Role;

use super::{Outcome, estate, wait_for};

pub(crate) fn run(data: &Path, show: &Show) -> Outcome {
    let question = match Question::parse(&show.words) {
        Ok(question) => question,
        Err(words) => {
            eprintln!("ringfence show: {words}");
            return Ok(ExitCode::from(2));
        }
    };
    let node = show.node.as_deref();
    match question {
        Question::Ctl
        | Question::Itl
        | Question::Phones
        | Question::Trunks
        | Question::SecurityMode
        | Question::RunningConfig => {
            return super::utils::show(data, question, node);
        }
        _ => {}
    }
    let estate = estate(data)?;
    let text = wait_for(answer(&estate, question, show))?;
    print!("{}", plain_lines(&text));
    Ok(ExitCode::SUCCESS)
}

async fn answer(estate: &Estate, question: Question, show: &Show) -> anyhow::Result<String> {
    let named = show.node.as_deref();
    let nodes = |role: fn(&Role) -> bool| estate.nodes(named, role);
    let sbc: fn(&Role) -> bool = |r| matches!(r, Role::Sbc(_));
    let call_server: fn(&Role) -> bool = |r| matches!(r, Role::CallServer(_));
    let call_manager: fn(&Role) -> bool = |r| matches!(r, Role::CallManager(_));
    let every: fn(&Role) -> bool = |_| true;
    let json = show.json;
    match question {
        // On IOS there is one box; here the border controllers answer unless another node is named.
        Question::Calls => {
            let text = |calls: Calls| voice_brief(&calls.legs, calls.started_ms, calls.now_ms);
            each(&nodes(sbc)?, "/api/v1/calls", json, text).await
        }
        Question::Connections => each(&nodes(sbc)?, "/api/v1/connections", json, |c: Connections| tls_detail(&c)).await,
        Question::Refusals => {
            let all: Vec<RefusalRecord> = gather(&nodes(every)?, "/api/v1/refusals").await?;
            told(json, all, tables::refusals)
        }
        Question::Agents => {
            let all: Vec<AgentView> = gather(&nodes(call_server)?, "/api/v1/agents").await?;
            told(json, all, tables::agents)
        }
        Question::Queues => {
            let all: Vec<QueueView> = gather(&nodes(call_server)?, "/api/v1/queues").await?;
            told(json, all, tables::queues)
        }
        Question::Registrations => {
            let all: Vec<Registration> = gather(&nodes(call_manager)?, "/api/v1/registrations").await?;
            told(json, all, tables::registrations)
        }
        Question::Debugging => {
            each(&nodes(every)?, "/api/v1/debugging", json, |on: Vec<SslDebug>| debugging::debugging(&on)).await
        }
        // Answered from the data directory, before anybody is asked.
        Question::Ctl
        | Question::Itl
        | Question::Phones
        | Question::Trunks
        | Question::SecurityMode
        | Question::RunningConfig => Ok(String::new()),
        Question::Status => {
            let mut all: Vec<Status> = Vec::new();
            for client in nodes(every)? {
                all.push(client.get("/api/v1/status").await?);
            }
            told(json, all, tables::status)
        }
    }
}

/// Each node's answer under its name; the name is left out when only one was asked.
async fn each<T: DeserializeOwned + Serialize>(
    nodes: &[&Client],
    path: &str,
    json: bool,
    text: impl Fn(T) -> String,
) -> anyhow::Result<String> {
    let mut out = String::new();
    let mut data = serde_json::Map::new();
    for client in nodes {
        let answer: T = client.get(path).await?;
        if json {
            data.insert(client.node().to_owned(), serde_json::to_value(answer)?);
            continue;
        }
        if nodes.len() > 1 {
            out.push_str(&format!("── {}\n", client.node()));
        }
        out.push_str(&text(answer));
    }
    if json { Ok(serde_json::to_string_pretty(&data)? + "\n") } else { Ok(out) }
}

/// All nodes' lists as one.
async fn gather<T: DeserializeOwned>(nodes: &[&Client], path: &str) -> anyhow::Result<Vec<T>> {
    let mut all = Vec::new();
    for client in nodes {
        all.extend(client.get::<Vec<T>>(path).await?);
    }
    Ok(all)
}

fn told<T: Serialize>(json: bool, data: Vec<T>, text: impl Fn(&[T]) -> String) -> anyhow::Result<String> {
    if json { Ok(serde_json::to_string_pretty(&data)? + "\n") } else { Ok(text(&data)) }
}
