//! `<rf:stream>` on a call: the caller hears a server at an address and is heard there. Only where the application may: what a
//! page says is not enough to have a call listened to.

use vxml::{Input, StreamOrder};

use super::Reading;
use crate::Now;
use crate::voice_browser::dialogue::Ask;

impl Reading {
    pub(super) fn stream(&mut self, id: u64, order: Box<StreamOrder>, now: Now) {
        let dangerous_plain_http = self.pages.dangerous_plain_http;
        let allowed = |server: &String| {
            let known = |allowed: &String| {
                allowed.eq_ignore_ascii_case(server) || with_port(allowed).eq_ignore_ascii_case(server)
            };
            self.may_stream.iter().any(known)
        };
        let event = match server(&order.url) {
            None => "error.unsupported.uri",
            Some(_) if !order.url.starts_with("wss://") && !dangerous_plain_http => "error.unsupported.uri",
            Some(server) if !allowed(&server) => {
                tracing::warn!(
                    first = %self.pages.first,
                    "an application would stream to a server that its `may_stream` does not have: it hears nothing"
                );
                "error.noauthorization"
            }
            Some(_) => {
                let authority = self.pages.authority.clone();
                return self.asks.push_back(Ask::Stream { id, order, authority, dangerous_plain_http });
            }
        };
        self.say(Input::Refused { id, event: event.into() }, now);
    }
}

fn with_port(server: &str) -> String {
    format!("{server}:443")
}

/// The server of an address, `host:port`. Nothing is taken that others might read in another way.
pub(in crate::voice_browser) fn server(url: &str) -> Option<String> {
    let (rest, standard) = match (url.strip_prefix("wss://"), url.strip_prefix("ws://")) {
        (Some(rest), _) => (rest, 443),
        (None, Some(rest)) => (rest, 80),
        (None, None) => return None,
    };
    let server = rest.split(['/', '?', '#']).next().filter(|server| !server.is_empty())?;
    if !server.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '[' | ']')) {
        return None;
    }
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (server, standard),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains([':', '[', ']']),
    };
    is_host.then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_addresses() {
        for (url, expected) in [
            ("wss://bot.example/talk?x=a:b@c", Some("bot.example:443")),
            ("wss://bot.example:8443", Some("bot.example:8443")),
            ("ws://127.0.0.1/", Some("127.0.0.1:80")),
            ("wss://[2001:db8::1]:8443/", Some("[2001:db8::1]:8443")),
            ("wss://[2001:db8::1]?x", Some("[2001:db8::1]:443")),
            ("wss://bot.example@evil.example/", None),
            ("wss://bot.example\\@evil.example/", None),
            ("wss://2001:db8::1:8443/", None),
            ("wss://bot.example:0x50/", None),
            ("wss:///talk", None),
            ("https://bot.example/", None),
        ] {
            assert_eq!(server(url).as_deref(), expected, "{url}");
        }
    }
}
