//! Lists written, read, verified; what is wrong with others; vectors of other programs where they are at hand.

use super::*;
use crate::test_keys::{self as keys, NOW, certificate, signer};
use crate::{Holding, Outcome};

fn records() -> Vec<Record> {
    let address = Some([127, 18, 133, 3].into());
    vec![
        Record::new(&certificate(keys::RECOVERY), Function::Sast, "cucm1", address),
        Record::new(&certificate(keys::CALL_MANAGER), Function::CallManagerAndTftp, "cucm1", address),
        Record::new(&certificate(keys::TFTP_EC), Function::Tftp, "cucm1", address),
        Record::new(&certificate(keys::CAPF), Function::Capf, "cucm1", address),
        Record::new(&certificate(keys::TVS), Function::Tvs, "cucm1", address),
    ]
}

fn spec(kind: Kind, timestamp: u32) -> ListSpec {
    ListSpec {
        kind,
        signer_version: Some((1, 1)),
        digest: Digest::Sha512,
        timestamp,
        names: Names::Equipment,
        records: records(),
    }
}

fn list(kind: Kind, timestamp: u32) -> TrustList {
    spec(kind, timestamp).sign(&signer(keys::RECOVERY)).unwrap()
}

#[test]
fn both_lists_in_both_formats_are_written_read_and_verified() {
    for kind in [Kind::Ctl, Kind::Itl] {
        for signer_version in [None, Some((1, 0)), Some((1, 1))] {
            for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha512] {
                for names in [Names::Equipment, Names::Open] {
                    let spec = ListSpec { signer_version, digest, names, ..spec(kind, NOW) };
                    let list = spec.sign(&signer(keys::RECOVERY)).unwrap();
                    let again = TrustList::parse(list.octets()).unwrap();
                    assert_eq!(again, list);
                    assert_eq!(again.verify_itself().unwrap(), &certificate(keys::RECOVERY));
                    assert_eq!(again.verify(&certificate(keys::RECOVERY)), Ok(()));
                    assert_eq!(again.header().length % 4, 0);
                    assert_eq!((again.header().names(), again.header().signer_version), (names, signer_version));
                    // PKCS #1 v1.5 draws nothing: the same list is the same file.
                    assert_eq!(spec.sign(&signer(keys::RECOVERY)).unwrap().octets(), list.octets());
                }
            }
        }
    }
}

#[test]
fn records_say_what_each_certificate_is_for() {
    let list = list(Kind::Ctl, NOW);
    assert_eq!(list.of(Function::Capf).next().unwrap().certificate(), Some(&certificate(keys::CAPF)));
    assert_eq!(list.of(Function::Tvs).count(), 1);
    assert_eq!(list.certificates().len(), 5);
    for record in list.records() {
        assert_eq!(record.dns_name(), Some("cucm1"));
        let mut written = Vec::new();
        record.write(&mut written);
        assert_eq!(list.octets()[record.at()..][..written.len()], written);
    }
    let ec = list.of(Function::Tftp).next().unwrap().certificate().unwrap();
    assert_eq!((ec.public_key().octets().len(), ec.public_key().words().as_str()), (97, "EC P-384"));
}

#[test]
fn every_octet_is_covered() {
    let list = list(Kind::Itl, NOW);
    for at in 0..list.octets().len() {
        let mut changed = list.octets().to_vec();
        changed[at] ^= 1;
        let Ok(changed) = TrustList::parse(&changed) else { continue };
        assert!(changed.verify_itself().is_err(), "octet {at} changed, and nobody saw it");
    }
    for cut in 0..list.octets().len() {
        assert!(
            TrustList::parse(&list.octets()[..cut]).is_err_and(|error| error.at <= cut) || {
                // A list that ends after a whole record is well-formed, and no longer signed.
                TrustList::parse(&list.octets()[..cut]).unwrap().verify_itself().is_err()
            }
        );
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let good = list(Kind::Ctl, NOW);
    let broken = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut octets = good.octets().to_vec();
        change(&mut octets);
        TrustList::parse(&octets).unwrap_err().to_string()
    };
    let body = good.header().length;
    let signature = good.header().signature_span.start;
    for (words, change) in [
        ("at octet 5: HEADERLENGTH", &(|octets: &mut Vec<u8>| octets[8] = 0xff) as &dyn Fn(&mut Vec<u8>)),
        ("DIGESTALGORITHM: expected 1, 2 or 3, found 9", &|octets| octets[signature - 12] = 9),
        ("SIGNATURE: expected 512 octets", &|octets| octets[signature - 1] = 3),
        ("RECORDLENGTH: expected at least 5", &|octets| octets[body + 3..body + 5].copy_from_slice(&[0, 4])),
        ("left", &|octets| octets.truncate(body + 40)),
        ("RECORDLENGTH: expected 2 octets, found 0 left", &|octets| octets.push(1)),
        ("FILENAME: expected `CTLFile.tlv` or `ITLFile.tlv`", &|octets| {
            let at = octets.windows(7).position(|window| window == b"CTLFile").unwrap();
            octets[at] = b'X';
        }),
    ] {
        let error = broken(change);
        assert!(error.contains(words), "{error}\n{words}");
    }
}

