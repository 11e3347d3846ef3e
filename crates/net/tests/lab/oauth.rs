//! Phones that register by a token, over real sockets: what each token comes to, and that neither certificate nor mixed mode
//! is needed.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use trust::{Audience, Claims, KeyKind, TokenIssuer};

use super::*;

/// Phone 1001 has a profile that enables OAuth, and belongs to amber; 1002 proves itself by digest. The customer's identity
/// provider is believed beside the built-in issuer.
fn site(network: &str, mode: Option<u8>) -> String {
    let text = LAB.replace("127.18.133.", network);
    let secret = "digest_secret = \"lab-1001-secret\"\n";
    assert!(text.contains(secret));
    let text = text.replace(secret, "device_security_profile = \"soft phones\"\nowner = \"amber\"\n");
    let services = mode.map(|mode| {
        format!("[node.role.call_manager.phone_services]\ncluster_security_mode = {mode}\ntftp_port = 6969\n")
    });
    format!(
        "{text}\n[node.role.call_manager.oauth]\n[[node.role.call_manager.oauth.identity_provider]]\n\
         issuer = \"https://idp.example\"\nkey_set = \"idp\"\n{}\
         [[node.role.call_manager.phone_security_profile]]\nname = \"soft phones\"\n\
         enable_oauth_authentication = true\n",
        services.unwrap_or_default()
    )
}

fn key() -> TokenIssuer {
    TokenIssuer::from_pem(&trust::generate_key(KeyKind::P256).unwrap().0).unwrap()
}

/// The lab, and the identity provider's key.
fn start(network: &'static str, mode: Option<u8>) -> (Lab, TokenIssuer) {
    let provider = key();
    let lab = Lab::with(network, &site(network, mode), |dir| {
        std::fs::create_dir(dir.join("idp")).unwrap();
        std::fs::write(dir.join("idp/keys.json"), provider.key_set()).unwrap();
    });
    (lab, provider)
}

fn data(lab: &Lab) -> store::DataDir {
    store::DataDir::open(&lab.dir).unwrap()
}

fn issue(lab: &Lab, life: u64) -> (String, store::IssuedToken) {
    let node = lab.site.node("cucm1").unwrap();
    let life = Some(Duration::from_secs(life));
    data(lab).issue_token(node, "SEP000000001001", life, "test", SystemTime::now()).unwrap()
}

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64
}

/// What the identity provider says of amber.
fn claims() -> Claims {
    Claims {
        iss: "https://idp.example".into(),
        sub: "amber".into(),
        aud: Audience::One("cucm1.lab.example".into()),
        exp: now() + 600,
        nbf: None,
        iat: None,
        jti: Some("idp-1".into()),
    }
}

/// The agent's phone, without a certificate.
fn agent(lab: &mut Lab, token: &str, port: u16) -> NodeHandle {
    let mut server = lab.secure("cucm1");
    server.addr.set_port(port);
    let mut plan = Plan::new("1001", &server);
    plan.registration =
        Some(Registration { expires: Duration::from_secs(600), user: "1001".into(), secret: Secret::token(token) });
    plan.answer_after = Some(Duration::from_millis(200));
    plan.say = Some(Say { prompt: "agent".into(), repeat: true });
    let papers = Papers { identity: None, roots_pem: data(lab).roots_pem().unwrap() };
    lab.phone("1001", SocketAddr::new(lab.address(75), 0), server, plan, papers)
}

fn registered(at: &Receiver<Journal>, yes: bool) {
    wait(at, "a registration or its end", |line| {
        matches!(line, Journal::Registered { registered, .. } if *registered == yes).then_some(())
    });
}

fn registrations(lab: &Lab) -> Vec<roles::Registration> {
    match lab.process.node("cucm1").unwrap().control_blocking(Control::Registrations) {
        Reply::Registrations(list) => list,
        other => panic!("{other:?}"),
    }
}

