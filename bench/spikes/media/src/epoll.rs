//! One thread with epoll: woken by each packet, or by a millisecond tick that finds a batch; with
//! recvfrom/sendto or recvmmsg/sendmmsg.

use std::{
    mem::{size_of, zeroed},
    net::UdpSocket,
    os::fd::AsRawFd,
    time::Duration,
};

use crate::rekey::Keys;

const BATCH: usize = 16;
type Address = libc::sockaddr_in;

pub fn run(ports: Vec<UdpSocket>, tick: bool, mmsg: bool) {
    let keys = Keys::new(ports.len());
    let mut relay = Relay {
        fds: ports.iter().map(AsRawFd::as_raw_fd).collect(),
        peers: vec![None; ports.len()],
        keys,
    };
    // SAFETY: plain system calls on descriptors that live as long as this function.
    unsafe {
        let ep = libc::epoll_create1(0);
        for (leg, fd) in relay.fds.iter().enumerate() {
            let mut event = libc::epoll_event {
                events: libc::EPOLLIN as u32,
                u64: leg as u64,
            };
            assert_eq!(libc::epoll_ctl(ep, libc::EPOLL_CTL_ADD, *fd, &mut event), 0);
        }
        let mut events: Vec<libc::epoll_event> = vec![zeroed(); 512];
        let mut next = std::time::Instant::now();
        loop {
            if tick {
                next = (next + Duration::from_millis(1)).max(std::time::Instant::now());
                std::thread::sleep(next.saturating_duration_since(std::time::Instant::now()));
            }
            let ready = libc::epoll_wait(ep, events.as_mut_ptr(), 512, if tick { 0 } else { -1 });
            for event in &events[..ready.max(0) as usize] {
                let leg = event.u64 as usize;
                if mmsg { relay.batch(leg) } else { relay.single(leg) }
            }
        }
    }
}

struct Relay {
    fds: Vec<i32>,
    peers: Vec<Option<Address>>,
    keys: Keys,
}

impl Relay {
    /// Level-triggered, one packet a turn: a second one in the queue comes with the next turn.
    unsafe fn single(&mut self, leg: usize) {
        let mut buf = [0u8; 1500];
        // SAFETY: pointers are to live locals of the stated lengths.
        unsafe {
            let mut from: Address = zeroed();
            let mut size = size_of::<Address>() as u32;
            let len = libc::recvfrom(
                self.fds[leg],
                buf.as_mut_ptr().cast(),
                buf.len(),
                0,
                (&raw mut from).cast(),
                &mut size,
            );
            if len < 0 {
                return;
            }
            self.peers[leg].get_or_insert(from);
            if let (true, Some(to)) = (self.keys.relay(leg, &mut buf[..len as usize]), &self.peers[leg ^ 1]) {
                libc::sendto(
                    self.fds[leg ^ 1],
                    buf.as_ptr().cast(),
                    len as usize,
                    0,
                    (&raw const *to).cast(),
                    size,
                );
            }
        }
    }

    unsafe fn batch(&mut self, leg: usize) {
        let mut bufs = [[0u8; 256]; BATCH];
        // SAFETY: every iovec and name points to a live local for the two calls below.
        unsafe {
            let mut names: [Address; BATCH] = zeroed();
            let mut parts: [libc::iovec; BATCH] = zeroed();
            let mut msgs: [libc::mmsghdr; BATCH] = zeroed();
            for i in 0..BATCH {
                parts[i] = libc::iovec {
                    iov_base: bufs[i].as_mut_ptr().cast(),
                    iov_len: 256,
                };
                msgs[i].msg_hdr.msg_iov = &mut parts[i];
                msgs[i].msg_hdr.msg_iovlen = 1;
                msgs[i].msg_hdr.msg_name = (&raw mut names[i]).cast();
                msgs[i].msg_hdr.msg_namelen = size_of::<Address>() as u32;
            }
            let got = libc::recvmmsg(self.fds[leg], msgs.as_mut_ptr(), BATCH as u32, 0, std::ptr::null_mut());
            if got <= 0 {
                return;
            }
            self.peers[leg].get_or_insert(names[0]);
            let Some(mut to) = self.peers[leg ^ 1] else { return };
            for i in 0..got as usize {
                let len = msgs[i].msg_len as usize;
                self.keys.relay(leg, &mut bufs[i][..len]);
                parts[i].iov_len = len;
                msgs[i].msg_hdr.msg_name = (&raw mut to).cast();
            }
            libc::sendmmsg(self.fds[leg ^ 1], msgs.as_mut_ptr(), got as u32, 0);
        }
    }
}
