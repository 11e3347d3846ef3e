//! `ringfence debug ssl openssl …`: handshakes of running nodes as they go on; `ringfence undebug all`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use admin::api::LookAt;
use admin::cli::debug::{self, Debug};
use admin::link::Client;
use admin::show::debugging::handshake;
use net::{Handshakes, SslDebug};
use site::Role;

use super::{Outcome, estate, wait_for};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(300);

/// Until Ctrl-C, or until somebody switches it off.
pub(crate) fn run(data: &Path, debug: &Debug) -> Outcome {
    let what = match debug::ssl(&debug.words) {
        Ok(what) => what,
        Err(words) => {
            eprintln!("ringfence debug: {words}");
            return Ok(ExitCode::from(2));
        }
    };
    let estate = estate(data)?;
    let nodes = estate.nodes(debug.node.as_deref(), |role| matches!(role, Role::Sbc(_)))?;
    wait_for(async {
        let mut followed: Vec<(&Client, Option<u64>)> = nodes.iter().map(|client| (*client, None)).collect();
        while !followed.is_empty() {
            let mut still = Vec::new();
            for (client, after) in followed {
                let told: Handshakes = client.ask("/api/v1/debugging", &LookAt { what, after }).await?;
                print(client.node(), what, after.is_none(), &told)?;
                if told.on {
                    still.push((client, Some(told.last)));
                }
            }
            followed = still;
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = tokio::signal::ctrl_c() => break,
            }
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn print(node: &str, what: SslDebug, first: bool, told: &Handshakes) -> std::io::Result<()> {
    if first {
        eprintln!("{node}: SSL OpenSSL {} debugging is on; Ctrl-C ends it", what.as_str());
    }
    if told.lost > 0 {
        eprintln!("{node}: {} events came too fast and are not shown", told.lost);
    }
    let mut out = std::io::stdout();
    for event in &told.events {
        out.write_all(handshake(node, event).as_bytes())?;
    }
    out.flush()?;
    if !told.on {
        eprintln!("{node}: debugging was turned off");
    }
    Ok(())
}

pub(crate) fn off(data: &Path, debug: &Debug) -> Outcome {
    if let Err(words) = debug::all(&debug.words) {
        eprintln!("ringfence undebug: {words}");
        return Ok(ExitCode::from(2));
    }
    let estate = estate(data)?;
    wait_for(async {
        for client in estate.nodes(debug.node.as_deref(), |_| true)? {
            client.post("/api/v1/debugging/off", &()).await?;
        }
        Ok(())
    })?;
    println!("All possible debugging has been turned off");
    Ok(ExitCode::SUCCESS)
}
