//! Certificates that live: issued into the register, renewed ahead of time, revoked, and requested of others.

use trust::{KeyKind, Reason, RevocationList};

use super::*;
use crate::{Renewed, Store};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn lab(folder: &Folder) -> DataDir {
    DataDir::init(&folder.path("data"), LAB, now()).unwrap().0
}

fn serial(dir: &DataDir, name: &str) -> String {
    dir.identity(name).unwrap().facts().serial.clone()
}

#[test]
fn whatever_the_ca_issues_stands_in_its_register() {
    let folder = Folder::new();
    let dir = lab(&folder);
    let request = dir.request(&dir.site().unwrap(), "cube1", now()).unwrap();
    let stranger = dir.issue("", &request, now()).unwrap();
    let register = dir.store().unwrap().certificates().unwrap();
    assert_eq!(register.len(), 5 + 1 + 1);
    for (name, facts) in dir.identities().unwrap() {
        assert!(register.iter().any(|issued| issued.serial == facts.serial && issued.identity == name), "{name}");
    }
    assert!(register.iter().any(|issued| issued.serial == stranger.facts().serial && issued.identity.is_empty()));
    let error = dir.request(&dir.site().unwrap(), "cube9", now()).unwrap_err().to_string();
    assert!(error.contains("it has cube1, cvp1"), "{error}");
}

#[test]
fn a_directory_of_an_earlier_version_gets_register_and_list() {
    let folder = Folder::new();
    let dir = lab(&folder);
    fs::remove_file(dir.list_file()).unwrap();
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(folder.path(&format!("data/store.sqlite{end}")));
    }
    let (dir, made) = DataDir::init(&folder.path("data"), LAB, now()).unwrap();
    assert_eq!(made, ["ca/crl.pem: what the CA has revoked, number 1", "store.sqlite"]);
    assert_eq!(dir.store().unwrap().certificates().unwrap().len(), 6);
}

#[test]
fn a_revocation_is_in_register_list_and_audit_and_happens_once() {
    let folder = Folder::new();
    let dir = lab(&folder);
    let first = dir.revocation_list().unwrap().unwrap();
    assert_eq!((first.facts().number, first.facts().revoked), (1, 0));
    let gone = dir.identity("cube1").unwrap();
    let done = dir.revoke("cube1", Reason::KeyCompromise, now()).unwrap();
    assert_eq!(done.issued[0].serial, gone.facts().serial);
    let list = dir.revocation_list().unwrap().unwrap();
    assert_eq!((list.facts().number, list.facts().revoked), (2, 1));
    assert!(list.says_of(gone.facts()).unwrap().contains("key-compromise"));
    assert!(list.says_of(dir.identity("cvp1").unwrap().facts()).is_none());
    assert!(dir.own_trust_pem().unwrap().contains("X509 CRL"));
    assert!(!dir.own_root_pem().unwrap().contains("X509 CRL"), "who is given the root is not given a list that ages");
    let audit = dir.store().unwrap().changes(1).unwrap();
    assert!(audit[0].what.contains(&gone.facts().serial), "{audit:?}");
    for again in ["cube1", &gone.facts().serial, "cube1.lab.example"] {
        let error = dir.revoke(again, Reason::Superseded, now()).unwrap_err().to_string();
        assert!(error.contains("revoked already (key-compromise)"), "{again}: {error}");
    }
    assert_eq!(dir.revocation_list().unwrap().unwrap().facts().number, 2, "what failed made no list");
    let error = dir.revoke("cube9", Reason::Superseded, now()).unwrap_err().to_string();
    assert!(error.contains("ringfence cert list --all"), "{error}");
}

