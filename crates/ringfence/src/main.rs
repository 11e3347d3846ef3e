//! The binary: arguments in, one command done, an exit status out.
//!
//! 0 done · 1 it could not be done, or a passport is wrong · 2 the command line is wrong · 64 the site is wrong.

mod command;

use std::process::ExitCode;

use admin::cli::{Cli, Command};
use clap::Parser;

/// Whoever reads what we print may have read enough (`ringfence cert show | head`): that is worth no backtrace.
fn end_with_who_reads() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let words = panic.payload_as_str().unwrap_or_default();
        if words.starts_with("failed printing to stdout: Broken pipe") {
            // As a shell says of who was ended by SIGPIPE.
            std::process::exit(141);
        }
        before(panic);
    }));
}

/// A call is some hundreds of small things, made by one thread and dropped by another: the system's allocator took a
/// tenth of a node's time for them (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    end_with_who_reads();
    let cli = Cli::parse();
    let data = cli.data;
    let outcome = match cli.command {
        Command::Init { site } => command::init::run(&data, &site),
        Command::Check { site } => command::check::run(&site),
        Command::Guide { site } => command::check::guide(&site),
        Command::Run { site, only } => command::run::run(&data, site.as_deref(), &only),
        Command::Cert(cert) => command::cert::run(&data, cert),
        Command::Profile(profile) => command::profile::run(&profile),
        Command::Data(admin::cli::Data::Export { nodes, to }) => command::cert::export(&data, &nodes, &to),
        Command::Account(account) => command::account::run(&data, account),
        Command::Token(token) => command::token::run(&data, token),
        Command::Console(admin::cli::Console::Show) => command::utils::consoles(&data),
        Command::Agent(agent) => command::agent::run(&data, agent),
        Command::Queue(queue) => command::queue::run(&data, &queue),
        Command::Recording(recording) => command::recording::run(&data, &recording),
        Command::Why(why) => command::why::run(&data, &why),
        Command::Cdr { json, most } => command::cdr::run(&data, json, most),
        Command::Watch { once } => command::watch::run(&data, once),
        Command::Debug(debug) => command::debug::run(&data, &debug),
        Command::Undebug(debug) => command::debug::off(&data, &debug),
        Command::Show(show) => command::show::run(&data, &show),
        Command::Passport(passport) => command::passport::run(&data, passport),
        Command::Ladder { caller, output, names } => command::ladder::run(&data, &caller, &output, &names),
        Command::Reload { node } => command::cert::reload(&data, node.as_deref()),
        Command::Drain { node } => command::agent::drain(&data, &node),
        Command::Trust(trust) => command::trust::run(&data, trust),
        Command::Capf(capf) => command::enrol::run(capf),
        Command::Tvs(tvs) => command::enrol::query(tvs),
        Command::Utils { words, node } => command::utils::run(&data, &words, node.as_deref()),
        Command::Phone(phone) => command::phone::run(phone),
        Command::Load(load) => command::load::run(load),
        Command::Vxml(vxml) => command::vxml::run(vxml),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("ringfence: {error:#}");
        ExitCode::FAILURE
    })
}
