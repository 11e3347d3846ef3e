//! `ringfence phone …`: a headless phone on the terminal. What is typed is done, what happens is said, a line each.

use std::io::BufRead;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use admin::cli::Phone as Arguments;
use anyhow::{Context, ensure};
use call::record::{LegRecord, LegState};
use net::{NodeHandle, PhoneStart, Process, Provisioned, SecurePhone};
use roles::phone::{Plan, Record, Registration, Say, Secret};
use roles::{Control, Journal, PeerPlan, Reply};
use sdp::Protection;
use sip::Transport;

use super::{Outcome, wait_for};

/// Registrations are asked for this long; the phone refreshes them in time.
const EXPIRES: Duration = Duration::from_secs(600);

pub(crate) fn run(arguments: Arguments) -> Outcome {
    super::run::log();
    let mut process = Process::phones_only()?;
    let start = start(&arguments)?;
    let line = start.plan.node.clone();
    let phone = process.start_phone(start)?;
    let (happened, happenings) = channel();
    watch(&phone, happened.clone());
    listen(happened);
    println!("phone {line} is up; type dial NUMBER, press DIGITS, answer, hangup, quit");
    let mut said = String::new();
    for happening in happenings {
        match happening {
            Happening::Journal(entry) => {
                // A leg changes in more ways than a person at a terminal can see.
                if let Some(words) = words(&phone, &entry).filter(|words| *words != said) {
                    println!("{line} {words}");
                    said = words;
                }
            }
            Happening::Typed(line) if line.trim() == "quit" => break,
            Happening::Typed(line) => obey(&phone, line.trim()),
            Happening::InputEnded => break,
        }
    }
    phone.control_blocking(Control::HangUp);
    process.stop();
    Ok(ExitCode::SUCCESS)
}

enum Happening {
    Journal(Box<Journal>),
    Typed(String),
    InputEnded,
}

/// The phone's own journal and the keyboard meet in one channel, so that nothing is polled.
fn watch(phone: &NodeHandle, to: Sender<Happening>) {
    let journal = phone.watch();
    std::thread::spawn(move || journal.into_iter().all(|entry| to.send(Happening::Journal(Box::new(entry))).is_ok()));
}

fn listen(to: Sender<Happening>) {
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines();
        let heard = lines.map_while(Result::ok).all(|line| to.send(Happening::Typed(line)).is_ok());
        // Whoever reads the channel may have left already.
        let _ = to.send(Happening::InputEnded);
        heard
    });
}

fn start(arguments: &Arguments) -> anyhow::Result<PhoneStart> {
    ensure!(
        !arguments.address.is_unspecified(),
        "--address {}: expected the address that others reach this phone at: it stands in Contact and SDP",
        arguments.address
    );
    match arguments.tftp {
        Some(tftp) => secure(arguments, tftp),
        None => told(arguments),
    }
}

/// A phone that is told all by its arguments.
fn told(arguments: &Arguments) -> anyhow::Result<PhoneStart> {
    let transport = if arguments.dangerous_plain { Transport::Udp } else { Transport::Tls };
    ensure!(
        arguments.dangerous_plain
            || (arguments.server_name.is_some() && (arguments.identity.is_some() || arguments.root.is_some())),
        "a secure phone needs --tftp; or --server-name and --identity, or with a token --root; for a carrier's plain leg in a \
         lab say --dangerous-plain"
    );
    let token = token(arguments, arguments.root.is_some())?;
    ensure!(
        token.is_some() == arguments.root.is_some(),
        "--root is for a phone that registers by a token (--token, or RINGFENCE_TOKEN), and such a phone needs it"
    );
    let server = PeerPlan::new(
        "server",
        transport,
        arguments.server.context("--server is missing")?,
        arguments.server_name.iter().cloned().collect(),
    );
    let (identity, roots_pem) = match (&arguments.identity, &arguments.root) {
        (Some(folder), _) => identity(folder)?,
        (None, Some(root)) => (None, vec![read(root)?]),
        (None, None) => (None, Vec::new()),
    };
    let mut plan = plan(arguments, Plan::new(&arguments.line, &server))?;
    if arguments.dangerous_plain {
        plan.protection = Protection::DangerousPlainRtp;
    }
    let secret = token.map(Secret::token).or(arguments.secret.as_ref().map(Secret::new));
    plan.registration = secret.map(|secret| Registration { expires: EXPIRES, user: arguments.line.clone(), secret });
    Ok(started(arguments, plan, server, Papers { identity, roots_pem, pinned: Vec::new() }))
}

