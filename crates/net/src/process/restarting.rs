//! One part of a process stopped and started again, as an operator restarts a service: whoever holds a handle to the node
//! sees a pause, the rest of the process nothing.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use roles::Plan;

use super::{Process, Running, spawn};
use crate::clock::millis;
use crate::errands::Part;
use crate::media_threads;
use crate::node::Letter;
use crate::pages;
use crate::tokens;
use crate::wire::Setup;

impl Process {
    /// Stops this part of a node and starts it again with the site and the certificates in force. A node closes all of its
    /// connections and forgets what it did not keep; callers of a call server that wait are taken on again. Returns what
    /// was done, a line each.
    ///
    /// # Errors
    /// There is no such node or part here, and nothing was stopped; or it could not be started again, which is said so.
    pub fn restart(&mut self, name: &str, part: Part) -> anyhow::Result<Vec<String>> {
        match part {
            Part::Node => self.restart_node(name),
            Part::PhoneServices => self.restart_phone_services(name),
        }
    }

    fn restart_node(&mut self, name: &str) -> anyhow::Result<Vec<String>> {
        let at = self.nodes.iter().position(|node| node.of_site && node.handle.name() == name);
        let at = at.with_context(|| format!("there is no node `{name}` in this process"))?;
        let (site, generation) = (self.site.clone().context("this process has no site")?, self.generation + 1);
        let row = site.node(name).with_context(|| format!("there is no node `{name}` in the site in force"))?;
        // All that can go wrong does so while the node still runs.
        let mut plan = Plan::compile(&site, name, generation).map_err(anyhow::Error::msg)?;
        pages::load(&mut plan, &mut self.prompts)?;
        // Its pages are read again, and may have recordings that they had not.
        self.media.prompts(&self.prompts);
        if let Some(dir) = &self.dir {
            let read = tokens::load(&mut plan, dir, row)?;
            self.tokens.extend(read.map(|read| (name.to_owned(), read)));
        }
        self.generation = generation;
        let began = Instant::now();
        let Running { handle, thread, asks, owner, .. } = self.nodes.swap_remove(at);
        asks.retire();
        handle.letters.insist(Letter::Stop);
        let remains = thread.join().map_err(|_| anyhow::anyhow!("node {name} had panicked: restart the process"))?;
        // What it wanted kept is kept before the next one reads it; no event of its streams comes after their answer.
        asks.settle();
        for media in self.media.senders() {
            media.insist(media_threads::Letter::Leave { owner });
        }
        self.media.counts();
        let stopped = began.elapsed();
        tracing::info!(node = name, ?stopped, "stopped, to be started again");
        let began = Instant::now();
        let setup = Setup {
            node: name.to_owned(),
            listen: plan.local.clone(),
            source: row.address,
            peers: plan.peers.clone(),
            tls: handle.facts.credentials.as_ref().map(|credentials| credentials.now().settings.clone()),
        };
        let asks = self.asks.asks(name.to_owned(), handle.facts.credentials.clone(), handle.letters.clone());
        let machine = self.machine(row, plan);
        let ports = row.media_ports.unwrap_or(media_threads::RANGE);
        let opened = self.open(setup, |_| machine, remains, &handle.letters, asks.clone(), ports);
        let (owner, node) =
            opened.with_context(|| format!("node {name} is stopped and did not start again: restart the process"))?;
        handle.facts.started_ms.store(millis(self.clock.now().wall), Ordering::Relaxed);
        let thread = spawn(name, node)?;
        self.nodes.push(Running { handle, thread, asks, owner, of_site: true });
        let started = began.elapsed();
        tracing::info!(node = name, ?started, "started again");
        Ok(vec![format!("stopped in {}", words(stopped)), format!("started in {}", words(started))])
    }

    fn restart_phone_services(&mut self, name: &str) -> anyhow::Result<Vec<String>> {
        let at = self.phone_services.iter().position(|services| services.node() == name);
        let at = at.with_context(|| format!("node `{name}` serves no phones in this process"))?;
        let dir = self.dir.clone().context("this process has no data directory")?;
        let site = self.site.clone().context("this process has no site")?;
        let row = site.node(name).with_context(|| format!("there is no node `{name}` in the site in force"))?;
        let handle = self.node(name).with_context(|| format!("there is no node `{name}` in this process"))?;
        let began = Instant::now();
        self.phone_services.swap_remove(at).stop();
        let (stopped, began) = (began.elapsed(), Instant::now());
        self.start_phone_services(&dir, &site, row, &handle).with_context(|| {
            format!(
                "the services of {name} for phones are stopped and did not start again; `ringfence reload` tries again"
            )
        })?;
        Ok(vec![format!("stopped in {}", words(stopped)), format!("started in {}", words(began.elapsed()))])
    }
}

fn words(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}
