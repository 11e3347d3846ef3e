//! What nodes write into the log, listened to: an ERROR fails a run, and so does a number, a secret or a key.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

/// Lines of the log, of this thread alone, while its guard lives.
#[derive(Clone, Debug, Default)]
pub struct Logs(Arc<Mutex<Vec<(Level, String)>>>);

struct Listener(Logs);

impl Logs {
    pub fn listen() -> (Logs, DefaultGuard) {
        let logs = Logs::default();
        let guard = tracing::subscriber::set_default(Listener(logs.clone()));
        (logs, guard)
    }

    /// Panics when a line is an ERROR, or says one of these.
    pub fn are_clean_of(&self, secrets: &[&str]) {
        // A listener that panicked has failed its test already.
        let lines = self.0.lock().expect("nobody panicked while writing a line");
        for (level, line) in lines.iter() {
            assert!(*level != Level::ERROR, "an error was logged: {line}");
            for secret in secrets {
                assert!(!line.contains(secret), "{secret} was logged: {line}");
            }
        }
    }

    /// Whether a line says this.
    pub fn say(&self, words: &str) -> bool {
        self.0.lock().is_ok_and(|lines| lines.iter().any(|(_, line)| line.contains(words)))
    }

    pub fn len(&self) -> usize {
        self.0.lock().map_or(0, |lines| lines.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Into a String nothing fails.
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // rustls has its own words at these levels, in handshakes that the rig makes itself.
        !metadata.target().starts_with("rustls")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut line = Line(attributes.metadata().name().to_owned());
        attributes.record(&mut line);
        self.keep(Level::TRACE, line);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        self.keep(Level::TRACE, line);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().target().to_owned());
        event.record(&mut line);
        self.keep(*event.metadata().level(), line);
    }

    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Listener {
    fn keep(&self, level: Level, line: Line) {
        if let Ok(mut lines) = self.0.0.lock() {
            lines.push((level, line.0));
        }
    }
}
