//! XMPP over TLS and over WebSocket: log-in, events, presence that is lost, and what clients may not do.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::accounts::{Directory, NoPerson, Person, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::https::listen;
use crate::lab::{Lab, PASSWORD, PATIENCE, Stream, basic};

pub(crate) const DOMAIN: &str = "cvp1.lab.example";
const OPEN: &str = "<?xml version='1.0'?><stream:stream to='cvp1.lab.example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
const NODE: &str = "/finesse/api/User/1001";

/// A client that reads what it is sent as text.
struct Client {
    stream: Stream,
    heard: String,
}

impl Client {
    async fn connect(lab: &Lab) -> Client {
        Client::from(lab, [127, 0, 0, 1]).await
    }

    async fn from(lab: &Lab, address: [u8; 4]) -> Client {
        Client { stream: lab.connect_to(lab.desk.addresses.xmpp.unwrap(), address).await, heard: String::new() }
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// What came up to and with this; an error if the stream ends before.
    async fn until(&mut self, wanted: &str) -> Result<String, String> {
        let mut octets = vec![0; 4096];
        loop {
            if let Some(at) = self.heard.find(wanted) {
                let rest = self.heard.split_off(at + wanted.len());
                return Ok(std::mem::replace(&mut self.heard, rest));
            }
            let read = timeout(PATIENCE, self.stream.read(&mut octets)).await;
            match read.map_err(|_| format!("no {wanted} after {}", self.heard))? {
                Ok(0) | Err(_) => return Err(std::mem::take(&mut self.heard)),
                Ok(read) => self.heard.push_str(std::str::from_utf8(&octets[..read]).unwrap()),
            }
        }
    }

    async fn expect(&mut self, wanted: &str) -> String {
        self.until(wanted).await.unwrap_or_else(|heard| panic!("expected {wanted} before the end of {heard}"))
    }

    /// All that comes until the server ends the stream.
    async fn rest(&mut self) -> String {
        self.until("\0").await.expect_err("no zeros in XML")
    }

    /// The same where the server takes its time.
    async fn rest_within(&mut self, most: std::time::Duration) -> String {
        let mut said = Vec::new();
        let _ = timeout(most, self.stream.read_to_end(&mut said)).await.expect("it ends in time");
        std::mem::take(&mut self.heard) + std::str::from_utf8(&said).unwrap()
    }

    async fn log_in(lab: &Lab, agent: &str) -> Client {
        let mut client = Client::connect(lab).await;
        client.say(OPEN).await;
        client.expect("<mechanism>PLAIN</mechanism>").await;
        client.say(&auth(agent, PASSWORD)).await;
        client.expect("<success").await;
        client.say(OPEN).await;
        client.expect("<bind ").await;
        client.say(BIND).await;
        client.expect(&format!("<jid>{agent}@{DOMAIN}/desk</jid></bind></iq>")).await;
        client
    }

    /// Present: events come.
    async fn present(lab: &Lab, agent: &str) -> Client {
        let mut client = Client::log_in(lab, agent).await;
        client.say("<presence/>").await;
        client.expect(&format!("from='finesse@{DOMAIN}'")).await;
        client
    }
}

const BIND: &str =
    "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>desk</resource></bind></iq>";

pub(crate) fn auth(name: &str, password: &str) -> String {
    let encoded = STANDARD.encode(format!("\0{name}\0{password}"));
    format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{encoded}</auth>")
}

fn subscribe(verb: &str, node: &str, jid: &str) -> String {
    format!(
        "<iq type='set' id='s1' to='pubsub.{DOMAIN}'><pubsub xmlns='http://jabber.org/protocol/pubsub'><{verb} node='{node}' jid='{jid}'/></pubsub></iq>"
    )
}

const LOGIN: &str = "<state>LOGIN</state><extension>1001</extension>";

#[tokio::test]
async fn an_agents_events_come_as_pubsub_notifications() {
    let lab = Lab::start(21).await;
    let (_, info) = lab.ask("GET", "/finesse/api/SystemInfo", "", "").await;
    assert!(info.contains(&format!("<xmppDomain>{DOMAIN}</xmppDomain>")), "{info}");
    let mut events = listen(&lab, "1001", None).await;
    let mut client = Client::log_in(&lab, "1001").await;
    // Without presence nothing is told: what comes first afterwards is the second change.
    lab.put("1001", "", LOGIN).await;
    assert_eq!(events.state().await, "NOT_READY");
    client.say("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>").await;
    client.expect("id='r'").await;
    client.say("<presence><priority>-1</priority></presence><presence/>").await;
    client.expect("<presence ").await;
    lab.put("1001", "requestId: r-7\r\n", "<state>READY</state>").await;
    let message = client.expect("</message>").await;
    let (envelope, rest) = message.split_once("&lt;Update&gt;").expect("an Update");
    assert!(envelope.contains(&format!("from='pubsub.{DOMAIN}' to='1001@{DOMAIN}/desk'")), "{envelope}");
    assert!(
        envelope.contains(&format!("<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='{NODE}'>"))
    );
    assert!(envelope.ends_with("<notification xmlns='http://jabber.org/protocol/pubsub'>"), "{envelope}");
    assert!(rest.contains("&lt;state&gt;READY&lt;/state&gt;"), "{rest}");
    assert!(rest.contains("&lt;requestId&gt;r-7&lt;/requestId&gt;"), "{rest}");
    assert!(!message.contains("NOT_READY&lt;"), "{message}");

    // Two log-ins of one agent, and a stream of events: all hear the same.
    assert_eq!(events.state().await, "READY");
    let mut second = Client::present(&lab, "1001").await;
    lab.put("1001", "", "<state>NOT_READY</state>").await;
    for client in [&mut client, &mut second] {
        client.expect("&lt;state&gt;NOT_READY&lt;/state&gt;").await;
    }
    assert_eq!(events.state().await, "NOT_READY");

    // Unavailable: nothing comes until it is there again.
    client.say("<presence type='unavailable'/>").await;
    client.say("<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>").await;
    client.expect("id='p1'").await;
    lab.put("1001", "", "<state>READY</state>").await;
    second.expect("&lt;state&gt;READY&lt;/state&gt;").await;
    client.say("<presence/>").await;
    assert!(!client.expect("<presence ").await.contains("READY"));
    lab.put("1001", "", "<state>NOT_READY</state>").await;
    assert!(!client.expect("&lt;state&gt;NOT_READY&lt;/state&gt;").await.contains("state&gt;READY"));
    client.say("</stream:stream>").await;
    assert!(client.rest().await.ends_with("</stream:stream>"));
    lab.stop().await;
}

#[tokio::test]
async fn subscriptions_are_for_what_an_agent_may_see() {
    let lab = Lab::start(22).await;
    let mut client = Client::log_in(&lab, "1001").await;
    let (own, bare) = (format!("1001@{DOMAIN}/desk"), format!("1001@{DOMAIN}"));
    for (node, jid, answer) in [
        ("/finesse/api/Queue/sales", own.as_str(), "subscription='subscribed'"),
        ("/finesse/api/User/1001", &bare, "subscription='subscribed'"),
        ("/finesse/api/User/1001/Queues", &own, "subscription='subscribed'"),
        ("/finesse/api/User/1002", &own, "<forbidden "),
        ("/finesse/api/User/1002/Queues", &own, "<forbidden "),
        ("/finesse/api/Team/1/Users", &own, "<forbidden "),
        ("/finesse/api/Queue/none", &own, "<item-not-found "),
        ("&lt;", &own, "<item-not-found "),
        ("/finesse/api/Queue/sales", "1002@cvp1.lab.example", "<bad-request "),
    ] {
        client.say(&subscribe("subscribe", node, jid)).await;
        let said = client.expect("</iq>").await;
        assert!(said.contains(answer) && said.contains("id='s1'"), "{node}: {said}");
        assert!(said.contains(&format!("from='pubsub.{DOMAIN}'")), "{said}");
    }
    client.say(&subscribe("unsubscribe", "/finesse/api/Queue/sales", &own)).await;
    assert!(client.expect("</iq>").await.contains("type='result'"));
    client.say(&subscribe("unsubscribe", "/finesse/api/Queue/sales", &own)).await;
    assert!(client.expect("</iq>").await.contains("<unexpected-request "));
    for (asked, answer) in [
        ("<iq type='get' id='x'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>", "pubsub.cvp1"),
        ("<iq type='get' id='x'><query xmlns='jabber:iq:version'/></iq>", "<service-unavailable "),
        ("<iq type='get' id='x'/>", "<bad-request "),
        ("<iq type='maybe' id='x'><a/></iq>", "<bad-request "),
    ] {
        client.say(asked).await;
        assert!(client.expect("</iq>").await.contains(answer), "{asked}");
    }
    client.say("<message to='1002@cvp1.lab.example' id='m'><body>hello</body></message>").await;
    assert!(client.expect("</message>").await.contains("<service-unavailable "));
    lab.stop().await;
}

#[tokio::test]
async fn wrong_passwords_are_counted_with_those_of_rest() {
    let lab = Lab::start(23).await;
    let mut client = Client::connect(&lab).await;
    client.say(OPEN).await;
    for _ in 0..3 {
        client.say(&auth("1001", "wrong")).await;
        client.expect("<not-authorized/>").await;
    }
    assert!(client.rest().await.contains("<policy-violation "));
    for _ in 0..2 {
        lab.ask("GET", NODE, &basic("1001", "wrong"), "").await;
    }
    let mut client = Client::connect(&lab).await;
    client.say(OPEN).await;
    client.say(&auth("1001", PASSWORD)).await;
    let said = client.expect("</failure>").await;
    assert!(said.contains("<temporary-auth-failure/>") && said.contains("too many wrong passwords"), "{said}");
    for (auth, condition) in [
        ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'/>", "<invalid-mechanism/>"),
        ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>!</auth>", "<incorrect-encoding/>"),
    ] {
        client.say(auth).await;
        client.expect(condition).await;
    }
    client.rest().await;
    let mut client = Client::connect(&lab).await;
    client.say(OPEN).await;
    let other = STANDARD.encode(format!("1001\x001002\x00{PASSWORD}"));
    client.say(&format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{other}</auth>")).await;
    client.expect("<invalid-authzid/>").await;
    client.say(&auth("1002", PASSWORD)).await;
    client.expect("<success").await;
    lab.stop().await;
}

#[tokio::test]
async fn an_agent_whose_desk_is_gone_gets_no_more_calls() {
    let lab = Lab::start_with(24, "lost_after_s = 1").await;
    let (first, second) = (Client::present(&lab, "1001").await, Client::present(&lab, "1001").await);
    let mut watch = listen(&lab, "1002", None).await;
    for (agent, fields) in [("1001", LOGIN), ("1001", "<state>READY</state>")] {
        assert!(lab.put(agent, "", fields).await.0.starts_with("HTTP/1.1 202"));
    }
    // One of two goes: the agent stays as they are for longer than they would otherwise.
    drop(first);
    let until = Instant::now() + std::time::Duration::from_millis(2500);
    let _ = tokio::time::timeout_at(until, watch.next()).await;
    let (_, user) = lab.ask("GET", NODE, &basic("1001", PASSWORD), "").await;
    assert!(user.contains("<state>READY</state>"), "{user}");
    drop(second);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, user) = lab.ask("GET", NODE, &basic("1001", PASSWORD), "").await;
        if user.contains("<state>NOT_READY</state>") {
            assert!(user.contains("<code>50002</code>"), "{user}");
            break;
        }
        assert!(Instant::now() < deadline, "{user}");
    }
    lab.stop().await;
}

