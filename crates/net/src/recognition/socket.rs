//! A service that recognises over a WebSocket: it is dialled when somebody begins to speak, given what is said as it is said,
//! and may find the end by itself.

use std::time::Duration;

use media::{Endpointer, Turn};
use serde::Deserialize;
use serde_json::json;
use vxml::{Hearing, Utterance, nlsml};

use super::{NOBODY, News, Tell};
use crate::media_threads::Heard;
use crate::web::Trust;
use crate::websocket::{Link, Terms};

/// Messages on the way to its results; more, and it only talks.
const MOST_MESSAGES: usize = 1000;
const TERMS: Terms = Terms { most: 64 << 10, dangerous_plain: false };

/// A message that is no result.
#[derive(Deserialize)]
struct OnTheWay {
    /// It has heard the end.
    #[serde(default)]
    end: bool,
    #[serde(default)]
    results: Option<serde::de::IgnoredAny>,
}

/// One caller who has begun to speak.
pub(super) struct Speaker<'a> {
    pub(super) trust: &'a Trust,
    pub(super) engine: &'a site::Recognition,
    pub(super) hearing: &'a Hearing,
    pub(super) heard: &'a mut Heard,
    pub(super) ear: &'a mut Endpointer,
    pub(super) tell: &'a Tell,
}

impl Speaker<'_> {
    pub(super) async fn recognise(mut self) -> Result<Vec<Utterance>, String> {
        let patience = Duration::from_secs(self.engine.timeout_s.into());
        let url = self.engine.url.clone().ok_or("the service has no address")?;
        let authority = trust::Authority::of(self.engine.authority.as_deref());
        let trust = self.trust.clone();
        let dial = tokio::time::timeout(patience, async move { Link::open(&trust, &authority, &url, TERMS).await });
        let mut dial = std::pin::pin!(dial);
        let mut ended = false;
        let mut link = loop {
            tokio::select! {
                link = &mut dial => break link.map_err(|_| late(patience))??,
                frame = self.heard.recv() => self.frame(frame, &mut ended)?,
            }
        };
        link.say(&self.order()).await?;
        let recognised = self.talk(&mut link, ended, patience).await;
        link.close().await;
        recognised
    }

    async fn talk(&mut self, link: &mut Link, mut ended: bool, patience: Duration) -> Result<Vec<Utterance>, String> {
        let (mut said_end, mut messages) = (false, 0);
        let mut deadline = std::pin::pin!(tokio::time::sleep(patience));
        loop {
            let samples = self.ear.drain();
            if !samples.is_empty() && !said_end {
                let octets: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                link.say_octets(&octets).await?;
            }
            if ended && !said_end {
                said_end = true;
                link.say(r#"{"end":true}"#).await?;
                deadline.as_mut().reset(tokio::time::Instant::now() + patience);
            }
            let message = tokio::select! {
                frame = self.heard.recv() => {
                    self.frame(frame, &mut ended)?;
                    continue;
                }
                message = link.hear() => message?.ok_or("it hung up")?,
                () = &mut deadline, if said_end => return Err(late(patience)),
            };
            messages += 1;
            let on_the_way: OnTheWay = serde_json::from_slice(&message)
                .map_err(|error| format!("expected JSON: {}", nature(error.classify())))?;
            if on_the_way.results.is_some() {
                self.end(&mut ended);
                return nlsml::read(&message);
            }
            if on_the_way.end {
                self.end(&mut ended);
            }
            if messages >= MOST_MESSAGES {
                return Err(format!("{MOST_MESSAGES} messages and no result"));
            }
        }
    }

    /// One more of the caller's, or the end of the call.
    fn frame(&mut self, frame: Option<media::Frame>, ended: &mut bool) -> Result<(), String> {
        let frame = frame.ok_or(NOBODY)?;
        if !*ended && self.ear.take(&frame) == Turn::Ended {
            self.end(ended);
        }
        Ok(())
    }

    fn end(&self, ended: &mut bool) {
        if !std::mem::replace(ended, true) {
            (self.tell)(News::Speech(false));
        }
    }

    fn order(&self) -> String {
        let hearing = self.hearing;
        json!({ "start": {
            "language": hearing.language,
            "encoding": "s16le",
            "rate": 8000,
            "srgs": hearing.grammars,
            "n_best": hearing.most,
            "speed_vs_accuracy": f64::from(hearing.speed_vs_accuracy) / 100.0,
            "complete_ms": hearing.complete.as_millis() as u64,
            "incomplete_ms": hearing.incomplete.as_millis() as u64,
        } })
        .to_string()
    }
}

fn late(patience: Duration) -> String {
    format!("no words within {} s", patience.as_secs())
}

/// What is wrong, without a word of it.
fn nature(category: serde_json::error::Category) -> &'static str {
    match category {
        serde_json::error::Category::Io => "it broke off",
        serde_json::error::Category::Syntax => "it is none",
        serde_json::error::Category::Data => "it is of another kind",
        serde_json::error::Category::Eof => "it ends too early",
    }
}
