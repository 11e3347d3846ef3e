//! Who keys media on its own path, against what others wrote: OpenSSL's DTLS, aiortc (PyPI) and Chromium call the media
//! threads that ship, over real sockets. What is not on the machine is not tested, and the test says so.

mod door;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use media::{Event, Facts, Lease, Play};
use net::MediaAlone;
use sdp::{Codec, Exchange, Fingerprint, Keying, Local, MasterKey, Negotiated, Policy, Protection, Suite};

use self::door::Door;

const TAP: u64 = 9;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One port of a media thread, as a border has it.
pub(crate) struct Port {
    media: MediaAlone,
    lease: Lease,
    local: Local,
    salt: u8,
}

impl Port {
    fn open(ports: (u16, u16)) -> Port {
        let media = MediaAlone::start(1, HERE, ports, [ports.0 as u8; 32]).unwrap();
        let lease = media.lend(0, 1)[0];
        let shown = lease.fingerprint.map(Fingerprint::sha_256);
        let local = Local { fingerprint: shown, ..Local::new(lease.addr, 1) };
        Port { media, lease, local, salt: 0 }
    }

    fn answer(&mut self, policy: &Policy, offer: &str) -> String {
        let salt = &mut self.salt;
        let mut keys = |suite: Suite| {
            *salt += 1;
            let (key, length) = suite.key_salt_len();
            MasterKey::new((0..key + length).map(|n| (n as u8).wrapping_mul(37) ^ *salt).collect())
        };
        let (text, agreed) = sdp::answer(policy, &mut self.local, offer.as_bytes(), &mut keys).unwrap();
        self.set(agreed);
        text
    }

    fn set(&self, agreed: Negotiated) {
        let (lease, latch) = (self.lease.id, media::Latch::Never);
        self.media.tell(0, media::Command::Set { lease, negotiated: Box::new(agreed), latch });
    }

    fn play(&self, prompt: &str) {
        let play = Play { id: 1, prompt: prompt.into(), repeat: true };
        self.media.tell(0, media::Command::Play { lease: self.lease.id, play });
    }

    /// All that is heard, to be had once the lease is closed.
    fn listen(&self) -> JoinHandle<Vec<i16>> {
        let mut frames = self.media.listen(self.lease.id, TAP);
        self.media.tell(0, media::Command::Tap { lease: self.lease.id, tap: TAP });
        std::thread::spawn(move || {
            let mut heard = Vec::new();
            while let Some(frame) = frames.blocking_recv() {
                heard.extend_from_slice(&frame.samples);
            }
            heard
        })
    }

    fn facts(&self) -> Facts {
        self.media.tell(0, media::Command::Report { lease: self.lease.id });
        loop {
            match self.media.event(Duration::from_secs(10)) {
                Some(Event::Facts { facts, .. }) => return *facts,
                Some(Event::Unkeyed { why, .. }) => panic!("{why}"),
                Some(_) => {}
                None => panic!("no facts"),
            }
        }
    }
}

fn policy(codec: Codec) -> Policy {
    Policy { codecs: vec![codec], exchange: vec![Exchange::Dtls], ..Policy::new(Protection::Secure) }
}

/// Ended with the test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_there(program: &str, args: &[&str]) -> bool {
    let run = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = run.is_ok_and(|status| status.success());
    if !there {
        eprintln!("NOT TESTED: `{program} {}` does not run here", args.join(" "));
    }
    there
}

