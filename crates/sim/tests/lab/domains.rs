//! A dial-peer that leads to a domain (RFC 3263): SRV records, hosts that are dead, a DNS that changes or says nothing.

use std::net::IpAddr;
use std::time::Duration;

use sim::rig::{Papers, Sound, World, lab};
use sip::locate::{Question, Records, Srv};

const S: Duration = Duration::from_secs(1);

/// The call server of the lab, and a place where nobody is.
const LIVES: &str = "127.18.133.13";
const DEAD: &str = "127.18.133.99";

fn addresses(host: &str, ip: &str) -> (Question, Records) {
    (Question::Addresses(host.into()), Records::Addresses(vec![ip.parse::<IpAddr>().unwrap()]))
}

fn services(hosts: &[(u16, &str)]) -> (Question, Records) {
    let record =
        |(priority, host): &(u16, &str)| Srv { priority: *priority, weight: 1, port: 5061, target: (*host).into() };
    (Question::Srv("_sips._tcp.estate.example".into()), Records::Srv(hosts.iter().map(record).collect()))
}

/// The lab, whose border controller knows the call server by `target`.
fn world(target: &str, subject: &str, zone: impl IntoIterator<Item = (Question, Records)>) -> World {
    let site = include_str!("../../../../examples/lab.toml")
        .replace("session_target = \"ipv4:127.18.133.13:5061\"", &format!("session_target = \"{target}\""))
        .replacen("secure_certificate_subject = [\"cvp1.lab.example\"]", subject, 1);
    let mut world = World::new(1, Sound::still());
    world.dns = zone.into_iter().collect();
    world.start_site(&site::Site::parse(&site).expect("a good site"));
    world.start(lab::carrier(), Papers::None);
    world.run(3 * S);
    world
}

const SUBJECT: &str = "secure_certificate_subject = [\"cvp1.lab.example\"]";

/// Places a call, waits for what the carrier hears of it, hangs up. Whether it was answered.
fn call(world: &mut World) -> bool {
    let seen = world.crossed.len();
    world.dial("6016");
    let last =
        |it: &sim::rig::Crossed| it.to == "carrier" && it.arrow().ends_with(" INVITE") && !it.arrow().starts_with('1');
    world.until(60 * S, |world| world.crossed[seen..].iter().any(last));
    let answered = world.crossed[seen..].iter().any(|it| last(it) && it.arrow() == "200 INVITE");
    world.hang_up("carrier");
    world.run(5 * S);
    answered
}

#[test]
fn srv_records_lead_to_the_call_server() {
    let zone = [services(&[(1, "cvp1.estate.example")]), addresses("cvp1.estate.example", LIVES)];
    let mut world = world("dns:estate.example", SUBJECT, zone);
    assert!(call(&mut world), "{}", world.ladder());
    // The URI names the domain, so that the estate can route by it (RFC 3261 §8.1.1.1).
    let invite = world.crossed.iter().find(|it| it.to == "cvp1" && it.arrow() == "INVITE").unwrap();
    assert!(invite.bytes.starts_with(b"INVITE sip:6016@estate.example SIP/2.0\r\n"), "{:?}", invite.bytes);
}

#[test]
fn with_a_port_only_addresses_are_asked_for() {
    let mut world = world("dns:cvp1.estate.example:5061", SUBJECT, [addresses("cvp1.estate.example", LIVES)]);
    assert!(call(&mut world), "{}", world.ladder());
}

#[test]
fn a_dead_host_is_passed_over_and_the_next_call_does_not_go_there_first() {
    let zone = [
        services(&[(1, "dead.estate.example"), (2, "cvp1.estate.example")]),
        addresses("dead.estate.example", DEAD),
        addresses("cvp1.estate.example", LIVES),
    ];
    let mut world = world("dns:estate.example", SUBJECT, zone);
    assert!(call(&mut world) && call(&mut world), "{}", world.ladder());
    let words: Vec<_> = world.decisions.iter().filter(|(_, words)| words.starts_with("dial-peer 6000")).collect();
    assert_eq!(words.len(), 3, "two tries of the first call, one of the second: {words:?}");
}

#[test]
fn a_certificate_must_name_the_domain_when_nobody_else_is_named() {
    let zone = [services(&[(1, "cvp1.estate.example")]), addresses("cvp1.estate.example", LIVES)];
    let mut world = world("dns:estate.example", "", zone);
    assert!(!call(&mut world), "cvp1's certificate is for cvp1.lab.example\n{}", world.ladder());
}

#[test]
fn a_domain_that_nobody_knows_is_refused_in_words() {
    let mut world = world("dns:estate.example", SUBJECT, []);
    assert!(!call(&mut world));
    let refused = world.crossed.iter().find(|it| it.to == "carrier" && it.arrow() == "502 INVITE");
    let refused = refused.unwrap_or_else(|| panic!("{}", world.ladder()));
    let message = sip::Message::parse(refused.bytes.clone()).unwrap();
    let warning = message.header(&sip::Name::Warning).unwrap_or_default();
    assert!(warning.contains("the DNS has no address for estate.example"), "{warning}");
}

#[test]
fn while_the_dns_is_silent_the_last_that_is_known_stands() {
    let zone = [services(&[(1, "cvp1.estate.example")]), addresses("cvp1.estate.example", LIVES)];
    let mut world = world("dns:estate.example", SUBJECT, zone);
    world.dns_is_silent = true;
    world.run(600 * S);
    assert!(call(&mut world), "{}", world.ladder());
}

#[test]
fn when_the_records_change_calls_go_elsewhere_without_a_reload() {
    let zone = [services(&[(1, "cvp1.estate.example")]), addresses("cvp1.estate.example", DEAD)];
    let mut world = world("dns:estate.example", SUBJECT, zone);
    assert!(!call(&mut world));
    world.dns.extend([addresses("cvp1.estate.example", LIVES)]);
    world.run(61 * S);
    assert!(call(&mut world), "{}", world.ladder());
}
