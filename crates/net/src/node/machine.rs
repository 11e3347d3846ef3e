//! What a node's loop runs: a role's pure machine, and in tests a smaller one.

use std::time::Duration;

use roles::{Input, Now, Output, Watched};

/// The shape of every pure machine.
pub(crate) trait Machine: Send {
    fn handle(&mut self, input: Input, now: Now);
    fn tick(&mut self, now: Now);
    fn poll(&mut self) -> Option<Output>;
    fn deadline(&self) -> Option<Duration>;
    /// After a panic in `handle` or `tick`: ends the one call that was being handled.
    fn abandon(&mut self, now: Now);
    /// Who watches the journal: changes that only a watcher is told of need not be told otherwise.
    fn watched(&mut self, by: Watched);
}
