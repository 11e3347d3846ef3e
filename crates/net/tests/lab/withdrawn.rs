//! A phone's certificate from CAPF is taken back while the phone is in use: every door is shut to it, none to the others,
//! and it comes back with a new one.

use net::{Provisioned, SecurePhone};
use roles::RefusalRecord;
use tokio::net::TcpStream;
use trust::Reason;

use super::light::{Door, Heard, LightPhone};
use super::*;

const ADDRESS: &str = "127.41.51.3";
const PHONES: &str = "127.41.51.75";
const STOLEN: &str = "SEP000000000001";
const OTHER: &str = "SEP000000000002";

/// `how`: the stolen phone's proof at CAPF.
fn site(how: &str) -> String {
    let device = |name: &str, line: u16, how: &str| {
        format!(
            "[[node.role.call_manager.phone]]\nname = \"{name}\"\nline = \"{line}\"\ndevice_security_profile = \"light\"\n\
             [[node.role.call_manager.phone_services.device]]\nphone = \"{name}\"\ncertificate_operation = \"install_upgrade\"\n\
             operation_completes_by = \"2099-12-31\"\n{how}\n"
        )
    };
    format!(
        "name = \"withdrawn\"\ndomain = \"withdrawn.example\"\n[[node]]\nname = \"cucm1\"\naddress = \"{ADDRESS}\"\n\
         [node.role.call_manager.phone_services]\ntftp_port = 10069\n\
         [[node.role.call_manager.phone_security_profile]]\nname = \"light\"\nenable_digest_authentication = false\n{}{}",
        device(STOLEN, 2001, how),
        device(OTHER, 2002, "")
    )
}

fn password(digits: &str) -> String {
    format!("authentication_mode = \"authentication_string\"\nauthentication_secret = \"{digits}\"")
}

struct Desk {
    process: Process,
    dir: store::DataDir,
    folder: PathBuf,
}

impl Desk {
    async fn starts(&self, device: &str, digits: &str) -> Provisioned {
        let tftp = SocketAddr::new(ADDRESS.parse().unwrap(), 10069);
        let keep = self.folder.join(device);
        let phone = SecurePhone::open(device, PHONES.parse().unwrap(), tftp, &keep, digits).unwrap();
        phone.start().await.unwrap_or_else(|error| panic!("{device}: {error:#}"))
    }

    fn manager(&self) -> NodeHandle {
        self.process.node("cucm1").unwrap()
    }

