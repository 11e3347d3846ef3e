//! Signed and encrypted files: written, read, verified, decrypted; vectors of other programs where they are at hand.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::test_keys::{self as keys, NOW, certificate, signer};
use crate::{
    Certificate, Digest, Distrust, EncryptedFile, Function, Holding, Kind, ListSpec, Names, Record, SignedFile,
    Undecryptable, certificate_hash, encrypt, sign_file,
};

const NAME: &str = "SEP001122334455.cnf.xml.sgn";
const PLAIN: &[u8] = b"<?xml version=\"1.0\"?>\n<device><fullConfig>true</fullConfig></device>\n";

fn encrypted(plain: &[u8], seed: u8) -> Vec<u8> {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let style = (Digest::Sha512, Names::Equipment);
    let name = "SEP001122334455.cnf.xml.enc.sgn";
    encrypt(name, plain, &certificate(keys::PHONE), &signer(keys::CALL_MANAGER), style, NOW, &mut rng).unwrap()
}

#[test]
fn a_signed_file_is_the_file_and_proves_it() {
    for digest in [Digest::Sha1, Digest::Sha512] {
        let octets = sign_file(NAME, PLAIN, &signer(keys::CALL_MANAGER), digest, NOW, Names::Equipment).unwrap();
        let file = SignedFile::parse(&octets).unwrap();
        assert_eq!((file.body(), file.header().file_name.as_str()), (PLAIN, NAME));
        assert_eq!(file.verify(&certificate(keys::CALL_MANAGER)), Ok(()));
        let stranger = file.verify(&certificate(keys::STRANGER)).unwrap_err();
        assert!(matches!(stranger, Distrust::UnknownSigner { .. }), "{stranger}");
        let mut changed = octets.clone();
        *changed.last_mut().unwrap() ^= 1;
        let error = SignedFile::parse(&changed).unwrap().verify(&certificate(keys::CALL_MANAGER)).unwrap_err();
        assert!(matches!(error, Distrust::BadSignature { .. }), "{error}");
    }
}

#[test]
fn a_phone_believes_its_tftp_server_and_nobody_else() {
    let records = vec![
        Record::new(&certificate(keys::RECOVERY), Function::Sast, "cucm1", None),
        Record::new(&certificate(keys::CALL_MANAGER), Function::CallManagerAndTftp, "cucm1", None),
    ];
    let list = ListSpec {
        kind: Kind::Itl,
        signer_version: None,
        digest: Digest::Sha512,
        timestamp: NOW,
        names: Names::Equipment,
        records,
    };
    let mut phone = Holding::default();
    phone.offer(list.sign(&signer(keys::RECOVERY)).unwrap().octets()).unwrap();
    let file = |key, name| {
        SignedFile::parse(&sign_file(name, PLAIN, &signer(key), Digest::Sha512, NOW, Names::Equipment).unwrap())
            .unwrap()
    };
    assert_eq!(phone.believe(&file(keys::CALL_MANAGER, NAME), NAME), Ok(()));
    let role = phone.believe(&file(keys::RECOVERY, NAME), NAME).unwrap_err();
    assert!(role.to_string().contains("its role is System Administrator Security Token, expected CCM+TFTP"), "{role}");
    let stranger = phone.believe(&file(keys::STRANGER, NAME), NAME).unwrap_err();
    assert!(matches!(stranger, Distrust::UnknownSigner { .. }), "{stranger}");
    let another = file(keys::CALL_MANAGER, "SEP00112233445F.cnf.xml.sgn");
    assert!(matches!(phone.believe(&another, NAME), Err(Distrust::WrongName { .. })));
    let encrypted = EncryptedFile::parse(&encrypted(PLAIN, 1)).unwrap();
    assert_eq!(phone.believe_encrypted(&encrypted, "SEP001122334455.cnf.xml.enc.sgn"), Ok(()));
}

