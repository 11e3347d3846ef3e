//! What must hold of any octets as an Ogg file with Opus: read, or refused in words; and of the packets in it.

/// As they are, and with the checksum of each page mended: a mutation hits one never. How many of the two are read.
pub(crate) fn bytes(input: &[u8]) -> usize {
    [read(input), read(&mended(input))].into_iter().filter(|read| *read).count()
}

fn read(file: &[u8]) -> bool {
    match media::ogg::read(file) {
        Ok(samples) => {
            assert!(samples.len() <= 30 * 60 * 8000);
            true
        }
        Err(words) => {
            assert!(words.starts_with("expected "), "{words}");
            false
        }
    }
}

fn mended(input: &[u8]) -> Vec<u8> {
    let mut file = input.to_vec();
    let mut at = 0;
    while let Some(segments) = file.get(at + 26).copied() {
        let Some(lacing) = file.get(at + 27..at + 27 + usize::from(segments)) else { break };
        let len = 27 + usize::from(segments) + lacing.iter().map(|octets| usize::from(*octets)).sum::<usize>();
        let Some(page) = file.get_mut(at..at + len) else { break };
        page[22..26].fill(0);
        let sum = page.iter().fold(0u32, |sum, octet| {
            (0..8).fold(sum ^ u32::from(*octet) << 24, |sum, _| sum << 1 ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 })
        });
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        at += len;
    }
    file
}