#[test]
fn a_second_signature_is_refused() {
    let good = list(Kind::Ctl, NOW);
    let span = good.header().signature_span.clone();
    let mut octets = good.octets().to_vec();
    let copy = octets[span.clone()].to_vec();
    octets.splice(span.end..span.end, copy);
    let length = (good.header().length + span.len()) as u16;
    octets[8..10].copy_from_slice(&length.to_be_bytes());
    let error = TrustList::parse(&octets).unwrap_err();
    assert_eq!((error.at, error.what.as_str()), (span.end, "SIGNATURE"));
}

#[test]
fn a_record_cannot_speak_against_its_certificate() {
    let mut records = records();
    let other = Record::new(&certificate(keys::STRANGER), Function::CallManagerAndTftp, "cucm1", None);
    let Some(at) = records[1].fields.iter().position(|field| field.tag() == 7) else { panic!("a key") };
    records[1].fields[at] = other.fields.iter().find(|field| field.tag() == 7).unwrap().clone();
    let spec = ListSpec { records, ..spec(Kind::Ctl, NOW) };
    let error = spec.sign(&signer(keys::RECOVERY)).unwrap_err().to_string();
    assert!(error.contains("expected the public key of its certificate"), "{error}");
}

#[test]
fn a_stub_is_thirty_three_octets() {
    // DNSNAME's value is 16 octets, the NUL among them.
    let stub = Record::stub(Function::CallManagerAndTftp, "cucm-1051-a-pub", [10, 48, 46, 229].into());
    let mut octets = Vec::new();
    stub.write(&mut octets);
    assert_eq!(octets.len(), 5 + 3 + 16 + 5 + 7);
    assert_eq!(Record::read(&mut Reader::new(&octets, 0)).unwrap().dns_name(), Some("cucm-1051-a-pub"));
    let bare = Record::stub(Function::CallManagerAndTftp, "10.48.46.229", [10, 48, 46, 229].into());
    let mut octets = Vec::new();
    bare.write(&mut octets);
    assert_eq!(octets.len(), 33);
}

#[test]
fn the_first_list_is_taken_unseen_and_the_next_by_signature() {
    let mut phone = Holding::default();
    assert_eq!(phone.offer(list(Kind::Itl, NOW).octets()), Ok(Outcome::First));
    assert_eq!(phone.offer(list(Kind::Itl, NOW).octets()), Ok(Outcome::Same));
    assert_eq!(phone.offer(list(Kind::Itl, NOW + 1).octets()), Ok(Outcome::Updated));
    // The other list is judged by the one that is held.
    assert_eq!(phone.offer(list(Kind::Ctl, NOW).octets()), Ok(Outcome::Updated));
}

#[test]
fn a_replayed_older_list_is_refused() {
    let mut phone = Holding::default();
    phone.offer(list(Kind::Itl, NOW).octets()).unwrap();
    let error = phone.offer(list(Kind::Itl, NOW - 1).octets()).unwrap_err();
    assert_eq!(error, Distrust::Older { offered: NOW - 1, held: NOW }.into());
    assert_eq!(phone.list(Kind::Itl).unwrap().header().timestamp, NOW);
}

