//! A session at work: keys in, the machine between, text out; or one command, as `ssh HOST COMMAND` runs it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use russh::server::Msg;
use russh::{Channel, ChannelMsg};
use store::accounts::Account;

use super::Shared;
use crate::command::Command;
use crate::line::{Editor, Typed};
use crate::session::{Input, Output, Session, prompt};

/// Nobody types: the session ends.
pub(super) const IDLE: Duration = Duration::from_secs(900);
/// A terminal that takes nothing for so long is gone.
const STUCK: Duration = Duration::from_secs(60);

/// Whose it is, and from where.
pub(super) struct Terminal {
    pub(super) shared: Arc<Shared>,
    pub(super) remote: SocketAddr,
    pub(super) account: Account,
    /// That they were let in by, as it is kept; `None`: by a password.
    pub(super) key: Option<String>,
    /// Somebody sees what they type.
    pub(super) pty: bool,
}

/// What a turn of the machine came to.
enum Next {
    /// A command; how the last one went.
    Command {
        failed: bool,
    },
    /// An answer.
    Answer,
    End,
}

/// Until the session ends, whoever ends it.
pub(super) async fn run(terminal: Terminal, mut channel: Channel<Msg>, command: Option<String>) {
    let node = terminal.shared.node.name().to_owned();
    let status = match terminal.work(&mut channel, command).await {
        Ok(status) => status,
        Err(error) => {
            tracing::debug!(node, error = %format!("{error:#}"), "console: session ended");
            1
        }
    };
    let goodbye = async {
        // Whoever is gone hears nothing of it.
        let _ = channel.exit_status(status).await;
        let _ = channel.eof().await;
        let _ = channel.close().await;
    };
    let _ = tokio::time::timeout(STUCK, goodbye).await;
}

impl Terminal {
    async fn work(&self, channel: &mut Channel<Msg>, command: Option<String>) -> anyhow::Result<u32> {
        let (mut session, mut editor) = (Session::default(), Editor::default());
        if let Some(command) = command {
            // Its first prompt is for nobody.
            session.poll();
            return self.one(channel, &mut session, &mut editor, command).await;
        }
        let role = self.shared.role.replace('_', " ");
        let node = self.shared.node.name();
        self.say(channel, &format!("Ringfence {role} {node}. `help` lists the commands.\n\n")).await?;
        let mut next = self.turn(channel, &mut session, true).await?;
        loop {
            if let Next::End = next {
                return Ok(0);
            }
            let asked = matches!(next, Next::Command { .. });
            let Some(typed) = self.typed(channel, &mut editor).await? else { return Ok(0) };
            next = match typed {
                Typed::Help if asked => {
                    let (help, line) = (Command::help(editor.line()), editor.line().to_owned());
                    self.say(channel, &format!("{help}{}{line}", self.prompt())).await?;
                    continue;
                }
                Typed::Help => continue,
                Typed::End if asked => return Ok(0),
                Typed::End | Typed::Interrupt => self.enter(channel, &mut session, Input::Interrupt, true).await?,
                Typed::Line(line) => {
                    self.command(&line, asked).await?;
                    self.enter(channel, &mut session, Input::Line(line), true).await?
                }
            };
        }
    }

    /// One command; its questions are answered from what comes in.
    async fn one(
        &self,
        channel: &mut Channel<Msg>,
        session: &mut Session,
        editor: &mut Editor,
        command: String,
    ) -> anyhow::Result<u32> {
        self.command(&command, true).await?;
        let mut next = self.enter(channel, session, Input::Line(command), false).await?;
        loop {
            next = match next {
                Next::Command { failed } => return Ok(u32::from(failed)),
                Next::End => return Ok(0),
                Next::Answer => match self.typed(channel, editor).await? {
                    Some(Typed::Line(answer)) => {
                        self.command(&answer, false).await?;
                        self.enter(channel, session, Input::Line(answer), false).await?
                    }
                    Some(Typed::Help) => Next::Answer,
                    None | Some(Typed::End | Typed::Interrupt) => {
                        self.enter(channel, session, Input::Interrupt, false).await?
                    }
                },
            };
        }
    }