    async fn registered(&self) -> Vec<String> {
        match self.manager().control(Control::Registrations).await {
            Reply::Registrations(all) => all.into_iter().map(|one| one.line).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// All refusals, once `enough` of them are `such`: a listener lists a refusal after it has answered.
    async fn refused(&self, enough: usize, such: impl Fn(&RefusalRecord) -> bool) -> Vec<RefusalRecord> {
        loop {
            let all = self.manager().refusals();
            if all.iter().filter(|record| such(record)).count() >= enough {
                return all;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Causes of refusals, each once.
    fn causes(&self) -> Vec<String> {
        let mut causes: Vec<String> =
            self.manager().refusals().into_iter().map(|record| record.refusal.cause).collect();
        causes.sort();
        causes.dedup();
        causes
    }
}

async fn register(papers: &Provisioned) -> anyhow::Result<LightPhone> {
    LightPhone::register(&Door::of(papers).unwrap(), PHONES.parse().unwrap()).await
}

/// Its own configuration from 6972: what came, or the alert.
async fn own_file(papers: &Provisioned, device: &str) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let door = Door::of(papers).unwrap();
    let stream = TcpStream::connect((ADDRESS, 6972)).await?;
    let name = rustls_pki_types::ServerName::try_from(door.server_name.clone()).unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(door.tls).connect(name, stream).await?;
    let request = format!("GET /{device}.cnf.xml HTTP/1.1\r\nHost: cucm1\r\nConnection: close\r\n\r\n");
    // Who is refused may find the connection ended while it asks; the reason is there to be read all the same.
    let asked = stream.write_all(request.as_bytes()).await;
    let mut text = Vec::new();
    match stream.read_to_end(&mut text).await {
        // Who closes without TLS's word for it has said all.
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error),
        _ => asked.map(|()| String::from_utf8_lossy(&text).into_owned()),
    }
}

#[test]
fn a_phones_certificate_that_is_revoked_is_refused_at_every_door_and_a_new_one_is_let_in() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = std::env::temp_dir().join(format!("ringfence-withdrawn-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let (dir, _) = store::DataDir::init(&folder.join("data"), &site(&password("271828")), SystemTime::now()).unwrap();
    let process = Process::start(&dir.site().unwrap(), &folder.join("data"), &[]).unwrap();
    let mut desk = Desk { process, dir, folder };
    let (before, after) = runtime.block_on(revoked(&mut desk));
    let Desk { process, dir, folder } = desk;
    process.stop();
    let again = site::Site::parse(&site(&password("314159"))).unwrap();
    let process = Process::start(&again, &folder.join("data"), &[]).unwrap();
    let desk = Desk { process, dir, folder };
    runtime.block_on(after_a_restart(&desk, &before, &after));
    desk.process.stop();
    std::fs::remove_dir_all(&desk.folder).unwrap();
}

/// Its papers before and after.
async fn revoked(desk: &mut Desk) -> (Provisioned, Provisioned) {
    let before = desk.starts(STOLEN, "271828").await;
    let mut stolen = register(&before).await.unwrap();
    let mut other = register(&desk.starts(OTHER, "").await).await.unwrap();
    assert_eq!(desk.registered().await, ["2001", "2002"]);
    assert!(own_file(&before, STOLEN).await.unwrap().contains(" 200 "));

    // Its registration ends with its connection, the other's goes on.
    let now = SystemTime::now();
    let meant = desk.dir.phone_certificates(STOLEN, now).unwrap();
    assert_eq!(meant.len(), 1);
    desk.dir.revoke_phone_certificates(&meant, Reason::KeyCompromise, now).unwrap();
    desk.process.refresh().unwrap();
    assert!(matches!(stolen.hear(&Heard::HungUp).await, Err(words) if words.to_string().contains("Ended")));
    assert_eq!(desk.registered().await, ["2002"]);
    other.again().await.unwrap();
    desk.refused(1, |_| true).await;
    assert_eq!(desk.causes(), ["revoked"]);
    let seen = desk.manager().refusals().len();

    // It is refused where it registers and where it reads its file, each time in words.
    assert!(register(&before).await.is_err());
    assert!(own_file(&before, STOLEN).await.unwrap_err().to_string().contains("CertificateRevoked"));
    let words = format!("with serial {}, revoked on ", meant[0].serial);
    let refused = desk.refused(seen + 2, |_| true).await;
    assert!(refused.iter().all(|record| record.refusal.presented.contains(&words)), "{refused:?}");

    // At CAPF it proves nothing any more.
    desk.process.reload(&site::Site::parse(&site("authentication_mode = \"existing_lsc\"")).unwrap()).unwrap();
    let papers = desk.starts(STOLEN, "").await;
    assert_eq!(papers.identity.as_ref().unwrap().facts().serial, meant[0].serial);
    let by_capf = |record: &RefusalRecord| record.refusal.rule == "CAPF";
    let refused = desk.refused(1, by_capf).await;
    let at_capf = refused.iter().find(|record| by_capf(record)).unwrap();
    assert!(at_capf.refusal.presented.contains("revoked on "), "{at_capf:?}");

    // By password it is given another, and is in; the one of before is out also of a process that starts later.
    desk.process.reload(&site::Site::parse(&site(&password("314159"))).unwrap()).unwrap();
    let after = desk.starts(STOLEN, "314159").await;
    assert_ne!(after.identity.as_ref().unwrap().facts().serial, meant[0].serial);
    register(&after).await.unwrap();
    assert!(own_file(&after, STOLEN).await.unwrap().contains(" 200 "));
    assert!(register(&before).await.is_err());
    other.leave().await;
    (before, after)
}

async fn after_a_restart(desk: &Desk, before: &Provisioned, after: &Provisioned) {
    assert!(register(before).await.is_err() && own_file(before, STOLEN).await.is_err());
    register(after).await.unwrap();
    desk.refused(2, |_| true).await;
    assert_eq!(desk.causes(), ["revoked"]);
    let left = desk.dir.phone_certificates(STOLEN, SystemTime::now()).unwrap();
    assert_eq!(left.len(), 1, "the new one alone is in force");
}
