//! Conferences on streams: who sits there hears the others, under each one's own keys.

use media::Command;
use media::conference::Part;
use sdp::{Codec, Direction, Suite};

use crate::rig::{End, Rig, ms, secure};

const ROOM: u64 = 77;

/// Parties on engines 1, 2, … whose legs are all engine 0's, each under another suite, recording what they hear.
struct Room {
    rig: Rig,
    parties: Vec<End>,
    seats: Vec<End>,
}

fn room(parts: usize) -> Room {
    let mut rig = Rig::new(parts + 1);
    let parties: Vec<End> = (1..=parts).map(|engine| rig.lend(engine)).collect();
    let seats: Vec<End> = parties.iter().map(|_| rig.lend(0)).collect();
    for (at, (party, seat)) in parties.iter().zip(&seats).enumerate() {
        rig.tell(*seat, |lease| Command::Confer { lease, conference: ROOM, part: Part::Talks });
        rig.connect(*party, *seat, &secure(Suite::ALL[at % Suite::ALL.len()]));
        rig.record(*party);
    }
    Room { rig, parties, seats }
}

impl Room {
    fn part(&mut self, seat: usize, part: Part<usize>) {
        let part = match part {
            Part::Talks => Part::Talks,
            Part::Listens => Part::Listens,
            Part::Whispers { to } => Part::Whispers { to: self.seats[to].lease.id },
        };
        self.rig.tell(self.seats[seat], |lease| Command::Confer { lease, conference: ROOM, part });
    }

    /// How much of a prompt is in what each party heard.
    fn heard(mut self, prompt: &str) -> Vec<f64> {
        let said = self.rig.prompts.samples(prompt, Codec::Pcmu).unwrap();
        let parties = std::mem::take(&mut self.parties);
        parties.into_iter().map(|party| likeness(&self.rig.close(party).0, &said)).collect()
    }
}

/// The best correlation of the prompt's second half second with what was heard, wherever it is.
fn likeness(heard: &[i16], said: &[i16]) -> f64 {
    let part: Vec<f64> = said[4000..8000].iter().map(|s| f64::from(*s)).collect();
    let energy = |samples: &[f64]| samples.iter().map(|s| s * s).sum::<f64>();
    let whole: Vec<f64> = heard.iter().map(|s| f64::from(*s)).collect();
    let all = energy(&part);
    let at = |window: &[f64]| {
        let dot: f64 = window.iter().zip(&part).map(|(a, b)| a * b).sum();
        dot / (energy(window) * all).sqrt().max(1.0)
    };
    whole.windows(part.len()).map(at).fold(0.0, f64::max)
}

#[test]
fn three_under_three_suites_hear_each_other_and_not_themselves() {
    let mut room = room(3);
    room.rig.play(room.parties[0], "caller", false);
    room.rig.run(ms(3000));
    for seat in room.seats.clone() {
        let facts = room.rig.facts(seat);
        assert_eq!((facts.tx.clear, facts.rx.clear, facts.auth_failed), (0, 0, 0));
        assert!(facts.tx.protected >= 140, "a frame every 20 ms: {}", facts.tx.protected);
    }
    let heard = room.heard("caller");
    assert!(heard[0] < 0.3 && heard[1] > 0.95 && heard[2] > 0.95, "{heard:?}");
}

#[test]
fn who_listens_is_not_heard_and_a_whisper_reaches_one() {
    let mut whispered = room(4);
    whispered.part(0, Part::Whispers { to: 1 });
    whispered.rig.play(whispered.parties[0], "caller", false);
    whispered.rig.run(ms(3000));
    let heard = whispered.heard("caller");
    assert!(heard[1] > 0.95 && heard[0] < 0.3 && heard[2] < 0.3 && heard[3] < 0.3, "{heard:?}");

    let mut barged = room(3);
    barged.part(0, Part::Listens);
    barged.rig.play(barged.parties[0], "caller", false);
    barged.rig.run(ms(3000));
    barged.rig.play(barged.parties[0], "agent", false);
    barged.part(0, Part::Talks);
    barged.rig.run(ms(3000));
    let agent = barged.rig.prompts.samples("agent", Codec::Pcmu).unwrap();
    let caller = barged.rig.prompts.samples("caller", Codec::Pcmu).unwrap();
    let (heard, _, _) = barged.rig.close(barged.parties[1]);
    assert!(likeness(&heard, &caller) < 0.3 && likeness(&heard, &agent) > 0.95, "listens, then barges in");
}

#[test]
fn a_prompt_goes_ahead_and_who_holds_is_neither_heard_nor_spoken_to() {
    let mut room = room(3);
    // The first holds: its music is not the conference's.
    let (at_party, at_seat) = room.rig.agree_as(
        room.parties[0],
        room.seats[0],
        &secure(Suite::ALL[0]),
        &secure(Suite::ALL[0]),
        Direction::SendOnly,
    );
    room.rig.set(room.parties[0], at_party);
    room.rig.set(room.seats[0], at_seat);
    room.rig.play(room.parties[0], "caller", true);
    // The second is played something.
    room.rig.play(room.seats[1], "agent", false);
    let before = room.rig.facts(room.seats[0]).tx.protected;
    room.rig.run(ms(3000));
    assert!(room.rig.facts(room.seats[0]).tx.protected - before <= 1);
    let agent = room.rig.prompts.samples("agent", Codec::Pcmu).unwrap();
    let caller = room.rig.prompts.samples("caller", Codec::Pcmu).unwrap();
    for (party, hears) in [(1, true), (2, false)] {
        let (heard, _, _) = room.rig.close(room.parties[party]);
        assert!(likeness(&heard, &caller) < 0.3, "{party} hears the music of who holds");
        assert_eq!(likeness(&heard, &agent) > 0.95, hears, "{party}");
    }
}

#[test]
fn the_last_to_leave_closes_the_door() {
    let Room { mut rig, parties, seats } = room(3);
    rig.run(ms(100));
    for seat in &seats {
        rig.close(*seat);
    }
    for party in parties {
        rig.close(party);
    }
    rig.run(ms(100));
    assert_eq!(rig.engines[0].deadline(), None, "nobody is mixed for");
    // Whoever comes next sits in a new one.
    let (party, seat) = (rig.lend(1), rig.lend(0));
    rig.tell(seat, |lease| Command::Confer { lease, conference: ROOM, part: Part::Talks });
    rig.connect(party, seat, &secure(Suite::AeadAes256Gcm));
    rig.run(ms(1000));
    assert!(rig.facts(party).rx.protected >= 45);
}