#[test]
fn a_strangers_list_is_asked_about_and_a_changed_one_refused() {
    let mut phone = Holding::default();
    phone.offer(list(Kind::Itl, NOW).octets()).unwrap();
    let stranger = signer(keys::STRANGER);
    let theirs = ListSpec {
        records: vec![Record::new(stranger.certificate(), Function::Sast, "cucm1", None)],
        ..spec(Kind::Itl, NOW + 1)
    };
    let theirs = theirs.sign(&stranger).unwrap();
    assert_eq!(phone.offer(theirs.octets()), Ok(Outcome::Ask(stranger.certificate().clone())));
    assert_eq!(phone.list(Kind::Itl).unwrap().header().timestamp, NOW, "asking is not taking");
    let wrong = phone.offer_vouched(theirs.octets(), &certificate(keys::RECOVERY)).unwrap_err();
    assert!(matches!(wrong, Error::Distrust(Distrust::UnknownSigner { .. })), "{wrong}");
    assert_eq!(phone.offer_vouched(theirs.octets(), stranger.certificate()), Ok(Outcome::Updated));
    // Signed by one that is trusted, but for another purpose.
    let mut phone = Holding::default();
    phone.offer(list(Kind::Itl, NOW).octets()).unwrap();
    let by_capf = spec(Kind::Itl, NOW + 1).sign(&signer(keys::CAPF)).unwrap();
    let error = phone.offer(by_capf.octets()).unwrap_err().to_string();
    assert!(error.contains("its role is CAPF, expected System Administrator Security Token"), "{error}");
}

#[test]
fn show_has_the_layout_that_operators_know() {
    let text = show(&list(Kind::Ctl, NOW), "Sun Nov 22 00:00:00 UTC 2026");
    for line in [
        "The checksum value of the CTL file:",
        "The CTL File was last modified on Sun Nov 22 00:00:00 UTC 2026",
        "Parse CTL File",
        "Version:\t1.2",
        "BYTEPOS\tTAG\t\tLENGTH\tVALUE",
        "\tCTL Record #:5",
        "4\tFUNCTION\t2\tSystem Administrator Security Token",
        "4\tFUNCTION\t2\tCCM+TFTP",
        "3\tSUBJECTNAME\t41\tCN=ITLRECOVERY_cucm1;OU=Voice;O=Lab;C=NZ",
        "10\tIPADDRESS\t4\t127.18.133.3",
        "This etoken was used to sign the CTL file.",
        "The CTL file was verified successfully.",
    ] {
        assert!(text.lines().any(|have| have == line), "`{line}` is not in\n{text}");
    }
    assert_eq!(text.matches("was used to sign").count(), 1);
}

/// Files that other programs made; not in this repository.
fn vector(name: &str) -> Option<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/formats/vectors/");
    std::fs::read(format!("{folder}{name}")).ok()
}

/// The list that a `ListSpec` in the open tool's layout makes of the same certificates, with the signature that the
/// vector bears: octet for octet the vector.
#[test]
fn lists_of_the_open_tool_are_verified_and_reproduced() {
    for (name, kind, digest) in
        [("CTLSEP001122334455.tlv", Kind::Ctl, Digest::Sha1), ("ITLFile-v1.1-sha512-ec.tlv", Kind::Itl, Digest::Sha512)]
    {
        let Some(octets) = vector(name) else { continue };
        let list = TrustList::parse(&octets).unwrap();
        assert_eq!((list.kind(), list.header().digest), (kind, digest));
        let signer = list.verify_itself().unwrap().clone();
        assert_eq!(signer.common_name(), "SAST");
        let records = list.records().iter().map(|record| {
            let certificate = record.certificate().unwrap();
            Record::laid_out(certificate, record.function(), "", None, Layout::Open)
        });
        let spec = ListSpec {
            kind,
            signer_version: list.header().signer_version,
            digest,
            timestamp: list.header().timestamp,
            names: Names::Open,
            records: records.collect(),
        };
        let written = header::write_with(&spec.header(), &spec.body(), &signer, 256, |message| {
            signer.verify(digest, message, &list.header().signature)?;
            Ok(list.header().signature.clone())
        });
        assert_eq!(written.unwrap(), octets, "{name}");
        assert!(show(&list, "today").contains("was verified successfully"));
    }
}
