//! Certificates that another authority issues for a key of ours: the request (PKCS #10, RFC 2986), and what comes back,
//! judged before it is used.

use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, UnixTime};

use crate::ca::distinguished_name;
use crate::facts::Purposes;
use crate::identity::certificates;
use crate::tls::chain::{Roots, Usage};
use crate::{Error, Identity, Refusal, Request, words};

/// A request for a certificate with what `request` has (its dates and key kind are the issuer's business and the key's).
/// PEM.
///
/// # Errors
/// The key cannot be read, or a name cannot stand in a certificate.
pub fn signing_request(organisation: &str, request: &Request, key_pem: &str) -> Result<String, Error> {
    let bad = |error: rcgen::Error| {
        Error::Certificate(format!("the request for {} cannot be made: {error}", request.common_name))
    };
    let key =
        KeyPair::from_pem(key_pem).map_err(|error| Error::Key(format!("the private key cannot be read: {error}")))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(organisation, &request.common_name);
    params.subject_alt_names = request.alternative_names()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.serialize_request(&key).and_then(|request| request.pem()).map_err(bad)
}

/// A signing request (PEM) as DER.
///
/// # Errors
/// It is none.
pub fn request_der(pem: &str) -> Result<Vec<u8>, Error> {
    let request = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes());
    Ok(request.map_err(|error| Error::Certificate(format!("this is no signing request in PEM: {error}")))?.to_vec())
}

/// A chain that an authority issued for `key_pem`, the node's certificate first, made an identity. It must name at least
/// one of `names`, serve both ends of a connection, be in force at `at`, and be whole: each certificate signed by the next,
/// or, with one alone, by one of `roots` (PEM).
///
/// # Errors
/// Which of this it is not, in words, with what to do.
pub fn import(
    chain: &str,
    key_pem: &str,
    names: &[String],
    roots: &[String],
    at: SystemTime,
) -> Result<Identity, Error> {
    let wrong = |text: String| Err(Error::Certificate(text));
    let identity = Identity::from_pem(chain, key_pem).map_err(|error| match error {
        Error::Key(why) if why.contains("does not belong") => Error::Key(format!(
            "the certificate is for another key than the one waiting here: ask the authority to sign the request that `ringfence cert csr` wrote last ({why})"
        )),
        other => other,
    })?;
    let facts = identity.facts();
    if !names.iter().any(|name| facts.is_named(name)) {
        return wrong(format!(
            "the certificate names {}, and peers expect {}: have it issued for one of these (the request asked for them)",
            facts.names().join(", "),
            names.join(" or ")
        ));
    }
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(seconds.as_secs()).unwrap_or(i64::MAX);
    let date = |at: i64| words::date(UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.max(0) as u64)));
    if now > facts.not_after {
        return wrong(format!("the certificate ended on {}: have another issued", date(facts.not_after)));
    }
    if now < facts.not_before {
        let remedy = "wait until then, or compare this clock (`date -u`) with the authority's";
        return wrong(format!("the certificate begins on {}: {remedy}", date(facts.not_before)));
    }
    let all = certificates(chain)?;
    let Some((leaf, others)) = all.split_first() else { return wrong("there is no certificate in the file".into()) };
    let purposes = Purposes::from_der(leaf)?;
    for (has, word, breaks) in [
        (purposes.server, "serverAuth", "whoever dials this node would refuse it"),
        (purposes.client, "clientAuth", "whoever this node dials would refuse it"),
    ] {
        if !has {
            return wrong(format!(
                "the certificate's extended key usage lacks {word}, so {breaks}: SIP servers listen and dial; have it issued with serverAuth and clientAuth (RFC 5280 §4.2.1.12)"
            ));
        }
    }
    // What vouches is in the file, or is one of the roots; whether peers trust it is theirs to say.
    let mut anchors: Vec<CertificateDer<'static>> = others.to_vec();
    for pem in roots {
        anchors.extend(certificates(pem)?);
    }
    let last = others.last().unwrap_or(leaf);
    let complete = Roots::from_der(anchors).and_then(|anchors| {
        // Each link: the leaf by some path of what is there.
        anchors
            .verify(leaf, others, UnixTime::since_unix_epoch(seconds), Usage::Listens)
            .map_err(|error| Error::Certificate(error.to_string()))
    });
    if let Err(error) = complete {
        return wrong(format!(
            "the chain is not whole ({error}): put the authority's intermediate certificates behind the node's in the file, the issuer of each right after it; the last here is issued by `{}`",
            crate::CertificateFacts::from_der(last)?.issuer
        ));
    }
    Ok(identity)
}

