//! The client against a directory of three people on loopback, and against servers that are none, or are somebody else's.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use asn1_rs::{Any, FromBer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::message::answers::{entry, result};
use super::*;

/// How a server behaves.
#[derive(Clone, Copy, Default)]
struct Ways {
    /// TLS after StartTLS rather than from the start.
    start_tls: bool,
    /// It will have none.
    no_start_tls: bool,
    /// Says this in the clear right behind its yes to StartTLS.
    hurried: bool,
    /// Answers the first question with this.
    says: Option<&'static [u8]>,
    /// Never says anything.
    silent: bool,
    /// Begins a record of TLS and says it octet by octet.
    trickles: bool,
}

struct Server {
    port: u16,
    /// What was asked, in words.
    heard: Arc<Mutex<Vec<String>>>,
    ca: String,
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

impl Server {
    fn start(ways: Ways) -> Server {
        let ca = trust::Ca::create("corp", SystemTime::now()).unwrap();
        let request = trust::Request {
            common_name: "127.0.0.1".into(),
            dns_names: Vec::new(),
            ip_addresses: vec![[127, 0, 0, 1].into()],
            node: None,
            uris: Vec::new(),
            key: trust::KeyKind::P256,
            not_before: SystemTime::now() - Duration::from_secs(60),
            not_after: SystemTime::now() + Duration::from_secs(600),
        };
        let both = Versions { tls12: true, tls13: true };
        let tls = trust::tls::server_anonymous(&ca.issue(&request).unwrap(), both).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, heard) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let notes = heard.clone();
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tls, notes) = (tls.clone(), notes.clone());
                std::thread::spawn(move || talk(stream, &tls, ways, &notes));
            }
        });
        Server { port, heard, ca: ca.certificate_pem().to_owned() }
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

fn talk(
    mut stream: std::net::TcpStream,
    tls: &Arc<ServerConfig>,
    ways: Ways,
    heard: &Mutex<Vec<String>>,
) -> Option<()> {
    if ways.silent {
        // Until the other end gives up.
        return stream.read(&mut [0]).ok().map(drop);
    }
    if ways.trickles {
        stream.write_all(&[22, 3, 3, 0x3f, 0]).ok()?;
        loop {
            std::thread::sleep(Duration::from_millis(50));
            stream.write_all(&[0]).ok()?;
        }
    }
    if ways.start_tls || ways.no_start_tls {
        let (number, operation, _) = hear(&mut stream)?;
        heard.lock().unwrap().push(format!("clear {operation}"));
        let mut yes = result(number, 24, if ways.no_start_tls { 2 } else { 0 }, "");
        if ways.hurried {
            yes.extend(result(number + 1, 1, 0, ""));
        }
        stream.write_all(&yes).ok()?;
        if ways.no_start_tls {
            return None;
        }
    }
    let tls = ServerConnection::new(tls.clone()).unwrap();
    serve(&mut StreamOwned::new(tls, stream), ways, heard)
}

fn serve(stream: &mut dyn Wire, ways: Ways, heard: &Mutex<Vec<String>>) -> Option<()> {
    loop {
        let (number, operation, fields) = hear(stream)?;
        if let Some(says) = ways.says {
            stream.write_all(says).ok()?;
            return stream.flush().ok();
        }
        let text =
            |at: usize| String::from_utf8_lossy(fields.get(at).map(Vec::as_slice).unwrap_or_default()).into_owned();
        let answer = match operation {
            0 => {
                heard.lock().unwrap().push(format!("bind {} {}", text(1), text(2)));
                let right = [
                    ("cn=ringfence", "service"),
                    ("cn=Ada,dc=x", "ada's"),
                    ("cn=Eve,dc=x", "eve's"),
                    ("cn=Sue,dc=x", "sue's"),
                ];
                let code = if right.contains(&(text(1).as_str(), text(2).as_str())) { 0 } else { 49 };
                result(number, 1, code, "")
            }
            3 => {
                heard.lock().unwrap().push(format!("search {}", text(0)));
                let is = |name: &str| {
                    fields[6].ends_with(format!("\x03uid\x04{}{name}", char::from(name.len() as u8)).as_bytes())
                };
                let mut all = Vec::new();
                if is("ada") || is("two") {
                    all.extend(entry(
                        number,
                        "cn=Ada,dc=x",
                        &[("memberof", &["CN=Agents, DC=x"]), ("number", &["1001"])],
                    ));
                }
                if is("eve") || is("two") {
                    all.extend(entry(number, "cn=Eve,dc=x", &[("memberOf", &["cn=others,dc=x"])]));
                }
                if is("sue") {
                    let groups = ["cn=agents,dc=x", "cn=supervisors,dc=x"];
                    all.extend(entry(number, "cn=Sue,dc=x", &[("memberOf", &groups), ("number", &["1009", "1010"])]));
                }
                all.extend(result(number, 5, 0, ""));
                all
            }
            _ => return None,
        };
        stream.write_all(&answer).ok()?;
        stream.flush().ok()?;
    }
}

