//! The signalling of these tests: a page, a place to post an offer to, and one for what was seen. HTTP/1.1, one request a
//! connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

pub(crate) struct Door {
    addr: SocketAddr,
    asked: mpsc::Receiver<Asked>,
}

pub(crate) enum Asked {
    Offer(String, Reply),
    Result(String),
}

pub(crate) struct Reply(TcpStream);

impl Reply {
    pub(crate) fn say(mut self, body: &str) {
        respond(&mut self.0, "application/sdp", body);
    }
}

impl Door {
    pub(crate) fn open(page: &'static str) -> Door {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let (tell, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serve(stream, page, &tell).is_none() && tell.send(Asked::Result(String::new())).is_err() {
                    return;
                }
            }
        });
        Door { addr, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    pub(crate) fn next(&self, patience: Duration) -> Option<Asked> {
        loop {
            match self.asked.recv_timeout(patience).ok()? {
                // A connection without a request, as browsers open them ahead.
                Asked::Result(said) if said.is_empty() => {}
                asked => return Some(asked),
            }
        }
    }
}

fn serve(stream: TcpStream, page: &str, tell: &mpsc::Sender<Asked>) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let (body, mut stream) = (String::from_utf8(body).ok()?, reader.into_inner());
    match head.first()?.split(' ').nth(1)? {
        "/offer" => tell.send(Asked::Offer(body, Reply(stream))).ok()?,
        "/result" => {
            respond(&mut stream, "text/plain", "");
            tell.send(Asked::Result(body)).ok()?;
        }
        _ => respond(&mut stream, "text/html", page),
    }
    Some(())
}

fn respond(stream: &mut TcpStream, kind: &str, body: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}
