//! `ringfence token issue|list|revoke|keys|renew`: what phones register by where their profile enables OAuth.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use admin::api::{Reload, Reloaded};
use admin::cli::Token;
use admin::estate::Estate;
use admin::show::{tables::table, time::rfc3339};
use anyhow::{Context, bail};
use serde_json::json;
use site::{Node, Site};
use store::{DataDir, IssuedToken, token_nodes};

use super::{Outcome, wait_for};

pub(crate) fn run(data: &Path, token: Token) -> Outcome {
    let dir = DataDir::open(data)?;
    let (site, now) = (dir.site()?, SystemTime::now());
    let who = format!("uid {}", rustix::process::getuid().as_raw());
    match token {
        Token::Issue { phone, life, output, node } => {
            let node = holder(&site, node.as_deref(), Some(&phone))?;
            let life = life.map(|seconds| Duration::from_secs(seconds.into()));
            let (token, issued) = dir.issue_token(node, &phone, life, &who, now)?;
            put(output.as_deref(), &token)?;
            let IssuedToken { id, owner, until_ms, .. } = issued;
            // The token alone is on standard output.
            eprintln!("token {id} for {phone} of {owner}, good until {}", rfc3339(until_ms));
        }
        Token::List { json } => list(&dir.store()?.tokens()?, json, now),
        Token::Revoke { what, reason, foreign } => {
            for id in dir.revoke_tokens(&what, foreign, &reason, &who, now)? {
                println!("token {id} is taken back");
            }
            tell(&dir, &site)?;
        }
        Token::Keys { output, node } => {
            let node = holder(&site, node.as_deref(), None)?;
            put(output.as_deref(), &dir.token_key_set(&node.name)?)?;
        }
        Token::Renew { at_once, node } => {
            let node = holder(&site, node.as_deref(), None)?;
            dir.renew_token_key(node, at_once, &who, now)?;
            match at_once {
                true => println!("{}: a new key; every token of before is refused", node.name),
                false => println!("{}: a new key; tokens of the one before are good until they end", node.name),
            }
            tell(&dir, &site)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The call manager that is meant, by its name or a phone of its.
fn holder<'a>(site: &'a Site, named: Option<&str>, phone: Option<&str>) -> anyhow::Result<&'a Node> {
    let has = |node: &&Node| match (&node.role, phone) {
        (site::Role::CallManager(manager), Some(phone)) => manager.phones.iter().any(|row| row.name == phone),
        _ => true,
    };
    let all: Vec<&Node> = token_nodes(site).filter(|node| named.is_none_or(|name| name == node.name)).collect();
    let fit: Vec<&Node> = all.iter().copied().filter(has).collect();
    match (fit[..].first(), all[..].first()) {
        (Some(one), _) if fit.len() == 1 => Ok(one),
        // Who it is not a phone of says so.
        (None, Some(one)) => Ok(one),
        (Some(_), _) => bail!(
            "several call managers take tokens: say which with --node ({})",
            fit.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ")
        ),
        (None, None) => bail!(
            "no call manager{} takes tokens: add `[node.role.call_manager.oauth]` to the site, and run `ringfence init` again",
            named.map(|name| format!(" `{name}`")).unwrap_or_default()
        ),
    }
}

fn put(output: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match output {
        Some(file) => {
            store::write_private(file, text.as_bytes()).with_context(|| format!("cannot write {}", file.display()))
        }
        None => {
            println!("{text}");
            Ok(())
        }
    }
}

fn list(tokens: &[IssuedToken], json: bool, now: SystemTime) {
    if json {
        let rows: Vec<_> = tokens
            .iter()
            .map(|token| {
                json!({
                    "id": token.id, "node": token.node, "phone": token.phone, "owner": token.owner,
                    "issued_ms": token.issued_ms, "until_ms": token.until_ms,
                    "revoked_ms": token.revoked.as_ref().map(|taken| taken.at_ms),
                    "reason": token.revoked.as_ref().map(|taken| &taken.reason),
                })
            })
            .collect();
        return println!("{}", json!(rows));
    }
    let now_ms = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let state = |token: &IssuedToken| match &token.revoked {
        Some(taken) => format!("taken back {} ({})", rfc3339(taken.at_ms), taken.reason),
        None if token.until_ms <= now_ms => "ended".into(),
        None => "good".into(),
    };
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            let until = if token.until_ms == 0 { "unknown".into() } else { rfc3339(token.until_ms) };
            vec![token.id.clone(), or(&token.phone, "-"), or(&token.owner, "-"), until, state(token)]
        })
        .collect();
    print!("{}", table(&["ID", "PHONE", "OWNER", "UNTIL", "STATE"], &rows));
}

/// Running call managers take it at once.
fn tell(data: &DataDir, site: &Site) -> anyhow::Result<()> {
    let Ok(estate) = Estate::open(data) else {
        println!("A process that runs from this directory takes it within a minute, or at SIGHUP.");
        return Ok(());
    };
    for node in token_nodes(site) {
        let wanted = Reload { list: None, site: false };
        let answer: Result<Reloaded, _> =
            wait_for(async { Ok(estate.client(&node.name)?.ask("/api/v1/reload", &wanted).await) })?;
        match answer {
            Ok(answer) => answer.changed.iter().for_each(|line| println!("{line}")),
            Err(error) => println!("{} was not told ({error}); it reads it at its start.", node.name),
        }
    }
    Ok(())
}
