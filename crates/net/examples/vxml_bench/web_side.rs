//! The application and its web server: two pages, a root document and a grammar that may be kept, and an answer to each key
//! that nobody may keep.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio_rustls::TlsAcceptor;

use crate::estate::wrong;

const ROOT: &str = "<vxml version='2.1'><var name='turns' expr='0'/>
 <script>function check(text) { var sum = 0; for (var i = 0; i &lt; text.length; i++) { sum += (i % 2 + 1) * text.charCodeAt(i); } return sum % 97; }</script>
 <noinput><reprompt/></noinput><nomatch><reprompt/></nomatch></vxml>";
const GRAMMAR: &str = "<grammar xmlns='http://www.w3.org/2001/06/grammar' version='1.0' mode='dtmf' root='key'>
 <rule id='key'><one-of><item>1</item><item>2</item><item>3</item></one-of></rule></grammar>";

/// Asks, hears a key, asks the server what it means, and goes to the other page.
fn page(next: &str) -> String {
    format!(
        "<vxml version='2.1' application='root.vxml'><form id='f'>
         <field name='choice'><grammar mode='dtmf' src='choice.grxml'/><prompt timeout='60s'><audio src='prompt:moh'/></prompt>
         <filled><assign name='application.turns' expr='application.turns + 1'/>
         <var name='sum' expr=\"check('account' + choice + application.turns)\"/>
         <data name='answer' src='answer.xml' namelist='choice sum'/>
         <if cond=\"answer.documentElement.getAttribute('known') == 'yes'\"><goto next='{next}'/></if></filled></field></form></vxml>"
    )
}

pub(crate) fn serve(address: SocketAddr, identity: &trust::Identity, turns: Arc<AtomicU64>) -> io::Result<()> {
    let versions = trust::tls::Versions { tls12: true, tls13: true };
    let tls = TlsAcceptor::from(trust::tls::server_anonymous(identity, versions).map_err(wrong)?);
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, turns) = (tls.clone(), turns.clone());
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let service = service_fn(|request: Request<hyper::body::Incoming>| {
                        let answer = answer(request.uri().path(), &turns);
                        async { Ok::<_, Infallible>(answer) }
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    });
    Ok(())
}

fn answer(path: &str, turns: &AtomicU64) -> Response<Full<Bytes>> {
    let (text, kept) = match path {
        "/main.vxml" => (page("menu.vxml"), true),
        "/menu.vxml" => (page("main.vxml"), true),
        "/root.vxml" => (ROOT.to_owned(), true),
        "/choice.grxml" => (GRAMMAR.to_owned(), true),
        "/answer.xml" => {
            turns.fetch_add(1, Ordering::Relaxed);
            ("<answer known='yes'/>".to_owned(), false)
        }
        _ => (String::new(), false),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let control = if kept { "max-age=600" } else { "no-store" };
    response.headers_mut().insert("cache-control", hyper::header::HeaderValue::from_static(control));
    response
}
