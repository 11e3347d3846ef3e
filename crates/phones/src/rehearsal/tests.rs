//! Verdicts against a phone: after each change a model phone, which has nothing but the headless phone's own trust code,
//! starts; it must come through when the verdict says so, and fail when it does not.

use std::sync::OnceLock;

use proptest::prelude::*;
use trust::{Ca, Identity, KeyKind, LscRequest, Request, self_signed};

use super::change::at;
use super::*;
use crate::tvs::{self, Answer};
use crate::{Digest, Names, Outcome, Services, SignedFile, Signer, sign_file};

const NOW: i64 = 1_795_392_000;
const DAY: i64 = 86_400;
const DEVICE: &str = "SEP001122334455";
const CONFIGURATION: &str = "SEP001122334455.cnf.xml.sgn";

fn make(name: &str, kind: KeyKind) -> Identity {
    let request = Request {
        common_name: format!("cucm1-{name}"),
        dns_names: vec!["cucm1".into()],
        ip_addresses: Vec::new(),
        node: None,
        uris: Vec::new(),
        key: kind,
        not_before: at(NOW - 100 * DAY),
        not_after: at(NOW + 3650 * DAY),
    };
    self_signed("lab", &request, name == "CAPF").unwrap()
}

/// Certificates under the same names, each with a key of its own; the first of each is the one in force at the start.
struct Pool {
    recovery: Vec<Identity>,
    call_manager: Vec<Identity>,
    capf: Vec<Identity>,
    tvs: Vec<Identity>,
    tls: Vec<Identity>,
}

fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        let some = |name: &str, kind: KeyKind, count: usize| (0..count).map(|_| make(name, kind)).collect();
        Pool {
            recovery: some("ITLRecovery", KeyKind::Rsa2048, 3),
            call_manager: some("CallManager", KeyKind::Rsa2048, 3),
            capf: some("CAPF", KeyKind::P256, 4),
            tvs: some("TVS", KeyKind::P256, 4),
            tls: some("cucm1", KeyKind::P256, 4),
        }
    })
}

/// A call manager that goes through changes.
#[derive(Clone, Debug, Default)]
struct Manager {
    /// How often each was renewed: recovery, call manager, CAPF, TVS, TLS.
    renewed: [usize; 5],
    /// Which CAPF there is of before.
    before: [Option<usize>; 4],
    also: Option<usize>,
    mode: Mode,
    has_ctl: bool,
}

fn leaf(identity: &Identity) -> Certificate {
    Certificate::from_der(&identity.chain_der()[0]).unwrap()
}

fn nth(of: &[Identity], at: usize) -> &Identity {
    &of[at % of.len()]
}

impl Manager {
    fn new() -> Manager {
        Manager { has_ctl: true, ..Manager::default() }
    }

    fn services(&self) -> Services {
        let (pool, [recovery, call_manager, capf, tvs, tls]) = (pool(), self.renewed);
        let mut before = Vec::new();
        let rows = [
            (self.before[0], &pool.call_manager, Function::CallManagerAndTftp),
            (self.before[1], &pool.capf, Function::Capf),
            (self.before[2], &pool.tvs, Function::Tvs),
            (self.before[3], &pool.recovery, Function::Sast),
        ];
        for (held, of, function) in rows {
            before.extend(held.map(|held| (leaf(nth(of, held)), function)));
        }
        Services {
            host: "cucm1".into(),
            address: [127, 0, 0, 1].into(),
            recovery: Signer::new(nth(&pool.recovery, recovery)).unwrap(),
            call_manager: Signer::new(nth(&pool.call_manager, call_manager)).unwrap(),
            tls: leaf(nth(&pool.tls, tls)),
            also: self.also.map(|also| leaf(nth(&pool.tls, also))).into_iter().collect(),
            capf: leaf(nth(&pool.capf, capf)),
            tvs: leaf(nth(&pool.tvs, tvs)),
            before,
            digest: Digest::Sha512,
        }
    }

