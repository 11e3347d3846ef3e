//! One caller and one bot, from its address to its last word.

use std::time::{Duration, Instant};

use media::Spoken;
use tokio::time::{sleep_until, timeout};
use trust::Authority;
use vxml::StreamEnd;

use super::queue::{Budget, Queue};
use super::script::{Said, Script, read};
use crate::media_threads::{Noted, Talk};
use crate::web::Trust;
use crate::websocket::{Link, Terms};

/// Octets of one message: some twenty seconds of audio.
const MOST_MESSAGE: usize = 256 << 10;
/// What a bot said before it stopped was heard within this.
const HEARD: Duration = Duration::from_secs(125);

/// Why it came to nothing.
#[derive(Debug)]
enum Fault {
    /// In words for the log.
    Unreachable(String),
    Lost(String),
    Protocol(String),
    /// The caller is gone, or the application has had enough: nobody waits for an answer.
    Gone,
}

impl Fault {
    fn event(&self) -> &'static str {
        match self {
            Fault::Unreachable(_) => "error.badfetch",
            Fault::Lost(_) | Fault::Gone => "error.stream.lost",
            Fault::Protocol(_) => "error.stream.protocol",
        }
    }
}

pub(super) async fn converse(trust: &Trust, stream: &roles::Stream, talk: Talk) -> Result<StreamEnd, String> {
    let since = Instant::now();
    let ended = whole(trust, stream, talk).await;
    if let Err(Fault::Unreachable(why) | Fault::Lost(why) | Fault::Protocol(why)) = &ended {
        tracing::warn!(%why, "a caller could not be streamed to a bot, or no further");
    }
    let (stopped, value) = ended.map_err(|fault| fault.event().to_owned())?;
    Ok(StreamEnd { stopped, value, duration_ms: since.elapsed().as_millis() as u64 })
}

async fn whole(trust: &Trust, stream: &roles::Stream, mut talk: Talk) -> Result<(bool, String), Fault> {
    let link = dial(trust, stream, &mut talk).await?;
    let script = Script::new(format!("{:016x}", stream.tap), stream.caller.clone());
    let budget = Budget::new(Instant::now());
    let mut conversation = Conversation { link, talk, script, queue: Queue::default(), budget, full: false };
    conversation.say(Script::connected()).await?;
    let start = conversation.script.start(&stream.order.parameters);
    conversation.say(start).await?;
    let ended = conversation.talk().await;
    // What it said last is heard, whatever it does meanwhile; a bot that failed is cut off with its tap.
    let Conversation { mut link, mut talk, mut script, mut queue, .. } = conversation;
    if !matches!(ended, Err(Fault::Lost(_))) {
        let stop = script.stop();
        tokio::spawn(async move {
            let _ = link.say(&stop).await;
            link.close().await;
        });
    }
    let ended = ended?;
    if queue.waiting() > 0 {
        timeout(HEARD, heard_out(&mut talk, queue.last())).await.unwrap_or(Ok(()))?;
    }
    Ok(ended)
}

/// The caller may hang up meanwhile; what is said before anybody listens is not kept.
async fn dial(trust: &Trust, stream: &roles::Stream, talk: &mut Talk) -> Result<Link, Fault> {
    let order = &stream.order;
    let terms = Terms { most: MOST_MESSAGE, dangerous_plain: stream.dangerous_plain_http };
    let authority: &Authority = &stream.authority;
    let mut dial = std::pin::pin!(timeout(order.connect_timeout, Link::open(trust, authority, &order.url, terms)));
    loop {
        tokio::select! {
            link = &mut dial => {
                let late = |_| Fault::Unreachable(format!("not open within {} s", order.connect_timeout.as_secs()));
                return link.map_err(late)?.map_err(Fault::Unreachable);
            }
            frame = talk.heard.recv() => drop(frame.ok_or(Fault::Gone)?),
        }
    }
}

/// Until all that was said before this mark was heard.
async fn heard_out(talk: &mut Talk, last: u64) -> Result<(), Fault> {
    if !talk.say(Spoken::Mark(last)) {
        return Ok(());
    }
    loop {
        tokio::select! {
            frame = talk.heard.recv() => drop(frame.ok_or(Fault::Gone)?),
            Some(noted) = talk.noted.recv() => {
                if matches!(noted, Noted::Mark(mark) if mark >= last) {
                    return Ok(());
                }
            }
        }
    }
}

struct Conversation {
    link: Link,
    talk: Talk,
    script: Script,
    queue: Queue,
    budget: Budget,
    /// Something was thrown away, and the bot told so; nothing was taken since.
    full: bool,
}

impl Conversation {
    /// Until the bot is done: whether it said so, and its value.
    async fn talk(&mut self) -> Result<(bool, String), Fault> {
        loop {
            let waits = self.budget.waits(Instant::now());
            let until = waits.unwrap_or_else(Instant::now).into();
            tokio::select! {
                frame = self.talk.heard.recv() => {
                    let message = self.script.media(&frame.ok_or(Fault::Gone)?);
                    self.say(message).await?;
                }
                Some(noted) = self.talk.noted.recv() => self.noted(noted).await?,
                message = self.link.hear(), if waits.is_none() => {
                    let Some(message) = message.map_err(Fault::Lost)? else { return Ok((false, "null".into())) };
                    self.budget.spend(message.len(), Instant::now());
                    if let Some(value) = self.heard(&message).await? {
                        return Ok((true, value));
                    }
                }
                () = sleep_until(until), if waits.is_some() => {}
            }
        }
    }

    async fn say(&mut self, message: String) -> Result<(), Fault> {
        self.link.say(&message).await.map_err(Fault::Lost)
    }

    async fn noted(&mut self, noted: Noted) -> Result<(), Fault> {
        match noted {
            Noted::Key(key) => {
                let message = self.script.dtmf(key);
                self.say(message).await?;
            }
            Noted::Mark(mark) => {
                for name in self.queue.heard(mark) {
                    let message = self.script.mark(&name);
                    self.say(message).await?;
                }
            }
        }
        Ok(())
    }

    /// A value: the bot is done.
    async fn heard(&mut self, message: &[u8]) -> Result<Option<String>, Fault> {
        match read(message).map_err(Fault::Protocol)? {
            Said::Media(codes) if codes.is_empty() => {}
            Said::Media(codes) => {
                let count = codes.len();
                // Whole or not at all: half a word is worse than none.
                if count > self.queue.room() || !self.talk.say(Spoken::Codes(codes.into())) {
                    self.refuse("overrun", "two minutes of audio wait to be heard: this was thrown away").await?;
                    return Ok(None);
                }
                self.full = false;
                if let Some(mark) = self.queue.said(count) {
                    self.talk.say(Spoken::Mark(mark));
                }
            }
            Said::Mark(name) => match self.queue.mark(name) {
                Some(mark) => drop(self.talk.say(Spoken::Mark(mark))),
                None => self.refuse("overrun", "a hundred marks wait to be heard: this was thrown away").await?,
            },
            Said::Clear => drop(self.talk.say(Spoken::Clear)),
            Said::Stop(value) => return Ok(Some(value)),
            Said::Other => {}
        }
        Ok(None)
    }

    /// Once, until something is taken again.
    async fn refuse(&mut self, code: &str, detail: &str) -> Result<(), Fault> {
        if !std::mem::replace(&mut self.full, true) {
            let message = self.script.error(code, detail);
            self.say(message).await?;
        }
        Ok(())
    }
}
