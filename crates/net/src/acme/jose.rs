//! What an account signs (RFC 7515, RFC 8555 §6.2): ES256 in flattened form. Pure but for the signature's randomness.

use anyhow::{Context, anyhow};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

/// The key of an account.
pub(super) struct AccountKey(EcdsaKeyPair);

impl AccountKey {
    /// # Errors
    /// It is no P-256 key in PEM.
    pub(super) fn from_pem(pem: &str) -> anyhow::Result<AccountKey> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).context("the account's key cannot be read")?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der());
        pair.map(AccountKey).map_err(|_| anyhow!("the account's key is no P-256 key"))
    }

    /// Its public half (RFC 7517); the order of members is that of a thumbprint.
    fn jwk(&self) -> String {
        let point = self.0.public_key().as_ref();
        let half = |range: std::ops::Range<usize>| BASE64.encode(point.get(range).unwrap_or_default());
        format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, half(1..33), half(33..65))
    }

    /// A token with what only this account could say (RFC 8555 §8.1, RFC 7638).
    pub(super) fn authorization(&self, token: &str) -> String {
        format!("{token}.{}", BASE64.encode(digest(&SHA256, self.jwk().as_bytes())))
    }

    /// A request's body: by the account of this address, or before there is one by the key itself. No payload is a
    /// POST-as-GET.
    pub(super) fn signed(
        &self,
        account: Option<&str>,
        nonce: &str,
        url: &str,
        payload: Option<&Value>,
    ) -> anyhow::Result<String> {
        let mut head = json!({ "alg": "ES256", "nonce": nonce, "url": url });
        match account {
            Some(account) => head["kid"] = json!(account),
            None => head["jwk"] = serde_json::from_str(&self.jwk())?,
        }
        let (head, payload) = (
            BASE64.encode(head.to_string()),
            payload.map_or_else(String::new, |value| BASE64.encode(value.to_string())),
        );
        let signature = self.0.sign(&SystemRandom::new(), format!("{head}.{payload}").as_bytes());
        let signature = BASE64.encode(signature.map_err(|_| anyhow!("the account's key did not sign"))?.as_ref());
        Ok(json!({ "protected": head, "payload": payload, "signature": signature }).to_string())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn key() -> AccountKey {
        AccountKey::from_pem(&trust::generate_key(trust::KeyKind::P256).unwrap().0).unwrap()
    }

    #[test]
    fn a_request_is_signed_over_head_and_payload() {
        let key = key();
        let (url, payload) = ("https://ca.example/order", json!({ "a": 1 }));
        for (account, payload) in [(None, Some(&payload)), (Some("https://ca.example/me"), None)] {
            let body: Value = serde_json::from_str(&key.signed(account, "n", url, payload).unwrap()).unwrap();
            let text = |name: &str| body[name].as_str().unwrap().to_owned();
            let signed = format!("{}.{}", text("protected"), text("payload"));
            let signature = BASE64.decode(text("signature")).unwrap();
            let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.0.public_key().as_ref());
            assert!(public.verify(signed.as_bytes(), &signature).is_ok());
            let head: Value = serde_json::from_slice(&BASE64.decode(text("protected")).unwrap()).unwrap();
            assert_eq!((&head["alg"], &head["nonce"], &head["url"]), (&json!("ES256"), &json!("n"), &json!(url)));
            assert_eq!((head.get("jwk").is_some(), head.get("kid").is_some()), (account.is_none(), account.is_some()));
            assert_eq!(text("payload").is_empty(), payload.is_none());
        }
    }

    #[test]
    fn an_authorization_is_the_token_and_the_keys_thumbprint() {
        let key = key();
        let said = key.authorization("t0k");
        let (token, thumbprint) = said.split_once('.').unwrap();
        assert_eq!((token, thumbprint.len()), ("t0k", 43));
        assert_eq!(said, key.authorization("t0k"));
        assert!(AccountKey::from_pem("no key").is_err());
    }
}
