//! Certificates of an estate as operators ask about them: who uses one, until when, what breaks on which date, and which
//! pairs of nodes do not trust each other.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use site::{Node, Role, Site};
use store::DataDir;
use trust::{Authority, Identity, Utc};

use crate::show::time::rfc3339;

/// What a data directory and its site say of certificates.
pub struct Certificates<'a> {
    data: &'a DataDir,
    site: Site,
    /// The texts of the authorities: roots and lists, the site's own first.
    roots: Vec<(Authority, String)>,
    now: SystemTime,
}

impl<'a> Certificates<'a> {
    /// # Errors
    /// Site, roots or lists cannot be read.
    pub fn open(data: &'a DataDir, now: SystemTime) -> anyhow::Result<Certificates<'a>> {
        let partners = data.partners_trust_pem()?.into_iter().map(|(name, pem)| (Authority::Named(name), pem));
        let roots = std::iter::once((Authority::Own, data.own_trust_pem()?)).chain(partners).collect();
        Ok(Certificates { data, site: data.site()?, roots, now })
    }

    /// Everything about one identity, a paragraph.
    ///
    /// # Errors
    /// There is no such identity here.
    pub fn show(&self, name: &str) -> anyhow::Result<String> {
        let identity = match name {
            "admin" => self.data.admin()?,
            name => self.data.identity(name)?,
        };
        let facts = identity.facts();
        let mut out = format!("{name}\n");
        let mut line = |what: &str, text: String| {
            // Writing to a string does not fail.
            let _ = writeln!(out, "  {what:<13}{text}");
        };
        line("Certificate", format!("{}, serial {}", facts.subject, facts.serial));
        line("SHA-256", facts.fingerprint.clone());
        line("Names", facts.names().join(", "));
        line("Issued by", facts.issuer.clone());
        line("Valid", format!("{} until {}", date(facts.not_before), date(facts.not_after)));
        line("Renewal", self.renewal(name, &identity)?);
        for (at, text) in self.uses(name, &identity).into_iter().enumerate() {
            line(if at == 0 { "Used for" } else { "" }, text);
        }
        let roots: Vec<String> = self.roots.iter().map(|(_, pem)| pem.clone()).collect();
        for (at, found) in identity.outlook(&roots, self.now)?.into_iter().enumerate() {
            let when = found.at.map_or_else(|| "now".to_owned(), date);
            line(if at == 0 { "Breaks" } else { "" }, format!("{when:<11}{}", found.why));
        }
        Ok(out)
    }

    fn renewal(&self, name: &str, identity: &Identity) -> anyhow::Result<String> {
        if let Some((next, from)) = self.data.next_identity(name)? {
            return Ok(format!(
                "serial {} is announced to the phones, and in force from {}",
                next.facts().serial,
                date(from)
            ));
        }
        let own = trust::certificates_der(&self.data.own_root_pem()?)?;
        let ours = trust::verify_chain(&identity.chain_der(), &own, self.now);
        let foreign = ours.is_err_and(|refusal| refusal.cause == "unknown_ca");
        if let Some((_, acme)) = self.site.acme_of(name) {
            let (orders, by) = (self.data.acme_orders(name)?, format!("by ACME, of {}", acme.directory));
            let next = orders.next().max(if foreign { identity.due().max(0) as u64 } else { 0 });
            let from = match next > seconds(self.now).max(0) as u64 {
                true => format!("from {}", rfc3339(next * 1000)),
                false => "at the next look of the process that its node runs in".to_owned(),
            };
            let failed = match orders.failed {
                0 => String::new(),
                failed => format!("; {failed} orders in a row came to nothing, `ringfence cert acme {name}` says why"),
            };
            return Ok(format!("{by}, {from}{failed}"));
        }
        Ok(match (foreign, self.data.has_ca_key()) {
            (true, _) => format!(
                "by `ringfence cert csr {name}` and `ringfence cert import {name} FILE`, before {}",
                date(identity.facts().not_after)
            ),
            (false, true) => format!("by itself, from {}", date(identity.due())),
            (false, false) => format!(
                "due from {}, where the CA's key is: `ringfence cert csr`, `cert sign` there, `cert import`",
                date(identity.due())
            ),
        })
    }

    /// What shows this identity, and who expects to see it.
    fn uses(&self, name: &str, identity: &Identity) -> Vec<String> {
        if name == "admin" {
            return vec!["the command line, towards the control link of every node".to_owned()];
        }
        let (node_name, point) = name.split_once('@').map_or((name, None), |(node, point)| (node, Some(point)));
        let Some(node) = self.site.node(node_name) else {
            return vec!["nothing: the site has no such node".to_owned()];
        };
        let mut uses = Vec::new();
        match point {
            None => {
                uses.push(format!("SIP over TLS at {}:{}, accepting and dialling", node.address, node.secure_port));
                uses.push(format!("the control link at {}:{}", node.address, node.control_port));
                uses.push("signatures of what the node states of its calls".to_owned());
                uses.extend(services(node));
            }
            Some(point) => {
                let rows = node.crypto_signaling.iter().filter(|row| row.trustpoint == point);
                uses.extend(rows.map(|row| format!("SIP over TLS with {}", row.remote_addr)));
            }
        }
        for other in self.site.nodes.iter().filter(|other| other.name != node.name) {
            let shown = node.trustpoint_for(other.address).map(|found| found.name.as_str());
            let expected = self.expected(other, node);
            let named = expected.iter().flat_map(|peer| &peer.names).find(|name| identity.facts().is_named(name));
            if shown == point
                && let Some(named) = named
            {
                uses.push(format!("expected by {} as {named}", other.name));
            }
        }
        uses
    }

    /// How `from` knows the node `to`.
    fn expected(&self, from: &Node, to: &Node) -> Vec<roles::PeerPlan> {
        let plan = roles::Plan::compile(&self.site, &from.name, 1);
        let peers = plan.map(|plan| plan.peers).unwrap_or_default();
        peers.into_iter().filter(|peer| peer.addr.ip() == to.address && !peer.names.is_empty()).collect()
    }

    /// Pairs of nodes whose one end would refuse the other's certificate today, and what is missing. Nodes whose identity
    /// is not in this directory are not judged.
    ///
    /// # Errors
    /// An identity is there and cannot be read.
    pub fn distrust(&self) -> anyhow::Result<Vec<String>> {
        let mut all = Vec::new();
        for from in &self.site.nodes {
            for to in self.site.nodes.iter().filter(|to| to.name != from.name) {
                let shown = match to.trustpoint_for(from.address) {
                    Some(point) => format!("{}@{}", to.name, point.name),
                    None => to.name.clone(),
                };
                if !self.data.path().join("nodes").join(&shown).exists() {
                    continue;
                }
                let identity = self.data.identity(&shown).with_context(|| format!("identity {shown}"))?;
                for peer in self.expected(from, to) {
                    let roots: Vec<String> = self
                        .roots
                        .iter()
                        .filter(|(authority, _)| *authority == peer.authority)
                        .map(|(_, pem)| pem.clone())
                        .collect();
                    if let Err(refusal) = trust::judge(&identity, &roots, &peer.names, self.now) {
                        let words = format!("{} would refuse {}: {refusal}", from.name, to.name);
                        if !all.contains(&words) {
                            all.push(words);
                        }
                    }
                }
            }
        }
        Ok(all)
    }
}

fn services(node: &Node) -> Vec<String> {
    match &node.role {
        Role::CallServer(server) => server
            .desk
            .iter()
            .map(|desk| format!("the desks' HTTPS at {}:{}", desk.address.unwrap_or(node.address), desk.port))
            .collect(),
        Role::CallManager(manager) => manager
            .phone_services
            .iter()
            .map(|phones| {
                format!(
                    "the phones' HTTPS at {}, ports {} and {}; phones hold it in their lists",
                    node.address, phones.https_port, phones.https_client_port
                )
            })
            .collect(),
        Role::Sbc(_) | Role::VoiceBrowser(_) | Role::MediaResource(_) => Vec::new(),
    }
}

/// The day, in UTC.
pub fn date(seconds: i64) -> String {
    let Utc { year, month, day, .. } = Utc::of(seconds.max(0) as u64);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Seconds since 1970.
pub fn seconds(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = include_str!("../../../examples/lab.toml");

    #[test]
    fn pairs_that_have_not_exchanged_what_they_signed_themselves_are_reported_both_ways() {
        let now = SystemTime::now();
        let folder = std::env::temp_dir().join(format!("ringfence-pairs-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let point = |peer: &str| {
            format!(
                "trustpoint = [{{ name = \"own\" }}]\ncrypto_signaling = [{{ remote_addr = \"{peer}\", trustpoint = \"own\" }}]\n"
            )
        };
        let mut text = LAB.to_owned();
        for (node, address, peer) in [("cube1", "226", "3"), ("cucm1", "3", "226")] {
            let at = format!("name = \"{node}\"\naddress = \"127.18.133.{address}\"\n");
            assert!(text.contains(&at));
            text = text.replace(&at, &format!("{at}{}", point(&format!("127.18.133.{peer}"))));
        }
        let (data, _) = DataDir::init(&folder, &text, now).expect("a data directory");
        let distrust = |data: &DataDir| Certificates::open(data, now).expect("readable").distrust().expect("readable");
        assert_eq!(distrust(&data), Vec::<String>::new(), "the site's own CA vouches for all");

        for identity in ["cube1@own", "cucm1@own"] {
            data.self_sign(identity, trust::KeyKind::P256, now).expect("it is a trustpoint");
        }
        let words = distrust(&data);
        assert!(words.iter().any(|words| words.starts_with("cube1 would refuse cucm1: ")), "{words:?}");
        assert!(words.iter().any(|words| words.starts_with("cucm1 would refuse cube1: ")), "{words:?}");
        assert_eq!(words.len(), 2, "{words:?}");

        // One way is half of it.
        let give = |node: &str| {
            let chain = data.trustpoint(node, "own").expect("there").chain_pem();
            std::fs::write(folder.join(format!("roots/{node}.pem")), chain).expect("writable");
        };
        give("cube1");
        let profile = "name = \"SecureSIPTLSforCube\"\n";
        let half = text.replace(profile, &format!("{profile}authority = \"cube1\"\n"));
        data.replace_site(&half).expect("a good site");
        let words = distrust(&data);
        assert_eq!(words.len(), 1, "{words:?}");
        assert!(words[0].starts_with("cube1 would refuse cucm1: "), "{words:?}");
        give("cucm1");
        let whole = half.replacen("{ name = \"own\" }", "{ name = \"own\", authority = \"cucm1\" }", 1);
        data.replace_site(&whole).expect("a good site");
        assert_eq!(distrust(&data), Vec::<String>::new());
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