    /// The certificate that a renewal would make.
    fn made(&self, change: &Change) -> Option<&'static Identity> {
        let (pool, [recovery, call_manager, capf, tvs, tls]) = (pool(), self.renewed);
        let Change::Renew(which) = change else { return None };
        Some(match which {
            Which::Recovery => nth(&pool.recovery, recovery + 1),
            Which::CallManager => nth(&pool.call_manager, call_manager + 1),
            Which::Capf => nth(&pool.capf, capf + 1),
            Which::Tvs => nth(&pool.tvs, tvs + 1),
            Which::Tftp | Which::Ca => nth(&pool.tls, tls + 1),
        })
    }

    fn standing(&self, change: Option<&Change>, timestamp: u32) -> Standing {
        let now = (self.mode, self.has_ctl);
        match change {
            Some(change) => Standing::after(self.services(), now, change, self.made(change), timestamp).unwrap(),
            None => Standing::of(&self.services(), self.mode, self.has_ctl, timestamp).unwrap(),
        }
    }

    fn change(&mut self, change: &Change) {
        let place = |which: Which| match which {
            Which::Recovery => (0, Some(3)),
            Which::CallManager => (1, Some(0)),
            Which::Capf => (2, Some(1)),
            Which::Tvs => (3, Some(2)),
            Which::Tftp | Which::Ca => (4, None),
        };
        match change {
            Change::Renew(which) => {
                let (at, before) = place(*which);
                if at == 4 {
                    self.also = Some(self.renewed[4]);
                }
                if let Some(before) = before {
                    self.before[before] = Some(self.renewed[at]);
                }
                self.renewed[at] += 1;
            }
            Change::SetMode(mode) => {
                self.mode = *mode;
                self.has_ctl |= *mode == Mode::Mixed;
            }
            Change::RemoveRoot(Root::CapfBefore) => self.before[1] = None,
            Change::RemoveRoot(_) => {}
        }
    }

    /// Who signs configuration once `change` is made.
    fn signs(&self, change: &Change) -> Signer {
        let mut services = self.services();
        if let (Change::Renew(which), Some(made)) = (change, self.made(change)) {
            services.renew(*which, made).unwrap();
        }
        services.call_manager
    }

    fn lsc(&self) -> Vec<u8> {
        let capf = nth(&pool().capf, self.renewed[2]);
        let ca = Ca::from_pem(&capf.chain_pem(), &capf.key_pem()).unwrap();
        let spki = trust::generate_key(KeyKind::P256).unwrap().1;
        let (not_before, not_after) = (at(NOW - DAY), at(NOW + 365 * DAY));
        ca.issue_lsc(&LscRequest { device: DEVICE.into(), spki, not_before, not_after }).unwrap()
    }
}

