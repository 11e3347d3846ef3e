//! The running estate as the command line sees it: the site, and the control link to each of its nodes.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use call::statement::Signed;
use net::TraceEntry;
use site::{Node, Role, Site};
use store::DataDir;

use crate::api::{Calls, Finished};
use crate::link::Client;

/// Site, identities and one client a node. Nothing is connected until it is asked.
pub struct Estate {
    pub site: Site,
    /// The site's own root with its list alone: a partner's in `roots/` vouches for no node of ours and for no statement.
    pub roots_pem: Vec<String>,
    clients: BTreeMap<String, Client>,
}

impl Estate {
    /// # Errors
    /// The data directory is missing, is not whole, or its site no longer passes its checks.
    pub fn open(data: &DataDir) -> anyhow::Result<Estate> {
        let site = data.site()?;
        let identity = data.admin()?;
        let roots_pem = vec![data.own_trust_pem()?];
        let mut clients = BTreeMap::new();
        for node in &site.nodes {
            let address = SocketAddr::new(node.address, node.control_port);
            let client = Client::new(&node.name, &site.host_name(node), address, &identity, &roots_pem)?;
            clients.insert(node.name.clone(), client);
        }
        Ok(Estate { site, roots_pem, clients })
    }

    pub fn client(&self, node: &str) -> anyhow::Result<&Client> {
        self.clients.get(node).with_context(|| {
            let names: Vec<&str> = self.clients.keys().map(String::as_str).collect();
            format!("no node `{node}` in this site; it has {}", names.join(", "))
        })
    }

    /// The node named, or all nodes of a role.
    pub fn nodes(&self, named: Option<&str>, role: impl Fn(&Role) -> bool) -> anyhow::Result<Vec<&Client>> {
        match named {
            Some(name) => Ok(vec![self.client(name)?]),
            None => self.site.nodes.iter().filter(|n| role(&n.role)).map(|n| self.client(&n.name)).collect(),
        }
    }

    pub fn call_servers(&self) -> anyhow::Result<Vec<&Client>> {
        self.nodes(None, |role| matches!(role, Role::CallServer(_)))
    }

    fn border_controllers(&self) -> impl Iterator<Item = &Node> {
        self.site.nodes.iter().filter(|n| matches!(n.role, Role::Sbc(_)))
    }

    /// A caller's UUID as given, or that of the call that ended last at a border controller; of a call that is up if
    /// none has ended.
    ///
    /// # Errors
    /// `last`, and no call has been seen.
    pub async fn caller(&self, caller: &str) -> anyhow::Result<String> {
        if caller != "last" {
            return Ok(caller.to_ascii_lowercase());
        }
        let mut last: Option<Finished> = None;
        for node in self.border_controllers() {
            let finished: Vec<Finished> = self.client(&node.name)?.get("/api/v1/statements").await?;
            last = last.into_iter().chain(finished).max_by_key(|f| f.made_ms);
        }
        if let Some(last) = last {
            return Ok(last.caller);
        }
        for node in self.border_controllers() {
            let calls: Calls = self.client(&node.name)?.get("/api/v1/calls").await?;
            if let Some(leg) = calls.legs.first() {
                return Ok(leg.session_id.local.0.clone());
            }
        }
        anyhow::bail!("no call has been seen by this site's border controllers yet")
    }

    /// Every node's signed statement on a call; and, in words, which nodes could not be asked. A node that had no part
    /// in the call is neither.
    pub async fn statements(&self, caller: &str) -> (Vec<Signed>, Vec<String>) {
        let (mut statements, mut missing) = (Vec::new(), Vec::new());
        for client in self.clients.values() {
            match client.get::<Vec<Signed>>(&format!("/api/v1/statements/{caller}")).await {
                Ok(signed) => statements.extend(signed),
                Err(crate::link::Error::Refused { status: 404, .. }) => {}
                Err(error) => missing.push(error.to_string()),
            }
        }
        (statements, missing)
    }

    /// All nodes' traces of a call, and which nodes could not be asked.
    pub async fn trace(&self, caller: &str) -> (Vec<TraceEntry>, Vec<String>) {
        let (mut entries, mut missing) = (Vec::new(), Vec::new());
        for client in self.clients.values() {
            match client.get::<Vec<TraceEntry>>(&format!("/api/v1/trace?caller={caller}")).await {
                Ok(more) => entries.extend(more),
                Err(error) => missing.push(error.to_string()),
            }
        }
        (entries, missing)
    }

    /// Names of addresses: the nodes', and those given as `ADDRESS=NAME`.
    ///
    /// # Errors
    /// One of `given` is not of that form.
    pub fn names(&self, given: &[String]) -> anyhow::Result<BTreeMap<IpAddr, String>> {
        let mut names: BTreeMap<IpAddr, String> = self.site.nodes.iter().map(|n| (n.address, n.name.clone())).collect();
        for pair in given {
            let (address, name) = pair
                .split_once('=')
                .with_context(|| format!("`{pair}`: expected ADDRESS=NAME, e.g. 10.0.0.7=carrier"))?;
            let address = address.parse().with_context(|| format!("`{address}` is not an IP address"))?;
            names.insert(address, name.to_owned());
        }
        Ok(names)
    }
}
