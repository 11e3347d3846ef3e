//! Tables by version, and what their SQL needs of Rust.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use serde_json::Value;

use crate::statements::joined;

/// Entry N brings a store from version N to N + 1. What has shipped is never changed, only added to.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_routing.sql"),
    include_str!("migrations/0003_figures.sql"),
    include_str!("migrations/0004_accounts.sql"),
    include_str!("migrations/0005_certificates.sql"),
    include_str!("migrations/0006_phones.sql"),
    include_str!("migrations/0007_account_keys.sql"),
    include_str!("migrations/0008_statements_of_each_call.sql"),
    include_str!("migrations/0009_tokens.sql"),
    include_str!("migrations/0010_legs_once.sql"),
    include_str!("migrations/0011_statements_in_order.sql"),
    include_str!("migrations/0012_lsc.sql"),
];

/// Version 10 kept a statement as JSON: payload and signature in base64url, certificates in base64.
pub(crate) fn teach(connection: &Connection) -> rusqlite::Result<()> {
    teach_one(connection, "payload_of", |signed| URL_SAFE_NO_PAD.decode(signed.get("payload")?.as_str()?).ok())?;
    teach_one(connection, "signature_of", |signed| URL_SAFE_NO_PAD.decode(signed.get("signature")?.as_str()?).ok())?;
    teach_one(connection, "chain_of", |signed| {
        let one = |der: &Value| STANDARD.decode(der.as_str()?).ok();
        let chain: Option<Vec<_>> = signed.get("chain")?.as_array()?.iter().map(one).collect();
        Some(joined(&chain?))
    })
}

/// What cannot be read is empty: nobody verifies it, as nobody did before.
fn teach_one(connection: &Connection, name: &str, part: fn(&Value) -> Option<Vec<u8>>) -> rusqlite::Result<()> {
    connection.create_scalar_function(name, 1, FunctionFlags::SQLITE_DETERMINISTIC, move |call| {
        let signed: String = call.get(0)?;
        Ok(serde_json::from_str(&signed).ok().and_then(|signed| part(&signed)).unwrap_or_default())
    })
}
