//! Certificates by ACME (RFC 8555), of Let's Encrypt's test server: Pebble, where it is installed (Debian: pebble). It
//! verifies signatures, nonces and both challenges, and refuses some of its own nonces on purpose.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use trust::CertificateFacts;

const NODE: &str = "cucm1@carrier";

/// A data directory, a name server, and an authority.
struct Rig {
    folder: PathBuf,
    /// The last octet but one of all addresses: each rig its own.
    net: u8,
    running: Vec<Child>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Rig {
    /// `None`, and said why, where there is no Pebble.
    fn new(net: u8) -> Option<Rig> {
        if Command::new("pebble").arg("-h").output().is_err() {
            eprintln!("skipped: Pebble is not installed (Debian: apt-get install pebble)");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("ringfence-acme-{net}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let mut rig = Rig { folder, net, running: Vec::new() };
        rig.site("challenge = \"http-01\"\nport = 5002");
        rig.does(&["init", "site.toml"]);
        let host = rig.address(9);
        rig.does(&["cert", "issue", "--name", &host, "--ip", &host, "--out", "pebble"]);
        rig.start();
        Some(rig)
    }

    fn address(&self, last: u8) -> String {
        format!("127.18.{}.{last}", self.net)
    }

    fn start(&mut self) {
        let host = self.address(9);
        let dns = format!("{host}:8053");
        let node = self.address(3);
        let none = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""];
        let mut names = Command::new("pebble-challtestsrv");
        names.args(["-dns01", &dns, "-defaultIPv4", &node, "-management", &format!("{host}:8055")]).args(none);
        self.running.push(names.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        answers(&dns);
        let config = format!(
            "{{\"pebble\":{{\"listenAddress\":\"{host}:14000\",\"managementListenAddress\":\"{host}:15000\",\
             \"certificate\":\"pebble/chain.pem\",\"privateKey\":\"pebble/key.pem\",\"httpPort\":5002,\"tlsPort\":5001}}}}"
        );
        fs::write(self.folder.join("pebble.json"), config).unwrap();
        let mut pebble = Command::new("pebble");
        pebble.args(["-strict", "-config", "pebble.json", "-dnsserver", &dns]).current_dir(&self.folder);
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "15").env("PEBBLE_AUTHZREUSE", "0");
        let mut pebble = pebble.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut log = BufReader::new(pebble.stdout.take().unwrap());
        self.running.push(pebble);
        let mut line = String::new();
        while !line.contains("ACME directory available") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "Pebble ended");
        }
        // It says so just before it is.
        let (until, at) = (Instant::now() + Duration::from_secs(30), format!("{host}:14000"));
        while TcpStream::connect(&at).is_err() {
            assert!(Instant::now() < until, "nobody listens at {at}");
            std::thread::yield_now();
        }
        // It would wait for a reader.
        std::thread::spawn(move || std::io::copy(&mut log.by_ref(), &mut std::io::sink()));
    }

    /// With these lines beside where the directory is.
    fn site(&self, acme: &str) {
        let directory = format!("https://{}:14000/dir", self.address(9));
        self.site_with(&format!(
            "directory = \"{directory}\"\ncontact = [\"mailto:ops@lab.example\"]\nterms_of_service_agreed = true\n{acme}"
        ));
    }

    fn site_with(&self, acme: &str) {
        let text = format!(
            "name = \"lab\"\ndomain = \"lab.example\"\n[[node]]\nname = \"cucm1\"\naddress = \"{}\"\n\
             [[node.trustpoint]]\nname = \"carrier\"\n[node.trustpoint.acme]\n{acme}\n\
             [[node.crypto_signaling]]\nremote_addr = \"192.0.2.1\"\ntrustpoint = \"carrier\"\n\
             [node.role.call_manager.oauth]\n",
            self.address(3)
        );
        fs::write(self.folder.join("site.toml"), text).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.args(words).current_dir(&self.folder);
        command
    }

    fn does(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        said(&output)
    }

