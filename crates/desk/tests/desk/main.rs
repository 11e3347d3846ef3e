//! The desk as its clients meet it.

mod centre;
mod dialogs;
mod https;
mod objects;
mod states;
