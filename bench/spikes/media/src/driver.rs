//! The load: every leg sends a packet each 20 ms at its own phase, from one pacing thread; arrival is
//! the kernel's receive timestamp, so that this process's own scheduling is not measured.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    mem::zeroed,
    net::UdpSocket,
    os::fd::AsRawFd,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::rekey::{CLEAR, Keys, TAG};

const SLOTS: usize = 256;
const MARK: i64 = 1_000_000_000;

pub fn run(shape: &str, calls: usize, seconds: u64, strace: bool) {
    let legs = 2 * calls;
    let mut dut = Command::new(std::env::current_exe().unwrap())
        .args(["dut", shape, &legs.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ask = dut.stdin.take().unwrap();
    let mut lines = BufReader::new(dut.stdout.take().unwrap()).lines().map(Result::unwrap);
    let sockets: Vec<UdpSocket> = lines
        .next()
        .unwrap()
        .split(' ')
        .map(|port| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(("127.0.0.1", port.parse().unwrap())).unwrap();
            let on = 1i32;
            // SAFETY: the option's value is a live int of the stated size.
            unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_TIMESTAMPNS,
                    (&raw const on).cast(),
                    4,
                )
            };
            socket
        })
        .collect();
    let sockets = Arc::new(sockets);
    let sent_at: Arc<Vec<AtomicU64>> = Arc::new((0..legs * SLOTS).map(|_| AtomicU64::new(0)).collect());
    let (counting, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let receiver = {
        let (sockets, sent_at, counting, stop) = (sockets.clone(), sent_at.clone(), counting.clone(), stop.clone());
        std::thread::spawn(move || receive(&sockets, &sent_at, &counting, &stop))
    };
    let strace_file = std::env::temp_dir().join(format!("spike-media-{}", std::process::id()));
    let mut tracer = strace.then(|| {
        let child = Command::new("strace")
            .args([
                "-c",
                "-f",
                "-q",
                "-o",
                strace_file.to_str().unwrap(),
                "-p",
                &dut.id().to_string(),
            ])
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(500));
        child
    });
    let mut usage = || -> Vec<u64> {
        writeln!(ask).unwrap();
        lines.next().unwrap().split(' ').map(|n| n.parse().unwrap()).collect()
    };

    let keys = Keys::new(legs);
    let step = Duration::from_nanos(20_000_000 / legs as u64);
    let start = Instant::now();
    let warm = 50; // packets of each leg before counting starts: one second
    let (mut before, mut sent) = (Vec::new(), 0u64);
    let mut packet = [0u8; CLEAR + TAG];
    for n in 0..(warm + seconds * 50) as usize {
        if n as u64 == warm {
            before = usage();
            counting.store(true, Relaxed);
        }
        for leg in 0..legs {
            let due = start + step * (n * legs + leg) as u32;
            if let Some(wait) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(wait);
            }
            packet[..12].copy_from_slice(&[
                0x80,
                0,
                (n >> 8) as u8,
                n as u8,
                0,
                0,
                0,
                0,
                0,
                0,
                (leg >> 8) as u8,
                leg as u8,
            ]);
            packet[12..].fill(0x55);
            keys.protect(leg, &mut packet);
            sent_at[leg * SLOTS + n % SLOTS].store(clock(), Relaxed);
            let _ = sockets[leg].send(&packet);
            sent += u64::from(n as u64 >= warm);
        }
    }
    std::thread::sleep(Duration::from_millis(50));
    let after = usage();
    stop.store(true, Relaxed);
    let mut latency = receiver.join().unwrap();
    latency.sort_unstable();
    let at = |permille: usize| latency.get(latency.len() * permille / 1000).copied().unwrap_or(0) / 1000;
    let spent: Vec<f64> = after.iter().zip(&before).map(|(a, b)| (a - b) as f64).collect();
    println!(
        "{shape:10} {calls:4} calls  cpu {:5.2} s/Mpkt  switches {:5.3}/pkt  latency p50 {} us p99 {} us  lost {} of {sent}",
        spent[0] / latency.len().max(1) as f64,
        (spent[1] + spent[2]) / latency.len().max(1) as f64,
        at(500),
        at(990),
        sent - (latency.len() as u64).min(sent)
    );
    drop(ask);
    let _ = dut.wait();
    if let Some(tracer) = &mut tracer {
        let _ = tracer.wait();
        for line in std::fs::read_to_string(&strace_file).unwrap().lines() {
            let cells: Vec<&str> = line.split_whitespace().collect();
            if let (Some(name), Some(count)) = (cells.last(), cells.get(3).and_then(|c| c.parse::<f64>().ok())) {
                if count / sent as f64 > 0.01 && *name != "total" {
                    println!("    {name:14} {:6.3} a packet", count / sent as f64);
                }
            }
        }
        let _ = std::fs::remove_file(strace_file);
    }
}

/// Latencies in nanoseconds of every packet that came back while counting.
fn receive(sockets: &[UdpSocket], sent_at: &[AtomicU64], counting: &AtomicBool, stop: &AtomicBool) -> Vec<u64> {
    let mut latency = Vec::new();
    // SAFETY: plain system calls; every pointer is to a live local.
    unsafe {
        let ep = libc::epoll_create1(0);
        for (leg, socket) in sockets.iter().enumerate() {
            let mut event = libc::epoll_event {
                events: libc::EPOLLIN as u32,
                u64: leg as u64,
            };
            libc::epoll_ctl(ep, libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &mut event);
        }
        let mut events: Vec<libc::epoll_event> = vec![zeroed(); 512];
        while !stop.load(Relaxed) {
            let ready = libc::epoll_wait(ep, events.as_mut_ptr(), 512, 20);
            for event in &events[..ready.max(0) as usize] {
                let leg = event.u64 as usize;
                let (mut buf, mut control) = ([0u8; 512], [0u64; 16]);
                let mut part = libc::iovec {
                    iov_base: buf.as_mut_ptr().cast(),
                    iov_len: buf.len(),
                };
                let mut msg: libc::msghdr = zeroed();
                (msg.msg_iov, msg.msg_iovlen) = (&mut part, 1);
                (msg.msg_control, msg.msg_controllen) = (control.as_mut_ptr().cast(), size_of_val(&control));
                if libc::recvmsg(sockets[leg].as_raw_fd(), &mut msg, libc::MSG_DONTWAIT) < 12 {
                    continue;
                }
                let stamp = libc::CMSG_DATA(libc::CMSG_FIRSTHDR(&msg))
                    .cast::<libc::timespec>()
                    .read_unaligned();
                let (n, source) = (
                    usize::from(buf[2]) << 8 | usize::from(buf[3]),
                    usize::from(buf[10]) << 8 | usize::from(buf[11]),
                );
                assert_eq!(source, leg ^ 1);
                let was = sent_at[source * SLOTS + n % SLOTS].load(Relaxed);
                if counting.load(Relaxed) && was != 0 {
                    latency.push(((stamp.tv_sec * MARK + stamp.tv_nsec) as u64).saturating_sub(was));
                }
            }
        }
    }
    latency
}

fn clock() -> u64 {
    // SAFETY: the timespec is a live local.
    let now = unsafe {
        let mut now: libc::timespec = zeroed();
        libc::clock_gettime(libc::CLOCK_REALTIME, &mut now);
        now
    };
    (now.tv_sec * MARK + now.tv_nsec) as u64
}
