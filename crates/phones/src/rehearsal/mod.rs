//! Rehearsal: what a change of certificates or of mode would do to each phone, judged from what it holds, before anything
//! is changed.
//!
//! A phone that starts reads its ITL and its CTL (each believed by a signer that it knows, or by TVS, which it must know),
//! then its configuration, then goes to CAPF, then registers. Whatever fails on that way keeps it out.

mod change;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

pub use self::change::{Change, Proof, Root, Standing, Which};
use self::change::{at, named};
use crate::list::signs_lists;
use crate::{Certificate, Function, Holding, Kind, Mode, Record, TrustList};

/// A phone, as far as it is known.
#[derive(Clone, Debug)]
pub struct Known {
    pub device: String,
    /// The lists that it holds; `None`: nobody knows.
    pub holding: Option<Holding>,
    pub proof: Proof,
    /// Its profile means TLS.
    pub secure: bool,
    /// CAPF will give it a certificate when it next comes.
    pub enrols: bool,
}

/// What becomes of a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Keeps(How),
    /// Each thing that it would no longer believe, or not be believed for.
    Lost(Vec<Loss>),
    /// Nothing is known of what it holds.
    Unknown,
}

/// How a phone comes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// What it holds is enough.
    AsItIs,
    /// Once it has read the new lists, which it believes by their signature.
    ByNewLists,
    /// As before, but TVS must vouch for who signed them.
    ByTvs,
    /// It holds no list, and believes the first that it reads.
    OnFirstUse,
}

impl How {
    pub fn words(self) -> &'static str {
        match self {
            How::AsItIs => "nothing changes for it",
            How::ByNewLists => "keeps trust once it has read the new lists",
            How::ByTvs => "keeps trust once TVS has vouched for who signed the new lists",
            How::OnFirstUse => "holds no list, and takes the first that it reads",
        }
    }
}

/// One thing that a phone would no longer believe, or not be believed for. The texts name certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It holds a newer one.
    OlderList(Kind),
    /// Its lists know the signer, as something that may not sign lists.
    MayNotSign(Kind, String),
    /// Neither the signer nor the TVS that could vouch for it is in a list that it holds.
    UnknownSigner {
        list: Kind,
        signer: String,
        tvs: String,
    },
    /// TVS would not vouch for the signer.
    NotVouched(Kind, String),
    /// Who signs configuration is in no list that it holds.
    Files(String),
    Capf(String),
    /// What the call manager shows is not in its CTL.
    CallManager(String),
    /// It has no certificate to show, and none is ordered for it.
    NoCertificate,
    /// Its certificate is believed no more, and why.
    Certificate(String),
    /// Its certificate is of the site's own CA, which goes.
    SiteCertificate,
    /// The cluster is not in mixed mode, and the phone's profile means TLS.
    NoSecurity,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::OlderList(kind) => write!(f, "it holds a newer {} than it would be given", kind.word()),
            Loss::MayNotSign(kind, signer) => {
                write!(f, "its lists know {signer}, but not as one that signs an {}", kind.word())
            }
            Loss::UnknownSigner { list, signer, tvs } => write!(
                f,
                "no list that it holds has {signer}, who will sign the {}, nor {tvs}, the TVS that could vouch for it",
                list.word()
            ),
            Loss::NotVouched(kind, signer) => {
                write!(
                    f,
                    "no list that it holds has {signer}, who will sign the {}, and TVS does not vouch for it",
                    kind.word()
                )
            }
            Loss::Files(signer) => write!(f, "no list that it holds has {signer}, who will sign its configuration"),
            Loss::Capf(shown) => write!(f, "no list that it holds has {shown}, which CAPF will show"),
            Loss::CallManager(shown) => write!(f, "its CTL does not have {shown}, which the call manager will show"),
            Loss::NoCertificate => {
                f.write_str("it has no certificate (LSC), its profile asks for one, and no operation is ordered for it")
            }
            Loss::Certificate(why) => write!(f, "its certificate (LSC) {why}"),
            Loss::SiteCertificate => f.write_str("its certificate is of the site's own CA, which is believed no more"),
            Loss::NoSecurity => f.write_str("its profile means TLS, and the cluster is not in mixed mode"),
        }
    }
}

impl Loss {
    /// What to do about it before the change.
    pub fn remedy(&self) -> &'static str {
        match self {
            Loss::OlderList(_) => {
                "`ringfence utils ctl update CTLFile`, or `itl reset localkey`, writes one that is newer"
            }
            Loss::MayNotSign(..) | Loss::UnknownSigner { .. } | Loss::NotVouched(..) => {
                "have it read today's lists first (reset it); one that was off for too long has its lists erased by hand"
            }
            Loss::Files(_) | Loss::Capf(_) | Loss::CallManager(_) => "have it read today's lists first: reset it",
            Loss::NoCertificate | Loss::Certificate(_) => {
                "order `certificate_operation = \"install_upgrade\"` for it, and reset it"
            }
            Loss::SiteCertificate => "give it a certificate of CAPF, or issue it one of the new CA",
            Loss::NoSecurity => "leave the cluster in mixed mode, or give it a non-secure profile",
        }
    }
}

/// What is in a phone's lists, as the rehearsal goes on.
struct Trusts<'a> {
    itl: Option<&'a TrustList>,
    ctl: Option<&'a TrustList>,
}

