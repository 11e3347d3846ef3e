//! What std's sockets do not offer: binding to a node's own address and port before dialling, and the kernel's count of
//! datagrams it dropped. The only file of the project with `unsafe`.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

/// A listener on `addr`, not blocking. Restarting a node does not have to wait for TIME_WAIT to pass.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = stream(addr)?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// Begins a connection from `source` (a port of the system's choice) to `to`. The stream is not connected yet: it is
/// writable once it is, and then [`TcpStream::take_error`] tells how that went.
pub(crate) fn dial(source: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = stream(to)?;
    // Many peers, one source address: the port is chosen at connect, per destination, not at bind.
    #[cfg(target_os = "linux")]
    bind_address_no_port(&socket)?;
    socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

/// What every SIP connection of ours has: no waiting to fill segments, and the kernel notices a peer that vanished.
pub(crate) fn settle(stream: &impl AsFd) -> io::Result<()> {
    let socket = socket2::SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    let probes =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10)).with_retries(3);
    socket.set_tcp_keepalive(&probes)?;
    // Bytes that nobody acknowledges for this long end the connection, whatever the keepalive says.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(Duration::from_secs(20)))?;
    Ok(())
}

/// A datagram socket bound to `addr`, not blocking.
pub(crate) fn datagram(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// Room for the datagrams of a burst, as far as the system allows.
pub(crate) fn roomy(socket: &UdpSocket) -> io::Result<()> {
    let socket = socket2::SockRef::from(socket);
    socket.set_recv_buffer_size(4 << 20)?;
    socket.set_send_buffer_size(4 << 20)
}

/// ToS octet of voice: DSCP EF (46, RFC 3246), as switches and routers expect it of RTP.
pub(crate) const VOICE_TOS: u32 = 0xB8;

/// A datagram socket whose packets are marked as voice.
pub(crate) fn voice(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = datagram(addr)?;
    let marked = socket2::SockRef::from(&socket);
    match addr {
        SocketAddr::V4(_) => marked.set_tos_v4(VOICE_TOS)?,
        SocketAddr::V6(_) => marked.set_tclass_v6(VOICE_TOS)?,
    }
    Ok(socket)
}

fn stream(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn bind_address_no_port(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the value is a live c_int and the length is its size.
    let failed = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams that the kernel dropped at this socket since it was opened, because nobody took them in time.
/// 0 where the system does not say.
#[allow(unsafe_code)]
pub(crate) fn dropped(socket: &UdpSocket) -> u64 {
    #[cfg(target_os = "linux")]
    {
        // SO_MEMINFO (linux/sock_diag.h) fills nine u32; the last is SK_MEMINFO_DROPS.
        const SO_MEMINFO: libc::c_int = 55;
        const DROPS: usize = 8;
        let mut info = [0u32; DROPS + 1];
        let mut length = size_of_val(&info) as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` octets, the size of the live array.
        let failed = unsafe {
            libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_MEMINFO, info.as_mut_ptr().cast(), &mut length)
        };
        if failed == 0 && length as usize == size_of_val(&info) { u64::from(info[DROPS]) } else { 0 }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dials_from_the_address_it_was_told() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let stream = dial("127.9.8.7".parse().unwrap(), listener.local_addr().unwrap()).unwrap();
        let (accepted, from) = listener.accept().unwrap();
        settle(&accepted).unwrap();
        assert_eq!(from.ip(), "127.9.8.7".parse::<IpAddr>().unwrap());
        assert_eq!(stream.local_addr().unwrap(), from);
    }

    #[test]
    fn voice_is_marked_expedited_over_ipv4_and_ipv6() {
        let (four, six) = (voice("127.0.0.1:0".parse().unwrap()).unwrap(), voice("[::1]:0".parse().unwrap()).unwrap());
        assert_eq!(socket2::SockRef::from(&four).tos_v4().unwrap(), 0xB8);
        assert_eq!(socket2::SockRef::from(&six).tclass_v6().unwrap(), 0xB8);
    }

    #[test]
    fn counts_what_the_kernel_dropped() {
        let socket = datagram("127.0.0.1:0".parse().unwrap()).unwrap();
        let sender = datagram("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_eq!(dropped(&socket), 0);
        for _ in 0..2000 {
            sender.send_to(&[0; 1024], socket.local_addr().unwrap()).unwrap();
        }
        let mut taken = 0;
        while socket.recv_from(&mut [0; 1500]).is_ok() {
            taken += 1;
        }
        assert!(dropped(&socket) > 0, "nothing was dropped of 2 MB");
        assert_eq!(taken + dropped(&socket), 2000);
    }
}
