//! `debug ssl openssl …` and `show debugging` as text.

use net::{HandshakeEvent, SslDebug};

use super::{plain, time};

/// A line: when, which connection of which node, with whom, what.
pub fn handshake(node: &str, event: &HandshakeEvent) -> String {
    let HandshakeEvent { at_ms, connection, remote, text, .. } = event;
    format!("{} {node} conn {connection} {remote}: {}\n", time::rfc3339(*at_ms), plain(text))
}

pub fn debugging(on: &[SslDebug]) -> String {
    if on.is_empty() {
        return "No debugging is on.\n".into();
    }
    let lines = on.iter().map(|what| format!("  SSL OpenSSL {} debugging is on\n", what.as_str()));
    format!("SSL:\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_connection_and_moves_no_cursor() {
        let event = HandshakeEvent {
            number: 1,
            at_ms: 1_616_640_919_809,
            about: SslDebug::States,
            connection: 12,
            local: "198.18.133.226:5061".parse().unwrap(),
            remote: "198.18.133.13:40112".parse().unwrap(),
            text: "SSL_accept: read \x1b[2J\nClientHello".into(),
        };
        assert_eq!(
            handshake("vcube", &event),
            "2021-03-25T02:55:19.809Z vcube conn 12 198.18.133.13:40112: SSL_accept: read \u{fffd}[2J\u{fffd}ClientHello\n"
        );
        assert_eq!(debugging(&[]), "No debugging is on.\n");
        assert_eq!(debugging(&[SslDebug::Msg]), "SSL:\n  SSL OpenSSL msg debugging is on\n");
    }
}
