//! `<record>` over a real call: what a caller says under SRTP is sealed on the disk, heard again, and sent to a server.

use std::sync::mpsc;

use bytes::Bytes;

use super::https::serve_https;
use super::*;

/// A server over HTTPS that takes what is posted, and answers with a page that ends the call: type and body of each.
fn mailbox(lab: &Lab, address: SocketAddr) -> mpsc::Receiver<(String, Bytes)> {
    let (tell, told) = mpsc::channel();
    serve_https(lab, address, move |request| {
        let kind = request.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        tell.send((kind.unwrap_or_default(), request.into_body())).unwrap();
        hyper::Response::new("<vxml version='2.1'><form><block><disconnect/></block></form></vxml>".into())
    });
    told
}

fn samples(file: &Path) -> Vec<i16> {
    media::wav::read(&std::fs::read(file).unwrap()).unwrap()
}

fn holds(whole: &[i16], part: &[i16]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

/// The audio of a form's only part.
fn part(kind: &str, body: &[u8]) -> Vec<u8> {
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("parts");
    let at = body.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(body[..at].to_vec()).unwrap();
    assert!(head.contains("name=\"m\"; filename=\"m.wav\"\r\nContent-Type: audio/x-wav"), "{head}");
    let tail = format!("\r\n--{boundary}--\r\n");
    assert!(body.ends_with(tail.as_bytes()));
    body[at..body.len() - tail.len()].to_vec()
}

/// A lab whose application is this page; the caller's words and ears lie in its folder.
fn lab(network: &'static str, page: &str) -> (Lab, PathBuf, NodeHandle, Receiver<Journal>) {
    lab_where(network, page, |site| site)
}

/// The same of another site.
fn lab_where(
    network: &'static str,
    page: &str,
    change: impl FnOnce(String) -> String,
) -> (Lab, PathBuf, NodeHandle, Receiver<Journal>) {
    let folder = std::env::temp_dir().join(format!("ringfence-net-taping-{network}{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let document = folder.join("main.vxml");
    std::fs::write(&document, page).unwrap();
    let site = change(super::vxml::site(network, document.to_str().unwrap()));
    let mut lab = Lab::with(network, &site, |_| {});
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let record = roles::phone::Record { heard: file("heard.wav"), said: file("said.wav") };
    let carrier = lab.carrier_with(|plan| plan.record = Some(record));
    let at_carrier = carrier.watch();
    (lab, folder, carrier, at_carrier)
}

fn access() -> store::Change {
    store::Change { at_ms: 0, who: "test".into(), source: "test".into(), what: String::new(), detail: String::new() }
}

#[test]
fn what_a_caller_says_is_sealed_heard_again_and_sent_to_the_applications_server() {
    let network = "127.41.25.";
    let server: SocketAddr = format!("{network}90:8443").parse().unwrap();
    let page = format!(
        "<vxml version='2.1'><form>
         <record name='m' beep='true' maxtime='3s' finalsilence='2s' type='audio/x-wav'/>
         <block><if cond=\"!m$.maxtime || m$.duration != 3000 || m$.size != 48044\"><disconnect/></if>
         <audio expr='m'/><submit next='https://{server}/keep' method='post' enctype='multipart/form-data' namelist='m'/></block>
         </form></vxml>"
    );
    let (lab, folder, carrier, at_carrier) = lab(network, &page);
    let posted = mailbox(&lab, server);
    dial(&carrier);
    let (kind, body) = posted.recv_timeout(PATIENCE).expect("the recording at the application's server");
    wait(&at_carrier, "the end of the call", |line| matches!(line, Journal::Recorded { .. }).then_some(()));

    let wav = part(&kind, &body);
    assert_eq!(wav.len(), 48_044);
    let recorded = media::wav::read(&wav).unwrap();
    let (said, heard) = (samples(&folder.join("said.wav")), samples(&folder.join("heard.wav")));
    // Packets of a real call come when they come: the middle second lies as it was said.
    let middle = &recorded[8000..16_000];
    assert!(middle.iter().any(|sample| sample.unsigned_abs() > 2000), "somebody speaks");
    assert!(holds(&said, middle), "the recording is what the caller said");
    assert!(holds(&heard, middle), "the caller heard it again");

    let dir = store::DataDir::open(&lab.dir).unwrap();
    let (recordings, mut store) = (dir.recordings().unwrap(), dir.store().unwrap());
    let list = recordings.list().unwrap();
    assert_eq!(list.len(), 1);
    assert!(list[0].label.node.starts_with("vvb") && list[0].label.caller.len() == 32, "{list:?}");
    let audit = store.changes(10).unwrap();
    assert_eq!(audit.len(), 1, "sent once: {audit:?}");
    assert_eq!(
        (audit[0].who.as_str(), audit[0].source.as_str()),
        (list[0].label.node.as_str(), &*format!("sent to https://{server}/keep"))
    );
    let opened = recordings.open(list[0].label.id, access(), &mut store).unwrap();
    assert_eq!(opened.ending, media::sealed::Ending::Whole);
    assert_eq!(*opened.wav(), wav);
    std::fs::remove_dir_all(folder).unwrap();
    lab.end();
}

#[test]
fn who_hangs_up_while_recording_has_left_the_message() {
    let network = "127.41.26.";
    let server: SocketAddr = format!("{network}90:8443").parse().unwrap();
    let page = format!(
        "<vxml version='2.1'><form><record name='m' type='audio/basic'/>
         <catch event='connection.disconnect.hangup'>
         <submit next='https://{server}/keep' method='post' enctype='multipart/form-data' namelist='m'/></catch>
         </form></vxml>"
    );
    let (lab, folder, carrier, at_carrier) = lab(network, &page);
    let posted = mailbox(&lab, server);
    dial(&carrier);
    wait(&at_carrier, "the voice browser's answer", connected);
    // The first pieces are on the disk: the caller speaks.
    let sealed = lab.dir.join("recordings");
    let until = Instant::now() + PATIENCE;
    let size = |entry: std::fs::DirEntry| entry.metadata().map_or(0, |file| file.len());
    while std::fs::read_dir(&sealed).unwrap().flatten().map(size).max().unwrap_or(0) < 10_000 {
        assert!(Instant::now() < until, "nothing was recorded");
        std::thread::yield_now();
    }
    carrier.control_blocking(Control::HangUp);
    let (kind, body) = posted.recv_timeout(PATIENCE).expect("the message at the application's server");
    assert!(kind.starts_with("multipart/form-data") && body.len() > 8000, "{kind}, {} octets", body.len());
    wait(&at_carrier, "the end of the call", |line| matches!(line, Journal::Recorded { .. }).then_some(()));
    let head = b"Content-Type: audio/basic\r\n\r\n";
    let at = body.windows(head.len()).position(|part| part == head).unwrap() + head.len();
    let second: Vec<i16> =
        body[at + 4000..at + 8000].iter().map(|code| media::g711::decode(sdp::Codec::Pcmu, *code)).collect();
    assert!(holds(&samples(&folder.join("said.wav")), &second), "what was said before");
    std::fs::remove_dir_all(folder).unwrap();
    lab.end();
}

#[test]
fn a_call_is_recorded_whole_by_its_dial_peers_rule_and_sealed() {
    let network = "127.41.38.";
    let page = "<vxml version='2.1'><form><block><prompt><audio src='prompt:welcome'/></prompt><disconnect/></block></form></vxml>";
    let rule = |site: String| {
        assert!(site.contains("tag = 6000100\n"), "{site}");
        site.replacen("tag = 6000100\n", "tag = 6000100\nmedia_recording = true\n", 1)
    };
    let (lab, folder, carrier, at_carrier) = lab_where(network, page, rule);
    dial(&carrier);
    wait(&at_carrier, "the end of the call", |line| matches!(line, Journal::Recorded { .. }).then_some(()));
    let (said, heard) = (samples(&folder.join("said.wav")), samples(&folder.join("heard.wav")));

    let dir = store::DataDir::open(&lab.dir).unwrap();
    let (recordings, mut store) = (dir.recordings().unwrap(), dir.store().unwrap());
    let until = Instant::now() + PATIENCE;
    let opened = loop {
        let list = recordings.list().unwrap();
        if let [one] = list.as_slice() {
            assert!(one.label.node.starts_with("cube") && one.label.caller.len() == 32, "{list:?}");
            let opened = recordings.open(one.label.id, access(), &mut store).unwrap();
            if opened.ending == media::sealed::Ending::Whole {
                break opened;
            }
        }
        assert!(Instant::now() < until, "no whole recording: {list:?}");
        std::thread::yield_now();
    };
    let wav = opened.wav();
    assert_eq!(wav[22..24], [2, 0], "stereo");
    let both: Vec<[i16; 2]> = wav[44..]
        .as_chunks::<4>()
        .0
        .iter()
        .map(|four| [i16::from_le_bytes([four[0], four[1]]), i16::from_le_bytes([four[2], four[3]])])
        .collect();
    assert!(both.len() > 4 * 8000, "{} samples", both.len());
    let middle = both.len() / 2..both.len() / 2 + 4000;
    let track = |at: usize| both[middle.clone()].iter().map(|pair| pair[at]).collect::<Vec<i16>>();
    for (at, whole, what) in [(0, &said, "what the caller said"), (1, &heard, "what the caller heard")] {
        let part = track(at);
        assert!(part.iter().any(|sample| sample.unsigned_abs() > 1000), "{what}: sound");
        assert!(holds(whole, &part), "track {at} is {what}");
    }
    std::fs::remove_dir_all(folder).unwrap();
    lab.end();
}
