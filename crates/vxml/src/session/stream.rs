//! `<rf:stream>`: the caller talks with a program at an address, a bot say, until it is done; what it says last is the item's
//! value. None of VoiceXML's, and an input item as those are (2.0 §2.3).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Output;
use super::machine::{After, Flow, Machine, Thrown, Wait};

/// How long it may take to open where nobody says, and whatever is said.
const CONNECT: Duration = Duration::from_secs(10);
const LONGEST_CONNECT: Duration = Duration::from_secs(60);
/// How long it may last, likewise.
const LONG: Duration = Duration::from_secs(3600);
const LONGEST: Duration = Duration::from_secs(4 * 3600);
/// What all parameters may be in octets of JSON.
const PARAMETERS: usize = 16 << 10;

/// Whom the caller is to hear and be heard by.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamOrder {
    /// `wss:`, or `ws:` where whoever takes the order lets it be.
    pub url: String,
    /// Within this it is open.
    pub connect_timeout: Duration,
    /// What the document's `<param>`s give: a JSON object.
    pub parameters: String,
}

impl fmt::Debug for StreamOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamOrder({} octets of parameters)", self.parameters.len())
    }
}

/// How it ended. The value may be about the caller: its Debug does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamEnd {
    /// It said that it is done; otherwise it only left.
    pub stopped: bool,
    /// JSON: the item's value.
    pub value: String,
    pub duration_ms: u64,
}

impl fmt::Debug for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamEnd({} octets after {} ms)", self.value.len(), self.duration_ms)
    }
}

/// One that is under way.
#[derive(Debug)]
pub(super) struct Streaming {
    pub(super) id: u64,
    since: Duration,
    /// It was as long as it may be.
    pub(super) due: Duration,
}

/// Of a reference to what is beside a page of a web server: as WebSockets have it.
fn address(url: &str) -> String {
    match (url.strip_prefix("https:"), url.strip_prefix("http:")) {
        (Some(rest), _) => format!("wss:{rest}"),
        (None, Some(rest)) => format!("ws:{rest}"),
        (None, None) => url.to_owned(),
    }
}

impl Machine {
    pub(super) fn stream_item(&mut self) -> Flow {
        if !self.is_alone() {
            self.flush(After::Stream);
        }
        Ok(())
    }

    pub(super) fn begin_stream(&mut self) {
        if let Err(thrown) = self.order_stream() {
            self.throw(thrown);
        }
    }

    fn order_stream(&mut self) -> Flow {
        let (_, item) = self.current()?;
        let document = self.visit()?.document.clone();
        let url = self.either(&document, item, "src", "srcexpr")?.unwrap_or_default();
        let url = address(&document.resolve(&url));
        if !url.starts_with("wss://") && !url.starts_with("ws://") {
            let words = format!("`{url}`: expected a wss: address");
            return Err(Thrown::new("error.unsupported.uri", words));
        }
        let parameters = self.parameters(&document, item)?;
        if parameters.len() > PARAMETERS {
            let words = format!("parameters of {} octets; {PARAMETERS} are sent at most", parameters.len());
            return Err(Thrown::new("error.noresource", words));
        }
        let connect_timeout = document.time(item, "connecttimeout").unwrap_or(CONNECT).min(LONGEST_CONNECT);
        let longest = document.time(item, "maxtime").filter(|time| !time.is_zero()).unwrap_or(LONG).min(LONGEST);
        // What was pressed before is no word for whoever is talked with.
        self.typed.clear();
        let id = self.id();
        self.say(Output::Stream { id, order: Box::new(StreamOrder { url, connect_timeout, parameters }) });
        let since = self.now.mono;
        self.wait = Wait::Stream(Streaming { id, since, due: since + longest });
        Ok(())
    }

    pub(super) fn stream_timed_out(&mut self) -> Flow {
        let Wait::Stream(Streaming { id, since, due }) = self.wait else { return Ok(()) };
        if due > self.now.mono {
            return Ok(());
        }
        self.wait = Wait::Nothing;
        self.say(Output::EndStream { id });
        let (at, _) = self.current()?;
        let duration = due.saturating_sub(since).as_millis() as u64;
        self.fill(at, &Value::Null, &json!({ "reason": "maxtime", "duration": duration }))
    }

    pub(super) fn streamed(&mut self, id: u64, outcome: Result<StreamEnd, String>) -> Flow {
        if !matches!(&self.wait, Wait::Stream(stream) if stream.id == id) {
            return Ok(());
        }
        self.wait = Wait::Nothing;
        let (at, _) = self.current()?;
        let StreamEnd { stopped, value, duration_ms } =
            outcome.map_err(|event| Thrown::new(event, "the stream gave nothing"))?;
        let value: Value = serde_json::from_str(&value)
            .map_err(|error| Thrown::new("error.stream.protocol", format!("a stream's value is no JSON: {error}")))?;
        let reason = if stopped { "stop" } else { "closed" };
        self.fill(at, &value, &json!({ "reason": reason, "duration": duration_ms }))
    }
}
