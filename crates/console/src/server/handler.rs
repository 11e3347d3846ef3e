//! One visitor: log-in, one terminal or one command, and a no in words for whatever else SSH can be asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use russh::keys::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session as Ssh, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty};
use store::accounts::{Account, NotIn, Role};

use super::terminal::{self, Terminal};
use super::{Shared, Visit};

pub(super) struct Visitor {
    shared: Arc<Shared>,
    remote: SocketAddr,
    visit: Arc<Visit>,
    account: Option<Account>,
    /// That they were let in by.
    key: Option<String>,
    /// The one channel, until it is known what it is for.
    channel: Option<Channel<Msg>>,
    /// One was opened.
    opened: bool,
    pty: bool,
}

impl Visitor {
    pub(super) fn new(shared: Arc<Shared>, remote: SocketAddr, visit: Arc<Visit>) -> Visitor {
        Visitor { shared, remote, visit, account: None, key: None, channel: None, opened: false, pty: false }
    }

    fn enter(&mut self, account: Account) -> Auth {
        self.account = Some(account);
        self.visit.let_in.send_replace(true);
        Auth::Accept
    }

    /// Work that hashes or reads the disk, beside the runtime.
    async fn look<T: Send + 'static>(&self, work: impl FnOnce(&Shared) -> T + Send + 'static) -> anyhow::Result<T> {
        let _turn = self.shared.log_ins.acquire().await?;
        let shared = self.shared.clone();
        Ok(tokio::task::spawn_blocking(move || work(&shared)).await?)
    }

    /// Said to the visitor where SSH has a place for it, to the log, the audit and `show refusals` in any case.
    async fn no(&self, what: &str) {
        self.shared.refuse(self.remote, "console_request", what, "refused");
        if let Some(account) = &self.account {
            let what = format!("was refused {what}");
            self.shared.write_down(&account.name, self.remote, what).await;
        }
    }

    async fn no_tunnel(&self, what: &str, reply: ChannelOpenHandle) {
        self.no(what).await;
        let reason = format!("{what} is not for this console: it forwards nothing");
        reply.reject(ChannelOpenFailure::Other { code: 1, reason }).await;
    }

    /// A request on the channel that is none of the console's.
    async fn no_request(&mut self, what: &str, channel: ChannelId, ssh: &mut Ssh) -> anyhow::Result<()> {
        self.no(what).await;
        ssh.extended_data(
            channel,
            1,
            format!("ringfence: no {what} here: this is a console, `help` lists its commands\r\n"),
        )?;
        ssh.channel_failure(channel)?;
        // It is good for nothing else.
        ssh.close(channel)?;
        self.channel = None;
        Ok(())
    }

    fn begin(&mut self, id: ChannelId, command: Option<String>, ssh: &mut Ssh) -> anyhow::Result<()> {
        let (Some(channel), Some(account)) = (self.channel.take(), self.account.clone()) else {
            return Ok(ssh.channel_failure(id)?);
        };
        ssh.channel_success(id)?;
        let (shared, key) = (self.shared.clone(), self.key.take());
        let terminal = Terminal { shared, remote: self.remote, account, key, pty: self.pty };
        tokio::spawn(terminal::run(terminal, channel, command));
        Ok(())
    }
}

fn bare(key: &PublicKey) -> Option<String> {
    crate::keys::bare(key).ok()
}