/// A phone as it starts, without its sockets: what it does not believe ends it.
fn start(phone: &mut Holding, known: &Known, now: &Standing, signs: &Signer) -> Result<(), String> {
    for list in std::iter::once(&now.itl).chain(&now.ctl) {
        if let Outcome::Ask(signer) = phone.offer(list.octets()).map_err(|error| error.to_string())? {
            if !phone.certificates(Function::Tvs).contains(&&now.tvs) {
                return Err("TVS shows another certificate".into());
            }
            let request = tvs::ask_verify(1, DEVICE, &signer);
            let answer = now.directory.answer(&request, NOW).unwrap();
            match Answer::read(&request, &answer).unwrap() {
                Answer::Trusted { functions, .. } if functions.contains(&Function::Sast) => {}
                _ => return Err("TVS does not vouch".into()),
            }
            phone.offer_vouched(list.octets(), &signer).map_err(|error| error.to_string())?;
        }
    }
    let file = sign_file(CONFIGURATION, b"<device/>", signs, Digest::Sha512, NOW as u32, Names::Equipment).unwrap();
    let file = SignedFile::parse(&file).unwrap();
    phone.believe(&file, CONFIGURATION).map_err(|error| error.to_string())?;
    if !known.secure && !known.enrols {
        return Ok(());
    }
    if !phone.certificates(Function::Capf).contains(&&now.capf) {
        return Err("CAPF shows another certificate".into());
    }
    if !known.secure {
        return Ok(());
    }
    let ctl = phone.list(Kind::Ctl).filter(|_| now.mode == Mode::Mixed).ok_or("told not to be secure")?;
    if !ctl.of(Function::CallManagerAndTftp).any(|record| record.certificate() == Some(&now.shows)) {
        return Err("the call manager shows another certificate".into());
    }
    match (&known.proof, known.enrols) {
        (Proof::SiteCertificate, _) if now.believes_ca => Ok(()),
        (Proof::SiteCertificate, _) => Err("refused by its certificate".into()),
        (Proof::Lsc(None), false) => Err("no certificate".into()),
        (_, true) | (Proof::Digest(None), _) => Ok(()),
        (Proof::Lsc(Some(lsc)) | Proof::Digest(Some(lsc)), false) => {
            let verified = trust::verify_chain(std::slice::from_ref(lsc), &now.authorities, at(NOW));
            verified.map(|_| ()).map_err(|refusal| refusal.cause)
        }
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => proptest::sample::select(Which::ALL.to_vec()).prop_map(Change::Renew),
        2 => proptest::bool::ANY.prop_map(|on| Change::SetMode(if on { Mode::Mixed } else { Mode::NonSecure })),
        2 => proptest::sample::select(vec![Root::Ca, Root::Capf, Root::CapfBefore]).prop_map(Change::RemoveRoot),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Proves {
    Lsc,
    NoLsc,
    Site,
    Digest,
}

/// Whether the phone reads lists before the next change, and which of the two.
type Reads = (bool, bool);

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn a_verdict_is_what_becomes_of_the_phone(
        history in proptest::collection::vec((any_change(), any::<Reads>()), 0..6),
        first in any::<Reads>(),
        last in any_change(),
        proves in proptest::sample::select(vec![Proves::Lsc, Proves::Lsc, Proves::NoLsc, Proves::Site, Proves::Digest]),
        (secure, enrols) in any::<(bool, bool)>(),
    ) {
        let mut manager = Manager::new();
        let (mut phone, mut lsc, mut clock) = (Holding::default(), None, NOW as u32 - 1000);
        let mut read = |manager: &Manager, (itl, ctl): Reads, clock: u32| {
            let now = manager.standing(None, clock);
            let wanted = std::iter::once(&now.itl).filter(|_| itl).chain(now.ctl.iter().filter(|_| ctl));
            for list in wanted {
                // One that it does not believe it does not take: it holds what it held.
                let _ = phone.offer(list.octets());
            }
            if itl && ctl && lsc.is_none() {
                lsc = Some(manager.lsc());
            }
        };
        read(&manager, first, clock);
        for (change, reads) in &history {
            clock += 10;
            manager.change(change);
            read(&manager, *reads, clock);
        }
        let proof = match proves {
            Proves::Lsc => Proof::Lsc(lsc),
            Proves::NoLsc => Proof::Lsc(None),
            Proves::Site => Proof::SiteCertificate,
            Proves::Digest => Proof::Digest(lsc),
        };
        let known = Known { device: DEVICE.into(), holding: Some(phone.clone()), proof, secure, enrols };
        let after = manager.standing(Some(&last), clock + 10);
        let verdict = rehearse(&known, &after, NOW);
        let became = start(&mut phone, &known, &after, &manager.signs(&last));
        match (&verdict, &became) {
            (Verdict::Keeps(_), Ok(())) | (Verdict::Lost(_), Err(_)) => {}
            other => prop_assert!(false, "{other:?} after {history:?} and then {last}"),
        }
    }
}

fn phone_of(manager: &Manager) -> Known {
    let now = manager.standing(None, NOW as u32 - 500);
    let holding = Holding::of([now.itl, now.ctl.unwrap()]);
    Known {
        device: DEVICE.into(),
        holding: Some(holding),
        proof: Proof::Lsc(Some(manager.lsc())),
        secure: true,
        enrols: false,
    }
}

fn lost(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Lost(losses) => losses.iter().map(Loss::to_string).collect::<Vec<_>>().join("; "),
        other => format!("{other:?}"),
    }
}

