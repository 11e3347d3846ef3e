//! The grammar of the command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

mod agent;
pub mod debug;
mod load;
mod token;

pub use agent::{Agent, OfCall, Supervise};
pub use load::{Load, LoadPace, LoadServer};
pub use token::Token;

/// A secure contact centre and phone system in one binary.
#[derive(Debug, Parser)]
#[command(name = "ringfence", version, arg_required_else_help = true)]
pub struct Cli {
    /// Data directory: PKI, store, and the site as it was last taken in.
    #[arg(long, global = true, default_value = "data", env = "RINGFENCE_DATA")]
    pub data: PathBuf,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the data directory for a site: private CA, an identity for each node, the store. Again: only what is missing.
    Init { site: PathBuf },
    /// Check a site file: all problems at once, with places. Exit status 64 if there are any.
    Check { site: PathBuf },
    /// How to bring a site up, node by node, in the order in which a call meets them.
    Guide { site: PathBuf },
    /// Start the site's nodes in this process, until SIGTERM or Ctrl-C; SIGHUP reads the site file again.
    Run {
        /// Site file; default: the one in the data directory.
        site: Option<PathBuf>,
        /// Start these nodes only.
        #[arg(long, num_args = 1.., value_name = "NODE")]
        only: Vec<String>,
    },
    /// Certificates by the site's own CA.
    #[command(subcommand)]
    Cert(Cert),
    /// Security profiles of trunks and phones.
    #[command(subcommand)]
    Profile(Profile),
    /// Data directories.
    #[command(subcommand)]
    Data(Data),
    /// People who may log in: to the desk's interface, administrators also to consoles.
    #[command(subcommand)]
    Account(Account),
    /// Tokens that phones register by (SIP OAuth).
    #[command(subcommand)]
    Token(Token),
    /// Consoles over SSH.
    #[command(subcommand)]
    Console(Console),
    /// Agents' states.
    #[command(subcommand)]
    Agent(Agent),
    /// Queues: who waits, and figures by quarters of an hour.
    #[command(subcommand)]
    Queue(Queue),
    /// Why a call went to this agent and not to that one; or what yesterday's calls would have met with other scripts.
    Why(Why),
    /// Finished legs with their security, newest first.
    Cdr {
        /// As JSON (the whole security records).
        #[arg(long)]
        json: bool,
        #[arg(long, default_value_t = 100)]
        most: u32,
    },
    /// Recordings, which lie sealed in the data directory: list them, open one. Each access is in the audit.
    #[command(subcommand)]
    Recording(Recording),
    /// A live board of queues and agents, until Ctrl-C.
    Watch {
        /// Print it once.
        #[arg(long)]
        once: bool,
    },
    /// What is going on: `call active voice brief`, `sip-ua connections tcp tls detail`, `refusals`, `agents`, `queues`,
    /// `registrations`, `status`, `ctl`, `itl`, `phones`, `trunks`, `security-mode`, `running-config`, `debugging`. Words
    /// may be shortened as on IOS.
    Show(Show),
    /// TLS handshakes of running nodes as they go on, until Ctrl-C: `ssl openssl errors`, `ssl openssl msg`, `ssl openssl
    /// states`.
    Debug(debug::Debug),
    /// `all`: nothing of that any more, whoever asked for it.
    Undebug(debug::Debug),
    /// A call's proof.
    #[command(subcommand)]
    Passport(Passport),
    /// Draw a call's ladder as one HTML page.
    Ladder {
        /// The caller's Session-ID UUID, or `last`.
        caller: String,
        #[arg(short, long, default_value = "ladder.html")]
        output: PathBuf,
        /// Names for addresses that are not nodes of the site, e.g. `127.18.133.76=carrier`.
        #[arg(long = "name", value_name = "ADDRESS=NAME")]
        names: Vec<String>,
    },
    /// Let running nodes read site and certificates again, as SIGHUP does: calls that are up keep theirs.
    Reload {
        /// This node's process only; default: every node's.
        #[arg(long)]
        node: Option<String>,
    },
    /// Let a node's calls end and take no new ones; returns when the last has ended.
    Drain { node: String },
    /// Trust lists, signed and encrypted files.
    #[command(subcommand)]
    Trust(Trust),
    /// The phone's side of certificate enrolment.
    #[command(subcommand)]
    Capf(Capf),
    /// The phone's side of trust verification.
    #[command(subcommand)]
    Tvs(Tvs),
    /// `ctl set-cluster mixed-mode`, `ctl set-cluster non-secure-mode`, `ctl update CTLFile`, `itl reset localkey`, `service
    /// list`, `service restart NAME`: as on a call manager; each says what it will do and asks before it does.
    Utils {
        #[arg(required = true, num_args = 1..)]
        words: Vec<String>,
        /// Which node; default: the only call manager.
        #[arg(long)]
        node: Option<String>,
    },
    /// A headless phone on the terminal: type `dial NUMBER`, `press DIGITS`, `answer`, `hangup`, `quit`.
    Phone(Phone),
    /// Offer calls or registrations at a rate, and tell what became of each. Exit status 1 unless all were completed.
    #[command(subcommand)]
    Load(Load),
    /// VoiceXML applications.
    #[command(subcommand)]
    Vxml(Vxml),
}

