//! The passport: all hops' signed statements of one call in one file, verifiable offline.
//!
//! [`verify`] goes from the outside in and names the first thing that is wrong: the file, each statement (can it be
//! read, is it signed, by whom), then what the statements say together, hop by hop. Nothing in the file is believed
//! because it stands there: site, caller and time must be those of the statements, the roots must be the verifier's.

mod elsewhere;
mod hop;
mod media;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use trust::{CertificateFacts, Refusal};

use crate::record::Direction;
use crate::session_id::Uuid;
use crate::statement::{Signed, Statement, Unreadable};
use crate::verdict::{Kind, Signer, Verdict, Wrong};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passport {
    /// [`Passport::FORMAT`]
    pub format: String,
    pub site: String,
    pub caller: Uuid,
    /// That of the latest statement.
    pub made_ms: u64,
    /// Root certificates that the statements chain to, base64 DER. A verifier compares them with its own.
    pub roots: Vec<String>,
    pub statements: Vec<Signed>,
}

impl Passport {
    pub const FORMAT: &'static str = "ringfence-passport/1";

    /// Statements that cannot be read are kept as they are: to find fault is [`verify`]'s.
    pub fn bundle(site: impl Into<String>, caller: Uuid, roots_der: &[Vec<u8>], statements: Vec<Signed>) -> Passport {
        Passport {
            format: Passport::FORMAT.into(),
            site: site.into(),
            caller,
            made_ms: statements
                .iter()
                .filter_map(|signed| signed.statement().ok())
                .map(|s| s.made_ms)
                .max()
                .unwrap_or(0),
            roots: roots_der.iter().map(|der| STANDARD.encode(der)).collect(),
            statements,
        }
    }

    /// Callers in whose calls the other end of a leg may be told of: the leg was one of theirs, or went on with them, and
    /// none of these statements has that end.
    pub fn told_elsewhere(&self) -> Vec<Uuid> {
        elsewhere::callers(&self.read(), &self.caller)
    }

    /// Takes those of these statements, of other callers' calls, that tell of such a leg.
    pub fn add(&mut self, others: Vec<Signed>) {
        let own = self.read();
        let tells = |signed: &Signed| {
            signed
                .statement()
                .is_ok_and(|said| said.caller != self.caller && elsewhere::tells(&said, &own, &self.caller))
        };
        let taken: Vec<Signed> =
            others.into_iter().filter(|signed| !self.statements.contains(signed) && tells(signed)).collect();
        self.made_ms =
            taken.iter().filter_map(|signed| signed.statement().ok()).map(|s| s.made_ms).fold(self.made_ms, u64::max);
        self.statements.extend(taken);
    }

    fn read(&self) -> Vec<Statement> {
        self.statements.iter().filter_map(|signed| signed.statement().ok()).collect()
    }

    /// As it is written to a file.
    pub fn to_json(&self) -> String {
        // Strings and numbers in structs: there is nothing here that JSON cannot hold.
        let mut text = serde_json::to_string_pretty(self).expect("a passport is plain data");
        text.push('\n');
        text
    }

    pub fn from_json(bytes: &[u8]) -> Result<Passport, Unreadable> {
        serde_json::from_slice(bytes).map_err(|e| Unreadable(format!("not a passport: {e}")))
    }
}

/// Verifies a passport file. `own_roots`: the root certificates (DER) that the verifier trusts; without them the file's
/// own are taken, which shows that the statements fit together but not who made them, and the verdict says so.
/// `at`: the verifier's time; no statement may be later. Certificates are judged at the time of their statement.
pub fn verify_file(bytes: &[u8], own_roots: Option<&[Vec<u8>]>, at: SystemTime) -> Verdict {
    match Passport::from_json(bytes) {
        Ok(passport) => verify(&passport, own_roots, at),
        Err(why) => {
            let mut verdict = Verdict::of(String::new(), Uuid::nil(), 0, own_roots.is_some());
            verdict.wrong = Some(Wrong::new(Kind::Format, "the file", why.0));
            verdict
        }
    }
}

/// [`verify_file`] of a passport that was read already.
pub fn verify(passport: &Passport, own_roots: Option<&[Vec<u8>]>, at: SystemTime) -> Verdict {
    verify_with(passport, own_roots, at, &trust::verify_signature)
}

/// Chain, roots, message, signature, time: whose signature it is.
type Check<'a> = &'a dyn Fn(&[Vec<u8>], &[Vec<u8>], &[u8], &[u8], SystemTime) -> Result<CertificateFacts, Refusal>;

fn verify_with(passport: &Passport, own_roots: Option<&[Vec<u8>]>, at: SystemTime, check: Check<'_>) -> Verdict {
    let mut verdict =
        Verdict::of(passport.site.clone(), passport.caller.clone(), passport.made_ms, own_roots.is_some());
    let statements = match read(passport, own_roots, at, check, &mut verdict.signers) {
        Ok(statements) => statements,
        Err(wrong) => {
            verdict.wrong = Some(wrong);
            return verdict;
        }
    };
    let (own, others): (Vec<_>, Vec<_>) =
        statements.iter().cloned().partition(|statement| statement.caller == passport.caller);
    verdict.hops = hop::judge(&own, &others, &passport.caller);
    verdict.media = media::judge(&own);
    let of_hops = verdict.hops.iter().flat_map(|hop| &hop.wrong);
    let of_media = verdict.media.iter().flat_map(|path| &path.wrong);
    verdict.wrong = of_hops.chain(of_media).next().cloned().or_else(|| wrong_time(passport, &statements));
    verdict
}

