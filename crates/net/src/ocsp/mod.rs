//! OCSP with its sockets (RFC 6960 §A.1, RFC 5019 §5): who asks about certificates of the site's own CA is
//! answered, and authorities of peers are asked.

mod asker;
mod book;
mod exchange;
mod kept;
mod responder;
#[cfg(test)]
mod tests;

pub(crate) use asker::Asker;
pub(crate) use responder::Answering;
