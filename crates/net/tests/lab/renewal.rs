//! Each certificate that phones know a call manager by is renewed, one after the other, under registered phones and held
//! calls.

use std::fmt::Write;

use net::{Provisioned, SecurePhone, ask_tvs};
use phones::tvs::Answer;
use phones::{Function, Holding, Kind};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::light::{Door, Heard, LightPhone};
use super::*;

const ADDRESS: &str = "127.41.49.3";
const PHONES: &str = "127.41.49.75";
/// Phones that start at once: as many as a debug build serves in time.
const AT_ONCE: usize = 16;

/// How many phones; each two have a call. `RINGFENCE_RENEWAL_PHONES=200` is the whole of it (docs/testing.md).
fn count() -> usize {
    std::env::var("RINGFENCE_RENEWAL_PHONES").ok().and_then(|text| text.parse().ok()).unwrap_or(24)
}

fn days_ago(days: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(days * 24 * 3600)
}

/// A call manager in mixed mode, whose CAPF is to give each phone an elliptic key: those are quick to make.
fn site(count: usize) -> String {
    let mut text = format!(
        "name = \"renewal\"\ndomain = \"renewal.example\"\n[[node]]\nname = \"cucm1\"\naddress = \"{ADDRESS}\"\n\
         [node.role.call_manager.phone_services]\ntftp_port = 10069\n\
         [[node.role.call_manager.phone_security_profile]]\nname = \"light\"\nenable_digest_authentication = false\n\
         key_order = \"ec_only\"\nec_key_size = 256\ntftp_encrypted_config = false\n"
    );
    for at in 0..count {
        let name = device(at);
        writeln!(text, "[[node.role.call_manager.phone]]\nname = \"{name}\"\nline = \"{}\"", 2000 + at).unwrap();
        writeln!(text, "device_security_profile = \"light\"").unwrap();
        writeln!(text, "[[node.role.call_manager.phone_services.device]]\nphone = \"{name}\"").unwrap();
        writeln!(text, "certificate_operation = \"install_upgrade\"\noperation_completes_by = \"2099-12-31\"").unwrap();
    }
    text
}

fn device(at: usize) -> String {
    format!("SEP{at:012}")
}

struct Fleet {
    process: Process,
    dir: store::DataDir,
    folder: PathBuf,
    count: usize,
}

