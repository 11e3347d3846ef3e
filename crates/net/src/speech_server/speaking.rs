//! Words that a speech server speaks: SSML 1.1 goes to it by SPEAK (RFC 6787 §8.6), and what it says is collected. A server
//! speaks as fast as people listen, so words take as long to come as they take to be heard.

use std::time::Duration;

use mrcp::synthesizer::Told;
use mrcp::{Cause, Content, Headers, Requests, Resource, Synthesizer};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::call::Call;
use super::control::Control;
use super::heard::Heard;
use super::port::Port;
use super::{Address, Given, with};

/// Longer than this nobody speaks in one go; an espeak-ng would have given as much.
const LONGEST: Duration = Duration::from_secs(360);
/// Audio that was under way when the server said that it is done.
const BEHIND: Duration = Duration::from_millis(200);

/// What it said of this SSML, at 8,000 Hz. It must have begun by `until`.
///
/// # Errors
/// The server was not reached, would not, fell silent or broke a rule: in words that have nothing of what was to be said.
pub(crate) async fn speak(
    address: &Address<'_>,
    ssml: String,
    language: &str,
    until: Instant,
) -> Result<Vec<i16>, String> {
    let patience = address.patience;
    with(address, until, Resource::Synthesizer, Port::Hears, async |given, call| {
        Talk::begin(given, ssml, language)?.listen(call, until, patience).await
    })
    .await
}

/// A synthesizer that was asked to speak.
struct Talk {
    control: Control,
    synthesizer: Synthesizer,
    audio: Heard,
}

impl Talk {
    fn begin(given: Given, ssml: String, language: &str) -> Result<Talk, String> {
        let Given { mut control, channel, audio } = given;
        let mut synthesizer = Synthesizer::new(channel);
        let how = Headers::new().with("Speech-Language", language);
        let words = Content::new("application/ssml+xml", ssml);
        let asked = synthesizer.speak(&mut Requests::default(), &how, words).map_err(|error| error.to_string())?;
        control.send(&asked);
        Ok(Talk { control, synthesizer, audio: Heard::new(audio)? })
    }

    /// Until all was said; nothing is waited for longer than `patience`.
    async fn listen(mut self, call: &mut Call, mut until: Instant, patience: Duration) -> Result<Vec<i16>, String> {
        let longest = Instant::now() + LONGEST;
        loop {
            tokio::select! {
                message = self.control.next() => {
                    let told = self.synthesizer.receive(&message?).map_err(|error| error.to_string())?;
                    if self.is_over(told)? {
                        break;
                    }
                    until = Instant::now() + patience;
                }
                event = call.next() => {
                    if let Some(ended) = call.ended_by(event?) {
                        return Err(ended);
                    }
                }
                heard = self.audio.next() => {
                    // Servers send silence too, and for ever.
                    if heard? {
                        until = Instant::now() + patience;
                    }
                }
                () = sleep_until(until.min(longest)) => {
                    return Err(match until < longest {
                        true => format!("nothing more was heard within {} s", patience.as_secs()),
                        false => format!("it spoke for more than {} s", LONGEST.as_secs()),
                    });
                }
            }
        }
        let behind = Instant::now() + BEHIND;
        while let Ok(heard) = timeout_at(behind, self.audio.next()).await {
            heard?;
        }
        Ok(self.audio.samples())
    }

    fn is_over(&self, told: Told) -> Result<bool, String> {
        match told {
            Told::Ended { cause: Cause(0), .. } => Ok(true),
            Told::Ended { cause, .. } => {
                let name = cause.name(self.synthesizer.channel().resource()).unwrap_or("a cause of its own");
                Err(format!("it ended with {:03} ({name})", cause.0))
            }
            Told::Refused { method, status, cause, .. } => {
                let cause = cause.and_then(|cause| cause.name(self.synthesizer.channel().resource()));
                Err(format!("it answered {method} with {status}, {}", cause.unwrap_or("without a cause")))
            }
            // What was not asked cannot be answered: that it begins, and marks, are all that is left.
            _ => Ok(false),
        }
    }
}
