//! Opus in Ogg (RFC 7845 in RFC 3533), as files of prompts have it: one stream of one or two channels, heard as one at 8 kHz.
//! A file that lacks a page, or in which an octet is another, is refused in words; a packet that is none in a file that is
//! whole is made up for by the decoder, as one that was lost on a line.

use crate::opus::{Decoder, Rate};
use crate::wav;

/// Half an hour: a packet of two octets may stand for 120 ms, so a file's length bounds nothing.
const MOST: usize = 30 * 60 * wav::RATE as usize;
/// Ticks of a granule position, which counts at 48 kHz (RFC 7845 §4), for a sample of ours.
const TICKS: i64 = 48_000 / wav::RATE as i64;

/// Flags of a page (RFC 3533 §6).
const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// What every page begins with.
pub(crate) const MAGIC: &[u8] = b"OggS";

/// The samples of a file as 8 kHz.
///
/// # Errors
/// In words: what was expected and what came.
pub fn read(file: &[u8]) -> Result<Vec<i16>, String> {
    let mut pages = Pages(file);
    let first = pages.next().ok_or("expected a page of Ogg, found nothing")??;
    if first.flags & (FIRST | CONTINUED | LAST) != FIRST {
        return Err("expected the first page of a stream, found another: the beginning was cut off".to_owned());
    }
    let mut stream = Stream::of(&first)?;
    for page in pages {
        let page = page?;
        if stream.ended && page.flags & FIRST != 0 {
            return Err("expected one stream, found another behind it; keep them as files of their own".to_owned());
        }
        // Streams beside it are not for us.
        if page.serial == first.serial {
            stream.take(&page)?;
        }
    }
    stream.end()
}

struct Page<'a> {
    flags: u8,
    /// Where the stream is with the last packet that ends here; -1: none does.
    granule: i64,
    serial: u32,
    number: u32,
    lacing: &'a [u8],
    body: &'a [u8],
}

/// What is left of a file.
struct Pages<'a>(&'a [u8]);

impl<'a> Iterator for Pages<'a> {
    type Item = Result<Page<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let page = self.page();
        if page.is_err() {
            self.0 = &[];
        }
        Some(page)
    }
}

impl<'a> Pages<'a> {
    fn page(&mut self) -> Result<Page<'a>, String> {
        let cut = || "expected a whole page of Ogg, found a part of one: the file was cut".to_owned();
        let (head, behind) = self.0.split_first_chunk::<27>().ok_or_else(cut)?;
        let [o, g1, g2, s, version, flags, rest @ ..] = *head;
        let [p0, p1, p2, p3, p4, p5, p6, p7, s0, s1, s2, s3, n0, n1, n2, n3, c0, c1, c2, c3, segments] = rest;
        if [o, g1, g2, s] != MAGIC || version != 0 {
            return Err("expected a page of Ogg (OggS, version 0), found something else".to_owned());
        }
        let (lacing, behind) = behind.split_at_checked(segments.into()).ok_or_else(cut)?;
        let len = lacing.iter().map(|octets| usize::from(*octets)).sum();
        let (body, behind) = behind.split_at_checked(len).ok_or_else(cut)?;
        let number = u32::from_le_bytes([n0, n1, n2, n3]);
        let checksum = u32::from_le_bytes([c0, c1, c2, c3]);
        let (before, _) = head.split_at(22);
        let octets = before.iter().copied().chain([0, 0, 0, 0, segments]).chain(lacing.iter().chain(body).copied());
        if checksum_of(octets) != checksum {
            return Err(format!(
                "expected page {number} as it was written, found another checksum: the file is damaged"
            ));
        }
        self.0 = behind;
        let granule = i64::from_le_bytes([p0, p1, p2, p3, p4, p5, p6, p7]);
        Ok(Page { flags, granule, serial: u32::from_le_bytes([s0, s1, s2, s3]), number, lacing, body })
    }
}