    /// Before a command or an answer: whether its giver may still give any, and of a command a line in the audit log.
    async fn command(&self, line: &str, is_command: bool) -> anyhow::Result<()> {
        let (shared, account, key) = (self.shared.clone(), self.account.clone(), self.key.clone());
        let holds = move || match key {
            Some(key) => shared.accounts.of_key(&account.name, &key).is_some_and(|found| found == account),
            None => shared.accounts.holds(&account),
        };
        let holds = tokio::task::spawn_blocking(holds).await?;
        anyhow::ensure!(holds, "the account or its key was removed or changed");
        // What is no command is not repeated: it may be a password in the wrong place.
        if is_command && Command::parse(line).is_ok_and(|command| command.is_some()) {
            let words: String = line.split_whitespace().collect::<Vec<_>>().join(" ");
            self.shared.write_down(&self.account.name, self.remote, format!("typed `{words}`")).await;
        }
        Ok(())
    }

    async fn enter(
        &self,
        channel: &Channel<Msg>,
        session: &mut Session,
        input: Input,
        prompting: bool,
    ) -> anyhow::Result<Next> {
        session.handle(input);
        self.turn(channel, session, prompting).await
    }

    /// Everything that the machine has to say and ask, until it waits for a line.
    async fn turn(&self, channel: &Channel<Msg>, session: &mut Session, prompting: bool) -> anyhow::Result<Next> {
        let (mut next, mut failed) = (Next::End, false);
        while let Some(output) = session.poll() {
            match output {
                Output::Text(text) => self.say(channel, &text).await?,
                Output::WriteDown(what) => self.shared.write_down(&self.account.name, self.remote, what).await,
                Output::Failed => failed = true,
                Output::Ask(ask) => {
                    let told = self.shared.hands.perform(ask).await;
                    session.handle(Input::Told(told));
                }
                Output::Prompt => {
                    if prompting {
                        self.say(channel, &self.prompt()).await?;
                    }
                    next = Next::Command { failed };
                }
                Output::Listen => next = Next::Answer,
                Output::End => return Ok(Next::End),
            }
        }
        Ok(next)
    }

    fn prompt(&self) -> String {
        prompt(self.shared.node.name(), &self.shared.role)
    }

    /// The next thing typed; `None` when no more comes.
    async fn typed(&self, channel: &mut Channel<Msg>, editor: &mut Editor) -> anyhow::Result<Option<Typed>> {
        loop {
            let typed = editor.next_typed();
            let echo = editor.echo();
            if self.pty && !echo.is_empty() {
                self.send(channel, echo).await?;
            }
            if typed.is_some() {
                return Ok(typed);
            }
            let message = tokio::time::timeout(IDLE, channel.wait()).await;
            match message.context("nobody typed for a quarter of an hour")? {
                Some(ChannelMsg::Data { data }) => editor.hear(&data),
                Some(ChannelMsg::Eof) if editor.line().is_empty() => return Ok(None),
                // The last line of a file without an end of line.
                Some(ChannelMsg::Eof) => editor.hear(b"\n"),
                Some(ChannelMsg::Close) | None => return Ok(None),
                Some(_) => {}
            }
        }
    }

    async fn say(&self, channel: &Channel<Msg>, text: &str) -> anyhow::Result<()> {
        // What strangers said of themselves stands in some answers: it does nothing to the terminal.
        let text = admin::show::plain_lines(text);
        let text = if self.pty { text.replace('\n', "\r\n") } else { text };
        self.send(channel, text).await
    }

    async fn send(&self, channel: &Channel<Msg>, text: String) -> anyhow::Result<()> {
        let sent = tokio::time::timeout(STUCK, channel.data_bytes(text.into_bytes())).await;
        Ok(sent.context("the terminal takes nothing any more")??)
    }
}