#[test]
fn who_has_a_box_has_its_keys_of_before_too() {
    let folder = Folder::new();
    let dir = lab(&folder);
    let before = dir.identity("cube1").unwrap();
    dir.renew("cube1", now(), false).unwrap();
    let list = dir.revoke("cube1", Reason::KeyCompromise, now()).unwrap().list;
    let both = [before, dir.identity("cube1").unwrap()];
    assert!(both.iter().all(|identity| list.says_of(identity.facts()).is_some()));
    // By its serial it is one: the box stays in service with the other.
    let before = dir.identity("cvp1").unwrap();
    dir.renew("cvp1", now(), false).unwrap();
    let list = dir.revoke(&before.facts().serial, Reason::KeyCompromise, now()).unwrap().list;
    assert!(list.says_of(before.facts()).is_some() && list.says_of(dir.identity("cvp1").unwrap().facts()).is_none());
}

#[test]
fn a_strangers_certificate_is_revoked_by_its_name_serial_or_file() {
    let folder = Folder::new();
    let dir = lab(&folder);
    let phone = |name: &str| {
        let request = Request {
            common_name: name.into(),
            dns_names: vec![name.into()],
            ..dir.request(&dir.site().unwrap(), "cube1", now()).unwrap()
        };
        dir.issue("", &request, now()).unwrap()
    };
    let (one, two, three) = (phone("one"), phone("two"), phone("three"));
    let file = folder.path("three.pem");
    fs::write(&file, three.chain_pem()).unwrap();
    let colons: Vec<String> =
        one.facts().serial.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase()).collect();
    for what in [colons.join(":"), "two".into(), file.display().to_string()] {
        dir.revoke(&what, Reason::CessationOfOperation, now()).unwrap();
    }
    let list = dir.revocation_list().unwrap().unwrap();
    assert!([&one, &two, &three].iter().all(|phone| list.says_of(phone.facts()).is_some()));
    phone("two");
    let error = dir.revoke("two", Reason::Superseded, now()).unwrap_err().to_string();
    assert!(error.contains("2 certificates name two: say which by its serial"), "{error}");
    let foreign = Ca::create("carrier", now()).unwrap();
    fs::write(&file, foreign.certificate_pem()).unwrap();
    let error = dir.revoke(&file.display().to_string(), Reason::Superseded, now()).unwrap_err().to_string();
    assert!(error.contains("only that authority can revoke it"), "{error}");
}

#[test]
fn a_directory_without_the_cas_key_takes_newer_lists_of_the_ca_and_no_others() {
    let folder = Folder::new();
    let dir = lab(&folder);
    let away = dir.export(&["cube1".to_owned()], &folder.path("away")).unwrap();
    let older = away.revocation_list().unwrap().unwrap();
    assert_eq!(older.facts().number, 1);
    assert!(away.revoke("cube1", Reason::Superseded, now()).unwrap_err().to_string().contains("no CA key"));
    let newer = dir.revoke("cvp1", Reason::Superseded, now()).unwrap().list;
    assert!(away.take_list(&newer.pem()).unwrap());
    assert!(!away.take_list(&newer.pem()).unwrap() && !away.take_list(&older.pem()).unwrap(), "no way back");
    assert_eq!(away.revocation_list().unwrap().unwrap().facts().number, 2);
    let stranger = Ca::create("lab", now()).unwrap().revocation_list(9, now(), now() + DAY, &[]).unwrap();
    assert!(away.take_list(&stranger.pem()).unwrap_err().to_string().contains("not signed by this site's own CA"));
}

#[test]
fn identities_and_the_list_are_made_anew_ahead_of_time() {
    let folder = Folder::new();
    let dir = lab(&folder);
    assert_eq!(dir.tend(now() + DAY).unwrap(), Tended::default(), "nothing is due");
    let before: Vec<String> = nodes().iter().map(|node| serial(&dir, node)).collect();
    let month = dir.tend(now() + 31 * DAY).unwrap();
    assert_eq!(month.done, ["revocation list 2 made, good until 2027-03-23"]);

    // Two thirds of 730 days.
    let early = dir.tend(now() + 486 * DAY).unwrap();
    assert!(early.done.iter().all(|line| line.starts_with("revocation list")), "{early:?}");
    let later = now() + 487 * DAY;
    let tended = dir.tend(later).unwrap();
    assert_eq!(tended.done.len(), 6, "{tended:?}");
    assert_eq!(tended.warnings, [""; 0]);
    for (node, before) in nodes().iter().zip(&before) {
        let identity = dir.identity(node).unwrap();
        assert_ne!(identity.facts().serial, *before);
        assert!(dir.previous_pem(node).is_some());
        assert!(
            trust::verify_chain(
                &identity.chain_der(),
                &trust::certificates_der(&dir.own_root_pem().unwrap()).unwrap(),
                later
            )
            .is_ok()
        );
    }
    assert_eq!(dir.tend(later).unwrap(), Tended::default(), "once");
    let list = dir.revocation_list().unwrap().unwrap();
    assert_eq!(list.facts().revoked, 0, "who was renewed is good until its own end");
}