/// A caller talks to the agent, both with SRTP where the call manager's legs say by what the phone was let in.
fn talk(lab: &mut Lab, token: &str) {
    let phone = agent(lab, token, 5090);
    let (at_phone, at_manager) = (phone.watch(), lab.process.node("cucm1").unwrap().watch());
    if registrations(lab).is_empty() {
        registered(&at_manager, true);
    }
    let listed = registrations(lab);
    assert_eq!((listed.len(), listed[0].admitted_by.as_str(), &listed[0].certificate), (1, "oauth", &None));
    let call_server = lab.process.node("cvp1").unwrap();
    assert_eq!(call_server.control_blocking(Control::AgentReady { agent: "1001".into() }), Reply::Done);
    let carrier = lab.carrier();
    let at_carrier = carrier.watch();
    dial(&carrier);
    wait(&at_carrier, "the voice browser's answer", connected);
    carrier.control_blocking(Control::Press { digits: "1".into() });
    wait(&at_phone, "the agent's call, with media", |line| {
        connected(line).filter(|leg| leg.media.as_ref().is_some_and(|media| !media.suite.is_empty()))
    });
    match phone.control_blocking(Control::Lock) {
        Reply::Lock(lock) => assert!(lock.locked, "{lock:?}"),
        other => panic!("{other:?}"),
    }
    carrier.control_blocking(Control::HangUp);
    let leg = wait(&at_manager, "the phone's leg at the call manager", |line| match line {
        Journal::Leg(leg) if leg.signalling.admitted_by == "oauth" => Some((**leg).clone()),
        _ => None,
    });
    assert!(leg.signalling.tls.as_ref().is_some_and(|tls| !tls.mutual) && leg.signalling.peer.is_none(), "{leg:?}");
    assert!(leg.unlocked_because().is_none() && leg.passed.is_some_and(|passed| passed.is_secure()));
}

fn refusal(lab: &Lab, token: &str) -> roles::RefusalRecord {
    let manager = lab.process.node("cucm1").unwrap();
    let at_manager = manager.watch();
    let before = manager.refusals().len();
    let answer = register(lab, 5090, token);
    assert!(answer.starts_with("SIP/2.0 401 "), "{answer}");
    assert!(
        answer.contains("WWW-Authenticate: Bearer realm=\"lab.example\",authz_server=\"https://idp.example\""),
        "{answer}"
    );
    assert_eq!(answer.contains("error=\"invalid_token\""), !token.is_empty(), "{answer}");
    if manager.refusals().len() == before {
        wait(&at_manager, "the refusal", |line| matches!(line, Journal::Refused(_)).then_some(()));
    }
    let record = manager.refusals().pop().expect("a refusal");
    assert!(token.is_empty() || !format!("{record:?}").contains(token));
    record
}

