//! How packets travel: protected, in clear, or not at all, as types. [`Secure`] cannot be made without keys and has no
//! method that takes or gives a packet past them.

use std::time::Duration;

use sdp::{Keying, MasterKey, Suite};

use crate::facts::Counters;
use crate::srtp::{Failure, Inbound, KeyLength, Outbound};

/// How long packets under the previous remote key are still taken: the peer switches when our answer reaches it.
const PREVIOUS_KEY: Duration = Duration::from_secs(2);
/// Datagrams that we take, at most.
const MOST: usize = 2048;

pub(super) enum Carrier {
    Secure(Box<Secure>),
    /// Agreed to be secure, and the handshake goes on, or has failed: there is no key to pass a packet under.
    Waiting,
    /// Only after [`Keying::Clear`], which only a loud policy negotiates.
    Clear,
}

pub(super) struct Secure {
    suite: Suite,
    local: MasterKey,
    remote: MasterKey,
    outbound: Outbound,
    inbound: Inbound,
    previous: Option<(Inbound, Duration)>,
}

/// What a change of keys means for the stream's own packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing changed.
    Same,
    /// The peer's key changed; ours and our SSRC go on.
    RemoteKey,
    /// Our key changed: the stream goes on under the new SSRC.
    LocalKey,
}

impl Carrier {
    pub(super) fn new(keying: &Keying, ssrc: u32) -> Result<Carrier, KeyLength> {
        Ok(match keying {
            Keying::Clear => Carrier::Clear,
            Keying::Dtls(_) => Carrier::Waiting,
            Keying::Sdes { suite, local, remote, .. } => Carrier::secure(*suite, local, remote, ssrc)?,
        })
    }

    pub(super) fn secure(suite: Suite, local: &MasterKey, remote: &MasterKey, ssrc: u32) -> Result<Carrier, KeyLength> {
        Ok(Carrier::Secure(Box::new(Secure {
            suite,
            local: local.clone(),
            remote: remote.clone(),
            outbound: Outbound::new(suite, local, ssrc)?,
            inbound: Inbound::new(suite, remote)?,
            previous: None,
        })))
    }

    /// Takes the keys of a new agreement. Unchanged keys keep their rollover counters and replay windows.
    pub(super) fn change(&mut self, keying: &Keying, fresh_ssrc: u32, now: Duration) -> Result<Change, KeyLength> {
        match (&mut *self, keying) {
            (Carrier::Secure(secure), Keying::Sdes { suite, local, remote, .. }) => {
                secure.rekey(*suite, local, remote, fresh_ssrc, now)
            }
            (Carrier::Clear, Keying::Clear) => Ok(Change::Same),
            _ => {
                *self = Carrier::new(keying, fresh_ssrc)?;
                Ok(Change::LocalKey)
            }
        }
    }

    /// Opens `buffer[..len]` in place; the new length.
    pub(super) fn open(&mut self, buffer: &mut [u8], len: usize, now: Duration) -> Result<usize, Failure> {
        match self {
            Carrier::Secure(secure) => secure.open(buffer, len, now, Inbound::open),
            Carrier::Waiting => Err(Failure::NoKey),
            Carrier::Clear => Ok(len),
        }
    }

    pub(super) fn open_rtcp(&mut self, buffer: &mut [u8], len: usize, now: Duration) -> Result<usize, Failure> {
        match self {
            Carrier::Secure(secure) => secure.open(buffer, len, now, Inbound::open_rtcp),
            Carrier::Waiting => Err(Failure::NoKey),
            Carrier::Clear => Ok(len),
        }
    }

    /// Makes `buffer[..len]` ready for the wire; the new length.
    pub(super) fn seal(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Failure> {
        match self {
            Carrier::Secure(secure) => secure.outbound.seal(buffer, len),
            Carrier::Waiting => Err(Failure::NoKey),
            Carrier::Clear => Ok(len),
        }
    }

    pub(super) fn seal_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Failure> {
        match self {
            Carrier::Secure(secure) => secure.outbound.seal_rtcp(buffer, len),
            Carrier::Waiting => Err(Failure::NoKey),
            Carrier::Clear => Ok(len),
        }
    }

    /// Counts a packet as what it was.
    pub(super) fn count(&self, counters: &mut Counters, octets: usize) {
        match self {
            Carrier::Secure(_) => counters.protected += 1,
            // Never asked: nothing passes.
            Carrier::Waiting => {}
            Carrier::Clear => counters.clear += 1,
        }
        counters.octets += octets as u64;
    }

    pub(super) fn suite(&self) -> Option<Suite> {
        match self {
            Carrier::Secure(secure) => Some(secure.suite),
            Carrier::Waiting | Carrier::Clear => None,
        }
    }
}

impl Secure {
    fn rekey(
        &mut self,
        suite: Suite,
        local: &MasterKey,
        remote: &MasterKey,
        fresh_ssrc: u32,
        now: Duration,
    ) -> Result<Change, KeyLength> {
        let mut change = Change::Same;
        if suite == self.suite && remote.same_secret(&self.remote) {
            // Its packets go on, and none of them is taken twice.
            if *remote != self.remote {
                self.inbound.amend(remote);
                self.remote = remote.clone();
            }
        } else {
            let next = Inbound::rekeyed(suite, remote, &self.inbound)?;
            let before = std::mem::replace(&mut self.inbound, next);
            self.previous = Some((before, now + PREVIOUS_KEY));
            self.remote = remote.clone();
            change = Change::RemoteKey;
        }
        if suite != self.suite || !local.same_secret(&self.local) {
            self.outbound = Outbound::new(suite, local, fresh_ssrc)?;
            self.local = local.clone();
            change = Change::LocalKey;
        }
        self.suite = suite;
        Ok(change)
    }

    fn open(
        &mut self,
        buffer: &mut [u8],
        len: usize,
        now: Duration,
        open: fn(&mut Inbound, &mut [u8], usize) -> Result<usize, Failure>,
    ) -> Result<usize, Failure> {
        self.previous.take_if(|(_, until)| *until <= now);
        let Some((previous, _)) = &mut self.previous else {
            return open(&mut self.inbound, buffer, len);
        };
        // A failed attempt spoils the packet, so the second key gets a copy.
        let mut copy = [0; MOST];
        let spare = copy.get_mut(..len).ok_or(Failure::Malformed)?;
        spare.copy_from_slice(buffer.get(..len).ok_or(Failure::Malformed)?);
        match open(&mut self.inbound, buffer, len) {
            Ok(opened) => Ok(opened),
            Err(failure) => {
                let opened = open(previous, spare, len).map_err(|_| failure)?;
                if let (Some(to), Some(from)) = (buffer.get_mut(..opened), spare.get(..opened)) {
                    to.copy_from_slice(from);
                }
                Ok(opened)
            }
        }
    }
}
