//! What is kept is read back, lasts, and is kept together; what is wrong is said in words.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::test_folder::Folder;
use crate::*;

fn statement(caller: &str, made_ms: u64) -> Statement {
    Statement {
        node: "cvp1".into(),
        caller: caller.into(),
        began_ms: 1,
        call: 7,
        made_ms,
        payload: format!("{{\"of\":\"{caller}\"}}").into_bytes(),
        signature: vec![made_ms as u8],
        chain_der: vec![vec![1, 2], vec![], vec![3]],
    }
}

#[test]
fn another_call_of_the_same_caller_takes_no_statement_away() {
    let mut store = Store::in_memory().unwrap();
    let first = statement("674ecd1639ed7a710000abf910000178", 2);
    let later = Statement { began_ms: 10, made_ms: 11, ..first.clone() };
    // Two seats of one caller in a conference.
    let beside = Statement { call: 8, ..first.clone() };
    for statement in [&first, &later, &beside] {
        store.put_statement(statement).unwrap();
    }
    assert_eq!(store.statements("cvp1", &first.caller).unwrap(), [first, beside, later]);
}

#[test]
fn every_aggregate_is_read_back_by_another_that_opens_the_store() {
    let folder = Folder::new();
    let file = folder.path("store.sqlite");
    let mut store = Store::open(&file).unwrap();
    let (a, b) = ("674ecd1639ed7a710000abf910000178", "4865626844c25f248e19a95a65b0ad50");
    store.put_registration("cucm1", "1002", Some(b"there")).unwrap();
    store.put_registration("cucm1", "1001", Some(b"here")).unwrap();
    store.put_registration("cucm1", "1001", Some(b"\0\xff")).unwrap();
    store.put_snapshot("cvp1", u64::MAX, Some(b"late")).unwrap();
    store.put_snapshot("cvp1", 7, Some(b"early")).unwrap();
    store.put_agent_state("cvp1", "1001", "ready").unwrap();
    store.put_agent_state("cvp1", "1001", "not ready").unwrap();
    store.put_statement(&statement(a, 1)).unwrap();
    store.put_statement(&statement(a, 2)).unwrap();
    store.put_statement(&statement(b, 3)).unwrap();
    let refused = Refused { node: "cube1".into(), at_ms: 5, cause: "unknown_ca".into(), record: "{}".into() };
    store.add_refusal(&refused).unwrap();
    let decision =
        Decision { node: "cvp1".into(), at_ms: 6, caller: a.into(), words: "agent 1001, idle longest".into() };
    store.add_decision(&decision).unwrap();
    let change = Change {
        at_ms: 7,
        who: "local".into(),
        source: "command line".into(),
        what: "agent 1001 made ready".into(),
        detail: "{}".into(),
    };
    store.add_change(&change).unwrap();

    let mut other = Store::open(&file).unwrap();
    assert_eq!(
        other.registrations("cucm1").unwrap(),
        [
            Registration { line: "1001".into(), state: vec![0, 255] },
            Registration { line: "1002".into(), state: b"there".to_vec() }
        ]
    );
    let calls: Vec<u64> = other.snapshots("cvp1").unwrap().into_iter().map(|snapshot| snapshot.call).collect();
    assert_eq!(calls.len(), 2);
    assert!(calls.contains(&u64::MAX) && calls.contains(&7));
    assert_eq!(other.agent_states("cvp1").unwrap(), [AgentState { id: "1001".into(), state: "not ready".into() }]);
    assert_eq!(other.statements("cvp1", a).unwrap(), [statement(a, 2)]);
    assert_eq!(other.statements("cube1", a).unwrap(), []);
    assert_eq!(other.statements_of(b).unwrap(), [statement(b, 3)]);
    assert_eq!(other.statement_list("cvp1", 9).unwrap(), [(b.to_owned(), 3), (a.to_owned(), 2)]);
    assert_eq!(other.last_statements("cvp1", 1).unwrap(), [statement(b, 3)]);
    assert_eq!(other.refusals("cube1", 5).unwrap(), [refused]);
    assert_eq!(other.decisions_of(a).unwrap(), [decision]);
    assert_eq!(other.changes(5).unwrap(), [change]);

    other.put_registration("cucm1", "1001", None).unwrap();
    other.put_snapshot("cvp1", 7, None).unwrap();
    assert_eq!((store.registrations("cucm1").unwrap().len(), store.snapshots("cvp1").unwrap().len()), (1, 1));
    assert!(store.registrations("cucm2").unwrap().is_empty());
}

#[test]
fn together_is_all_or_nothing() {
    let mut store = Store::in_memory().unwrap();
    let failed: Result<(), Error> = store.together(|store| {
        store.put_agent_state("cvp1", "1001", "ready")?;
        Err(Error::Full)
    });
    assert!(matches!(failed, Err(Error::Full)));
    assert!(store.agent_states("cvp1").unwrap().is_empty());
    let sum = store.together(|store| {
        store.put_agent_state("cvp1", "1001", "ready")?;
        store.put_agent_state("cvp1", "1002", "ready")?;
        Ok(3)
    });
    assert_eq!(sum.unwrap(), 3);
    assert_eq!(store.agent_states("cvp1").unwrap().len(), 2);
}

