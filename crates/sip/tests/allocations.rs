//! What parsing costs in allocations: none, for messages as the field sends them.

use allocation_counter::measure;
use bytes::Bytes;
use sip::message::{Message, Name};

/// An INVITE as an SBC sends it over TLS, 1.2 kB with SDP; no fold, no octet that is not UTF-8.
fn invite() -> Bytes {
    let sdp = "v=0\r\no=CiscoSystemsSIP-GW-UserAgent 4519 8414 IN IP4 127.18.133.226\r\ns=SIP Call\r\nc=IN IP4 127.18.133.226\r\n\
               t=0 0\r\nm=audio 16402 RTP/SAVP 0 101\r\nc=IN IP4 127.18.133.226\r\n\
               a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n\
               a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n";
    let head = "INVITE sip:6016@127.18.133.13:5061 SIP/2.0\r\n\
         Via: SIP/2.0/TLS 127.18.133.226:5061;branch=z9hG4bK1A2B3C\r\n\
         Max-Forwards: 69\r\n\
         From: \"A Caller\" <sip:3227046971@127.18.133.226>;tag=8C1F-2A1B\r\n\
         To: <sip:6016@127.18.133.13>\r\n\
         Call-ID: 6F1D2A-11EE5C4F-3@127.18.133.226\r\n\
         CSeq: 101 INVITE\r\n\
         Contact: <sip:3227046971@127.18.133.226:5061;transport=tls>\r\n\
         Supported: 100rel,timer,resource-priority,replaces,sdp-anat\r\n\
         Min-SE: 90\r\n\
         Session-Expires: 1800;refresher=uac\r\n\
         Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000\r\n\
         Allow: INVITE, OPTIONS, BYE, CANCEL, ACK, PRACK, UPDATE, REFER, SUBSCRIBE, NOTIFY, INFO, REGISTER\r\n\
         Allow-Events: telephone-event\r\n\
         P-Asserted-Identity: \"A Caller\" <sip:3227046971@127.18.133.226>\r\n\
         Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n\
         User-Agent: Ringfence\r\n\
         X-Unknown: kept\r\n\
         Content-Disposition: session;handling=required\r\n";
    Bytes::from(format!("{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len()))
}

#[test]
fn a_usual_invite_parses_without_any() {
    let bytes = invite();
    assert!((1100..1600).contains(&bytes.len()), "{}", bytes.len());
    // The buffer is shared from here on; the first share of a Vec's bytes makes their reference count.
    let shared = bytes.clone();
    let mut parsed = None;
    let cost = measure(|| parsed = Some(Message::parse(shared)));
    let message = parsed.unwrap().unwrap();
    assert_eq!(cost.count_total, 0, "{cost:?}");

    let cost = measure(|| {
        assert_eq!(message.from_tag(), Some("8C1F-2A1B"));
        assert_eq!(message.to_tag(), None);
        assert_eq!(message.branch(), Some("z9hG4bK1A2B3C"));
        assert!(message.has_token(&Name::Supported, "timer"));
        assert_eq!(message.max_forwards(), Some(69));
        assert_eq!(message.values(&Name::Allow).count(), 12);
        assert_eq!(message.cseq().map(|(number, _)| number), Ok(101));
        assert!(message.call_id().starts_with("6F1D2A"));
        drop(message.clone());
    });
    assert_eq!(cost.count_total, 0, "what matching and routing look at is read in place: {cost:?}");
}