#[test]
fn what_nobody_here_can_renew_is_said_in_time() {
    let folder = Folder::new();
    let dir = lab(&folder);
    let away = dir.export(&["cube1".to_owned()], &folder.path("away")).unwrap();
    assert_eq!(away.tend(now() + 59 * DAY).unwrap(), Tended::default());
    let words = away.tend(now() + 61 * DAY).unwrap().warnings;
    assert!(words[0].contains("is due on 2027-02-20") && words[0].contains("ringfence cert crl"), "{words:?}");
    let words = away.tend(now() + 490 * DAY).unwrap().warnings;
    assert!(
        words[1].starts_with("cube1: the certificate ends on 2028-11-21, and the CA's key is not here"),
        "{words:?}"
    );

    dir.revoke("cvp1", Reason::KeyCompromise, now()).unwrap();
    let tended = dir.tend(now() + 490 * DAY).unwrap();
    assert!(tended.warnings.iter().any(|words| words.starts_with("cvp1: the certificate is revoked and not renewed")));
    // By hand it is.
    let Renewed::Taken(facts) = dir.renew("cvp1", now(), false).unwrap() else { panic!() };
    assert_eq!(facts.serial, serial(&dir, "cvp1"));
    assert!(dir.revocation_list().unwrap().unwrap().says_of(&facts).is_none());
}

/// A change of identity that was cut at any point leaves the one or the other, and the next look completes it.
#[test]
fn a_change_of_identity_that_was_cut_leaves_one_of_the_two_whole() {
    let folder = Folder::new();
    let dir = lab(&folder);
    let path = dir.node_folder("cube1");
    let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
    let (old_chain, old_key) = (read("chain.pem"), read("key.pem"));
    dir.renew("cube1", now(), false).unwrap();
    let (chain, key) = (read("chain.pem"), read("key.pem"));
    let new = serial(&dir, "cube1");
    let write = |name: &str, text: &str| files::write_private(&path.join(name), text.as_bytes()).unwrap();
    for (has_chain, has_key) in [(&old_chain, &old_key), (&old_chain, &key), (&chain, &key)] {
        write("chain.pem", has_chain);
        write("key.pem", has_key);
        write("new.pem", &format!("{key}{chain}"));
        assert_eq!(serial(&dir, "cube1"), new);
        dir.tend(now()).unwrap();
        assert!(!path.join("new.pem").exists() && serial(&dir, "cube1") == new);
        assert_eq!((read("chain.pem"), read("key.pem")), (chain.clone(), key.clone()));
    }
    write("key.pem", &old_key);
    assert!(dir.identity("cube1").is_err(), "a pair that was never one is no identity");
}

