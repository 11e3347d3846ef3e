//! `show call active voice brief`: the layout of IOS, field by field, from the security record.

use std::fmt::Write;

use call::record::{Direction, LegRecord, LegState};

use super::time::{clock, ios_wall};

/// All legs of a node. `started_ms` is when the node started: setup times are counted from it, as IOS counts uptime.
pub fn voice_brief(legs: &[LegRecord], started_ms: u64, now_ms: u64) -> String {
    let mut out = format!("Total call-legs: {}\n", legs.len());
    for leg in legs {
        write_leg(&mut out, leg, is_transcoded(leg, legs), started_ms, now_ms);
    }
    out
}

/// Whether another live leg of the same call speaks another codec here.
fn is_transcoded(leg: &LegRecord, legs: &[LegRecord]) -> bool {
    let codec = |leg: &LegRecord| leg.media.as_ref().map(|media| media.codec.clone()).filter(|name| !name.is_empty());
    let ours = codec(leg);
    let differs = |other: &LegRecord| other.call == leg.call && codec(other).is_some_and(|theirs| Some(theirs) != ours);
    ours.is_some()
        && leg.state != LegState::Ended
        && legs.iter().any(|other| other.state != LegState::Ended && differs(other))
}

fn write_leg(out: &mut String, leg: &LegRecord, transcoded: bool, started_ms: u64, now_ms: u64) {
    let connect = leg.connected_ms.map_or(0, |at| at.saturating_sub(leg.began_ms));
    let lasted = leg.connected_ms.map_or(0, |at| leg.ended_ms.unwrap_or(now_ms).saturating_sub(at));
    let peer = leg.dial_peer.map_or_else(|| leg.peer.clone(), |tag| tag.to_string());
    let (direction, number) = match leg.direction {
        Direction::Answer => ("Answer", &leg.calling.0),
        Direction::Originate => ("Originate", &leg.called.0),
    };
    let media = Media::of(leg);
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{:X} : {} {}ms.1 ({}) +{connect} pid:{} {direction} {} {}",
        leg.call,
        leg.leg,
        leg.began_ms.saturating_sub(started_ms),
        ios_wall(leg.began_ms),
        super::plain(&peer),
        super::plain(number),
        state(leg.state),
    );
    let _ = writeln!(
        out,
        " dur {} tx:{}/{} rx:{}/{} dscp:0 media:0 audio tos:0xB8 video tos:0x0",
        clock(lasted / 1000),
        media.tx_packets,
        media.tx_octets,
        media.rx_packets,
        media.rx_octets,
    );
    let _ = writeln!(
        out,
        " IP {} SRTP: {} rtt:{}ms pl:0/0ms lost:{}/0/0 delay:0/0/0ms {} TextRelay: off Transcoded: {} ICE: Off",
        media.remote,
        media.srtp,
        media.rtt_ms,
        media.lost,
        media.codec,
        if transcoded { "Yes" } else { "No" },
    );
    out.push_str(" media inactive detected:n media contrl rcvd:n/a timestamp:n/a\n");
    out.push_str(" long duration call detected:n long duration call duration:n/a timestamp:n/a\n");
    // Both scores are ours: IOS has none here. `-`: nobody can tell yet, or the peer sends no metrics.
    let score = |mos: Option<f32>| mos.map_or_else(|| "-".to_owned(), |mos| format!("{mos:.1}"));
    let _ = writeln!(
        out,
        " LostPacketRate:{:.2} OutOfOrderRate:{:.2} MOS:{} MOS-remote:{}",
        media.lost_rate,
        media.reordered_rate,
        score(media.mos),
        score(media.heard_as),
    );
    let _ = writeln!(out, " LocalUUID:{}", leg.session_id.local.0);
    let _ = writeln!(out, " RemoteUUID:{}", leg.session_id.remote.0);
    out.push_str(" VRF:\n");
}

fn state(state: LegState) -> &'static str {
    match state {
        LegState::Calling => "connecting",
        LegState::Ringing => "alerting",
        LegState::Active => "active",
        LegState::Connected => "connected",
        LegState::Ended => "disconnected",
    }
}

/// The media half of a leg in the words of IOS.
struct Media {
    remote: String,
    /// `on` and `off` are counted facts of a node that carries the media; `passed` is what a signalling-only node let by.
    srtp: &'static str,
    codec: String,
    tx_packets: u64,
    tx_octets: u64,
    rx_packets: u64,
    rx_octets: u64,
    lost: u64,
    rtt_ms: u64,
    lost_rate: f64,
    reordered_rate: f64,
    mos: Option<f32>,
    heard_as: Option<f32>,
}

impl Media {
    fn of(leg: &LegRecord) -> Media {
        let Some(media) = &leg.media else { return Media::passed(leg) };
        let rx_packets = media.rx_protected + media.rx_clear;
        let expected = rx_packets + media.lost;
        let rate = |part: u64| if expected == 0 { 0.0 } else { part as f64 * 100.0 / expected as f64 };
        Media {
            remote: media.remote.map_or_else(|| "0.0.0.0:0".into(), |a| a.to_string()),
            srtp: if media.suite.is_empty() { "off" } else { "on" },
            codec: codec(&media.codec),
            tx_packets: media.tx_protected + media.tx_clear,
            tx_octets: media.tx_octets,
            rx_packets,
            rx_octets: media.rx_octets,
            lost: media.lost,
            rtt_ms: media.rtt_ms.unwrap_or(0.0) as u64,
            lost_rate: rate(media.lost),
            reordered_rate: rate(media.reordered),
            mos: media.mos,
            heard_as: media.heard_as,
        }
    }

