//! What is kept of a password, who is let in with it, and how often somebody may be wrong.

use std::net::Ipv4Addr;

use super::*;
use crate::test_folder::Folder;

const RIGHT: &str = "correct horse battery";

fn ada() -> Account {
    Account { name: "ada".into(), role: Role::Agent, agent: Some("1001".into()), made_ms: 7 }
}

fn door(last: u8) -> Door {
    Door { source: Ipv4Addr::new(192, 0, 2, last).into(), of: "desk" }
}

#[test]
fn accounts_are_kept_as_argon2id_and_verified() {
    let folder = Folder::new();
    let file = folder.path("store.sqlite");
    let mut store = Store::open(&file).unwrap();
    store.add_account(&ada(), RIGHT).unwrap();
    let (_, kept) = store.account("ada").unwrap().unwrap();
    assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
    assert_eq!(store.accounts().unwrap(), [ada()]);
    let accounts = Accounts::new(Store::open(&file).unwrap()).unwrap();
    for _ in 0..2 {
        // The second time by its digest.
        assert_eq!(accounts.verify("ada", RIGHT), Some(ada()));
        for (name, password) in [("ada", "correct horse"), ("ada", ""), ("bob", RIGHT), ("", ""), ("ADA", RIGHT)] {
            assert_eq!(accounts.verify(name, password), None, "{name} {password}");
        }
    }
    assert_eq!(accounts.verify("ada", &"x".repeat(LONGEST_PASSWORD + 1)), None);
}

#[test]
fn a_changed_password_or_a_removed_account_holds_at_once() {
    let folder = Folder::new();
    let file = folder.path("store.sqlite");
    let mut store = Store::open(&file).unwrap();
    store.add_account(&ada(), RIGHT).unwrap();
    let accounts = Accounts::new(Store::open(&file).unwrap()).unwrap();
    assert!(accounts.verify("ada", RIGHT).is_some());
    store.set_password("ada", "another one entirely").unwrap();
    assert_eq!(accounts.verify("ada", RIGHT), None);
    assert!(accounts.verify("ada", "another one entirely").is_some());
    store.remove_account("ada").unwrap();
    assert_eq!(accounts.verify("ada", "another one entirely"), None);
    assert!(matches!(store.remove_account("ada"), Err(NotMade::Unknown(_))));
    assert!(matches!(store.set_password("ada", RIGHT), Err(NotMade::Unknown(_))));
}

#[test]
fn what_makes_no_account_is_said() {
    let mut store = Store::in_memory().unwrap();
    for name in ["", "a b", "a:b", "é", &"x".repeat(65)] {
        assert!(matches!(store.add_account(&Account { name: name.into(), ..ada() }, RIGHT), Err(NotMade::Name(_))));
    }
    assert!(matches!(store.add_account(&ada(), "seven77"), Err(NotMade::Password(7))));
    let none = Account { agent: None, ..ada() };
    assert!(matches!(store.add_account(&none, RIGHT), Err(NotMade::NoAgent(Role::Agent, _))));
    store.add_account(&Account { role: Role::Administrator, ..none }, RIGHT).unwrap();
    assert!(matches!(store.add_account(&ada(), RIGHT), Err(NotMade::Taken(_))));
}

#[test]
fn log_ins_are_limited_and_in_the_audit_log() {
    let folder = Folder::new();
    let file = folder.path("store.sqlite");
    let mut store = Store::open(&file).unwrap();
    store.add_account(&ada(), RIGHT).unwrap();
    let accounts = Accounts::new(Store::open(&file).unwrap()).unwrap();
    for _ in 0..3 {
        assert_eq!(accounts.log_in("ada", RIGHT, door(1)).unwrap(), ada());
    }
    for _ in 0..5 {
        assert!(matches!(accounts.log_in("ada", "wrong password", door(1)), Err(NotIn::Wrong)));
    }
    // The right password does not help either now, from nowhere.
    for from in [1, 2] {
        let refused = accounts.log_in("ada", RIGHT, door(from));
        assert!(matches!(&refused, Err(NotIn::Locked { wait }) if wait.as_secs() >= 290), "{refused:?}");
    }
    let said: Vec<(String, String)> =
        store.changes(99).unwrap().into_iter().map(|change| (change.what, change.source)).collect();
    assert_eq!(said.len(), 6, "the first time in, and five wrong ones: {said:?}");
    assert_eq!(said[5], ("at the desk: logged in".into(), "192.0.2.1".into()));
    assert_eq!(said[0], ("at the desk: gave a wrong name or password".into(), "192.0.2.1".into()));
    assert!(said.iter().all(|(what, _)| !what.contains(RIGHT)));
}

#[test]
fn who_tries_many_passwords_at_once_learns_of_no_more_than_five() {
    let mut store = Store::in_memory().unwrap();
    store.add_account(&ada(), RIGHT).unwrap();
    let accounts = Accounts::new(store).unwrap();
    let tries = std::sync::Barrier::new(12);
    let wrong = std::thread::scope(|scope| {
        let one = || {
            tries.wait();
            matches!(accounts.log_in("ada", "wrong password", door(1)), Err(NotIn::Wrong))
        };
        let all: Vec<_> = (0..12).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().unwrap()).filter(|wrong| *wrong).count()
    });
    assert_eq!(wrong, 5);
}

#[test]
fn a_name_that_nobody_has_costs_what_a_wrong_password_costs() {
    let mut store = Store::in_memory().unwrap();
    store.add_account(&ada(), RIGHT).unwrap();
    let accounts = Accounts::new(store).unwrap();
    let time = |name: &str| {
        let times = (0..5).map(|_| {
            let began = std::time::Instant::now();
            assert_eq!(accounts.verify(name, "wrong password"), None);
            began.elapsed()
        });
        // The least disturbed of five.
        times.min().unwrap()
    };
    let (wrong, unknown) = (time("ada"), time("nobody"));
    let ratio = unknown.as_secs_f64() / wrong.as_secs_f64();
    assert!((0.5..2.0).contains(&ratio), "wrong {wrong:?}, unknown {unknown:?}");
}
