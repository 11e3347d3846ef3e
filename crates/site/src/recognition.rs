//! Who recognises what callers say.

use serde::{Deserialize, Serialize};

/// `[recognition]`: absent, keys are all that callers answer by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recognition {
    pub engine: RecognitionEngine,
    /// The program of `pocketsphinx`: its place, or its name where the path of the process has it.
    #[serde(default = "command")]
    pub command: String,
    /// Where the service is: `https:` of `http`, `wss:` of `websocket`.
    #[serde(default)]
    pub url: Option<String>,
    /// The speech server of `mrcp` (sips).
    #[serde(default)]
    pub server: Option<String>,
    /// Who vouches for the service or the server: `web` for roots/web.pem; absent: the site's own CA.
    #[serde(default)]
    pub authority: Option<String>,
    /// Words that are recognised later than this after they were said are given up.
    #[serde(default = "ten")]
    pub timeout_s: u32,
    /// Callers whose words are recognised at a time, for all calls of the process; more wait, within that time.
    #[serde(default = "four")]
    pub at_once: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RecognitionEngine {
    #[serde(rename = "pocketsphinx")]
    Pocketsphinx,
    #[serde(rename = "http")]
    Http,
    #[serde(rename = "websocket")]
    Websocket,
    #[serde(rename = "mrcp")]
    Mrcp,
}

fn command() -> String {
    "ringfence-pocketsphinx".into()
}

fn ten() -> u32 {
    10
}

fn four() -> u32 {
    4
}
