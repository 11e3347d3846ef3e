//! A speech server that recognises by MRCPv2: it is called when somebody begins to speak, and hears what is said as it is
//! said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{Endpointer, Turn};
use tokio::sync::mpsc;
use vxml::{Hearing, Utterance};

use super::{NOBODY, News, Tell};
use crate::credentials::Held;
use crate::media_threads::Heard;
use crate::speech_server::Address;
use crate::speech_server::listening::{Sound, Wish, recognise};

/// Frames that wait for the call to be taken up: twenty seconds.
const WAITING: usize = 1000;

/// One caller who has begun to speak.
pub(super) struct Speaker<'a> {
    pub(super) node: &'a str,
    pub(super) held: Option<Arc<Held>>,
    pub(super) engine: &'a site::Recognition,
    pub(super) hearing: &'a Hearing,
    pub(super) heard: &'a mut Heard,
    pub(super) ear: &'a mut Endpointer,
    pub(super) tell: &'a Tell,
}

impl Speaker<'_> {
    pub(super) async fn recognise(mut self) -> Result<Vec<Utterance>, String> {
        let patience = Duration::from_secs(self.engine.timeout_s.into());
        let (server, authority) = (self.engine.server.as_deref(), self.engine.authority.as_deref());
        let address = Address { server, authority, node: self.node, held: self.held.clone(), patience };
        let (sound, sounds) = mpsc::channel(WAITING);
        let recognising = recognise(&address, wish(self.hearing, sounds), (Instant::now() + patience).into());
        let mut recognising = std::pin::pin!(recognising);
        let mut ended = false;
        loop {
            self.pass_on(&sound, ended);
            tokio::select! {
                ways = &mut recognising => {
                    if !ended {
                        (self.tell)(News::Speech(false));
                    }
                    return Ok(ways?.into_iter().map(|(text, confidence)| Utterance { text, confidence }).collect());
                }
                frame = self.heard.recv() => match frame {
                    Some(frame) if !ended && self.ear.take(&frame) == Turn::Ended => {
                        self.pass_on(&sound, ended);
                        ended = true;
                        (self.tell)(News::Speech(false));
                        // Full, nothing was heard for twenty seconds, and the server's time is up soon.
                        let _ = sound.try_send(Sound::Ended);
                    }
                    Some(_) => {}
                    None => {
                        // The server has its resources back before anything else.
                        drop(sound);
                        let _ = recognising.await;
                        return Err(NOBODY.into());
                    }
                }
            }
        }
    }

    fn pass_on(&mut self, sound: &mpsc::Sender<Sound>, ended: bool) {
        let samples = if ended { Vec::new() } else { self.ear.drain() };
        if !samples.is_empty() {
            // What has no room is lost, as voice is.
            let _ = sound.try_send(Sound::Said(samples));
        }
    }
}

fn wish(hearing: &Hearing, sounds: mpsc::Receiver<Sound>) -> Wish<'_> {
    let language = if hearing.language.is_empty() { "en-US" } else { &hearing.language };
    Wish {
        language,
        grammars: &hearing.grammars,
        confidence: hearing.confidence,
        sensitivity: hearing.sensitivity,
        speed_vs_accuracy: hearing.speed_vs_accuracy,
        most: hearing.most,
        complete: hearing.complete,
        incomplete: hearing.incomplete,
        longest: hearing.longest,
        sounds,
    }
}
