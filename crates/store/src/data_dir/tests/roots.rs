//! The root is renewed: told, issuing, and alone once the one before has ended.

use trust::{Authorities, Authority, Reason, verify_chain};

use super::*;
use crate::RootRenewed;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn roots(dir: &DataDir) -> Vec<Vec<u8>> {
    trust::certificates_der(&dir.own_root_pem().unwrap()).unwrap()
}

fn believed_by(dir: &DataDir, name: &str, roots: &[Vec<u8>], at: SystemTime) -> bool {
    verify_chain(&dir.identity(name).unwrap().chain_der(), roots, at).is_ok()
}

#[test]
fn the_root_is_renewed_ahead_of_time_and_old_and_new_are_believed_until_the_old_one_ends() {
    let folder = Folder::new();
    let (dir, _) = DataDir::init(&folder.path("data"), LAB, now()).unwrap();
    let away = dir.export(&["cube1".to_owned()], &folder.path("away")).unwrap();
    let old = roots(&dir);
    // Two thirds of ten years and an hour.
    let due = now() + 2_434 * DAY;
    assert!(!dir.tend(now() + 2_433 * DAY).unwrap().done.iter().any(|line| line.contains("root")));
    let done = dir.tend(due).unwrap().done;
    assert!(done[0].contains("is believed from now on, and issues from"), "{done:?}");
    let both = roots(&dir);
    assert!(both.len() == 2 && both[0] == old[0]);
    assert!(nodes().iter().all(|node| believed_by(&dir, node, &old, due)), "the old one issues");
    assert!(dir.tend(due + 13 * DAY).unwrap().done.is_empty());

    // It issues, and everything is issued anew by it; whoever has either root believes that.
    let taken = due + 15 * DAY;
    let done = dir.tend(taken).unwrap().done;
    assert!(done[0].contains("issues from now on"), "{done:?}");
    assert_eq!(done.iter().filter(|line| line.contains(": renewed")).count(), 6, "{done:?}");
    let new = vec![both[1].clone()];
    for node in nodes() {
        for roots in [&old, &new, &both] {
            assert!(believed_by(&dir, node, roots, taken), "{node}");
        }
    }
    assert!(dir.tend(taken + DAY).unwrap().done.is_empty(), "once");
    let error = dir.renew_root(taken, true).unwrap_err().to_string();
    assert!(error.contains("is believed until"), "{error}");

    // What is revoked is on the lists of both.
    dir.revoke("vvb1", Reason::Superseded, taken).unwrap();
    let lists = dir.revocation_lists().unwrap();
    // That of today, and the one that the old root issued a fortnight ago.
    assert_eq!(lists.iter().map(|list| list.facts().revoked).collect::<Vec<_>>(), [2, 2]);
    assert!(lists.iter().any(|list| list.says_of(dir.identity("vvb1").unwrap().facts()).is_some()));
    Authorities::new(&[(Authority::Own, dir.own_trust_pem().unwrap())]).unwrap();

    // Elsewhere it is taken on the word of the one before, and on nobody else's.
    assert_eq!(roots(&away), old);
    let other = Folder::new();
    let (stranger, _) = DataDir::init(&other.path("data"), LAB, now()).unwrap();
    stranger.renew_root(taken, false).unwrap();
    assert!(away.take_list(&stranger.handout().unwrap()).is_err());
    assert_eq!(roots(&away), old);
    assert!(away.take_list(&dir.handout().unwrap()).unwrap());
    assert!(!away.take_list(&dir.handout().unwrap()).unwrap(), "once");
    assert_eq!(roots(&away), both);
    Authorities::new(&[(Authority::Own, away.own_trust_pem().unwrap())]).unwrap();
    dir.export(&["cube1".to_owned()], &folder.path("away")).unwrap();

    // The old one ends.
    let end = now() + 3_651 * DAY;
    dir.tend(end).unwrap();
    assert_eq!(roots(&dir), new);
    let done = dir.tend(end + DAY).unwrap();
    assert!(done.done.is_empty(), "{done:?}");
    assert!(nodes().iter().filter(|node| **node != "vvb1").all(|node| believed_by(&dir, node, &new, end + DAY)));
    assert!(!believed_by(&dir, "cvp1", &old, end + DAY));
    Authorities::new(&[(Authority::Own, dir.own_trust_pem().unwrap())]).unwrap();
    assert_eq!(dir.revocation_lists().unwrap().len(), 1);
    assert!(matches!(dir.renew_root(end + DAY, false).unwrap(), RootRenewed::Announced(..)), "and so on");
}

#[test]
fn a_renewal_of_the_root_that_is_broken_off_goes_on() {
    let folder = Folder::new();
    let (dir, _) = DataDir::init(&folder.path("data"), LAB, now()).unwrap();
    let old = dir.own_root_pem().unwrap();
    let whole = |dir: &DataDir| {
        dir.ca().unwrap();
        Authorities::new(&[(Authority::Own, dir.own_trust_pem().unwrap())]).unwrap();
    };
    // Made, and not among those that are believed.
    dir.renew_root(now(), false).unwrap();
    let both = dir.own_root_pem().unwrap();
    files::write_private(&dir.root_file(), old.as_bytes()).unwrap();
    whole(&dir);
    dir.tend(now()).unwrap();
    assert_eq!(dir.own_root_pem().unwrap(), both);
    // In the midst of taking the place of the one that has ended.
    assert!(matches!(dir.renew_root(now(), true).unwrap(), RootRenewed::Issues(_)));
    let later = now() + 3_651 * DAY;
    let (key, issuer) = (dir.path().join("ca/root.key"), dir.path().join("ca/issuer.pem"));
    let (old_key, text) = (fs::read(&key).unwrap(), fs::read(&issuer).unwrap());
    // The next issued for ten years and is there a day longer than the first.
    dir.tend(later - DAY - Duration::from_secs(3600)).unwrap();
    assert!(issuer.exists());
    dir.tend(later).unwrap();
    assert!(!issuer.exists());
    for key_of_before in [true, false] {
        files::write_private(&issuer, &text).unwrap();
        if key_of_before {
            files::write_private(&key, &old_key).unwrap();
        }
        whole(&dir);
        dir.tend(later).unwrap();
        assert!(!issuer.exists());
        whole(&dir);
    }
}
