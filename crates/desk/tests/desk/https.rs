//! Over real sockets: log-in, states, events that miss nothing over a cut, and what strangers may not.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use crate::lab::{Lab, PASSWORD, PATIENCE, Stream, basic};

pub(crate) struct Events {
    stream: Stream,
    pub(crate) last: Option<String>,
}

pub(crate) async fn listen(lab: &Lab, agent: &str, last: Option<&str>) -> Events {
    let last = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
    listen_as(lab, &format!("{}{last}", basic(agent, PASSWORD))).await
}

/// As whoever these headers are of.
pub(crate) async fn listen_as(lab: &Lab, headers: &str) -> Events {
    let mut stream = lab.connect().await;
    let request = format!("GET /api/v1/events HTTP/1.1\r\nhost: desk\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut events = Events { stream, last: None };
    assert_eq!(events.line().await, "HTTP/1.1 200 OK");
    // The comment that says that the stream is open.
    while events.line().await != ":" {}
    events
}

impl Events {
    /// Waits until the desk ends the stream.
    pub(crate) async fn end(&mut self) {
        let mut rest = String::new();
        let ended = tokio::time::timeout(PATIENCE, self.stream.read_to_string(&mut rest)).await;
        ended.expect("the stream ends").unwrap();
        assert!(!rest.contains("event:"), "{rest}");
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, self.stream.read_line(&mut line)).await.expect("an event in time").unwrap();
        line.trim_end().to_owned()
    }

    /// Name and data of the next event; sizes of chunks and comments are passed over.
    pub(crate) async fn next(&mut self) -> (String, String) {
        let mut name = String::new();
        loop {
            let line = self.line().await;
            if let Some(id) = line.strip_prefix("id: ") {
                self.last = Some(id.to_owned());
            } else if let Some(event) = line.strip_prefix("event: ") {
                name = event.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (name, data.to_owned());
            }
        }
    }

    /// The state that the next event tells.
    pub(crate) async fn state(&mut self) -> String {
        let (node, update) = self.next().await;
        assert_eq!(node, "/finesse/api/User/1001");
        update.split_once("<state>").unwrap().1.split_once("</state>").unwrap().0.to_owned()
    }
}

#[tokio::test]
async fn an_agent_logs_in_is_ready_and_hears_of_it_over_a_cut() {
    let lab = Lab::start(11).await;
    let (head, body) = lab.ask("GET", "/finesse/api/SystemInfo", "", "").await;
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("<status>IN_SERVICE</status>"), "{head} {body}");
    let mut events = listen(&lab, "1001", None).await;
    let login = "<state>LOGIN</state><extension>1001</extension>";
    let (head, body) = lab.put("1001", "requestId: r-1\r\n", login).await;
    assert!(head.starts_with("HTTP/1.1 202") && body.is_empty(), "{head} {body}");
    let (node, update) = events.next().await;
    assert_eq!(node, "/finesse/api/User/1001");
    assert!(update.contains("<state>NOT_READY</state>") && update.contains("<requestId>r-1</requestId>"), "{update}");
    lab.put("1001", "", "<state>READY</state>").await;
    assert_eq!(events.state().await, "READY");
    let (_, user) = lab.ask("GET", "/finesse/api/User/1001", &basic("1001", PASSWORD), "").await;
    assert!(user.contains("<state>READY</state>"), "{user}");

    // The connection is cut; what happens meanwhile is told afterwards, in order and once.
    let last = events.last.take();
    drop(events);
    lab.put("1001", "", "<state>NOT_READY</state>").await;
    lab.put("1002", "", "<state>LOGIN</state><extension>1002</extension>").await;
    lab.put("1001", "", "<state>READY</state>").await;
    let mut events = listen(&lab, "1001", last.as_deref()).await;
    assert_eq!(events.state().await, "NOT_READY");
    assert_eq!(events.state().await, "READY");
    lab.put("1001", "", "<state>NOT_READY</state>").await;
    assert_eq!(events.state().await, "NOT_READY");

    // A second log-in of the same agent keeps the state, and both hear what comes.
    let mut other = listen(&lab, "1001", None).await;
    assert!(lab.put("1001", "", login).await.0.starts_with("HTTP/1.1 202"));
    lab.put("1001", "", "<state>LOGOUT</state>").await;
    assert_eq!((events.state().await, other.state().await), ("LOGOUT".into(), "LOGOUT".into()));

    // Who was away over a restart is told so.
    let mut lost = listen(&lab, "1001", Some("1-5")).await;
    assert_eq!(lost.next().await.0, "lost");
    // Refused requests of an accepted kind are told too.
    let (head, _) = lab.put("1001", "requestId: r-2\r\n", "<state>LOGIN</state><extension>9</extension>").await;
    assert!(head.starts_with("HTTP/1.1 202"), "{head}");
    let (_, update) = lost.next().await;
    assert!(update.contains("Invalid Device") && update.contains("<requestId>r-2</requestId>"), "{update}");
    lab.stop().await;
}

