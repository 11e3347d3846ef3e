//! Over real sockets, with another program's idea of a client: log-ins and their limits, the dialogues, a restart, and
//! what is refused.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use net::{Process, Work};
use russh::client;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, Disconnect};
use store::accounts::{Account, Origin};
use store::accounts::{Directory, NoPerson, Person, Role};

use super::*;

const PASSWORD: &str = "correct horse battery";

struct Lab {
    folder: PathBuf,
    dir: DataDir,
    node: NodeHandle,
    console: Console,
    accounts: Arc<Accounts>,
    key: Arc<PrivateKey>,
}

/// A client that goes by the fingerprint that was printed.
struct Client {
    fingerprint: String,
}

impl client::Handler for Client {
    type Error = anyhow::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> anyhow::Result<bool> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        Ok(crate::keys::fingerprint(key) == self.fingerprint)
    }
}

type Connected = client::Handle<Client>;

impl Lab {
    /// A call manager on a loopback address of this process's own, with its console.
    async fn start(number: u8) -> (Lab, Process) {
        let [high, low, ..] = std::process::id().to_le_bytes();
        let address = IpAddr::from([127, 220 + number, high, low.max(1)]);
        let folder = std::env::temp_dir().join(format!("ringfence-console-{}-{number}", std::process::id()));
        let site = format!(
            r#"
name = "lab"
domain = "lab.example"
[[node]]
name = "cucm1"
address = "{address}"
[node.console]
port = 2222
[node.role.call_manager.phone_services]
tftp_port = 10069
cluster_security_mode = 0
"#
        );
        let (dir, _) = DataDir::init(&folder, &site, SystemTime::now()).unwrap();
        let mut store = dir.store().unwrap();
        let people = [("ada", Role::Administrator), ("bob", Role::Agent)];
        for (name, role) in people {
            let account =
                Account { name: name.into(), role, agent: Some("1001".into()), made_ms: 1, origin: Origin::Store };
            store.add_account(&account, PASSWORD).unwrap();
        }
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
        let line = crate::keys::bare(key.public_key()).unwrap();
        store.add_account_key(&crate::keys::read(&line, "ada", 1).unwrap()).unwrap();
        let opened = dir.clone();
        let started = tokio::task::spawn_blocking(move || Process::start(&opened.site()?, opened.path(), &[]));
        let process = started.await.unwrap().unwrap();
        let node = process.node("cucm1").unwrap();
        let accounts = Arc::new(Accounts::new(store).unwrap());
        let at = SocketAddr::new(address, 2222);
        let console = serve(node.clone(), "call_manager", at, &dir, accounts.clone()).await.unwrap();
        (Lab { folder, dir, node, console, accounts, key: Arc::new(key) }, process)
    }

    async fn connect(&self) -> Connected {
        let client = Client { fingerprint: self.console.fingerprint.clone() };
        client::connect(Arc::default(), self.console.address, client).await.unwrap()
    }

    async fn by_key(&self) -> Connected {
        let mut client = self.connect().await;
        let key = PrivateKeyWithHashAlg::new(self.key.clone(), None);
        assert!(client.authenticate_publickey("ada", key).await.unwrap().success());
        client
    }

    /// One command, the answers to its questions, what it printed, and its status.
    async fn command(&self, command: &str, answers: &'static str) -> (String, u32) {
        let client = self.by_key().await;
        let channel = client.channel_open_session().await.unwrap();
        channel.exec(true, command).await.unwrap();
        channel.data_bytes(answers.as_bytes()).await.unwrap();
        channel.eof().await.unwrap();
        let heard = hear(channel).await;
        client.disconnect(Disconnect::ByApplication, "", "").await.unwrap();
        heard
    }

    fn audit(&self) -> Vec<String> {
        self.dir
            .store()
            .unwrap()
            .changes(50)
            .unwrap()
            .into_iter()
            .map(|change| format!("{}: {}", change.who, change.what))
            .collect()
    }

    fn refusals(&self) -> Vec<String> {
        self.node
            .refusals()
            .into_iter()
            .map(|refused| format!("{}: {}", refused.refusal.cause, refused.refusal.presented))
            .collect()
    }

    fn end(self, process: Process) {
        process.stop();
        std::fs::remove_dir_all(self.folder).unwrap();
    }
}

