//! A process that issues, renews, revokes and imports is killed at any moment, again and again: every identity stays whole,
//! nothing that was acknowledged is lost, and no serial and no list's number serves twice. `RINGFENCE_KILLS=200` for more.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use trust::{KeyKind, Reason};

use super::*;

const DIR: &str = "RINGFENCE_CERTIFICATES_KILLED";

fn site() -> String {
    format!("{LAB}\n[node.role.call_manager.phone_services]\n")
}

#[test]
fn whatever_moment_a_process_is_killed_at_identities_are_whole_and_serials_used_once() {
    let kills = std::env::var("RINGFENCE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12);
    let folder = Folder::new();
    let path = folder.path("data");
    DataDir::init(&path, &site(), SystemTime::now()).unwrap();
    let (mut serials, mut number) = (BTreeSet::new(), 1);
    for kill in 0..kills {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", "data_dir::tests::killed::works_until_killed"])
            .env(DIR, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut said, mut last) = (0, String::new());
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some((what, value)) = line.split_once("done ").and_then(|(_, said)| said.split_once(' ')) else {
                continue;
            };
            match what {
                "serial" => assert!(serials.insert(value.to_owned()), "{value} served twice"),
                "list" => {
                    let next: u64 = value.parse().unwrap();
                    assert!(next > number, "list {next} after {number}");
                    number = next;
                }
                _ => {}
            }
            last = line;
            said += 1;
            if said == 2 + kill % 9 {
                // Somewhere in the next piece of work, which takes some milliseconds: elsewhere each time.
                let until = Instant::now() + Duration::from_micros(kill * 2_711 % 20_000);
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
                process.kill().unwrap();
            }
        }
        process.wait().unwrap();

        let dir = DataDir::open(&path).unwrap();
        for (name, _) in dir.identities().unwrap() {
            let identity = if name == "admin" { dir.admin() } else { dir.identity(&name) };
            identity.unwrap_or_else(|error| panic!("kill {kill}, after `{last}`: {name}: {error:#}"));
            assert!(dir.next_identity(&name).is_ok(), "kill {kill}, after `{last}`: {name}");
        }
        let register = dir.store().unwrap().certificates().unwrap();
        let entered: BTreeSet<String> = register.iter().map(|issued| issued.serial.clone()).collect();
        assert_eq!(entered.len(), register.len());
        assert!(serials.is_subset(&entered), "kill {kill}, after `{last}`: issued and not in the register");
        dir.ca().unwrap_or_else(|error| panic!("kill {kill}, after `{last}`: {error:#}"));
        // The list in the directory is that of the register again, and has everything that is revoked.
        dir.tend(SystemTime::now()).unwrap();
        dir.restore_list().unwrap();
        let trust = dir.own_trust_pem().unwrap_or_else(|error| panic!("kill {kill}, after `{last}`: {error:#}"));
        trust::Authorities::new(&[(trust::Authority::Own, trust)]).unwrap();
        let list = dir.revocation_list().unwrap().unwrap();
        assert!(list.facts().number >= number, "kill {kill}, after `{last}`");
        let revoked = register.iter().filter(|issued| issued.revoked.is_some()).count();
        assert_eq!(list.facts().revoked, revoked, "kill {kill}, after `{last}`");
    }
    assert!(serials.len() as u64 >= kills, "{}", serials.len());
}

#[test]
#[ignore = "run as a process of its own by whatever_moment_a_process_is_killed_at_identities_are_whole_and_serials_used_once"]
fn works_until_killed() {
    let dir = DataDir::open(Path::new(&std::env::var_os(DIR).expect("the data directory"))).unwrap();
    loop {
        let now = SystemTime::now();
        let before = dir.identity("cube1").unwrap().facts().serial.clone();
        dir.renew("cube1", now, false).unwrap();
        println!("\ndone serial {}", dir.identity("cube1").unwrap().facts().serial);
        let list = dir.revoke(&before, Reason::Superseded, now).unwrap().list;
        println!("\ndone list {}", list.facts().number);
        // The call manager's is announced first: the one before may have been killed between the two.
        dir.renew("cucm1", now, false).unwrap();
        println!("\ndone announced -");
        // The root: told, issuing, and alone in eleven years. Each may have been killed in the midst of it.
        if dir.renew_root(now, false).is_ok() {
            dir.renew_root(now, true).unwrap();
        }
        dir.tend(now + 11 * Duration::from_secs(365 * 24 * 3600)).unwrap();
        println!("\ndone root -");
        dir.renew("cucm1", now, true).unwrap();
        println!("\ndone serial {}", dir.identity("cucm1").unwrap().facts().serial);
        let csr = dir.signing_request("vvb1", KeyKind::P256, now).unwrap();
        let chain = dir.sign_request("vvb1", &csr, now).unwrap();
        println!("\ndone signed -");
        println!("\ndone serial {}", dir.import("vvb1", &chain, now).unwrap().serial);
    }
}
