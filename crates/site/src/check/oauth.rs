//! SIP OAuth: somebody's tokens are believed, each issuer is one, the port is free.

use crate::check::Check;
use crate::{CallManager, IdentityProvider, KeySource, Node, OAuth};

pub(super) fn check(check: &mut Check<'_, '_, '_>, node: &Node, manager: &CallManager, oauth: &OAuth, path: &str) {
    let name = &node.name;
    let services = manager.phone_services.as_ref();
    let of_phones = services.map(|of| [of.http_port, of.https_port, of.https_client_port, of.capf_port, of.tvs_port]);
    let console = node.console.as_ref().map(|console| console.port);
    let plain = node.port.filter(|_| node.dangerous_plain_sip);
    let mut taken = [Some(node.secure_port), Some(node.control_port), node.websocket_port, console, plain]
        .into_iter()
        .flatten()
        .chain(of_phones.into_iter().flatten());
    if taken.any(|port| port == oauth.port) {
        check.error(
            format!("{path}.port"),
            format!("port {} of node `{name}` has another use", oauth.port),
            "give it a port of its own, or leave it out for the usual 5090",
        );
    }
    check.reserved(format!("{path}.port"), oauth.port);
    if !oauth.built_in_issuer && oauth.identity_providers.is_empty() {
        check.error(
            format!("{path}.built_in_issuer"),
            format!("nobody's tokens are believed at `{name}`: no phone could register with one"),
            "remove the line, or add `[[node.role.call_manager.oauth.identity_provider]]` with its `issuer`",
        );
    }
    if !oauth.built_in_issuer && oauth.issuer.is_some() {
        check.warning(
            format!("{path}.issuer"),
            "it names the built-in issuer, which is off",
            "remove it; an identity provider has its own `issuer`",
        );
    }
    if oauth.audience.as_deref().is_some_and(|audience| audience.trim().is_empty()) {
        check.error(
            format!("{path}.audience"),
            "tokens for nobody are no tokens for this call manager",
            "write what the identity provider puts into `aud`, or leave it out for the node's host name",
        );
    }
    if oauth.issuer.is_some() {
        is_https(check, format!("{path}.issuer"), oauth.issuer.as_deref());
    }
    let own = oauth.built_in_issuer.then(|| oauth.issuer(&check.site.host_name(node)));
    let rows = format!("{path}.identity_provider");
    check.unique(&rows, "issuer", oauth.identity_providers.iter().map(|row| row.issuer.as_str()));
    for (at, row) in oauth.identity_providers.iter().enumerate() {
        if own.as_ref() == Some(&row.issuer) {
            check.error(
                format!("{rows}[{at}].issuer"),
                format!("`{}` is the built-in issuer's name: either could sign in the other's", row.issuer),
                "write `built_in_issuer = false`, or give the built-in issuer another `issuer`",
            );
        }
        let (field, url) = match &row.authorization_server {
            Some(url) => ("authorization_server", url),
            None => ("issuer", &row.issuer),
        };
        is_https(check, format!("{rows}[{at}].{field}"), Some(url));
        keys(check, row, &format!("{rows}[{at}]"));
    }
}

/// Keys come from a file, or over TLS from a server that somebody vouches for.
fn keys(check: &mut Check<'_, '_, '_>, row: &IdentityProvider, path: &str) {
    match row.keys() {
        KeySource::Files(files) if files.trim().is_empty() => check.error(
            format!("{path}.key_set"),
            format!("the keys of `{}` are nowhere", row.issuer),
            "write where its key set is (its `jwks_uri`), or a file or folder with it; without the line, its discovery \
             document says where",
        ),
        KeySource::Files(_) if row.authority.is_some() => check.error(
            format!("{path}.authority"),
            "the keys are in files: nothing is fetched, so nobody has to vouch for a server",
            "remove it, or write the https address of the key set into `key_set`",
        ),
        KeySource::Files(_) => {}
        KeySource::Address(address) if !is_address(address) => check.error(
            format!("{path}.key_set"),
            format!("`{address}` is no https address: who could change the keys on their way could be any phone"),
            "write `https://…`, or a file that a job of yours keeps",
        ),
        KeySource::Discovery if !is_address(&row.issuer) => check.error(
            format!("{path}.key_set"),
            format!("`{}` is no https address, so there is no discovery document below it", row.issuer),
            "write where its key set is, an https address or a file",
        ),
        KeySource::Address(_) | KeySource::Discovery => {
            check.authority(format!("{path}.authority"), row.authority.as_deref(), true);
        }
    }
}

/// RFC 8898 §4: phones are sent there with what they prove themselves by.
fn is_https(check: &mut Check<'_, '_, '_>, path: String, url: Option<&str>) {
    if let Some(url) = url.filter(|url| !is_address(url)) {
        check.error(
            path,
            format!("`{url}` is no https address, and phones are sent there for their tokens (RFC 8898)"),
            "write `https://…`; where the issuer is named otherwise, say where it is with `authorization_server`",
        );
    }
}

pub(super) fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
    rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'<' | b'>')))
}