/// Until the channel is closed: text, and the exit status.
async fn hear(mut channel: russh::Channel<client::Msg>) -> (String, u32) {
    let (mut text, mut status) = (Vec::new(), u32::MAX);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => text.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => status = exit_status,
            _ => {}
        }
    }
    (String::from_utf8(text).unwrap(), status)
}

#[tokio::test]
async fn mixed_mode_is_set_over_ssh_as_the_reference_has_it() {
    let (lab, process) = Lab::start(1).await;
    let (said, status) = lab.command("utils ctl set-cluster mixed-mode", "y\n").await;
    assert_eq!(status, 0);
    assert!(
        said.starts_with(
            "This operation will set the cluster to Mixed mode. Do you want to continue? (y/n): \n\
             Moving Cluster to Mixed Mode\n\
             Cluster set to Mixed Mode\n\
             Please restart Cisco CallManager service and Cisco CTIManager services on all the nodes in the cluster that run these services.\n"
        ),
        "{said}"
    );
    let (mode, _) = lab.command("show security-mode", "").await;
    assert_eq!(mode, "Cluster Security Mode: 1 (mixed)\nCheck: the CTL file that phones are given says the same.\n");
    let (ctl, _) = lab.command("show ctl", "").await;
    assert!(ctl.contains("CTL Record #:1"), "{ctl}");
    let (said, status) = lab.command("show moon", "").await;
    assert!(status == 1 && said.contains("is no command here"), "{said}");
    // What nobody answers is not done.
    let (said, _) = lab.command("utils ctl set-cluster non-secure-mode", "").await;
    assert!(said.ends_with("Operation cancelled: nothing was changed.\n"), "{said}");
    let audit = lab.audit();
    for line in [
        "ada: at the console: typed `utils ctl set-cluster mixed-mode`",
        "ada: at the console: set the cluster to mixed mode",
        "ada: at the console: typed `show ctl`",
        "ada: at the console: typed what is no command",
    ] {
        assert!(audit.contains(&line.to_owned()), "{line} in {audit:#?}");
    }
    assert!(audit.iter().any(|line| line.starts_with("ada: at the console: logged in with the key SHA256:")));
    assert!(!audit.iter().any(|line| line.contains("moon")));
    lab.end(process);
}

#[tokio::test]
async fn a_terminal_echoes_mends_prompts_and_ends() {
    let (lab, process) = Lab::start(2).await;
    let mut client = lab.connect().await;
    assert!(client.authenticate_password("ada", PASSWORD).await.unwrap().success());
    let channel = client.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    channel.request_shell(true).await.unwrap();
    channel.data_bytes(&b"utils service lisz\x7ft\rshow secu?\x03utils ctl update CTLFile\rexit\r"[..]).await.unwrap();
    let (shown, status) = hear(channel).await;
    assert_eq!(status, 0);
    assert!(
        shown.starts_with("Ringfence call manager cucm1. `help` lists the commands.\r\n\r\nadmin:utils service lisz")
    );
    assert!(shown.contains("Cisco CallManager[STARTED]  Service Activated  since "), "{shown}");
    assert!(shown.contains("show security-mode  Cluster Security Mode, and"), "help where it is asked: {shown}");
    assert!(shown.contains("has no CTL file to update"), "{shown}");
    assert!(shown.ends_with("admin:exit\r\n"), "{shown}");
    lab.end(process);
}

#[tokio::test]
async fn wrong_passwords_strange_keys_and_agents_are_refused_and_counted() {
    let (lab, process) = Lab::start(3).await;
    let mut client = lab.connect().await;
    // An agent's password is right and no use.
    assert!(!client.authenticate_password("bob", PASSWORD).await.unwrap().success());
    for _ in 0..5 {
        assert!(!client.authenticate_password("ada", "wrong password").await.unwrap().success());
    }
    assert!(!client.authenticate_password("ada", PASSWORD).await.unwrap().success(), "the sixth, though it is right");
    let strange = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
    let mut client = lab.connect().await;
    let key = PrivateKeyWithHashAlg::new(Arc::new(strange), None);
    assert!(!client.authenticate_publickey("ada", key).await.unwrap().success());
    client.disconnect(Disconnect::ByApplication, "", "").await.unwrap();
    let _ = client.await;
    // Whoever holds a key is not kept out by who guesses.
    assert_eq!(lab.command("help", "").await.1, 0);
    let refusals = lab.refusals();
    assert_eq!(refusals.iter().filter(|line| line.contains("name or password is wrong")).count(), 6, "{refusals:#?}");
    assert!(refusals.iter().any(|line| line.contains("too many wrong passwords: try again in ")), "{refusals:#?}");
    assert!(refusals.iter().any(|line| line == "console_log_in: keys that are nobody's here"), "{refusals:#?}");
    assert!(lab.audit().contains(&"bob: at the console: is no administrator, and was not let in".to_owned()));
    lab.end(process);
}

