//! BOSH: a session of requests that are held, lost and out of order.

use tokio::io::AsyncWriteExt;

use crate::https::{flap, listen};
use crate::lab::{Lab, PASSWORD, Stream};
use crate::xmpp::{DOMAIN, auth};

const NOT_READY: &str = "&lt;state&gt;NOT_READY&lt;/state&gt;";
const READY: &str = "&lt;state&gt;READY&lt;/state&gt;";

struct Bosh<'a> {
    lab: &'a Lab,
    sid: String,
    rid: u64,
}

impl Bosh<'_> {
    async fn log_in<'a>(lab: &'a Lab, agent: &str) -> Bosh<'a> {
        let mut bosh = Bosh { lab, sid: String::new(), rid: 1_000_000 };
        let made = bosh
            .post(&bosh.body(
                bosh.rid,
                &format!("to='{DOMAIN}' wait='60' hold='1' ver='1.6' xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'"),
                "",
            ))
            .await;
        assert!(made.contains("<mechanism>PLAIN</mechanism>") && made.contains("hold='1'"), "{made}");
        bosh.sid = made.split_once(" sid='").unwrap().1.split_once('\'').unwrap().0.to_owned();
        assert!(bosh.next("", &auth(agent, PASSWORD)).await.contains("<success "));
        let restart = format!("to='{DOMAIN}' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'");
        assert!(bosh.next(&restart, "").await.contains("<bind "));
        let bind = "<iq type='set' id='b' xmlns='jabber:client'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
        assert!(bosh.next("", bind).await.contains(&format!("<jid>{agent}@{DOMAIN}/")));
        assert!(bosh.next("", "<presence xmlns='jabber:client'/>").await.contains("from='finesse@"));
        bosh
    }

    fn body(&self, rid: u64, attributes: &str, inside: &str) -> String {
        let sid = if self.sid.is_empty() { String::new() } else { format!("sid='{}'", self.sid) };
        format!("<body xmlns='http://jabber.org/protocol/httpbind' rid='{rid}' {sid} {attributes}>{inside}</body>")
    }

    async fn post(&self, body: &str) -> String {
        let (head, answer) =
            self.lab.ask_at(self.lab.desk.addresses.web.unwrap(), "POST", "/http-bind/", "", body).await;
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("access-control-allow-origin: *"), "{head}");
        answer
    }

    async fn next(&mut self, attributes: &str, inside: &str) -> String {
        self.rid += 1;
        self.post(&self.body(self.rid, attributes, inside)).await
    }

    /// A request whose connection is held open by the caller, and whose answer nobody reads.
    async fn begin(&self, rid: u64) -> Stream {
        let mut stream = self.lab.connect_to(self.lab.desk.addresses.web.unwrap(), [127, 0, 0, 1]).await;
        let body = self.body(rid, "", "");
        let head = format!("POST /http-bind/ HTTP/1.1\r\nhost: desk\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }
}

const LOGIN: &str = "<state>LOGIN</state><extension>1001</extension>";

#[tokio::test]
async fn nothing_is_missed_over_a_cut_and_an_answer_that_got_lost_comes_again() {
    let lab = Lab::start(31).await;
    let mut bosh = Bosh::log_in(&lab, "1001").await;
    // A request is held until something happens.
    let held = bosh.body(bosh.rid + 1, "", "");
    let (answer, _) = tokio::join!(bosh.post(&held), lab.put("1001", "", LOGIN));
    assert!(answer.contains(NOT_READY), "{answer}");
    bosh.rid += 1;
    // The same number once more: the answer that was given, and nothing happens twice.
    assert_eq!(bosh.post(&held).await, answer);
    // The connection of a held request is cut; two things happen; the number comes again by another.
    drop(bosh.begin(bosh.rid + 1).await);
    lab.put("1001", "", "<state>READY</state>").await;
    lab.put("1001", "", "<state>NOT_READY</state>").await;
    let mut after = bosh.next("", "").await;
    while !after.contains(NOT_READY) {
        after.push_str(&bosh.next("", "").await);
    }
    let (ready, not_ready) = (after.find(READY), after.find(NOT_READY));
    assert!(ready.is_some() && ready < not_ready, "{after}");
    assert_eq!((after.matches(READY).count(), after.matches(NOT_READY).count()), (1, 1), "{after}");
    // And its goodbye.
    assert!(bosh.next("type='terminate'", "").await.contains("type='terminate'"));
    assert!(bosh.next("", "").await.contains("condition='item-not-found'"));
    lab.stop().await;
}

#[tokio::test]
async fn requests_out_of_order_are_taken_in_order() {
    let lab = Lab::start(32).await;
    let bosh = Bosh::log_in(&lab, "1001").await;
    let ping = |id: &str| format!("<iq type='get' id='{id}' xmlns='jabber:client'><ping xmlns='urn:xmpp:ping'/></iq>");
    let (first, second) = (bosh.body(bosh.rid + 1, "", &ping("one")), bosh.body(bosh.rid + 2, "", &ping("two")));
    let mut early = lab.connect_to(lab.desk.addresses.web.unwrap(), [127, 0, 0, 1]).await;
    let head = format!(
        "POST /http-bind HTTP/1.1\r\nhost: desk\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        second.len()
    );
    early.write_all((head + &second).as_bytes()).await.unwrap();
    let one = bosh.post(&first).await;
    assert!(one.contains("id='one'"), "{one}");
    // Both answers go with the first of the two requests, unless that was there first after all.
    if !one.contains("id='two'") {
        let mut two = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut early, &mut two).await.unwrap();
        assert!(two.contains("id='two'"), "{two}");
    }
    // Far outside the window: the session is over.
    let far = bosh.body(bosh.rid + 50, "", "");
    assert!(bosh.post(&far).await.contains("condition='item-not-found'"));
    lab.stop().await;
}

