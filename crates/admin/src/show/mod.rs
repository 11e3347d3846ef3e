//! `show …`: text from the security record and the connection table, and from nothing else.

pub mod calls;
pub mod connections;
pub mod debugging;
pub mod figures;
pub mod tables;
pub mod time;

pub use calls::voice_brief;
pub use connections::tls_detail;

/// What peers said of themselves stands in these texts: nothing in it moves a terminal's cursor, changes its title or
/// begins a line of its own.
pub fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// The same of a whole answer, whose own ends of line stay.
pub fn plain_lines(text: &str) -> String {
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "\u{fffd}")
}
