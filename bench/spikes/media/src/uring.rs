//! io_uring: a multishot recvmsg on each port into provided buffers, sends as queue entries, one
//! io_uring_enter a turn. `tick` waits a millisecond for company instead of for the first packet.

use std::{mem::zeroed, net::UdpSocket, os::fd::AsRawFd, time::Duration};

use io_uring::{IoUring, cqueue, opcode, types};

use crate::rekey::Keys;

const SIZE: usize = 512;
const COUNT: u16 = 2048;
const SEND: u64 = 1 << 32;

pub fn run(ports: Vec<UdpSocket>, tick: bool) {
    let mut ring: IoUring = IoUring::builder()
        .setup_coop_taskrun()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(8192)
        .build(4096)
        .expect("io_uring refused by this kernel");
    let keys = Keys::new(ports.len());
    let mut arena = vec![0u8; SIZE * COUNT as usize];
    let base = arena.as_mut_ptr();
    // SAFETY: sockaddr_in and msghdr are plain data; the template only states the name's length.
    let (mut peers, template) = unsafe {
        let mut template: libc::msghdr = zeroed();
        template.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        (vec![None::<libc::sockaddr_in>; ports.len()], template)
    };
    let fds: Vec<i32> = ports.iter().map(AsRawFd::as_raw_fd).collect();
    let push = |ring: &mut IoUring, entry: io_uring::squeue::Entry| {
        // SAFETY: buffers named by entries live in `arena`, which outlives the ring's use.
        while unsafe { ring.submission().push(&entry) }.is_err() {
            ring.submit().unwrap();
        }
    };
    push(
        &mut ring,
        opcode::ProvideBuffers::new(base, SIZE as i32, COUNT, 0, 0)
            .build()
            .user_data(u64::MAX),
    );
    let listen = |leg: usize| {
        opcode::RecvMsgMulti::new(types::Fd(fds[leg]), &template, 0)
            .build()
            .user_data(leg as u64)
    };
    for leg in 0..fds.len() {
        push(&mut ring, listen(leg));
    }
    let give_back = |bid: u16| {
        // SAFETY: bid < COUNT, so the buffer lies inside the arena.
        let at = unsafe { base.add(bid as usize * SIZE) };
        opcode::ProvideBuffers::new(at, SIZE as i32, 1, 0, bid)
            .build()
            .user_data(u64::MAX)
    };
    let mut next = std::time::Instant::now();
    let mut done: Vec<cqueue::Entry> = Vec::new();
    loop {
        if tick {
            ring.submit().unwrap();
            next = (next + Duration::from_millis(1)).max(std::time::Instant::now());
            std::thread::sleep(next.saturating_duration_since(std::time::Instant::now()));
            // With deferred task work, completions appear only on an enter that asks for events.
            let _ = ring.submitter().submit_and_wait(0);
            // SAFETY: plain enter with GETEVENTS and nothing to wait for.
            let _ = unsafe { ring.submitter().enter::<()>(0, 0, 1, None) };
        } else {
            let _ = ring.submit_and_wait(1); // EINTR: a tracer came or went
        }
        done.extend(ring.completion());
        for entry in done.drain(..) {
            let tag = entry.user_data();
            if tag == u64::MAX {
                continue;
            }
            if tag & SEND != 0 {
                push(&mut ring, give_back(tag as u16));
                continue;
            }
            let leg = tag as usize;
            if let Some(bid) = cqueue::buffer_select(entry.flags()) {
                // SAFETY: the kernel gave us this buffer until we provide it again.
                let buf = unsafe { std::slice::from_raw_parts_mut(base.add(bid as usize * SIZE), SIZE) };
                let sent = match types::RecvMsgOut::parse(&buf[..entry.result().max(0) as usize], &template) {
                    Ok(out) => {
                        let (at, len) = (
                            out.payload_data().as_ptr() as usize - buf.as_ptr() as usize,
                            out.payload_data().len(),
                        );
                        // SAFETY: the name is a sockaddr_in, because every port is IPv4.
                        let from = unsafe { out.name_data().as_ptr().cast::<libc::sockaddr_in>().read_unaligned() };
                        peers[leg].get_or_insert(from);
                        let ok = keys.relay(leg, &mut buf[at..at + len]);
                        peers[leg ^ 1].as_ref().filter(|_| ok).map(|to| {
                            opcode::Send::new(types::Fd(fds[leg ^ 1]), buf[at..].as_ptr(), len as u32)
                                .dest_addr((&raw const *to).cast())
                                .dest_addr_len(template.msg_namelen)
                                .build()
                                .user_data(SEND | u64::from(bid))
                        })
                    }
                    Err(()) => None,
                };
                push(&mut ring, sent.unwrap_or_else(|| give_back(bid)));
            }
            if !cqueue::more(entry.flags()) {
                push(&mut ring, listen(leg));
            }
        }
    }
}
