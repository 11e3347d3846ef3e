//! What phones trust and are told: trust lists, signed and encrypted files, enrolment, trust verification, configuration.
//!
//! Pure: octets come in and go out, time comes in as `now`, randomness as a generator. Numbers in comments such as
//! "tag 12" are those of the formats' own TLV families; each file says which. Sockets are `net`'s business, files `store`'s.

pub mod capf;
mod cluster;
pub mod config;
mod crypto;
mod encrypted;
mod error;
#[cfg(test)]
mod files_tests;
mod framer;
mod header;
mod held;
mod inspect;
mod list;
mod mixed_mode;
pub mod provisioning;
mod rehearsal;
mod roll;
mod signed;
#[cfg(test)]
mod test_keys;
pub mod tftp;
mod tlv;
mod trusting;
pub mod tvs;

pub use cluster::Services;
pub use crypto::{Certificate, Digest, PublicKey, Serial, Signer};
pub use encrypted::{EncryptedFile, Undecryptable, certificate_hash, encrypt};
pub use error::{Distrust, Error, Malformed};
pub use header::{Header, Names, SignerId};
pub use held::{Contact, Fetched, Held, Ledger, News, list_digest};
pub use inspect::{Inspected, inspect};
pub use list::{Field, Function, Kind, Layout, ListSpec, Record, TrustList, show};
pub use mixed_mode::{Cluster, Command, Dialogue, Effect, Mode, Step};
pub use rehearsal::{Change, How, Known, Loss, Proof, Root, Standing, Verdict, Which, rehearse};
pub use roll::{Roll, State as RollState, Terms};
pub use signed::{SignedFile, sign_file};
pub use trusting::{Holding, Outcome};
