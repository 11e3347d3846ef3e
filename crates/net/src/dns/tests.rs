//! Questions to a name server on loopback that knows one zone.

use std::net::UdpSocket;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, NAPTR, SOA, SRV};

use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// What the zone has for a question, with times to live.
fn zone(asked: &Name, kind: RecordType) -> Vec<(u32, RData)> {
    match (asked.to_ascii().as_str(), kind) {
        ("_sips._tcp.estate.example.", RecordType::SRV) => vec![
            (300, RData::SRV(SRV::new(1, 5, 5061, name("one.estate.example.")))),
            (200, RData::SRV(SRV::new(2, 0, 5071, name("two.estate.example.")))),
        ],
        ("estate.example.", RecordType::NAPTR) => {
            let octets = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
            let record =
                NAPTR::new(10, 20, octets("s"), octets("SIPS+D2T"), octets(""), name("_sips._tcp.estate.example."));
            vec![(60, RData::NAPTR(record))]
        }
        ("one.estate.example.", RecordType::A) => vec![(30, RData::A(A("192.0.2.1".parse().unwrap())))],
        _ => Vec::new(),
    }
}

/// Answers on loopback until the process ends.
fn server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut message = Message::from_vec(&buffer[..length]).unwrap().into_response();
            let query = message.queries[0].clone();
            let records = zone(query.name(), query.query_type());
            if query.name().to_ascii().ends_with("broken.example.") {
                message.metadata.response_code = ResponseCode::ServFail;
            } else if records.is_empty() {
                message.metadata.response_code = ResponseCode::NXDomain;
                let soa = SOA::new(name("ns.example."), name("who.example."), 1, 60, 60, 60, 90);
                message.add_authority(Record::from_rdata(name("example."), 90, RData::SOA(soa)));
            }
            for (ttl, data) in records {
                message.add_answer(Record::from_rdata(query.name().clone(), ttl, data));
            }
            socket.send_to(&message.to_vec().unwrap(), from).unwrap();
        }
    });
    address
}

fn ask(server: SocketAddr, question: Question) -> Result<Resolved, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { Resolver::new(&[server]).ask(&question).await })
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn records_come_as_they_are_and_last_as_long_as_the_shortest() {
    let server = server();
    let srv = |priority, weight, port, target: &str| Srv { priority, weight, port, target: target.into() };
    let hosts = vec![srv(1, 5, 5061, "one.estate.example"), srv(2, 0, 5071, "two.estate.example")];
    let told = ask(server, Question::Srv("_sips._tcp.estate.example".into()));
    assert_eq!(told, Ok(Resolved { records: Records::Srv(hosts), lasts: seconds(200) }));
    let naptr = Naptr {
        order: 10,
        preference: 20,
        flags: "s".into(),
        service: "SIPS+D2T".into(),
        replacement: "_sips._tcp.estate.example".into(),
    };
    let told = ask(server, Question::Naptr("estate.example".into()));
    assert_eq!(told, Ok(Resolved { records: Records::Naptr(vec![naptr]), lasts: seconds(60) }));
}

#[test]
fn an_address_of_one_family_is_enough() {
    let told = ask(server(), Question::Addresses("one.estate.example".into()));
    let one = Records::Addresses(vec!["192.0.2.1".parse().unwrap()]);
    assert_eq!(told, Ok(Resolved { records: one, lasts: seconds(30) }));
}

#[test]
fn that_there_is_nothing_is_an_answer_and_lasts_as_the_zone_says() {
    let nothing = Ok(Resolved { records: Records::Nothing, lasts: seconds(90) });
    assert_eq!(ask(server(), Question::Addresses("none.estate.example".into())), nothing);
    assert_eq!(ask(server(), Question::Srv("_sip._udp.estate.example".into())), nothing);
}

#[test]
fn a_server_that_fails_gives_no_answer() {
    assert!(ask(server(), Question::Srv("_sips._tcp.broken.example".into())).is_err());
}

#[test]
fn what_is_no_name_is_said() {
    let error = ask(server(), Question::Addresses("a..b".into())).unwrap_err();
    assert!(error.contains("a..b"), "{error}");
}
