//! The load: callers and called side in one process, open loop, 100 ms and more between the steps of
//! a call so that its seven messages never travel together.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use mio::{Events, Poll};
use rustls::{ClientConnection, ServerConnection, pki_types::ServerName};

use crate::{
    looped::Conn,
    message::{Kind, SDP, parse, write},
};

pub fn run(shape: &str, rate: u64, seconds: u64, conns: usize, strace: bool) {
    let dir = std::env::temp_dir().join(format!("spike-signalling-{}", std::process::id()));
    crate::tls::make(&dir);
    let uas = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut dut = Command::new(std::env::current_exe().unwrap())
        .args([
            "dut",
            shape,
            dir.to_str().unwrap(),
            &uas.local_addr().unwrap().to_string(),
            &conns.to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ask = dut.stdin.take().unwrap();
    let mut lines = BufReader::new(dut.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address: std::net::SocketAddr = lines.next().unwrap().parse().unwrap();
    let (server, client) = crate::tls::configs(dir.to_str().unwrap());
    let mut poll = Poll::new().unwrap();
    let mut table = Vec::new();
    for id in 0..conns {
        let tls = ClientConnection::new(client.clone(), ServerName::try_from("spike").unwrap()).unwrap();
        table.push(Conn::new(
            std::net::TcpStream::connect(address).unwrap(),
            tls.into(),
            &poll,
            id,
        ));
    }
    // Handshakes go on while the called side's connections arrive: one shape makes them one by one.
    uas.set_nonblocking(true).unwrap();
    let mut events = Events::with_capacity(64);
    while table.len() < 2 * conns || table.iter().any(|c| c.tls.is_handshaking() || c.tls.wants_write()) {
        if let Ok((tcp, _)) = uas.accept() {
            let tls = ServerConnection::new(server.clone()).unwrap();
            table.push(Conn::new(tcp, tls.into(), &poll, table.len()));
        }
        table.iter_mut().for_each(Conn::flush);
        poll.poll(&mut events, Some(Duration::from_millis(2))).unwrap();
        for event in &events {
            table[event.token().0].read(|_| {});
        }
    }
    assert_eq!(lines.next().unwrap(), "ready");

    let mut tracer = strace.then(|| {
        let child = Command::new("strace")
            .args([
                "-c",
                "-f",
                "-q",
                "-o",
                dir.join("strace").to_str().unwrap(),
                "-p",
                &dut.id().to_string(),
            ])
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(500));
        child
    });
    let usage = |ask: &mut std::process::ChildStdin, lines: &mut dyn Iterator<Item = String>| -> Vec<u64> {
        writeln!(ask).unwrap();
        lines.next().unwrap().split(' ').map(|n| n.parse().unwrap()).collect()
    };

    let (mut placed, mut done) = (0u64, 0u64);
    let mut sent_at: Vec<Instant> = Vec::new();
    let mut latency: Vec<u64> = Vec::new();
    // What each step waits: ringing 40 ms, answer 120 ms, hang-up 200 ms after the step before it.
    let mut later =
        [(40, Kind::Ringing), (120, Kind::Ok), (200, Kind::Bye)].map(|(ms, k)| (ms, k, VecDeque::<(Instant, usize, u64)>::new()));
    let mut events = Events::with_capacity(256);
    let mut out = Vec::new();
    let warm = Instant::now() + Duration::from_secs(1);
    let end = warm + Duration::from_secs(seconds);
    let start = Instant::now();
    let mut window: Option<(Vec<u64>, u64)> = None;
    loop {
        poll.poll(&mut events, Some(Duration::from_millis(1))).unwrap();
        let now = Instant::now();
        if window.is_none() && now >= warm {
            window = Some((usage(&mut ask, &mut lines), done));
            latency.clear();
        }
        if now >= end {
            break;
        }
        let mut sends: Vec<(usize, Kind, u64)> = Vec::new();
        for event in &events {
            let id = event.token().0;
            table[id].read(|bytes| {
                let m = parse(bytes);
                match m.kind {
                    Kind::Invite => {
                        latency.push(sent_at[m.call as usize].elapsed().as_micros() as u64);
                        sends.push((id, Kind::Trying, m.call));
                        later[0].2.push_back((now, id, m.call));
                        later[1].2.push_back((now, id, m.call));
                    }
                    Kind::Ok => {
                        sends.push((id, Kind::Ack, m.call));
                        later[2].2.push_back((now, id, m.call));
                    }
                    Kind::Bye => sends.push((id, Kind::ByeOk, m.call)),
                    Kind::ByeOk => done += 1,
                    Kind::Trying | Kind::Ringing | Kind::Ack => {}
                }
            });
            table[id].flush();
        }
        for (ms, kind, queue) in &mut later {
            while queue.front().is_some_and(|f| f.0 + Duration::from_millis(*ms) <= now) {
                let (_, id, call) = queue.pop_front().unwrap();
                sends.push((id, *kind, call));
            }
        }
        let due = start.elapsed().as_micros() as u64 * rate / 1_000_000;
        while placed < due {
            sent_at.push(now);
            sends.push((placed as usize % conns, Kind::Invite, placed));
            placed += 1;
        }
        for (id, kind, call) in sends {
            out.clear();
            write(
                &mut out,
                kind,
                call,
                if matches!(kind, Kind::Invite | Kind::Ok) { SDP } else { b"" },
            );
            table[id].push(&out);
        }
        table.iter_mut().for_each(Conn::flush);
    }
    let (before, done_before) = window.unwrap();
    let after = usage(&mut ask, &mut lines);
    let calls = (done - done_before).max(1);
    let spent: Vec<f64> = after.iter().zip(&before).map(|(a, b)| (a - b) as f64).collect();
    latency.sort_unstable();
    let at = |p: usize| latency.get(latency.len() * p / 100).copied().unwrap_or(0);
    println!(
        "{shape:9} rate {rate:5}/s done {:6.0}/s  cpu {:6.1} us/call  core {:4.0} %  switches {:5.2}/call  INVITE through p50 {} us p99 {} us",
        calls as f64 / seconds as f64,
        spent[0] / calls as f64,
        spent[0] / seconds as f64 / 10_000.0,
        (spent[1] + spent[2]) / calls as f64,
        at(50),
        at(99)
    );
    drop(ask);
    let _ = dut.wait();
    if let Some(tracer) = &mut tracer {
        let _ = tracer.wait();
        let total = done.max(1) as f64;
        for line in std::fs::read_to_string(dir.join("strace")).unwrap().lines() {
            let cells: Vec<&str> = line.split_whitespace().collect();
            if let (Some(name), Some(count)) = (cells.last(), cells.get(3).and_then(|c| c.parse::<f64>().ok())) {
                if count / total > 0.05 && *name != "total" {
                    println!("    {name:14} {:7.2} a call", count / total);
                }
            }
        }
    }
    let _ = std::fs::remove_dir_all(dir);
}
