//! What the administrator wants done with a phone's certificate, and how far it is: the "CAPF Information" of a phone's
//! page, in its words.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::crypto::same;

/// Certificate Operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    #[default]
    None,
    InstallUpgrade,
    Delete,
    /// Fetch the certificate that the phone has.
    Troubleshoot,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::None => "No Pending Operation",
            Operation::InstallUpgrade => "Install/Upgrade",
            Operation::Delete => "Delete",
            Operation::Troubleshoot => "Troubleshoot",
        })
    }
}

/// Certificate Operation Status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    None,
    Pending,
    InProgress,
    Success(Operation),
    Failed(Operation),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |operation: &Operation| match operation {
            Operation::InstallUpgrade => "Upgrade",
            Operation::Delete => "Delete",
            Operation::Troubleshoot => "Troubleshoot",
            Operation::None => "Operation",
        };
        match self {
            Status::None => f.write_str("None"),
            Status::Pending => f.write_str("Operation Pending"),
            Status::InProgress => f.write_str("Operation In Progress"),
            Status::Success(operation) => write!(f, "{} Success", word(operation)),
            Status::Failed(operation) => write!(f, "{} Failed", word(operation)),
        }
    }
}

/// Authentication Mode. By its numbers in `capfAuthMode` of a phone's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    AuthenticationString,
    NullString,
    ExistingLsc,
    ExistingMic,
}

impl AuthMode {
    pub fn code(self) -> u8 {
        match self {
            AuthMode::AuthenticationString => 1,
            AuthMode::NullString => 2,
            AuthMode::ExistingLsc => 3,
            AuthMode::ExistingMic => 4,
        }
    }
}

impl fmt::Display for AuthMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AuthMode::AuthenticationString => "By Authentication String",
            AuthMode::NullString => "By Null String",
            AuthMode::ExistingLsc => "By Existing Certificate (Precedence to LSC)",
            AuthMode::ExistingMic => "By Existing Certificate (Precedence to MIC)",
        })
    }
}

/// A curve, by its number in CURVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub fn of_code(code: u8) -> Option<Curve> {
        [Curve::P256, Curve::P384, Curve::P521].into_iter().find(|curve| curve.code() == code)
    }

    pub fn code(self) -> u8 {
        match self {
            Curve::P256 => 0,
            Curve::P384 => 1,
            Curve::P521 => 2,
        }
    }

    pub fn bits(self) -> usize {
        match self {
            Curve::P256 => 256,
            Curve::P384 => 384,
            Curve::P521 => 521,
        }
    }
}

/// Key Order, and the size that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyOrder {
    /// Bits: 2048, 3072 or 4096.
    RsaOnly(u16),
    EcOnly(Curve),
    /// EC where the phone can (it says so by its version), else RSA of so many bits.
    EcPreferred(Curve, u16),
}

/// An authentication string: kept as a hash, compared in constant time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret([u8; 32]);

impl Secret {
    /// 4 to 16 digits, as a phone's keypad can enter them.
    pub fn new(device: &str, digits: &str) -> Option<Secret> {
        let fits = (4..=16).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
        fits.then(|| Secret::hash(device, digits))
    }

    fn hash(device: &str, digits: &str) -> Secret {
        let mut hash = Sha256::new();
        hash.update(device.as_bytes());
        hash.update([0]);
        hash.update(digits.as_bytes());
        Secret(hash.finalize().into())
    }

    pub(super) fn is(&self, device: &str, digits: &str) -> bool {
        same(&self.0, &Secret::hash(device, digits).0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the administrator orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub operation: Operation,
    pub mode: AuthMode,
    /// For [`AuthMode::AuthenticationString`]; good for one enrolment.
    pub secret: Option<Secret>,
    pub key: KeyOrder,
    /// Operation Completes By, in seconds since 1970: past it the operation does not run.
    pub completes_by: u64,
}

/// A phone's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    pub device: String,
    pub order: Option<Order>,
    pub status: Status,
    /// Why the last operation failed, in words.
    pub reason: Option<String>,
    /// Wrong authentication strings in a row.
    pub wrong: u32,
    /// Until when no authentication string is looked at, in seconds since 1970.
    pub locked_until: u64,
    /// The LSC last issued or fetched (DER).
    pub certificate: Option<Vec<u8>>,
}

impl Enrolment {
    /// A phone that nothing is ordered for.
    pub fn new(device: &str) -> Enrolment {
        Enrolment {
            device: device.to_owned(),
            order: None,
            status: Status::None,
            reason: None,
            wrong: 0,
            locked_until: 0,
            certificate: None,
        }
    }

    /// Certificate Operation.
    pub fn operation(&self) -> Operation {
        self.order.as_ref().map_or(Operation::None, |order| order.operation)
    }

    /// The administrator orders; what was ordered before is forgotten, and guesses with it.
    pub fn order(&mut self, order: Order) {
        self.status = if order.operation == Operation::None { Status::None } else { Status::Pending };
        self.order = (order.operation != Operation::None).then_some(order);
        (self.reason, self.wrong, self.locked_until) = (None, 0, 0);
    }

    /// The operation is over, either way: it runs once.
    pub(super) fn finish(&mut self, outcome: Result<(), String>) {
        let operation = self.operation();
        self.order = None;
        match outcome {
            Ok(()) => (self.status, self.reason) = (Status::Success(operation), None),
            Err(words) => (self.status, self.reason) = (Status::Failed(operation), Some(words)),
        }
    }
}
