//! OCSP over sockets: the site's own CA answers those who ask, and our servers staple.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use store::DataDir;
use trust::Reason;
use trust::ocsp::{Answer, CertificateId, Fault, Hash, Request, Status, Unsuccessful, judge, path_of};

use super::*;

fn seconds() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64
}

/// The example site, whose call manager's process answers.
fn answering(network: &'static str) -> Lab {
    let text = LAB.replace("127.18.133.", network).replacen("[tls]", "[ocsp]\nnode = \"cucm1\"\n[tls]", 1);
    Lab::with(network, &text, |_| {})
}

fn data(lab: &Lab) -> DataDir {
    DataDir::open(&lab.dir).unwrap()
}

fn root(lab: &Lab) -> Vec<u8> {
    trust::certificates_der(&data(lab).own_root_pem().unwrap()).unwrap().remove(0)
}

fn leaf(lab: &Lab, node: &str) -> Vec<u8> {
    data(lab).identity(node).unwrap().chain_der().remove(0)
}

fn asked(lab: &Lab, certificate: &[u8]) -> Vec<u8> {
    Request { id: CertificateId::of(certificate, &root(lab), Hash::Sha1).unwrap() }.der()
}

/// A connection to the responder from an address of the lab; its end comes after so many seconds at most.
fn connect(lab: &Lab, from: u8) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(lab.address(from), 0).into()).unwrap();
    socket.connect(&lab.process.answers_ocsp_at().unwrap().into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Header and body of the answer.
fn exchange(mut stream: TcpStream, head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let head = format!("{head}\r\nHost: ocsp\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let end = all.windows(4).position(|at| at == b"\r\n\r\n").expect("a header") + 4;
    (String::from_utf8(all[..end].to_vec()).unwrap().to_lowercase(), all[end..].to_vec())
}

fn post(lab: &Lab, certificate: &[u8]) -> Result<Answer, Fault> {
    let (head, body) = exchange(connect(lab, 80), "POST / HTTP/1.1", &asked(lab, certificate));
    assert!(head.starts_with("http/1.1 200") && head.contains("application/ocsp-response"), "{head}");
    judge(&body, certificate, &root(lab), seconds())
}

#[test]
fn whoever_asks_is_answered_and_a_revocation_counts_at_once() {
    let mut lab = answering("127.41.71.");
    let (gone, stays) = (leaf(&lab, "cube1"), leaf(&lab, "cvp1"));
    assert_eq!(post(&lab, &gone).unwrap().status, Status::Good);
    let get = format!("GET /{} HTTP/1.1", path_of(&asked(&lab, &gone)));
    let (head, body) = exchange(connect(&lab, 80), &get, b"");
    assert!(head.contains("cache-control: max-age=") && head.contains("public"), "{head}");
    assert_eq!(judge(&body, &gone, &root(&lab), seconds()).unwrap().status, Status::Good);
    data(&lab).revoke("cube1", Reason::KeyCompromise, SystemTime::now()).unwrap();
    lab.process.refresh().unwrap();
    assert!(matches!(post(&lab, &gone).unwrap().status, Status::Revoked { reason: Some(1), .. }));
    assert_eq!(post(&lab, &stays).unwrap().status, Status::Good);
    // Of its own CA, and not in its register.
    let secret = trust::Ca::create("lab", SystemTime::now()).unwrap();
    let strange = identity(&secret, "cube1").chain_der().remove(0);
    let id = CertificateId::of(&strange, &trust::certificates_der(secret.certificate_pem()).unwrap()[0], Hash::Sha1);
    let (head, body) = exchange(connect(&lab, 80), "POST / HTTP/1.1", &Request { id: id.unwrap() }.der());
    assert_eq!(body, Unsuccessful::Unauthorized.der());
    assert!(head.contains("no-store"), "{head}");
    for nonsense in [&b"hello"[..], &[0x30; 4096]] {
        let (_, body) = exchange(connect(&lab, 80), "POST / HTTP/1.1", nonsense);
        assert_eq!(body, Unsuccessful::MalformedRequest.der());
    }
    assert!(exchange(connect(&lab, 80), "DELETE / HTTP/1.1", b"").0.starts_with("http/1.1 405"));
    lab.end();
}

#[test]
fn who_asks_and_hangs_keeps_nobody_else_waiting() {
    let lab = answering("127.41.72.");
    let hanging: Vec<TcpStream> = (0..8).map(|_| connect(&lab, 90)).collect();
    for mut stream in &hanging {
        stream.write_all(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n").unwrap();
    }
    let mut more = connect(&lab, 90);
    assert!(matches!(more.read(&mut [0; 1]), Ok(0) | Err(_)), "one address has eight at once");
    assert_eq!(post(&lab, &leaf(&lab, "cvp1")).unwrap().status, Status::Good);
    lab.end();
}

/// Believes everybody, and keeps what was stapled.
#[derive(Debug)]
struct Collector(Mutex<Vec<u8>>, rustls::crypto::CryptoProvider);

impl ServerCertVerifier for Collector {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        stapled: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = stapled.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.1.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.1.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}

fn stapled(server: &PeerPlan, version: &'static rustls::SupportedProtocolVersion) -> Vec<u8> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let collector = Arc::new(Collector(Mutex::default(), provider.clone()));
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(collector.clone())
        .with_no_client_auth();
    let name = ServerName::IpAddress(server.addr.ip().into());
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut tcp = TcpStream::connect(server.addr).unwrap();
    // It is turned away, because it shows no certificate; the server has shown its own by then.
    while tls.is_handshaking() && tls.complete_io(&mut tcp).is_ok() {}
    collector.0.lock().unwrap().clone()
}

#[test]
fn servers_staple_what_their_authority_says_of_them_and_have_it_made_anew_while_they_run() {
    let mut lab = answering("127.41.73.");
    let server = lab.secure("cvp1");
    let judged = |answer: &[u8]| judge(answer, &leaf(&lab, "cvp1"), &root(&lab), seconds());
    let (old, new) = (stapled(&server, &rustls::version::TLS12), stapled(&server, &rustls::version::TLS13));
    assert_eq!(judged(&old).unwrap().status, Status::Good);
    assert_eq!(old, new, "one answer for all");
    let two_days = Duration::from_secs(2 * 24 * 3600);
    assert!(!data(&lab).tend(SystemTime::now() + two_days).unwrap().done.is_empty());
    lab.process.refresh().unwrap();
    let next = stapled(&server, &rustls::version::TLS13);
    let leaf = leaf(&lab, "cvp1");
    let said = trust::ocsp::said(&next, &leaf).unwrap();
    assert!(said.until > judge(&old, &leaf, &root(&lab), seconds()).unwrap().until);
    lab.end();
}