/// Number, operation, and the contents of its fields.
fn hear(stream: &mut dyn Wire) -> Option<(i32, u32, Vec<Vec<u8>>)> {
    let mut octets = Vec::new();
    loop {
        if let Some(length) = message::length(&octets).unwrap()
            && octets.len() >= length
        {
            let whole = parts(Any::from_ber(&octets).unwrap().1.data);
            let number = whole[0].1.iter().fold(0, |sum, octet| sum << 8 | i32::from(*octet));
            let fields = parts(&whole[1].1).into_iter().map(|(_, data)| data).collect();
            return Some((number, whole[1].0, fields));
        }
        let mut next = [0];
        match stream.read(&mut next) {
            Ok(1) => octets.push(next[0]),
            _ => return None,
        }
    }
}

fn parts(mut octets: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut all = Vec::new();
    while let Ok((rest, any)) = Any::from_ber(octets)
        && !octets.is_empty()
    {
        all.push((any.tag().0, any.data.to_vec()));
        octets = rest;
    }
    all
}

struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A data directory that believes this server, with these lines of `[directory]` besides the usual.
fn directory(name: &str, server: &Server, url: &str, more: &str) -> (LdapDirectory, Folder) {
    let path = std::env::temp_dir().join(format!("ringfence-ldap-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let url = url.replace("PORT", &server.port.to_string());
    let directory = format!(
        r#"[directory]
url = {url}
authority = "corp"
bind_dn = "cn=ringfence"
bind_password_file = "directory.password"
base = "dc=x"
agent_groups = ["cn=agents,dc=x"]
supervisor_groups = ["cn=supervisors,dc=x"]
{more}
[tls]"#
    );
    let site = include_str!("../../../../examples/lab.toml").replacen("[tls]", &directory, 1);
    let (data, _) = DataDir::init(&path, &site, SystemTime::now()).unwrap();
    std::fs::write(path.join("roots/corp.pem"), &server.ca).unwrap();
    std::fs::write(path.join("directory.password"), "service\n").unwrap();
    let found = LdapDirectory::of(&data.site().unwrap(), &data).unwrap().unwrap();
    (found, Folder(path))
}

const LDAPS: &str = r#"["ldaps://127.0.0.1:PORT"]"#;
const LDAP: &str = r#"["ldap://127.0.0.1:PORT"]"#;

fn unavailable(answer: Result<Person, NoPerson>) -> String {
    match answer {
        Err(NoPerson::Unavailable(words)) => words,
        other => panic!("expected no answer, not {other:?}"),
    }
}

#[test]
fn a_person_is_found_bound_to_and_has_the_most_that_their_groups_give() {
    let server = Server::start(Ways::default());
    let (directory, _folder) = directory("found", &server, LDAPS, "");
    let ada = Person { role: Role::Agent, agent: Some("ada".into()) };
    assert_eq!(directory.log_in("ada", "ada's"), Ok(ada.clone()));
    let expected = ["bind cn=ringfence service", "search dc=x", "bind cn=Ada,dc=x ada's"];
    assert_eq!(server.heard(), expected);
    assert_eq!(directory.log_in("ada", "guess"), Err(NoPerson::Nobody));
    assert_eq!(directory.log_in("ada", ""), Err(NoPerson::Nobody));
    server.heard();
    // Who is not there costs what a wrong password costs.
    assert_eq!(directory.log_in("nobody", "guess"), Err(NoPerson::Nobody));
    assert_eq!(server.heard(), ["bind cn=ringfence service", "search dc=x", "bind cn=nobody,dc=x guess"]);
    assert_eq!(directory.find("ada"), Ok(ada));
    assert_eq!(directory.log_in("sue", "sue's").unwrap().role, Role::Supervisor);
    let no_role = directory.log_in("eve", "eve's").unwrap_err();
    assert_eq!(no_role.to_string(), "`eve` is in no group of the directory that has a role here");
    assert_eq!(
        directory.log_in("eve", "guess"),
        Err(NoPerson::Nobody),
        "whose password is wrong learns nothing of roles"
    );
    assert_eq!(directory.log_in("two", "ada's"), Err(NoPerson::Nobody));
    assert!(matches!(directory.find("two"), Err(NoPerson::NoRole(words)) if words.contains("several people")));
}

#[test]
fn the_agent_is_what_one_attribute_says_and_it_says_one() {
    let server = Server::start(Ways::default());
    let (directory, _folder) = directory("agent", &server, LDAPS, "agent_attribute = \"number\"");
    assert_eq!(directory.find("ada").unwrap().agent.as_deref(), Some("1001"));
    let two = directory.find("sue").unwrap_err().to_string();
    assert!(two.contains("more than one `number` of `sue`"), "{two}");
}

#[test]
fn a_plain_port_is_spoken_to_in_the_clear_until_tls_begins_and_no_further() {
    let server = Server::start(Ways { start_tls: true, ..Ways::default() });
    let (good, _folder) = directory("starttls", &server, LDAP, "");
    assert_eq!(good.log_in("ada", "ada's").unwrap().role, Role::Agent);
    assert_eq!(server.heard()[..2], ["clear 23", "bind cn=ringfence service"]);
    for (ways, said) in [
        (Ways { no_start_tls: true, ..Ways::default() }, "refuses StartTLS: protocol error (2)"),
        (Ways { start_tls: true, hurried: true, ..Ways::default() }, "said something between StartTLS and TLS"),
    ] {
        let server = Server::start(ways);
        let (directory, _folder) = directory("notls", &server, LDAP, "");
        let words = unavailable(directory.log_in("ada", "ada's"));
        assert!(words.contains(said), "{words}");
        assert_eq!(server.heard(), ["clear 23"], "no name and no password were said");
    }
}

#[test]
fn a_server_that_nobody_vouches_for_hears_nothing() {
    let (server, other) = (Server::start(Ways::default()), Server::start(Ways::default()));
    let (directory, folder) = directory("foreign", &server, LDAPS, "");
    std::fs::write(folder.0.join("roots/corp.pem"), &other.ca).unwrap();
    let words = unavailable(directory.log_in("ada", "ada's"));
    assert!(words.contains("invalid peer certificate"), "{words}");
    assert!(server.heard().is_empty());
    // What is put there counts from the next connection on.
    std::fs::write(folder.0.join("roots/corp.pem"), &server.ca).unwrap();
    directory.log_in("ada", "ada's").unwrap();
    std::fs::remove_file(folder.0.join("roots/corp.pem")).unwrap();
    let words = unavailable(directory.log_in("ada", "ada's"));
    assert!(words.contains("there is no roots/corp.pem"), "{words}");
}

#[test]
fn the_next_server_is_asked_when_one_is_silent_gone_or_none() {
    let (silent, good) = (Server::start(Ways { silent: true, ..Ways::default() }), Server::start(Ways::default()));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!(r#"["ldaps://{gone}", "ldaps://127.0.0.1:{}", "ldaps://127.0.0.1:PORT"]"#, silent.port);
    let (several, _folder) = directory("several", &good, &url, "");
    assert_eq!(several.log_in("ada", "ada's").unwrap().role, Role::Agent);
    for (says, said) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "does not speak LDAP"),
        (b"\x30\x84\x7f\xff\xff\xff", "more than 1048576 octets"),
        (b"\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00", "ends the connection: unavailable (52)"),
        (b"\x30\x0c\x02\x01\x09\x61\x07\x0a\x01\x00\x04\x00\x04\x00", "a question that was not asked"),
        (b"\x30\x02\x02\x01\x00", "none of LDAP's"),
        (b"", "closed the connection"),
    ] {
        let server = Server::start(Ways { says: Some(says), ..Ways::default() });
        let (directory, _folder) = directory("odd", &server, LDAPS, "");
        let words = unavailable(directory.log_in("ada", "ada's"));
        assert!(words.contains(said) && words.contains("ldaps://127.0.0.1"), "{said}: {words}");
    }
}

#[test]
fn a_server_that_says_everything_slowly_is_not_waited_for_longer() {
    let server = Server::start(Ways { trickles: true, ..Ways::default() });
    let (directory, _folder) = directory("slow", &server, LDAPS, "");
    let words = unavailable(directory.log_in("ada", "ada's"));
    assert!(words.contains("did not answer in time"), "{words}");
}

#[test]
fn a_password_of_ours_that_is_not_there_or_not_taken_is_said() {
    let server = Server::start(Ways::default());
    let (directory, folder) = directory("password", &server, LDAPS, "");
    std::fs::write(folder.0.join("directory.password"), "wrong\n").unwrap();
    let words = unavailable(directory.find("ada"));
    assert!(words.contains("does not take bind_dn `cn=ringfence`") && !words.contains("wrong"), "{words}");
    std::fs::remove_file(folder.0.join("directory.password")).unwrap();
    let words = unavailable(directory.find("ada"));
    assert!(words.contains("bind_password_file: cannot read"), "{words}");
    let site = directory.data.site().unwrap();
    assert!(LdapDirectory::of(&site, &directory.data).is_err());
}
