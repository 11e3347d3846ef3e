//! `<transfer>` (2.0 §2.3.7, 2.1 §8): the order, what the caller ends it with, and what became of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::grammars::{Active, Target};
use super::machine::{After, Flow, Machine, Thrown, Wait};
use super::{Output, TransferKind, TransferOrder, TransferOutcome};
use crate::document::{Document, ElementId, Tag};
use crate::grammar::{Meaning, Mode};

/// A transfer that is under way.
#[derive(Debug)]
pub(super) struct Transferring {
    pub(super) id: u64,
    /// Its own grammars: no others hold meanwhile (§2.3.7.2.2).
    active: Vec<Active>,
    keys: Vec<String>,
    /// The keys so far are all that there is.
    due: Option<Duration>,
    /// What the caller ended it with.
    ended: Option<Value>,
}

impl Transferring {
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.due
    }

    /// The first grammar that takes the keys, and whether any would take more.
    fn judge(&self) -> (Option<(Active, Meaning)>, bool) {
        let (mut first, mut more) = (None, false);
        for active in &self.active {
            let found = active.recogniser.judge(&self.keys);
            more |= found.more && !found.exploded;
            if let (None, Some(meaning)) = (&first, found.meaning) {
                first = Some((active.clone(), meaning));
            }
        }
        (first, more)
    }
}

fn kind(document: &Document, item: ElementId) -> TransferKind {
    match (document.attribute(item, "type"), document.boolean(item, "bridge")) {
        (Some("bridge"), _) | (None, Some(true)) => TransferKind::Bridge,
        (Some("consultation"), _) => TransferKind::Consultation,
        _ => TransferKind::Blind,
    }
}

impl Machine {
    /// Its grammars are there before anybody is called.
    pub(super) fn transfer_item(&mut self) -> Flow {
        if self.is_alone() {
            return Ok(());
        }
        if self.transfer_grammars()?.is_some() {
            self.flush(After::Transfer);
        }
        Ok(())
    }

    /// `None`: one was asked for.
    fn transfer_grammars(&mut self) -> Flow<Option<Vec<Active>>> {
        let (_, item) = self.current()?;
        let document = self.visit()?.document.clone();
        let mut active = Vec::new();
        if kind(&document, item) == TransferKind::Blind {
            return Ok(Some(active));
        }
        for id in document.of(item, Tag::Grammar).collect::<Vec<_>>() {
            match self.load(&document, id)? {
                Some(recogniser) => active.push(Active { recogniser, target: Target::Item }),
                None => return Ok(None),
            }
        }
        // Words of two people who talk are not listened to.
        active.retain(|one| one.recogniser.mode() == Mode::Dtmf);
        Ok(Some(active))
    }

    pub(super) fn is_transferring(&self) -> bool {
        self.visits.last().and_then(|visit| visit.item()).is_some_and(|item| item.tag == Tag::Transfer)
    }

    pub(super) fn begin_transfer(&mut self) {
        if let Err(thrown) = self.order_transfer() {
            self.throw(thrown);
        }
    }

    fn order_transfer(&mut self) -> Flow {
        let (_, item) = self.current()?;
        let document = self.visit()?.document.clone();
        let destination = self.either(&document, item, "dest", "destexpr")?.unwrap_or_default();
        if !destination.starts_with("sip:") && !destination.starts_with("sips:") && !destination.starts_with("tel:") {
            let words = format!("`{destination}`: expected a sip: or tel: address");
            return Err(Thrown::new("error.unsupported.uri", words));
        }
        let order = TransferOrder {
            kind: kind(&document, item),
            destination,
            connect_timeout: document.time(item, "connecttimeout"),
            max_time: document.time(item, "maxtime").filter(|time| !time.is_zero()),
            aai: self.either(&document, item, "aai", "aaiexpr")?,
            audio: document.attribute(item, "transferaudio").map(|audio| document.resolve(audio)),
        };
        let Some(active) = self.transfer_grammars()? else { return Ok(()) };
        // What was pressed before is no word about this.
        self.typed.clear();
        let id = self.id();
        self.say(Output::Transfer { id, order });
        let transferring = Transferring { id, active, keys: Vec::new(), due: None, ended: None };
        self.wait = Wait::Transfer(Box::new(transferring));
        Ok(())
    }