/// OpenSSL begins, with a certificate of its own; each profile that both have is agreed once.
#[test]
fn openssl_shakes_hands_for_each_profile() {
    if !is_there("openssl", &["version"]) {
        return;
    }
    let dir = std::env::temp_dir().join(format!("ringfence-dtls-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let paths = [("key.pem", key.serialize_pem()), ("cert.pem", certificate.pem())].map(|(name, text)| {
        std::fs::write(dir.join(name), text).unwrap();
        dir.join(name)
    });
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
    let fingerprint = Fingerprint::sha_256(hash.as_ref().try_into().unwrap());
    let profiles = [
        ("SRTP_AES128_CM_SHA1_80", "AES_CM_128_HMAC_SHA1_80", 24_000),
        ("SRTP_AEAD_AES_128_GCM", "AEAD_AES_128_GCM", 24_010),
        ("SRTP_AEAD_AES_256_GCM", "AEAD_AES_256_GCM", 24_020),
    ];
    for (profile, suite, ports) in profiles {
        let port = Port::open((ports, ports + 8));
        let from = UdpSocket::bind((HERE, 0)).unwrap().local_addr().unwrap();
        port.set(Negotiated {
            remote: from,
            remote_rtcp: from,
            codec: Codec::Pcmu,
            payload_type: 0,
            telephone_event: None,
            direction: sdp::Direction::SendRecv,
            ptime_ms: 20,
            opus: sdp::OpusTerms::default(),
            keying: Keying::Dtls(Box::new(sdp::Dtls { active: false, fingerprint: fingerprint.clone(), ice: None })),
        });
        let to = port.lease.addr.to_string();
        let client = Command::new("openssl")
            .args(["s_client", "-dtls", "-connect", &to, "-bind", &from.to_string(), "-use_srtp", profile])
            .args(["-cert", paths[1].to_str().unwrap(), "-key", paths[0].to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let client = Peer(client);
        let keyed = (0..100).find_map(|_| {
            std::thread::sleep(Duration::from_millis(50)); // there is no event that says it from outside
            Some(port.facts()).filter(|facts| !facts.suite.is_empty())
        });
        let facts = keyed.unwrap_or_else(|| port.facts());
        assert_eq!((facts.keying.as_str(), facts.suite.as_str()), ("DTLS-SRTP", suite), "{profile}");
        drop(client);
        port.media.stop();
    }
    let _ = std::fs::remove_dir_all(dir);
}

/// Offers come to the door, audio goes both ways, what the peer saw comes back. What the port heard, at 8 kHz.
fn call(peer: &str, codec: Codec, ports: (u16, u16), start: impl FnOnce(&str) -> Child) -> Vec<i16> {
    let door = Door::open(include_str!("page.html"));
    let child = Peer(start(&door.url()));
    let mut port = Port::open(ports);
    port.play("moh");
    let heard = port.listen();
    let mut seen = None;
    while seen.is_none() {
        match door.next(Duration::from_secs(60)) {
            Some(door::Asked::Offer(offer, reply)) => reply.say(&port.answer(&policy(codec), &offer)),
            Some(door::Asked::Result(said)) => seen = Some(said),
            None => panic!("{peer} said nothing for a minute; the port: {:?}", port.facts()),
        }
    }
    drop(child);
    let (facts, seen) = (port.facts(), seen.unwrap());
    println!("{peer} saw {seen}; the port {facts:?}");
    assert_eq!(facts.keying, "DTLS-SRTP");
    assert!(["AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"].contains(&facts.suite.as_str()));
    assert_eq!((facts.tx.clear, facts.rx.clear, facts.clear_dropped, facts.auth_failed), (0, 0, 0, 0));
    assert!(facts.tx.protected > 100 && facts.rx.protected > 100, "{facts:?}");
    let number = |name: &str| -> f64 {
        let found =
            seen.split(name).nth(1).and_then(|rest| rest.trim_start_matches(['"', ':', ' ']).split([',', '}']).next());
        found.and_then(|text| text.trim().parse().ok()).unwrap_or_else(|| panic!("{name} in {seen}"))
    };
    assert!(number("packets") > 100.0, "{peer} hears us: {seen}");
    assert!(number("energy") > 0.0, "and it is no silence: {seen}");
    port.media.tell(0, media::Command::Close { lease: port.lease.id });
    let heard = heard.join().unwrap();
    port.media.stop();
    heard
}

#[test]
fn aiortc_calls() {
    // Another python than the system's may be named: `RINGFENCE_PYTHON=venv/bin/python`.
    let python = std::env::var("RINGFENCE_PYTHON").unwrap_or_else(|_| "python3".into());
    if !is_there(&python, &["-c", "import aiortc, av, numpy"]) {
        return;
    }
    let calls = [(Codec::Pcmu, (24_100, 24_108)), (Codec::G722, (24_110, 24_118)), (Codec::Opus, (24_120, 24_128))];
    for (codec, ports) in calls {
        let heard = call("aiortc", codec, ports, |url| {
            Command::new(&python).args(["-c", include_str!("peer.py"), url, codec.name()]).spawn().unwrap()
        });
        // Its tone of 440 Hz, 8,000 loud, for a second and a half at least; of its two channels of Opus each is 3 dB down.
        let loud = |second: &[i16]| second.iter().any(|sample| *sample > 5000);
        let turns = |second: &[i16]| second.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count();
        let seconds = heard.chunks_exact(4000).filter(|half| loud(half) && (217..=223).contains(&turns(half))).count();
        println!("{} of aiortc: {seconds} half seconds of its tone", codec.name());
        assert!(seconds >= 3, "{seconds} half seconds of its tone");
    }
}

#[test]
fn chromium_calls() {
    let Some(browser) =
        ["chromium", "google-chrome", "chromium-browser"].into_iter().find(|name| is_there(name, &["--version"]))
    else {
        return;
    };
    let calls = [(Codec::Pcmu, (24_200, 24_208)), (Codec::G722, (24_210, 24_218)), (Codec::Opus, (24_220, 24_228))];
    for (codec, ports) in calls {
        let profile = std::env::temp_dir().join(format!("ringfence-chromium-{}-{}", std::process::id(), ports.0));
        let heard = call("Chromium", codec, ports, |url| {
            Command::new(browser)
                .args([
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--no-first-run",
                    "--autoplay-policy=no-user-gesture-required",
                ])
                .args(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
                .arg(format!("--user-data-dir={}", profile.display()))
                .arg(url)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        });
        let _ = std::fs::remove_dir_all(profile);
        assert!(heard.iter().any(|sample| *sample > 3000), "its beeps are heard in {}", codec.name());
    }
}
