//! A phone against the real services on loopback: lists, enrolment, trust, configuration, and what each refuses.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use phones::capf::{ClientPlan, Learned};
use phones::tvs::Answer;
use phones::{Certificate, EncryptedFile, Function, Holding, Outcome, SignedFile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use trust::tls::Versions;

use super::*;

mod renewing;
mod rings;

const DEVICE: &str = "SEP001122334455";
const OTHER: &str = "SEP00AABBCCDDEE";

struct Lab {
    folder: PathBuf,
    services: Option<PhoneServices>,
    dir: DataDir,
    address: IpAddr,
    board: Board,
}

impl Lab {
    /// Two phones: one that proves nothing, one that has an authentication string.
    fn start(number: u8) -> Lab {
        let devices = format!(
            r#"
[[node.role.call_manager.phone_services.device]]
phone = "{DEVICE}"
certificate_operation = "install_upgrade"
operation_completes_by = "2099-12-31"
[[node.role.call_manager.phone_services.device]]
phone = "{OTHER}"
certificate_operation = "install_upgrade"
operation_completes_by = "2099-12-31"
authentication_mode = "authentication_string"
authentication_secret = "271828"
[[node.role.call_manager.phone]]
name = "{DEVICE}"
line = "1001"
digest_secret = "hunter-two"
[[node.role.call_manager.phone]]
name = "{OTHER}"
line = "1002"
digest_secret = "hunter-three"
"#
        );
        Lab::with(number, &devices)
    }

    /// On a loopback address of this process's own, so that two runs never meet.
    fn with(number: u8, devices: &str) -> Lab {
        let [high, low, ..] = std::process::id().to_le_bytes();
        let address = IpAddr::from([127, 200 + number, high, low.max(1)]);
        let folder = std::env::temp_dir().join(format!("ringfence-phones-{}-{number}", std::process::id()));
        std::fs::create_dir_all(folder.join("files")).unwrap();
        std::fs::write(folder.join("files/tones.xml"), "tones").unwrap();
        std::fs::write(folder.join("secret"), "secret").unwrap();
        let text = format!(
            r#"
name = "lab"
domain = "lab.example"
[[node]]
name = "cucm1"
address = "{address}"
[node.role.call_manager.phone_services]
tftp_port = 10069
files = "{}"
{devices}"#,
            folder.join("files").display()
        );
        let (dir, _) = DataDir::init(&folder.join("data"), &text, SystemTime::now()).unwrap();
        let mut lab = Lab { folder, services: None, dir, address, board: Board::default() };
        lab.restart();
        lab
    }

    fn restart(&mut self) {
        if let Some(services) = self.services.take() {
            services.stop();
        }
        let site = self.dir.site().unwrap();
        let started = PhoneServices::start(&self.dir, &site, &site.nodes[0], self.board.clone());
        self.services = started.unwrap();
    }

    fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    fn station(&self) -> &Station {
        self.services.as_ref().unwrap().station()
    }

    /// By TFTP: the file, or the error's code.
    fn tftp(&self, name: &str) -> Result<Vec<u8>, u8> {
        let socket = UdpSocket::bind((self.address, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let request = [b"\0\x01", name.as_bytes(), b"\0octet\0blksize\x001024\0"].concat();
        socket.send_to(&request, self.at(10069)).unwrap();
        let (mut file, mut room) = (Vec::new(), [0; 2048]);
        loop {
            let (length, from) = socket.recv_from(&mut room).unwrap();
            assert_ne!(from.port(), 10069, "a transfer has a port of its own");
            match &room[..length] {
                [0, 5, _, code, ..] => return Err(*code),
                [0, 6, ..] => assert!(socket.send_to(b"\0\x04\0\0", from).is_ok()),
                [0, 3, high, low, data @ ..] => {
                    file.extend(data);
                    socket.send_to(&[0, 4, *high, *low], from).unwrap();
                    if data.len() < 1024 {
                        return Ok(file);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn phone(&self) -> Holding {
        let mut phone = Holding::default();
        assert_eq!(phone.offer(&self.tftp("ITLSEP001122334455.tlv").unwrap()), Ok(Outcome::First));
        assert_eq!(phone.offer(&self.tftp("CTLSEP001122334455.tlv").unwrap()), Ok(Outcome::Updated));
        phone
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(services) = self.services.take() {
            services.stop();
        }
        // A folder that stays behind fails no test.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn wait<T>(conversation: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(conversation)
}

fn pinned(phone: &Holding, function: Function) -> Vec<Vec<u8>> {
    phone.certificates(function).iter().map(|certificate| certificate.der().to_vec()).collect()
}

fn plan(device: &str, password: &str) -> ClientPlan {
    ClientPlan { device: device.into(), version: 3, password: password.into(), prover: None, certificate: None }
}

/// Status and body.
async fn get(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, path: &str) -> (u16, Vec<u8>) {
    let request = format!("GET /{path} HTTP/1.1\r\nHost: cucm1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // TLS that ends without its alert is how many servers close.
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a header") + 4;
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer[end..].to_vec())
}

async fn http(lab: &Lab, path: &str) -> (u16, Vec<u8>) {
    get(TcpStream::connect(lab.at(6970)).await.unwrap(), path).await
}

async fn https(lab: &Lab, identity: &trust::Identity, path: &str) -> (u16, Vec<u8>) {
    let versions = Versions { tls12: true, tls13: true };
    let names = ["cucm1.lab.example".to_owned()];
    let config = trust::tls::client(identity, &lab.dir.roots_pem().unwrap(), versions, &names).unwrap();
    let stream = TcpStream::connect(lab.at(6972)).await.unwrap();
    let name = rustls_pki_types::ServerName::IpAddress(lab.address.into());
    get(tokio_rustls::TlsConnector::from(config).connect(name, stream).await.unwrap(), path).await
}

#[test]
fn a_phone_enrols_and_reads_what_is_its_alone() {
    let lab = Lab::start(1);
    let phone = lab.phone();
    let enrolled = wait(enrol(lab.at(3804), &pinned(&phone, Function::Capf), plan(DEVICE, ""))).unwrap();
    assert_eq!(enrolled.learned, Learned::Done);
    let (lsc, key) = enrolled.issued.unwrap();
    let row = lab.station().row(DEVICE).unwrap();
    assert_eq!(
        (row.operation().to_string(), row.status.to_string()),
        ("No Pending Operation".into(), "Upgrade Success".into())
    );
    assert_eq!(row.certificate.as_deref(), Some(&lsc[..]));
    // In clear it is told where CAPF is, and to which certificate the rest is encrypted.
    let name = format!("{DEVICE}.cnf.xml.sgn");
    let short = SignedFile::parse(&lab.tftp(&name).unwrap()).unwrap();
    phone.believe(&short, &name).unwrap();
    let hash = phones::certificate_hash(&Certificate::from_der(&lsc).unwrap());
    let text = String::from_utf8_lossy(short.body()).into_owned();
    assert!(text.contains(&format!("<certHash>{hash}</certHash>")) && !text.contains("hunter"), "{text}");
    let name = format!("{DEVICE}.cnf.xml.enc.sgn");
    let (status, octets) = wait(http(&lab, &name));
    assert_eq!(status, 200);
    let file = EncryptedFile::parse(&octets).unwrap();
    phone.believe_encrypted(&file, &name).unwrap();
    let plain = file.decrypt(&key).unwrap().unwrap();
    assert!(String::from_utf8_lossy(&plain).contains("<authPassword>hunter-two</authPassword>"));
    // Over HTTPS it proves itself, and gets its own in clear text; another's is refused, and listed.
    let identity = trust::Identity::from_pem(&trust::certificate_pem(&lsc), &key).unwrap();
    let (status, text) = wait(https(&lab, &identity, &format!("{DEVICE}.cnf.xml")));
    assert!(status == 200 && String::from_utf8_lossy(&text).contains("hunter-two"));
    let (status, text) = wait(https(&lab, &identity, &format!("{OTHER}.cnf.xml")));
    assert!(status == 403 && !String::from_utf8_lossy(&text).contains("hunter"));
    let refused = lab.board.refusals.list();
    assert!(
        refused.iter().any(|refusal| refusal.refusal.presented.contains("with its own certificate")),
        "{refused:?}"
    );
}

#[test]
fn tvs_vouches_for_our_certificates_and_no_others() {
    let lab = Lab::start(2);
    let phone = lab.phone();
    let tvs = pinned(&phone, Function::Tvs);
    let ours = phone.certificates(Function::Sast)[0].clone();
    let answer = wait(ask_tvs(lab.at(2445), &tvs, "SEP001122334455", &ours)).unwrap();
    assert!(matches!(answer, Answer::Trusted { functions, .. } if functions == [Function::Sast]));
    let root = trust::certificates_der(&lab.dir.own_root_pem().unwrap()).unwrap().remove(0);
    let stranger = Certificate::from_der(&root).unwrap();
    assert_eq!(wait(ask_tvs(lab.at(2445), &tvs, "SEP001122334455", &stranger)).unwrap(), Answer::Unknown);
    // A server that shows another certificate than the list has for TVS is not asked anything.
    let error = wait(ask_tvs(lab.at(3804), &tvs, "SEP001122334455", &ours)).unwrap_err();
    assert!(format!("{error:#}").contains("another certificate than the trust list has"), "{error:#}");
}

#[test]
fn six_wrong_strings_and_the_right_one_is_not_looked_at() {
    let mut lab = Lab::start(3);
    let capf = pinned(&lab.phone(), Function::Capf);
    for guess in ["000000", "111111", "222222", "333333", "444444"] {
        assert_eq!(wait(enrol(lab.at(3804), &capf, plan(OTHER, guess))).unwrap().learned, Learned::Refused);
    }
    // Nor after a restart.
    lab.restart();
    assert_eq!(wait(enrol(lab.at(3804), &capf, plan(OTHER, "271828"))).unwrap().learned, Learned::Refused);
    let told = lab.board.refusals.list();
    assert!(told.iter().any(|refusal| refusal.refusal.presented.contains("none is looked at")), "{told:?}");
    assert!(!format!("{told:?}").contains("271828"));
    assert_eq!(wait(enrol(lab.at(3804), &capf, plan("SEP000000000000", ""))).unwrap().learned, Learned::UnknownDevice);
}

#[test]
fn an_operation_runs_once_and_not_again_after_a_restart() {
    let mut lab = Lab::start(4);
    let capf = pinned(&lab.phone(), Function::Capf);
    assert_eq!(wait(enrol(lab.at(3804), &capf, plan(DEVICE, ""))).unwrap().learned, Learned::Done);
    assert_eq!(wait(enrol(lab.at(3804), &capf, plan(DEVICE, ""))).unwrap().learned, Learned::NothingPending);
    lab.restart();
    assert_eq!(wait(enrol(lab.at(3804), &capf, plan(DEVICE, ""))).unwrap().learned, Learned::NothingPending);
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let lab = Lab::start(5);
    assert_eq!(lab.tftp("tones.xml"), Ok(b"tones".to_vec()));
    for name in ["../secret", "/../secret", "../data/site.toml"] {
        assert_eq!(lab.tftp(name), Err(2), "{name}");
        assert_eq!(wait(http(&lab, name)).0, 403, "{name}");
    }
    assert_eq!(wait(http(&lab, "%2e%2e/secret")).0, 403);
    assert_eq!((lab.tftp("nothing.xml"), wait(http(&lab, "nothing.xml")).0), (Err(1), 404));
    // What is asked for as signed is signed as it goes, under the name it was asked by.
    let signed = SignedFile::parse(&lab.tftp("tones.xml.sgn").unwrap()).unwrap();
    assert_eq!(signed.body(), b"tones");
    lab.phone().believe(&signed, "tones.xml.sgn").unwrap();
    assert!(lab.board.refusals.list().iter().any(|refusal| refusal.refusal.presented.contains("out of the folder")));
}

#[test]
fn nobody_who_proved_nothing_reads_a_secret() {
    let lab = Lab::start(6);
    for name in [format!("{DEVICE}.cnf.xml"), format!("{DEVICE}.cnf.xml.sgn"), "XMLDefault.cnf.xml".into()] {
        for octets in [lab.tftp(&name).unwrap_or_else(|code| panic!("{name}: {code}")), wait(http(&lab, &name)).1] {
            assert!(!String::from_utf8_lossy(&octets).contains("hunter"), "{name}");
        }
    }
    assert_eq!(lab.tftp(&format!("{DEVICE}.cnf.xml.enc.sgn")), Err(1), "it has no certificate to encrypt to yet");
}

#[test]
fn the_mode_changes_and_phones_take_the_list() {
    use phones::{Command, Dialogue, Kind, Mode, Step};
    let lab = Lab::start(7);
    let mut phone = lab.phone();
    assert_eq!((lab.station().mode(), lab.station().mode().code()), (Mode::Mixed, 1));
    for (command, mode, stubs) in
        [(Command::SetNonSecureMode, Mode::NonSecure, 1), (Command::SetMixedMode, Mode::Mixed, 0)]
    {
        let dialogue = Dialogue::new(command, lab.station().cluster());
        if !matches!(dialogue.start(), Step::Ask(_)) {
            panic!("it asks before it acts");
        }
        let Step::Do(effect, _) = dialogue.answer("y") else { panic!("it acts") };
        lab.station().carry_out(effect, SystemTime::now()).unwrap();
        assert_eq!(lab.station().mode(), mode);
        assert_eq!(phone.offer(&lab.tftp("CTLFile.tlv").unwrap()), Ok(Outcome::Updated));
        let records = phone.list(Kind::Ctl).unwrap();
        let bare = records.of(Function::CallManagerAndTftp).filter(|record| record.certificate().is_none()).count();
        assert_eq!(bare, stubs);
    }
}

/// Port 6971: whoever serves proves itself, who asks does not, and gets what anybody gets.
#[test]
fn configuration_and_images_are_read_over_https_from_one_whose_certificate_the_lists_have() {
    let lab = Lab::start(11);
    let phone = lab.phone();
    let image = vec![0x5a; 300_000];
    std::fs::write(lab.folder.join("files/sip8845_65.14-2-1.loads"), &image).unwrap();
    let versions = Versions { tls12: true, tls13: true };
    let read = |port: u16, pinned: &[Vec<u8>], path: &str| {
        let config = trust::tls::client_pinned(None, pinned, versions).unwrap();
        wait(async {
            let stream = TcpStream::connect(lab.at(port)).await.unwrap();
            let name = rustls_pki_types::ServerName::IpAddress(lab.address.into());
            let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await.ok()?;
            Some(get(stream, path).await)
        })
    };
    let tftp = pinned(&phone, Function::Tftp);
    assert_eq!(read(6971, &tftp, "sip8845_65.14-2-1.loads"), Some((200, image)));
    let name = format!("{DEVICE}.cnf.xml.sgn");
    let (status, octets) = read(6971, &tftp, &name).unwrap();
    phone.believe(&SignedFile::parse(&octets).unwrap(), &name).unwrap();
    assert!(status == 200 && !String::from_utf8_lossy(&octets).contains("hunter"));
    assert_eq!(read(6971, &pinned(&phone, Function::Tvs), &name), None, "another than the lists have for it");
}

/// What phones were given outlasts the process, and is what a rehearsal judges by.
#[test]
fn what_a_phone_was_given_is_known_after_a_restart_and_rehearsed() {
    use phones::{Change, Contact, How, Loss, Mode, Verdict, Which};
    let mut lab = Lab::start(8);
    let phone = lab.phone();
    wait(enrol(lab.at(3804), &pinned(&phone, Function::Capf), plan(DEVICE, ""))).unwrap();
    let ours = phone.certificates(Function::Sast)[0].clone();
    wait(ask_tvs(lab.at(2445), &pinned(&phone, Function::Tvs), DEVICE, &ours)).unwrap();
    // Neither a stranger's list nor half of one is anything that a phone of ours holds.
    lab.tftp("ITLSEP999999999999.tlv").unwrap();
    lab.dir.store().unwrap().put_line_registered("cucm1", "1001", 1_795_392_000_000).unwrap();
    lab.restart();
    let site = lab.dir.site().unwrap();
    let rehearse = |change: Change| {
        let all = Station::rehearse(&lab.dir, &site, &site.nodes[0], &change, SystemTime::now()).unwrap().unwrap();
        assert_eq!(all.iter().map(|phone| phone.device.as_str()).collect::<Vec<_>>(), [DEVICE, OTHER]);
        all
    };
    let all = rehearse(Change::Renew(Which::Tvs));
    let held = &all[0].held;
    assert_eq!(all[0].verdict, Verdict::Keeps(How::ByNewLists));
    assert_eq!(held.itl.as_ref().unwrap().digest, phones::list_digest(phone.list(phones::Kind::Itl).unwrap().octets()));
    let kinds: Vec<Contact> = held.contacts.keys().copied().collect();
    assert_eq!(kinds, [Contact::File, Contact::TrustVerification, Contact::Enrolment, Contact::Registration]);
    assert!(all[0].lsc.as_ref().is_some_and(|lsc| lsc.is_named(DEVICE)));
    assert_eq!(all[1].verdict, Verdict::Unknown, "it never asked for a list of its own");
    let all = rehearse(Change::SetMode(Mode::NonSecure));
    assert_eq!(all[0].verdict, Verdict::Lost(vec![Loss::NoSecurity]));
    assert_eq!(lab.station().mode(), Mode::Mixed, "a rehearsal changes nothing");
}

/// TVS gets another certificate: one phone learns of it, then the other; what is shown changes when both know.
#[test]
fn a_change_goes_through_the_phones_in_rings_and_stops_for_who_stays_away() {
    use phones::{Change, Kind, RollState, Terms, Which};
    let mut lab = Lab::start(9);
    let (dir, now) = (lab.dir.clone(), SystemTime::now());
    let site = dir.site().unwrap();
    let rolls = Rolls::of(&dir, &site, &site.nodes[0]);
    let tend = |lab: &Lab, after: u64| {
        lab.services.as_ref().unwrap().shared.tend_roll(now + Duration::from_secs(after)).unwrap();
        rolls.now().unwrap()
    };
    let tvs_in = |lab: &Lab, device: &str| {
        let list = phones::TrustList::parse(&lab.tftp(&format!("ITL{device}.tlv")).unwrap()).unwrap();
        list.of(Function::Tvs).count()
    };
    let comes_back = |lab: &Lab, device: &str| {
        for kind in ["ITL", "CTL"] {
            lab.tftp(&format!("{kind}{device}.tlv")).unwrap();
        }
        let line = if device == DEVICE { "1001" } else { "1002" };
        let at = now.duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(60);
        dir.store().unwrap().put_line_registered("cucm1", line, at.as_millis() as u64).unwrap();
    };
    let before = dir.phone_keys("cucm1").unwrap();
    let mut phone = lab.phone();
    for change in [Change::Renew(Which::Recovery), Change::Renew(Which::Tftp)] {
        assert!(rolls.order(&RollOrder::Begin { change, terms: Terms::default() }).is_err());
    }
    let terms = Terms { rings: vec![500], within: 3600 };
    rolls.order(&RollOrder::Begin { change: Change::Renew(Which::Tvs), terms }).unwrap();
    let roll = tend(&lab, 0).unwrap();
    let first = roll.awaited().next().unwrap().to_owned();
    let second = if first == DEVICE { OTHER } else { DEVICE };
    assert_eq!((tvs_in(&lab, &first), tvs_in(&lab, second), tvs_in(&lab, "File")), (2, 1, 1));
    // It does not come back, and nobody else is given anything.
    let roll = tend(&lab, 3600).unwrap();
    let RollState::Stopped { missing, .. } = roll.state() else { panic!("{roll:?}") };
    assert_eq!((missing, tvs_in(&lab, second)), (&vec![first.clone()], 1));
    rolls.order(&RollOrder::Resume { leave: false }).unwrap();
    assert_eq!(tend(&lab, 3601).unwrap().awaited().collect::<Vec<_>>(), [first.as_str()]);
    comes_back(&lab, &first);
    let roll = tend(&lab, 3602).unwrap();
    assert_eq!(roll.awaited().collect::<Vec<_>>(), [second]);
    // A restart takes it up where it was; nothing in force has changed yet.
    lab.restart();
    assert_eq!((tvs_in(&lab, &first), tvs_in(&lab, second)), (2, 2));
    assert_eq!(dir.phone_keys("cucm1").unwrap().tvs.facts(), before.tvs.facts());
    assert_eq!(phone.offer(&lab.tftp(&format!("ITL{first}.tlv")).unwrap()), Ok(Outcome::Updated));
    comes_back(&lab, second);
    assert!(matches!(tend(&lab, 3603).unwrap().state(), RollState::Through { .. }));
    let after = dir.phone_keys("cucm1").unwrap();
    assert_ne!(after.tvs.facts(), before.tvs.facts());
    // The services start anew with it; a phone of the roll knows what TVS now shows, and takes the list in force.
    lab.restart();
    assert_eq!(rolls.now().unwrap(), None);
    let ours = phone.certificates(Function::Sast)[0].clone();
    let answer = wait(ask_tvs(lab.at(2445), &[after.tvs.chain_der()[0].clone()], DEVICE, &ours)).unwrap();
    assert!(matches!(answer, Answer::Trusted { .. }));
    assert!(pinned(&phone, Function::Tvs).contains(&after.tvs.chain_der()[0]));
    assert_eq!(phone.offer(&lab.tftp("ITLFile.tlv").unwrap()), Ok(Outcome::Updated));
    assert!(phone.list(Kind::Itl).unwrap().of(Function::Tvs).count() == 2);
}

/// Somebody thinks better of it: phones of the open ring are given what was before, under a newer date.
#[test]
fn a_roll_that_is_abandoned_leaves_nothing_behind() {
    use phones::{Change, Mode, Terms};
    let lab = Lab::start(10);
    let (dir, now) = (lab.dir.clone(), SystemTime::now());
    let site = dir.site().unwrap();
    let rolls = Rolls::of(&dir, &site, &site.nodes[0]);
    let mut phone = lab.phone();
    let terms = Terms { rings: Vec::new(), within: 3600 };
    rolls.order(&RollOrder::Begin { change: Change::SetMode(Mode::NonSecure), terms }).unwrap();
    lab.services.as_ref().unwrap().shared.tend_roll(now).unwrap();
    let told = lab.tftp(&format!("{DEVICE}.cnf.xml")).unwrap();
    assert!(String::from_utf8_lossy(&told).contains("<deviceSecurityMode>1<"), "its ring is open");
    assert_eq!(phone.offer(&lab.tftp(&format!("CTL{DEVICE}.tlv")).unwrap()), Ok(Outcome::Updated));
    assert_eq!(lab.station().mode(), Mode::Mixed, "in force is what was");
    rolls.order(&RollOrder::Abandon).unwrap();
    lab.services.as_ref().unwrap().shared.tend_roll(now + Duration::from_secs(1)).unwrap();
    assert_eq!(rolls.now().unwrap(), None);
    assert_eq!(phone.offer(&lab.tftp(&format!("CTL{DEVICE}.tlv")).unwrap()), Ok(Outcome::Updated));
    assert!(!pinned(&phone, Function::CallManagerAndTftp).is_empty());
    assert!(rolls.order(&RollOrder::Abandon).is_err());
}

/// What a reload compares: services that speak a version that the site has turned off are started anew.
#[test]
fn services_are_made_of_the_tls_versions_and_the_name_too() {
    let lab = Lab::start(12);
    let site = lab.dir.site().unwrap();
    let is_of = |site: &Site| lab.station().is_of(&lab.dir, site, &site.nodes[0]);
    assert!(is_of(&site));
    let mut other = site.clone();
    other.nodes[0].tls_versions = vec!["1.3".into()];
    assert!(!is_of(&other));
    let mut other = site.clone();
    other.domain = "elsewhere.example".into();
    assert!(!is_of(&other));
}