impl Fleet {
    /// The data directory is seventy days old, so that what waits fourteen days need not wait for the clock.
    fn start() -> Fleet {
        let folder = std::env::temp_dir().join(format!("ringfence-renewal-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let (count, data) = (count(), folder.join("data"));
        let (dir, _) = store::DataDir::init(&data, &site(count), days_ago(70)).unwrap();
        let process = Process::start(&dir.site().unwrap(), &data, &[]).unwrap();
        Fleet { process, dir, folder, count }
    }

    /// Every phone starts: it takes the lists that it is given, goes to CAPF, and believes its configuration.
    async fn phones_start(&self) -> Vec<Provisioned> {
        let (mut starting, room) = (JoinSet::new(), std::sync::Arc::new(Semaphore::new(AT_ONCE)));
        for at in 0..self.count {
            let (keep, room) = (self.keep(at), room.clone());
            starting.spawn(async move {
                let _permit = room.acquire().await.unwrap();
                let tftp = SocketAddr::new(ADDRESS.parse().unwrap(), 10069);
                let phone = SecurePhone::open(&device(at), PHONES.parse().unwrap(), tftp, &keep, "").unwrap();
                (at, phone.start().await.unwrap_or_else(|error| panic!("{}: {error:#}", device(at))))
            });
        }
        let mut started: Vec<(usize, Provisioned)> = starting.join_all().await;
        started.sort_by_key(|(at, _)| *at);
        started.into_iter().map(|(_, papers)| papers).collect()
    }

    fn keep(&self, at: usize) -> PathBuf {
        self.folder.join(device(at))
    }

    /// What a phone holds, as it would after a power cut.
    fn holding(&self, at: usize) -> Holding {
        let mut holding = Holding::default();
        for kind in [Kind::Itl, Kind::Ctl] {
            holding.offer(&std::fs::read(self.keep(at).join(kind.file_name())).unwrap()).unwrap();
        }
        holding
    }

    fn knows(&self, at: usize, function: Function) -> Vec<Vec<u8>> {
        self.holding(at).certificates(function).iter().map(|certificate| certificate.der().to_vec()).collect()
    }

    fn manager(&self) -> NodeHandle {
        self.process.node("cucm1").unwrap()
    }

    async fn calls(&self) -> usize {
        match self.manager().control(Control::Status).await {
            Reply::Status(status) => status.calls,
            other => panic!("{other:?}"),
        }
    }
}

fn shown(identity: &trust::Identity) -> Vec<u8> {
    identity.chain_der()[0].to_vec()
}

async fn register(papers: &[Provisioned]) -> Vec<LightPhone> {
    let mut phones = Vec::new();
    for papers in papers {
        phones.push(LightPhone::register(&Door::of(papers).unwrap(), PHONES.parse().unwrap()).await.unwrap());
    }
    phones
}

/// Between each two neighbours.
async fn call_each_other(phones: &mut [LightPhone], papers: &[Provisioned]) {
    for (pair, papers) in phones.chunks_mut(2).zip(papers.chunks(2)) {
        let [caller, called] = pair else { panic!("an even number of phones") };
        caller.call(&papers[1].line).await.unwrap();
        called.hear(&Heard::Called).await.unwrap();
    }
}

async fn hang_up(phones: &mut [LightPhone]) {
    for pair in phones.chunks_mut(2) {
        let [caller, called] = pair else { panic!("an even number of phones") };
        assert_eq!(caller.hang_up().await.unwrap(), 200);
        called.hear(&Heard::HungUp).await.unwrap();
    }
}

#[test]
fn every_certificate_is_renewed_under_held_calls_and_phones_are_on_the_new_ones_at_the_end() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut fleet = Fleet::start();
    runtime.block_on(renewals(&mut fleet));
    fleet.process.stop();
    std::fs::remove_dir_all(&fleet.folder).unwrap();
}

async fn renewals(fleet: &mut Fleet) {
    let papers = fleet.phones_start().await;
    let mut phones = register(&papers).await;
    call_each_other(&mut phones, &papers).await;
    let held = fleet.count / 2;
    assert_eq!(fleet.calls().await, held);
    let (dir, keys) = (fleet.dir.clone(), fleet.dir.phone_keys("cucm1").unwrap());
    let node = dir.identity("cucm1").unwrap();
    assert!(phones.iter().all(|phone| phone.shown == shown(&node)));

    // One after the other, as the traps allow: a neighbour at the same time is refused, with the reason.
    for (which, next, at) in [("tvs", "capf", 69), ("capf", "callmanager", 54), ("callmanager", "tvs", 39)] {
        dir.renew_phone_key("cucm1", which, days_ago(at)).unwrap();
        let refused = dir.renew_phone_key("cucm1", next, days_ago(at)).unwrap_err().to_string();
        assert!(refused.contains("was renewed less than 14 days ago"), "{refused}");
        fleet.process.refresh().unwrap();
        fleet.phones_start().await;
        assert_eq!(fleet.calls().await, held, "after {which}");
    }
    // Who signs lists is told in them, and changes when each phone has read of it.
    let rows = dir.site().unwrap();
    let renew = |at| net::Station::renew_recovery(&dir, &rows, &rows.nodes[0], at, false);
    assert!(
        matches!(renew(days_ago(20)).unwrap(), net::RecoveryRenewed::Announced(_, awaited) if awaited.len() == fleet.count)
    );
    let refused = renew(SystemTime::now()).unwrap_err().to_string();
    assert!(refused.contains("would be lost") && refused.contains(&device(1)), "{refused}");
    fleet.process.refresh().unwrap();
    fleet.phones_start().await;
    // The services write down what they gave a moment later.
    let until = Instant::now() + PATIENCE;
    while !net::Station::awaited(&dir, &rows, &rows.nodes[0]).unwrap().is_empty() {
        assert!(Instant::now() < until, "all phones have read both lists");
    }
    // They do it by themselves, too, when they look.
    if dir.phone_keys("cucm1").unwrap().next_recovery.is_some() {
        // Just now, perhaps.
        let _ = renew(SystemTime::now());
    }
    assert_ne!(shown(&dir.phone_keys("cucm1").unwrap().recovery), shown(&keys.recovery));
    fleet.process.refresh().unwrap();
    fleet.phones_start().await;
    assert_eq!(fleet.calls().await, held, "after ITLRecovery");
    // The certificate of the listeners is in the lists for fourteen days before it is shown.
    let announced = dir.renew("cucm1", days_ago(15), false).unwrap();
    assert!(matches!(announced, store::Renewed::Announced(..)), "{announced:?}");
    fleet.process.refresh().unwrap();
    let papers = fleet.phones_start().await;
    let met = LightPhone::register(&Door::of(&papers[0]).unwrap(), PHONES.parse().unwrap()).await.unwrap();
    assert_eq!(met.shown, shown(&node), "phones read of it, and do not meet it yet");
    let done = dir.tend(SystemTime::now()).unwrap().done;
    assert!(done.iter().any(|line| line.contains("announced is in force")), "{done:?}");
    fleet.process.refresh().unwrap();

    // No call was dropped, no connection closed; what was up over them is up.
    assert_eq!(fleet.calls().await, held);
    for phone in &mut phones {
        assert_eq!(phone.surprise(), None);
        phone.again().await.unwrap();
    }
    hang_up(&mut phones).await;
    assert_eq!(fleet.calls().await, 0);
    for phone in phones {
        phone.leave().await;
    }

    // All phones are on the new ones.
    let (after, new) = (dir.phone_keys("cucm1").unwrap(), dir.identity("cucm1").unwrap());
    assert_ne!(shown(&new), shown(&node));
    let changes = [
        (Function::Sast, shown(&keys.recovery), shown(&after.recovery)),
        (Function::Tvs, shown(&keys.tvs), shown(&after.tvs)),
        (Function::Capf, shown(&keys.capf), shown(&after.capf)),
        (Function::CallManagerAndTftp, shown(&keys.call_manager), shown(&after.call_manager)),
    ];
    let papers = fleet.phones_start().await;
    for at in 0..fleet.count {
        for (function, before, after) in &changes {
            assert!(before != after && fleet.knows(at, *function).contains(after), "{} {function:?}", device(at));
        }
        let signer = fleet.holding(at).certificates(Function::Sast)[0].clone();
        let server = SocketAddr::new(ADDRESS.parse().unwrap(), 2445);
        let answer = ask_tvs(server, &[shown(&after.tvs)], &device(at), &signer).await.unwrap();
        assert!(matches!(answer, Answer::Trusted { .. }), "{answer:?}");
    }
    let mut phones = register(&papers).await;
    assert!(phones.iter().all(|phone| phone.shown == shown(&new)));
    call_each_other(&mut phones, &papers).await;
    assert_eq!(fleet.calls().await, held);
    hang_up(&mut phones).await;
    let refusals = fleet.manager().refusals();
    assert!(refusals.is_empty(), "{refusals:?}");
}
