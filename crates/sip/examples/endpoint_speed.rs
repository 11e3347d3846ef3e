//! What a call costs in the endpoint: two endpoints back to back, each call INVITE, 100, 180, 200, ACK, BYE, 200 with
//! bodies of 1 kB, parsed and written on both sides. `cargo run --release -p sip --example endpoint_speed [calls]`

#![allow(clippy::disallowed_methods)] // a stopwatch reads the clock

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::{
    Body, Config, DialogId, Endpoint, Event, Flow, FlowId, Headers, Hop, Invite, Message, NameAddr, Output, Status,
    Target, Transport, Uri,
};

struct Side {
    endpoint: Endpoint,
    flow: Flow,
}

fn main() {
    let calls: u32 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let addrs: [SocketAddr; 2] = ["127.0.0.1:5061", "127.0.0.2:5061"].map(|a| a.parse().expect("an address"));
    let side = |me: usize| {
        let config =
            Config { local: vec![(Transport::Tls, addrs[me])], max_transactions: 1 << 24, ..Config::default() };
        let flow = Flow { id: FlowId(1), transport: Transport::Tls, local: addrs[me], remote: addrs[1 - me] };
        Side { endpoint: Endpoint::new([me as u8; 32], config, Duration::ZERO), flow }
    };
    let mut sides = [side(0), side(1)];
    let sdp = Body::sdp("a=ringfence speaks in lines of some length\r\n".repeat(23));
    let mut now = Duration::ZERO;
    let (mut messages, mut bytes) = (0u64, 0u64);
    // 1000 calls a second, each held for 30 s, so that tables are as full as they would be.
    let held = 30_000.min(calls as usize);
    let mut up = std::collections::VecDeque::new();
    let start = Instant::now();
    for _ in 0..calls {
        now += Duration::from_millis(1);
        let invite = Invite {
            hop: Hop::Target(Target { transport: Transport::Tls, addr: addrs[1], peer: "b".into() }),
            request_uri: Uri::sip(Some("6016"), addrs[1].ip(), Some(5061)),
            from: NameAddr::new(Uri::sip(Some("3227046971"), addrs[0].ip(), None)),
            to: NameAddr::new(Uri::sip(Some("6016"), addrs[1].ip(), None)),
            contact_user: Some("3227046971".into()),
            headers: Headers::new(),
            body: Some(sdp.clone()),
            max_forwards: 70,
        };
        let (dialog, _) = sides[0].endpoint.invite(invite, now);
        up.push_back(dialog);
        run(&mut sides, &sdp, now, &mut messages, &mut bytes);
        if up.len() > held
            && let Some(dialog) = up.pop_front()
        {
            sides[0].endpoint.end(dialog, Headers::new(), now);
            run(&mut sides, &sdp, now, &mut messages, &mut bytes);
        }
        for side in &mut sides {
            side.endpoint.tick(now);
        }
    }
    let spent = start.elapsed();
    let a_call = spent.as_secs_f64() * 1e6 / f64::from(calls);
    println!(
        "{calls} calls, {messages} messages, {bytes} octets: {a_call:.1} µs a call in both endpoints, {:.2} µs a message \
         read and written; {} dialogs, {} transactions held",
        spent.as_secs_f64() * 1e6 / messages as f64,
        sides[0].endpoint.dialogs(),
        sides[0].endpoint.transactions(),
    );
}

fn run(sides: &mut [Side; 2], sdp: &Body, now: Duration, messages: &mut u64, bytes: &mut u64) {
    loop {
        let mut idle = true;
        for me in [0, 1] {
            while let Some(output) = sides[me].endpoint.poll() {
                idle = false;
                match output {
                    Output::Send { bytes: sent, .. } => {
                        *messages += 1;
                        *bytes += sent.len() as u64;
                        let message = Message::parse(sent).expect("ours parses");
                        let other = &mut sides[1 - me];
                        other.endpoint.receive(other.flow, message, now);
                    }
                    Output::Event(event) => user(&mut sides[me].endpoint, event, sdp, now),
                }
            }
        }
        if idle {
            return;
        }
    }
}

fn user(endpoint: &mut Endpoint, event: Event, sdp: &Body, now: Duration) {
    match event {
        Event::Request { server, .. } => {
            endpoint.respond(server, Status(100), Headers::new(), None, now);
            endpoint.respond(server, Status(180), Headers::new(), None, now);
            endpoint.respond(server, Status(200), Headers::new(), Some(sdp.clone()), now);
        }
        Event::InDialog { server, .. } => endpoint.respond(server, Status(200), Headers::new(), None, now),
        Event::Accepted { dialog, .. } => ack(endpoint, dialog, now),
        _ => {}
    }
}

fn ack(endpoint: &mut Endpoint, dialog: DialogId, now: Duration) {
    endpoint.ack(dialog, Headers::new(), None, now);
}
