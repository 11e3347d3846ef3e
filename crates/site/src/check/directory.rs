//! The LDAP directory: somebody can be found there, nothing is said in the clear without its word, and somebody has a role.

use crate::check::Check;
use crate::{Directory, LdapServer};

const PATH: &str = "directory";

pub(super) fn check(check: &mut Check<'_, '_, '_>, directory: &Directory) {
    if directory.url.is_empty() && !check.unknown(PATH, &["url"]) {
        check.error(format!("{PATH}.url"), "the directory is nowhere", "write `url = [\"ldaps://HOST\"]`");
    }
    for (at, url) in directory.url.iter().enumerate() {
        if let Err(wrong) = LdapServer::read(url) {
            check.error(format!("{PATH}.url[{at}]"), wrong, "write `ldaps://HOST`, or `ldap://HOST` for StartTLS");
        }
    }
    check.authority(format!("{PATH}.authority"), directory.authority.as_deref(), true);
    if directory.dangerous_plain_ldap {
        check.warning(
            format!("{PATH}.dangerous_plain_ldap"),
            "passwords of your people go to the directory in the clear where its URL is `ldap://`",
            "remove it: `ldap://` then begins TLS (StartTLS), and `ldaps://` has it from the start",
        );
    }
    for (field, wrong) in [
        ("user_filter", directory.user_filter("ada").err()),
        ("group_filter", directory.group_filter("ada", "cn=ada").err()),
    ] {
        if let Some(wrong) = wrong {
            check.error(
                format!("{PATH}.{field}"),
                wrong,
                "filters are written as in RFC 4515, e.g. `(&(objectClass=person)(uid={name}))`",
            );
        }
    }
    if !directory.asks_for_the_name() {
        check.error(
            format!("{PATH}.user_filter"),
            "it has no `{name}`: everybody would be the same entry",
            "write `(uid={name})`, or with Active Directory `(sAMAccountName={name})`",
        );
    }
    if directory.group_base.is_some() && !directory.asks_for_who_was_found() {
        check.error(
            format!("{PATH}.group_filter"),
            "it has neither `{dn}` nor `{name}`: everybody would be in the same groups",
            "write `(member={dn})`, or with groups of POSIX `(memberUid={name})`",
        );
    }
    match (&directory.bind_dn, &directory.bind_password_file) {
        (Some(dn), None) => check.error(
            format!("{PATH}.bind_dn"),
            format!("`{dn}` has no password, and a bind without one proves nothing (RFC 4513)"),
            "write `bind_password_file` with a file in the data directory whose first line is the password",
        ),
        (None, Some(_)) => check.error(
            format!("{PATH}.bind_password_file"),
            "a password of nobody",
            "write `bind_dn`, or remove the file if the directory lets everybody search",
        ),
        _ => {}
    }
    let groups = [&directory.agent_groups, &directory.supervisor_groups, &directory.administrator_groups];
    if groups.iter().all(|groups| groups.is_empty()) {
        check.error(
            PATH,
            "no group has a role: nobody of the directory could log in",
            "write `agent_groups`, `supervisor_groups` or `administrator_groups` with the names (DN) of groups",
        );
    }
}
