//! Media threads over real sockets.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use media::{Command, Event, Latch, Lease, LeaseId, Play, Prompts};
use sdp::{Codec, Direction, Keying, MasterKey, Negotiated, Suite};

use super::{Deliver, Letter, MediaThreads};
use crate::clock::Clock;
use crate::mailbox::Refused;

const PATIENCE: Duration = Duration::from_secs(20);
const OWNER: u32 = 7;

struct Rig {
    threads: MediaThreads,
    local: IpAddr,
    events: mpsc::Receiver<Event>,
    /// The node's mailbox is full while this is set.
    full: Arc<Mutex<bool>>,
}

impl Rig {
    fn start(last: u8) -> Rig {
        let clock = Clock::start();
        let threads = MediaThreads::start(1, clock, Arc::new(Prompts::built_in()), || [3; 32]).unwrap();
        let (tell, events) = mpsc::channel();
        let full = Arc::new(Mutex::new(false));
        let gate = full.clone();
        let deliver: Deliver = Arc::new(move |event| match *gate.lock().unwrap() {
            true => Err(Refused::Full(event)),
            false => tell.send(event).map_err(|error| Refused::Gone(error.0)),
        });
        let local: IpAddr = [127, 88, 0, last].into();
        let rig = Rig { threads, local, events, full };
        rig.says(Letter::Join { owner: OWNER, deliver, range: (16384, 17383) });
        rig
    }

    fn says(&self, letter: Letter) {
        assert!(self.threads.senders()[0].send(letter).is_ok());
    }

    fn commands(&self, command: Command) {
        self.says(Letter::Command { owner: OWNER, command });
    }

