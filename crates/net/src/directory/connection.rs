//! A connection to one server of a directory: TCP, TLS from the start or by StartTLS (RFC 4511 §4.14), one question at a
//! time. Everything together ends by a moment that is set at the beginning.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use site::LdapServer;

use super::message::{self, Ask, Entry, Outcome, Said, Search};

/// Entries that are read at most, whatever was asked for.
const MOST_ENTRIES: usize = 1000;
/// Of an address among several, so that one that swallows packets does not take all of the time.
const CONNECT: Duration = Duration::from_secs(2);

pub(super) struct Connection {
    stream: Stream,
    number: i32,
    heard: Vec<u8>,
}

enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

/// Ends by a moment however its octets come: TLS reads as often as it takes to have a record whole, and a server that sends
/// them one by one would be waited for each time.
struct Timed {
    stream: TcpStream,
    by: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.by.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(octets)
    }
}

impl Write for Timed {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Connection {
    /// `tls`: what its certificate is judged by; `None`: the server is spoken to in the clear.
    ///
    /// # Errors
    /// Nobody is there, or not who should be; in words.
    pub(super) fn open(server: &LdapServer, tls: Option<Arc<ClientConfig>>, by: Instant) -> Result<Connection, String> {
        let stream = Timed { stream: reach(server, by)?, by };
        let mut connection = Connection { stream: Stream::Plain(stream), number: 0, heard: Vec::new() };
        let Some(tls) = tls else { return Ok(connection) };
        if !server.tls {
            let outcome = connection.ask(&Ask::StartTls)?;
            if outcome.code != Outcome::SUCCESS {
                return Err(format!("it refuses StartTLS: {outcome}"));
            }
            // What came before TLS was said by anybody.
            if !connection.heard.is_empty() {
                return Err("it said something between StartTLS and TLS".into());
            }
        }
        connection.secured(server, tls)
    }

    fn secured(self, server: &LdapServer, tls: Arc<ClientConfig>) -> Result<Connection, String> {
        let Connection { stream: Stream::Plain(mut stream), number, heard } = self else { return Ok(self) };
        let name = ServerName::try_from(server.host.clone()).map_err(|error| error.to_string())?;
        let mut client = ClientConnection::new(tls, name).map_err(|error| error.to_string())?;
        while client.is_handshaking() {
            client.complete_io(&mut stream).map_err(|error| words(&error))?;
        }
        let stream = Stream::Tls(Box::new(StreamOwned::new(client, stream)));
        Ok(Connection { stream, number, heard })
    }

    /// As whom the rest is asked.
    ///
    /// # Errors
    /// No answer came.
    pub(super) fn bind(&mut self, dn: &str, password: &str) -> Result<Outcome, String> {
        self.ask(&Ask::Bind { dn, password })
    }

    /// What was found, and how the search ended.
    ///
    /// # Errors
    /// No answer came.
    pub(super) fn search(&mut self, search: Search<'_>) -> Result<(Vec<Entry>, Outcome), String> {
        let number = self.send(&Ask::Search(search))?;
        let mut found = Vec::new();
        loop {
            match self.hear(number)? {
                Said::Entry(_) if found.len() >= MOST_ENTRIES => {
                    return Err(format!("it has more than {MOST_ENTRIES} entries to say"));
                }
                Said::Entry(entry) => found.push(entry),
                Said::Reference => {}
                Said::Result(outcome) => return Ok((found, outcome)),
            }
        }
    }

    /// Goodbye: the server need not find out by itself.
    pub(super) fn close(mut self) {
        // It is over either way.
        let _ = self.send(&Ask::Unbind);
        if let Stream::Tls(stream) = &mut self.stream {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }

    fn ask(&mut self, ask: &Ask<'_>) -> Result<Outcome, String> {
        let number = self.send(ask)?;
        match self.hear(number)? {
            Said::Result(outcome) => Ok(outcome),
            Said::Entry(_) | Said::Reference => Err("it answers a question that was not asked".into()),
        }
    }

    fn send(&mut self, ask: &Ask<'_>) -> Result<i32, String> {
        self.number += 1;
        let message = ask.write(self.number);
        let sent = match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(&message),
            Stream::Tls(stream) => stream.write_all(&message).and_then(|()| stream.flush()),
        };
        sent.map_err(|error| words(&error))?;
        Ok(self.number)
    }

    fn hear(&mut self, number: i32) -> Result<Said, String> {
        loop {
            if let Some(length) = message::length(&self.heard)?
                && self.heard.len() >= length
            {
                let (of, said) = message::read(self.heard.get(..length).unwrap_or_default())?;
                self.heard.drain(..length);
                return match (of, said) {
                    (of, said) if of == number => Ok(said),
                    // Notice of disconnection (RFC 4511 §4.4.1).
                    (0, Said::Result(outcome)) => Err(format!("it ends the connection: {outcome}")),
                    _ => Err("it answers a question that was not asked".into()),
                };
            }
            let mut octets = [0; 4096];
            let read = match &mut self.stream {
                Stream::Plain(stream) => stream.read(&mut octets),
                Stream::Tls(stream) => stream.read(&mut octets),
            };
            match read.map_err(|error| words(&error))? {
                0 => return Err(closed()),
                read => self.heard.extend(octets.get(..read).unwrap_or_default()),
            }
        }
    }
}

fn reach(server: &LdapServer, by: Instant) -> Result<TcpStream, String> {
    let all: Vec<SocketAddr> =
        (server.host.as_str(), server.port).to_socket_addrs().map_err(|error| words(&error))?.collect();
    let mut last = "its name has no address".to_owned();
    for address in all {
        match TcpStream::connect_timeout(&address, left(by)?.min(CONNECT)) {
            Ok(stream) => {
                // A question waits for its answer: nothing is gained by waiting for more to send.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = words(&error),
        }
    }
    Err(last)
}

fn left(by: Instant) -> Result<Duration, String> {
    Some(by.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero()).ok_or_else(too_late)
}

fn too_late() -> String {
    "it did not answer in time".into()
}

fn closed() -> String {
    "it closed the connection".into()
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => too_late(),
        io::ErrorKind::UnexpectedEof => closed(),
        _ => error.to_string(),
    }
}
