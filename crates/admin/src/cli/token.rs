//! `ringfence token`.

use std::path::PathBuf;

use clap::Subcommand;

/// In the audit log, each; the token itself is kept nowhere.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Issue one for a phone whose security profile enables OAuth, and print it. Whoever has it can register as the phone.
    Issue {
        /// The phone's name in the site; the token is its owner's.
        phone: String,
        /// Seconds that it is good for; default: the site's `token_life_s`.
        #[arg(long, value_name = "SECONDS")]
        life: Option<u32>,
        /// A file that only its owner may read, instead of standard output.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// Which call manager, where a site has several.
        #[arg(long)]
        node: Option<String>,
    },
    /// Those that were issued here, and what was taken back, the oldest first.
    List {
        /// The same as data.
        #[arg(long)]
        json: bool,
    },
    /// Take tokens back, at once: a registration by one ends, calls that are up go on.
    Revoke {
        /// A token's id, or a phone or an owner, all of whose tokens are meant.
        what: String,
        #[arg(long, default_value = "unspecified")]
        reason: String,
        /// One of an identity provider's, by its `jti`.
        #[arg(long)]
        foreign: bool,
    },
    /// The issuer's public keys as a JSON Web Key Set (RFC 7517), for whoever else is to believe its tokens.
    Keys {
        /// Default: standard output.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// Which call manager, where a site has several.
        #[arg(long)]
        node: Option<String>,
    },
    /// Give the issuer a new key. Tokens of the key before are good until they end.
    Renew {
        /// The key before may be in wrong hands: its tokens are refused from now on, and registrations by them end.
        #[arg(long)]
        at_once: bool,
        /// Which call manager, where a site has several.
        #[arg(long)]
        node: Option<String>,
    },
}
