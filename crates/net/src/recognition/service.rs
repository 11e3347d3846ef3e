//! A service that recognises: grammars and what was said go to it by POST over TLS, NLSML or JSON comes back.

use std::time::Duration;

use roles::Fetch;
use tokio::sync::{mpsc, oneshot};
use vxml::{Utterance, nlsml};

use super::Said;
use crate::web::{self, Form, Wanted};

pub(super) async fn recognise(web: &mpsc::Sender<web::Errand>, said: Said) -> Result<Vec<Utterance>, String> {
    let (Some(trust), Some(url)) = (said.trust.clone(), said.engine.url.clone()) else {
        return Err("this node has no identity, or the service no address".into());
    };
    let request = vxml::Request::get(url, Duration::from_secs(said.engine.timeout_s.into()));
    let authority = trust::Authority::of(said.engine.authority.as_deref());
    let fetch = Fetch { request, authority, dangerous_plain_http: false };
    let (answer, told) = oneshot::channel();
    let answer = Box::new(move |outcome| drop(answer.send(outcome)));
    let form = Some(form(&said));
    let wanted = Wanted { node: said.node, trust, archive: None, fetch, form, answer };
    web.send(web::Errand::Page(wanted)).await.map_err(|_| "the process stops")?;
    match told.await {
        Ok(Ok(page)) => nlsml::read(&page.bytes),
        Ok(Err(vxml::NotFetched::Status(status))) => Err(format!("the service answered {status}")),
        Ok(Err(vxml::NotFetched::Unreachable(why))) => Err(why),
        Err(_) => Err("the process stops".into()),
    }
}

fn form(said: &Said) -> Form {
    let hearing = &said.hearing;
    let plain = |name: &str, text: String| (format!("name=\"{name}\"\r\n"), text.into_bytes());
    let mut parts = vec![
        plain("language", hearing.language.clone()),
        plain("n_best", hearing.most.to_string()),
        plain("speed_vs_accuracy", (f64::from(hearing.speed_vs_accuracy) / 100.0).to_string()),
    ];
    parts.extend(hearing.grammars.iter().map(|grammar| {
        let head = "name=\"grammar\"; filename=\"grammar.grxml\"\r\nContent-Type: application/srgs+xml\r\n";
        (head.to_owned(), grammar.clone().into_bytes())
    }));
    let head = "name=\"audio\"; filename=\"audio.wav\"\r\nContent-Type: audio/wav\r\n";
    parts.push((head.to_owned(), media::wav::write(said.samples.iter().copied())));
    Form::of_whole(&parts)
}