#[test]
fn a_quarters_last_figures_count_and_a_day_of_them_is_kept() {
    let mut store = Store::in_memory().unwrap();
    let quarter = |begins_ms: i64, figures: &str| Figures { begins_ms, figures: figures.into() };
    for (begins_ms, figures) in [(0, "old"), (900_000, "a"), (900_000, "b"), (86_400_000 + 900_000, "c")] {
        store.put_figures("cvp1", &quarter(begins_ms, figures)).unwrap();
    }
    store.put_figures("cvp2", &quarter(0, "another's")).unwrap();
    assert_eq!(store.figures("cvp1").unwrap(), [quarter(900_000, "b"), quarter(87_300_000, "c")]);
}

#[test]
fn refusals_do_not_fill_the_disk() {
    let mut store = Store::in_memory().unwrap();
    let refused = |at_ms| Refused { node: "cube1".into(), at_ms, cause: "unknown_ca".into(), record: String::new() };
    let first = Refused { node: "cvp1".into(), ..refused(0) };
    store.add_refusal(&first).unwrap();
    store.together(|store| (1..=12_000).try_for_each(|at| store.add_refusal(&refused(at)))).unwrap();
    let kept = store.refusals("cube1", 20_000).unwrap();
    assert!((10_000..10_256).contains(&kept.len()), "{}", kept.len());
    assert_eq!((kept[0].at_ms, kept[9_999].at_ms), (12_000, 2_001));
    assert_eq!(store.refusals("cvp1", 9).unwrap(), [first], "another node's stay");
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    let folder = Folder::new();
    let text = folder.path("text");
    std::fs::write(&text, "not a database, but long enough to be looked at as one").unwrap();
    assert!(matches!(Store::open(&text), Err(Error::NotOurs { .. })));
    assert!(std::fs::read_to_string(&text).unwrap().starts_with("not a database"));
    let theirs = folder.path("theirs");
    let connection = rusqlite::Connection::open(&theirs).unwrap();
    connection.execute_batch("CREATE TABLE t (a); PRAGMA user_version = 1").unwrap();
    assert!(matches!(Store::open(&theirs), Err(Error::NotOurs { .. })));
    assert!(matches!(Store::open(&folder.path("nowhere/store.sqlite")), Err(Error::Open { .. })));
}

#[test]
fn a_newer_store_is_not_touched() {
    let folder = Folder::new();
    let file = folder.path("store.sqlite");
    drop(Store::open(&file).unwrap());
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Store::open(&file).err().unwrap().to_string();
    assert!(error.contains("newer Ringfence") && error.contains("99"), "{error}");
}

#[test]
fn statements_of_version_ten_are_as_they_were_signed_and_name_who_signed_once() {
    let folder = Folder::new();
    let file = folder.path("store.sqlite");
    let before = rusqlite::Connection::open(&file).unwrap();
    for sql in &crate::migrations::MIGRATIONS[..10] {
        before.execute_batch(sql).unwrap();
    }
    before.pragma_update(None, "application_id", 0x5269_6e67).unwrap();
    before.pragma_update(None, "user_version", 10).unwrap();
    let caller = "674ecd1639ed7a710000abf910000178";
    // {"version":1}, 0xfb 0xff, and certificates of two octets and one.
    let signed = r#"{"payload":"eyJ2ZXJzaW9uIjoxfQ","signature":"-_8","chain":["AQI=","Aw=="]}"#;
    for call in 1..=3 {
        let sql = "INSERT INTO statement VALUES ('cvp1', ?1, 1, ?2, 5, ?3)";
        before.execute(sql, rusqlite::params![caller, call, if call < 3 { signed } else { "torn" }]).unwrap();
    }
    drop(before);

    let store = Store::open(&file).unwrap();
    let kept = store.statements("cvp1", caller).unwrap();
    let one = Statement {
        node: "cvp1".into(),
        caller: caller.into(),
        began_ms: 1,
        call: 1,
        made_ms: 5,
        payload: br#"{"version":1}"#.to_vec(),
        signature: vec![0xfb, 0xff],
        chain_der: vec![vec![1, 2], vec![3]],
    };
    assert_eq!(kept[0], one);
    assert_eq!(kept[1], Statement { call: 2, ..one.clone() });
    let unreadable = Statement { call: 3, payload: vec![], signature: vec![], chain_der: vec![], ..one };
    assert_eq!(kept[2], unreadable, "it is there, and verifies as nothing");
    let chains =
        rusqlite::Connection::open(&file).unwrap().query_row("SELECT count(*) FROM chain", [], |row| row.get(0));
    assert_eq!(chains, Ok(2));
}

