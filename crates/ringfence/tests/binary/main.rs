//! The shipped binary, as it is used in a terminal.

mod output;
mod runbook;
mod vxml;
