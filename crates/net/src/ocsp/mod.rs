//! OCSP with its sockets (RFC 6960 §A.1, RFC 5019 §5): who asks about certificates of the site's own CA is answered.

mod book;
mod responder;
#[cfg(test)]
mod tests;

pub(crate) use responder::Answering;
