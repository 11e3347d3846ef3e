//! What is kept of a password, who is let in with it, and how often somebody may be wrong.

use std::net::Ipv4Addr;

use super::doors::lock;
use super::*;
use crate::test_folder::Folder;

const RIGHT: &str = "correct horse battery";

fn ada() -> Account {
    Account { name: "ada".into(), role: Role::Agent, agent: Some("1001".into()), made_ms: 7, origin: Origin::Store }
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

/// A disk that is full keeps nobody from work who is at it, and lets nobody in unseen.
#[test]
fn who_cannot_be_written_down_is_not_let_in_and_who_was_let_in_before_is() {
    let folder = Folder::new();
    let file = folder.path("store.sqlite");
    let mut store = Store::open(&file).unwrap();
    store.add_account(&ada(), RIGHT).unwrap();
    let bob = Account { name: "bob".into(), ..ada() };
    store.add_account(&bob, RIGHT).unwrap();
    let accounts = Accounts::new(Store::open(&file).unwrap()).unwrap();
    let gone = |gone: u32| {
        let Store::Sqlite(sqlite) = &*doors::lock(&accounts.store);
        sqlite.pragma("query_only", gone);
    };
    accounts.log_in("ada", RIGHT, door(1)).unwrap();
    gone(1);
    assert_eq!(accounts.log_in("ada", RIGHT, door(1)).unwrap(), ada(), "she is at work");
    for _ in 0..2 {
        let refused = accounts.log_in("bob", RIGHT, door(2)).unwrap_err();
        assert!(matches!(&refused, NotIn::Store(error) if error.may_pass()), "{refused:?}");
    }
    // And one that cannot even be read: whoever listens goes on listening, nobody's next request is let in.
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("ALTER TABLE account RENAME TO elsewhere").unwrap();
    assert!(accounts.holds(&ada()));
    assert!(matches!(accounts.log_in("ada", RIGHT, door(1)), Err(NotIn::Store(_))));
    other.execute_batch("ALTER TABLE elsewhere RENAME TO account").unwrap();
    assert!(accounts.holds(&ada()) && !accounts.holds(&Account { made_ms: 8, ..ada() }));
    gone(0);
    assert_eq!(accounts.log_in("bob", RIGHT, door(2)).unwrap(), bob);
    let written: Vec<String> = store.changes(9).unwrap().into_iter().map(|change| change.who).collect();
    assert_eq!(written, ["bob", "ada"], "each log-in has its line");
}

/// A directory of one person, told what to say.
#[derive(Default)]
struct Told {
    answer: std::sync::Mutex<Option<Result<Person, NoPerson>>>,
    asked: std::sync::Mutex<Vec<String>>,
}

impl Told {
    fn says(&self, answer: Result<Person, NoPerson>) {
        *self.answer.lock().unwrap() = Some(answer);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Directory for Told {
    fn log_in(&self, name: &str, password: &str) -> Result<Person, NoPerson> {
        self.asked.lock().unwrap().push(format!("{name} {password}"));
        self.answer.lock().unwrap().clone().unwrap()
    }

    fn find(&self, name: &str) -> Result<Person, NoPerson> {
        self.log_in(name, "")
    }
}

fn with_directory() -> (Accounts, std::sync::Arc<Told>) {
    let mut store = Store::in_memory().unwrap();
    store.add_account(&ada(), RIGHT).unwrap();
    let (accounts, told) = (Accounts::new(store).unwrap(), std::sync::Arc::new(Told::default()));
    accounts.replace_directory(Some(told.clone()));
    (accounts, told)
}

fn bob() -> Person {
    Person { role: Role::Supervisor, agent: Some("1009".into()) }
}

#[test]
fn who_is_not_of_the_store_is_asked_for_in_the_directory_once_in_a_while() {
    let (accounts, told) = with_directory();
    told.says(Ok(bob()));
    let account = accounts.log_in("Bob", "pass", door(1)).unwrap();
    assert_eq!((account.name.as_str(), account.role, account.origin), ("bob", Role::Supervisor, Origin::Directory));
    assert_eq!(accounts.log_in("bob", "pass", door(1)).unwrap(), account);
    assert_eq!(told.asked(), ["bob pass"], "the second time it was known");
    assert!(accounts.holds(&account));
    // Another password is another question; so is a directory that was put in the place of the first.
    told.says(Err(NoPerson::Nobody));
    assert!(matches!(accounts.log_in("bob", "other", door(1)), Err(NotIn::Wrong)));
    accounts.replace_directory(Some(told.clone()));
    assert!(!accounts.holds(&account));
    assert!(matches!(accounts.log_in("bob", "pass", door(1)), Err(NotIn::Wrong)));
    assert_eq!(told.asked(), ["bob other", "bob pass"]);
    let said: Vec<String> = lock(&accounts.store).changes(9).unwrap().into_iter().map(|change| change.what).collect();
    assert_eq!(said[2], "at the desk: logged in by the directory's word, as supervisor");
    assert_eq!(said[0], "at the desk: gave a wrong name or password");
}

#[test]
fn names_of_the_store_empty_passwords_and_odd_names_never_reach_the_directory() {
    let (accounts, told) = with_directory();
    told.says(Ok(bob()));
    let long = "x".repeat(LONGEST_PASSWORD + 1);
    for (name, password) in [("ada", "wrong"), ("ADA", "wrong"), ("bob", ""), ("bob", &long), ("b*", "x"), ("b b", "x")]
    {
        assert!(matches!(accounts.log_in(name, password, door(9)), Err(NotIn::Wrong)), "{name}");
    }
    assert!(told.asked().is_empty());
    assert_eq!(accounts.verify("ada", RIGHT), Some(ada()));
}

#[test]
fn a_directory_that_does_not_answer_keeps_its_people_out_and_those_of_the_store_in() {
    let (accounts, told) = with_directory();
    told.says(Err(NoPerson::Unavailable("connection refused".into())));
    for _ in 0..9 {
        assert!(matches!(accounts.log_in("bob", "pass", door(1)), Err(NotIn::Directory)));
    }
    assert_eq!(told.asked().len(), 1, "who comes just after is not made to wait for it");
    assert_eq!(accounts.log_in("ada", RIGHT, door(1)).unwrap(), ada());
}

#[test]
fn one_name_is_one_count_however_it_is_written_and_no_role_counts_too() {
    let (accounts, told) = with_directory();
    told.says(Err(NoPerson::Nobody));
    for name in ["bob", "Bob", "BOB", "bOb"] {
        assert!(matches!(accounts.log_in(name, "guess", door(1)), Err(NotIn::Wrong)));
    }
    told.says(Err(NoPerson::NoRole("no group of theirs has a role here".into())));
    let refused = accounts.log_in("bob", "right", door(1)).unwrap_err();
    assert_eq!(refused.to_string(), "no group of theirs has a role here");
    assert!(matches!(accounts.log_in("boB", "guess", door(1)), Err(NotIn::Locked { .. })));
}

#[test]
fn a_name_that_is_too_long_for_one_is_counted_by_its_beginning() {
    let (accounts, told) = with_directory();
    told.says(Err(NoPerson::Nobody));
    for last in 0..5 {
        let long = format!("{}{last}", "x".repeat(100_000));
        assert!(matches!(accounts.log_in(&long, "guess", door(last)), Err(NotIn::Wrong)));
    }
    assert!(matches!(accounts.log_in(&"X".repeat(65), "guess", door(9)), Err(NotIn::Locked { .. })));
    assert!(matches!(accounts.log_in(&"x".repeat(64), "guess", door(9)), Err(NotIn::Wrong)), "this might be one");
}

/// While it is asked, others guess from the same address.
struct Guessed(std::sync::Weak<Accounts>);

impl Directory for Guessed {
    fn log_in(&self, _: &str, _: &str) -> Result<Person, NoPerson> {
        let accounts = self.0.upgrade().unwrap();
        (0..20).for_each(|_| accounts.refused("", door(1), "guessed").unwrap());
        Ok(bob())
    }

    fn find(&self, name: &str) -> Result<Person, NoPerson> {
        self.log_in(name, "")
    }
}

#[test]
fn a_right_password_that_came_after_the_last_try_is_not_remembered() {
    let accounts = std::sync::Arc::new(Accounts::new(Store::in_memory().unwrap()).unwrap());
    accounts.replace_directory(Some(std::sync::Arc::new(Guessed(std::sync::Arc::downgrade(&accounts)))));
    assert!(matches!(accounts.log_in("bob", "pass", door(1)), Err(NotIn::Locked { .. })));
    accounts.log_in("bob", "pass", door(2)).unwrap();
    let said = lock(&accounts.store).changes(99).unwrap();
    let written = |word: &str| said.iter().filter(|change| change.what.contains(word)).count();
    assert_eq!((written("logged in"), written("guessed")), (1, 40));
}

#[test]
fn who_stays_is_asked_about_each_minute_and_may_stay_ten_without_an_answer() {
    let told = std::sync::Arc::new(Told::default());
    let visitors = super::visitors::Visitors::default();
    visitors.replace(Some(told.clone()));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[7; 32]);
    let at = std::time::Duration::from_secs;
    told.says(Ok(bob()));
    let (account, first) = visitors.look("bob", "pass", &key, at(0)).unwrap();
    assert!(first && visitors.holds(&account, at(59)));
    assert!(!visitors.look("bob", "pass", &key, at(29)).unwrap().1);
    assert_eq!(told.asked(), ["bob pass"]);
    assert!(visitors.holds(&account, at(60)));
    assert!(visitors.holds(&account, at(119)));
    assert_eq!(told.asked(), ["bob "]);
    told.says(Err(NoPerson::Unavailable("gone".into())));
    assert!(visitors.holds(&account, at(120)) && visitors.holds(&account, at(659)));
    assert!(!visitors.holds(&account, at(660)), "ten minutes after the last word");
    // Back, and the person is another now.
    told.says(Ok(Person { role: Role::Agent, ..bob() }));
    assert!(!visitors.holds(&account, at(700)));
    assert!(!visitors.holds(&account, at(701)));
}

#[test]
fn an_address_from_which_too_much_else_was_wrong_waits_too() {
    let (accounts, _) = with_directory();
    for n in 0..20 {
        accounts.may_try(door(1)).unwrap_or_else(|refused| panic!("{n}: {refused}"));
        accounts.refused("", door(1), "was not let in").unwrap();
    }
    assert!(matches!(accounts.may_try(door(1)), Err(NotIn::Locked { .. })));
    assert!(matches!(accounts.log_in("ada", RIGHT, door(1)), Err(NotIn::Locked { .. })));
    accounts.may_try(door(2)).unwrap();
    accounts.log_in("ada", RIGHT, door(2)).unwrap();
}
