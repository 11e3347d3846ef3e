//! One private CA, one P-256 leaf used by every party, mutual TLS 1.3.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};

pub fn make(dir: &Path) {
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let root = ca.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["spike".to_owned()])
        .unwrap()
        .signed_by(&leaf_key, &issuer)
        .unwrap();
    std::fs::create_dir_all(dir).unwrap();
    for (name, bytes) in [
        ("ca", root.der().to_vec()),
        ("leaf", leaf.der().to_vec()),
        ("key", leaf_key.serialize_der()),
    ] {
        std::fs::write(dir.join(name), bytes).unwrap();
    }
}

pub fn configs(dir: &str) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let read = |name: &str| std::fs::read(Path::new(dir).join(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(read("ca"))).unwrap();
    let roots = Arc::new(roots);
    let chain = || vec![CertificateDer::from(read("leaf"))];
    let key = || PrivateKeyDer::try_from(read("key")).unwrap();
    let server = ServerConfig::builder()
        .with_client_cert_verifier(WebPkiClientVerifier::builder(roots.clone()).build().unwrap())
        .with_single_cert(chain(), key())
        .unwrap();
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain(), key())
        .unwrap();
    (Arc::new(server), Arc::new(client))
}
