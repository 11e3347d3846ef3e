//! `ringfence load`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Load {
    /// INVITE, 180, 200, ACK, a pause, BYE, 200; with `--answer` also the called side of it.
    Calls {
        #[command(flatten)]
        server: LoadServer,
        #[command(flatten)]
        pace: LoadPace,
        /// Number to call.
        #[arg(long)]
        number: String,
        /// Seconds from ACK to BYE.
        #[arg(long, default_value_t = 1.0)]
        hold: f64,
        /// Play the called side too, listening here.
        #[arg(long, value_name = "ADDRESS:PORT")]
        answer: Option<SocketAddr>,
        /// Identity of the called side; default: the caller's.
        #[arg(long, requires = "answer")]
        answer_identity: Option<PathBuf>,
        /// Seconds from 180 to 200.
        #[arg(long, default_value_t = 0.05)]
        ring: f64,
    },
    /// REGISTER, the challenge, REGISTER with its answer, 200.
    Registrations {
        #[command(flatten)]
        server: LoadServer,
        #[command(flatten)]
        pace: LoadPace,
        /// Host of the Request-URI and the address-of-record; default: the server's address.
        #[arg(long)]
        domain: Option<String>,
        /// The first line; the others count up from it.
        #[arg(long)]
        first_line: u64,
        /// How many lines; then the first is registered again.
        #[arg(long, default_value_t = 1)]
        lines: u64,
        /// Digest secret of all of them. Also read from RINGFENCE_SECRET.
        #[arg(long, env = "RINGFENCE_SECRET", hide_env_values = true)]
        secret: String,
        /// Seconds that connections stay open and idle after the last registration.
        #[arg(long, default_value_t = 0.0)]
        linger: f64,
    },
    /// The called side alone.
    Answer {
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: SocketAddr,
        #[arg(long)]
        identity: Option<PathBuf>,
        /// Seconds from 180 to 200.
        #[arg(long, default_value_t = 0.05)]
        ring: f64,
        /// Seconds to stay.
        #[arg(long)]
        seconds: f64,
        /// `udp` or `tcp` instead of TLS: everybody can read and change what is said.
        #[arg(long, value_name = "TRANSPORT")]
        dangerous_plain: Option<String>,
        /// The report as data.
        #[arg(long)]
        json: bool,
    },
}

/// The server under load, and how it is talked to.
#[derive(Debug, Args)]
pub struct LoadServer {
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub server: SocketAddr,
    /// Address to call from.
    #[arg(long)]
    pub from: IpAddr,
    /// Name in the server's certificate; needed for TLS.
    #[arg(long)]
    pub server_name: Option<String>,
    /// Folder with chain.pem, key.pem and root.pem (see `ringfence cert issue`): TLS, and this certificate is shown.
    #[arg(long)]
    pub identity: Option<PathBuf>,
    /// Root certificate that the server is verified by (PEM): TLS, and no certificate of ours is shown.
    #[arg(long, conflicts_with = "identity")]
    pub root: Option<PathBuf>,
    /// `udp` or `tcp` instead of TLS: everybody can read and change what is said.
    #[arg(long, value_name = "TRANSPORT", conflicts_with_all = ["identity", "root"])]
    pub dangerous_plain: Option<String>,
    /// Connections that are opened first and kept.
    #[arg(long, default_value_t = 8)]
    pub connections: usize,
    /// A new connection for each call or registration instead.
    #[arg(long)]
    pub connection_each: bool,
    /// Let new connections take up earlier TLS sessions; otherwise every handshake is a whole one.
    #[arg(long)]
    pub resume: bool,
}

/// How much is offered, evenly and whatever comes of it.
#[derive(Debug, Args)]
pub struct LoadPace {
    /// Calls or registrations a second.
    #[arg(long)]
    pub rate: f64,
    /// Seconds of offering; what is under way then is brought to its end.
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// The most that may be under way at once.
    #[arg(long, default_value_t = 100_000)]
    pub most: usize,
    /// Seconds after which one without a final answer is lost.
    #[arg(long, default_value_t = 32.0)]
    pub patience: f64,
    /// The report as data.
    #[arg(long)]
    pub json: bool,
}
