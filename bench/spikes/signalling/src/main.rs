//! Spike 1: how should a node read its connections? An echo back-to-back UA with fixed headers
//! over mutual TLS, driven by a load generator in another process. See ../../README.md.

mod driver;
mod looped;
mod message;
mod tasks;
mod tls;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let word = |i: usize| args.get(i).map(String::as_str).unwrap_or("");
    let number = |i: usize, default: u64| word(i).parse().unwrap_or(default);
    match word(0) {
        "dut" => {
            let (dir, uas, conns) = (word(2).to_owned(), word(3).parse().unwrap(), number(4, 8) as usize);
            answer_questions();
            match word(1) {
                "loop" => looped::run(&dir, uas, conns),
                // tasks: the node's loop is a thread of its own; onethread: it is a task beside the others.
                "tasks" => tasks::run(&dir, uas, conns, tasks::Loop::Thread),
                "onethread" => tasks::run(&dir, uas, conns, tasks::Loop::Task),
                other => panic!("no such shape: {other}"),
            }
        }
        // SHAPE RATE SECONDS CONNS [strace]
        "drive" => driver::run(
            word(1),
            number(2, 500),
            number(3, 8),
            number(4, 8) as usize,
            word(5) == "strace",
        ),
        _ => eprintln!("spike-signalling drive loop|tasks|onethread RATE SECONDS CONNS [strace]"),
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
