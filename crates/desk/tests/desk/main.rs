//! The desk as its clients meet it.

mod centre;
mod dialogs;
mod https;
mod lab;
mod objects;
mod open_id;
mod openapi;
mod provider;
mod states;
mod xmpp;
mod xmpp_bosh;
