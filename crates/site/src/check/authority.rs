//! Partners' authorities: each named once, and asked where somebody can answer.

use crate::Revocation;
use crate::check::Check;
use crate::check::ocsp::is_address;

pub(super) fn check(check: &mut Check<'_, '_, '_>) {
    let site = check.site;
    check.unique("authority", "name", site.authority_rows.iter().map(|row| row.name.clone()));
    for (at, row) in site.authority_rows.iter().enumerate() {
        let path = format!("authority[{at}]");
        check.authority(format!("{path}.name"), Some(&row.name), true);
        let by_list = row.revocation == Revocation::Crl;
        if by_list && (row.ocsp_responder.is_some() || row.dangerous_ocsp_soft_fail) {
            let what = format!("authority `{}` is judged by its list, and nobody is asked", row.name);
            check.error(&path, what, "write `revocation = \"ocsp\"`, or remove what is about OCSP");
        }
        if let Some(Err(what)) = row.ocsp_responder.as_deref().map(is_address) {
            check.error(
                format!("{path}.ocsp_responder"),
                what,
                "write where it answers, e.g. `http://ocsp.carrier.example/`",
            );
        }
        if row.dangerous_ocsp_soft_fail {
            check.warning(
                format!("{path}.dangerous_ocsp_soft_fail"),
                format!(
                    "whoever keeps answers of `{}` from us is let in with a certificate that was revoked",
                    row.name
                ),
                "remove it once its responder can be relied on",
            );
        }
        if !site.authorities().iter().any(|(_, name)| *name == row.name) {
            let what = format!("no peer names authority `{}`", row.name);
            check.warning(format!("{path}.name"), what, "write `authority` at the peers that it is about");
        }
    }
}
