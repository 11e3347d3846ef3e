//! The little of DER (X.690) that RSA private keys need: sequences and integers.

/// Reads one element; returns its tag, its contents and what follows.
pub(super) fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = octets.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

/// The contents of a SEQUENCE that is all there is.
pub(super) fn sequence(octets: &[u8]) -> Option<&[u8]> {
    match element(octets)? {
        (0x30, value, []) => Some(value),
        _ => None,
    }
}

/// An INTEGER's magnitude, and what follows it.
pub(super) fn integer(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    match element(octets)? {
        (0x02, value, rest) => Some((value, rest)),
        _ => None,
    }
}