#[derive(Debug, Subcommand)]
pub enum Vxml {
    /// Check documents and grammars: all problems at once, with places. Exit status 64 if there are any.
    Check {
        /// Files, or folders whose `.vxml`, `.grxml` and `.gram` files are meant.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Talk an application through in the terminal: type keys or words; an empty line is silence, `!hangup` hangs up.
    Run {
        file: PathBuf,
        /// The number that was dialled.
        #[arg(long, default_value = "6016")]
        called: String,
        /// The caller's number.
        #[arg(long, default_value = "anonymous")]
        calling: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Cert {
    /// Issue a certificate: for a phone, or for a box of another make in this estate.
    Issue {
        /// Subject CN; also the first DNS name.
        #[arg(long)]
        name: String,
        #[arg(long)]
        dns: Vec<String>,
        #[arg(long)]
        ip: Vec<IpAddr>,
        /// Days of validity from now; negative makes one that has expired (for tests of refusal).
        #[arg(long, default_value_t = 365, allow_negative_numbers = true)]
        days: i64,
        /// `p256`, `p384` or `rsa2048`
        #[arg(long, default_value = "p256")]
        key: String,
        /// Folder for chain.pem, key.pem and root.pem; made if missing.
        #[arg(long)]
        out: PathBuf,
    },
    /// Print the identities of the data directory.
    List {
        /// Everything that this CA has issued, with its serial, and what of it is revoked.
        #[arg(long)]
        all: bool,
    },
    /// What becomes of a certificate: who uses it, until when, and on which date and why connections with it will break.
    Show {
        /// A node, `NODE@TRUSTPOINT` or `admin`; default: all.
        name: Option<String>,
    },
    /// Give an identity a new key and certificate, at once and without a restart. Nothing is interrupted: what is up stays
    /// up, and the certificate before stays good.
    Renew {
        /// A node, `NODE@TRUSTPOINT`, `admin` or `root`; `NODE/callmanager`, `NODE/tvs`, `NODE/capf` or `NODE/itlrecovery`: a call
        /// manager's towards phones. The last is told first, and signs when each phone that is known holds it.
        name: String,
        /// A call manager whose phones know its certificate: take the new one now, though phones may not know it yet.
        #[arg(long)]
        dangerous_at_once: bool,
    },
    /// Take certificates back, for good: nobody lets their holder in any more, and its connections are closed at once. Says
    /// first which those are, and asks.
    Revoke {
        /// An identity's or a phone's name (all of its certificates), a certificate's name or serial, or a file with the
        /// certificate.
        what: String,
        /// `unspecified`, `key-compromise`, `affiliation-changed`, `superseded`, `cessation-of-operation` or
        /// `privilege-withdrawn`
        #[arg(long, default_value = "unspecified")]
        reason: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Make the list of what is revoked anew (good for 90 days) and hand it to every node of the site.
    Crl,
    /// A new key for an identity, which stays here, and a request for its certificate (PKCS #10) to hand to an authority.
    Csr {
        /// A node, `NODE@TRUSTPOINT` or `admin`.
        name: String,
        /// `p256`, `p384`, `rsa2048`, `rsa3072` or `rsa4096`
        #[arg(long, default_value = "p256")]
        key: String,
        /// Where to write it; default: standard output.
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// A new key for a trustpoint and a certificate that it signs itself, for a peer that is to be given it.
    SelfSign {
        /// `NODE@TRUSTPOINT`
        name: String,
        /// `p256`, `p384`, `rsa2048`, `rsa3072` or `rsa4096`
        #[arg(long, default_value = "p256")]
        key: String,
    },
    /// Sign such a request with the site's own CA: for a node whose data directory is elsewhere.
    Sign {
        /// Whose certificate it is to be; the site says which names it has, not the request.
        name: String,
        request: PathBuf,
        /// Where to write the chain; default: standard output.
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Put a chain that an authority issued into force, the node's certificate first. It is judged before anything changes.
    Import { name: String, chain: PathBuf },
    /// Order a trustpoint's certificate (`cube1@carrier`) of the authority that its `acme` names (RFC 8555), now.
    Acme { name: String },
    /// Write an identity's chain: what others may need to know it by. Its key stays here.
    Export {
        name: String,
        /// Default: standard output.
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Profile {
    /// The profiles of a site file, and the templates that phones' profiles are copied from.
    List {
        site: PathBuf,
        /// Only phones' profiles for this kind of phone, or one whose name has this in it.
        #[arg(long = "type", value_name = "PRODUCT")]
        product: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Add a copy of a profile to a site file: only its name is another and, of a trunk's profile, its subject. A template
    /// can be copied, too.
    Copy {
        site: PathBuf,
        from: String,
        to: String,
        /// Of a template: the copy is encrypted over TLS.
        #[arg(long)]
        secure: bool,
        /// Of a template: which call manager gets it, where a site has several.
        #[arg(long)]
        node: Option<String>,
        /// Secure Certificate Subject or Subject Alternate Name of the copy; default: the original's.
        #[arg(long, value_name = "NAME")]
        subject: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Data {
    /// A data directory that holds these nodes' identities and no CA key: for another process or host.
    Export {
        #[arg(required = true)]
        nodes: Vec<String>,
        #[arg(long)]
        to: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum Trust {
    /// Print and verify a CTL, an ITL, a signed or an encrypted file, of any system. Exit status 1 if something is wrong.
    Inspect {
        file: PathBuf,
        /// Certificates to verify with (PEM or DER).
        #[arg(long = "cert", value_name = "FILE")]
        certificates: Vec<PathBuf>,
        /// Private key of the device that an encrypted file is for (PEM).
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Before a change: which phones would lose trust by it, and why, from what each holds. Nothing is changed. Exit
    /// status 1 if anyone would be lost.
    Rehearse {
        /// `renew callmanager|tvs|capf|tftp|itlrecovery|ca`, `mixed-mode on|off`, `remove-root ca|capf|capf.previous`.
        #[arg(required = true, num_args = 1..)]
        change: Vec<String>,
        /// Which call manager, where a site has several.
        #[arg(long)]
        node: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Take a change out in rings of phones: lists that tell of it go to a few, then to more, then to all; it stops by
    /// itself when phones do not come back in time, and is made for good when all are back.
    Roll {
        /// `renew callmanager|tvs|capf`, `mixed-mode on|off`; or of the one on its way `status`, `resume`, `abandon`.
        #[arg(required = true, num_args = 1..)]
        words: Vec<String>,
        /// How many of a hundred phones are in each ring with those before it; the rest follows.
        #[arg(long, default_value = "1,10")]
        rings: String,
        /// How long the phones of a ring have to come back.
        #[arg(long, value_name = "MINUTES", default_value_t = 60)]
        within: u64,
        /// `resume`: nobody waits any more for the phones that are missing.
        #[arg(long)]
        leave_behind: bool,
        /// Begin, though the rehearsal says that phones would be lost.
        #[arg(long)]
        dangerous_lose_phones: bool,
        /// Which call manager, where a site has several.
        #[arg(long)]
        node: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Capf {
    /// Enrol as a phone would: whatever operation the server has ordered is done.
    Enrol {
        /// Such as `SEP001122334455`.
        #[arg(long)]
        device: String,
        /// The server's address and port (3804 as a rule).
        #[arg(long)]
        server: SocketAddr,
        /// What the server is verified by: a CTL or ITL, or its certificate (PEM or DER).
        #[arg(long)]
        trust: PathBuf,
        /// Authentication string. Also read from RINGFENCE_AUTHENTICATION_STRING.
        #[arg(long, env = "RINGFENCE_AUTHENTICATION_STRING", hide_env_values = true, default_value = "")]
        password: String,
        /// Folder with chain.pem and key.pem of an existing certificate to prove the device by.
        #[arg(long)]
        identity: Option<PathBuf>,
        /// Folder for chain.pem and key.pem; made if missing.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum Tvs {
    /// Ask whether a certificate is trusted, and for what. Exit status 1 if it is not.
    Query {
        /// The certificate (PEM or DER).
        certificate: PathBuf,
        /// The server's address and port (2445 as a rule).
        #[arg(long)]
        server: SocketAddr,
        /// What the server is verified by: a CTL or ITL, or its certificate (PEM or DER).
        #[arg(long)]
        trust: PathBuf,
        /// The device name to ask as.
        #[arg(long, default_value = "SEP000000000000")]
        device: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Account {
    /// Make one. The password is asked for, or is the first line of standard input: it is never an argument.
    Add {
        name: String,
        /// `agent`, `supervisor` (of the teams that the site says) or `administrator`
        #[arg(long, default_value = "agent")]
        role: String,
        /// Which of the site's agents this is; default, for agents and supervisors: the one whose id is the name.
        #[arg(long)]
        agent: Option<String>,
    },
    List,
    /// Give it another password.
    Password {
        name: String,
    },
    Remove {
        name: String,
    },
    /// Look somebody up in the site's directory, as a log-in does, without a password: role and agent, or what is wrong.
    Find {
        name: String,
    },
    /// SSH public keys that an administrator logs in to consoles with.
    #[command(subcommand)]
    Key(AccountKey),
}

#[derive(Debug, Subcommand)]
pub enum AccountKey {
    /// Add one, as `ssh-keygen -t ed25519` writes it into a .pub file.
    Add {
        name: String,
        /// The .pub file; `-` is standard input.
        file: PathBuf,
    },
    List {
        name: String,
    },
    Remove {
        name: String,
        /// `SHA256:…`, as `list` shows it.
        fingerprint: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Console {
    /// Which nodes have one, where, and the fingerprint of its host key: what a client shows when it connects first.
    Show,
}

#[derive(Debug, Subcommand)]
pub enum Queue {
    /// Who waits, and who may serve them.
    Show,
    /// Figures of queues, call types and agents by quarters of an hour, of the last day.
    Figures {
        /// As comma-separated values (RFC 4180) rather than as a table.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// The same as data.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Recording {
    /// What there is, the oldest first.
    List {
        /// The same as data.
        #[arg(long)]
        json: bool,
    },
    /// Open one and write it in clear: what was heard, or heard and said as stereo.
    Get {
        /// The recording's number, the caller's Session-ID UUID, or `last`.
        call: String,
        /// The WAV file.
        #[arg(short, long)]
        output: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct Why {
    /// The caller's Session-ID UUID, or `last`.
    #[arg(required_unless_present = "replay")]
    pub call: Option<String>,
    /// Why not this agent?
    #[arg(long, value_name = "AGENT")]
    pub not: Option<String>,
    /// Run the last calls again, as they came, against the site file given here; default: the site in force.
    #[arg(long, conflicts_with = "call")]
    pub replay: bool,
    /// The site file that `--replay` runs them against.
    #[arg(long, requires = "replay")]
    pub site: Option<PathBuf>,
    /// So many hours of calls.
    #[arg(long, default_value_t = 24, requires = "replay")]
    pub hours: u32,
    /// The same as data.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Show {
    #[arg(required = true, num_args = 1..)]
    pub words: Vec<String>,
    /// Ask this node only; default: every node to which the question applies.
    #[arg(long)]
    pub node: Option<String>,
    /// The same as data.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Passport {
    /// Gather all nodes' signed statements of a call.
    Get {
        /// The caller's Session-ID UUID, or `last`.
        caller: String,
        #[arg(short, long, default_value = "passport.json")]
        output: PathBuf,
    },
    /// Verify a passport, offline. Exit status 1 names the first thing that is wrong.
    Verify {
        file: PathBuf,
        /// Root certificate that you trust (PEM); default: the data directory's, if there is one.
        #[arg(long)]
        root: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct Phone {
    /// Address to listen and call from.
    #[arg(long)]
    pub address: IpAddr,
    /// Local SIP port; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// The number of this phone.
    #[arg(long, required_unless_present = "tftp", default_value = "")]
    pub line: String,
    /// Where calls go and, with `--secret`, where the phone registers.
    #[arg(long, required_unless_present = "tftp")]
    pub server: Option<SocketAddr>,
    /// Be a secure phone: lists, configuration and certificate come from the call manager, asked first at this TFTP server
    /// (port 69 as a rule).
    #[arg(long, value_name = "ADDRESS:PORT", requires_all = ["device", "keep"],
          conflicts_with_all = ["line", "server", "server_name", "secret", "identity", "dangerous_plain"])]
    pub tftp: Option<SocketAddr>,
    /// With `--tftp`: who it is, such as `SEP001122334455`.
    #[arg(long)]
    pub device: Option<String>,
    /// With `--tftp`: folder for what a phone keeps; empty at first, it is a phone out of its box.
    #[arg(long)]
    pub keep: Option<PathBuf>,
    /// With `--tftp`: authentication string for CAPF. Also read from RINGFENCE_AUTHENTICATION_STRING.
    #[arg(long, env = "RINGFENCE_AUTHENTICATION_STRING", hide_env_values = true, default_value = "")]
    pub password: String,
    /// Name in the server's certificate.
    #[arg(long)]
    pub server_name: Option<String>,
    /// Digest secret; registers when given. Also read from RINGFENCE_SECRET.
    #[arg(long, env = "RINGFENCE_SECRET", hide_env_values = true)]
    pub secret: Option<String>,
    /// File with a token, which admits the phone instead of a certificate and a secret; also RINGFENCE_TOKEN, the token
    /// itself. Needs `--root`, or `--tftp`: then the trust lists say who the server is.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["secret", "identity", "dangerous_plain"])]
    pub token: Option<PathBuf>,
    /// With a token: root certificate that the server is verified by (PEM).
    #[arg(long, conflicts_with_all = ["identity", "tftp", "dangerous_plain"])]
    pub root: Option<PathBuf>,
    /// Folder with chain.pem, key.pem and root.pem (see `ringfence cert issue`).
    #[arg(long)]
    pub identity: Option<PathBuf>,
    /// UDP and RTP in clear: for playing a carrier in a lab.
    #[arg(long)]
    pub dangerous_plain: bool,
    /// Answer by itself after so many seconds; default: `answer` is typed.
    #[arg(long)]
    pub answer_after: Option<f32>,
    /// What the phone says: a built-in prompt or a WAV file.
    #[arg(long, default_value = "agent")]
    pub say: String,
    /// Folder for heard.wav and said.wav, in clear: for a lab whose audio is compared.
    #[arg(long)]
    pub dangerous_record: Option<PathBuf>,
}

/// The questions of `show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    Calls,
    Connections,
    Refusals,
    Agents,
    Queues,
    Registrations,
    Status,
    Ctl,
    Itl,
    Phones,
    Trunks,
    SecurityMode,
    RunningConfig,
    Debugging,
}

const QUESTIONS: [(&str, Question); 14] = [
    ("call active voice brief", Question::Calls),
    ("sip-ua connections tcp tls detail", Question::Connections),
    ("refusals", Question::Refusals),
    ("agents", Question::Agents),
    ("queues", Question::Queues),
    ("registrations", Question::Registrations),
    ("status", Question::Status),
    ("ctl", Question::Ctl),
    ("itl", Question::Itl),
    ("phones", Question::Phones),
    ("trunks", Question::Trunks),
    ("security-mode", Question::SecurityMode),
    ("running-config", Question::RunningConfig),
    ("debugging", Question::Debugging),
];

impl Question {
    /// Words as typed: each a prefix of its keyword, without case, as on IOS.
    ///
    /// # Errors
    /// Nothing or more than one thing begins so; the words list what there is.
    pub fn parse(words: &[String]) -> Result<Question, String> {
        let typed: Vec<String> = words.iter().flat_map(|w| w.split_whitespace()).map(str::to_ascii_lowercase).collect();
        let fits = |command: &str| {
            let keywords: Vec<&str> = command.split(' ').collect();
            typed.len() == keywords.len() && keywords.iter().zip(&typed).all(|(k, t)| k.starts_with(t.as_str()))
        };
        let found: Vec<&(&str, Question)> = QUESTIONS.iter().filter(|(command, _)| fits(command)).collect();
        match found.as_slice() {
            [(_, question)] => Ok(*question),
            [] => Err(format!(
                "`{}` is nothing that can be shown; expected one of: {}",
                typed.join(" "),
                QUESTIONS.map(|(command, _)| command).join("; ")
            )),
            several => {
                let names: Vec<&str> = several.iter().map(|(command, _)| *command).collect();
                Err(format!("ambiguous: {}", names.join("; ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn show_takes_the_words_of_ios_whole_or_shortened() {
        let parse = |text: &str| Question::parse(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parse("call active voice brief"), Ok(Question::Calls));
        assert_eq!(parse("CALL act voi br"), Ok(Question::Calls));
        assert_eq!(parse("sip-ua conn tcp tls det"), Ok(Question::Connections));
        assert_eq!(parse("q"), Ok(Question::Queues));
        assert!(parse("r").unwrap_err().starts_with("ambiguous: refusals; registrations"));
        let unknown = parse("moon").unwrap_err();
        assert!(unknown.starts_with("`moon` is nothing that can be shown; expected one of: call active"), "{unknown}");
    }
}
