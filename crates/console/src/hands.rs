//! What a session asks of the world, done within the node's own process.

use std::time::{SystemTime, UNIX_EPOCH};

use admin::cli::Question;
use admin::show::{debugging, tables, tls_detail, voice_brief};
use anyhow::Context;
use net::NodeHandle;
use phones::Kind;
use roles::{Control, Reply};
use site::Role;
use store::DataDir;

use crate::session::{Ask, Told};
use crate::trunks::trunks;
use crate::{running_config, trust};

/// One node's.
#[derive(Clone)]
pub struct Hands {
    node: NodeHandle,
    dir: DataDir,
}

impl Hands {
    pub fn new(node: NodeHandle, dir: DataDir) -> Hands {
        Hands { node, dir }
    }

    pub async fn perform(&self, ask: Ask) -> Told {
        match ask {
            Ask::Services => Told::Services(admin::services::services(&self.node).await),
            Ask::Restart(part) => Told::Done(self.node.restart(part).await),
            Ask::Undebug => {
                self.node.undebug();
                Told::Text(Ok("All possible debugging has been turned off\n".into()))
            }
            Ask::Show(question) => Told::Text(self.show(question).await),
            Ask::RunningConfig | Ask::SecurityMode | Ask::Cluster | Ask::CarryOut(_) => {
                self.files(move |dir, node| of_files(dir, Some(node), &ask)).await
            }
        }
    }

    /// Files and signatures are waited for beside the runtime.
    async fn files(&self, work: impl FnOnce(&DataDir, &str) -> Told + Send + 'static) -> Told {
        let (dir, node) = (self.dir.clone(), self.node.name().to_owned());
        let done = tokio::task::spawn_blocking(move || work(&dir, &node)).await;
        done.unwrap_or_else(|_| Told::Text(Err("the process stops".into())))
    }

    async fn show(&self, question: Question) -> Result<String, String> {
        let node = &self.node;
        let ask = |control| async move {
            match node.control(control).await {
                Reply::Sorry(words) => Err(words),
                reply => Ok(reply),
            }
        };
        let text = match question {
            Question::Calls => match ask(Control::Calls).await? {
                Reply::Calls(legs) => Some(voice_brief(&legs, node.started_ms(), now_ms())),
                _ => None,
            },
            Question::Agents => match ask(Control::Agents).await? {
                Reply::Agents(agents) => Some(tables::agents(&agents)),
                _ => None,
            },
            Question::Queues => match ask(Control::Queues).await? {
                Reply::Queues(queues) => Some(tables::queues(&queues)),
                _ => None,
            },
            Question::Registrations => match ask(Control::Registrations).await? {
                Reply::Registrations(list) => Some(tables::registrations(&list)),
                _ => None,
            },
            Question::Status => match ask(Control::Status).await? {
                Reply::Status(status) => Some(tables::status(&[status])),
                _ => None,
            },
            Question::Connections => Some(tls_detail(&node.connections())),
            Question::Debugging => Some(debugging::debugging(&node.debugging())),
            Question::Refusals => Some(tables::refusals(&node.refusals())),
            Question::Ctl
            | Question::Itl
            | Question::Phones
            | Question::Trunks
            | Question::SecurityMode
            | Question::RunningConfig => {
                let told = self.files(move |dir, node| of_files(dir, Some(node), &Ask::Show(question))).await;
                return match told {
                    Told::Text(text) => text,
                    _ => Err("the process stops".into()),
                };
            }
        };
        text.ok_or_else(|| "the node answered another question".into())
    }
}

/// What is answered from the data directory alone, by a process of its own as well: of the node named, or of the only call
/// manager that serves phones.
pub fn of_files(dir: &DataDir, node: Option<&str>, ask: &Ask) -> Told {
    let station = || trust::station(dir, node);
    let text = |text: anyhow::Result<String>| Told::Text(text.map_err(words));
    match ask {
        Ask::RunningConfig | Ask::Show(Question::RunningConfig) => text(configuration(dir, node)),
        Ask::SecurityMode | Ask::Show(Question::SecurityMode) => {
            text(station().map(|station| trust::security_mode(&station)))
        }
        Ask::Show(Question::Ctl) => text(station().and_then(|station| trust::list(&station, Kind::Ctl))),
        Ask::Show(Question::Itl) => text(station().and_then(|station| trust::list(&station, Kind::Itl))),
        Ask::Show(Question::Phones) => text(station().and_then(|station| trust::phones(&station))),
        Ask::Show(Question::Trunks) => text(dir.site().and_then(|site| trunks(&site, node))),
        Ask::Cluster => Told::Cluster(station().map(|station| station.cluster()).map_err(words)),
        Ask::CarryOut(effect) => {
            let done = station().and_then(|station| station.carry_out(*effect, SystemTime::now()));
            Told::Done(done.map(|()| Vec::new()).map_err(words))
        }
        Ask::Show(_) | Ask::Undebug | Ask::Services | Ask::Restart(_) => {
            Told::Text(Err("only the running node can tell".into()))
        }
    }
}

fn configuration(dir: &DataDir, node: Option<&str>) -> anyhow::Result<String> {
    let site = dir.site()?;
    let row = match node {
        Some(name) => site.node(name).with_context(|| format!("the site has no node `{name}`"))?,
        None => site
            .nodes
            .iter()
            .find(|node| matches!(node.role, Role::Sbc(_)))
            .context("the site has no border controller")?,
    };
    running_config(&site, row).map_err(anyhow::Error::msg)
}

fn words(error: anyhow::Error) -> String {
    format!("{error:#}")
}

fn now_ms() -> u64 {
    UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64)
}
