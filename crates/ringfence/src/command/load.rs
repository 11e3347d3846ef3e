//! `ringfence load …`: the load tool on the command line.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use admin::cli::{Load as Arguments, LoadPace, LoadServer};
use anyhow::{Context, bail};
use net::load::{Answer, ClientTls, Connections, Load, Server, Work};
use sip::Transport;

use super::Outcome;

pub(crate) fn run(arguments: Arguments) -> Outcome {
    let (load, json) = plan(arguments)?;
    let report = load.run()?;
    match json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => println!("{report}"),
    }
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(arguments: Arguments) -> anyhow::Result<(Load, bool)> {
    Ok(match arguments {
        Arguments::Calls { server, pace, number, hold, answer, answer_identity, ring } => {
            let called = answer_identity.as_deref().or(server.identity.as_deref());
            let answer = answer.map(|listen| {
                let transport = transport(server.dangerous_plain.as_deref())?;
                anyhow::Ok(Answer {
                    listen,
                    transport,
                    tls: accepting(transport, called)?,
                    ring: seconds("--ring", ring)?,
                })
            });
            let from = server.from;
            let work = Work::Calls {
                server: self::server(server)?,
                number,
                hold: seconds("--hold", hold)?,
                answer: answer.transpose()?,
            };
            paced(work, from, pace)?
        }
        Arguments::Registrations { server, pace, domain, first_line, lines, secret, linger } => {
            let from = server.from;
            let domain = domain.unwrap_or_else(|| server.server.ip().to_string());
            let linger = seconds("--linger", linger)?;
            let work = Work::Registrations { server: self::server(server)?, domain, first_line, lines, secret, linger };
            paced(work, from, pace)?
        }
        Arguments::Answer { listen, identity, ring, seconds: length, dangerous_plain, json } => {
            let transport = transport(dangerous_plain.as_deref())?;
            let tls = accepting(transport, identity.as_deref())?;
            let answer = Answer { listen, transport, tls, ring: seconds("--ring", ring)? };
            let length = seconds("--seconds", length)?;
            let (from, work) = (listen.ip(), Work::Answer(answer));
            (Load { work, from, rate: 1.0, length, most: 0, patience: length }, json)
        }
    })
}

fn paced(work: Work, from: std::net::IpAddr, pace: LoadPace) -> anyhow::Result<(Load, bool)> {
    let LoadPace { rate, seconds: length, most, patience, json } = pace;
    let (length, patience) = (seconds("--seconds", length)?, seconds("--patience", patience)?);
    Ok((Load { work, from, rate, length, most, patience }, json))
}

fn server(arguments: LoadServer) -> anyhow::Result<Server> {
    let transport = transport(arguments.dangerous_plain.as_deref())?;
    let tls = match transport.is_secure() {
        true => Some(client(&arguments)?),
        false => None,
    };
    let connections = match arguments.connection_each {
        true => Connections::Each,
        false => Connections::Kept(arguments.connections.max(1)),
    };
    Ok(Server { addr: arguments.server, transport, tls, connections })
}

fn client(arguments: &LoadServer) -> anyhow::Result<ClientTls> {
    let name = arguments.server_name.clone();
    let server_name = name.context("--server-name is needed: the name that the server's certificate must have")?;
    let (identity, roots_pem) = match (&arguments.identity, &arguments.root) {
        (Some(folder), _) => super::phone::identity(folder)?,
        (None, Some(root)) => {
            let pem =
                std::fs::read_to_string(root).with_context(|| format!("cannot read the root {}", root.display()))?;
            (None, vec![pem])
        }
        (None, None) => bail!(
            "TLS needs --identity FOLDER (made by `ringfence cert issue --out FOLDER`), or --root FILE to show no \
             certificate; for load in clear say --dangerous-plain udp"
        ),
    };
    Ok(ClientTls { identity, roots_pem, server_name, resume: arguments.resume })
}

type Accepting = Option<(trust::Identity, Vec<String>)>;

fn accepting(transport: Transport, identity: Option<&Path>) -> anyhow::Result<Accepting> {
    if !transport.is_secure() {
        return Ok(None);
    }
    let folder =
        identity.context("to answer over TLS an identity is needed: --answer-identity or --identity FOLDER")?;
    let (identity, roots_pem) = super::phone::identity(folder)?;
    Ok(identity.map(|identity| (identity, roots_pem)))
}

fn transport(dangerous_plain: Option<&str>) -> anyhow::Result<Transport> {
    Ok(match dangerous_plain {
        None => Transport::Tls,
        Some("udp") => Transport::Udp,
        Some("tcp") => Transport::Tcp,
        Some(other) => bail!("--dangerous-plain {other}: expected udp or tcp"),
    })
}

fn seconds(option: &str, value: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(value).with_context(|| format!("{option} {value}: expected seconds, zero or more"))
}
