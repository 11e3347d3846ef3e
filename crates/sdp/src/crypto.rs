//! `a=crypto`: SRTP keys in the description (SDES, RFC 4568 §4–6; GCM suites RFC 7714 §14).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use crate::key::{MasterKey, Mki};
use crate::suite::Suite;

/// A suite as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuiteName {
    Known(Suite),
    /// A suite that we do not speak; its keys are not read.
    Other(String),
}

impl SuiteName {
    pub fn as_str(&self) -> &str {
        match self {
            SuiteName::Known(suite) => suite.name(),
            SuiteName::Other(name) => name,
        }
    }
}

/// One `inline:` key with what follows it (RFC 4568 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyParam {
    pub key: MasterKey,
    /// SRTP packets that may be protected with the key.
    pub lifetime: Option<u64>,
    pub mki: Option<Mki>,
}

/// One `a=crypto` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    pub tag: u32,
    pub suite: SuiteName,
    /// Empty for a suite that we do not speak.
    pub keys: Vec<KeyParam>,
    /// Session parameters as written (`KDR=0`, `UNENCRYPTED_SRTP`, `WSH=64` …).
    pub params: Vec<String>,
}

/// What is wrong with an `a=crypto` line. Says what was expected, never what the key was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    #[error("a tag of 1 to 9 digits first")]
    Tag,
    #[error("tag, suite and key parameters, parted by spaces")]
    Fields,
    #[error("the key method 'inline:'")]
    Method,
    #[error("a base64 key and salt of the suite's exact length")]
    KeyLength,
    #[error("a key in base64")]
    Base64,
    #[error("a lifetime such as 2^31 or an MKI such as 1:4 behind the key")]
    Lifetime,
}

impl Crypto {
    /// Our line for a suite: one key, nothing else.
    pub fn new(tag: u32, suite: Suite, key: MasterKey) -> Crypto {
        let keys = vec![KeyParam { key, lifetime: None, mki: None }];
        Crypto { tag, suite: SuiteName::Known(suite), keys, params: Vec::new() }
    }

    /// Reads what follows `a=crypto:`.
    pub fn parse(value: &str) -> Result<Crypto, CryptoError> {
        let mut fields = value.split_ascii_whitespace();
        let tag = fields.next().ok_or(CryptoError::Fields)?;
        if tag.len() > 9 || !tag.bytes().all(|b| b.is_ascii_digit()) {
            return Err(CryptoError::Tag);
        }
        let tag = tag.parse().map_err(|_| CryptoError::Tag)?;
        let name = fields.next().ok_or(CryptoError::Fields)?;
        let keys = fields.next().ok_or(CryptoError::Fields)?;
        let params = fields.map(str::to_owned).collect();
        match Suite::parse(name) {
            Some(suite) => {
                let keys = keys.split(';').map(|key| key_param(suite, key)).collect::<Result<_, _>>()?;
                Ok(Crypto { tag, suite: SuiteName::Known(suite), keys, params })
            }
            None => Ok(Crypto { tag, suite: SuiteName::Other(name.to_owned()), keys: Vec::new(), params }),
        }
    }

    /// The line's value with its keys, for the wire only.
    pub fn print(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(print_key).collect();
        let mut text = format!("{} {} {}", self.tag, self.suite.as_str(), keys.join(";"));
        for param in &self.params {
            text.push(' ');
            text.push_str(param);
        }
        text
    }

    /// The one key that we may use, with its identifier and lifetime, or in words why this line is not for us.
    pub fn usable(&self, allowed: &[Suite]) -> Result<(Suite, MasterKey), String> {
        let SuiteName::Known(suite) = &self.suite else {
            return Err(format!("{} (unknown here)", self.suite.as_str()));
        };
        if !allowed.contains(suite) {
            return Err(format!("{suite} (not allowed here)"));
        }
        if let Some(param) = self.params.iter().find(|param| !harmless(param)) {
            return Err(format!("{suite} with {param} (session parameter not taken)"));
        }
        let [KeyParam { key, mki, lifetime }] = self.keys.as_slice() else {
            return Err(format!("{suite} with {} keys (one is taken)", self.keys.len()));
        };
        let key = key.clone().lasting(*lifetime);
        let Some(mki) = mki else {
            return Ok((*suite, key));
        };
        let octets = mki.octets().ok_or_else(|| format!("{suite} with an MKI that does not fit its own length"))?;
        Ok((*suite, key.identified(octets)))
    }
}

/// Session parameters that change nothing of what we do (RFC 4568 §6.3): the default derivation rate, a hint for the
/// replay window, and what its sender marked as ignorable by a leading `-`. All others would weaken or alter packets.
fn harmless(param: &str) -> bool {
    let upper = param.to_ascii_uppercase();
    upper == "KDR=0" || upper.starts_with("WSH=") || upper.starts_with('-')
}

fn key_param(suite: Suite, text: &str) -> Result<KeyParam, CryptoError> {
    let (method, rest) = text.split_at_checked("inline:".len()).ok_or(CryptoError::Method)?;
    if !method.eq_ignore_ascii_case("inline:") {
        return Err(CryptoError::Method);
    }
    let mut parts = rest.split('|');
    let key = decode_key(suite, parts.next().unwrap_or_default())?;
    let (mut lifetime, mut mki) = (None, None);
    for part in parts {
        match part.split_once(':') {
            Some(_) if mki.is_some() => return Err(CryptoError::Lifetime),
            Some((value, length)) => {
                let length = length.parse().ok().filter(|n| (1..=128).contains(n)).ok_or(CryptoError::Lifetime)?;
                if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(CryptoError::Lifetime);
                }
                mki = Some(Mki { value: value.to_owned(), length });
            }
            None if lifetime.is_some() || mki.is_some() => return Err(CryptoError::Lifetime),
            None => lifetime = Some(parse_lifetime(part).ok_or(CryptoError::Lifetime)?),
        }
    }
    Ok(KeyParam { key, lifetime, mki })
}