#[test]
fn what_is_encrypted_opens_with_the_phones_key_alone() {
    for length in [0, 1, 15, 16, 17, 512] {
        let plain = vec![b'x'; length];
        let octets = encrypted(&plain, 1);
        assert_eq!(octets, encrypted(&plain, 1), "it follows from its seed");
        assert_ne!(octets, encrypted(&plain, 2));
        let file = EncryptedFile::parse(&octets).unwrap();
        assert_eq!(file.verify(&certificate(keys::CALL_MANAGER)), Ok(()));
        assert_eq!(file.decrypt(keys::PHONE.1).unwrap().unwrap().as_slice(), plain);
        assert_eq!(file.decrypt(keys::TVS.1).unwrap(), Err(Undecryptable));
    }
    assert!(EncryptedFile::parse(&encrypted(PLAIN, 1)).unwrap().decrypt(keys::TFTP_EC.1).is_err());
}

/// Whatever is changed, the answer is the same word: key block, padding and digest cannot be told apart.
#[test]
fn decryption_answers_no_questions() {
    let octets = encrypted(PLAIN, 1);
    let good = EncryptedFile::parse(&octets).unwrap();
    let key_at = octets.windows(4).position(|window| window == [25, 1, 0, good_key_start(&octets)]).unwrap() + 3;
    let body_at = good.header().length;
    for at in [key_at, key_at + 100, key_at + 255, body_at, body_at + 20, octets.len() - 1] {
        let mut changed = octets.clone();
        changed[at] ^= 1;
        assert_eq!(EncryptedFile::parse(&changed).unwrap().decrypt(keys::PHONE.1).unwrap(), Err(Undecryptable), "{at}");
    }
}

fn good_key_start(octets: &[u8]) -> u8 {
    let at = octets.windows(3).position(|window| window == [25, 1, 0]).unwrap();
    octets[at + 3]
}

#[test]
fn an_elliptic_phone_is_told_why_nothing_can_be_encrypted_to_it() {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let style = (Digest::Sha512, Names::Equipment);
    let error = encrypt(NAME, PLAIN, &certificate(keys::TFTP_EC), &signer(keys::CALL_MANAGER), style, NOW, &mut rng);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("EC P-384") && error.contains("HTTPS"), "{error}");
}

fn vector(name: &str) -> Option<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/formats/vectors/");
    std::fs::read(format!("{folder}{name}")).ok()
}

#[test]
fn files_of_the_open_tool_are_verified_decrypted_and_reproduced() {
    let (Some(ccm), Some(plain)) = (vector("CCM.crt"), vector("plain.cnf.xml")) else { return };
    let ccm: Certificate = Certificate::read_all(&ccm).unwrap().remove(0);
    for (name, body, digest) in [
        ("plain-sha1.cnf.xml.sgn", Some(plain.clone()), Digest::Sha1),
        ("plain-sha512.cnf.xml.sgn", Some(plain), Digest::Sha512),
        ("SEP001122334455.cnf.xml.sgn", None, Digest::Sha1),
    ] {
        let octets = vector(name).unwrap();
        let file = SignedFile::parse(&octets).unwrap();
        assert_eq!((file.verify(&ccm), file.header().digest), (Ok(()), digest), "{name}");
        assert!(body.is_none_or(|body| body == file.body()));
        let spec = crate::header::Spec {
            version: (1, 0),
            signer_version: None,
            digest,
            file_name: &file.header().file_name,
            timestamp: file.header().timestamp,
            names: Names::Open,
            more: &[],
        };
        let signature = file.header().signature.clone();
        let again = crate::header::write_with(&spec, file.body(), &ccm, 256, |_| Ok(signature)).unwrap();
        assert_eq!(again, octets, "{name}");
    }
    let octets = vector("SEP001122334455.cnf.xml.enc.sgn").unwrap();
    let pem = String::from_utf8(vector("SEP001122334455.pem").unwrap()).unwrap();
    let file = EncryptedFile::parse(&octets).unwrap();
    assert_eq!(file.verify(&ccm), Ok(()));
    assert_eq!(file.decrypt(&pem).unwrap().unwrap().as_slice(), vector("e.cnf.xml").unwrap());
    // The short file beside it names the certificate by its hash.
    let device = Certificate::read_all(pem.as_bytes()).unwrap().remove(0);
    let short = vector("SEP001122334455.cnf.xml.sgn").unwrap();
    let text = String::from_utf8_lossy(SignedFile::parse(&short).unwrap().body()).into_owned();
    assert!(text.contains(&format!("<certHash>{}</certHash>", certificate_hash(&device))), "{text}");
}
