//! Session-ID (RFC 7989): a UUID of each end, carried end to end, mirrored on the two legs of a hop.

use serde::{Deserialize, Serialize};

/// 32 lower-case hex digits; all zeros when the other end is not known yet (§5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uuid(pub String);

/// As seen on one leg: `local` is the end on our side of it, `remote` the end beyond the peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId { pub local: Uuid, pub remote: Uuid }
