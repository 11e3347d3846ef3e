//! G.711 (ITU-T), both laws, as tables: decoding, encoding, and one law straight into the other. A codec that is neither
//! is read as µ-law, which such a stream is turned into ahead of all that listens ([`crate::transcode`]).

use sdp::Codec;

/// Whether a codec is one of the two.
pub fn is(codec: Codec) -> bool {
    matches!(codec, Codec::Pcmu | Codec::Pcma)
}

/// What a stream of this codec is inside: its own law, or µ-law.
pub fn inside(codec: Codec) -> Codec {
    if is(codec) { codec } else { Codec::Pcmu }
}

/// 16-bit linear of one code.
pub fn decode(codec: Codec, code: u8) -> i16 {
    match codec {
        Codec::Pcma => A_TO_LINEAR[usize::from(code)],
        Codec::Pcmu | Codec::G722 | Codec::Opus => MU_TO_LINEAR[usize::from(code)],
    }
}

/// The code nearest to a linear sample.
pub fn encode(codec: Codec, sample: i16) -> u8 {
    match codec {
        Codec::Pcma => a_of(sample),
        Codec::Pcmu | Codec::G722 | Codec::Opus => mu_of(sample),
    }
}

/// The code that means silence.
pub fn silence(codec: Codec) -> u8 {
    match codec {
        Codec::Pcma => 0xd5,
        Codec::Pcmu | Codec::G722 | Codec::Opus => 0xff,
    }
}

/// Turns codes of one law into the other's, in place. The same law stays as it is.
pub fn translate(from: Codec, to: Codec, codes: &mut [u8]) {
    let table = match (from, to) {
        (Codec::Pcmu, Codec::Pcma) => &MU_TO_A,
        (Codec::Pcma, Codec::Pcmu) => &A_TO_MU,
        _ => return,
    };
    for code in codes {
        *code = table[usize::from(*code)];
    }
}

static MU_TO_LINEAR: [i16; 256] = linear_table(true);
static A_TO_LINEAR: [i16; 256] = linear_table(false);
static MU_TO_A: [u8; 256] = law_table(true);
static A_TO_MU: [u8; 256] = law_table(false);

const fn linear_table(mu: bool) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = if mu { mu_linear(code as u8) } else { a_linear(code as u8) };
        code += 1;
    }
    table
}

const fn law_table(from_mu: bool) -> [u8; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = if from_mu { a_of(mu_linear(code as u8)) } else { mu_of(a_linear(code as u8)) };
        code += 1;
    }
    table
}

/// The bias that makes every µ-law segment begin at a power of two.
const BIAS: i32 = 0x84;

const fn mu_linear(code: u8) -> i16 {
    let code = !code;
    let exponent = (code >> 4 & 7) as i32;
    let mantissa = (code & 15) as i32;
    let magnitude = (((mantissa << 3) + BIAS) << exponent) - BIAS;
    (if code & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

const fn mu_of(sample: i16) -> u8 {
    const CLIP: i32 = 32_635;
    let sample = sample as i32;
    let (sign, magnitude) = if sample < 0 { (0x80, -sample) } else { (0, sample) };
    let biased = if magnitude > CLIP { CLIP } else { magnitude } + BIAS;
    // 132..=32,767 has its highest bit at 7..=14.
    let exponent = 31 - biased.leading_zeros() as i32 - 7;
    let mantissa = biased >> (exponent + 3) & 15;
    !(sign | exponent << 4 | mantissa) as u8
}

const fn a_linear(code: u8) -> i16 {
    let code = code ^ 0x55;
    let exponent = (code >> 4 & 7) as i32;
    let mantissa = ((code & 15) as i32) << 4;
    let magnitude = match exponent {
        0 => mantissa + 8,
        _ => (mantissa + 0x108) << (exponent - 1),
    };
    (if code & 0x80 == 0 { -magnitude } else { magnitude }) as i16
}

const fn a_of(sample: i16) -> u8 {
    let sample = sample as i32;
    let (sign, magnitude) = if sample < 0 { (0, -sample - 1) } else { (0x80, sample) };
    let code = if magnitude < 256 {
        magnitude >> 4
    } else {
        // 256..=32,767 has its highest bit at 8..=14.
        let exponent = 31 - magnitude.leading_zeros() as i32 - 7;
        exponent << 4 | (magnitude >> (exponent + 3) & 15)
    };
    ((sign | code) as u8) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for code in 0..=255u8 {
                let again = encode(codec, decode(codec, code));
                // µ-law has two zeros.
                assert!(again == code || decode(codec, code) == 0, "{codec:?} {code:#x} {again:#x}");
            }
        }
    }

    #[test]
    fn known_values_of_the_recommendation() {
        assert_eq!((decode(Codec::Pcmu, 0x00), decode(Codec::Pcmu, 0x80)), (-32_124, 32_124));
        assert_eq!((decode(Codec::Pcmu, 0xff), decode(Codec::Pcmu, 0x7f)), (0, 0));
        assert_eq!((decode(Codec::Pcma, 0xd5), decode(Codec::Pcma, 0x55)), (8, -8));
        assert_eq!((decode(Codec::Pcma, 0xaa), decode(Codec::Pcma, 0x2a)), (32_256, -32_256));
        assert_eq!((encode(Codec::Pcmu, i16::MIN), encode(Codec::Pcma, i16::MIN)), (0x00, 0x2a));
    }

    #[test]
    fn encoding_is_within_half_a_step() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for sample in (-32_000..32_000).step_by(7) {
                let error = (i32::from(decode(codec, encode(codec, sample as i16))) - sample).abs();
                assert!(error <= ((sample.abs() + 132) / 32).max(16), "{codec:?} {sample} {error}");
            }
        }
    }

    #[test]
    fn one_law_becomes_the_other() {
        let mut codes: Vec<u8> = (0..=255).collect();
        translate(Codec::Pcmu, Codec::Pcma, &mut codes);
        for (mu, a) in (0..=255u8).zip(&codes) {
            let (mu, a) = (i32::from(decode(Codec::Pcmu, mu)), i32::from(decode(Codec::Pcma, *a)));
            assert!((mu - a).abs() <= ((mu.abs() + 132) / 16).max(16), "{mu} {a}");
        }
    }
}
