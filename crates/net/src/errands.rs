//! What is asked of a process from outside, by way of one of its nodes: to read its certificates and its site again.

use tokio::sync::{mpsc, oneshot};

/// Errands that may wait; who brings one more is told to try again.
const WAITING: usize = 16;
/// Nobody waits longer: a process that serves none says nothing.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Read again what is in the data directory.
pub struct Errand {
    /// A revocation list of the site's own CA (PEM) to take first.
    pub list: Option<String>,
    /// The site, too.
    pub site: bool,
    /// What changed, a line each; or why nothing did.
    pub answer: oneshot::Sender<Result<Vec<String>, String>>,
}

/// A process's, in the handles of its nodes.
#[derive(Clone)]
pub(crate) struct Errands(mpsc::Sender<Errand>);

pub(crate) fn errands() -> (Errands, mpsc::Receiver<Errand>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Errands(sender), receiver)
}

impl Errands {
    pub(crate) async fn run(&self, list: Option<String>, site: bool) -> Result<Vec<String>, String> {
        let (answer, told) = oneshot::channel();
        let refused =
            |_| "the process reads nothing again now: it stops, or too many ask; try again, or send it SIGHUP";
        self.0.try_send(Errand { list, site, answer }).map_err(refused)?;
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("the process has stopped".into()),
            Err(_) => Err(format!("no answer within {} s: look into the process's log", PATIENCE.as_secs())),
        }
    }
}
