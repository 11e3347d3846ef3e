//! The STUN keepalive of a datagram flow (RFC 5626 §4.4.2, RFC 8489 §6): a Binding request is answered with the address
//! that it came from. No credentials, no other method; whoever asks learns what it could see by itself.

use std::net::{IpAddr, SocketAddr};

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const BINDING_ERROR: [u8; 2] = [0x01, 0x11];
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const SOFTWARE_AND_OTHERS: u16 = 0x8000;

/// Whether a datagram is STUN and so no SIP: its first two bits are clear and the cookie is there.
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|octet| octet & 0xc0 == 0) && datagram.get(4..8) == Some(&COOKIE)
}

/// The answer to a Binding request from `remote`; `None` for all else that is STUN (indications, answers, fragments).
pub fn answer(datagram: &[u8], remote: SocketAddr) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes(datagram.get(2..4)?.try_into().ok()?));
    let attributes = datagram.get(20..)?;
    if !is_stun(datagram) || datagram.get(..2)? != BINDING_REQUEST || attributes.len() != length || length % 4 != 0 {
        return None;
    }
    let transaction = datagram.get(4..20)?;
    let unknown = required(attributes)?;
    let mut body = Vec::with_capacity(24);
    let kind = match unknown.is_empty() {
        true => {
            mapped(&mut body, remote, transaction);
            BINDING_SUCCESS
        }
        false => {
            put(&mut body, ERROR_CODE, &[0, 0, 4, 20]);
            let codes: Vec<u8> = unknown.iter().flat_map(|code| code.to_be_bytes()).collect();
            put(&mut body, UNKNOWN_ATTRIBUTES, &codes);
            BINDING_ERROR
        }
    };
    let mut out = kind.to_vec();
    out.extend_from_slice(&u16::try_from(body.len()).ok()?.to_be_bytes());
    out.extend_from_slice(transaction);
    out.extend_from_slice(&body);
    Some(out)
}

/// Attributes that must be understood and are not: all of them, for a keepalive has none (RFC 8489 §14). `None` when they
/// do not add up.
fn required(mut rest: &[u8]) -> Option<Vec<u16>> {
    let mut unknown = Vec::new();
    while !rest.is_empty() {
        let [a, b, c, d] = *rest.first_chunk::<4>()?;
        let (code, len) = (u16::from_be_bytes([a, b]), usize::from(u16::from_be_bytes([c, d])));
        if code < SOFTWARE_AND_OTHERS && unknown.len() < 8 {
            unknown.push(code);
        }
        rest = rest.get(4 + len.next_multiple_of(4)..)?;
    }
    Some(unknown)
}

/// XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
fn mapped(body: &mut Vec<u8>, remote: SocketAddr, transaction: &[u8]) {
    let port = remote.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    let (family, address) = match remote.ip() {
        IpAddr::V4(address) => (1, address.octets().to_vec()),
        IpAddr::V6(address) => (2, address.octets().to_vec()),
    };
    let mut value = vec![0, family];
    value.extend_from_slice(&port.to_be_bytes());
    // The transaction begins with the cookie, which is all that an IPv4 address needs.
    value.extend(address.iter().zip(transaction).map(|(octet, mask)| octet ^ mask));
    put(body, XOR_MAPPED_ADDRESS, &value);
}

fn put(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend_from_slice(&code.to_be_bytes());
    // At most 20 octets are ever put.
    body.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transaction of RFC 5769's samples.
    const TRANSACTION: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    fn request(attributes: &[u8]) -> Vec<u8> {
        let len = (attributes.len() as u16).to_be_bytes();
        [&BINDING_REQUEST[..], &len, &COOKIE, &TRANSACTION, attributes].concat()
    }

    #[test]
    fn a_binding_request_is_told_where_it_came_from() {
        // RFC 5769 §2.2 and §2.3: the values of their XOR-MAPPED-ADDRESS.
        let answer4 = answer(&request(&[]), "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(answer4[..4], [1, 1, 0, 12]);
        assert_eq!(answer4[8..20], TRANSACTION);
        assert_eq!(answer4[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let v6 = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        let answer6 = answer(&request(&[]), v6).unwrap();
        let expect = [
            0, 0x20, 0, 20, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
            0xbe, 0xd2, 0xb9, 0xd9,
        ];
        assert_eq!(answer6[20..], expect);
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_420() {
        // SOFTWARE may be passed over; PRIORITY (of ICE) may not.
        let software = [0x80, 0x22, 0, 3, b'a', b'b', b'c', 0];
        let remote = "192.0.2.1:5060".parse().unwrap();
        assert_eq!(answer(&request(&software), remote).unwrap()[..2], BINDING_SUCCESS);
        let refused = answer(&request(&[&software[..], &[0, 0x24, 0, 4, 0, 0, 0, 1]].concat()), remote).unwrap();
        assert_eq!(refused[..2], BINDING_ERROR);
        assert_eq!(refused[20..], [0, 9, 0, 4, 0, 0, 4, 20, 0, 10, 0, 2, 0, 0x24, 0, 0]);
    }

    #[test]
    fn all_else_is_left_alone() {
        let remote = "192.0.2.1:5060".parse().unwrap();
        let good = request(&[]);
        let mut indication = good.clone();
        indication[1] = 0x11;
        for datagram in
            [&indication[..], &good[..19], &request(&[0, 1, 0, 9, 1, 2, 3, 4]), b"OPTIONS sip:a SIP/2.0", b""]
        {
            assert_eq!(answer(datagram, remote), None, "{datagram:?}");
        }
        assert!(is_stun(&good) && is_stun(&indication) && !is_stun(b"OPTIONS sip:a SIP/2.0") && !is_stun(b""));
    }
}
