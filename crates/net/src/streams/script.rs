//! What is said on the WebSocket of a stream: one JSON object a message, by `event`, with the names and shapes that Twilio's
//! Media Streams gave them, which most bots know. Ours alone are `value` of a bot's `stop`, and `error`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use media::{Frame, g711};
use sdp::Codec;
use serde::Deserialize;
use serde_json::{Value, json};

/// Octets of what a bot may leave.
pub(super) const MOST_VALUE: usize = 16 << 10;
/// Octets of a mark's name.
const MOST_NAME: usize = 256;

/// What a bot says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// µ-law, 8 kHz.
    Media(Vec<u8>),
    Mark(String),
    Clear,
    /// It is done; JSON.
    Stop(String),
    /// Nothing that we know.
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Media {
        media: Media,
    },
    Mark {
        mark: Mark,
    },
    Clear,
    Stop {
        #[serde(default)]
        stop: Stop,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Media {
    payload: String,
}

#[derive(Deserialize)]
struct Mark {
    name: String,
}

#[derive(Default, Deserialize)]
struct Stop {
    #[serde(default)]
    value: Value,
}

/// # Errors
/// What was expected; nothing of what was said.
pub(super) fn read(message: &[u8]) -> Result<Said, String> {
    let event = serde_json::from_slice(message).map_err(|error| {
        let nature = if error.is_data() { "one of another kind" } else { "none" };
        format!("expected a JSON object with `event`, found {nature}")
    })?;
    Ok(match event {
        Event::Media { media } => {
            let codes = BASE64_STANDARD.decode(media.payload);
            Said::Media(codes.map_err(|_| "expected base64 as `media.payload`")?)
        }
        Event::Mark { mark } if mark.name.len() > MOST_NAME => {
            return Err(format!("a mark's name has {MOST_NAME} octets at most"));
        }
        Event::Mark { mark } => Said::Mark(mark.name),
        Event::Clear => Said::Clear,
        Event::Stop { stop } => {
            let value = stop.value.to_string();
            if value.len() > MOST_VALUE {
                return Err(format!("`stop.value` has {MOST_VALUE} octets at most"));
            }
            Said::Stop(value)
        }
        Event::Other => Said::Other,
    })
}

/// Our part.
pub(super) struct Script {
    /// What the stream and the call are called there.
    stream: String,
    call: String,
    sequence: u64,
    /// The number of the caller's first frame.
    first: Option<u64>,
}

impl Script {
    pub(super) fn new(stream: String, call: String) -> Script {
        Script { stream, call, sequence: 0, first: None }
    }

    pub(super) fn connected() -> String {
        json!({ "event": "connected", "protocol": "Call", "version": "1.0.0" }).to_string()
    }

    pub(super) fn start(&mut self, parameters: &str) -> String {
        let parameters: Value = serde_json::from_str(parameters).unwrap_or_default();
        let start = json!({
            "streamSid": self.stream,
            "callSid": self.call,
            "tracks": ["inbound"],
            "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
            "customParameters": parameters,
        });
        self.say("start", Some(start))
    }

    /// 20 ms of the caller. `chunk` and `timestamp` go on over what was lost.
    pub(super) fn media(&mut self, frame: &Frame) -> String {
        let at = frame.number.saturating_sub(*self.first.get_or_insert(frame.number));
        let codes: Vec<u8> = frame.samples.iter().map(|sample| g711::encode(Codec::Pcmu, *sample)).collect();
        let media = json!({
            "track": "inbound",
            "chunk": (at + 1).to_string(),
            "timestamp": (at * 20).to_string(),
            "payload": BASE64_STANDARD.encode(codes),
        });
        self.say("media", Some(media))
    }

    pub(super) fn dtmf(&mut self, key: char) -> String {
        self.say("dtmf", Some(json!({ "track": "inbound_track", "digit": key.to_string() })))
    }

    pub(super) fn mark(&mut self, name: &str) -> String {
        self.say("mark", Some(json!({ "name": name })))
    }

    pub(super) fn stop(&mut self) -> String {
        let call = self.call.clone();
        self.say("stop", Some(json!({ "callSid": call })))
    }

    /// What it said was thrown away.
    pub(super) fn error(&mut self, code: &str, detail: &str) -> String {
        self.say("error", Some(json!({ "code": code, "detail": detail })))
    }

    fn say(&mut self, event: &str, what: Option<Value>) -> String {
        self.sequence += 1;
        let mut message = json!({
            "event": event,
            "sequenceNumber": self.sequence.to_string(),
            "streamSid": self.stream,
        });
        if let (Some(fields), Some(what)) = (message.as_object_mut(), what) {
            fields.insert(event.to_owned(), what);
        }
        message.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bots_say() {
        let media = |codes: &[u8]| Ok(Said::Media(codes.to_vec()));
        for (message, expected) in [
            (r#"{"event":"media","streamSid":"x","media":{"payload":"AP9/"}}"#, media(&[0, 255, 127])),
            (r#"{"event":"media","media":{"payload":""}}"#, media(&[])),
            (r#"{"media":{"payload":"AA=="},"event":"media"}"#, media(&[0])),
            (r#"{"event":"mark","mark":{"name":"a"}}"#, Ok(Said::Mark("a".into()))),
            (r#"{"event":"clear","streamSid":"x"}"#, Ok(Said::Clear)),
            (r#"{"event":"stop"}"#, Ok(Said::Stop("null".into()))),
            (r#"{"event":"stop","stop":{"value":{"a":1}}}"#, Ok(Said::Stop(r#"{"a":1}"#.into()))),
            (r#"{"event":"thinking"}"#, Ok(Said::Other)),
        ] {
            assert_eq!(read(message.as_bytes()), expected, "{message}");
        }
        for (message, expected) in [
            ("hello", "found none"),
            ("[]", "of another kind"),
            (r#"{"event":"media"}"#, "of another kind"),
            (r#"{"event":"media","media":{"payload":"secret!"}}"#, "base64"),
        ] {
            let why = read(message.as_bytes()).unwrap_err();
            assert!(why.contains(expected) && !why.contains("secret"), "{message}: {why}");
        }
        let long = json!({ "event": "stop", "stop": { "value": "x".repeat(MOST_VALUE) } }).to_string();
        assert!(read(long.as_bytes()).unwrap_err().contains("16384"));
        let long = json!({ "event": "mark", "mark": { "name": "x".repeat(300) } }).to_string();
        assert!(read(long.as_bytes()).unwrap_err().contains("256"));
    }

    #[test]
    fn what_bots_are_told() {
        let mut script = Script::new("s1".into(), "c1".into());
        let value = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        let start = value(script.start(r#"{"who":"ann"}"#));
        assert_eq!((&start["event"], &start["sequenceNumber"]), (&json!("start"), &json!("1")));
        assert_eq!(start["start"]["customParameters"], json!({ "who": "ann" }));
        assert_eq!(start["start"]["mediaFormat"]["encoding"], "audio/x-mulaw");
        let frame = |number| Frame { number, samples: [0; Frame::SAMPLES].as_slice().into() };
        let first = value(script.media(&frame(7)));
        assert_eq!((&first["media"]["chunk"], &first["media"]["timestamp"]), (&json!("1"), &json!("0")));
        let third = value(script.media(&frame(9)));
        assert_eq!(
            (&third["media"]["chunk"], &third["media"]["timestamp"]),
            (&json!("3"), &json!("40")),
            "one was lost"
        );
        assert_eq!(BASE64_STANDARD.decode(third["media"]["payload"].as_str().unwrap()).unwrap(), [255; 160]);
        assert_eq!(value(script.dtmf('#'))["dtmf"]["digit"], "#");
        assert_eq!(value(script.mark("m"))["mark"]["name"], "m");
        assert_eq!(value(script.stop())["stop"]["callSid"], "c1");
        assert_eq!(value(script.error("overrun", "d"))["error"]["code"], "overrun");
        assert_eq!(value(script.stop())["sequenceNumber"], "8");
    }
}