#[tokio::test]
async fn hostile_streams_are_told_and_ended() {
    let lab = Lab::start(25).await;
    let large = format!("{OPEN}<auth xmlns='{}'>", "x".repeat(70_000));
    let bomb = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'bbbb'><!ENTITY c '&b;&b;&b;'>]><stream:stream>";
    let deep = format!("{OPEN}{}", "<a>".repeat(100));
    for (text, condition) in [
        (large.as_str(), "policy-violation"),
        (bomb, "restricted-xml"),
        (&deep, "policy-violation"),
        ("GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
        (&format!("{OPEN}<iq></presence>"), "not-well-formed"),
        (&format!("{OPEN}<iq>&unknown;</iq>"), "not-well-formed"),
        (&format!("{OPEN}<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>"), "not-authorized"),
        (&OPEN.replace("to='cvp1.lab.example'", "to='elsewhere.example'"), "host-unknown"),
        (&OPEN.replace("jabber:client", "jabber:server"), "invalid-namespace"),
    ] {
        let mut client = Client::connect(&lab).await;
        client.say(text).await;
        let said = client.rest().await;
        assert!(
            said.contains(&format!("<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>")),
            "{text:.60}: {said}"
        );
    }
    // Logged in, and begins its stream a third time.
    let mut client = Client::log_in(&lab, "1001").await;
    client.say("<stream:stream xmlns='jabber:client'>").await;
    client.say(&"<a>".repeat(40)).await;
    assert!(client.rest().await.contains("<policy-violation "));
    lab.stop().await;
}