#[test]
fn a_call_managers_phones_are_told_before_its_identity_changes() {
    let folder = Folder::new();
    let site = format!("{LAB}\n[node.role.call_manager.phone_services]\n");
    let (dir, _) = DataDir::init(&folder.path("data"), &site, now()).unwrap();
    let before = serial(&dir, "cucm1");
    let Renewed::Announced(facts, from) = dir.renew("cucm1", now(), false).unwrap() else { panic!() };
    assert_eq!(serial(&dir, "cucm1"), before, "phones' lists do not have the next one yet");
    assert!(
        matches!(dir.renew("cucm1", now() + DAY, false).unwrap(), Renewed::Announced(same, _) if same == facts),
        "one at a time"
    );
    assert_eq!(dir.next_identity("cucm1").unwrap().unwrap().1, from);
    assert_eq!(dir.tend(now() + 13 * DAY).unwrap(), Tended::default());
    let tended = dir.tend(now() + 14 * DAY).unwrap();
    assert_eq!((tended.done.len(), serial(&dir, "cucm1")), (1, facts.serial.clone()));
    assert!(dir.next_identity("cucm1").unwrap().is_none());
    assert!(dir.phone_keys("cucm1").is_ok(), "what else is the node's stays");
    // In a hurry, at once.
    let Renewed::Taken(hurried) = dir.renew("cucm1", now(), true).unwrap() else { panic!() };
    assert_eq!(hurried.serial, serial(&dir, "cucm1"));
}

/// Who has the box has the key that waits on it, too.
#[test]
fn an_announced_identity_that_was_revoked_is_never_taken() {
    let folder = Folder::new();
    let site = format!("{LAB}\n[node.role.call_manager.phone_services]\n");
    let (dir, _) = DataDir::init(&folder.path("data"), &site, now()).unwrap();
    let announce = || match dir.renew("cucm1", now(), false).unwrap() {
        Renewed::Announced(facts, _) => facts,
        Renewed::Taken(facts) => panic!("taken at once: {facts:?}"),
    };
    let first = announce();
    let done = dir.revoke("cucm1", Reason::KeyCompromise, now()).unwrap();
    assert!(done.list.says_of(&first).is_some());
    assert!(dir.next_identity("cucm1").unwrap().is_none(), "phones are not told of it any more");
    assert!(done.list.says_of(&announce()).is_none());
    // One by its serial, and a list that says so before anybody looked.
    let second = dir.next_identity("cucm1").unwrap().unwrap().0;
    dir.revoke(&second.facts().serial, Reason::KeyCompromise, now()).unwrap();
    let Renewed::Taken(hurried) = dir.renew("cucm1", now(), true).unwrap() else { panic!() };
    assert!(dir.revocation_list().unwrap().unwrap().says_of(&hurried).is_none());
    assert_eq!(serial(&dir, "cucm1"), hurried.serial);
}

#[test]
fn a_list_of_another_authority_in_the_place_of_the_sites_own_is_an_error() {
    let folder = Folder::new();
    let dir = lab(&folder);
    let other = Ca::create("other", now()).unwrap().revocation_list(9, now(), now() + DAY, &[]).unwrap();
    std::fs::write(dir.list_file(), other.pem()).unwrap();
    assert!(dir.own_trust_pem().unwrap_err().to_string().contains("not signed by this site's own CA"));
    for broken in ["", &other.pem()[..200]] {
        std::fs::write(dir.list_file(), broken).unwrap();
        assert!(dir.own_trust_pem().is_err(), "{broken:?}");
    }
}

#[test]
fn a_chain_of_an_outside_authority_is_for_a_trustpoint_and_judged_first() {
    let folder = Folder::new();
    let point = "name = \"cube1\"\ntrustpoint = [{ name = \"carrier\" }]\n";
    let site = LAB.replacen("name = \"cube1\"\n", point, 1);
    assert_ne!(site, LAB);
    let (dir, _) = DataDir::init(&folder.path("data"), &site, now()).unwrap();
    let outside = Ca::create("carrier", now()).unwrap();
    // Of the request only the key counts here: the authority signs what it likes.
    let csr = dir.signing_request("cube1@carrier", KeyKind::P384, now()).unwrap();
    assert!(csr.starts_with("-----BEGIN CERTIFICATE REQUEST-----"), "{csr}");
    let request = dir.request(&dir.site().unwrap(), "cube1@carrier", now()).unwrap();
    let signed = outside.issue_for(&csr, &request).unwrap();
    let chain = format!("{signed}{}", outside.certificate_pem());
    let old = serial(&dir, "cube1@carrier");
    let error = dir.import("cube1@carrier", &signed, now()).unwrap_err().to_string();
    assert!(error.contains("the chain is not whole"), "{error}");
    let error = dir.import("cube1", &chain, now()).unwrap_err().to_string();
    assert!(error.contains("does not belong") || error.contains("another key"), "{error}");
    assert_eq!(serial(&dir, "cube1@carrier"), old, "what fails changes nothing");
    let facts = dir.import("cube1@carrier", &chain, now()).unwrap();
    assert_eq!(
        (facts.issuer.as_str(), serial(&dir, "cube1@carrier")),
        (outside.facts().subject.as_str(), facts.serial.clone())
    );
    assert!(!folder.path("data/requests/cube1@carrier").exists());
    // The same chain as the node's own identity would leave it without a peer of the site.
    let csr = dir.signing_request("cube1", KeyKind::P256, now()).unwrap();
    let signed = outside.issue_for(&csr, &request).unwrap();
    let error = dir.import("cube1", &format!("{signed}{}", outside.certificate_pem()), now()).unwrap_err().to_string();
    assert!(error.contains("import it as `cube1@carrier`"), "{error}");
}