    fn hears(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    fn leases(&self, count: u16) -> Vec<Lease> {
        self.commands(Command::Lend { local: self.local, count });
        match self.hears() {
            Event::Leased(leases) => leases,
            other => panic!("{other:?}"),
        }
    }

    fn set(&self, lease: LeaseId, remote: SocketAddr, keying: Keying) {
        let negotiated = Box::new(Negotiated {
            remote,
            remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
            codec: Codec::Pcmu,
            payload_type: 0,
            telephone_event: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: 20,
            opus: sdp::OpusTerms::default(),
            keying,
        });
        self.commands(Command::Set { lease, negotiated, latch: Latch::Never });
    }

    fn closes(&self, lease: LeaseId) -> media::Facts {
        self.commands(Command::Close { lease });
        loop {
            if let Event::Closed { lease: closed, facts } = self.hears()
                && closed == lease
            {
                return *facts;
            }
        }
    }
}

fn peer() -> UdpSocket {
    let socket = UdpSocket::bind("127.88.9.9:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn rtp(seq: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0, (seq >> 8) as u8, seq as u8];
    packet.extend((u32::from(seq) * 160).to_be_bytes());
    packet.extend([0, 0, 0, 42]);
    packet.extend((0..160).map(|n| (n as u8).wrapping_mul(7) ^ seq as u8));
    packet
}

/// Key of one direction; it has no Debug that shows it, and tests need the same twice.
fn key(fill: u8) -> MasterKey {
    let (key, salt) = Suite::AeadAes128Gcm.key_salt_len();
    MasterKey::new(vec![fill; key + salt])
}

fn sdes(local: u8, remote: u8) -> Keying {
    Keying::Sdes { suite: Suite::AeadAes128Gcm, tag: 1, local: key(local), remote: key(remote) }
}

#[test]
fn clear_becomes_protected_and_clear_again_on_the_other_side() {
    let rig = Rig::start(1);
    let leases = rig.leases(4);
    assert_eq!(leases.len(), 4);
    assert!(leases.iter().all(|lease| lease.addr.port() % 2 == 0 && lease.addr.ip() == rig.local));
    let (carrier, agent) = (peer(), peer());
    // carrier — clear — 0 = 1 — SRTP — 2 = 3 — clear — agent
    rig.set(leases[0].id, carrier.local_addr().unwrap(), Keying::Clear);
    rig.set(leases[1].id, leases[2].addr, sdes(1, 2));
    rig.set(leases[2].id, leases[1].addr, sdes(2, 1));
    rig.set(leases[3].id, agent.local_addr().unwrap(), Keying::Clear);
    rig.commands(Command::Bridge { a: leases[0].id, b: leases[1].id });
    rig.commands(Command::Bridge { a: leases[2].id, b: leases[3].id });
    let mut buffer = [0; 2000];
    for seq in 0..50 {
        carrier.send_to(&rtp(seq), leases[0].addr).unwrap();
        let (len, from) = agent.recv_from(&mut buffer).unwrap();
        assert_eq!(from, leases[3].addr);
        assert_eq!(&buffer[12..len], &rtp(seq)[12..], "the payload is what was said");
        agent.send_to(&rtp(seq + 1000), leases[3].addr).unwrap();
        let (len, _) = carrier.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[12..len], &rtp(seq + 1000)[12..]);
    }
    let facts = rig.closes(leases[1].id);
    assert_eq!((facts.tx.protected, facts.rx.protected), (50, 50));
    assert_eq!((facts.tx.clear, facts.rx.clear, facts.auth_failed), (0, 0, 0));
    let counts = rig.threads.counts();
    assert!(counts.received >= 200 && counts.sent >= 200, "{counts:?}");
    assert_eq!((counts.kernel_drops, counts.send_failures, counts.panics), (0, 0, 0));
    rig.threads.stop();
}

#[test]
fn a_prompt_is_paced_and_its_end_is_told() {
    let rig = Rig::start(2);
    let lease = rig.leases(1)[0];
    let caller = peer();
    rig.set(lease.id, caller.local_addr().unwrap(), Keying::Clear);
    rig.commands(Command::Play { lease: lease.id, play: Play { id: 5, prompt: "invalid".into(), repeat: false } });
    caller.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let (mut buffer, mut packets, mut times) = ([0; 2000], 0u32, Vec::new());
    while let Ok((len, _)) = caller.recv_from(&mut buffer) {
        assert_eq!(len, 172);
        packets += 1;
        times.push(Instant::now());
    }
    assert!(matches!(rig.hears(), Event::Played { id: 5, .. }));
    let took = times[times.len() - 1].duration_since(times[0]);
    assert!(packets > 20, "{packets}");
    let expected = Duration::from_millis(20) * (packets - 1);
    assert!(took + Duration::from_millis(15) >= expected, "{packets} packets in {took:?}: too fast");
    rig.threads.stop();
}

#[test]
fn what_was_heard_and_said_is_written_and_told() {
    let rig = Rig::start(3);
    let lease = rig.leases(1)[0];
    let caller = peer();
    let dir = std::env::temp_dir().join(format!("ringfence-net-record-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    rig.set(lease.id, caller.local_addr().unwrap(), Keying::Clear);
    rig.commands(Command::Record { lease: lease.id, heard: path("heard.wav"), said: path("said.wav") });
    for seq in 0..5 {
        caller.send_to(&rtp(seq), lease.addr).unwrap();
    }
    // The stream has taken them all once it says so.
    loop {
        rig.commands(Command::Report { lease: lease.id });
        if let Event::Facts { facts, .. } = rig.hears()
            && facts.rx.clear == 5
        {
            break;
        }
    }
    rig.commands(Command::Close { lease: lease.id });
    loop {
        if let Event::Recorded { heard, said, .. } = rig.hears() {
            assert_eq!((heard, said), (path("heard.wav"), path("said.wav")));
            break;
        }
    }
    let heard = std::fs::metadata(dir.join("heard.wav")).unwrap();
    assert!(heard.len() > 5 * 160 * 2);
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&heard.permissions()) & 0o777, 0o600, "nobody else listens");
    std::fs::remove_dir_all(dir).unwrap();
    rig.threads.stop();
}

/// Takes events until a recording is told of.
fn kept(rig: &Rig) -> (u64, media::KeptEnd, u64) {
    loop {
        if let Event::Kept { id, end, duration_ms, .. } = rig.hears() {
            return (id, end, duration_ms);
        }
    }
}

#[test]
fn a_recording_is_sealed_on_the_disk_and_told_once_it_is_there() {
    let folder = std::env::temp_dir().join(format!("ringfence-net-sealed-{}", std::process::id()));
    let site = "name = \"lab\"\ndomain = \"lab.example\"\n[[node]]\nname = \"vvb1\"\naddress = \"127.18.133.5\"\n\
                [node.role.voice_browser]\nsecure_certificate_subject = [\"cvp1.lab.example\"]\n";
    let (dir, _) = store::DataDir::init(&folder, site, std::time::SystemTime::now()).unwrap();
    let rig = Rig::start(6);
    let lease = rig.leases(1)[0];
    let caller = peer();
    rig.set(lease.id, caller.local_addr().unwrap(), Keying::Clear);
    let keep = |id, patience| media::Keep {
        id,
        node: "vvb1".into(),
        caller: "ab".repeat(16),
        both: true,
        longest: None,
        final_silence: None,
        patience,
        playable: false,
    };
    // A process that has no place for recordings says so, and records nothing.
    rig.commands(Command::Keep { lease: lease.id, keep: keep(1, None) });
    assert_eq!(kept(&rig), (1, media::KeptEnd::Failed, 0));

    let recordings = Arc::new(dir.recordings().unwrap());
    rig.threads.keep_in(&recordings);
    rig.commands(Command::Keep { lease: lease.id, keep: keep(2, None) });
    for seq in 0..8 {
        caller.send_to(&rtp(seq), lease.addr).unwrap();
    }
    // What a crash would leave: a piece is on the disk while the recording goes on.
    let file = folder.join("recordings/0000000000000002.sealed");
    while std::fs::metadata(&file).map_or(0, |file| file.len()) < 4000 {
        std::thread::yield_now();
    }
    rig.commands(Command::EndKeep { lease: lease.id });
    let (id, end, took) = kept(&rig);
    assert_eq!((id, end), (2, media::KeptEnd::Told));
    let mut store = dir.store().unwrap();
    let access = || store::Change {
        at_ms: 0,
        who: "test".into(),
        source: "test".into(),
        what: String::new(),
        detail: String::new(),
    };
    let opened = recordings.open(2, access(), &mut store).unwrap();
    assert_eq!((opened.ending, opened.duration_ms()), (media::sealed::Ending::Whole, took));
    assert_eq!((opened.label.tracks, opened.label.node.as_str()), (2, "vvb1"));
    let said = &rtp(0)[12..];
    assert!(opened.heard().windows(said.len()).any(|part| part == said), "what the caller said");
    assert!(!std::fs::read(&file).unwrap().windows(16).any(|part| said.starts_with(part)), "audio in clear");

    // Nobody speaks: nothing stays.
    rig.commands(Command::Keep { lease: lease.id, keep: keep(3, Some(Duration::from_millis(50))) });
    assert_eq!((kept(&rig).1, recordings.list().unwrap().len()), (media::KeptEnd::Nothing, 1));
    rig.threads.stop();
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn events_wait_in_order_while_the_node_has_no_room() {
    let rig = Rig::start(4);
    let leases = rig.leases(3);
    *rig.full.lock().unwrap() = true;
    for lease in &leases {
        rig.commands(Command::Close { lease: lease.id });
    }
    rig.threads.counts(); // answered after the commands before it
    assert!(rig.events.try_recv().is_err());
    *rig.full.lock().unwrap() = false;
    for lease in &leases {
        assert!(matches!(rig.hears(), Event::Closed { lease: closed, .. } if closed == lease.id));
    }
    rig.threads.stop();
}

#[test]
fn leases_never_name_a_port_that_is_not_open() {
    let rig = Rig::start(5);
    for lease in rig.leases(100) {
        for port in [lease.addr.port(), lease.addr.port() + 1] {
            assert!(UdpSocket::bind((rig.local, port)).is_err(), "{port} is open to anybody");
        }
    }
    // The range has 500 pairs: who asks for more gets what there is.
    assert_eq!(rig.leases(1000).len(), 400);
    rig.threads.stop();
}

#[test]
fn who_listens_to_a_caller_hears_what_is_said_until_one_of_both_ends() {
    let rig = Rig::start(7);
    let leases = rig.leases(2);
    let (lease, caller) = (leases[0], peer());
    rig.set(lease.id, caller.local_addr().unwrap(), Keying::Clear);
    // Whichever comes first, the ear or the tap.
    let mut early = rig.threads.taps().listen(lease.id, 1);
    for tap in [1, 2] {
        rig.commands(Command::Tap { lease: lease.id, tap });
    }
    let mut late = rig.threads.taps().listen(lease.id, 2);
    for seq in 0..8 {
        caller.send_to(&rtp(seq), lease.addr).unwrap();
    }
    for heard in [&mut early, &mut late] {
        let is_loud = |frame: media::Frame| frame.samples.iter().any(|sample| sample.unsigned_abs() > 1000);
        while !is_loud(heard.blocking_recv().expect("a frame")) {}
    }
    rig.commands(Command::Untap { lease: lease.id, tap: 1 });
    while early.blocking_recv().is_some() {}
    // Another's ear, or one of a stream that is not, hears nothing at all.
    assert!(rig.threads.taps().listen(LeaseId { generation: 99, ..lease.id }, 2).blocking_recv().is_none());
    rig.closes(lease.id);
    while late.blocking_recv().is_some() {}
    rig.threads.stop();
}