impl<'a> Trusts<'a> {
    fn records(&self) -> impl Iterator<Item = &'a Record> {
        self.itl.into_iter().chain(self.ctl).flat_map(TrustList::records)
    }

    fn has(&self, certificate: &Certificate, good: impl Fn(Function) -> bool) -> bool {
        self.records().any(|record| record.certificate() == Some(certificate) && good(record.function()))
    }

    fn slot(&mut self, kind: Kind) -> &mut Option<&'a TrustList> {
        match kind {
            Kind::Itl => &mut self.itl,
            Kind::Ctl => &mut self.ctl,
        }
    }

    /// Takes the list that is served, if the phone would.
    fn take(&mut self, list: &'a TrustList, after: &Standing, now: i64) -> Result<How, Loss> {
        let kind = list.kind();
        if self.itl.is_none() && self.ctl.is_none() {
            *self.slot(kind) = Some(list);
            return Ok(How::OnFirstUse);
        }
        if let Some(held) = *self.slot(kind) {
            if held.octets() == list.octets() {
                return Ok(How::AsItIs);
            }
            if list.header().timestamp < held.header().timestamp {
                return Err(Loss::OlderList(kind));
            }
            if says_the_same(held, list) {
                return Ok(How::AsItIs);
            }
        }
        let signer = &list.header().signer;
        let named_signer = || {
            let own = list.certificates().into_iter().find(|certificate| signer.is(certificate));
            own.map_or_else(|| format!("serial {}", signer.serial), named)
        };
        let roles: Vec<Function> = self
            .records()
            .filter(|record| record.certificate().is_some_and(|certificate| signer.is(certificate)))
            .map(Record::function)
            .collect();
        let how = match roles.iter().any(|role| signs_lists(*role)) {
            true => How::ByNewLists,
            false if !roles.is_empty() => return Err(Loss::MayNotSign(kind, named_signer())),
            false => {
                if !self.has(&after.tvs, |function| function == Function::Tvs) {
                    let (signer, tvs) = (named_signer(), named(&after.tvs));
                    return Err(Loss::UnknownSigner { list: kind, signer, tvs });
                }
                let own = list.certificates().into_iter().find(|certificate| signer.is(certificate));
                let vouched = own.is_some_and(|own| after.directory.vouches(own, Function::Sast, now));
                if !vouched {
                    return Err(Loss::NotVouched(kind, named_signer()));
                }
                How::ByTvs
            }
        };
        *self.slot(kind) = Some(list);
        Ok(how)
    }
}

/// Only the date is another: written again, it would be no news to the phone.
fn says_the_same(held: &TrustList, list: &TrustList) -> bool {
    let same_signer = held.header().signer == list.header().signer;
    let fields = |list: &TrustList| list.records().iter().map(|record| record.fields().to_vec()).collect::<Vec<_>>();
    same_signer && fields(held) == fields(list)
}

/// What becomes of a phone when it next starts, things standing as `after` says. `now`: seconds since 1970.
pub fn rehearse(phone: &Known, after: &Standing, now: i64) -> Verdict {
    let Some(holding) = &phone.holding else { return Verdict::Unknown };
    let mut trusts = Trusts { itl: holding.list(Kind::Itl), ctl: holding.list(Kind::Ctl) };
    let (mut losses, mut how) = (Vec::new(), How::AsItIs);
    for list in std::iter::once(&after.itl).chain(&after.ctl) {
        match trusts.take(list, after, now) {
            Ok(taken) => how = how.max(taken),
            Err(loss) => losses.push(loss),
        }
    }
    if !trusts.has(&after.signs_files, Function::signs_files) {
        losses.push(Loss::Files(named(&after.signs_files)));
    }
    if (phone.secure || phone.enrols) && !trusts.has(&after.capf, |function| function == Function::Capf) {
        losses.push(Loss::Capf(named(&after.capf)));
    }
    if phone.secure {
        losses.extend(registration(phone, &trusts, after, now));
    }
    if losses.is_empty() { Verdict::Keeps(how) } else { Verdict::Lost(losses) }
}

fn registration(phone: &Known, trusts: &Trusts<'_>, after: &Standing, now: i64) -> Vec<Loss> {
    if after.mode == Mode::NonSecure {
        return vec![Loss::NoSecurity];
    }
    let mut losses = Vec::new();
    let in_ctl = trusts.ctl.is_some_and(|ctl| {
        ctl.of(Function::CallManagerAndTftp).any(|record| record.certificate() == Some(&after.shows))
    });
    if !in_ctl {
        losses.push(Loss::CallManager(named(&after.shows)));
    }
    match &phone.proof {
        Proof::SiteCertificate if !after.believes_ca => losses.push(Loss::SiteCertificate),
        Proof::Lsc(None) if !phone.enrols => losses.push(Loss::NoCertificate),
        proof => losses.extend(proof.lsc().filter(|_| !phone.enrols).and_then(|lsc| distrusted(lsc, after, now))),
    }
    losses
}

fn distrusted(lsc: &[u8], after: &Standing, now: i64) -> Option<Loss> {
    let refusal = trust::verify_chain(&[lsc.to_vec()], &after.authorities, at(now)).err()?;
    Some(Loss::Certificate(match refusal.cause.as_str() {
        "expired" => "has expired".into(),
        "unknown_ca" => "was issued by an authority that is believed no more".into(),
        other => format!("is refused: {other}"),
    }))
}
