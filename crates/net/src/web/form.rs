//! What goes with a POST: a form in the URL's encoding, or in parts with recordings in them (RFC 7578). Recordings are
//! opened through the store, so that its audit knows who was sent what.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use media::sealed::{Ending, Opened};
use store::{Change, DataDir, Recordings};
use vxml::{NotFetched, Part, PartValue};

use crate::clock::millis;

/// Recordings and the store that has their audit.
pub(crate) struct Archive {
    pub(crate) recordings: Arc<Recordings>,
    pub(crate) data: PathBuf,
}

/// A body and its type.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(super) bytes: Bytes,
    pub(super) content_type: String,
}

/// Who hangs up while recording sends it at once: its last second may still be on the way to the disk.
const SETTLING: Duration = Duration::from_millis(100);
const SETTLINGS: u32 = 20;

impl Form {
    pub(super) const ENCODED: &str = "application/x-www-form-urlencoded";

    pub(crate) fn of(body: &str, content_type: &str) -> Form {
        Form { bytes: Bytes::copy_from_slice(body.as_bytes()), content_type: content_type.to_owned() }
    }

    /// `to`: whom it is for, as the audit is to know.
    pub(super) async fn of_parts(
        parts: &[Part],
        node: &str,
        to: &str,
        archive: Option<&Arc<Archive>>,
    ) -> Result<Form, NotFetched> {
        let mut whole = Vec::new();
        for Part { name, value } in parts {
            let name: String = name.chars().filter(|letter| !matches!(letter, '"' | '\r' | '\n')).collect();
            match value {
                PartValue::Text(text) => whole.push((format!("name=\"{name}\"\r\n"), text.clone().into_bytes())),
                PartValue::Recording { url, media_type } => {
                    let archive = archive.ok_or_else(|| {
                        NotFetched::Unreachable("this process has no data directory with recordings".into())
                    })?;
                    let opened = archive.open(url, node, to).await?;
                    let basic = media_type.eq_ignore_ascii_case("audio/basic");
                    let (ending, audio) = match basic {
                        true => ("au", opened.heard().to_vec()),
                        false => ("wav", opened.wav().to_vec()),
                    };
                    let head =
                        format!("name=\"{name}\"; filename=\"{name}.{ending}\"\r\nContent-Type: {media_type}\r\n");
                    whole.push((head, audio));
                }
            }
        }
        Ok(Form::of_whole(&whole))
    }

    /// Heads (the rest of Content-Disposition and what follows it) and bodies.
    pub(crate) fn of_whole(parts: &[(String, Vec<u8>)]) -> Form {
        let free = |boundary: &String| {
            let line = boundary.as_bytes();
            parts.iter().all(|(_, body)| !body.windows(line.len()).any(|part| part == line))
        };
        // One of so many is in no part: each would have to be there literally.
        let boundary = (0u64..).map(|n| format!("ringfence-part-{n:08}")).find(free).unwrap_or_default();
        let mut bytes = Vec::new();
        for (head, body) in parts {
            bytes.extend(format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n").as_bytes());
            bytes.extend(body);
            bytes.extend(b"\r\n");
        }
        bytes.extend(format!("--{boundary}--\r\n").as_bytes());
        Form { bytes: bytes.into(), content_type: format!("multipart/form-data; boundary={boundary}") }
    }
}

impl Archive {
    /// Waits for the end of one that is still being written.
    async fn open(self: &Arc<Self>, url: &str, node: &str, to: &str) -> Result<Opened, NotFetched> {
        let id = url.strip_prefix("recording:").and_then(|id| u64::from_str_radix(id, 16).ok());
        let id = id.ok_or_else(|| NotFetched::Unreachable("no recording of this call".into()))?;
        let (node, to, archive) = (node.to_owned(), format!("sent to {to}"), self.clone());
        let opened = tokio::task::spawn_blocking(move || {
            for _ in 0..SETTLINGS {
                if archive.recordings.is_ended(id) {
                    break;
                }
                std::thread::sleep(SETTLING);
            }
            let access = Change {
                at_ms: millis(SystemTime::now()),
                who: node,
                source: to,
                what: String::new(),
                detail: String::new(),
            };
            let mut store = DataDir::open(&archive.data)?.store()?;
            archive.recordings.open(id, access, &mut store)
        });
        let opened = opened.await.map_err(|error| NotFetched::Unreachable(error.to_string()))?;
        let opened = opened.map_err(|error| NotFetched::Unreachable(format!("{error:#}")))?;
        if opened.ending == Ending::Unfinished {
            tracing::warn!("a recording is sent without its end: that could not be written");
        }
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_whatever_is_in_them() {
        let hostile = b"\r\n--ringfence-part-00000000\r\nContent-Disposition: form-data; name=\"admin\"\r\n\r\nyes";
        let parts = [("name=\"a\"\r\n".to_owned(), b"x".to_vec()), ("name=\"b\"\r\n".to_owned(), hostile.to_vec())];
        let form = Form::of_whole(&parts);
        assert_eq!(form.content_type, "multipart/form-data; boundary=ringfence-part-00000001");
        let text = String::from_utf8(form.bytes.to_vec()).unwrap();
        assert_eq!(text.matches("--ringfence-part-00000001\r\n").count(), 2);
        assert!(
            text.starts_with("--ringfence-part-00000001\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--")
        );
        assert!(text.ends_with("yes\r\n--ringfence-part-00000001--\r\n"));
    }
}