#[test]
fn two_that_write_wait_for_each_other() {
    let folder = Folder::new();
    let file = folder.path("store.sqlite");
    std::thread::scope(|scope| {
        for node in ["cube1", "cvp1", "vvb1", "cucm1"] {
            let file = &file;
            scope.spawn(move || {
                let mut store = Store::open(file).unwrap();
                for call in 0..25 {
                    store.put_snapshot(node, call, Some(b"state")).unwrap();
                }
            });
        }
    });
    let store = Store::open(&file).unwrap();
    for node in ["cube1", "cvp1", "vvb1", "cucm1"] {
        assert_eq!(store.snapshots(node).unwrap().len(), 25);
    }
}

/// No page more than there are: SQLITE_FULL, as from a disk without room.
fn fill(store: &Store, full: bool) {
    let Store::Sqlite(sqlite) = store;
    sqlite.pragma("max_page_count", if full { sqlite.pages() } else { u32::MAX - 1 });
}

#[test]
fn a_full_disk_is_told_in_words_and_takes_nothing_that_was_acknowledged() {
    let folder = Folder::new();
    let file = folder.path("store.sqlite");
    let mut store = Store::open(&file).unwrap();
    store.put_agent_state("cvp1", "1001", "READY").unwrap();
    fill(&store, true);
    let mut acknowledged = 0;
    let why = loop {
        match store.put_snapshot("cvp1", acknowledged, Some(&[7; 3000])) {
            Ok(()) => acknowledged += 1,
            Err(why) => break why,
        }
    };
    assert!(matches!(why, Error::Full) && why.may_pass(), "{why}");
    assert!(why.to_string().contains("is full; nothing more is acknowledged until there is room"), "{why}");
    // Together is all or nothing here too.
    let both = store.together(|store| {
        store.put_agent_state("cvp1", "1001", "LOGOUT")?;
        store.put_snapshot("cvp1", 1_000_000, Some(&[7; 300_000]))
    });
    assert!(matches!(both, Err(Error::Full)), "{both:?}");
    // Reading goes on, here and by others; what was kept is there.
    for store in [&store, &Store::open(&file).unwrap()] {
        assert_eq!(store.snapshots("cvp1").unwrap().len() as u64, acknowledged);
        assert_eq!(store.agent_states("cvp1").unwrap()[0].state, "READY");
    }
    fill(&store, false);
    store.put_snapshot("cvp1", acknowledged, Some(&[7; 3000])).unwrap();
    assert_eq!(Store::open(&file).unwrap().snapshots("cvp1").unwrap().len() as u64, acknowledged + 1);
}

#[test]
fn a_disk_that_cannot_be_written_to_is_told_as_one_that_may_come_back() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.path("store.sqlite")).unwrap();
    store.put_agent_state("cvp1", "1001", "READY").unwrap();
    let gone = |store: &Store, gone| {
        let Store::Sqlite(sqlite) = store;
        sqlite.pragma("query_only", u32::from(gone));
    };
    gone(&store, true);
    let why = store.put_agent_state("cvp1", "1001", "LOGOUT").unwrap_err();
    assert!(matches!(why, Error::Disk { .. }) && why.may_pass(), "{why}");
    assert!(why.to_string().contains("does not do as it should"), "{why}");
    assert_eq!(store.agent_states("cvp1").unwrap()[0].state, "READY");
    gone(&store, false);
    store.put_agent_state("cvp1", "1001", "LOGOUT").unwrap();
    assert_eq!(store.agent_states("cvp1").unwrap()[0].state, "LOGOUT");
}

const CRASHING: &str = "RINGFENCE_STORE_CRASHING";

/// What was acknowledged is there after a kill in the middle of writing.
#[test]
fn what_was_acknowledged_survives_a_kill() {
    let folder = Folder::new();
    let file = folder.path("store.sqlite");
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "tests::writes_until_killed"])
        .env(CRASHING, &file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
        if let Some(call) = line.unwrap().rsplit("kept ").next().and_then(|call| call.parse::<u64>().ok()) {
            acknowledged.push(call);
        }
        if acknowledged.len() == 100 {
            writer.kill().unwrap();
        }
    }
    writer.wait().unwrap();
    assert!(acknowledged.len() >= 100);
    let store = Store::open(&file).unwrap();
    let kept: Vec<u64> = store.snapshots("cvp1").unwrap().into_iter().map(|snapshot| snapshot.call).collect();
    for call in acknowledged {
        assert!(kept.contains(&call), "{call} was acknowledged and is gone");
    }
}

#[test]
#[ignore = "run as a process of its own by what_was_acknowledged_survives_a_kill"]
fn writes_until_killed() {
    let mut store = Store::open(std::env::var_os(CRASHING).expect("the store's file").as_ref()).unwrap();
    for call in 0.. {
        store.put_snapshot("cvp1", call, Some(&[7; 2000])).unwrap();
        println!("\nkept {call}");
    }
}
