//! Spike 2: how should media threads batch? A relay that re-keys SRTP (AEAD_AES_128_GCM) between the
//! two pre-bound ports of each call, driven by a paced sender in another process. See ../../README.md.

mod driver;
mod epoll;
mod rekey;
mod task;
mod uring;

use std::net::UdpSocket;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let word = |i: usize| args.get(i).map(String::as_str).unwrap_or("");
    let number = |i: usize, default: u64| word(i).parse().unwrap_or(default);
    match word(0) {
        "dut" => {
            let legs = number(2, 200) as usize;
            let ports: Vec<UdpSocket> = (0..legs).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
            for port in &ports {
                port.set_nonblocking(true).unwrap();
            }
            let list: Vec<String> = ports.iter().map(|p| p.local_addr().unwrap().port().to_string()).collect();
            println!("{}", list.join(" "));
            answer_questions();
            match word(1) {
                "task" => task::run(ports),
                "epoll" => epoll::run(ports, false, false),
                "epoll-tick" => epoll::run(ports, true, false),
                "mmsg-tick" => epoll::run(ports, true, true),
                "uring" => uring::run(ports, false),
                "uring-tick" => uring::run(ports, true),
                other => panic!("no such shape: {other}"),
            }
        }
        // SHAPE CALLS SECONDS [strace]
        "drive" => driver::run(word(1), number(2, 100) as usize, number(3, 8), word(4) == "strace"),
        _ => eprintln!("spike-media drive task|epoll|epoll-tick|mmsg-tick|uring|uring-tick CALLS SECONDS [strace]"),
    }
}

/// Each line on stdin is answered with "cpu_us voluntary_switches involuntary_switches".
fn answer_questions() {
    std::thread::spawn(|| {
        for line in std::io::stdin().lines() {
            if line.is_err() {
                break;
            }
            // SAFETY: a zeroed rusage is a valid out-parameter.
            let usage = unsafe {
                let mut usage: libc::rusage = std::mem::zeroed();
                libc::getrusage(libc::RUSAGE_SELF, &mut usage);
                usage
            };
            let us = |t: libc::timeval| t.tv_sec * 1_000_000 + t.tv_usec;
            println!(
                "{} {} {}",
                us(usage.ru_utime) + us(usage.ru_stime),
                usage.ru_nvcsw,
                usage.ru_nivcsw
            );
        }
        std::process::exit(0);
    });
}
