//! A panic in a node or media thread costs one call; its message may hold what that call said, so it is not printed.

use std::panic::{set_hook, take_hook};
use std::sync::Once;

/// Names of the threads that catch panics begin so.
pub(crate) const NODE: &str = "node-";
pub(crate) const MEDIA: &str = "media-";

static ONCE: Once = Once::new();

/// From now on a panic of such a thread is logged by its place alone: a slice's message, for one, quotes the whole text
/// that it was taken from, with numbers and keys. Panics of other threads are told as before.
pub(crate) fn keep_words_out_of_logs() {
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            if name.starts_with(NODE) || name.starts_with(MEDIA) {
                let place = panic.location().map(ToString::to_string).unwrap_or_default();
                tracing::error!(thread = name, place, "panic");
            } else {
                before(panic);
            }
        }));
    });
}
