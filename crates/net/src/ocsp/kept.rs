//! Answers that came, kept in the data directory (`heard/`), so that a process that starts anew knows its peers. Each file
//! has certificate, issuer and answer; what is in it is believed as if it had just come: by its signature and its dates.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use trust::ocsp::{self, Question};

/// More are no peers of a site.
const MOST: usize = 1024;

pub(super) struct Kept(PathBuf);

/// What a file has.
#[derive(serde::Serialize, serde::Deserialize)]
struct File {
    certificate: Vec<u8>,
    issuer: Vec<u8>,
    responder: String,
    answer: Vec<u8>,
}

impl Kept {
    pub(super) fn open(data: &Path) -> Kept {
        Kept(data.join("heard"))
    }

    /// Enters what still counts ([`ocsp::hear`]), removes the rest; what may be asked again.
    pub(super) fn believe(&self, now: i64) -> Vec<Question> {
        let mut known = Vec::new();
        let Ok(entries) = fs::read_dir(&self.0) else { return known };
        for entry in entries.flatten() {
            let file = fs::read(entry.path()).ok().and_then(|text| serde_json::from_slice::<File>(&text).ok());
            let good = file.filter(|file| ocsp::hear(&file.answer, &file.certificate, &file.issuer, now).is_ok());
            match good {
                Some(File { certificate, issuer, responder, .. }) if known.len() < MOST => {
                    known.push(Question { certificate, issuer, responder });
                }
                _ => {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
        known
    }

    /// One that cannot be written is asked for again after a restart, which is all.
    pub(super) fn keep(&self, question: &Question, answer: &[u8]) {
        let Question { certificate, issuer, responder } = question;
        let name = trust::fingerprint(&[certificate.as_slice(), issuer].concat());
        let file = File {
            certificate: certificate.clone(),
            issuer: issuer.clone(),
            responder: responder.clone(),
            answer: answer.to_vec(),
        };
        let written = serde_json::to_vec(&file).map_err(std::io::Error::other).and_then(|text| {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
            store::write_private(&self.0.join(name), &text)
        });
        if let Err(error) = written {
            tracing::warn!(%error, "an authority's answer could not be kept");
        }
    }
}
