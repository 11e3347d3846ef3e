//! `ringfence watch`: a live board of queues and agents in the terminal.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use admin::estate::Estate;
use admin::show::tables;
use admin::show::time::rfc3339;
use roles::{AgentView, QueueView};

use super::{Outcome, estate, wait_for};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Cursor to the corner, and everything below it gone (ECMA-48): the board is written over itself without a flicker.
const HOME: &str = "\x1b[H";
const BELOW: &str = "\x1b[J";
const REST_OF_LINE: &str = "\x1b[K";

pub(crate) fn run(data: &Path, once: bool) -> Outcome {
    let estate = estate(data)?;
    wait_for(async {
        loop {
            let board = board(&estate).await?;
            let mut out = std::io::stdout();
            if once {
                out.write_all(board.as_bytes())?;
                return Ok(());
            }
            match out.is_terminal() {
                true => write!(out, "{HOME}{}{BELOW}", board.replace('\n', &format!("{REST_OF_LINE}\n")))?,
                // A file or another program: one board after the other.
                false => out.write_all(board.as_bytes())?,
            }
            out.flush()?;
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// All call servers; one that does not answer is said so on the board, which goes on.
async fn board(estate: &Estate) -> anyhow::Result<String> {
    let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let mut text = String::new();
    for server in estate.call_servers()? {
        writeln!(text, "{}  {}\n", server.node(), rfc3339(now_ms))?;
        let queues = server.get::<Vec<QueueView>>("/api/v1/queues").await;
        let agents = server.get::<Vec<AgentView>>("/api/v1/agents").await;
        match (queues, agents) {
            (Ok(queues), Ok(mut agents)) => {
                // Those who are there before those who are not; the plan's order among them.
                agents.sort_by_key(|agent| agent.state == "LOGOUT");
                writeln!(text, "{}\n{}", tables::queues(&queues), tables::agents(&agents))?;
            }
            (Err(error), _) | (_, Err(error)) => writeln!(text, "{error}\n")?,
        }
    }
    Ok(text)
}
