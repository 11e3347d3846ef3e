//! The shipped binary, as it is used in a terminal.

mod runbook;
mod vxml;
