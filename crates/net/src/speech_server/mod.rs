//! Speech servers by MRCPv2 (RFC 6787): a call over TLS, a control connection over TLS, audio under SRTP, and a resource that
//! is told what to do. Each text that is spoken and each answer that is recognised is one call, and ends with it.
//!
//! Whoever asks waits on a runtime of their own (`sounds`, `recognition`); all that is waited for may be given up at any
//! moment.

mod call;
mod control;
mod heard;
mod link;
pub(crate) mod listening;
mod port;
mod said;
mod speaking;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use mrcp::{ChannelId, Resource, description};
use sip::Event;
use tokio::time::{Instant, timeout_at};

use self::call::Call;
use self::control::Control;
use self::link::Server;
use self::port::{Agreed, Port};
use crate::credentials::Held;

pub(crate) use self::speaking::speak;

/// A server as the site names it, and whom we are to it.
pub(crate) struct Address<'a> {
    /// `sips:…`
    pub(crate) server: Option<&'a str>,
    /// Who vouches for it.
    pub(crate) authority: Option<&'a str>,
    pub(crate) node: &'a str,
    pub(crate) held: Option<Arc<Held>>,
    /// Nothing is waited for longer.
    pub(crate) patience: Duration,
}

/// A resource that was given to us, and the audio that goes with it.
struct Given {
    control: Control,
    channel: ChannelId,
    audio: Agreed,
}

impl Given {
    /// `port` says which way the audio goes.
    async fn ask(server: &Server, call: &mut Call, resource: Resource, port: Port) -> Result<Given, String> {
        let wanted = [resource];
        let (opened, offered) = port.open(call.local()).await?;
        let offer = description::offer(&offered, &wanted, &server.shown()?).map_err(|error| error.to_string())?;
        let answer = call.invite(offer).await?;
        let mut answered = description::answer(&wanted, &answer).map_err(|error| error.to_string())?;
        let audio = opened.agreed(&answered.audio)?;
        // As many as were offered, or there is no answer.
        let agreed = answered.controls.pop().ok_or("one control line was expected")?;
        let control = Control::connect(server, &agreed).await?;
        Ok(Given { control, channel: agreed.channel, audio })
    }
}

/// One call with one resource; whatever becomes of it, the server has it back. It must have begun by `until`.
async fn with<T>(
    address: &Address<'_>,
    until: Instant,
    resource: Resource,
    port: Port,
    what: impl AsyncFnOnce(Given, &mut Call) -> Result<T, String>,
) -> Result<T, String> {
    let (Some(held), Some(server)) = (&address.held, address.server) else {
        return Err("this node has no identity, or the server no address".into());
    };
    let server = Server::of(held, server, address.authority)?;
    let late = |_| format!("it did not take up the call within {} s", address.patience.as_secs());
    let of = |why: String| format!("{}: {why}", server.host());
    let call = timeout_at(until, Call::dial(&server, address.node)).await.map_err(late);
    let mut call = call.flatten().map_err(of)?;
    let given = timeout_at(until, Given::ask(&server, &mut call, resource, port)).await.map_err(late).flatten();
    let done = match given {
        Ok(given) => what(given, &mut call).await,
        Err(why) => Err(why),
    };
    call.end().await;
    done.map_err(of)
}

impl Call {
    /// What the server's event ends the call by, in words.
    fn ended_by(&mut self, event: Event) -> Option<String> {
        match event {
            Event::InDialog { server, request, .. } => self.answer(server, &request.method()),
            Event::Expired { why, .. } => Some(why),
            _ => None,
        }
    }
}
