//! Administration: every way to look at a running site and to change it.
//!
//! [`link`] is the control link (REST over mutual TLS, one listener a node) and its client; [`show`] writes what border
//! controllers' and call managers' engineers know; [`ladder`] draws a call; [`estate`] is the way to all nodes of a site;
//! [`guide`] says how a site is brought up; [`certificates`] what becomes of certificates;
//! [`cli`] is the grammar of the command line.

pub mod api;
pub mod certificates;
pub mod cli;
pub mod estate;
pub mod guide;
pub mod ladder;
pub mod link;
mod openapi;
pub mod services;
pub mod show;
