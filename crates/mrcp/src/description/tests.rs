//! Descriptions as §4.3 has them, over TLS.

use super::*;

const AUDIO: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.12\r\ns=-\r\nc=IN IP4 192.0.2.12\r\nt=0 0\r\n\
    m=audio 49170 RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\na=crypto:1 AEAD_AES_128_GCM inline:k\r\na=recvonly\r\n";

fn shown() -> Fingerprint {
    Fingerprint::sha_256([0xab; 32])
}

fn answered(change: impl Fn(String) -> String) -> Result<Answered, Unusable> {
    let text = format!(
        "v=0\r\no=- 2 2 IN IP4 192.0.2.11\r\ns=-\r\nc=IN IP4 192.0.2.11\r\nt=0 0\r\n\
         m=application 32416 TCP/TLS/MRCPv2 1\r\na=setup:passive\r\na=connection:new\r\na=fingerprint:{}\r\n\
         a=channel:32AECB234338@speechsynth\r\na=cmid:1\r\n\
         m=audio 48260 RTP/SAVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendonly\r\na=mid:1\r\n",
        shown()
    );
    answer(&[Resource::Synthesizer], change(text).as_bytes())
}

#[test]
fn an_offer_has_a_control_line_for_each_resource_ahead_of_their_audio() {
    let text = offer(AUDIO, &[Resource::Synthesizer, Resource::Recognizer], &shown()).unwrap();
    let control = |resource: &str| {
        format!(
            "m=application 9 TCP/TLS/MRCPv2 1\r\na=setup:active\r\na=connection:new\r\na=fingerprint:{}\r\n\
             a=resource:{resource}\r\na=cmid:1\r\n",
            shown()
        )
    };
    let (head, audio) = AUDIO.split_at(AUDIO.find("m=audio").unwrap());
    assert_eq!(text, format!("{head}{}{}{audio}a=mid:1\r\n", control("speechsynth"), control("speechrecog")));
}

#[test]
fn an_answer_says_where_each_resource_is_spoken_to_and_leaves_the_audio() {
    let answered = answered(|text| text).unwrap();
    let [control] = &answered.controls[..] else { panic!("one control line") };
    assert_eq!(control.channel.to_string(), "32AECB234338@speechsynth");
    assert_eq!(control.addr, "192.0.2.11:32416".parse().unwrap());
    assert_eq!(control.fingerprint, Some(shown()));
    assert!(!answered.audio.contains("application") && answered.audio.contains("m=audio 48260"));
}

#[test]
fn an_answer_that_cannot_be_worked_with_says_why() {
    let refused = |from: &str, to: &str| answered(|text| text.replacen(from, to, 1)).unwrap_err().to_string();
    assert!(refused("TCP/TLS/MRCPv2", "TCP/MRCPv2").contains("would pass in clear"));
    assert!(refused("application 32416", "application 0").contains("the server has no speechsynth to give"));
    assert!(refused("a=setup:passive", "a=setup:active").contains("the client who dials"));
    assert!(refused("a=channel:32AECB234338@speechsynth", "a=x").contains("a=channel:ID@RESOURCE"));
    assert!(refused("@speechsynth", "@speechrecog").contains("that was asked for"));
    assert!(refused("c=IN IP4 192.0.2.11", "c=IN IP4 server").contains("an IP address"));
    assert!(refused("c=IN IP4 192.0.2.11", "c=IN IP4 0.0.0.0").contains("an IP address"));
    assert!(refused("fingerprint:sha-256", "fingerprint:md5").contains("SHA-256"));
    assert!(refused("m=application", "m=video").contains("application"));
    assert!(refused("v=0", "v=1").contains("no description"));
    let one_short = answered(|text| text[..text.find("m=audio").unwrap()].to_owned()).unwrap_err();
    assert_eq!(one_short, Unusable::Lines { offered: 2, found: 1 });
}