/// Everything about the file and each statement by itself.
fn read(
    passport: &Passport,
    own_roots: Option<&[Vec<u8>]>,
    at: SystemTime,
    check: Check<'_>,
    signers: &mut Vec<Signer>,
) -> Result<Vec<Statement>, Wrong> {
    let file = |kind, what: String| Wrong::new(kind, "the file", what);
    if passport.format != Passport::FORMAT {
        return Err(file(
            Kind::Format,
            format!("format is {:?}, this program reads {:?}", passport.format, Passport::FORMAT),
        ));
    }
    if passport.statements.is_empty() {
        return Err(file(Kind::NoStatement, "it holds no statement, so it proves nothing".into()));
    }
    let named: Result<Vec<Vec<u8>>, _> = passport.roots.iter().map(|root| STANDARD.decode(root)).collect();
    let named = named.map_err(|e| file(Kind::Root, format!("a root certificate is not base64: {e}")))?;
    if let Some(own) = own_roots
        && let Some(at) = named.iter().position(|root| !own.contains(root))
    {
        return Err(file(
            Kind::Root,
            format!("root certificate {} of {} is not one that you trust", at + 1, named.len()),
        ));
    }
    let roots = own_roots.unwrap_or(&named);
    let mut statements: Vec<Statement> = Vec::new();
    for (number, signed) in passport.statements.iter().enumerate() {
        let (statement, certificate) = read_one(number, signed, roots, check)?;
        let place = format!("the statement of {}", statement.node);
        if statement.site != passport.site {
            return Err(Wrong::new(
                Kind::Site,
                &place,
                format!("it is of site {:?}, the passport of {:?}", statement.site, passport.site),
            ));
        }
        if UNIX_EPOCH + Duration::from_millis(statement.made_ms) > at + CLOCKS_DIFFER {
            return Err(Wrong::new(
                Kind::Time,
                &place,
                "it was made in the future: set this clock right, or that node's".into(),
            ));
        }
        if statements.iter().any(|other| other.node == statement.node && tell_of_one_leg(other, &statement)) {
            return Err(Wrong::new(
                Kind::Duplicate,
                &place,
                "there is another that tells of the same leg: a node has one word on it".into(),
            ));
        }
        signers.push(Signer {
            node: statement.node.clone(),
            role: statement.role.clone(),
            subject: certificate.subject,
            fingerprint: certificate.fingerprint,
            made_ms: statement.made_ms,
        });
        statements.push(statement);
    }
    let stray = statements.iter().find(|statement| {
        statement.caller != passport.caller && !elsewhere::tells(statement, &statements, &passport.caller)
    });
    match stray {
        Some(statement) => Err(Wrong::new(
            Kind::Caller,
            &format!("the statement of {}", statement.node),
            format!("it is of another call: caller {}, the passport's is {}", statement.caller.0, passport.caller.0),
        )),
        None => Ok(statements),
    }
}

/// The file's own time is not signed: it must be that of the latest statement. Said last, because a statement that was
/// taken out shows here too, and better elsewhere.
fn wrong_time(passport: &Passport, statements: &[Statement]) -> Option<Wrong> {
    let latest = statements.iter().map(|statement| statement.made_ms).max().unwrap_or(0);
    let what = format!("it says it was made at {}, its latest statement at {latest}", passport.made_ms);
    (passport.made_ms != latest).then(|| Wrong::new(Kind::Time, "the file", what))
}

/// A node may have had several calls of one caller, each with its statement; of one leg it speaks once.
fn tell_of_one_leg(a: &Statement, b: &Statement) -> bool {
    let ids = |statement: &Statement| -> Vec<(String, Direction)> {
        statement.legs.iter().map(|leg| (leg.sip_call_id.clone(), leg.direction)).collect()
    };
    let known = ids(a);
    *a == *b || ids(b).iter().any(|id| known.contains(id))
}

/// How far the clock of a node may be ahead of the verifier's.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

/// One statement: read, signed, by the node that it says.
fn read_one(
    number: usize,
    signed: &Signed,
    roots: &[Vec<u8>],
    check: Check<'_>,
) -> Result<(Statement, CertificateFacts), Wrong> {
    let unreadable = |why: Unreadable| Wrong::new(Kind::Unreadable, &format!("statement {}", number + 1), why.0);
    let payload = signed.payload().map_err(unreadable)?;
    let signature = signed.signature().map_err(unreadable)?;
    let chain = signed.chain_der().map_err(unreadable)?;
    let statement = Statement::from_bytes(&payload).map_err(unreadable)?;
    let place = format!("the statement of {}", statement.node);
    let made = UNIX_EPOCH + Duration::from_millis(statement.made_ms);
    let certificate = check(&chain, roots, &payload, &signature, made).map_err(|refusal| {
        Wrong::new(
            Kind::Signature,
            &place,
            format!("{}: expected {}, found {}", refusal.rule, refusal.expected, refusal.presented),
        )
    })?;
    match certificate.node() {
        Some(node) if node == statement.node => Ok((statement, certificate)),
        Some(node) => Err(Wrong::new(
            Kind::Identity,
            &place,
            format!("it is signed by the identity of node {node} ({})", certificate.subject),
        )),
        None => Err(Wrong::new(
            Kind::Identity,
            &place,
            format!("it is signed by {}, which is no node's identity", certificate.subject),
        )),
    }
}

#[cfg(test)]
mod tests;
