//! `cargo xtask`: the project's own commands.
//!
//! `demo [--stay]`, `test [--quick]`, `bench sip`, `bench media`, `bench trust`, `bench vxml`, `tidy`, `programs`. Each is one file here.

mod bench;
mod bench_media;
mod bench_trust;
mod demo;
mod programs;
mod run;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "cargo xtask COMMAND

  demo [--stay]   build, start the lab, place a call, narrate it, prove it; leaves its findings in demo/
  test [--quick]  every check of the project; --quick leaves out the runs against other programs
  bench acd       routing decisions a second beside a bare linear scan, events' latency, memory (docs/performance.md)
  bench sip [--rounds N] [--seconds S] [--rate R] [--only ROW,…]
                  Ringfence and kamailio under the same load, by turns (docs/performance.md)
  bench media [--rounds N] [--seconds N] [--calls N,N]
                  our media relay beside rtpengine, our SRTP beside libsrtp, by turns
  bench trust [--phones N] [--each N] [--seconds S]
                  enrolments, lists, configuration, registrations by token; phones that all start at once
  bench vxml [--rounds N] [--seconds N] [--calls N,N]
                  documents read a second, processor a turn; calls with SRTP and pages over HTTPS beside a null relay
  tidy            checks of the house: layout, sizes, contract rows, what must be absent
  programs        install (as root on Debian) or name the programs that the interop runs need
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["demo"] => demo::run(false),
        ["demo", "--stay"] => demo::run(true),
        ["test"] => test::run(false),
        ["test", "--quick"] => test::run(true),
        ["bench", "acd"] => ["acd routing_speed", "desk event_latency"].iter().try_for_each(|which| {
            let (package, example) = which.split_once(' ').unwrap_or_default();
            run::cargo(&["run", "--release", "--quiet", "-p", package, "--example", example])
        }),
        ["bench", "vxml", rest @ ..] => {
            let example = ["run", "--release", "--quiet", "-p"];
            run::cargo(&[example.as_slice(), &["vxml", "--example", "vxml_cost"]].concat()).and_then(|()| {
                run::cargo(&[example.as_slice(), &["net", "--example", "vxml_bench", "--"], rest].concat())
            })
        }
        ["bench", "sip", options @ ..] => bench::run(options),
        ["tidy"] => tidy::run(),
        ["programs"] => programs::ensure(),
        ["bench", "media", rest @ ..] => bench_media::run(rest),
        ["bench", "trust", rest @ ..] => bench_trust::run(rest),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