#[tokio::test]
async fn a_key_that_is_taken_away_ends_its_session_at_the_next_line() {
    let (lab, process) = Lab::start(6).await;
    let client = lab.by_key().await;
    let channel = client.channel_open_session().await.unwrap();
    channel.request_shell(true).await.unwrap();
    let mut channel = channel;
    let until_prompt = async |channel: &mut russh::Channel<client::Msg>| {
        let mut text = String::new();
        while !text.ends_with("admin:") {
            match channel.wait().await {
                Some(ChannelMsg::Data { data }) => text.push_str(&String::from_utf8_lossy(&data)),
                Some(_) => {}
                None => return text,
            }
        }
        text
    };
    until_prompt(&mut channel).await;
    channel.data_bytes(&b"show security-mode\n"[..]).await.unwrap();
    assert!(until_prompt(&mut channel).await.contains("Cluster Security Mode: 0"));
    let fingerprint = crate::keys::fingerprint(lab.key.public_key());
    lab.dir.store().unwrap().remove_account_key("ada", &fingerprint).unwrap();
    channel.data_bytes(&b"utils ctl set-cluster mixed-mode\n"[..]).await.unwrap();
    let (said, status) = hear(channel).await;
    assert_eq!((said.as_str(), status), ("", 1));
    assert!(!lab.audit().iter().any(|line| line.contains("typed `utils ctl")), "{:?}", lab.audit());
    lab.end(process);
}

#[tokio::test]
async fn what_strangers_and_administrators_send_does_nothing_to_a_terminal() {
    let (lab, process) = Lab::start(7).await;
    lab.node.refused_beside(RefusalRecord {
        at_ms: 0,
        node: "cucm1".into(),
        remote: None,
        transport: None,
        answered: "488".into(),
        refusal: Refusal {
            cause: "media".into(),
            rule: String::new(),
            expected: String::new(),
            presented: "\x1b]0;title\x07\r\nadmin:".into(),
            remedy: String::new(),
        },
    });
    let (said, _) = lab.command("show refusals", "").await;
    assert!(said.contains("presented \u{fffd}]0;title\u{fffd}\u{fffd}\u{fffd}admin:\n"), "{said:?}");
    let (said, _) = lab.command("utils service restart \x1b[2Jx", "").await;
    assert!(said.contains("there is no service ` [2Jx`") || said.contains("there is no service `[2Jx`"), "{said:?}");
    assert!(!lab.audit().iter().any(|line| line.contains('\x1b')), "{:?}", lab.audit());
    lab.end(process);
}

#[tokio::test]
async fn there_is_a_console_and_nothing_else() {
    let (lab, process) = Lab::start(4).await;
    let client = lab.by_key().await;
    let tunnel = client.channel_open_direct_tcpip("127.0.0.1", 80, "127.0.0.1", 1).await;
    assert!(tunnel.is_err());
    assert!(client.tcpip_forward("127.0.0.1", 8080).await.is_err());
    let channel = client.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    let (said, _) = hear(channel).await;
    assert!(said.contains("no subsystem sftp here: this is a console"), "{said}");
    assert!(client.channel_open_session().await.is_err(), "one connection, one session");
    let refusals = lab.refusals();
    for what in ["TCP forwarding", "remote TCP forwarding", "subsystem sftp"] {
        assert!(refusals.contains(&format!("console_request: {what}")), "{refusals:#?}");
        assert!(lab.audit().contains(&format!("ada: at the console: was refused {what}")));
    }
    // Nor an older algorithm.
    let config = client::Config {
        preferred: Preferred { kex: Cow::Borrowed(&[kex::DH_G14_SHA256]), ..Preferred::DEFAULT },
        ..client::Config::default()
    };
    let old = Client { fingerprint: lab.console.fingerprint.clone() };
    assert!(client::connect(Arc::new(config), lab.console.address, old).await.is_err());
    lab.end(process);
}