/// A stream's header that comes an octet at a time, or not at all; and a log-in that stops before the resource.
#[tokio::test]
async fn who_says_little_or_nothing_is_told_why_it_ends_and_keeps_nobody_out() {
    let lab = Lab::start(28).await;
    let silent = async {
        let said = Client::connect(&lab).await.rest_within(3 * PATIENCE).await;
        assert!(said.contains("<connection-timeout "), "{said}");
    };
    let half_way = async {
        let mut client = Client::connect(&lab).await;
        client.say(OPEN).await;
        client.expect("<mechanism>PLAIN</mechanism>").await;
        let said = client.rest_within(3 * PATIENCE).await;
        assert!(said.contains("<connection-timeout "), "{said}");
    };
    let trickling = async {
        let mut client = Client::connect(&lab).await;
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(300));
        let mut letters = OPEN.bytes();
        let (mut octets, mut said) = (vec![0; 4096], String::new());
        loop {
            tokio::select! {
                _ = pace.tick() => {
                    let letter = letters.next().expect("it is let go long before its header is out");
                    if client.stream.write_all(&[letter]).await.is_err() {
                        break;
                    }
                }
                read = client.stream.read(&mut octets) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(read) => said.push_str(std::str::from_utf8(&octets[..read]).unwrap()),
                }
            }
        }
        assert!(said.contains("<policy-violation ") && said.contains("longer than 10 s"), "{said}");
    };
    let others = async {
        let mut client = Client::present(&lab, "1001").await;
        lab.put("1001", "", LOGIN).await;
        client.expect("&lt;state&gt;NOT_READY&lt;/state&gt;").await;
    };
    tokio::join!(silent, half_way, trickling, others);
    lab.stop().await;
}

