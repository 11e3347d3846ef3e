//! Ringfence against programs that others wrote. Needs root; see `interop::requirements`.

mod harness;
mod harness_media;
mod harness_strangers;
