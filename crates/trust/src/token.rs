//! Bearer tokens (RFC 7519, RFC 7515, RFC 7518): signed claims of who may register, and the keys that they are believed by
//! (RFC 7517). Compact form, ES256, ES384 and RS256; `none` and everything symmetric are never taken.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Longest token looked at: whoever registers has proved nothing yet.
const LONGEST: usize = 8 * 1024;
/// Seconds by which clocks may differ.
const SKEW: i64 = 60;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    /// Whose it is.
    pub sub: String,
    pub aud: Audience,
    /// Seconds since 1970, as all times here.
    pub exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// By which it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// A token that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Believed {
    pub claims: Claims,
    /// Which key signed it: [`TokenKey::thumbprint`].
    pub key: String,
}

/// Whom a token is for: one, or several (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// Whether it is for this one and for nobody else.
    pub fn is_only(&self, wanted: &str) -> bool {
        match self {
            Audience::One(one) => one == wanted,
            Audience::Several(several) => several.iter().all(|one| one == wanted),
        }
    }

    fn has(&self, wanted: &str) -> bool {
        match self {
            Audience::One(one) => one == wanted,
            Audience::Several(several) => several.iter().any(|one| one == wanted),
        }
    }
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// No token, or not of this form; what was found.
    Malformed(String),
    /// Of an algorithm that is not taken.
    Algorithm(String),
    /// Signed by a key that is not among those known.
    UnknownKey(Option<String>),
    BadSignature,
    WrongIssuer(String),
    WrongAudience,
    NotYet {
        from: i64,
    },
    Expired {
        at: i64,
    },
}

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenFault::Malformed(found) => write!(f, "no token: {found}"),
            TokenFault::Algorithm(found) => write!(f, "a token of algorithm `{found}`"),
            TokenFault::UnknownKey(Some(key)) => write!(f, "a token that a key unknown here signed: `{key}`"),
            TokenFault::UnknownKey(None) => f.write_str("a token that no key known here signed"),
            TokenFault::BadSignature => f.write_str("a token whose signature does not fit"),
            TokenFault::WrongIssuer(found) => write!(f, "a token of issuer `{found}`"),
            TokenFault::WrongAudience => f.write_str("a token for another audience"),
            TokenFault::NotYet { from } => write!(f, "a token that is good only from {from} s since 1970"),
            TokenFault::Expired { at } => write!(f, "a token that expired at {at} s since 1970"),
        }
    }
}

