//! The CA's key in a token: one token, and nothing secret in the site.

use std::path::Path;

use crate::Pkcs11;
use crate::check::Check;

const PATH: &str = "ca.pkcs11";

pub(super) fn check(check: &mut Check<'_, '_, '_>, token: &Pkcs11) {
    if !Path::new(&token.module).is_absolute() {
        check.error(
            format!("{PATH}.module"),
            format!("`{}` could be any library, whoever put it where this is started", token.module),
            "write its path from `/`, e.g. `/usr/lib/softhsm/libsofthsm2.so`",
        );
    }
    match (&token.token, token.slot) {
        (None, None) => check.error(
            PATH,
            "no token is named",
            "write its label (`token = \"…\"`, as `softhsm2-util --show-slots` or `pkcs11-tool -L` lists it), or its `slot`",
        ),
        (Some(_), Some(_)) => check.error(
            format!("{PATH}.slot"),
            "a token has a label and a slot, and both are named: one could be another's",
            "keep the label; slots change when tokens are plugged in",
        ),
        (Some(label), None) if label.trim().is_empty() || label.len() > 32 => check.error(
            format!("{PATH}.token"),
            format!("`{label}` is no label of a token: it has 1 to 32 octets"),
            "write it as the module lists it",
        ),
        (Some(_), None) | (None, Some(_)) => {}
    }
    if token.key.trim().is_empty() {
        check.error(
            format!("{PATH}.key"),
            "a key without a label cannot be found again",
            "remove the line, or name it",
        );
    }
}
