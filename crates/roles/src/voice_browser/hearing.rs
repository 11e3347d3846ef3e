//! Words by voice: a recogniser listens to the caller's stream ([`media::Command::Tap`]) while the session has it listen; so
//! does a bot, which speaks by the same tap.

use std::sync::Arc;

use media::{Command, LeaseId};
use serde::{Deserialize, Serialize};

use crate::shell::Shell;
use crate::{AskId, Recognise};

/// One caller's.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Ear {
    /// Who recognises, where somebody does.
    recogniser: Option<Arc<site::Recognition>>,
    listens: Option<Listening>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Listening {
    /// The session's number.
    id: u64,
    tap: u64,
}

impl Ear {
    pub(super) fn new(recogniser: Option<Arc<site::Recognition>>) -> Ear {
        Ear { recogniser, listens: None }
    }

    /// Has the recogniser listen; `None`: there is none.
    pub(super) fn hear(&mut self, shell: &mut Shell, lease: LeaseId, id: u64, hearing: vxml::Hearing) -> Option<AskId> {
        let engine = self.recogniser.clone()?;
        let tap = self.listen(shell, lease, id);
        Some(shell.ask(crate::Ask::Recognise(Box::new(Recognise { lease, tap, engine, hearing }))))
    }

    /// By which tap somebody may listen, who is to be asked; nobody else does then.
    pub(super) fn listen(&mut self, shell: &mut Shell, lease: LeaseId, id: u64) -> u64 {
        self.stop(shell, lease);
        let tap = shell.random();
        self.listens = Some(Listening { id, tap });
        shell.media(Command::Tap { lease, tap });
        tap
    }

    /// Nobody listens any more: the recogniser, or a bot, hears the end of the stream, and gives up.
    pub(super) fn stop(&mut self, shell: &mut Shell, lease: LeaseId) {
        if let Some(Listening { tap, .. }) = self.listens.take() {
            shell.media(Command::Untap { lease, tap });
        }
    }

    /// Whether it still listens for this.
    pub(super) fn listens_for(&self, id: u64) -> bool {
        self.listens.is_some_and(|listening| listening.id == id)
    }
}
