//! The shipped binary, as it is used in a terminal.

mod output;
mod pkcs11;
mod runbook;
mod vxml;