/// The stream, as far as its pages were read.
struct Stream {
    decoder: Decoder,
    /// Samples to be left out at the beginning.
    skip: usize,
    tagged: bool,
    /// Of a packet that goes on with the next page.
    held: Vec<u8>,
    samples: Vec<i16>,
    /// The granule position ahead of the first sample, once a page has said one.
    begins: Option<i64>,
    /// That of the last page.
    ends: Option<i64>,
    number: u32,
    ended: bool,
}

impl Stream {
    /// By the identification header, alone on the first page (RFC 7845 §5.1).
    fn of(page: &Page<'_>) -> Result<Stream, String> {
        let Some((b"OpusHead", body)) = page.body.split_first_chunk() else {
            return Err("expected Opus in Ogg, found another codec".to_owned());
        };
        let [version, channels, s0, s1, _, _, _, _, g0, g1, family] =
            *body.first_chunk().ok_or("expected an Opus header of 19 octets, found less")?;
        // Family 1 has a table: how many streams, how many of two channels, which is which.
        let streams = if family == 0 { Some(1) } else { body.get(11).copied() };
        if version >> 4 != 0 || !(1..=2).contains(&channels) || family > 1 || streams != Some(1) {
            return Err(format!(
                "expected Opus in one or two channels; found version {version}, {channels} channels in mapping family {family}"
            ));
        }
        let mut decoder = Decoder::new(Rate::Narrow);
        decoder.gain(i16::from_le_bytes([g0, g1]));
        Ok(Stream {
            decoder,
            skip: usize::from(u16::from_le_bytes([s0, s1])) / TICKS as usize,
            tagged: false,
            held: Vec::new(),
            samples: Vec::new(),
            begins: None,
            ends: None,
            number: page.number,
            ended: false,
        })
    }

    fn take(&mut self, page: &Page<'_>) -> Result<(), String> {
        self.number = self.number.wrapping_add(1);
        if self.ended || page.number != self.number || (page.flags & CONTINUED != 0) == self.held.is_empty() {
            return Err(format!("expected page {} of the stream, found page {}", self.number, page.number));
        }
        let before = self.samples.len();
        let mut body = page.body;
        for octets in page.lacing {
            let (piece, behind) = body.split_at_checked((*octets).into()).unwrap_or((body, &[]));
            self.held.extend_from_slice(piece);
            body = behind;
            if *octets < 255 {
                let packet = std::mem::take(&mut self.held);
                self.packet(&packet)?;
            }
        }
        let made = (self.samples.len() - before) as i64 * TICKS;
        if page.granule >= 0 && made > 0 {
            // Below nothing it is where the last page, which may end early, is the first (RFC 7845 §4.5).
            self.begins.get_or_insert((page.granule - made).max(0));
            self.ends = Some(page.granule);
        }
        self.ended = page.flags & LAST != 0;
        Ok(())
    }

    fn packet(&mut self, packet: &[u8]) -> Result<(), String> {
        if !self.tagged {
            self.tagged = true;
            let tags = packet.starts_with(b"OpusTags");
            return tags
                .then_some(())
                .ok_or_else(|| "expected the comments (OpusTags), found something else".to_owned());
        }
        self.decoder.decode(packet, 0, &mut self.samples);
        if self.samples.len() > MOST {
            return Err("expected half an hour at most, found more".to_owned());
        }
        Ok(())
    }

    /// Without what leads in, and what only filled the last packet (RFC 7845 §4.2, §4.4).
    fn end(mut self) -> Result<Vec<i16>, String> {
        if !self.ended {
            return Err("expected the last page of the stream, found the end of the file: it was cut".to_owned());
        }
        if let (Some(begins), Some(ends)) = (self.begins, self.ends) {
            self.samples.truncate(usize::try_from((ends - begins) / TICKS).unwrap_or(0));
        }
        self.samples.drain(..self.skip.min(self.samples.len()));
        Ok(self.samples)
    }
}