/// A node whose CA is elsewhere gets its certificate without its key travelling.
#[test]
fn a_request_from_another_host_is_signed_where_the_ca_is() {
    let folder = Folder::new();
    let dir = lab(&folder);
    let away = dir.export(&["cube1".to_owned()], &folder.path("away")).unwrap();
    let csr = away.signing_request("cube1", KeyKind::P256, now()).unwrap();
    let chain = dir.sign_request("cube1", &csr, now()).unwrap();
    let facts = away.import("cube1", &chain, now()).unwrap();
    assert_eq!(serial(&away, "cube1"), facts.serial);
    let register = dir.store().unwrap().certificates().unwrap();
    assert!(register.iter().any(|issued| issued.serial == facts.serial && issued.identity == "cube1"));
    assert!(away.sign_request("cube1", &csr, now()).unwrap_err().to_string().contains("no CA key"));
}

#[test]
fn lists_of_partners_stand_beside_their_roots_in_either_form() {
    let folder = Folder::new();
    let dir = lab(&folder);
    let carrier = Ca::create("carrier", now()).unwrap();
    let roots = dir.path().join("roots");
    let put = |name: &str, octets: &[u8]| files::write_private(&roots.join(name), octets).unwrap();
    put("carrier.pem", carrier.certificate_pem().as_bytes());
    let list = carrier.revocation_list(1, now(), now() + DAY, &[]).unwrap();
    for octets in [list.pem().into_bytes(), list.der().to_vec()] {
        put("carrier.crl", &octets);
        let partners = dir.partners_trust_pem().unwrap();
        assert!(partners[0].0 == "carrier" && partners[0].1.contains("X509 CRL"));
    }
    assert!(!dir.partners_pem().unwrap()[0].1.contains("CRL"));
    put("carrier.crl", b"nonsense");
    assert!(format!("{:#}", dir.partners_trust_pem().unwrap_err()).contains("roots/carrier.crl"));
    put("other.crl", list.pem().as_bytes());
    fs::remove_file(roots.join("carrier.crl")).unwrap();
    assert!(dir.partners_trust_pem().unwrap_err().to_string().contains("put its root beside it as roots/other.pem"));
}

#[test]
fn the_registers_list_is_put_back_when_a_crash_kept_it_from_its_file() {
    let folder = Folder::new();
    let dir = lab(&folder);
    let first = fs::read(dir.list_file()).unwrap();
    dir.revoke("cube1", Reason::KeyCompromise, now()).unwrap();
    // As if the machine had stopped between the register and the file.
    fs::write(dir.list_file(), first).unwrap();
    let (dir, _) = DataDir::init(dir.path(), LAB, now()).unwrap();
    assert_eq!(dir.revocation_list().unwrap().unwrap().facts().number, 2);
    let store: Store = dir.store().unwrap();
    let kept = RevocationList::read_all(store.last_list().unwrap().unwrap().as_bytes()).unwrap().remove(0);
    assert_eq!(kept.facts(), dir.revocation_list().unwrap().unwrap().facts());
}