#[tokio::test]
async fn strangers_and_wrong_requests_get_their_answers() {
    let lab = Lab::start(12).await;
    let user = "/finesse/api/User/1001";
    for more in
        ["", "authorization: Basic !!!\r\n", "authorization: Bearer abc\r\n", "authorization: Basic MTAwMQ==\r\n"]
    {
        let (head, body) = lab.ask("GET", user, more, "").await;
        assert!(head.starts_with("HTTP/1.1 401") && head.contains("www-authenticate: Basic"), "{head}");
        assert!(body.contains("<ErrorType>Authorization Failure</ErrorType>"), "{body}");
    }
    let own = basic("1001", PASSWORD);
    for (method, path, body, status) in [
        ("GET", "/finesse/api/User/1002", "", "401"),
        ("GET", "/finesse/api/Nothing", "", "404"),
        ("GET", "/", "", "404"),
        ("PATCH", user, "", "405"),
        ("DELETE", user, "", "405"),
        ("PUT", user, "{\"state\":\"READY\"}", "400"),
        ("PUT", user, &"<".repeat(70_000), "400"),
        ("GET", "/api/v1/events?node=/finesse/api/User/1002", "", "401"),
        ("POST", "/api/v1/events", "", "404"),
    ] {
        let (head, answer) = lab.ask(method, path, &own, body).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{method} {path}: {head}");
        assert!(answer.starts_with("<ApiErrors><ApiError><ErrorType>"), "{method} {path}: {answer}");
    }
    // Five wrong passwords: the sixth is not looked at, right or wrong, and others are let in.
    for _ in 0..5 {
        let (head, _) = lab.ask("GET", user, &basic("1001", "wrong"), "").await;
        assert!(head.starts_with("HTTP/1.1 401") && !head.contains("retry-after"), "{head}");
    }
    let (head, body) = lab.ask("GET", user, &own, "").await;
    assert!(head.starts_with("HTTP/1.1 401") && head.contains("retry-after: "), "{head}");
    assert!(body.contains("too many wrong passwords"), "{body}");
    let (head, _) = lab.ask("GET", "/finesse/api/User/1002", &basic("1002", PASSWORD), "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    lab.stop().await;
}

#[tokio::test]
async fn an_account_that_is_removed_is_out_at_once() {
    let lab = Lab::start(13).await;
    let own = basic("1001", PASSWORD);
    let user = "/finesse/api/User/1001";
    assert!(lab.ask("GET", user, &own, "").await.0.starts_with("HTTP/1.1 200"));
    let mut events = listen(&lab, "1001", None).await;
    let mut store = store::DataDir::open(&lab.path).unwrap().store().unwrap();
    store.remove_account("1001").unwrap();
    assert!(lab.ask("GET", user, &own, "").await.0.starts_with("HTTP/1.1 401"));
    // The stream ends with the next comment, ten seconds at most.
    events.end().await;
    lab.stop().await;
}

#[tokio::test]
async fn who_sends_a_request_slowly_is_let_go() {
    let lab = Lab::start(14).await;
    let half_a_head = "GET /finesse/api/SystemInfo HTTP/1.1\r\nhost: desk\r\nx-slow: ".to_owned();
    let own = basic("1001", PASSWORD);
    let half_a_body =
        format!("PUT /finesse/api/User/1001 HTTP/1.1\r\nhost: desk\r\n{own}content-length: 100\r\n\r\n<User>");
    let mut slow = Vec::new();
    for part in [half_a_head, half_a_body] {
        let mut stream = lab.connect().await;
        stream.write_all(part.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    // Others are served meanwhile.
    assert!(lab.ask("GET", "/finesse/api/User/1001", &own, "").await.0.starts_with("HTTP/1.1 200"));
    let mut answers = Vec::new();
    for mut stream in slow {
        let mut answer = Vec::new();
        // A connection that is cut without TLS's goodbye ends too.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it ends");
        answers.push(String::from_utf8(answer).unwrap());
    }
    assert!(!answers[0].contains("200"), "{answers:?}");
    assert!(answers[1].starts_with("HTTP/1.1 400") && answers[1].contains("did not come within 10 s"), "{answers:?}");
    lab.stop().await;
}

/// Two desks of one agent: the second finds the agent as the first left them, and what either does both hear.
#[tokio::test]
async fn two_log_ins_of_one_agent_are_one_agent() {
    let lab = Lab::start(17).await;
    let (mut first, mut second) = (listen(&lab, "1001", None).await, listen(&lab, "1001", None).await);
    let login = "<state>LOGIN</state><extension>1001</extension>";
    lab.put("1001", "", login).await;
    lab.put("1001", "", "<state>READY</state>").await;
    for events in [&mut first, &mut second] {
        assert_eq!((events.state().await, events.state().await), ("NOT_READY".into(), "READY".into()));
    }
    // Signed in again at the same phone: nothing changes, so nothing is told. At another: told, and nothing changes.
    let (head, _) = lab.put("1001", "requestId: again\r\n", login).await;
    assert!(head.starts_with("HTTP/1.1 202"), "{head}");
    let other = "<state>LOGIN</state><extension>1002</extension>";
    let (head, _) = lab.put("1001", "requestId: other\r\n", other).await;
    assert!(head.starts_with("HTTP/1.1 202"), "{head}");
    for events in [&mut first, &mut second] {
        let (_, update) = events.next().await;
        assert!(update.contains("Invalid Device") && update.contains("<requestId>other</requestId>"), "{update}");
    }
    let (_, user) = lab.ask("GET", "/finesse/api/User/1001", &basic("1001", PASSWORD), "").await;
    assert!(user.contains("<state>READY</state>") && user.contains("<extension>1001</extension>"), "{user}");
    // The one logs out, and the other's next word meets that.
    lab.put("1001", "", "<state>NOT_READY</state>").await;
    lab.put("1001", "", "<state>LOGOUT</state>").await;
    for events in [&mut first, &mut second] {
        assert_eq!((events.state().await, events.state().await), ("NOT_READY".into(), "LOGOUT".into()));
    }
    let (head, body) = lab.put("1001", "", "<state>READY</state>").await;
    assert!(head.starts_with("HTTP/1.1 400") && body.contains("<ErrorType>Invalid State</ErrorType>"), "{head} {body}");
    // And the phone is still its owner's alone: another agent does not get it.
    let (_, _) = lab.put("1002", "", login).await;
    let (_, user) = lab.ask("GET", "/finesse/api/User/1002", &basic("1002", PASSWORD), "").await;
    assert!(user.contains("<state>LOGOUT</state>"), "{user}");
    lab.stop().await;
}

/// So many changes to ready and not ready, each heard before the next hundred: a desk that falls behind its node hears of the
/// last alone.
pub(crate) async fn flap(lab: &Lab, witness: &mut Events, times: usize) {
    for _ in 0..times.div_ceil(50) {
        lab.flap("1001", 50).await;
        for _ in 0..50 {
            assert_eq!((witness.state().await, witness.state().await), ("READY".into(), "NOT_READY".into()));
        }
    }
}

/// 10,000 events are kept: who was away for fewer misses none, who was away for more hears so and goes on from there.
#[tokio::test]
async fn who_was_away_for_more_than_ten_thousand_events_is_told_so() {
    let lab = Lab::start(18).await;
    let mut events = listen(&lab, "1001", None).await;
    lab.put("1001", "", "<state>LOGIN</state><extension>1001</extension>").await;
    assert_eq!(events.state().await, "NOT_READY");
    let last = events.last.clone().unwrap();
    // Each is told at the agent and at nobody else: the lab has no teams.
    flap(&lab, &mut events, 4_900).await;
    let mut back = listen(&lab, "1001", Some(&last)).await;
    for _ in 0..4_900 {
        assert_eq!((back.state().await, back.state().await), ("READY".into(), "NOT_READY".into()));
    }
    drop(back);
    flap(&lab, &mut events, 200).await;
    let mut late = listen(&lab, "1001", Some(&last)).await;
    assert_eq!(late.next().await.0, "lost");
    lab.put("1001", "", "<state>READY</state>").await;
    assert_eq!(late.state().await, "READY");
    lab.stop().await;
}

/// As many as `RINGFENCE_LISTENERS` says (200), or as the limit of open files lets: both ends are in this process.
fn listeners() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files = files.and_then(|files| files.split_whitespace().next()?.parse().ok()).unwrap_or(1024);
    let wanted = std::env::var("RINGFENCE_LISTENERS").ok().and_then(|wanted| wanted.parse().ok());
    wanted.unwrap_or(200).min((files - 300) / 2)
}

#[tokio::test]
async fn many_who_listen_hear_a_change_and_keep_nobody_from_the_desk() {
    let lab = Lab::start(15).await;
    let mut all = Vec::new();
    for _ in 0..listeners() {
        all.push(listen(&lab, "1001", None).await);
    }
    // One of them reads nothing any more.
    let mut deaf = all.pop().unwrap();
    lab.put("1001", "", "<state>LOGIN</state><extension>1001</extension>").await;
    for state in ["READY", "NOT_READY"] {
        lab.put("1001", "", &format!("<state>{state}</state>")).await;
    }
    for events in &mut all {
        for state in ["NOT_READY", "READY", "NOT_READY"] {
            assert_eq!(events.state().await, state);
        }
    }
    let own = basic("1001", PASSWORD);
    assert!(lab.ask("GET", "/finesse/api/User/1001", &own, "").await.0.starts_with("HTTP/1.1 200"));
    // It finds it all when it reads again.
    assert_eq!((deaf.state().await, deaf.state().await), ("NOT_READY".into(), "READY".into()));
    let open = Lab::open_files();
    let gone = all.len();
    drop(all);
    lab.put("1001", "", "<state>LOGOUT</state>").await;
    assert_eq!((deaf.state().await, deaf.state().await), ("NOT_READY".into(), "LOGOUT".into()));
    // Both ends of each of them are closed: nothing is kept of who has gone.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while Lab::open_files() > open - 2 * gone {
        assert!(tokio::time::Instant::now() < deadline, "{} of {open} open with {gone} gone", Lab::open_files());
        tokio::task::yield_now().await;
    }
    lab.stop().await;
}

#[tokio::test]
async fn what_is_done_to_another_and_cannot_be_written_down_is_refused_in_words_and_not_done() {
    let lab = Lab::start(36).await;
    let mut store = store::DataDir::open(&lab.path).unwrap().store().unwrap();
    let root = store::accounts::Account {
        name: "root".into(),
        role: store::accounts::Role::Administrator,
        agent: None,
        made_ms: 0,
        origin: store::accounts::Origin::Store,
    };
    store.add_account(&root, PASSWORD).unwrap();
    lab.put("1001", "", "<state>LOGIN</state><extension>1001</extension>").await;
    lab.put("1001", "", "<state>READY</state>").await;
    let administrator = basic("root", PASSWORD);
    let state = async || {
        let (_, user) = lab.ask("GET", "/finesse/api/User/1001", &administrator, "").await;
        user.split_once("<state>").unwrap().1.split_once("</state>").unwrap().0.to_owned()
    };
    assert_eq!(state().await, "READY");
    // Who is let in already goes on; nothing more can be written to the audit log.
    let database = rusqlite::Connection::open(lab.path.join("store.sqlite")).unwrap();
    database
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'the disk is full'); END")
        .unwrap();
    let change = "<User><state>NOT_READY</state></User>";
    let (head, body) = lab.ask("PUT", "/finesse/api/User/1001", &administrator, change).await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head} {body}");
    assert!(
        body.contains("not done, because it cannot be written down") && body.contains("the disk is full"),
        "{body}"
    );
    assert_eq!(state().await, "READY");
    // What agents do to themselves needs no such line.
    let (head, _) = lab.put("1001", "", "<state>NOT_READY</state>").await;
    assert!(head.starts_with("HTTP/1.1 202"), "{head}");
    lab.put("1001", "", "<state>READY</state>").await;
    database.execute_batch("DROP TRIGGER full").unwrap();
    let (head, body) = lab.ask("PUT", "/finesse/api/User/1001", &administrator, change).await;
    assert!(head.starts_with("HTTP/1.1 202"), "{head} {body}");
    assert_eq!(state().await, "NOT_READY");
    let _ = std::fs::remove_dir_all(&lab.path);
}
