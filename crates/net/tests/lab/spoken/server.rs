//! The web server beside the calls: it has the documents of their talks, speaks, and recognises.

use std::sync::Mutex;

use bytes::Bytes;
use hyper::{Request, Response};

use super::talk::Talk;
use super::tones::{Book, Ears, Voice};

/// Talks by their numbers, and what was asked for by each.
pub(super) struct Server {
    pub(super) book: Book,
    pub(super) talks: Vec<Talk>,
    asked: Vec<Mutex<Vec<String>>>,
}

/// Of the first talk: each is an application of its own.
const FIRST: usize = 6000;

impl Server {
    pub(super) fn new(talks: Vec<Talk>) -> Server {
        let asked = talks.iter().map(|_| Mutex::default()).collect();
        Server { book: Book::default(), talks, asked }
    }

    pub(super) fn number(talk: usize) -> usize {
        FIRST + talk
    }

    /// Requests of a talk that carried something, as it tells of them.
    pub(super) fn asked(&self, talk: usize) -> Vec<String> {
        self.asked[talk].lock().unwrap().clone()
    }

    pub(super) fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        match path {
            "/speak" => {
                let text = text_of(std::str::from_utf8(request.body()).unwrap());
                audio(&self.book.service(&text))
            }
            "/recognise" => Response::new(self.recognise(request.body()).into()),
            _ => {
                let (number, name) = path[1..].split_once('/').expect("/NUMBER/NAME");
                self.page(number.parse::<usize>().unwrap() - FIRST, name, request)
            }
        }
    }

    fn page(&self, number: usize, name: &str, request: &Request<Bytes>) -> Response<Bytes> {
        let (talk, body) = (&self.talks[number], std::str::from_utf8(request.body()).unwrap());
        let asked = match (request.uri().query(), request.method().as_str()) {
            (Some(query), "GET") => Some(format!("get: app:/{name}?{query}")),
            (_, "POST") => Some(format!("post: app:/{name} {body}")),
            _ => None,
        };
        self.asked[number].lock().unwrap().extend(asked);
        if name.ends_with(".wav") {
            return audio(&self.book.service(&format!("[app:/{name}]")));
        }
        let url = vxml::Request::get(format!("app:/{name}"), std::time::Duration::ZERO);
        match talk.site.page(&url) {
            Ok(page) => Response::new(patient(std::str::from_utf8(&page.bytes).unwrap(), &talk.lines).into()),
            Err(vxml::NotFetched::Status(status)) => Response::builder().status(status).body(Bytes::new()).unwrap(),
            // Nobody follows anybody into the clear: it is as if nobody had answered.
            Err(vxml::NotFetched::Unreachable(_)) => {
                Response::builder().status(302).header("location", "http://127.0.0.1/").body(Bytes::new()).unwrap()
            }
        }
    }

    /// What the first text is that somebody says in this audio.
    fn recognise(&self, form: &[u8]) -> String {
        let at = form.windows(4).position(|four| four == b"RIFF").expect("a WAV file");
        let mut ears = Ears::default();
        ears.hear(&media::wav::read(&form[at..]).unwrap());
        let whole = ears.heard.iter().find(|heard| heard.voice == Voice::Caller && heard.whole);
        let words = whole.map(|heard| serde_json::json!({"text": self.book.text(heard.number), "confidence": 0.9}));
        serde_json::json!({ "results": words.into_iter().collect::<Vec<_>>() }).to_string()
    }
}

/// The document with a patience of its caller's: short where there is nothing but silence, long where there is none.
fn patient(page: &str, lines: &[String]) -> String {
    let silences = lines.iter().filter(|line| line.is_empty()).count();
    let patience = match silences {
        0 => "60s",
        all if all == lines.len() => "300ms",
        _ => "4s",
    };
    match page.split_once("<vxml").and_then(|(_, rest)| rest.split_once('>')) {
        Some((attributes, inner)) => {
            format!("<vxml{attributes}><property name='timeout' value='{patience}'/>{inner}")
        }
        None => page.to_owned(),
    }
}

fn audio(samples: &[i16]) -> Response<Bytes> {
    Response::new(media::wav::write(samples.iter().copied()).into())
}

/// The words of a document of SSML.
fn text_of(ssml: &str) -> String {
    let mut text = String::new();
    for piece in ssml.split('<') {
        text.push_str(piece.split_once('>').map_or(piece, |(_, behind)| behind));
    }
    for (written, meant) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")] {
        text = text.replace(written, meant);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
