//! What must not be there: sockets and clocks in pure crates, one role in another, `unsafe` outside the socket module,
//! stubs.

use super::files::Source;

const PURE: [&str; 11] = ["sip", "sdp", "media", "trust", "site", "acd", "call", "roles", "vxml", "phones", "mrcp"];

/// Words that a pure crate has no use for, and what to do instead.
const IMPURE: [(&str, &str); 8] = [
    ("Instant::now", "take `now` as an argument"),
    ("SystemTime::now", "take `now` as an argument"),
    ("UdpSocket", "sockets live in net"),
    ("TcpStream", "sockets live in net"),
    ("TcpListener", "sockets live in net"),
    ("thread::spawn", "threads live in net"),
    ("thread::sleep", "return a deadline"),
    ("tokio::", "async lives in net and admin"),
];

/// Folders of `crates/roles/src` that are roles.
const ROLES: [&str; 6] = ["sbc", "call_server", "voice_browser", "call_manager", "media_resource", "phone"];

pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        let inside = code(&source.text);
        let krate = source.path.strip_prefix("crates/").and_then(|p| p.split('/').next());
        let is_test = ["/tests/", "/examples/"].iter().any(|part| source.path.contains(part))
            || source.path.ends_with("tests.rs");
        if krate.is_some_and(|k| PURE.contains(&k)) && !is_test {
            for (word, instead) in IMPURE.iter().filter(|(word, _)| inside.contains(word)) {
                problems.push(format!("{}: `{word}` in a pure crate: {instead}", source.path));
            }
        }
        if source.path.starts_with("crates/")
            && inside.contains("unsafe {")
            && !source.path.starts_with("crates/net/src/socket")
        {
            problems.push(format!("{}: `unsafe` outside net's socket module", source.path));
        }
        for stub in ["todo!(", "unimplemented!("].iter().filter(|s| inside.contains(**s)) {
            if !source.path.starts_with("xtask/") {
                problems.push(format!("{}: `{stub}…)`: build it or leave it out", source.path));
            }
        }
        problems.extend(other_role(source, &inside));
    }
    problems
}

fn other_role(source: &Source, code: &str) -> Option<String> {
    let rest = source.path.strip_prefix("crates/roles/src/")?;
    let own = ROLES.iter().find(|role| rest.starts_with(&format!("{role}/")) || rest == format!("{role}.rs"))?;
    let other = ROLES.iter().find(|role| *role != own && code.contains(&format!("crate::{role}::")))?;
    Some(format!("{}: role {own} uses role {other}: what both need belongs in `call` or `shell`", source.path))
}

/// The lines before the tests, without comments.
fn code(text: &str) -> String {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]"))
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}
