//! A conference over real sockets: three secure phones dial one number of a media resource and hear each other.

use super::sound::likeness;
use super::*;

const RESOURCE: &str = r#"
[[node]]
name = "mr1"
address = "127.18.133.150"
[node.role.media_resource]
secure_certificate_subject = ["phone2001.lab.example", "phone2002.lab.example", "phone2003.lab.example"]
conference = [{ number = "8500", parties = 3 }]
announcement = [{ number = "8600", prompt = "welcome" }]
"#;

#[test]
fn three_secure_phones_hear_each_other_and_none_itself() {
    let network = "127.41.31.";
    let text = format!("{LAB}{RESOURCE}").replace("127.18.133.", network);
    let mut lab = Lab::with(network, &text, |_| {});
    let folder = lab.dir.join("sounds");
    std::fs::create_dir_all(&folder).unwrap();
    let server = lab.secure("mr1");
    // One speaks, two listen.
    let mut phones = Vec::new();
    for (at, line) in ["2001", "2002", "2003"].into_iter().enumerate() {
        let mut plan = Plan::new(line, &server);
        let heard = folder.join(format!("{line}.wav")).to_str().unwrap().to_owned();
        plan.record = Some(roles::phone::Record { heard: heard.clone(), said: format!("{heard}.said") });
        plan.say = (at == 0).then(|| Say { prompt: "caller".into(), repeat: true });
        let papers = lab.papers(&format!("phone{line}.lab.example"));
        let address = SocketAddr::new(lab.address(81 + at as u8), 0);
        let phone = lab.phone(line, address, server.clone(), plan, papers);
        let journal = phone.watch();
        assert_eq!(phone.control_blocking(Control::Dial { number: "8500".into() }), Reply::Done);
        let leg = wait(&journal, "a secure seat", |line| {
            connected(line).filter(|leg| leg.media_secure() == Some(true) && leg.signalling_secure())
        });
        let media = leg.media.expect("it is secure");
        for end in [media.local, media.remote] {
            assert!((16_384..=32_767).contains(&end.unwrap().port()), "{end:?}");
        }
        phones.push((phone, journal, heard));
    }
    assert_eq!(lab.calls_at("mr1"), 3);
    // All are there; so long that each hears a whole second of it.
    let late = phones[2].0.clone();
    let audible = |phone: &NodeHandle| match phone.control_blocking(Control::Calls) {
        Reply::Calls(legs) => legs.iter().any(|leg| leg.media.as_ref().is_some_and(|media| media.rx_protected > 150)),
        other => panic!("{other:?}"),
    };
    let until = Instant::now() + PATIENCE;
    while !audible(&late) {
        assert!(Instant::now() < until, "the third hears nothing");
    }
    for (phone, ..) in &phones {
        phone.control_blocking(Control::HangUp);
    }
    for (at, (_, journal, heard)) in phones.iter().enumerate() {
        wait(journal, "the recording", |line| matches!(line, Journal::Recorded { .. }).then_some(()));
        let likeness = likeness(heard, "caller");
        assert!(if at > 0 { likeness > 0.95 } else { likeness < 0.5 }, "phone {at}: {likeness}");
    }
    lab.end();
}