/// CRC-32 by the polynomial 0x04c11db7, the highest bit first, from nothing (RFC 3533 §6).
fn checksum_of(octets: impl Iterator<Item = u8>) -> u32 {
    octets.fold(0, |sum, octet| sum << 8 ^ TABLE[(sum >> 24) as usize ^ usize::from(octet)])
}

static TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut at = 0;
    while at < 256 {
        let mut sum = (at as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum >> 31 == 1 { sum << 1 ^ 0x04c1_1db7 } else { sum << 1 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use sdp::OpusTerms;

    use super::*;
    use crate::opus::Encoder;

    fn page(flags: u8, granule: i64, number: u32, packets: &[&[u8]]) -> Vec<u8> {
        let lacing: Vec<u8> = packets
            .iter()
            .flat_map(|packet| std::iter::repeat_n(255, packet.len() / 255).chain([(packet.len() % 255) as u8]))
            .collect();
        page_of(flags, granule, number, &lacing, &packets.concat())
    }

    fn page_of(flags: u8, granule: i64, number: u32, lacing: &[u8], body: &[u8]) -> Vec<u8> {
        let mut page =
            [MAGIC, &[0, flags], &granule.to_le_bytes(), &7u32.to_le_bytes(), &number.to_le_bytes()].concat();
        page.extend([0, 0, 0, 0, lacing.len() as u8]);
        page.extend(lacing);
        page.extend(body);
        let sum = checksum_of(page.iter().copied());
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        page
    }

    fn head(channels: u8, skip: u16, gain: i16, family: u8) -> Vec<u8> {
        [b"OpusHead", &[1, channels][..], &skip.to_le_bytes(), &48_000u32.to_le_bytes(), &gain.to_le_bytes(), &[family]]
            .concat()
    }

    /// Packets of 20 ms.
    fn packets(count: usize) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(Rate::Wide, &OpusTerms::default());
        let sample = |n: usize| ((n as f64 * 0.17).sin() * 8000.0) as i16;
        let packet = |nth: usize| {
            let mut packet = Vec::new();
            encoder.encode(&(0..320).map(|n| sample(nth * 320 + n)).collect::<Vec<_>>(), &mut packet);
            packet
        };
        (0..count).map(packet).collect()
    }

    /// The one frame of a packet, and how it is coded.
    fn frame(packet: &[u8]) -> (u8, &[u8]) {
        let (config, padded) = (packet[0] & !3, packet[0] & 3 == 3 && packet[1] & 0x40 != 0);
        match (packet[0] & 3, padded) {
            (0, _) => (config, &packet[1..]),
            (3, true) => (config, &packet[3..packet.len() - usize::from(packet[2])]),
            (code, _) => panic!("code {code}"),
        }
    }

    /// A header of so many channels and so on, and pages of ten packets, of which the last ends at `ends`.
    fn file(head: &[u8], packets: &[Vec<u8>], ends: i64) -> Vec<u8> {
        let mut file = page(FIRST, 0, 0, &[head]);
        file.extend(page(0, 0, 1, &[b"OpusTags....."]));
        let count = packets.len().div_ceil(10);
        for (nth, ten) in packets.chunks(10).enumerate() {
            let ten: Vec<&[u8]> = ten.iter().map(Vec::as_slice).collect();
            let granule = if nth + 1 == count { ends } else { (nth as i64 + 1) * 9600 };
            file.extend(page(if nth + 1 == count { LAST } else { 0 }, granule, nth as u32 + 2, &ten));
        }
        file
    }

    #[test]
    fn what_leads_in_and_what_fills_the_end_is_not_heard() {
        let packets = packets(25);
        let all = read(&file(&head(1, 0, 0, 0), &packets, 25 * 960)).unwrap();
        assert_eq!(all.len(), 25 * 160);
        assert!(all[800..].iter().any(|sample| *sample > 6000));
        let part = read(&file(&head(1, 312, 0, 0), &packets, 24 * 960 + 60)).unwrap();
        assert_eq!(part, all[52..24 * 160 + 10]);
        let one = read(&file(&head(2, 312, 0, 0), &packets[..3], 1000)).unwrap();
        assert_eq!(one, all[52..166], "one page, which ends early");
        let mapped = [head(2, 0, 0, 1), vec![1, 1, 0, 1]].concat();
        assert_eq!(read(&file(&mapped, &packets, 25 * 960)).unwrap(), all);
        let quiet = read(&file(&head(1, 0, -6 * 256, 0), &packets, 25 * 960)).unwrap();
        let loudest = |samples: &[i16]| f64::from(*samples.iter().max().unwrap());
        assert!((loudest(&all) / loudest(&quiet) - 2.0).abs() < 0.05, "6 dB down");
        assert!(read(&file(&head(1, 6000, 0, 0), &packets[..3], 2880)).unwrap().is_empty());
    }

    #[test]
    fn packets_go_over_pages_and_what_is_none_is_made_up_for() {
        let packets = packets(3);
        let all = read(&file(&head(1, 0, 0, 0), &packets, 2880)).unwrap();
        // Code 3 with padding (RFC 6716 §3.2.5): 400 octets that nobody hears.
        let (config, frame) = frame(&packets[1]);
        let longer = [&[config | 3, 0x41, 255, 146], frame, &[0; 400]].concat();
        let (front, back) = longer.split_at(255);
        let mut long = page(FIRST, 0, 0, &[&head(1, 0, 0, 0)]);
        long.extend(page(0, 0, 1, &[&[b"OpusTags".as_slice(), &[7; 900]].concat()]));
        long.extend(page_of(0, 960, 2, &[packets[0].len() as u8, 255], &[packets[0].as_slice(), front].concat()));
        assert!(back.len() < 255, "{}", back.len());
        let lacing = [back.len() as u8, packets[2].len() as u8];
        long.extend(page_of(CONTINUED | LAST, 2880, 3, &lacing, &[back, &packets[2]].concat()));
        assert_eq!(read(&long).unwrap(), all);

        let mut odd = packets;
        odd[1] = Vec::new();
        assert_eq!(read(&file(&head(1, 0, 0, 0), &odd, 2880)).unwrap().len(), 480);
    }

    #[test]
    fn what_is_no_such_file_is_refused_in_words() {
        let packets = packets(25);
        let good = file(&head(1, 312, 0, 0), &packets, 24_000);
        for cut in 0..good.len() {
            let words = read(&good[..cut]).unwrap_err();
            assert!(words.starts_with("expected "), "{cut}: {words}");
        }
        for at in 0..good.len() {
            let mut damaged = good.clone();
            damaged[at] ^= 0x10;
            assert!(read(&damaged).is_err(), "{at}");
        }
        let refused = |file: Vec<u8>, words: &str| {
            let why = read(&file).unwrap_err();
            assert!(why.contains(words), "{why}");
        };
        refused(page(FIRST, 0, 0, &[b"\x01vorbis"]), "another codec");
        refused(file(&head(6, 0, 0, 1), &packets, 24_000), "6 channels in mapping family 1");
        refused(file(&head(0, 0, 0, 0), &packets, 24_000), "0 channels");
        refused([good.clone(), good.clone()].concat(), "another behind it");
        let without_tags = [page(FIRST, 0, 0, &[&head(1, 0, 0, 0)]), page(LAST, 960, 1, &[&packets[0]])].concat();
        refused(without_tags, "OpusTags");
        let gap = [page(FIRST, 0, 0, &[&head(1, 0, 0, 0)]), page(LAST, 0, 2, &[b"OpusTags"])].concat();
        refused(gap, "expected page 1 of the stream, found page 2");
        // 120 ms of nothing in two octets each: hours in a small file.
        let nothing = vec![vec![0x1b, 2]; 16_000];
        refused(file(&head(1, 0, 0, 0), &nothing, i64::MAX), "half an hour at most");
    }
}
