//! `ringfence queue show | figures`

use std::path::Path;
use std::process::ExitCode;

use admin::cli::Queue;
use admin::show::{figures, tables};
use roles::{QueueView, RoutingView};

use super::{Outcome, estate, wait_for};

pub(crate) fn run(data: &Path, queue: &Queue) -> Outcome {
    let estate = estate(data)?;
    let text = wait_for(async {
        let mut text = String::new();
        for server in estate.call_servers()? {
            match queue {
                Queue::Show => {
                    let queues: Vec<QueueView> = server.get("/api/v1/queues").await?;
                    text.push_str(&tables::queues(&queues));
                }
                Queue::Figures { csv, json } => {
                    let view: RoutingView = server.get("/api/v1/figures").await?;
                    text.push_str(&match (csv, json) {
                        (true, _) => figures::csv(&view.intervals),
                        (_, true) => serde_json::to_string_pretty(&view)? + "\n",
                        _ => figures::text(&view.intervals),
                    });
                }
            }
        }
        Ok(text)
    })?;
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}