#[tokio::test]
async fn a_thousand_who_do_not_log_in_keep_nobody_out() {
    let lab = Lab::start(26).await;
    let mut half_open = Vec::new();
    for source in 1..=3 {
        for _ in 0..400 {
            let mut client = Client::from(&lab, [127, 0, 9, source]).await;
            client.say(OPEN).await;
            half_open.push(client);
        }
    }
    // The first of them made room for the last.
    assert!(half_open[0].rest().await.contains("<policy-violation "), "the oldest is let go");
    half_open.last_mut().unwrap().expect("<mechanism>PLAIN</mechanism>").await;
    let mut client = Client::present(&lab, "1001").await;
    lab.put("1001", "", LOGIN).await;
    client.expect("&lt;state&gt;NOT_READY&lt;/state&gt;").await;
    drop(half_open);
    lab.stop().await;
}

#[tokio::test]
async fn a_browser_hears_its_events_by_websocket() {
    let lab = Lab::start(27).await;
    let mut socket = Socket::open(&lab).await;
    let open = format!("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{DOMAIN}' version='1.0'/>");
    socket.say(&open).await;
    assert!(socket.next().await.starts_with("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'"));
    assert!(socket.next().await.contains("<mechanism>PLAIN</mechanism>"));
    socket.say(&auth("1001", PASSWORD)).await;
    assert!(socket.next().await.starts_with("<success"));
    socket.say(&open).await;
    assert!(socket.next().await.starts_with("<open"));
    assert!(socket.next().await.contains("<bind "));
    socket.say(&BIND.replace("<iq ", "<iq xmlns='jabber:client' ")).await;
    assert!(socket.next().await.contains("<jid>1001@"));
    socket.say("<presence xmlns='jabber:client'/>").await;
    assert!(socket.next().await.starts_with("<presence"));
    lab.put("1001", "", LOGIN).await;
    let message = socket.next().await;
    assert!(message.starts_with("<message ") && message.contains("&lt;state&gt;NOT_READY"), "{message}");
    socket.say("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>").await;
    assert!(socket.next().await.starts_with("<close "));
    lab.stop().await;
}