/// From a file or the environment (if it `may` have one), never from an argument: those can be seen by all.
fn token(arguments: &Arguments, may: bool) -> anyhow::Result<Option<String>> {
    let text = match &arguments.token {
        Some(file) => Some(read(file)?),
        None => std::env::var("RINGFENCE_TOKEN").ok().filter(|_| may),
    };
    let token = text.map(|text| text.trim().to_owned());
    // It goes into a header as it is.
    let good = |token: &String| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    ensure!(token.as_ref().is_none_or(good), "the token is none: expected what `ringfence token issue` printed");
    Ok(token)
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// A phone that is told nothing but who it is and where to ask: what it hears on its way is printed.
fn secure(arguments: &Arguments, tftp: SocketAddr) -> anyhow::Result<PhoneStart> {
    let device = arguments.device.as_deref().context("--tftp needs --device")?;
    let keep = arguments.keep.as_deref().context("--tftp needs --keep")?;
    let mut phone = SecurePhone::open(device, arguments.address, tftp, keep, &arguments.password)?;
    let token = token(arguments, true)?;
    if token.is_some() {
        phone = phone.by_token();
    }
    let Provisioned { line, digest, server_name, server, pinned, identity, heard } = wait_for(phone.start())?;
    for words in heard {
        println!("{device}: {words}");
    }
    let server = PeerPlan::new("server", Transport::Tls, server, vec![server_name]);
    let mut plan = plan(arguments, Plan::new(&line, &server))?;
    // Without digest its certificate is its proof: then no challenge comes that would need a secret.
    let (user, secret) = match token {
        Some(token) => (line.clone(), Secret::token(token)),
        None => digest.map_or_else(|| (line.clone(), Secret::new("")), |(user, secret)| (user, Secret::new(secret))),
    };
    plan.registration = Some(Registration { expires: EXPIRES, user, secret });
    // One authority, the trust list: whoever showed one of its certificates is vouched for by it.
    let roots_pem = vec![pinned.iter().map(|certificate| trust::certificate_pem(certificate)).collect::<String>()];
    Ok(started(arguments, plan, server, Papers { identity, roots_pem, pinned }))
}

/// Who a phone is, and by what it knows its server.
struct Papers {
    identity: Option<trust::Identity>,
    roots_pem: Vec<String>,
    pinned: Vec<Vec<u8>>,
}

fn started(arguments: &Arguments, plan: Plan, server: PeerPlan, papers: Papers) -> PhoneStart {
    let local = vec![(server.transport, SocketAddr::new(arguments.address, arguments.port))];
    let line = plan.line.clone();
    let plan = plan.of_node("phone", &line, local, server.clone());
    PhoneStart {
        address: arguments.address,
        listen: vec![(server.transport, arguments.port)],
        plan: plan.into(),
        peers: vec![server],
        identity: papers.identity,
        roots_pem: papers.roots_pem,
        pinned: papers.pinned,
        media_ports: (16384, 32766),
    }
}

/// What it does by itself.
fn plan(arguments: &Arguments, mut plan: Plan) -> anyhow::Result<Plan> {
    plan.answer_after = match arguments.answer_after {
        Some(seconds) => {
            Some(Duration::try_from_secs_f32(seconds).context("--answer-after: expected seconds, zero or more")?)
        }
        None => None,
    };
    plan.say = Some(Say { prompt: arguments.say.clone(), repeat: true });
    if let Some(folder) = &arguments.dangerous_record {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let file = |name: &str| folder.join(name).display().to_string();
        plan.record = Some(Record { heard: file("heard.wav"), said: file("said.wav") });
    }
    Ok(plan)
}

pub(super) fn identity(folder: &Path) -> anyhow::Result<(Option<trust::Identity>, Vec<String>)> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}; make it with `ringfence cert issue --out`", path.display()))
    };
    Ok((Some(trust::Identity::from_pem(&read("chain.pem")?, &read("key.pem")?)?), vec![read("root.pem")?]))
}

fn obey(phone: &NodeHandle, line: &str) {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let control = match verb {
        "" => return,
        "dial" => Control::Dial { number: rest.trim().into() },
        "press" => Control::Press { digits: rest.trim().into() },
        "answer" => Control::Answer,
        "hangup" => Control::HangUp,
        other => return println!("`{other}`: expected dial NUMBER, press DIGITS, answer, hangup or quit"),
    };
    if let Reply::Sorry(words) = phone.control_blocking(control) {
        println!("{verb}: {words}");
    }
}

/// What happened, in a line.
fn words(phone: &NodeHandle, entry: &Journal) -> Option<String> {
    Some(match entry {
        Journal::Registered { registered: true, .. } => "registered".into(),
        Journal::Registered { registered: false, .. } => "is not registered".into(),
        Journal::Changed(leg) => state(leg, phone),
        Journal::Leg(leg) => format!("ended: {}", leg.ended_because.as_deref().unwrap_or("no reason given")),
        Journal::Refused(refused) => format!("refused: {}", refused.refusal),
        Journal::Recorded { heard, said } => format!("recorded {heard} {said}"),
        Journal::Decision { .. }
        | Journal::Routed { .. }
        | Journal::Routing(_)
        | Journal::Desk(_)
        | Journal::KeysWanted { .. }
        | Journal::Audit { .. } => return None,
    })
}

fn state(leg: &LegRecord, phone: &NodeHandle) -> String {
    match leg.state {
        LegState::Calling => "calling".into(),
        LegState::Ringing => "ringing".into(),
        LegState::Ended => "hung up".into(),
        // Answered without an offer: the media comes with the ACK.
        LegState::Active | LegState::Connected if leg.media.is_none() => "answering".into(),
        LegState::Active | LegState::Connected => match phone.control_blocking(Control::Lock) {
            Reply::Lock(lock) if lock.locked => format!("connected 🔒 {}", proof(leg)),
            Reply::Lock(lock) => format!("connected, not secure: {}", lock.why.unwrap_or_default()),
            _ => "connected".into(),
        },
    }
}

/// What the lock stands for.
fn proof(leg: &LegRecord) -> String {
    let tls = leg.signalling.tls.clone().unwrap_or_default();
    let suite = leg.media.as_ref().map_or("", |media| media.suite.as_str());
    format!("{} {} {}, SRTP {suite}", tls.version, tls.suite, tls.group)
}