    pub(super) fn either(
        &mut self,
        document: &Arc<Document>,
        item: ElementId,
        plain: &str,
        expr: &str,
    ) -> Flow<Option<String>> {
        match (document.attribute(item, plain), document.attribute(item, expr)) {
            (Some(text), _) => Ok(Some(text.to_owned())),
            (None, Some(expr)) => self.script((document, item), |engine| engine.string(expr)).map(Some),
            (None, None) => Ok(None),
        }
    }

    // --- keys
    /// A key while the caller is being put through, or talks: what no grammar of the item takes is none of ours.
    pub(super) fn transfer_key(&mut self, key: char) -> Flow {
        let (now, between) = (self.now.mono, self.time_property("interdigittimeout"));
        let Wait::Transfer(transfer) = &mut self.wait else { return Ok(()) };
        if transfer.ended.is_some() {
            return Ok(());
        }
        transfer.due = None;
        transfer.keys.push(key.to_string());
        let (mut found, mut more) = transfer.judge();
        while found.is_none() && !more && !transfer.keys.is_empty() {
            // The last of them may begin what is waited for.
            transfer.keys.remove(0);
            (found, more) = transfer.judge();
        }
        match (transfer.keys.is_empty(), more) {
            (true, _) => Ok(()),
            (false, true) => {
                transfer.due = Some(now + between);
                Ok(())
            }
            (false, false) => self.end_transfer(found),
        }
    }

    pub(super) fn transfer_timed_out(&mut self) -> Flow {
        let now = self.now.mono;
        let Wait::Transfer(transfer) = &mut self.wait else { return Ok(()) };
        if transfer.due.take_if(|due| *due <= now).is_none() {
            return Ok(());
        }
        let (found, _) = transfer.judge();
        if found.is_none() {
            transfer.keys.clear();
        }
        self.end_transfer(found)
    }

    /// §2.3.7.2: the caller has had enough, by what they pressed.
    fn end_transfer(&mut self, found: Option<(Active, Meaning)>) -> Flow {
        let (Some((active, meaning)), Wait::Transfer(transfer)) = (found, &self.wait) else { return Ok(()) };
        let (id, utterance) = (transfer.id, transfer.keys.concat());
        let interpretation = self.interpretation(&active, meaning)?;
        let result = json!({
            "utterance": utterance,
            "confidence": 1.0,
            "inputmode": "dtmf",
            "interpretation": interpretation,
        });
        self.remember(std::slice::from_ref(&result))?;
        if let Wait::Transfer(transfer) = &mut self.wait {
            transfer.ended = Some(result);
            self.say(Output::EndTransfer { id });
        }
        Ok(())
    }

    // --- outcome
    pub(super) fn transferred(&mut self, id: u64, outcome: TransferOutcome) -> Flow {
        let ended = match &mut self.wait {
            Wait::Transfer(transfer) if transfer.id == id => transfer.ended.take(),
            _ => return Ok(()),
        };
        self.wait = Wait::Nothing;
        let (at, _) = self.current()?;
        let (word, seconds) = match outcome {
            TransferOutcome::Gone => {
                self.hung_up = true;
                return Err(Thrown::new("connection.disconnect.transfer", "the caller was transferred"));
            }
            TransferOutcome::FarEndDisconnect { seconds } => ("far_end_disconnect", seconds),
            TransferOutcome::NearEndDisconnect { seconds } => ("near_end_disconnect", seconds),
            TransferOutcome::MaxTime { seconds } => ("maxtime_disconnect", seconds),
            TransferOutcome::NetworkDisconnect { seconds } => ("network_disconnect", seconds),
            TransferOutcome::Busy => ("busy", 0),
            TransferOutcome::NetworkBusy => ("network_busy", 0),
            TransferOutcome::NoAnswer => ("noanswer", 0),
            TransferOutcome::Failed { event: None } => ("unknown", 0),
            TransferOutcome::Failed { event: Some(event) } => {
                return Err(Thrown::new(event, "the transfer was refused"));
            }
        };
        let mut shadow = json!({ "duration": seconds });
        // Who pressed a key while the far end hung up has not ended it.
        if let (Some(fields), Some(ended), "near_end_disconnect") = (shadow.as_object_mut(), ended, word) {
            for name in ["inputmode", "utterance"] {
                fields.insert(name.into(), ended.get(name).cloned().unwrap_or_default());
            }
        }
        self.fill(at, &json!(word), &shadow)
    }
}
