//! The shipped binary, as it is used in a terminal.

mod acme;
mod output;
mod pkcs11;
mod runbook;
mod vxml;
