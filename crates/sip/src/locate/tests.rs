//! What a name leads to, in which order (RFC 3263, RFC 2782).

use super::*;

const ALL: [Transport; 3] = [Transport::Tls, Transport::Tcp, Transport::Udp];

/// A zone: what is asked, and what comes back.
struct Zone(Vec<(Question, Records)>);

fn srv(records: &[(u16, u16, u16, &str)]) -> Records {
    let record = |(priority, weight, port, target): &(u16, u16, u16, &str)| Srv {
        priority: *priority,
        weight: *weight,
        port: *port,
        target: (*target).to_owned(),
    };
    Records::Srv(records.iter().map(record).collect())
}

fn naptr(records: &[(u16, u16, &str, &str)]) -> Records {
    let record = |(order, preference, service, replacement): &(u16, u16, &str, &str)| Naptr {
        order: *order,
        preference: *preference,
        flags: "s".into(),
        service: (*service).to_owned(),
        replacement: (*replacement).to_owned(),
    };
    Records::Naptr(records.iter().map(record).collect())
}

fn addresses(texts: &[&str]) -> Records {
    Records::Addresses(texts.iter().map(|text| text.parse().unwrap()).collect())
}

impl Zone {
    /// What was found, as `TRANSPORT address`, and how many questions it took.
    fn locate(&self, uri: &str, speaks: &[Transport], seed: u8) -> (Vec<String>, usize) {
        let mut locate = Locate::new(&Uri::parse(uri).unwrap(), speaks, [seed; 32]).unwrap();
        let mut asked = 0;
        while let Some(question) = locate.question() {
            asked += 1;
            assert!(asked < 200, "it never ends");
            let found = self.0.iter().find(|(known, _)| *known == question);
            locate.told(found.map_or(Records::Nothing, |(_, records)| records.clone()));
        }
        let found = locate.found().unwrap_or_default();
        (found.iter().map(|found| format!("{} {}", found.transport.as_str(), found.addr)).collect(), asked)
    }
}

fn example() -> Zone {
    Zone(vec![
        (
            Question::Naptr("example.com".into()),
            naptr(&[
                (90, 50, "SIP+D2T", "_sip._tcp.example.com."),
                (50, 50, "SIPS+D2T", "_sips._tcp.example.com."),
                (100, 50, "SIP+D2U", "_sip._udp.example.com."),
                (10, 10, "E2U+sip", "elsewhere.example."),
            ]),
        ),
        (
            Question::Srv("_sips._tcp.example.com".into()),
            srv(&[(1, 0, 5061, "s1.example.com"), (2, 0, 5071, "s2.example.com")]),
        ),
        (Question::Srv("_sip._tcp.example.com".into()), srv(&[(0, 0, 5060, "s1.example.com")])),
        (Question::Srv("_sip._udp.example.com".into()), srv(&[(0, 0, 5060, "s1.example.com")])),
        (Question::Addresses("s1.example.com".into()), addresses(&["192.0.2.1", "2001:db8::1"])),
        (Question::Addresses("s2.example.com".into()), addresses(&["192.0.2.2"])),
        (Question::Addresses("example.com".into()), addresses(&["192.0.2.80"])),
    ])
}

#[test]
fn naptr_orders_the_transports_and_srv_the_hosts() {
    let (found, _) = example().locate("sip:a@example.com", &ALL, 1);
    let tls = ["TLS 192.0.2.1:5061", "TLS [2001:db8::1]:5061", "TLS 192.0.2.2:5071"];
    let tcp = ["TCP 192.0.2.1:5060", "TCP [2001:db8::1]:5060"];
    let udp = ["UDP 192.0.2.1:5060", "UDP [2001:db8::1]:5060"];
    assert_eq!(found, [&tls[..], &tcp, &udp].concat());
    // Only what we speak, and over TLS only what is secure.
    assert_eq!(example().locate("sip:a@example.com", &[Transport::Udp], 1).0, udp);
    assert_eq!(example().locate("sips:a@example.com", &ALL, 1).0, tls);
}

#[test]
fn what_the_uri_says_is_not_asked() {
    let none = Zone(Vec::new());
    for (uri, found) in [
        ("sip:a@192.0.2.9", "UDP 192.0.2.9:5060"),
        ("sip:a@192.0.2.9;transport=tcp", "TCP 192.0.2.9:5060"),
        ("sips:a@[2001:db8::9]", "TLS [2001:db8::9]:5061"),
        ("sips:a@192.0.2.9:5080;transport=tcp", "TLS 192.0.2.9:5080"),
        ("sip:a@elsewhere.example;maddr=192.0.2.7;transport=tls", "TLS 192.0.2.7:5061"),
    ] {
        assert_eq!(none.locate(uri, &ALL, 1), (vec![found.to_owned()], 0), "{uri}");
    }
    let (found, asked) = example().locate("sip:a@example.com:5099", &ALL, 1);
    assert_eq!((found, asked), (vec!["UDP 192.0.2.80:5099".to_owned()], 1), "a port means addresses alone");
    let (found, _) = example().locate("sip:a@EXAMPLE.com.;transport=TCP", &ALL, 1);
    assert_eq!(found, ["TCP 192.0.2.1:5060", "TCP [2001:db8::1]:5060"]);
}

