//! `ringfence cdr`: finished legs with their security, from the signed statements of the store.

use std::path::Path;
use std::process::ExitCode;

use admin::show::figures::comma_separated;
use admin::show::time::rfc3339;
use call::record::{Direction, LegRecord};
use call::statement::Statement;
use store::{DataDir, Store};

use super::Outcome;

const HEADER: [&str; 14] = [
    "NODE",
    "CALLER",
    "CALL",
    "LEG",
    "DIRECTION",
    "PEER",
    "BEGAN",
    "CONNECTED",
    "ENDED",
    "BECAUSE",
    "SIGNALLING",
    "MEDIA",
    "INSECURE BECAUSE",
    "PART",
];

pub(crate) fn run(data: &Path, json: bool, most: u32) -> Outcome {
    let dir = DataDir::open(data)?;
    let store = dir.store()?;
    let (mut rows, mut records) = (Vec::new(), Vec::new());
    for node in &dir.site()?.nodes {
        for (caller, leg) in legs(&store, &node.name, most)? {
            match json {
                true => records.push(serde_json::json!({ "node": node.name, "caller": caller, "leg": leg })),
                false => rows.push(row(&node.name, &caller, &leg)),
            }
        }
    }
    match json {
        true => println!("{}", serde_json::to_string_pretty(&records)?),
        false => print!("{}", comma_separated(&HEADER, &rows)),
    }
    Ok(ExitCode::SUCCESS)
}

/// A node's last `most` legs, newest first, each with its call's caller.
fn legs(store: &Store, node: &str, most: u32) -> anyhow::Result<Vec<(String, LegRecord)>> {
    let mut legs = Vec::new();
    for kept in store.last_statements(node, most)? {
        legs.extend(Statement::from_bytes(&kept.payload)?.legs.into_iter().map(|leg| (kept.caller.clone(), leg)));
    }
    legs.sort_by_key(|(_, leg)| std::cmp::Reverse((leg.ended_ms, leg.call, leg.leg)));
    legs.truncate(usize::try_from(most)?);
    Ok(legs)
}

/// Numbers stay out: a table that is passed around names calls by their UUID.
fn row(node: &str, caller: &str, leg: &LegRecord) -> Vec<String> {
    let signalling = match &leg.signalling.tls {
        Some(tls) if tls.mutual => "mutual TLS".into(),
        Some(_) => "TLS".into(),
        None => format!("{} in clear", leg.signalling.transport),
    };
    let media = match (&leg.media, &leg.passed) {
        (Some(media), _) if media.suite.is_empty() => "RTP in clear".into(),
        (Some(media), _) => format!("SRTP {}", media.suite),
        (None, Some(passed)) => format!("passed on: {}", passed.profile),
        (None, None) => "none".into(),
    };
    vec![
        node.to_owned(),
        caller.to_owned(),
        leg.call.to_string(),
        leg.leg.to_string(),
        match leg.direction {
            Direction::Answer => "in".into(),
            Direction::Originate => "out".into(),
        },
        leg.peer.clone(),
        rfc3339(leg.began_ms),
        leg.connected_ms.map(rfc3339).unwrap_or_default(),
        leg.ended_ms.map(rfc3339).unwrap_or_default(),
        leg.ended_because.clone().unwrap_or_default(),
        signalling,
        media,
        leg.unlocked_because().unwrap_or_default(),
        leg.parts.join("; "),
    ]
}
