//! The messages that the load tool sends, from prepared text.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use sip::Transport;

/// The one suite that the tool has: every peer has it.
pub(super) const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";
/// What stands in an offer of the tool's, and in an answer to who put the suite first.
pub(super) const FIRST_TAG: &str = "1";

/// A description as a secure trunk offers it; nobody sends media to it. `tag`: of the crypto line.
pub(super) fn sdp(address: IpAddr, transport: Transport, tag: &str) -> String {
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    let (profile, crypto) = match transport.is_secure() {
        true => (
            "RTP/SAVP",
            // A key of no secret: no packet will ever be protected by it.
            format!("a=crypto:{tag} {SUITE} inline:bG9hZC10b29sLWtleS1vZi1uby1zZWNyZXQhISEh\r\n"),
        ),
        false => ("RTP/AVP", String::new()),
    };
    format!(
        "v=0\r\no=load 1 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\nm=audio 20000 {profile} 0 8 101\r\n\
         {crypto}a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
         a=ptime:20\r\na=sendrecv\r\n"
    )
}

/// Everything about one side that stands in its messages.
#[derive(Debug)]
pub(super) struct Words {
    transport: Transport,
    via: String,
    contact: String,
    address: IpAddr,
    /// With the first tag.
    body: String,
}

const AGENT: &str = "User-Agent: Ringfence load\r\n";

impl Words {
    /// `local`: where this side is reached, as Via and Contact say.
    pub(super) fn new(transport: Transport, local: SocketAddr) -> Words {
        let name = transport.as_str();
        Words {
            transport,
            via: format!("Via: SIP/2.0/{name} {local};rport;branch=z9hG4bK"),
            contact: format!("sip:load@{local};transport={}", name.to_ascii_lowercase()),
            address: local.ip(),
            body: sdp(local.ip(), transport, FIRST_TAG),
        }
    }

    pub(super) fn transport(&self) -> Transport {
        self.transport
    }

    /// Head and body of a response's own: what comes after [`super::glance::Glance::echo`]. `described`: with a
    /// description whose crypto line has this tag.
    pub(super) fn response(&self, status: &str, echo: &str, described: Option<&str>) -> Vec<u8> {
        let mut out = String::with_capacity(1024);
        let _ = write!(out, "SIP/2.0 {status}\r\n{echo}Contact: <{}>\r\n", self.contact);
        match described {
            None | Some(FIRST_TAG) => self.end(&mut out, described.map(|_| self.body.as_str())),
            Some(tag) => self.end(&mut out, Some(&sdp(self.address, self.transport, tag))),
        }
        out.into_bytes()
    }

    /// An INVITE outside dialogs, of about 0.9 kB, to which every hop adds.
    pub(super) fn invite(&self, ids: &Ids<'_>, target: &str) -> Vec<u8> {
        let mut out = self.request("INVITE", target, ids, 1, "", "");
        let _ = write!(
            out,
            "Contact: <{}>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, REFER, NOTIFY\r\n\
             Supported: timer, replaces\r\nP-Asserted-Identity: <sip:3227046971@{}>\r\n{AGENT}",
            self.contact, ids.host
        );
        self.end(&mut out, Some(&self.body));
        out.into_bytes()
    }

    /// ACK or BYE in the dialog.
    pub(super) fn in_dialog(&self, method: &str, ids: &Ids<'_>, cseq: u32, dialog: &Dialog) -> Vec<u8> {
        let mut out = self.request(method, &dialog.target, ids, cseq, &dialog.to, &dialog.routes);
        self.end(&mut out, None);
        out.into_bytes()
    }

    /// The ACK of a final answer other than 2xx: the INVITE's own transaction (RFC 3261 §17.1.1.3).
    pub(super) fn ack_of_refusal(&self, ids: &Ids<'_>, target: &str, to: &str) -> Vec<u8> {
        let mut out = self.request("ACK", target, &Ids { branch: "INVITE", ..*ids }, 1, to, "");
        self.end(&mut out, None);
        out.into_bytes()
    }

