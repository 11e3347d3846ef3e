//! The OpenID provider: it can be reached in secret, and somebody has a role.

use crate::OpenId;
use crate::check::Check;

const PATH: &str = "open_id";

pub(super) fn check(check: &mut Check<'_, '_, '_>, provider: &OpenId) {
    let rest = provider.issuer.strip_prefix("https://").unwrap_or_default();
    let letters = rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\<>#?@".contains(&b));
    if rest.is_empty() || rest.starts_with('/') || !letters {
        check.error(
            format!("{PATH}.issuer"),
            format!("`{}` is no https address of a provider", provider.issuer),
            "write its `iss` as its discovery document has it, e.g. `https://idp.example/realms/lab`",
        );
    }
    check.authority(format!("{PATH}.authority"), provider.authority.as_deref(), true);
    for (field, value) in [("client_id", Some(provider.client_id.as_str())), ("audience", provider.audience.as_deref())]
    {
        if value.is_some_and(|value| value.trim().is_empty()) {
            check.error(
                format!("{PATH}.{field}"),
                "tokens for nobody are no tokens for these desks",
                "write as what the desks are registered at the provider",
            );
        }
    }
    for (at, scope) in provider.scopes.iter().enumerate() {
        if scope.is_empty() || !scope.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b)) {
            check.error(
                format!("{PATH}.scopes[{at}]"),
                format!("`{scope}` is no scope"),
                "write one word for each, e.g. `[\"profile\", \"email\"]`; `openid` is always asked for",
            );
        }
    }
    let roles = [&provider.agent_roles, &provider.supervisor_roles, &provider.administrator_roles];
    if roles.iter().all(|roles| roles.is_empty()) {
        check.error(
            PATH,
            "no word of `role_claim` has a role here: nobody of the provider could log in",
            "write `agent_roles`, `supervisor_roles` or `administrator_roles` with words that the claim holds",
        );
    }
    if provider.session_idle_s > provider.session_life_s {
        check.warning(
            format!("{PATH}.session_idle_s"),
            format!("a session is over after {} s anyway", provider.session_life_s),
            "make it shorter than `session_life_s`",
        );
    }
}
