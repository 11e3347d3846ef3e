//! A voice browser (CVVB) and its applications.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A voice browser (CVVB).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoiceBrowser {
    #[serde(rename = "application", default)]
    pub applications: Vec<Application>,
    /// SRTP required (default). `false` only with `dangerous_plain_rtp = true`.
    #[serde(default = "crate::yes")]
    pub srtp: bool,
    #[serde(default)]
    pub dangerous_plain_rtp: bool,
    /// SRTP suites that are offered and taken, in order of preference, by their names in `a=crypto`; empty = the usual ones
    /// are offered, and all that are sound today taken.
    #[serde(default)]
    pub srtp_crypto: Vec<String>,
    /// Addresses that may call without TLS, at the node's plain `port`; only without SRTP, whose keys would travel in
    /// clear. Read them with [`VoiceBrowser::plain_callers`].
    #[serde(default)]
    pub dangerous_plain_callers: Vec<String>,
    /// Subjects (CN or SAN) that may call.
    pub secure_certificate_subject: Vec<String>,
    /// The authority that issues them: `carrier` is roots/carrier.pem in the data directory; absent = the site's own CA.
    #[serde(default)]
    pub authority: Option<String>,
}

impl VoiceBrowser {
    pub fn plain_callers(&self) -> Vec<IpAddr> {
        self.dangerous_plain_callers.iter().filter_map(|text| text.parse().ok()).collect()
    }
}

impl Application {
    /// Whether this is `host` or `host:port`.
    pub(crate) fn is_server(text: &str) -> bool {
        let (host, port) = match text.rsplit_once(':') {
            // An address of IPv6 is in brackets.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')),
        };
        is_host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
    }
}

/// A VoiceXML application, or a one-question IVR.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Dialled number or application name (user part of the Request-URI).
    pub number: String,
    /// The first VoiceXML document: an `https://` address, or a file, absolute or from where `ringfence` is started, whose
    /// folder is the application.
    pub document: Option<String>,
    /// The authority that page servers' certificates come from: `web` is roots/web.pem in the data directory; absent = the
    /// site's own CA.
    #[serde(default)]
    pub page_authority: Option<String>,
    /// Pages may be fetched over http, where anybody on the way can read and change them.
    #[serde(default)]
    pub dangerous_plain_http: bool,
    /// What the browser says by itself, and what documents say that name no language (BCP 47); absent: that of `[speech]`.
    #[serde(default)]
    pub language: Option<String>,
    /// The question, where there is no document.
    #[serde(default)]
    pub prompt: String,
    /// Played when nothing or a wrong digit is pressed; then the question again.
    #[serde(default = "invalid_prompt")]
    pub invalid_prompt: String,
    #[serde(default = "moh_prompt")]
    pub queue_music: String,
    /// Seconds of silence after the prompt before it counts as no input.
    #[serde(default = "five")]
    pub timeout_s: u32,
    #[serde(default = "three")]
    pub tries: u32,
    /// Numbers (patterns) that its documents may call, bridging the caller or putting them through (`<transfer>`); nothing
    /// else is called. The call server has a list of its own.
    #[serde(default)]
    pub may_dial: Vec<String>,
    /// Servers (`host` or `host:port`) that its documents may have callers talk with (`<rf:stream>`); nobody else hears them.
    #[serde(default)]
    pub may_stream: Vec<String>,
    #[serde(rename = "choice", default)]
    pub choices: Vec<Choice>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    pub digit: char,
    pub queue: String,
    /// The caller is let go and called back at their own number when their turn in the queue comes.
    #[serde(default)]
    pub call_back: bool,
}

fn invalid_prompt() -> String {
    "invalid".into()
}

fn moh_prompt() -> String {
    "moh".into()
}

fn five() -> u32 {
    5
}

fn three() -> u32 {
    3
}
