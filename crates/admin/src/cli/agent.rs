//! `ringfence agent …`: states, calls, and supervisors in them.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Agent {
    /// In, not ready at first.
    Login { id: String },
    /// Out, from not ready only.
    Logout {
        id: String,
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Takes calls from now on.
    Ready { id: String },
    /// Takes none; one that is up goes on.
    NotReady {
        id: String,
        /// As the site's supervisors will read it: lunch, training.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// A supervisor's phone rings, and hears the agent's call; heard by nobody. In the audit log, as are the next three.
    Listen(Supervise),
    /// The same, heard by the agent alone.
    Whisper(Supervise),
    /// All hear each other.
    Barge(Supervise),
    /// The supervisor has the call, and the agent is out of it.
    TakeOver(Supervise),
    /// The agent's calls, and what can be done with each now.
    Calls {
        id: String,
        /// The same as data.
        #[arg(long)]
        json: bool,
    },
    /// The agent's phone rings, then calls this number.
    Call { id: String, number: String },
    /// Pick up the call that rings, where the phone can be told to.
    Answer(OfCall),
    /// The caller hears music.
    Hold(OfCall),
    /// Take a held caller back.
    Retrieve(OfCall),
    /// Hold the caller, and call this number.
    Consult {
        id: String,
        number: String,
        #[arg(long, value_name = "N")]
        call: Option<u64>,
    },
    /// Bring the held caller together with whom the agent consulted; the agent is free.
    Transfer(OfCall),
    /// Caller, agent, and whom the agent consulted hear each other.
    Conference(OfCall),
    /// The caller goes to this queue, script or number at once; the agent is free.
    SendOn {
        id: String,
        to: String,
        #[arg(long, value_name = "N")]
        call: Option<u64>,
    },
    /// Press keys for the caller to hear: 0-9, *, #, A-D.
    Press {
        id: String,
        keys: String,
        #[arg(long, value_name = "N")]
        call: Option<u64>,
    },
    /// What the call was about: one of the team's wrap-up reasons; during the call, or in the work after it.
    WrapUp {
        id: String,
        reason: String,
        #[arg(long, value_name = "N")]
        call: Option<u64>,
    },
    /// Hang up.
    Drop(OfCall),
}

/// A call of an agent's.
#[derive(Debug, Args)]
pub struct OfCall {
    /// Whose call.
    pub id: String,
    /// Which, as `agent calls` numbers them; may be left out where only one can be meant.
    #[arg(long, value_name = "N")]
    pub call: Option<u64>,
}

#[derive(Debug, Args)]
pub struct Supervise {
    /// Whose call.
    pub agent: String,
    /// The supervisor of the agent's team whose phone is to ring.
    #[arg(long = "as", value_name = "SUPERVISOR")]
    pub supervisor: String,
}
