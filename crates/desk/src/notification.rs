//! Notifications: what is told at an event node, as the API's `Update`.

use crate::error::Problem;
use crate::xml::Xml;

/// What happened to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Post,
    Put,
    Delete,
}

/// Told at one node, which is a path of the API: `/finesse/api/User/1001/Dialogs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    pub node: String,
    /// `<Update>…`, one line.
    pub update: String,
}

impl Notification {
    pub(crate) fn new(
        node: &str,
        event: Event,
        source: &str,
        request_id: &str,
        data: impl FnOnce(&mut Xml),
    ) -> Notification {
        let mut xml = Xml::default();
        xml.within("Update", |xml| {
            xml.within("data", data);
            xml.leaf(
                "event",
                match event {
                    Event::Post => "POST",
                    Event::Put => "PUT",
                    Event::Delete => "DELETE",
                },
            );
            xml.leaf("requestId", request_id);
            xml.leaf("source", source);
        });
        Notification { node: node.to_owned(), update: xml.text() }
    }

    /// A request that was accepted came to nothing.
    pub(crate) fn error(node: &str, source: &str, problem: &Problem) -> Notification {
        Notification::new(node, Event::Put, source, "", |xml| problem.write_later(xml))
    }

    /// The same, for the request that bore this `requestId`.
    pub(crate) fn of_request(mut self, request_id: &str) -> Notification {
        let mut id = Xml::default();
        id.leaf("requestId", request_id);
        self.update = self.update.replacen("<requestId></requestId>", &id.text(), 1);
        self
    }
}
