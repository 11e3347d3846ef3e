//! Writes seeds for the fuzz targets into a folder: `cargo run -p phones --example corpus -- fuzz/corpus`.

use std::path::Path;

use phones::capf::{Command, Element, KeyKind, Message, Reason};
use phones::{Certificate, Digest, Function, Kind, ListSpec, Names, Record, Signer, encrypt, sign_file, tvs};
use rand_core::SeedableRng;

const NOW: u32 = 1_795_392_000;

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "fuzz/corpus".to_owned());
    let key =
        |chain: &str, key: &str| Signer::new(&trust::Identity::from_pem(chain, key).expect("a pair")).expect("RSA");
    let recovery = key(include_str!("../tests/keys/recovery.pem"), include_str!("../tests/keys/recovery.key"));
    let manager = key(include_str!("../tests/keys/callmanager.pem"), include_str!("../tests/keys/callmanager.key"));
    let phone = Certificate::read_all(include_bytes!("../tests/keys/phone.pem")).expect("a certificate").remove(0);
    let write = |target: &str, name: &str, octets: &[u8]| {
        let folder = Path::new(&folder).join(target);
        std::fs::create_dir_all(&folder).expect("the folder");
        std::fs::write(folder.join(name), octets).expect("the seed");
    };
    for (name, kind, signer_version, digest) in
        [("ctl", Kind::Ctl, None, Digest::Sha1), ("itl", Kind::Itl, Some((1, 1)), Digest::Sha512)]
    {
        let records = vec![
            Record::new(recovery.certificate(), Function::Sast, "cucm1", Some([127, 18, 133, 3].into())),
            Record::stub(Function::CallManagerAndTftp, "cucm1", [127, 18, 133, 3].into()),
        ];
        let spec = ListSpec { kind, signer_version, digest, timestamp: NOW, names: Names::Equipment, records };
        write("trust_list", name, spec.sign(&recovery).expect("a list").octets());
    }
    let style = (Digest::Sha512, Names::Equipment);
    let signed = sign_file("x.cnf.xml.sgn", b"<device/>", &manager, style.0, NOW, style.1).expect("a file");
    write("signed_file", "signed", &signed);
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([1; 32]);
    let encrypted = encrypt("x.cnf.xml.enc.sgn", b"<device/>", &phone, &manager, style, NOW, &mut rng).expect("a file");
    write("signed_file", "encrypted", &encrypted);
    let answer = [
        Element::Reason(Reason::Success),
        Element::Version(3),
        Element::Password("123456".into()),
        Element::DeviceName("SEP001122334455".into()),
        Element::Certificate(2, phone.der().to_vec()),
        Element::SignedData(vec![1; 256]),
        Element::Sha2SignedData(Digest::Sha512, vec![2; 256]),
    ];
    write("capf", "auth_res", &Message::new(Command::AuthRes, 1, answer).octets());
    let sudi = Element::Sudi { certificate: phone.der().to_vec(), sha1: vec![1; 256], sha512: vec![2; 256] };
    write("capf", "sudi", &Message::new(Command::AuthRes, 1, [sudi, Element::DeviceName("SEP1".into())]).octets());
    let ask = [Element::KeySize(2048), Element::KeyType(KeyKind::Ec), Element::Curve(1)];
    write("capf", "key_gen_req", &Message::new(Command::KeyGenReq, 1, ask).octets());
    write("tvs", "verify", &tvs::ask_verify(1, "CP-8861-SEP001122334455", &phone).octets());
    write("tvs", "query", &tvs::ask_query_of(1, "CP-8861-SEP001122334455", &phone).octets());
}