    fn passed(leg: &LegRecord) -> Media {
        let passed = leg.passed.as_ref();
        Media {
            remote: passed.and_then(|p| p.remote_media).map_or_else(|| "none".into(), |a| a.to_string()),
            srtp: match passed {
                Some(p) if p.is_secure() => "passed",
                Some(_) => "off",
                None => "none",
            },
            codec: "none".into(),
            tx_packets: 0,
            tx_octets: 0,
            rx_packets: 0,
            rx_octets: 0,
            lost: 0,
            rtt_ms: 0,
            lost_rate: 0.0,
            reordered_rate: 0.0,
            mos: None,
            heard_as: None,
        }
    }
}

/// IOS's names of codecs.
fn codec(name: &str) -> String {
    match name.to_ascii_uppercase().split('/').next().unwrap_or_default() {
        "PCMU" => "g711ulaw".into(),
        "PCMA" => "g711alaw".into(),
        "G722" => "g722-64".into(),
        "" => "none".into(),
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use call::Pii;
    use call::record::{Signalling, media_facts::MediaRecord};
    use call::session_id::{SessionId, Uuid};

    use super::*;

    fn leg() -> LegRecord {
        LegRecord {
            call: 0x1E85,
            leg: 100_643,
            direction: Direction::Originate,
            peer: "6000".into(),
            dial_peer: Some(6000),
            calling: Pii("3227046971".into()),
            called: Pii("6016".into()),
            sip_call_id: "x".into(),
            session_id: SessionId {
                local: Uuid("674ecd1639ed7a710000abf910000178".into()),
                remote: Uuid("4865626844c25f248e19a95a65b0ad50".into()),
            },
            state: LegState::Active,
            began_ms: 1_616_640_920_819,
            connected_ms: Some(1_616_640_920_889),
            ended_ms: None,
            ended_because: None,
            signalling: Signalling {
                transport: "TLS".into(),
                local: None,
                remote: None,
                tls: None,
                peer: None,
                admitted_by: "certificate".into(),
            },
            parts: Vec::new(),
            was_of: Vec::new(),
            dangerous: Vec::new(),
            media: Some(MediaRecord {
                remote: Some("198.18.133.143:25346".parse().unwrap()),
                suite: "AEAD_AES_256_GCM".into(),
                codec: "PCMU".into(),
                tx_protected: 1300,
                tx_octets: 223_600,
                mos: Some(4.39),
                ..MediaRecord::default()
            }),
            passed: None,
            events: Vec::new(),
        }
    }

    #[test]
    fn a_leg_reads_as_in_the_procedure() {
        let text = voice_brief(&[leg()], 1_616_640_920_819 - 465_093_670, 1_616_640_946_889);
        let expected = "Total call-legs: 1\n\
            1E85 : 100643 465093670ms.1 (02:55:20.819 UTC Thu Mar 25 2021) +70 pid:6000 Originate 6016 active\n \
            dur 00:00:26 tx:1300/223600 rx:0/0 dscp:0 media:0 audio tos:0xB8 video tos:0x0\n \
            IP 198.18.133.143:25346 SRTP: on rtt:0ms pl:0/0ms lost:0/0/0 delay:0/0/0ms g711ulaw TextRelay: off Transcoded: No ICE: Off\n \
            media inactive detected:n media contrl rcvd:n/a timestamp:n/a\n \
            long duration call detected:n long duration call duration:n/a timestamp:n/a\n \
            LostPacketRate:0.00 OutOfOrderRate:0.00 MOS:4.4 MOS-remote:-\n \
            LocalUUID:674ecd1639ed7a710000abf910000178\n \
            RemoteUUID:4865626844c25f248e19a95a65b0ad50\n \
            VRF:\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn who_speaks_another_codec_on_its_other_leg_is_transcoded() {
        let (outer, mut inner) = (leg(), leg());
        assert!(!voice_brief(&[outer.clone(), inner.clone()], 0, 0).contains("Transcoded: Yes"));
        inner.media.as_mut().unwrap().codec = "G722".into();
        let text = voice_brief(&[outer.clone(), inner.clone()], 0, 0);
        assert_eq!(text.matches("Transcoded: Yes").count(), 2);
        assert!(text.contains("g722-64"));
        inner.call += 1;
        assert!(!voice_brief(&[outer, inner], 0, 0).contains("Transcoded: Yes"), "another call's");
    }

    #[test]
    fn plain_media_reads_off_and_passed_media_says_so() {
        let mut plain = leg();
        plain.media.as_mut().unwrap().suite.clear();
        assert!(voice_brief(&[plain], 0, 0).contains("SRTP: off"));
        let mut passed = leg();
        passed.media = None;
        assert!(voice_brief(&[passed], 0, 0).contains("SRTP: none"));
    }
}