#[tokio::test]
async fn bodies_that_are_none_are_told() {
    let lab = Lab::start(33).await;
    let mut bosh = Bosh { lab: &lab, sid: String::new(), rid: 1 };
    let bomb = "<!DOCTYPE b [<!ENTITY c 'cc'>]><body xmlns='http://jabber.org/protocol/httpbind' rid='1'>&c;</body>";
    for bad in ["", "{}", "<body/>", bomb] {
        assert!(bosh.post(bad).await.contains("condition='bad-request'"), "{bad}");
    }
    assert!(bosh.post(&bosh.body(1, "to='elsewhere.example'", "")).await.contains("host-unknown"));
    bosh.sid = "0123".into();
    assert!(bosh.next("", "").await.contains("condition='item-not-found'"));
    let web = lab.desk.addresses.web.unwrap();
    let (head, _) = lab.ask_at(web, "POST", "/http-bind", "", &"x".repeat(70_000)).await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    for (method, path, status) in
        [("GET", "/", "404"), ("GET", "/ws", "426"), ("PUT", "/http-bind", "405"), ("OPTIONS", "/http-bind/", "204")]
    {
        let (head, _) = lab.ask_at(web, method, path, "", "").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{method} {path}: {head}");
    }
    // A stream's error ends the session, and says why.
    let mut bosh = Bosh::log_in(&lab, "1002").await;
    let said = bosh.next("", "<nonsense xmlns='x'/>").await;
    assert!(said.contains("condition='remote-stream-error'") && said.contains("<unsupported-stanza-type "), "{said}");
    lab.stop().await;
}

/// Requests that wait are one of a client, whatever it sends: an earlier one is answered with nothing.
#[tokio::test]
async fn no_more_than_one_request_of_a_client_is_held() {
    let lab = Lab::start(34).await;
    let bosh = Bosh::log_in(&lab, "1001").await;
    let empty =
        "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:stream='http://etherx.jabber.org/streams'></body>";
    let mut held = bosh.begin(bosh.rid + 1).await;
    for next in 2..40 {
        let later = bosh.begin(bosh.rid + next).await;
        let answer = answer_of(&mut held).await;
        assert!(answer.ends_with(empty), "{answer}");
        held = later;
    }
    // The same number by many connections: the last of them is answered, the others let go.
    let mut same = vec![held];
    for _ in 0..40 {
        same.push(bosh.begin(bosh.rid + 39).await);
    }
    lab.put("1001", "", LOGIN).await;
    let mut answered = 0;
    for mut stream in same {
        answered += usize::from(answer_of(&mut stream).await.contains(NOT_READY));
    }
    assert!(answered >= 1, "the event is told");
    // Many at once are more than a client's two: the session is over, and says so.
    let mut many = Vec::new();
    for next in 40..50 {
        many.push(bosh.begin(bosh.rid + next * 10).await);
    }
    let mut over = 0;
    for mut stream in many {
        over += usize::from(answer_of(&mut stream).await.contains("item-not-found"));
    }
    assert_eq!(over, 10);
    let mut next = Bosh::log_in(&lab, "1001").await;
    assert!(next.next("type='terminate'", "").await.contains("type='terminate'"), "and another begins");
    lab.stop().await;
}

/// Of a desk that takes no events for too long nothing is kept beyond the ring: it hears that it missed some.
#[tokio::test]
async fn a_session_that_falls_ten_thousand_events_behind_is_ended_with_a_word() {
    let lab = Lab::start(35).await;
    let mut bosh = Bosh::log_in(&lab, "1001").await;
    let mut events = listen(&lab, "1001", None).await;
    lab.put("1001", "", LOGIN).await;
    events.state().await;
    flap(&lab, &mut events, 5_100).await;
    let said = bosh.next("", "").await;
    assert!(said.contains("<resource-constraint ") && said.contains("more than 10,000 events behind"), "{said}");
    lab.stop().await;
}

/// One answer of a connection that stays open, head and body.
async fn answer_of(stream: &mut Stream) -> String {
    let read = async {
        let mut answer = Vec::new();
        while !answer.ends_with(b"</body>") {
            match tokio::io::AsyncReadExt::read_u8(stream).await {
                Ok(octet) => answer.push(octet),
                Err(_) => break,
            }
        }
        String::from_utf8(answer).unwrap()
    };
    tokio::time::timeout(crate::lab::PATIENCE, read).await.expect("an answer in time")
}
