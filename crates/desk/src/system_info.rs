//! SystemInfo: what everybody may know, logged in or not.

use crate::centre::Centre;
use crate::xml::Xml;
use crate::xmpp;

pub(crate) const URI: &str = "/finesse/api/SystemInfo";

pub(crate) fn body(centre: &Centre) -> String {
    let mut xml = Xml::default();
    xml.within("SystemInfo", |xml| {
        xml.time("currentTimestamp", centre.now_ms);
        xml.leaf("deploymentType", "UCCE");
        // Who is out of service does not say so here: every answer is 503 then.
        xml.leaf("status", "IN_SERVICE");
        xml.leaf("statusReason", "");
        xml.within("primaryNode", |xml| xml.leaf("host", &centre.book.host));
        xml.leaf("xmppDomain", &centre.book.host);
        xml.leaf("xmppPubSubDomain", &xmpp::pubsub(&centre.book.host));
        xml.leaf("systemAuthMode", "NON_SSO");
        xml.leaf("timezoneOffset", "0");
        xml.leaf("uri", URI);
    });
    xml.text()
}