/// What HTTP answers, head and body.
fn get(mut stream: impl Read + Write, path: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: cucm1\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    // Whoever closes without a last word of TLS has said all that HTTP has to say.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// A TLS client without a certificate, who knows the lab's authority.
fn anonymous(lab: &Lab) -> rustls::ClientConnection {
    let server = lab.secure("cucm1");
    let roots = data(lab).roots_pem().unwrap();
    let both = trust::tls::Versions { tls12: true, tls13: true };
    let config = trust::tls::client_without_certificate(&roots, both, &server.names).unwrap();
    let name = rustls_pki_types::ServerName::IpAddress(server.addr.ip().into());
    rustls::ClientConnection::new(config, name).unwrap()
}

/// REGISTER of 1001 over a connection of its own without a certificate: the answer's octets.
fn register(lab: &Lab, port: u16, token: &str) -> String {
    let host = lab.address(3);
    let mut tls = anonymous(lab);
    let mut tcp = std::net::TcpStream::connect((host, port)).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
    let credentials = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let text = format!(
        "REGISTER sip:{host} SIP/2.0\r\nVia: SIP/2.0/TLS {host}:40000;branch=z9hG4bK{}\r\nMax-Forwards: 70\r\n\
         From: <sip:1001@{host}>;tag=a\r\nTo: <sip:1001@{host}>\r\nCall-ID: {}\r\nCSeq: 1 REGISTER\r\n\
         Contact: <sip:1001@{host}:40000;transport=tls>\r\n{credentials}Content-Length: 0\r\n\r\n",
        token.len(),
        now()
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut octets = [0; 2048];
        let got = stream.read(&mut octets).unwrap();
        answer.extend_from_slice(&octets[..got]);
        assert!(got > 0, "{}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).unwrap()
}

/// Contract 81, 198, 244: an encrypted phone with a token, without LSC, CAPF or mixed mode, on port 5090.
#[test]
fn a_phone_without_a_certificate_registers_by_a_token_on_5090_and_its_call_is_locked() {
    let (mut lab, _) = start("127.41.51.", None);
    let (token, _) = issue(&lab, 600);
    talk(&mut lab, &token);
    let manager = lab.process.node("cucm1").unwrap();
    assert!(manager.refusals().is_empty(), "{:?}", manager.refusals());
    let door = manager.connections().open.into_iter().find(|open| open.local.port() == 5090).expect("its connection");
    assert!(door.peer.is_none() && door.tls.is_some(), "{door:?}");
    // What passed can be looked at, the token apart.
    let trace: Vec<String> = manager.trace().into_iter().map(|entry| entry.text).collect();
    assert!(trace.iter().any(|text| text.contains("Authorization: Bearer …")), "{trace:#?}");
    for part in token.split('.') {
        assert!(trace.iter().all(|text| !text.contains(part)));
    }
    lab.end();
}

/// Contract 197.
#[test]
fn a_token_is_enough_in_mixed_mode_and_without_it() {
    for (network, mode) in [("127.41.52.", 0), ("127.41.53.", 1)] {
        let (mut lab, provider) = start(network, Some(mode));
        let station = lab.process.phone_services()[0].station();
        assert_eq!(station.mode() == phones::Mode::Mixed, mode == 1);
        // The phone is told to be secure and where to, in either mode, by anybody who serves it.
        let address = lab.address(3);
        let file = |name: &str| get(std::net::TcpStream::connect((address, 6970)).unwrap(), &format!("/{name}"));
        let told = file("SEP000000001001.cnf.xml");
        for words in ["<securedSipPort>5090</securedSipPort>", "<deviceSecurityMode>3</deviceSecurityMode>"] {
            assert!(told.contains(words), "{mode}: {told}");
        }
        assert!(file("SEP000000001002.cnf.xml").contains("<securedSipPort>5061</securedSipPort>"));
        // Others may believe the built-in issuer by what it publishes, and not in clear.
        let set = data(&lab).token_key_set("cucm1").unwrap();
        let mut tls = anonymous(&lab);
        let mut tcp = std::net::TcpStream::connect((address, 6971)).unwrap();
        let published = get(rustls::Stream::new(&mut tls, &mut tcp), "/.well-known/jwks.json");
        assert!(published.contains("application/jwk-set+json") && published.ends_with(&set), "{published}");
        assert!(file(".well-known/jwks.json").starts_with("HTTP/1.1 404 "));
        talk(&mut lab, &provider.issue(&claims()).unwrap());
        lab.end();
    }
}

#[test]
fn each_token_that_is_not_good_is_refused_by_its_cause() {
    let (lab, provider) = start("127.41.54.", None);
    let made = |claims: Claims| provider.issue(&claims).unwrap();
    let good = made(claims());
    let (_, rest) = good.split_once('.').unwrap();
    let mut tampered = good.clone();
    let last = if tampered.ends_with("AA") { "BB" } else { "AA" };
    tampered.replace_range(tampered.len() - 12..tampered.len() - 10, last);
    let built_in = Claims { iss: "https://cucm1.lab.example".into(), ..claims() };
    for (cause, token) in [
        ("no_token", String::new()),
        ("token_expired", made(Claims { exp: now() - 1, ..claims() })),
        ("token_not_yet", made(Claims { nbf: Some(now() + 600), ..claims() })),
        ("token_unknown_key", key().issue(&claims()).unwrap()),
    ] {
        assert_eq!(refusal(&lab, &token).refusal.cause, cause);
    }
    // So many wrong ones from one address are not listened to any more: the rest comes to another run of the node.
    lab.process.stop();
    let process = Process::start(&lab.site, &lab.dir, &[]).unwrap();
    let lab = Lab { process, ..lab };
    for (cause, token) in [
        // The provider may not speak for the built-in issuer.
        ("token_issuer", made(built_in)),
        ("token_audience", made(Claims { aud: Audience::One("elsewhere".into()), ..claims() })),
        ("token_owner", made(Claims { sub: "bob".into(), ..claims() })),
        ("token_signature", tampered),
    ] {
        assert_eq!(refusal(&lab, &token).refusal.cause, cause);
    }
    lab.process.stop();
    let process = Process::start(&lab.site, &lab.dir, &[]).unwrap();
    let lab = Lab { process, ..lab };
    data(&lab).revoke_tokens("idp-9", true, "lost", "test", SystemTime::now()).unwrap();
    let mut lab = lab;
    lab.process.refresh().unwrap();
    for (cause, token) in [
        ("token_algorithm", format!("eyJhbGciOiJub25lIn0.{}.", rest.split_once('.').unwrap().0)),
        ("token_malformed", "opaque".to_owned()),
        ("token_revoked", made(Claims { jti: Some("idp-9".into()), ..claims() })),
    ] {
        assert_eq!(refusal(&lab, &token).refusal.cause, cause);
    }
    // The right one at the wrong door.
    let answer = register(&lab, 5061, &good);
    assert!(answer.starts_with("SIP/2.0 403 "), "{answer}");
    assert!(register(&lab, 5090, &good).starts_with("SIP/2.0 200 "));
    lab.end();
}

#[test]
fn a_token_taken_back_and_a_key_withdrawn_end_registrations_in_the_running_process() {
    let (mut lab, provider) = start("127.41.55.", None);
    let manager = lab.process.node("cucm1").unwrap();
    let at_manager = manager.watch();
    let (token, issued) = issue(&lab, 600);
    let _first = agent(&mut lab, &token, 5090);
    registered(&at_manager, true);
    data(&lab).revoke_tokens(&issued.id, false, "lost", "test", SystemTime::now()).unwrap();
    let lines = lab.process.refresh().unwrap();
    assert!(lines.iter().any(|line| line.contains("taken back: 1")), "{lines:?}");
    registered(&at_manager, false);
    assert!(manager.refusals().iter().any(|record| record.refusal.cause == "token_revoked"));
    assert_eq!(lab.process.refresh().unwrap(), [""; 0], "what is in force already is no change");

    let good = provider.issue(&claims()).unwrap();
    assert!(register(&lab, 5090, &good).starts_with("SIP/2.0 200 "));
    // The provider's keys change under way, and a set that is none changes nothing.
    std::fs::write(lab.dir.join("idp/keys.json"), "{}").unwrap();
    assert!(format!("{:#}", lab.process.refresh().unwrap_err()).contains("keys.json"));
    assert!(register(&lab, 5090, &good).starts_with("SIP/2.0 200 "));
    let other = key();
    std::fs::write(lab.dir.join("idp/keys.json"), other.key_set()).unwrap();
    lab.process.refresh().unwrap();
    assert_eq!(refusal(&lab, &good).refusal.cause, "token_unknown_key");
    assert!(register(&lab, 5090, &other.issue(&claims()).unwrap()).starts_with("SIP/2.0 200 "));
    // And the built-in issuer's, at once.
    let (token, _) = issue(&lab, 600);
    let node = lab.site.node("cucm1").unwrap().clone();
    data(&lab).renew_token_key(&node, true, "test", SystemTime::now()).unwrap();
    lab.process.refresh().unwrap();
    assert_eq!(refusal(&lab, &token).refusal.cause, "token_unknown_key");
    assert!(register(&lab, 5090, &issue(&lab, 600).0).starts_with("SIP/2.0 200 "));
    lab.end();
}

#[test]
fn a_token_that_ends_takes_its_connection_with_it() {
    let (mut lab, _) = start("127.41.56.", None);
    let manager = lab.process.node("cucm1").unwrap();
    let at_manager = manager.watch();
    let _phone = {
        let (token, _) = issue(&lab, 3);
        agent(&mut lab, &token, 5090)
    };
    registered(&at_manager, true);
    assert!(registrations(&lab)[0].expires_s <= 3);
    registered(&at_manager, false);
    assert!(manager.refusals().iter().any(|record| record.refusal.cause == "token_expired"));
    assert_eq!(registrations(&lab), []);
    lab.end();
}

/// A provider of our own, of an authority of its own: its key can change, and it can be away.
struct Provider {
    issuer: String,
    root: String,
    key: Arc<Mutex<Option<TokenIssuer>>>,
}

impl Provider {
    fn start(address: &str) -> Provider {
        let ca = trust::Ca::create("corp", SystemTime::now()).unwrap();
        let listener = std::net::TcpListener::bind((address, 0)).unwrap();
        let issuer = format!("https://{}", listener.local_addr().unwrap());
        let key = Arc::new(Mutex::new(Some(key())));
        let (shown, at) = (key.clone(), issuer.clone());
        https::serve_https_as(&identity(&ca, address), listener, move |request| {
            let said = match (request.uri().path(), &*shown.lock().unwrap()) {
                ("/.well-known/openid-configuration", Some(_)) => {
                    format!("{{\"issuer\":\"{at}\",\"jwks_uri\":\"{at}/keys\"}}")
                }
                ("/keys", Some(key)) => key.key_set(),
                _ => return hyper::Response::builder().status(503).body(Default::default()).unwrap(),
            };
            hyper::Response::new(said.into())
        });
        Provider { issuer, root: ca.certificate_pem().to_owned(), key }
    }

    fn token(&self) -> String {
        let claims = Claims { iss: self.issuer.clone(), ..claims() };
        self.key.lock().unwrap().as_ref().unwrap().issue(&claims).unwrap()
    }
}

/// What the process is asked to read again, when it is.
fn fetched(lab: &mut Lab, errands: &mut tokio::sync::mpsc::Receiver<net::Errand>) -> Vec<String> {
    let errand = errands.blocking_recv().expect("an errand");
    let lines = lab.process.refresh().unwrap();
    let _ = errand.answer.send(Ok(lines.clone()));
    lines
}

#[test]
fn a_providers_keys_are_fetched_its_new_one_when_it_is_needed_and_while_it_is_away_those_of_before_are_good() {
    let provider = Provider::start("127.41.64.90");
    let row = format!("issuer = \"{}\"\nauthority = \"corp\"\n", provider.issuer);
    let text = site("127.41.64.", None).replace("issuer = \"https://idp.example\"\nkey_set = \"idp\"\n", &row);
    let root = provider.root.clone();
    let mut lab = Lab::with("127.41.64.", &text, |dir| std::fs::write(dir.join("roots/corp.pem"), root).unwrap());
    let mut errands = lab.process.errands().unwrap();
    let lines = fetched(&mut lab, &mut errands);
    assert_eq!(lines, ["cucm1: tokens read again; keys: 2, taken back: 0"]);
    let first = provider.token();
    assert!(register(&lab, 5090, &first).starts_with("SIP/2.0 200 "));

    // The first token by a new key brings that key.
    *provider.key.lock().unwrap() = Some(key());
    let second = provider.token();
    let answer = register(&lab, 5090, &second);
    assert!(answer.starts_with("SIP/2.0 503 ") && answer.contains("Retry-After: 5"), "{answer}");
    fetched(&mut lab, &mut errands);
    assert!(register(&lab, 5090, &second).starts_with("SIP/2.0 200 "));
    assert!(!register(&lab, 5090, &first).starts_with("SIP/2.0 200 "), "the one before was taken out of the set");

    // Away at a start: what was fetched last is in force, and a key that it never published is not.
    *provider.key.lock().unwrap() = None;
    lab.process.stop();
    let process = Process::start(&lab.site, &lab.dir, &[]).unwrap();
    let lab = Lab { process, ..lab };
    assert!(register(&lab, 5090, &second).starts_with("SIP/2.0 200 "));
    let forged = key().issue(&Claims { iss: provider.issuer.clone(), ..claims() }).unwrap();
    assert!(register(&lab, 5090, &forged).starts_with("SIP/2.0 503 "));
    assert!(register(&lab, 5090, &second).starts_with("SIP/2.0 200 "));
    lab.end();
}