#[test]
fn a_service_restarted_over_ssh_is_restarted() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (lab, mut process) = runtime.block_on(Lab::start(5));
    let node = lab.node.clone();
    let (began, phones_began) = (node.started_ms(), node.phone_services().unwrap().started_ms);
    // As `ringfence run` does it, for the two restarts that are asked for below.
    let mut errands = process.errands().unwrap();
    let served = std::thread::spawn(move || {
        for _ in 0..2 {
            let errand = errands.blocking_recv().unwrap();
            let Work::Restart { node, part } = errand.work else { panic!("a restart") };
            let done = process.restart(&node, part).map_err(|error| format!("{error:#}"));
            errand.answer.send(done).unwrap();
        }
        process
    });
    let (said, status) = runtime.block_on(lab.command("utils service restart Cisco CallManager", "y\n"));
    assert_eq!(status, 0, "{said}");
    for line in ["registered phones: 0", "Cisco CallManager[STOPPING]\n", "Cisco CallManager[STARTED] started in "] {
        assert!(said.contains(line), "{line} in {said}");
    }
    assert!(
        said.ends_with("Cluster Security Mode: 0 (non-secure)\nCheck: no CTL file says anything else.\n"),
        "{said}"
    );
    let (said, status) = runtime.block_on(lab.command("utils service restart Cisco Tftp", "y\n"));
    assert_eq!(status, 0, "{said}");
    let process = served.join().unwrap();
    assert!(node.started_ms() > began);
    assert!(node.phone_services().unwrap().started_ms > phones_began);
    lab.end(process);
}

/// Of an administrator, until somebody takes her away, and of an agent.
#[derive(Default)]
struct Two {
    gone: std::sync::atomic::AtomicBool,
}

impl Directory for Two {
    fn log_in(&self, name: &str, password: &str) -> Result<Person, NoPerson> {
        match (name, password) {
            ("root", PASSWORD) if !self.gone.load(Ordering::Relaxed) => {
                Ok(Person { role: Role::Administrator, agent: None })
            }
            ("joe", PASSWORD) => Ok(Person { role: Role::Agent, agent: Some("1001".into()) }),
            ("nowhere", _) => Err(NoPerson::Unavailable("connection refused".into())),
            _ => Err(NoPerson::Nobody),
        }
    }

    fn find(&self, name: &str) -> Result<Person, NoPerson> {
        self.log_in(name, PASSWORD)
    }
}

#[tokio::test]
async fn administrators_of_a_directory_come_in_by_password_and_no_key() {
    let (lab, process) = Lab::start(8).await;
    let directory = Arc::new(Two::default());
    lab.accounts.replace_directory(Some(directory.clone()));
    let mut client = lab.connect().await;
    let key = PrivateKeyWithHashAlg::new(lab.key.clone(), None);
    assert!(!client.authenticate_publickey("root", key).await.unwrap().success(), "ada's key is ada's");
    assert!(!client.authenticate_password("joe", PASSWORD).await.unwrap().success(), "an agent");
    assert!(!client.authenticate_password("root", "guess").await.unwrap().success());
    assert!(client.authenticate_password("root", PASSWORD).await.unwrap().success());
    let channel = client.channel_open_session().await.unwrap();
    channel.exec(true, "help").await.unwrap();
    assert_eq!(hear(channel).await.1, 0);
    let said = lab.audit();
    let first = "root: at the console: logged in by the directory's word, as administrator";
    assert!(said.iter().any(|line| line == first), "{said:#?}");
    // She is taken out of it: at a reload everybody is asked about anew.
    directory.gone.store(true, Ordering::Relaxed);
    lab.accounts.replace_directory(Some(directory));
    let mut client = lab.connect().await;
    assert!(!client.authenticate_password("root", PASSWORD).await.unwrap().success());
    assert!(!client.authenticate_password("nowhere", PASSWORD).await.unwrap().success());
    assert!(client.authenticate_password("ada", PASSWORD).await.unwrap().success(), "the store's");
    assert!(lab.refusals().iter().any(|line| line.contains("the directory does not answer")), "{:#?}", lab.refusals());
    lab.end(process);
}
