//! What is asked of a process from outside, by way of one of its nodes: to read its certificates and its site again, to
//! restart one of its parts.

use tokio::sync::{mpsc, oneshot};

/// Errands that may wait; who brings one more is told to try again.
const WAITING: usize = 16;
/// Nobody waits longer: a process that serves none says nothing.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Something to do.
pub struct Errand {
    pub work: Work,
    /// What changed, a line each; or why nothing did.
    pub answer: oneshot::Sender<Result<Vec<String>, String>>,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Read again what is in the data directory.
    ReadAgain {
        /// A revocation list of the site's own CA (PEM) to take first.
        list: Option<String>,
        /// The site, too.
        site: bool,
    },
    /// [`Process::restart`](crate::Process::restart)
    Restart { node: String, part: Part },
}

/// What of a node can be restarted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Its loop with all its connections, and what it knows of calls.
    Node,
    /// A call manager's: CAPF, TVS, TFTP and HTTP together.
    PhoneServices,
}

/// A process's, in the handles of its nodes.
#[derive(Clone)]
pub(crate) struct Errands(mpsc::Sender<Errand>);

pub(crate) fn errands() -> (Errands, mpsc::Receiver<Errand>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Errands(sender), receiver)
}

impl Errands {
    pub(crate) async fn run(&self, work: Work) -> Result<Vec<String>, String> {
        let (answer, told) = oneshot::channel();
        let refused =
            |_| "the process does nothing of this kind now: it stops, or too many ask; try again, or send it SIGHUP";
        self.0.try_send(Errand { work, answer }).map_err(refused)?;
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("the process has stopped".into()),
            Err(_) => Err(format!("no answer within {} s: look into the process's log", PATIENCE.as_secs())),
        }
    }
}
