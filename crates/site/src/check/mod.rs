//! Whether a site makes sense as a whole: names, references, addresses, and above all security.
//!
//! One file for the nodes and one for each role. Each check names the path of the value it is about, so the problem is
//! shown where the operator must write.

mod authority;
mod ca;
mod call_manager;
mod call_server;
mod directory;
mod media_resource;
mod nodes;
mod oauth;
mod ocsp;
mod open_id;
mod phone_services;
mod recognition;
mod sbc;
mod security_profile;
mod speech;
mod voice_browser;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;

use crate::problem::Severity;
use crate::read::{Places, list};
use crate::schema::nearest;
use crate::{Node, Role, Site};

/// Contract statement 2, in the words that operators of such systems know.
pub(crate) const SECURE_SIP_FIRST: &str = "to enable secure RTP, secure SIP must be enabled";

pub(crate) fn site(site: &Site, places: &mut Places<'_>) {
    let mut check = Check { site, places };
    nodes::check(&mut check);
    for (at, server) in site.name_server.iter().enumerate() {
        if let Err(error) = crate::target::name_server(server) {
            check.error(format!("name_server[{at}]"), error, "name servers are asked by their addresses");
        }
    }
    if let Some(token) = &site.ca.pkcs11 {
        ca::check(&mut check, token);
    }
    if let Some(directory) = &site.directory {
        directory::check(&mut check, directory);
    }
    if let Some(provider) = &site.open_id {
        open_id::check(&mut check, provider);
    }
    if let Some(speech) = &site.speech {
        speech::check(&mut check, speech);
    }
    if let Some(recognition) = &site.recognition {
        recognition::check(&mut check, recognition);
    }
    authority::check(&mut check);
    if let Some(ocsp) = &site.ocsp {
        ocsp::check(&mut check, ocsp);
    }
    for (at, node) in site.nodes.iter().enumerate() {
        let path = format!("node[{at}].role.{}", node.role.word());
        match &node.role {
            Role::Sbc(role) => sbc::check(&mut check, node, role, &path),
            Role::CallServer(role) => call_server::check(&mut check, node, role, &path),
            Role::VoiceBrowser(role) => voice_browser::check(&mut check, node, role, &path),
            Role::CallManager(role) => call_manager::check(&mut check, node, role, &path),
            Role::MediaResource(role) => media_resource::check(&mut check, role, &path),
        }
    }
}

/// The site under check and where to say what is wrong with it.
pub(super) struct Check<'s, 'p, 't> {
    pub(super) site: &'s Site,
    places: &'p mut Places<'t>,
}

impl<'s> Check<'s, '_, '_> {
    pub(super) fn error(&mut self, path: impl Display, what: impl Into<String>, fix: impl Into<String>) {
        self.places.report(Severity::Error, &path.to_string(), what.into(), fix.into());
    }

    /// A name of the prompt catalogue.
    pub(super) fn prompt(&mut self, path: impl Display, prompt: &str) {
        if prompt.is_empty() || prompt.contains(['/', '\\']) || prompt.starts_with('.') {
            self.error(
                path,
                format!("`{prompt}` is not a prompt's name"),
                "write the name only, without folder or ending, e.g. `welcome`",
            );
        }
    }

    pub(super) fn warning(&mut self, path: impl Display, what: impl Into<String>, fix: impl Into<String>) {
        self.places.report(Severity::Warning, &path.to_string(), what.into(), fix.into());
    }

    /// Whether one of these fields of the table at `path` could not be read, so that what follows from it is unknown.
    pub(super) fn unknown(&self, path: &str, fields: &[&str]) -> bool {
        fields.iter().any(|field| self.places.is_mended(&format!("{path}.{field}")))
    }

    /// Each of `names` is there once and not empty. `rows` is the path of the list, `field` what holds the name.
    pub(super) fn unique<K: Ord + Display + Clone>(
        &mut self,
        rows: &str,
        field: &str,
        names: impl IntoIterator<Item = K>,
    ) {
        let mut seen: BTreeMap<K, usize> = BTreeMap::new();
        for (at, name) in names.into_iter().enumerate() {
            let path = format!("{rows}[{at}].{field}");
            if self.places.is_mended(&path) {
                continue;
            }
            if name.to_string().is_empty() {
                self.error(&path, format!("`{field}` is empty"), format!("give it a {field}"));
            } else if let Some(first) = seen.get(&name) {
                let what = format!("{field} `{name}` is there twice (first as number {} of the list)", first + 1);
                self.error(&path, what, format!("give this one another {field}, or remove it"));
            } else {
                seen.insert(name, at);
            }
        }
    }

