//! Simulation: whole estates of nodes in virtual time, over simulated connections and the real media engine.
//!
//! Development only. `rig` connects nodes by their inputs and outputs; time goes from event to event, so an hour of
//! call time costs seconds; everything random comes from one seed. `storm` lets bad weather loose on them.

pub mod rig;
pub mod storm;