#[test]
fn one_renewal_loses_nobody_who_read_todays_lists() {
    let manager = Manager::new();
    let phone = phone_of(&manager);
    for which in [Which::CallManager, Which::Tvs, Which::Capf, Which::Tftp, Which::Ca] {
        let after = manager.standing(Some(&Change::Renew(which)), NOW as u32);
        assert_eq!(rehearse(&phone, &after, NOW), Verdict::Keeps(How::ByNewLists), "{which:?}");
    }
    let after = manager.standing(Some(&Change::Renew(Which::Recovery)), NOW as u32);
    assert_eq!(rehearse(&phone, &after, NOW), Verdict::Keeps(How::ByTvs), "TVS, which it knows, vouches");
    let after = manager.standing(Some(&Change::SetMode(Mode::Mixed)), NOW as u32);
    assert_eq!(rehearse(&phone, &after, NOW), Verdict::Keeps(How::AsItIs), "it is on already");
}

/// The classic trap: whoever signs lists and whoever could vouch for it, both renewed while a phone was off.
#[test]
fn the_trap_is_told_with_both_names() {
    let mut manager = Manager::new();
    let phone = phone_of(&manager);
    manager.change(&Change::Renew(Which::Tvs));
    let after = manager.standing(Some(&Change::Renew(Which::Recovery)), NOW as u32);
    let words = lost(&rehearse(&phone, &after, NOW));
    assert!(words.contains("ITLRecovery") && words.contains("the TVS that could vouch"), "{words}");
    // One that has read the lists in between comes through.
    assert_eq!(rehearse(&phone_of(&manager), &after, NOW), Verdict::Keeps(How::ByTvs));
}

#[test]
fn what_else_keeps_a_phone_out_is_told() {
    let mut manager = Manager::new();
    let phone = phone_of(&manager);
    let after = |manager: &Manager, change: &Change| manager.standing(Some(change), NOW as u32);
    let off = Change::SetMode(Mode::NonSecure);
    assert_eq!(rehearse(&phone, &after(&manager, &off), NOW), Verdict::Lost(vec![Loss::NoSecurity]));
    let plain = Known { secure: false, ..phone.clone() };
    assert!(
        matches!(rehearse(&plain, &after(&manager, &off), NOW), Verdict::Keeps(_)),
        "it is none that would lose it"
    );
    manager.change(&Change::Renew(Which::Capf));
    let gone = after(&manager, &Change::RemoveRoot(Root::CapfBefore));
    let words = lost(&rehearse(&phone, &gone, NOW));
    assert!(words.contains("issued by an authority that is believed no more"), "{words}");
    let renewed = Known { enrols: true, ..phone.clone() };
    assert!(matches!(rehearse(&renewed, &gone, NOW), Verdict::Keeps(_)), "it gets another when it comes");
    let today = manager.standing(None, NOW as u32);
    let words = lost(&rehearse(&phone, &today, NOW + 400 * DAY));
    assert!(words.contains("has expired"), "{words}");
    let stranger = Known { holding: None, ..phone };
    assert_eq!(rehearse(&stranger, &today, NOW), Verdict::Unknown);
}

#[test]
fn changes_are_typed_and_told_in_the_same_words() {
    let split = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for words in ["renew tvs", "renew itlrecovery", "mixed-mode off", "remove-root capf.previous"] {
        assert_eq!(Change::parse(&split(words)).unwrap().to_string(), words);
    }
    for words in ["renew tomcat", "renew", "mixed-mode maybe", "remove-root x"] {
        assert!(Change::parse(&split(words)).unwrap_err().contains("renew callmanager|tvs"), "{words}");
    }
}
