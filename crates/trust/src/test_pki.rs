//! For tests: authorities and requests with fixed dates.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Ca, KeyKind, Request};

/// 2026-11-22T00:00:00Z.
pub(crate) const NOW: i64 = 1_795_305_600;

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW as u64)
}

pub(crate) fn ca(name: &str) -> Ca {
    Ca::create(name, now()).expect("a root")
}

pub(crate) fn request(node: &str) -> Request {
    request_with(node, KeyKind::P256)
}

/// Valid from yesterday for a year.
pub(crate) fn request_with(node: &str, key: KeyKind) -> Request {
    let day = Duration::from_secs(24 * 3600);
    let host = format!("{node}.lab.example");
    Request {
        common_name: host.clone(),
        dns_names: vec![host],
        ip_addresses: vec!["127.18.133.13".parse().expect("an address")],
        node: Some(node.to_owned()),
        uris: Vec::new(),
        key,
        not_before: now() - day,
        not_after: now() + 365 * day,
    }
}
