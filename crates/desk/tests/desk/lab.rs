//! A call server with a desk, over real sockets.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use desk::server::{Addresses, Desk, serve};
use net::Process;
use roles::{Control, Reply};
use rustls_pki_types::ServerName;
use store::accounts::{Account, Accounts, Origin, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use trust::tls::Versions;

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type Stream = BufReader<TlsStream<TcpStream>>;

/// A call server with a desk; each test has addresses of its own.
pub(crate) struct Lab {
    process: Process,
    pub(crate) desk: Desk,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) tls: TlsConnector,
    pub(crate) path: PathBuf,
}

impl Lab {
    pub(crate) async fn start(test: u8) -> Lab {
        Lab::start_with(test, "").await
    }

    /// With these settings of the desk's.
    pub(crate) async fn start_with(test: u8, desk: &str) -> Lab {
        let group = "[[node.role.call_server.sip_server_group]]";
        let text = include_str!("../../../../examples/lab.toml").replace("127.18.133.", &format!("127.41.{test}."));
        let text = text.replacen(group, &format!("[node.role.call_server.desk]\n{desk}\n{group}"), 1);
        let path = std::env::temp_dir().join(format!("ringfence-desk-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let (data, _) = store::DataDir::init(&path, &text, SystemTime::now()).unwrap();
        let mut store = data.store().unwrap();
        for agent in ["1001", "1002"] {
            let account = Account {
                name: agent.into(),
                role: Role::Agent,
                agent: Some(agent.into()),
                made_ms: 0,
                origin: Origin::Store,
            };
            store.add_account(&account, PASSWORD).unwrap();
        }
        let site = data.site().unwrap();
        let process = Process::start(&site, &path, &["cvp1".to_owned()]).unwrap();
        let node = site.node("cvp1").unwrap();
        let site::Role::CallServer(server) = &node.role else { panic!("a call server") };
        let book = desk::Book::new(server.clone(), site.host_name(node));
        let any = SocketAddr::new(node.address, 0);
        let addresses = Addresses { rest: any, web: Some(any), xmpp: Some(any) };
        let accounts = Arc::new(Accounts::new(data.store().unwrap()).unwrap());
        let desk = serve(process.node("cvp1").unwrap(), addresses, book, accounts.clone()).await.unwrap();
        let both = Versions { tls12: true, tls13: true };
        let (roots, names) = (data.roots_pem().unwrap(), [site.host_name(node)]);
        let tls = trust::tls::client_without_certificate(&roots, both, &names).unwrap();
        Lab { process, desk, accounts, tls: TlsConnector::from(tls), path }
    }

    pub(crate) async fn connect(&self) -> Stream {
        self.connect_to(self.desk.addresses.rest, [127, 0, 0, 1]).await
    }

    /// From this address.
    pub(crate) async fn connect_to(&self, to: SocketAddr, from: [u8; 4]) -> Stream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let stream = socket.connect(to).await.unwrap();
        let name = ServerName::try_from("cvp1.lab.example").unwrap();
        BufReader::new(self.tls.connect(name, stream).await.unwrap())
    }

    /// Head and body of the answer.
    pub(crate) async fn ask(&self, method: &str, path: &str, more: &str, body: &str) -> (String, String) {
        self.ask_at(self.desk.addresses.rest, method, path, more, body).await
    }

    pub(crate) async fn ask_at(
        &self,
        to: SocketAddr,
        method: &str,
        path: &str,
        more: &str,
        body: &str,
    ) -> (String, String) {
        let mut stream = self.connect_to(to, [127, 0, 0, 1]).await;
        let head = format!("{method} {path} HTTP/1.1\r\nhost: desk\r\nconnection: close\r\n{more}");
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    pub(crate) async fn put(&self, agent: &str, more: &str, fields: &str) -> (String, String) {
        let more = format!("{}{more}", basic(agent, PASSWORD));
        self.ask("PUT", &format!("/finesse/api/User/{agent}"), &more, &format!("<User>{fields}</User>")).await
    }

    /// The agent says ready and not ready so often, without anybody's asking for it at a desk: two events each time.
    pub(crate) async fn flap(&self, agent: &str, times: usize) {
        let node = self.process.node("cvp1").unwrap();
        for _ in 0..times {
            let (id, reason) = (agent.to_owned(), "lunch".to_owned());
            assert_eq!(node.control(Control::AgentReady { agent: id.clone() }).await, Reply::Done);
            assert_eq!(node.control(Control::AgentNotReady { agent: id, reason }).await, Reply::Done);
        }
    }

    /// Tasks and descriptors of this process.
    pub(crate) fn open_files() -> usize {
        std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
    }

    pub(crate) async fn stop(self) {
        self.process.stop();
        std::fs::remove_dir_all(&self.path).unwrap();
    }
}

pub(crate) fn basic(name: &str, password: &str) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("authorization: Basic {encoded}\r\n")
}
