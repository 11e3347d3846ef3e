//! The OCSP responder: a node that is there, a port that is free, an address that others can ask.

use crate::Ocsp;
use crate::check::{Check, nodes};

pub(super) fn check(check: &mut Check<'_, '_, '_>, ocsp: &Ocsp) {
    let names: Vec<&str> = check.site.nodes.iter().map(|node| node.name.as_str()).collect();
    if !check.refers("ocsp.node", "node", &ocsp.node, &names) {
        return;
    }
    let taken = check.site.node(&ocsp.node).map(nodes::listened).unwrap_or_default();
    if let Some((name, port)) = taken.into_iter().find(|(_, port)| *port == ocsp.port) {
        let what = format!("port {port} of `{}` is its `{name}` already", ocsp.node);
        check.error("ocsp.port", what, "choose another port");
    }
    let Some(url) = &ocsp.url else { return };
    if let Err(what) = is_address(url) {
        check.error("ocsp.url", what, "write where others reach it, e.g. `http://ocsp.lab.example:2560/`");
    }
}

/// An address to ask at (RFC 6960 §A.1): plain HTTP, because whoever must verify a certificate to ask about one never ends.
pub(super) fn is_address(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("http://").unwrap_or_default();
    let letters = rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\<>#?@".contains(&b));
    match rest.is_empty() || rest.starts_with('/') || !letters {
        true => Err(format!("`{url}` is no http address of a responder")),
        false => Ok(()),
    }
}
