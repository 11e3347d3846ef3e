//! XMPP as desks written for the agent API use it (RFC 6120, RFC 6121, XEP-0060): SASL PLAIN against the accounts, one
//! resource, presence, event nodes to subscribe to, and each event as a pubsub notification. No roster, no messages from
//! one to another, no server-to-server.
//!
//! Pure: [`Cutter`] finds stanzas in octets, [`Body`] in an answer to a BOSH client, [`Session`] is one client's.

mod bosh;
mod cutter;
mod iq;
mod session;

pub(crate) use bosh::{Body, INACTIVITY_S, Place, REQUESTS, Window, answer, made, terminated};
pub(crate) use cutter::{Cutter, Piece};
pub(crate) use session::{Output, Session, Transport, stream_error};

/// Octets of one stanza; a body of BOSH may have as many.
pub(crate) const LARGEST: usize = 64 * 1024;

const STREAMS: &str = "http://etherx.jabber.org/streams";
const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
const CLIENT: &str = "jabber:client";
const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const PUBSUB_EVENT: &str = "http://jabber.org/protocol/pubsub#event";

/// The service that events come from, of this domain.
pub(crate) fn pubsub(domain: &str) -> String {
    format!("pubsub.{domain}")
}

/// XML of one element, without a document type: nothing here needs one, and XMPP forbids it (RFC 6120 §11.1).
pub(crate) fn parse(text: &str) -> Result<roxmltree::Document<'_>, roxmltree::Error> {
    let options = roxmltree::ParsingOptions { allow_dtd: false, nodes_limit: 2048, ..Default::default() };
    roxmltree::Document::parse_with_options(text, options)
}
