//! VoiceXML 2.0 and 2.1, SRGS 1.0 and SSML 1.1: one caller's session as a pure machine. It asks for pages, prompts,
//! recordings and transfers, and is told what became of them.

mod check;
pub mod conversation;
pub mod document;
pub mod grammar;
pub mod nlsml;
mod problem;
mod script;
mod session;
pub mod speech;
pub mod uri;

pub use crate::check::{can_check, check, check_within};
pub use crate::document::Document;
pub use crate::problem::{Place, Problem};
pub use crate::session::{
    Ending, Hearing, Input, NotFetched, Now, Output, Page, Part, PartValue, RecordOrder, Recording, Request, Session,
    Snapshot, Start, StreamEnd, StreamOrder, TransferKind, TransferOrder, TransferOutcome, Utterance,
};