#[test]
fn without_naptr_srv_is_asked_and_without_srv_the_host_itself() {
    let mut zone = example();
    zone.0.retain(|(question, _)| !matches!(question, Question::Naptr(_)));
    let (found, asked) = zone.locate("sip:a@example.com", &ALL, 1);
    assert_eq!(found[0], "TLS 192.0.2.1:5061", "the transport that we like best");
    assert_eq!(asked, 1 + 1 + 2);
    zone.0.retain(|(question, _)| !matches!(question, Question::Srv(_)));
    assert_eq!(zone.locate("sip:a@example.com", &ALL, 1).0, ["UDP 192.0.2.80:5060"]);
    assert_eq!(zone.locate("sips:a@example.com", &ALL, 1).0, ["TLS 192.0.2.80:5061"]);
    assert_eq!(zone.locate("sip:a@example.com;transport=tcp", &ALL, 1).0, ["TCP 192.0.2.80:5060"]);
    assert_eq!(Zone(Vec::new()).locate("sip:a@example.com", &ALL, 1).0, Vec::<String>::new());
}

#[test]
fn weights_share_the_load_and_priorities_come_first() {
    let zone = Zone(vec![
        (
            Question::Srv("_sips._tcp.w.example".into()),
            srv(&[(2, 0, 1, "last.example"), (1, 30, 1, "b.example"), (1, 10, 1, "a.example"), (1, 0, 1, "z.example")]),
        ),
        (Question::Addresses("a.example".into()), addresses(&["192.0.2.1"])),
        (Question::Addresses("b.example".into()), addresses(&["192.0.2.2"])),
        (Question::Addresses("z.example".into()), addresses(&["192.0.2.3"])),
        (Question::Addresses("last.example".into()), addresses(&["192.0.2.9"])),
    ]);
    let mut first = std::collections::BTreeMap::new();
    for seed in 0..=255 {
        let (found, _) = zone.locate("sips:w.example;transport=tls", &ALL, seed);
        assert_eq!((found.len(), found[3].as_str()), (4, "TLS 192.0.2.9:1"), "each once, the second choice last");
        *first.entry(found[0].clone()).or_insert(0) += 1;
    }
    let count = |last: u8| first.get(&format!("TLS 192.0.2.{last}:1")).copied().unwrap_or(0);
    assert!((40..95).contains(&count(1)) && (150..230).contains(&count(2)) && count(3) < 30, "{first:?}");
}

#[test]
fn a_certificate_must_name_the_domain_that_was_asked_for() {
    let mut locate = Locate::new(&Uri::parse("sips:a@example.com").unwrap(), &ALL, [1; 32]).unwrap();
    let zone = example();
    while let Some(question) = locate.question() {
        let found = zone.0.iter().find(|(known, _)| *known == question);
        locate.told(found.map_or(Records::Nothing, |(_, records)| records.clone()));
    }
    assert!(locate.found().unwrap().iter().all(|candidate| candidate.domain == "example.com"));
}

#[test]
fn what_cannot_be_reached_is_said() {
    let wrong =
        |uri: &str, speaks: &[Transport]| Locate::new(&Uri::parse(uri).unwrap(), speaks, [0; 32]).unwrap_err().0;
    assert!(wrong("tel:+4930123", &ALL).contains("sip and sips"));
    assert!(wrong("sip:a@b;transport=sctp", &ALL).contains("transport=sctp"));
    assert!(wrong("sip:a@b;transport=tls", &[Transport::Udp]).contains("TLS is not spoken"));
    assert!(wrong("sips:a@b", &[Transport::Udp]).contains("needs TLS"));
    // "." says that there is no such service; a thousand records are not all tried.
    let refused = Zone(vec![(Question::Srv("_sips._tcp.n.example".into()), srv(&[(0, 0, 0, ".")]))]);
    assert_eq!(refused.locate("sips:n.example;transport=tls", &ALL, 1).0, Vec::<String>::new());
    let many: Vec<(u16, u16, u16, &str)> = (0..1000).map(|n| (n, 0, 1, "s.example")).collect();
    let flood = Zone(vec![
        (Question::Srv("_sips._tcp.f.example".into()), srv(&many)),
        (Question::Addresses("s.example".into()), addresses(&["192.0.2.1"])),
    ]);
    assert!(flood.locate("sips:f.example;transport=tls", &ALL, 1).1 <= 1 + MOST_RECORDS);
}