/// Padding may be there, missing or too long (a 44-octet GCM key needs one `=`; some send none, some three).
fn decode_key(suite: Suite, text: &str) -> Result<MasterKey, CryptoError> {
    const TOLERANT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
    );
    let bytes = TOLERANT.decode(text.trim_end_matches('=')).map_err(|_| CryptoError::Base64)?;
    let key = MasterKey::new(bytes);
    let (key_len, salt_len) = suite.key_salt_len();
    if key.bytes().len() != key_len + salt_len {
        return Err(CryptoError::KeyLength);
    }
    Ok(key)
}

/// A key that may protect nothing is none.
fn parse_lifetime(text: &str) -> Option<u64> {
    let packets = match text.strip_prefix("2^") {
        Some(power) => 1u64.checked_shl(power.parse().ok()?),
        None => text.parse().ok(),
    };
    packets.filter(|packets| *packets > 0)
}

fn print_key(param: &KeyParam) -> String {
    let mut text = format!("inline:{}", STANDARD.encode(param.key.bytes()));
    match param.lifetime {
        Some(packets) if packets.is_power_of_two() => text.push_str(&format!("|2^{}", packets.trailing_zeros())),
        Some(packets) => text.push_str(&format!("|{packets}")),
        None => {}
    }
    if let Some(mki) = &param.mki {
        text.push_str(&format!("|{}:{}", mki.value, mki.length));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4568 §9.1's first example line.
    const EXAMPLE: &str = "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYDF0MjJoZWxk|2^20|1:32";

    #[test]
    fn the_rfcs_example_reads_and_prints_the_same() {
        let crypto = Crypto::parse(EXAMPLE).unwrap();
        assert_eq!((crypto.tag, crypto.keys[0].lifetime), (1, Some(1 << 20)));
        assert_eq!(crypto.keys[0].mki, Some(Mki { value: "1".into(), length: 32 }));
        assert_eq!(crypto.print(), EXAMPLE);
        let (_, key) = crypto.usable(&Suite::ALL).unwrap();
        assert_eq!((key.lifetime(), key.mki().len(), key.mki()[31]), (Some(1 << 20), 32, 1));
    }

    #[test]
    fn debug_shows_no_key() {
        let text = format!("{:?}", Crypto::parse(EXAMPLE).unwrap());
        assert!(text.contains("MasterKey(…)") && !text.contains("PS1u") && !text.contains("61, 45"), "{text}");
    }

    #[test]
    fn spellings_and_padding_of_real_equipment() {
        let key = STANDARD.encode([7u8; 44]);
        for padding in ["", "=", "==", "==="] {
            let line = format!("3 aead_aes_256_gcm inline:{}{padding}", key.trim_end_matches('='));
            assert_eq!(Crypto::parse(&line).unwrap().keys[0].key.bytes(), [7u8; 44]);
        }
        let other = Crypto::parse("1 F8_128_HMAC_SHA1_80 inline:short KDR=1").unwrap();
        assert_eq!(other.suite, SuiteName::Other("F8_128_HMAC_SHA1_80".into()));
    }

    #[test]
    fn wrong_lines_say_what_was_expected() {
        let cases = [
            ("", CryptoError::Fields),
            ("x AES_CM_128_HMAC_SHA1_80 inline:AA", CryptoError::Tag),
            ("1234567890 AES_CM_128_HMAC_SHA1_80 inline:AA", CryptoError::Tag),
            ("1 AES_CM_128_HMAC_SHA1_80", CryptoError::Fields),
            ("1 AES_CM_128_HMAC_SHA1_80 uri:AA", CryptoError::Method),
            ("1 AES_CM_128_HMAC_SHA1_80 inl", CryptoError::Method),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:%%%%", CryptoError::Base64),
            ("1 AEAD_AES_128_GCM inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYDF0MjJoZWxk", CryptoError::KeyLength),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYDF0MjJoZWxk|2^99", CryptoError::Lifetime),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYDF0MjJoZWxk|0", CryptoError::Lifetime),
            ("1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYDF0MjJoZWxk|1:0", CryptoError::Lifetime),
        ];
        for (line, error) in cases {
            assert_eq!(Crypto::parse(line), Err(error), "{line}");
        }
    }

    #[test]
    fn one_key_of_a_line_is_taken_and_its_identifier_must_fit() {
        let key = "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYDF0MjJoZWxk";
        let why = |rest: &str| {
            Crypto::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 {rest}")).unwrap().usable(&Suite::ALL).unwrap_err()
        };
        assert!(why(&format!("{key}|1:1;{key}|2:1")).contains("2 keys"));
        assert!(why(&format!("{key}|256:1")).contains("MKI"));
    }

    #[test]
    fn weakening_session_parameters_are_not_taken() {
        for param in ["UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP", "KDR=24", "FEC_ORDER=FEC_SRTP"] {
            let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYDF0MjJoZWxk {param}");
            assert!(Crypto::parse(&line).unwrap().usable(&Suite::ALL).unwrap_err().contains(param));
        }
        let line = "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYDF0MjJoZWxk|2^31 KDR=0 WSH=128";
        assert!(Crypto::parse(line).unwrap().usable(&Suite::ALL).is_ok());
    }
}