    fn fails(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert!(!output.status.success(), "{words:?}: {}", said(&output));
        said(&output)
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join("data").join(name)).unwrap()
    }

    fn facts(&self) -> CertificateFacts {
        let chain = trust::certificates_der(&self.file(&format!("nodes/{NODE}/chain.pem"))).unwrap();
        CertificateFacts::from_der(&chain[0]).unwrap()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Asked for an address until it has one.
fn answers(dns: &str) {
    let server: SocketAddr = dns.parse().unwrap();
    let socket = UdpSocket::bind((server.ip(), 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let query = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01";
    for _ in 0..300 {
        // Nobody listens yet: that is no answer, either.
        let _ = socket.send_to(query, server);
        if socket.recv(&mut [0; 512]).is_ok() {
            return;
        }
    }
    panic!("no name server at {dns}");
}

#[test]
fn a_certificate_is_ordered_by_either_challenge_and_put_into_force() {
    let Some(rig) = Rig::new(145) else { return };
    let ours = rig.facts();
    let ordered = rig.does(&["cert", "acme", NODE]);
    assert!(ordered.contains("cucm1@carrier: CN=cucm1.lab.example by CN=Pebble Intermediate"), "{ordered}");
    let first = rig.facts();
    assert!(first.is_named("cucm1.lab.example") && first.key_fingerprint != ours.key_fingerprint, "{first:?}");
    assert!(trust::certificates_der(&rig.file(&format!("nodes/{NODE}/chain.pem"))).unwrap().len() > 1);
    assert!(!rig.folder.join("data/requests").join(NODE).exists(), "no key waits any more");
    let kept: Vec<_> = fs::read_dir(rig.folder.join("data/acme")).unwrap().map(Result::unwrap).collect();
    assert_eq!(kept.len(), 2, "the account's key, and when it was ordered: {kept:?}");
    assert!(kept.iter().all(|file| file.metadata().unwrap().permissions().mode() & 0o777 == 0o600));
    let own = rig.file("nodes/cucm1/chain.pem");

    rig.site("challenge = \"tls-alpn-01\"\nport = 5001");
    rig.does(&["init", "site.toml"]);
    rig.does(&["cert", "acme", NODE]);
    let second = rig.facts();
    assert!(second.serial != first.serial && second.key_fingerprint != first.key_fingerprint);
    assert_eq!(rig.file("nodes/cucm1/chain.pem"), own, "what the site's own nodes are shown is the site's own");
    let shown = rig.does(&["cert", "show", NODE]);
    let by = format!("by ACME, of https://{}:14000/dir, from ", rig.address(9));
    assert!(shown.contains("Pebble Intermediate") && shown.contains(&by), "{shown}");
}

#[test]
fn whatever_goes_wrong_with_an_order_is_said_and_the_certificate_in_force_stays() {
    let Some(rig) = Rig::new(146) else { return };
    let before = rig.facts();
    let good = "challenge = \"http-01\"\nport = 5002";
    let directory = format!("directory = \"https://{}:14000/dir\"\n", rig.address(9));
    let other = trust::Ca::create("other", std::time::SystemTime::now()).unwrap();
    fs::write(rig.folder.join("data/roots/other.pem"), other.certificate_pem()).unwrap();
    for (table, words) in [
        // The authority comes to 5002.
        (format!("{directory}terms_of_service_agreed = true\nport = 5999"), "says: "),
        (format!("{directory}{good}"), "terms of service"),
        (format!("{directory}{good}\nterms_of_service_agreed = true\nauthority = \"other\""), "certificate"),
        (format!("directory = \"https://{}:14000/none\"\n{good}", rig.address(9)), "answers 404"),
        (format!("directory = \"https://{}:14001/dir\"\n{good}", rig.address(9)), "14001"),
    ] {
        rig.site_with(&table);
        rig.does(&["init", "site.toml"]);
        let failed = rig.fails(&["cert", "acme", NODE]);
        assert!(failed.contains(words), "{words}: {failed}");
        assert_eq!(rig.facts(), before, "{words}");
    }
    rig.site(good);
    rig.does(&["init", "site.toml"]);
    let taken = TcpListener::bind((rig.address(3), 5002)).unwrap();
    let failed = rig.fails(&["cert", "acme", NODE]);
    assert!(failed.contains("needs 127.18.146.3:5002 for a moment"), "{failed}");
    drop(taken);
    let failed = rig.fails(&["cert", "acme", "cucm1"]);
    assert!(failed.contains("is no trustpoint that is ordered by ACME (the site has cucm1@carrier)"), "{failed}");
    assert_eq!(rig.facts(), before);
    rig.does(&["cert", "acme", NODE]);
    assert_ne!(rig.facts(), before);
}

#[test]
fn a_process_orders_what_is_due_by_itself() {
    let Some(mut rig) = Rig::new(147) else { return };
    let before = rig.facts();
    let mut run = rig.command(&["run"]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::piped()).env("NO_COLOR", "1").spawn().unwrap();
    let mut log = BufReader::new(run.stderr.take().unwrap());
    rig.running.push(run);
    let mut line = String::new();
    while !line.contains("certificate ordered by ACME") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended");
        assert!(!line.contains("no certificate by ACME"), "{line}");
    }
    assert!(rig.facts().issuer.contains("Pebble") && !before.issuer.contains("Pebble"));
    assert!(Path::new(&rig.folder).exists());
}