impl Handler for Visitor {
    type Error = anyhow::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> anyhow::Result<Auth> {
        let (name, password, door) = (user.to_owned(), password.to_owned(), self.shared.door(self.remote));
        let looked = self.look(move |shared| {
            let account = shared.accounts.log_in(&name, &password, door)?;
            if account.role != Role::Administrator {
                shared.accounts.write_down(&name, door, "is no administrator, and was not let in")?;
                return Err(NotIn::Wrong);
            }
            Ok(account)
        });
        match looked.await? {
            Ok(account) => Ok(self.enter(account)),
            Err(refused) => {
                self.shared.refuse(self.remote, "console_log_in", &refused.to_string(), "SSH_MSG_USERAUTH_FAILURE");
                Ok(Auth::reject())
            }
        }
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> anyhow::Result<Auth> {
        let (name, key) = (user.to_owned(), bare(offer.public_key));
        let known = self.look(move |shared| key.is_some_and(|key| shared.accounts.of_key(&name, &key).is_some()));
        if known.await? {
            return Ok(Auth::Accept);
        }
        self.visit.offered.store(true, Ordering::Relaxed);
        Ok(Auth::reject())
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> anyhow::Result<Auth> {
        let (name, door) = (user.to_owned(), self.shared.door(self.remote));
        let Some(bare) = bare(key.public_key) else { return Ok(Auth::reject()) };
        let (fingerprint, kept) = (crate::keys::fingerprint(key.public_key), bare.clone());
        let looked = self.look(move |shared| shared.accounts.log_in_by_key(&name, &bare, &fingerprint, door));
        match looked.await? {
            Ok(account) => {
                self.key = Some(kept);
                Ok(self.enter(account))
            }
            Err(_) => Ok(Auth::reject()),
        }
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> anyhow::Result<()> {
        if std::mem::replace(&mut self.opened, true) {
            let reason = "a connection to this console has one session".to_owned();
            reply.reject(ChannelOpenFailure::Other { code: 4, reason }).await;
            return Ok(());
        }
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        ssh: &mut Ssh,
    ) -> anyhow::Result<()> {
        self.pty = true;
        Ok(ssh.channel_success(channel)?)
    }

    async fn shell_request(&mut self, channel: ChannelId, ssh: &mut Ssh) -> anyhow::Result<()> {
        self.begin(channel, None, ssh)
    }

    async fn exec_request(&mut self, channel: ChannelId, command: &[u8], ssh: &mut Ssh) -> anyhow::Result<()> {
        // As what is typed: it stands in the audit log.
        let text = String::from_utf8_lossy(command);
        let letters = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let command: String = letters.take(crate::line::LONGEST).collect();
        self.begin(channel, Some(command), ssh)
    }

    async fn env_request(&mut self, channel: ChannelId, _: &str, _: &str, ssh: &mut Ssh) -> anyhow::Result<()> {
        // Clients send their language unasked; nothing here depends on it.
        Ok(ssh.channel_failure(channel)?)
    }

    async fn subsystem_request(&mut self, channel: ChannelId, name: &str, ssh: &mut Ssh) -> anyhow::Result<()> {
        let name: String = name.chars().filter(|c| c.is_ascii_graphic()).take(32).collect();
        self.no_request(&format!("subsystem {name}"), channel, ssh).await
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        ssh: &mut Ssh,
    ) -> anyhow::Result<()> {
        self.no_request("X11 forwarding", channel, ssh).await
    }

    async fn agent_request(&mut self, _: ChannelId, _: &mut Ssh) -> anyhow::Result<bool> {
        self.no("agent forwarding").await;
        Ok(false)
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> anyhow::Result<()> {
        self.no_tunnel("TCP forwarding", reply).await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> anyhow::Result<()> {
        self.no_tunnel("forwarding to a local socket", reply).await;
        Ok(())
    }

    async fn channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> anyhow::Result<()> {
        self.no_tunnel("X11 forwarding", reply).await;
        Ok(())
    }

    async fn channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Ssh,
    ) -> anyhow::Result<()> {
        self.no_tunnel("TCP forwarding", reply).await;
        Ok(())
    }

    async fn tcpip_forward(&mut self, _: &str, _: &mut u32, _: &mut Ssh) -> anyhow::Result<bool> {
        self.no("remote TCP forwarding").await;
        Ok(false)
    }

    async fn streamlocal_forward(&mut self, _: &str, _: &mut Ssh) -> anyhow::Result<bool> {
        self.no("remote forwarding of a local socket").await;
        Ok(false)
    }
}