/// A public key of an issuer, for one algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKey {
    id: Option<String>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Material {
    /// Uncompressed points.
    Es256(Vec<u8>),
    Es384(Vec<u8>),
    Rs256 {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

impl Material {
    fn algorithm(&self) -> &'static str {
        match self {
            Material::Es256(_) => "ES256",
            Material::Es384(_) => "ES384",
            Material::Rs256 { .. } => "RS256",
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Material::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            Material::Es384(point) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature).is_ok()
            }
            Material::Rs256 { n, e } => {
                PublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
        }
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

/// RFC 7517, RFC 7518 §6: the members that matter here.
#[derive(Default, Serialize, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

impl TokenKey {
    /// What the key is known by, in hex: the same for the same key, whatever id a set gives it.
    pub fn thumbprint(&self) -> String {
        match &self.material {
            Material::Es256(point) | Material::Es384(point) => crate::fingerprint(point),
            Material::Rs256 { n, e } => crate::fingerprint(&[&n[..], b".", e].concat()),
        }
    }

    /// The id that its set gives it.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The keys of a set (RFC 7517 §5) that tokens can be verified by; others in it are passed over.
    ///
    /// # Errors
    /// It is no key set, or has none of these keys.
    pub fn read_set(json: &str) -> Result<Vec<TokenKey>, Error> {
        let set: KeySet =
            serde_json::from_str(json).map_err(|error| Error::Key(format!("no JSON Web Key Set: {error}")))?;
        let keys: Vec<TokenKey> = set.keys.iter().filter_map(TokenKey::of).collect();
        if keys.is_empty() {
            return Err(Error::Key("the key set has no key for ES256, ES384 or RS256 signatures".into()));
        }
        Ok(keys)
    }

    fn of(key: &Jwk) -> Option<TokenKey> {
        if key.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let octets = |text: &Option<String>| BASE64.decode(text.as_deref()?).ok();
        let point = |size: usize| {
            let (x, y) = (octets(&key.x)?, octets(&key.y)?);
            (x.len() == size && y.len() == size).then(|| [&[4][..], &x, &y].concat())
        };
        let material = match (key.kty.as_str(), key.crv.as_deref()) {
            ("EC", Some("P-256")) => Material::Es256(point(32)?),
            ("EC", Some("P-384")) => Material::Es384(point(48)?),
            ("RSA", _) => Material::Rs256 { n: octets(&key.n)?, e: octets(&key.e)? },
            _ => return None,
        };
        let fits = key.alg.as_deref().is_none_or(|alg| alg == material.algorithm());
        fits.then(|| TokenKey { id: key.kid.clone(), material })
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    typ: Option<String>,
    /// Extensions that must be understood (RFC 7515 §4.1.11): none is.
    #[serde(default, skip_serializing)]
    crit: Option<Vec<String>>,
}

/// Whom tokens must be from and for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTerms {
    pub issuer: String,
    pub audience: String,
    pub keys: Vec<TokenKey>,
}

impl TokenTerms {
    /// What a token says, if it is to be believed at `now` (seconds since 1970). The signature is looked at before what is
    /// signed.
    ///
    /// # Errors
    /// Why it is not.
    pub fn verify(&self, token: &str, now: i64) -> Result<Believed, TokenFault> {
        self.verify_whole(token, now).map(|(believed, _)| believed)
    }

    /// The same, with all that the token says: whatever [`Claims`] does not know, by its name.
    ///
    /// # Errors
    /// As [`TokenTerms::verify`].
    pub fn verify_whole(
        &self,
        token: &str,
        now: i64,
    ) -> Result<(Believed, serde_json::Map<String, serde_json::Value>), TokenFault> {
        let malformed = |found: &str| TokenFault::Malformed(found.to_owned());
        if token.len() > LONGEST {
            return Err(malformed("too long for one"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("not three parts with dots between"));
        };
        let decode = |part: &str| BASE64.decode(part).map_err(|_| malformed("a part that is no base64url"));
        let head: Header = serde_json::from_slice(&decode(header)?).map_err(|_| malformed("a header that is none"))?;
        if head.crit.is_some() {
            return Err(malformed("an extension that must be understood and is not"));
        }
        if !["ES256", "ES384", "RS256"].contains(&head.alg.as_str()) {
            return Err(TokenFault::Algorithm(short(&head.alg)));
        }
        // Which algorithm a key is for is the key's to say, not the token's.
        let fits = |key: &&TokenKey| {
            key.material.algorithm() == head.alg && (head.kid.is_none() || key.id.is_none() || key.id == head.kid)
        };
        let mut candidates = self.keys.iter().filter(fits).peekable();
        if candidates.peek().is_none() {
            return Err(TokenFault::UnknownKey(head.kid.as_deref().map(short)));
        }
        let signature = decode(signature)?;
        let signed = token.get(..header.len() + 1 + payload.len()).unwrap_or_default();
        let key = candidates.find(|key| key.material.verifies(signed.as_bytes(), &signature));
        let key = key.ok_or(TokenFault::BadSignature)?.thumbprint();
        let payload = decode(payload)?;
        let unfit = || malformed("claims without iss, sub, aud or exp");
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| unfit())?;
        let whole = serde_json::from_slice(&payload).map_err(|_| unfit())?;
        if claims.iss != self.issuer {
            return Err(TokenFault::WrongIssuer(short(&claims.iss)));
        }
        if !claims.aud.has(&self.audience) {
            return Err(TokenFault::WrongAudience);
        }
        match claims.nbf.filter(|from| now.saturating_add(SKEW) < *from) {
            Some(from) => return Err(TokenFault::NotYet { from }),
            None if now >= claims.exp => return Err(TokenFault::Expired { at: claims.exp }),
            None => {}
        }
        Ok((Believed { claims, key }, whole))
    }
}

/// Whom a token says that it is from. Nothing of it is verified: good for asking that issuer, and for nothing else.
pub fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct From {
        iss: String,
    }
    let payload = token.split('.').nth(1).filter(|_| token.len() <= LONGEST)?;
    let From { iss } = serde_json::from_slice(&BASE64.decode(payload).ok()?).ok()?;
    Some(iss)
}

/// What a stranger wrote, as much of it as a log should have.
fn short(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// Who signs tokens: a P-256 key.
pub struct TokenIssuer {
    key: EcdsaKeyPair,
    id: String,
}

impl TokenIssuer {
    /// # Errors
    /// The text has no P-256 key in PEM (PKCS #8).
    pub fn from_pem(pem: &str) -> Result<TokenIssuer, Error> {
        let wrong = || Error::Key("tokens are signed by a P-256 key: this is none".into());
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong())?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der());
        let key = key.map_err(|_| wrong())?;
        let id = crate::fingerprint(key.public_key().as_ref()).get(..16).unwrap_or_default().to_owned();
        Ok(TokenIssuer { key, id })
    }

    /// # Errors
    /// The key did not sign.
    pub fn issue(&self, claims: &impl Serialize) -> Result<String, Error> {
        let failed = |_| Error::Key("the token could not be made".into());
        let header = Header { alg: "ES256".into(), kid: Some(self.id.clone()), typ: Some("JWT".into()), crit: None };
        let part = |octets: Vec<u8>| BASE64.encode(octets);
        let header = part(serde_json::to_vec(&header).map_err(failed)?);
        let signed = format!("{header}.{}", part(serde_json::to_vec(claims).map_err(failed)?));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.map_err(|_| Error::Key("the key did not sign".into()))?;
        Ok(format!("{signed}.{}", BASE64.encode(signature.as_ref())))
    }

    /// Its public half, as a key set for others (RFC 7517).
    pub fn key_set(&self) -> String {
        let point = self.key.public_key().as_ref();
        let half = |range: std::ops::Range<usize>| Some(BASE64.encode(point.get(range).unwrap_or_default()));
        let key = Jwk {
            kty: "EC".into(),
            kid: Some(self.id.clone()),
            alg: Some("ES256".into()),
            usage: Some("sig".into()),
            crv: Some("P-256".into()),
            x: half(1..33),
            y: half(33..65),
            ..Jwk::default()
        };
        serde_json::json!({ "keys": [key] }).to_string()
    }
}

