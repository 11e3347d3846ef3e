//! `show …`: text from the security record and the connection table, and from nothing else.

pub mod calls;
pub mod connections;
pub mod figures;
pub mod tables;
pub mod time;

pub use calls::voice_brief;
pub use connections::tls_detail;
