//! The ladder as one HTML page: no script, no request to anywhere; readable on paper, by keyboard and by screen reader.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use super::Arrow;
use crate::show::time::rfc3339;

/// What a page is made of.
pub struct Page<'a> {
    pub caller: &'a str,
    pub arrows: &'a [Arrow],
    /// Names of the parties by address; an address without a name shows as itself.
    pub names: &'a BTreeMap<IpAddr, String>,
    /// The verdict in words, line by line; the page says at its top whether the call was what it should be.
    pub verdict: &'a str,
    pub good: bool,
    /// Hops that are as they are by an administrator's loud words.
    pub exceptions: usize,
}

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn page(page: &Page<'_>) -> String {
    let parties = parties(page.arrows);
    let mut out = String::with_capacity(64 * 1024);
    let (class, word) = match (page.good, page.exceptions) {
        (false, _) => ("bad", "Not secure as required".to_owned()),
        (true, 0) => ("good", "Secure on every hop".to_owned()),
        (true, 1) => ("good", "Secure on every hop but 1, which is plain by an administrator's words".to_owned()),
        (true, n) => ("good", format!("Secure on every hop but {n}, which are plain by an administrator's words")),
    };
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Call {caller}</title><style>{STYLE}</style></head><body style=\"--parties:{count}\">\n\
         <header><h1>Call <code>{caller}</code></h1><p class=\"{class}\">{word}</p></header>\n\
         <section aria-label=\"Verdict\"><pre class=\"verdict\">{verdict}</pre></section>\n<main>\n",
        caller = escape(page.caller),
        count = parties.len(),
        verdict = escape(page.verdict),
    );
    out.push_str("<ol class=\"ladder\">\n<li class=\"row heads\"><span class=\"time\">ms</span>");
    for (column, party) in parties.iter().enumerate() {
        let _ = write!(
            out,
            "<span class=\"head\" style=\"grid-column:{}/span 2\"><b>{}</b><small>{party}</small></span>",
            2 * column + 2,
            escape(name(page.names, *party)),
        );
    }
    out.push_str("</li>\n");
    let began = page.arrows.first().map_or(0, |a| a.at_us);
    for arrow in page.arrows {
        write_arrow(&mut out, arrow, &parties, page.names, began);
    }
    out.push_str(
        "</ol>\n</main>\n<footer>Every arrow was recorded by the node that sent or received it, after decryption; \
                  keys are removed. Open an arrow to read its message.",
    );
    if began > 0 {
        let _ = write!(out, " First message at {}.", rfc3339(began / 1000));
    }
    out.push_str("</footer></body></html>\n");
    out
}

/// Parties from left to right in the order in which the call reached them.
fn parties(arrows: &[Arrow]) -> Vec<IpAddr> {
    let mut parties = Vec::new();
    for address in arrows.iter().flat_map(|a| [a.from, a.to]) {
        if !parties.contains(&address) {
            parties.push(address);
        }
    }
    parties
}

fn write_arrow(out: &mut String, arrow: &Arrow, parties: &[IpAddr], names: &BTreeMap<IpAddr, String>, began: u64) {
    let column = |address: IpAddr| parties.iter().position(|p| *p == address).unwrap_or_default();
    let (from, to) = (column(arrow.from), column(arrow.to));
    let (left, right) = (from.min(to), from.max(to));
    let way = if from < to { "right" } else { "left" };
    let lock = if arrow.secure { "secure" } else { "clear" };
    let kind = if arrow.what.starts_with(|c: char| c.is_ascii_digit()) { "answer" } else { "request" };
    let _ = write!(
        out,
        "<li class=\"row\"><span class=\"time\">{:.1}</span>\
         <details class=\"arrow {way} {lock} {kind}\" style=\"grid-column:{}/{}\">\
         <summary aria-label=\"{} to {}: {}, {}\"><b>{}</b> <span>{}</span><i></i><small>{}</small></summary>\
         <pre>{} {}\n\n{}</pre></details></li>\n",
        (arrow.at_us.saturating_sub(began)) as f64 / 1000.0,
        2 * left + 3,
        2 * right + 3,
        escape(name(names, arrow.from)),
        escape(name(names, arrow.to)),
        escape(&arrow.what),
        escape(&arrow.security),
        escape(&arrow.what),
        escape(&arrow.detail),
        escape(&arrow.security),
        escape(&arrow.security),
        escape(&arrow.cipher),
        escape(&arrow.text),
    );
}

fn name(names: &BTreeMap<IpAddr, String>, address: IpAddr) -> &str {
    names.get(&address).map_or("", String::as_str)
}

/// Text that came off the wire never becomes markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_off_the_wire_never_becomes_markup() {
        let arrows = [Arrow {
            at_us: 5,
            from: "127.0.0.1".parse().unwrap(),
            to: "127.0.0.2".parse().unwrap(),
            what: "<script>".into(),
            detail: "\"><img>".into(),
            security: "TLSv1.3".into(),
            cipher: String::new(),
            secure: true,
            text: "INVITE <script>alert(1)</script>".into(),
        }];
        let html = page(&Page {
            caller: "<b>",
            arrows: &arrows,
            names: &BTreeMap::new(),
            verdict: "</pre>",
            good: false,
            exceptions: 0,
        });
        assert!(!html.contains("<script>") && !html.contains("<img>"));
        assert!(html.contains("Not secure as required"));
    }

    #[test]
    fn an_arrow_spans_from_its_sender_to_its_receiver() {
        let arrow = |from: &str, to: &str| Arrow {
            at_us: 0,
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            what: "INVITE".into(),
            detail: String::new(),
            security: String::new(),
            cipher: String::new(),
            secure: true,
            text: String::new(),
        };
        let arrows =
            [arrow("127.0.0.1", "127.0.0.2"), arrow("127.0.0.2", "127.0.0.3"), arrow("127.0.0.3", "127.0.0.1")];
        let html = page(&Page {
            caller: "c",
            arrows: &arrows,
            names: &BTreeMap::new(),
            verdict: "",
            good: true,
            exceptions: 0,
        });
        assert!(html.contains("right secure request\" style=\"grid-column:3/5\""));
        assert!(html.contains("right secure request\" style=\"grid-column:5/7\""));
        assert!(html.contains("left secure request\" style=\"grid-column:3/7\""));
    }
}