/// Whether who trusts `roots` (texts of certificates and lists) and expects one of `names` would take this identity today.
///
/// # Errors
/// Why not, in the words of a refusal.
pub fn judge(identity: &Identity, roots: &[String], names: &[String], at: SystemTime) -> Result<(), Refusal> {
    let unreadable = |error: Error| words::unreadable(&error.to_string());
    let chain: Vec<CertificateDer<'_>> = identity.chain_der().into_iter().map(CertificateDer::from).collect();
    let Some((leaf, others)) = chain.split_first() else { return Err(words::no_signer()) };
    let (facts, now) =
        (identity.facts(), UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap_or_default()));
    let roots = match roots {
        // Nothing to read: whoever it is, nobody vouches.
        [] => Roots::from_der([]),
        roots => Roots::from_pem(roots),
    };
    let roots = roots.map_err(unreadable)?;
    roots.verify(leaf, others, now, Usage::Listens).map_err(|error| match roots.revoked(facts) {
        Some(said) => words::revoked(Some(facts), Some(&said)),
        None => words::of_certificate(&error, &[], Some(facts), &roots.names()),
    })?;
    if names.iter().any(|name| facts.is_named(name)) {
        return Ok(());
    }
    let error = rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidForName);
    Err(words::of_certificate(&error, names, Some(facts), &roots.names()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::test_pki::{ca, now, request};
    use crate::{KeyKind, generate_key};

    fn names() -> Vec<String> {
        vec!["cvp1.lab.example".into()]
    }

    #[test]
    fn a_request_asks_for_the_names_and_both_purposes() {
        let (key, _) = generate_key(KeyKind::P256).unwrap();
        let pem = signing_request("lab", &request("cvp1"), &key).unwrap();
        let csr = rcgen::CertificateSigningRequestParams::from_pem(&pem).unwrap();
        let asked = format!("{:?}", csr.params.subject_alt_names);
        for name in ["cvp1.lab.example", "127.18.133.13", "urn:ringfence:node:cvp1"] {
            assert!(asked.contains(name), "{asked}");
        }
        assert_eq!(csr.params.extended_key_usages.len(), 2);
        assert!(signing_request("lab", &request("cvp1"), "no key").is_err());
    }

    #[test]
    fn what_comes_back_is_judged_before_it_is_used() {
        let outside = ca("outside");
        let roots = [outside.certificate_pem().to_owned()];
        let good = outside.issue(&request("cvp1")).unwrap();
        let (chain, key) = (good.chain_pem(), good.key_pem());
        let with_root = format!("{chain}{}", outside.certificate_pem());
        assert!(import(&chain, &key, &names(), &roots, now()).is_ok(), "its root is trusted");
        assert!(import(&with_root, &key, &names(), &[], now()).is_ok(), "its root came along");
        let year = Duration::from_secs(366 * 24 * 3600);
        let (other_key, _) = generate_key(KeyKind::P256).unwrap();
        let other = vec!["cube1.lab.example".to_owned()];
        let stranger = ca("stranger");
        let strange = format!("{chain}{}", stranger.certificate_pem());
        for (chain, key, names, roots, at, words) in [
            (&chain, other_key.as_str(), &names(), &roots[..], now(), "for another key"),
            (&chain, &key, &other, &roots[..], now(), "peers expect cube1.lab.example"),
            (&chain, &key, &names(), &roots[..], now() + year, "ended on 2027-11-22"),
            (&chain, &key, &names(), &roots[..], now() - year, "begins on 2026-11-21"),
            (&chain, &key, &names(), &[][..], now(), "the chain is not whole"),
            (&strange, &key, &names(), &[][..], now(), "the chain is not whole"),
            (&String::new(), &key, &names(), &roots[..], now(), "no certificate"),
        ] {
            let error = import(chain, key, names, roots, at).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_pair_is_judged_as_a_handshake_would_be() {
        let (ours, other) = (ca("lab"), ca("other"));
        let identity = ours.issue(&request("cvp1")).unwrap();
        let root = |ca: &crate::Ca| vec![ca.certificate_pem().to_owned()];
        assert_eq!(judge(&identity, &root(&ours), &names(), now()), Ok(()));
        let cause = |roots: &[String], names: &[String]| judge(&identity, roots, names, now()).unwrap_err().cause;
        assert_eq!(cause(&root(&other), &names()), "unknown_ca");
        assert_eq!(cause(&[], &names()), "unknown_ca");
        assert_eq!(cause(&root(&ours), &["cube1.lab.example".into()]), "wrong_subject");
        let day = Duration::from_secs(86_400);
        let gone = crate::Revoked { serial: identity.facts().serial.clone(), at: now(), reason: Default::default() };
        let list = ours.revocation_list(1, now(), now() + day, &[gone]).unwrap();
        assert_eq!(cause(&[format!("{}{}", ours.certificate_pem(), list.pem())], &names()), "revoked");
    }

    #[test]
    fn a_certificate_for_one_end_only_is_refused_and_the_missing_purpose_named() {
        let outside = ca("outside");
        for (usage, words) in [
            (ExtendedKeyUsagePurpose::ServerAuth, "lacks clientAuth, so whoever this node dials"),
            (ExtendedKeyUsagePurpose::ClientAuth, "lacks serverAuth, so whoever dials this node"),
        ] {
            let one_ended = outside.issue_for_test(&request("cvp1"), vec![usage]).unwrap();
            let roots = [outside.certificate_pem().to_owned()];
            let error = import(&one_ended.chain_pem(), &one_ended.key_pem(), &names(), &roots, now());
            let error = error.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
