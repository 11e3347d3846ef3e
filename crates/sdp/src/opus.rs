//! What a peer says of Opus in `a=fmtp` (RFC 7587 §6.1, §7), and what we say.

use serde::{Deserialize, Serialize};

use crate::session::Media;

/// What a peer wants of the Opus that it hears. Of what it says besides, `stereo` is for who has two channels to send: we
/// have one, which every receiver takes; nor `cbr`, for our packets are of one length whoever asks; and `sprop-` parameters are about what it sends, which a decoder finds in the
/// packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpusTerms {
    /// `maxplaybackrate`: Hz beyond which it plays nothing.
    pub max_playback_rate: u32,
    /// `maxaveragebitrate`, bits a second.
    pub max_average_bitrate: Option<u32>,
    /// `useinbandfec`: it makes use of what a packet repeats of the one before.
    pub in_band_fec: bool,
    /// `usedtx`: it would have next to nothing sent while nobody speaks.
    pub discontinuous: bool,
}

/// What we say: that we make use of what packets repeat, take packets from 10 ms on, and want them of one length, for under
/// SRTP their lengths would tell what is said (RFC 6562). Nothing of a rate: who is bridged to another speaker of Opus is
/// heard there as he is.
pub(crate) const OURS: &str = "minptime=10;useinbandfec=1;cbr=1";

impl Default for OpusTerms {
    /// Of who says nothing.
    fn default() -> OpusTerms {
        OpusTerms { max_playback_rate: 48_000, max_average_bitrate: None, in_band_fec: false, discontinuous: false }
    }
}

impl OpusTerms {
    pub(crate) fn of(media: &Media, payload_type: u8) -> OpusTerms {
        OpusTerms::parse(media.format_parameters(payload_type).unwrap_or_default())
    }

    /// Values outside of the RFC's ranges are as if they were not there.
    fn parse(parameters: &str) -> OpusTerms {
        let mut terms = OpusTerms::default();
        for (name, value) in parameters.split(';').filter_map(|parameter| parameter.split_once('=')) {
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            let number = value.parse::<u32>().ok();
            match name.as_str() {
                "maxplaybackrate" => terms.max_playback_rate = within(number, 8000..=48_000).unwrap_or(48_000),
                "maxaveragebitrate" => terms.max_average_bitrate = within(number, 6000..=510_000),
                "useinbandfec" => terms.in_band_fec = value == "1",
                "usedtx" => terms.discontinuous = value == "1",
                _ => {}
            }
        }
        terms
    }
}

fn within(number: Option<u32>, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    number.filter(|number| range.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_whatever_stands_between_them() {
        let said = "maxplaybackrate=16000; sprop-maxcapturerate=16000;maxaveragebitrate=20000; stereo=1; USEINBANDFEC=1;\
                    usedtx=1;cbr=1";
        let terms = OpusTerms {
            max_playback_rate: 16_000,
            max_average_bitrate: Some(20_000),
            in_band_fec: true,
            discontinuous: true,
        };
        assert_eq!(OpusTerms::parse(said), terms);
        for said in ["", "minptime=10", "usedtx", "maxplaybackrate=0;maxaveragebitrate=4000000000;useinbandfec=yes"] {
            assert_eq!(OpusTerms::parse(said), OpusTerms::default(), "{said}");
        }
    }

    #[test]
    fn what_we_say_is_understood_by_ourselves() {
        assert_eq!(OpusTerms::parse(OURS), OpusTerms { in_band_fec: true, ..OpusTerms::default() });
    }
}
