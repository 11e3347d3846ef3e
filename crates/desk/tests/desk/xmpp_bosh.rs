//! BOSH: a session of requests that are held, lost and out of order.

use tokio::io::AsyncWriteExt;

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
