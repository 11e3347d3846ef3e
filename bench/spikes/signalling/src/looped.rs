//! Shape (b): connections and the node's loop on one thread, mio and rustls directly.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use rustls::{ClientConnection, Connection, ServerConnection, pki_types::ServerName};

use crate::message::{Node, frame};

/// A TLS connection that is pumped by whoever owns the poll. The driver uses it too.
pub struct Conn {
    tcp: TcpStream,
    pub tls: Connection,
    buf: Vec<u8>,
    dirty: bool,
}

impl Conn {
    pub fn new(tcp: std::net::TcpStream, mut tls: Connection, poll: &Poll, id: usize) -> Self {
        tls.set_buffer_limit(None); // the generator catches up in bursts
        tcp.set_nodelay(true).unwrap();
        tcp.set_nonblocking(true).unwrap();
        let mut tcp = TcpStream::from_std(tcp);
        poll.registry()
            .register(&mut tcp, Token(id), Interest::READABLE | Interest::WRITABLE)
            .unwrap();
        Self {
            tcp,
            tls,
            buf: Vec::with_capacity(65536),
            dirty: true,
        }
    }

    /// Edge-triggered: reads until the socket is dry, hands out every whole message.
    pub fn read(&mut self, mut each: impl FnMut(&[u8])) -> bool {
        let mut open = true;
        let mut wire = [0u8; 16384];
        loop {
            let got = match self.tcp.read(&mut wire) {
                Ok(0) => {
                    open = false;
                    break;
                }
                Ok(got) => got,
                Err(_) => break,
            };
            let mut rest = &wire[..got];
            while !rest.is_empty() {
                self.tls.read_tls(&mut rest).unwrap();
                let state = self.tls.process_new_packets().unwrap();
                let have = self.buf.len();
                self.buf.resize(have + state.plaintext_bytes_to_read(), 0);
                if self.buf.len() > have {
                    self.tls.reader().read_exact(&mut self.buf[have..]).unwrap();
                }
            }
            self.dirty |= self.tls.wants_write();
            // A short read has emptied the socket; the next bytes make a new edge.
            if got < wire.len() {
                break;
            }
        }
        let mut at = 0;
        while let Some(len) = frame(&self.buf[at..]) {
            each(&self.buf[at..at + len]);
            at += len;
        }
        self.buf.drain(..at);
        open
    }

    /// True when the connection was clean before, so it must be put on the flush list.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        self.tls.writer().write_all(bytes).unwrap();
        !std::mem::replace(&mut self.dirty, true)
    }

    pub fn flush(&mut self) {
        while self.dirty && self.tls.wants_write() {
            if self.tls.write_tls(&mut self.tcp).is_err() {
                return; // would block; the writable edge comes back here
            }
        }
        self.dirty = false;
    }
}

pub fn run(dir: &str, uas: SocketAddr, conns: usize) {
    let (server, client) = crate::tls::configs(dir);
    let mut poll = Poll::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let mut table: Vec<Conn> = Vec::new();
    for id in 0..conns {
        let tls = ServerConnection::new(server.clone()).unwrap();
        table.push(Conn::new(listener.accept().unwrap().0, tls.into(), &poll, id));
    }
    for id in conns..2 * conns {
        let tls = ClientConnection::new(client.clone(), ServerName::try_from("spike").unwrap()).unwrap();
        table.push(Conn::new(std::net::TcpStream::connect(uas).unwrap(), tls.into(), &poll, id));
    }
    let mut node = Node::default();
    let mut events = Events::with_capacity(256);
    let (mut out, mut arena, mut dirty) = (Vec::new(), Vec::<(usize, usize)>::new(), Vec::<usize>::new());
    let mut ready = false;
    loop {
        let _ = poll.poll(&mut events, None); // EINTR: a tracer came or went
        for event in &events {
            let id = event.token().0;
            if event.is_readable() {
                out.clear();
                arena.clear();
                table[id].read(|bytes| {
                    let to = node.handle(id, conns, bytes, &mut out);
                    arena.push((to, out.len()));
                });
                let mut from = 0;
                for &(to, end) in &arena {
                    if table[to].push(&out[from..end]) {
                        dirty.push(to);
                    }
                    from = end;
                }
            }
            table[id].flush();
        }
        // One write a connection and turn, however many messages it got.
        for id in dirty.drain(..) {
            table[id].flush();
        }
        if !ready && table.iter().all(|c| !c.tls.is_handshaking()) {
            ready = true;
            println!("ready");
        }
    }
}
