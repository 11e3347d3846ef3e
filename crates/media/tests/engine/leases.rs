//! Leases: generations, quarantine, commands that come too late or too early.

use media::{Command, Event, QUARANTINE};

use crate::rig::{End, Rig, ms, plain};

#[test]
fn a_port_rests_before_it_is_lent_again() {
    let mut rig = Rig::new(1);
    let ends: Vec<End> = (0..8).map(|_| rig.lend(0)).collect();
    let local = ends[0].lease.addr.ip();
    assert!(rig.engines[0].lend(local, 1, rig.now).is_empty());
    rig.close(ends[3]);
    rig.run(QUARANTINE - ms(1));
    assert!(rig.engines[0].lend(local, 1, rig.now).is_empty());
    rig.run(ms(1));
    let again = rig.lend(0).lease;
    assert_eq!(again.addr, ends[3].lease.addr);
    assert_eq!(again.id.generation, ends[3].lease.id.generation + 1);
    assert!(rig.engines[0].lend("127.0.0.9".parse().unwrap(), 1, rig.now).is_empty(), "another address");
}

#[test]
fn the_longest_free_is_lent_first() {
    let mut rig = Rig::new(1);
    let (a, b) = (rig.lend(0), rig.lend(0));
    rig.close(b);
    rig.run(ms(1));
    rig.close(a);
    rig.run(ms(60_000));
    let slots: Vec<u16> = (0..8).map(|_| rig.lend(0).lease.id.slot).collect();
    assert_eq!(slots, [2, 3, 4, 5, 6, 7, b.lease.id.slot, a.lease.id.slot]);
}

#[test]
fn a_late_command_of_an_ended_lease_does_nothing() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &plain());
    rig.close(a);
    rig.run(QUARANTINE + ms(10_000));
    let again: Vec<End> = (0..8).map(|_| rig.lend(0)).collect();
    let again = *again.iter().find(|end| end.lease.addr == a.lease.addr).unwrap();
    rig.connect(again, b, &plain());
    rig.events.clear();
    rig.play(a, "moh", true);
    rig.tell(a, |lease| Command::Close { lease });
    rig.tell(a, |lease| Command::Report { lease });
    assert!(rig.events.is_empty());
    rig.tapped.clear();
    rig.run(ms(200));
    assert!(rig.tapped.is_empty());
}

#[test]
fn commands_ahead_of_the_agreement_wait_for_it() {
    let mut rig = Rig::new(3);
    let (far, a, b, near) = (rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2));
    rig.bridge(a, b);
    rig.play(far, "caller", true);
    rig.record(near);
    rig.run(ms(100));
    rig.connect(far, a, &plain());
    rig.connect(b, near, &plain());
    rig.run(ms(1000));
    assert!(rig.facts(near).rx.clear > 45);
    let (.., facts) = rig.close(b);
    assert!(facts.tx.clear > 45);
    let unused = rig.lend(0);
    let (.., facts) = rig.close(unused);
    assert_eq!((facts.keying.as_str(), facts.local.is_some()), ("", true));
}

#[test]
fn more_leases_come_as_an_event() {
    let mut rig = Rig::new(1);
    let local = "127.0.0.1".parse().unwrap();
    rig.engines[0].command(Command::Lend { local, count: 100 }, rig.now);
    let Some(Event::Leased(leases)) = rig.engines[0].poll() else { panic!() };
    assert_eq!(leases.len(), 8);
}