/// A WebSocket whose masks are zeros, so that what it says is legible.
struct Socket {
    stream: Stream,
}

impl Socket {
    async fn open(lab: &Lab) -> Socket {
        let mut stream = lab.connect_to(lab.desk.addresses.web.unwrap(), [127, 0, 0, 1]).await;
        let request = "GET /ws/ HTTP/1.1\r\nhost: desk\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: xmpp\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Socket { stream }
    }

    async fn say(&mut self, text: &str) {
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend((text.len() as u16).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next message of text.
    async fn next(&mut self) -> String {
        let read = async {
            loop {
                let (first, second) = (self.stream.read_u8().await.unwrap(), self.stream.read_u8().await.unwrap());
                let len = match second {
                    126 => usize::from(self.stream.read_u16().await.unwrap()),
                    len => usize::from(len),
                };
                let mut payload = vec![0; len];
                self.stream.read_exact(&mut payload).await.unwrap();
                if first == 0x81 {
                    return String::from_utf8(payload).unwrap();
                }
            }
        };
        timeout(PATIENCE, read).await.expect("a message in time")
    }
}

struct Few;

impl Directory for Few {
    fn log_in(&self, name: &str, password: &str) -> Result<Person, NoPerson> {
        match (name, password) {
            ("ada", PASSWORD) => Ok(Person { role: Role::Agent, agent: Some("1001".into()) }),
            ("eve", _) => Err(NoPerson::NoRole("no group of hers".into())),
            ("bob", _) => Err(NoPerson::Unavailable("ldaps://where.it.is".into())),
            _ => Err(NoPerson::Nobody),
        }
    }

    fn find(&self, name: &str) -> Result<Person, NoPerson> {
        self.log_in(name, PASSWORD)
    }
}

#[tokio::test]
async fn people_of_a_directory_come_in_by_each_door_of_the_desk() {
    let lab = Lab::start(29).await;
    starts(&lab, "ada", "401", "name or password is wrong").await;
    lab.accounts.replace_directory(Some(Arc::new(Few)));
    starts(&lab, "ada", "200", "<loginId>1001</loginId>").await;
    starts(&lab, "eve", "403", "no group of hers").await;
    starts(&lab, "nobody", "401", "name or password is wrong").await;
    let mut events = listen(&lab, "ada", None).await;
    let mut client = Client::present(&lab, "ada").await;
    lab.put("1001", "", LOGIN).await;
    assert_eq!(events.state().await, "NOT_READY");
    client.expect("NOT_READY").await;
    for (name, condition) in [("eve", "<not-authorized/>"), ("bob", "<temporary-auth-failure/>")] {
        let mut client = Client::connect(&lab).await;
        client.say(OPEN).await;
        client.expect("<mechanism>PLAIN</mechanism>").await;
        client.say(&auth(name, PASSWORD)).await;
        client.expect(condition).await;
    }
    // Where it is, is nobody's business.
    let body = starts(&lab, "bob", "503", "the directory does not answer").await;
    assert!(!body.contains("where.it.is"), "{body}");
    starts(&lab, "1001", "200", "<loginId>1001</loginId>").await;
    lab.stop().await;
}

async fn starts(lab: &Lab, name: &str, status: &str, said: &str) -> String {
    let (head, body) = lab.ask("GET", NODE, &basic(name, PASSWORD), "").await;
    assert!(head.starts_with(&format!("HTTP/1.1 {status}")) && body.contains(said), "{name}: {head} {body}");
    assert_eq!(head.contains("retry-after: 10"), status == "503", "{head}");
    body
}
