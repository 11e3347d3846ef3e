//! Strangers at the door: `openssl s_client` with papers that are right, wrong or missing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::lab::Host;

/// How a visitor presents itself.
#[derive(Clone, Debug, Default)]
pub struct Visitor<'a> {
    /// Key and certificate chain in PEM; none: it comes without.
    pub papers: Option<(&'a Path, &'a Path)>,
    /// Whom it believes; it verifies the server when this is given.
    pub authority: Option<&'a Path>,
    /// The name that the server must have in its certificate.
    pub server_name: Option<&'a str>,
    /// Options such as `-tls1_2`, or `-tls1_1` with a cipher list that still allows it.
    pub options: &'a [&'a str],
}

/// What `openssl s_client` made of the visit.
#[derive(Clone, Debug)]
pub struct Visit {
    pub transcript: String,
    /// What the server said to the request over TLS, if anything: its first line.
    pub answer: Option<String>,
}

impl Visit {
    /// Whether a request came through and was answered in SIP.
    pub fn was_served(&self) -> bool {
        self.answer.is_some()
    }

    /// The TLS alert that the server sent, in OpenSSL's words (`certificate required`, `unknown ca`, …).
    pub fn alert(&self) -> Option<&str> {
        let line = self.transcript.lines().find(|line| line.contains("alert") && line.contains("error:"))?;
        // error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../ssl/…
        line.split(':').find(|part| part.contains("alert"))
    }

    /// The TLS version agreed on, and whether an earlier session goes on.
    pub fn agreed(&self) -> Option<(&str, bool)> {
        let line =
            self.transcript.lines().find(|line| line.starts_with("New, TLSv") || line.starts_with("Reused, TLSv"))?;
        Some((line.split(", ").nth(1)?, line.starts_with("Reused")))
    }
}

/// Connects from `host`, sends one OPTIONS, and waits for a SIP answer or for the end of the connection.
pub fn visit(host: &Host, server: SocketAddr, visitor: &Visitor<'_>, within: Duration) -> Result<Visit> {
    ask(
        host,
        server,
        visitor,
        &Request { method: "OPTIONS", target: format!("sip:probe@{server}"), body: None },
        within,
    )
}

/// A request to be asked of a server.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    pub target: String,
    /// A session description.
    pub body: Option<&'a str>,
}

/// The same with any request. A provisional answer is not yet an answer.
pub fn ask(
    host: &Host,
    server: SocketAddr,
    visitor: &Visitor<'_>,
    request: &Request<'_>,
    within: Duration,
) -> Result<Visit> {
    let server_text = server.to_string();
    let mut arguments = vec!["s_client", "-connect", &server_text, "-nocommands", "-ign_eof"];
    if let Some((key, chain)) = visitor.papers {
        let (key, chain) = (path(key)?, path(chain)?);
        arguments.extend(["-key", key, "-cert", chain, "-cert_chain", chain]);
    }
    if let Some(authority) = visitor.authority {
        arguments.extend(["-CAfile", path(authority)?, "-verify_return_error"]);
    }
    if let Some(name) = visitor.server_name {
        arguments.extend(["-servername", name, "-verify_hostname", name]);
    }
    arguments.extend(visitor.options);
    let mut program = host.start("openssl", &arguments)?;
    // TLS 1.3 lets a client speak before the server has looked at its certificate, so only an answer to a
    // request shows that the visitor was let in.
    for line in request.lines(host, program.id()) {
        // A server that has already refused closes the pipe: its alert is in the transcript.
        if program.type_line(&format!("{line}\r")).is_err() {
            break;
        }
    }
    let answer = program.wait_for(Default::default(), "a SIP answer", within, |line| {
        line.starts_with("SIP/2.0 ") && !line.starts_with("SIP/2.0 1")
    });
    // Its last words may come a moment before its end.
    let open = answer.is_err() && program.wait(Duration::from_secs(1)).is_err();
    program.kill();
    let mut transcript = program.output();
    if open {
        transcript.push_str(&format!("\n(nothing came within {within:?}, and the connection stayed open)"));
    }
    Ok(Visit { transcript, answer: answer.ok() })
}

/// Says something in clear to a secure port, from `host`; what came back before the server closed.
///
/// # Errors
/// When the server neither closes nor answers in time: then something is half open.
pub fn say_in_clear(host: &Host, server: SocketAddr, within: Duration) -> Result<Vec<u8>> {
    let request = Request { method: "OPTIONS", target: format!("sip:probe@{server}"), body: None };
    let text = request.lines(host, std::process::id()).join("\r\n");
    host.inside(|| {
        let mut stream = TcpStream::connect_timeout(&server, within)?;
        stream.set_read_timeout(Some(within))?;
        stream.write_all(text.as_bytes())?;
        stream.write_all(b"\r\n")?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(answer),
            Err(error) => Err(error).context("the server neither answered nor closed"),
            Ok(_) => Ok(answer),
        }
    })
}

impl Request<'_> {
    fn lines(&self, host: &Host, id: u32) -> Vec<String> {
        let Self { method, target, body } = self;
        let address = host.address;
        let mut lines = vec![
            format!("{method} {target} SIP/2.0"),
            format!("Via: SIP/2.0/TLS {address}:5061;branch=z9hG4bK-probe-{id}"),
            format!("From: <sip:probe@{address}>;tag=probe"),
            format!("To: <{target}>"),
            format!("Call-ID: probe-{id}@{address}"),
            format!("CSeq: 1 {method}"),
            format!("Contact: <sip:probe@{address}:5061;transport=tls>"),
            "Max-Forwards: 70".to_owned(),
        ];
        let body: Vec<&str> = body.map(|body| body.lines().collect()).unwrap_or_default();
        if !body.is_empty() {
            lines.push("Content-Type: application/sdp".to_owned());
        }
        lines.push(format!("Content-Length: {}", body.iter().map(|line| line.len() + 2).sum::<usize>()));
        lines.push(String::new());
        lines.extend(body.into_iter().map(str::to_owned));
        lines
    }
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alert_is_read_from_openssls_error() {
        let transcript = "CONNECTED(00000003)\n\
            40A7E2D37F7F0000:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../ssl/record/rec_layer_s3.c:1584:SSL alert number 116"
            .to_owned();
        let visit = Visit { transcript, answer: None };
        assert_eq!(visit.alert(), Some("tlsv13 alert certificate required"));
        assert!(!visit.was_served());
    }
}