    /// `name` is among `known`; says so otherwise, with what was meant.
    pub(super) fn refers(&mut self, path: impl Display, kind: &str, name: &str, known: &[&str]) -> bool {
        if known.contains(&name) {
            return true;
        }
        let fix = match nearest(name, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => format!("there is no {kind} at all: add one"),
            None => format!("the {kind}s are {}", list(known.iter().copied())),
        };
        self.error(path, format!("there is no {kind} `{name}`"), fix);
        false
    }

    /// The names by which a peer's certificate is accepted: at least one, none empty, no wildcards.
    pub(super) fn subjects(&mut self, path: impl Display, subjects: &[String], whose: &str) {
        let path = path.to_string();
        if subjects.is_empty() {
            let what = format!("no certificate subject is accepted for {whose}: nothing could ever connect");
            self.error(&path, what, format!("write `secure_certificate_subject = [\"…\"]` with the CN or SAN of its certificate, e.g. `cvp1.{}`", self.site.domain));
        }
        for (at, subject) in subjects.iter().enumerate() {
            if subject.trim().is_empty() || subject.contains('*') {
                let what = format!("`{subject}` is not a certificate subject: it names no one peer");
                self.error(
                    format!("{path}[{at}]"),
                    what,
                    "write the CN or SAN in full; wildcards are not accepted (RFC 5922 §7.2)",
                );
            }
        }
    }

    /// A partner's authority is named as its file in `roots/` is, and only where a certificate is asked for.
    pub(super) fn authority(&mut self, path: impl Display, authority: Option<&str>, tls: bool) {
        let Some(name) = authority else { return };
        let letters = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if name.is_empty() || name.starts_with('.') || name.ends_with(".pem") || !letters(name) {
            self.error(
                path,
                format!("`{name}` cannot be the name of an authority"),
                "write the name of its file in roots/ without folder and ending: `carrier` for roots/carrier.pem; \
                 without `authority` it is the site's own CA",
            );
        } else if !tls {
            let what = format!("authority `{name}` is named, but plain SIP shows no certificate");
            self.error(path, what, "use TLS, or remove the authority");
        }
    }

    /// The node of this site at an address: where several share it, the one that listens on this port for TLS.
    pub(super) fn node_at(&self, address: IpAddr, secure_port: Option<u16>) -> Option<&'s Node> {
        let site = self.site;
        let mut there = site.nodes.iter().filter(|node| node.address == address);
        match (there.next(), there.next()) {
            (alone, None) => alone,
            _ => site.nodes.iter().find(|node| node.address == address && Some(node.secure_port) == secure_port),
        }
    }

    /// Numbers that may be called.
    pub(super) fn patterns(&mut self, path: &str, patterns: &[String]) {
        for (at, pattern) in patterns.iter().enumerate() {
            if let Err(error) = crate::Pattern::parse(pattern) {
                self.error(
                    format!("{path}[{at}]"),
                    format!("`{pattern}`: {error}"),
                    "write the number and `$`, e.g. `1001$`, or a prefix and `T`, e.g. `0800T`",
                );
            }
        }
    }

    /// Warns when `subjects` do not name the node of this site that listens at `address`.
    pub(super) fn expects_our_node(
        &mut self,
        path: impl Display,
        subjects: &[String],
        address: IpAddr,
        secure_port: Option<u16>,
    ) {
        let site = self.site;
        let Some(node) = self.node_at(address, secure_port) else {
            return;
        };
        let unnamed = |at: usize| self.places.is_mended(&format!("node[{at}].name"));
        let at = site.nodes.iter().position(|other| std::ptr::eq(other, node));
        if self.places.is_mended("domain") || at.is_some_and(unnamed) {
            return;
        }
        let host = site.host_name(node);
        if !subjects.is_empty() && !subjects.iter().any(|subject| subject.eq_ignore_ascii_case(&host)) {
            let what = format!(
                "{address} is node `{}`, whose certificate is for `{host}`; here only {} is accepted",
                node.name,
                list(subjects.iter().map(String::as_str))
            );
            self.warning(path, what, format!("write `{host}`, unless the refusal is what you want to see"));
        }
    }

    /// Contract 216: these ports are reserved for cloud integrations.
    pub(super) fn reserved(&mut self, path: impl Display, port: u16) {
        if (5063..=5080).contains(&port) {
            self.warning(
                path,
                format!("port {port} is in 5063–5080, which hosted instances reserve for cloud integrations"),
                "take another port if this site may ever be joined to one",
            );
        }
    }

    pub(super) fn plain_sip_needs_word(&mut self, path: impl Display, node: &Node, what: &str) {
        if !node.dangerous_plain_sip {
            let what = format!("{what} is plain SIP: anybody on the way can read and change it");
            self.error(
                path,
                what,
                format!("use TLS, or write `dangerous_plain_sip = true` at node `{}` and answer for it", node.name),
            );
        }
    }
}

#[cfg(test)]
mod routing_tests;
#[cfg(test)]
mod tests;