    /// `more`: header lines of its own, such as Authorization.
    pub(super) fn register(&self, ids: &Ids<'_>, domain: &str, cseq: u32, more: &str) -> Vec<u8> {
        let mut out = self.request("REGISTER", &format!("sip:{domain}"), ids, cseq, "", "");
        let _ = write!(out, "Contact: <{}>;expires=3600\r\n{more}{AGENT}", self.contact);
        self.end(&mut out, None);
        out.into_bytes()
    }

    fn request(&self, method: &str, target: &str, ids: &Ids<'_>, cseq: u32, to: &str, routes: &str) -> String {
        let Ids { run, number, user, called, host, branch } = ids;
        let branch = if branch.is_empty() { method } else { branch };
        let mut out = String::with_capacity(1280);
        let _ = write!(
            out,
            "{method} {target} SIP/2.0\r\n{via}{run:08x}.{number}.{branch}{cseq}\r\n{routes}Max-Forwards: 70\r\n\
             From: <sip:{user}@{host}>;tag={run:08x}.{number}\r\nTo: ",
            via = self.via
        );
        let _ = match to {
            "" => write!(out, "<sip:{called}@{host}>"),
            known => write!(out, "{known}"),
        };
        let _ = write!(out, "\r\nCall-ID: {number}.{run:08x}@load\r\nCSeq: {cseq} {method}\r\n");
        out
    }

    fn end(&self, out: &mut String, body: Option<&str>) {
        let _ = match body {
            Some(body) => {
                write!(out, "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            }
            None => write!(out, "Content-Length: 0\r\n\r\n"),
        };
    }
}

/// What tells one call or registration from all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids<'a> {
    /// Of this run of the tool.
    pub run: u32,
    pub number: u64,
    pub user: &'a str,
    pub called: &'a str,
    pub host: &'a str,
    /// Empty: the method's own.
    pub branch: &'a str,
}

/// The number in a Call-ID of ours.
pub(super) fn number_of(call_id: &str) -> Option<u64> {
    call_id.split_once('.').and_then(|(number, _)| number.parse().ok())
}

/// What the caller knows of a dialog.
#[derive(Debug)]
pub(super) struct Dialog {
    pub target: String,
    pub to: String,
    pub routes: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: Ids<'_> =
        Ids { run: 7, number: 42, user: "3227046971", called: "6016", host: "127.0.0.2:5061", branch: "" };

    fn parsed(bytes: Vec<u8>) -> sip::Message {
        sip::Message::parse(bytes.into()).unwrap()
    }

    #[test]
    fn what_it_sends_is_sip() {
        let words = Words::new(Transport::Tls, "127.0.0.1:5061".parse().unwrap());
        let invite = words.invite(&IDS, "sip:6016@127.0.0.2:5061;transport=tls");
        assert!((800..1300).contains(&invite.len()), "{} octets", invite.len());
        let invite = parsed(invite);
        assert_eq!(number_of(invite.header(&sip::Name::CallId).unwrap()), Some(42));
        let refused = parsed(words.ack_of_refusal(&IDS, "sip:6016@127.0.0.2", "<sip:6016@127.0.0.2:5061>;tag=x"));
        assert_eq!(refused.header(&sip::Name::Via), invite.header(&sip::Name::Via), "the same transaction");
        let dialog =
            Dialog { target: "sip:b@c".into(), to: "<sip:b>;tag=9".into(), routes: "Route: <sip:p;lr>\r\n".into() };
        let bye = parsed(words.in_dialog("BYE", &IDS, 2, &dialog));
        assert_eq!(bye.header(&sip::Name::Route), Some("<sip:p;lr>"));
        assert_ne!(bye.header(&sip::Name::Via), invite.header(&sip::Name::Via));
        parsed(words.register(&IDS, "lab.example", 1, "Authorization: Digest x=y\r\n"));
        let head = invite.bytes();
        let glance = super::super::glance::Glance::of(head).unwrap();
        parsed(words.response("200 OK", &glance.echo("t"), Some("3")));
        let answer = sdp("127.0.0.1".parse().unwrap(), Transport::Tls, "3");
        assert!(answer.contains("SAVP") && answer.contains("a=crypto:3 AES_CM_128_HMAC_SHA1_80 "), "{answer}");
    }
}
