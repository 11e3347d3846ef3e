//! The CA's key is in a token, and the token is not there.

use super::*;
use crate::Renewed;

const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn what_needs_no_signature_is_looked_after_while_the_token_is_away() {
    let folder = Folder::new();
    let site = format!("{LAB}\n[node.role.call_manager.phone_services]\n");
    let (dir, _) = DataDir::init(&folder.path("data"), &site, now()).unwrap();
    let Renewed::Announced(next, _) = dir.renew("cucm1", now(), false).unwrap() else { panic!() };
    fs::remove_file(folder.path("data/ca/root.key")).unwrap();
    let away = "module = \"/nowhere/module.so\"\ntoken = \"lab\"\nkey = \"root\"\n";
    files::write_private(&folder.path("data/ca/root.pkcs11"), away.as_bytes()).unwrap();
    assert!(dir.has_ca_key() && dir.ca_key_place().unwrap().contains("token `lab` of /nowhere/module.so"));
    assert_eq!(dir.tend(now()).unwrap(), Tended::default(), "nothing is due, so nobody asks the token");

    let list = dir.revocation_list().unwrap().unwrap().facts().number;
    let tended = dir.tend(now() + 40 * DAY).unwrap();
    assert_eq!(dir.identity("cucm1").unwrap().facts().serial, next.serial, "what phones were told of is taken");
    assert_eq!((tended.done.len(), tended.warnings.len()), (1, 1), "{tended:?}");
    let warning = &tended.warnings[0];
    assert!(warning.contains("the site's CA revoked is due") && warning.contains("/nowhere/module.so"), "{warning}");
    assert_eq!(dir.revocation_list().unwrap().unwrap().facts().number, list);

    let before = dir.identities().unwrap();
    let tended = dir.tend(now() + 600 * DAY).unwrap();
    let said = |name: &str| tended.warnings.iter().any(|words| words.starts_with(&format!("{name}: ")));
    assert!(nodes().iter().all(|node| said(node)) && said("admin") && tended.done.is_empty(), "{tended:?}");
    assert!(tended.warnings.iter().all(|words| words.contains("/nowhere/module.so")), "{tended:?}");
    assert_eq!(dir.identities().unwrap(), before);
}