/// Several key sets as one.
///
/// # Errors
/// One is none.
pub fn join_key_sets(sets: &[String]) -> Result<String, Error> {
    let mut keys = Vec::new();
    for set in sets {
        let set: KeySet =
            serde_json::from_str(set).map_err(|error| Error::Key(format!("no JSON Web Key Set: {error}")))?;
        keys.extend(set.keys);
    }
    Ok(serde_json::json!({ "keys": keys }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyKind, generate_key};

    const NOW: i64 = 1_795_392_000;

    fn issuer() -> TokenIssuer {
        TokenIssuer::from_pem(&generate_key(KeyKind::P256).unwrap().0).unwrap()
    }

    fn terms(issuer: &TokenIssuer) -> TokenTerms {
        let keys = TokenKey::read_set(&issuer.key_set()).unwrap();
        TokenTerms { issuer: "https://lab.example".into(), audience: "cucm1.lab.example".into(), keys }
    }

    fn claims() -> Claims {
        Claims {
            iss: "https://lab.example".into(),
            sub: "CSF1001".into(),
            aud: Audience::One("cucm1.lab.example".into()),
            exp: NOW + 600,
            nbf: None,
            iat: Some(NOW),
            jti: Some("1".into()),
        }
    }

    #[test]
    fn a_token_says_what_its_issuer_said_until_it_expires() {
        let issuer = issuer();
        let token = issuer.issue(&claims()).unwrap();
        let believed = Believed { claims: claims(), key: terms(&issuer).keys[0].thumbprint() };
        assert_eq!(terms(&issuer).verify(&token, NOW), Ok(believed.clone()));
        assert_eq!(terms(&issuer).verify(&token, NOW + 599), Ok(believed));
        assert_eq!(terms(&issuer).verify(&token, NOW + 600), Err(TokenFault::Expired { at: NOW + 600 }));
        let later = issuer.issue(&Claims { nbf: Some(NOW + 100), ..claims() }).unwrap();
        assert_eq!(terms(&issuer).verify(&later, NOW), Err(TokenFault::NotYet { from: NOW + 100 }));
        let several = Audience::Several(vec!["x".into(), "cucm1.lab.example".into()]);
        let token = issuer.issue(&Claims { aud: several, ..claims() }).unwrap();
        assert!(terms(&issuer).verify(&token, NOW).is_ok());
    }

    #[test]
    fn what_is_foreign_changed_or_unsigned_is_not_believed() {
        let (issuer, stranger) = (issuer(), issuer());
        let terms = terms(&issuer);
        let token = issuer.issue(&claims()).unwrap();
        assert!(matches!(terms.verify(&stranger.issue(&claims()).unwrap(), NOW), Err(TokenFault::UnknownKey(Some(_)))));
        let other = |claims: Claims| terms.verify(&issuer.issue(&claims).unwrap(), NOW).unwrap_err();
        assert_eq!(other(Claims { aud: Audience::One("x".into()), ..claims() }), TokenFault::WrongAudience);
        assert_eq!(other(Claims { iss: "x".into(), ..claims() }), TokenFault::WrongIssuer("x".into()));
        let TokenFault::WrongIssuer(kept) = other(Claims { iss: "x\n".repeat(1000), ..claims() }) else { panic!() };
        assert_eq!(kept, "x".repeat(80), "no more of a stranger's words than a log should have");
        // Another's claims under this signature, and this signature under another's key id.
        let parts: Vec<&str> = token.split('.').collect();
        let forged = BASE64.encode(serde_json::to_vec(&Claims { sub: "CSF1002".into(), ..claims() }).unwrap());
        assert_eq!(terms.verify(&format!("{}.{forged}.{}", parts[0], parts[2]), NOW), Err(TokenFault::BadSignature));
        for alg in ["none", "None", "HS256", "ES512", ""] {
            let header = BASE64.encode(format!("{{\"alg\":\"{alg}\"}}"));
            for signature in ["", parts[2]] {
                let token = format!("{header}.{}.{signature}", parts[1]);
                assert_eq!(terms.verify(&token, NOW), Err(TokenFault::Algorithm(alg.into())));
            }
        }
        let critical = BASE64.encode(r#"{"alg":"ES256","crit":["b64"],"b64":false}"#);
        for token in
            ["", "a.b", "a.b.c", "....", &format!("{critical}.{}.{}", parts[1], parts[2]), &"a".repeat(LONGEST + 1)]
        {
            assert!(matches!(terms.verify(token, NOW), Err(TokenFault::Malformed(_))), "{token}");
        }
        for at in 0..parts[2].len() - 1 {
            let mut changed = parts[2].to_owned().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let token = format!("{}.{}.{}", parts[0], parts[1], String::from_utf8(changed).unwrap());
            assert!(terms.verify(&token, NOW).is_err(), "{at}");
        }
    }

    /// The example of RFC 7515 §A.2: its key, its signature, over claims that are none of ours.
    #[test]
    fn keys_of_other_kinds_are_read_and_those_that_cannot_verify_passed_over() {
        let set = r#"{"keys":[{"kty":"oct","k":"AyM1"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"},
            {"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
        let keys = TokenKey::read_set(set).unwrap();
        assert_eq!(keys.len(), 1);
        // RFC 7515 §A.3.
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let terms = TokenTerms { issuer: "joe".into(), audience: String::new(), keys };
        // The signature fits; what is signed has neither subject nor audience.
        assert!(
            matches!(terms.verify(token, NOW), Err(TokenFault::Malformed(found)) if found.contains("claims without"))
        );
        assert!(TokenKey::read_set(r#"{"keys":[]}"#).is_err() && TokenKey::read_set("x").is_err());
    }
}
