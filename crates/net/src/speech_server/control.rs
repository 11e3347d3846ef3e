//! The control connection: MRCPv2 messages over TLS (RFC 6787 §4.5).

use mrcp::description;
use mrcp::{Framer, Limits, Message};

use super::link::{Link, Server};

pub(super) struct Control {
    link: Link,
    framer: Framer,
}

impl Control {
    /// # Errors
    /// It is not reached, has not the server's name, or shows another certificate than the one that was named.
    pub(super) async fn connect(server: &Server, agreed: &description::Control) -> Result<Control, String> {
        let link = server.connect(agreed.addr).await?;
        if agreed.fingerprint.as_ref().is_some_and(|expected| !link.shows(expected)) {
            return Err("on the control connection it shows another certificate than its answer names".into());
        }
        Ok(Control { link, framer: Framer::new(Limits::default()) })
    }

    pub(super) fn send(&mut self, message: &Message) {
        self.link.send(&message.write());
    }

    /// The server's next message. May be given up at any moment.
    pub(super) async fn next(&mut self) -> Result<Message, String> {
        loop {
            if let Some(message) = self.framer.next().map_err(|error| format!("no MRCPv2: {error}"))? {
                return Ok(message);
            }
            let bytes = self.link.next().await?;
            self.framer.push(&bytes);
        }
    }
}
