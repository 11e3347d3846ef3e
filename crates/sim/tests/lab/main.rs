//! The simulated lab: whole calls over bad networks, in virtual time.

mod call_control;
mod chaos;
mod conference;
mod contact_centre;
mod domains;
mod flow;
mod passport;
mod steps;
mod storm;
mod vxml;
