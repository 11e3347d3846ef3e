//! What MRCPv2 messages are, by RFC 6787's own examples and by hostile bytes.

mod corpus;
mod exercise;
mod rfc6787;
