//! A service that speaks: words go to it as SSML 1.1 by POST over TLS, audio comes back.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use roles::{Fetch, Speak};
use tokio::sync::{mpsc, oneshot};

use crate::web::{self, Form, Trust, Wanted};

pub(super) async fn speak(
    web: &mpsc::Sender<web::Errand>,
    node: String,
    trust: Option<Arc<Trust>>,
    speak: Speak,
) -> Result<Arc<[u8]>, String> {
    let (Some(trust), Some(url)) = (trust, speak.engine.url.clone()) else {
        return Err("this node has no identity, or the service no address".into());
    };
    let timeout = Duration::from_secs(speak.engine.timeout_s.into());
    let request = vxml::Request::get(url, timeout);
    let authority = trust::Authority::of(speak.engine.authority.as_deref());
    let fetch = Fetch { request, authority, dangerous_plain_http: false };
    let (answer, told) = oneshot::channel();
    let answer = Box::new(move |outcome| drop(answer.send(outcome)));
    let form = Some(Form::of(&ssml(&speak), "application/ssml+xml"));
    let wanted = Wanted { node, trust, archive: None, fetch, form, answer };
    web.send(web::Errand::Page(wanted)).await.map_err(|_| "the process stops")?;
    match told.await {
        Ok(Ok(page)) => Ok(page.bytes),
        Ok(Err(vxml::NotFetched::Status(status))) => Err(format!("the service answered {status}")),
        Ok(Err(vxml::NotFetched::Unreachable(why))) => Err(why),
        Err(_) => Err("the process stops".into()),
    }
}

/// A document of SSML 1.1 with these words.
pub(super) fn ssml(speak: &Speak) -> String {
    let language = escaped(&speak.language);
    let mut open =
        format!("<speak version=\"1.1\" xmlns=\"http://www.w3.org/2001/10/synthesis\" xml:lang=\"{language}\">");
    let mut close = String::from("</speak>");
    // Writing to a String cannot fail.
    if let Some(voice) = &speak.voice {
        let _ = write!(open, "<voice name=\"{}\">", escaped(voice));
        close.insert_str(0, "</voice>");
    }
    let Speak { rate, pitch, volume, .. } = *speak;
    if (rate, pitch, volume) != (100, 100, 100) {
        let _ = write!(open, "<prosody rate=\"{rate}%\"");
        if pitch != 100 {
            let _ = write!(open, " pitch=\"{:+}%\"", i32::from(pitch) - 100);
        }
        match volume {
            0 => open.push_str(" volume=\"silent\""),
            100 => {}
            _ => {
                let _ = write!(open, " volume=\"{:+.1}dB\"", 20.0 * (f64::from(volume) / 100.0).log10());
            }
        }
        open.push('>');
        close.insert_str(0, "</prosody>");
    }
    open + &escaped(&speak.text) + &close
}

/// As character data, and between quotes. Controls that XML has no place for are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sounds::tests::speak_with;

    #[test]
    fn words_are_words_whatever_is_in_them() {
        let mut speak = speak_with("true", "Ben & Jerry's</speak><x a=\"1\"/>\u{1}");
        let start = "<speak version=\"1.1\" xmlns=\"http://www.w3.org/2001/10/synthesis\" xml:lang=\"en-US\">";
        let text = "Ben &amp; Jerry's&lt;/speak&gt;&lt;x a=&quot;1&quot;/&gt;";
        assert_eq!(ssml(&speak), format!("{start}{text}</speak>"));
        (speak.voice, speak.rate, speak.volume, speak.pitch) = (Some("anna".into()), 120, 50, 90);
        let prosody = "<voice name=\"anna\"><prosody rate=\"120%\" pitch=\"-10%\" volume=\"-6.0dB\">";
        assert_eq!(ssml(&speak), format!("{start}{prosody}{text}</prosody></voice></speak>"));
    }
}
