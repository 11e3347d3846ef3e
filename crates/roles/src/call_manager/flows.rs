//! What a REGISTER asks for beyond a binding, and what it is told: several flows of one device (RFC 5626), the way between
//! (RFC 3327), and names that lead to this very device (RFC 5627).

use sip::{Headers, Name, NameAddr, Request, Status};

use super::bindings::{Binding, Instance};

/// Extensions that a registration may insist on.
pub(super) const EXTENSIONS: [&str; 3] = ["path", "outbound", "gruu"];
/// Proxies between a phone and us.
const MOST_HOPS: usize = 8;
/// Seconds after which a phone should look whether its flow still lives (RFC 5626 §5.4: Flow-Timer).
const FLOW_TIMER: u32 = 120;
/// What temporary names begin with.
const TEMPORARY: &str = "tgruu.";

/// What a REGISTER says of its device and its way here.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Way {
    pub(super) instance: Option<Instance>,
    pub(super) path: Vec<NameAddr>,
    /// What its sender understands in the answer.
    understands_path: bool,
    wants_names: bool,
}

impl Way {
    /// # Errors
    /// The answer that refuses it, and why.
    pub(super) fn of(request: &Request, contact: Option<&NameAddr>) -> Result<Way, (Status, &'static str)> {
        let supports =
            |option: &str| [Name::Supported, Name::Require].iter().any(|field| request.has_token(field, option));
        let path = request.addresses(&Name::Path).map_err(|_| (Status(400), "a Path is a list of addresses"))?;
        if path.len() > MOST_HOPS {
            return Err((Status(400), "a Path of more than 8 proxies is not taken"));
        }
        let id = contact.and_then(|contact| contact.param("+sip.instance"));
        let id = id.map(|id| id.trim().trim_start_matches('<').trim_end_matches('>').to_owned());
        let number = contact.and_then(|contact| contact.param("reg-id")).and_then(|text| text.trim().parse().ok());
        let flow = number.filter(|number| *number > 0 && id.is_some() && supports("outbound"));
        // A phone's first hop keeps its flow, or nobody does (RFC 5626 §6).
        let is_last_hop_of_phone = |hop: &NameAddr| hop.uri.param("ob").is_some();
        if flow.is_some() && request.values(&Name::Via).count() > 1 && !path.last().is_some_and(is_last_hop_of_phone) {
            return Err((Status(439), "the first proxy does not keep the flow: its Path has no `ob`"));
        }
        Ok(Way {
            instance: id.filter(|id| !id.is_empty()).map(|id| Instance { id, flow }),
            path,
            understands_path: supports("path"),
            wants_names: supports("gruu"),
        })
    }

    /// Whether its device is to be given a temporary name.
    pub(super) fn wants_names(&self) -> bool {
        self.wants_names && self.instance.is_some()
    }

    /// Of the 200, besides the contacts.
    pub(super) fn headers(&self) -> Headers {
        let mut headers = Headers::new();
        if self.understands_path {
            headers.extend(self.path.iter().map(|hop| (Name::Path, hop.to_string())));
        }
        if self.instance.as_ref().is_some_and(|instance| instance.flow.is_some()) {
            headers.push((Name::Require, "outbound".into()));
            headers.push((Name::FlowTimer, FLOW_TIMER.to_string()));
        }
        headers.push((Name::Supported, EXTENSIONS.join(", ")));
        headers
    }
}

/// A name that says nothing of whom it leads to, of 128 random bits.
pub(super) fn temporary_name(random: [u64; 2]) -> String {
    format!("{TEMPORARY}{:016x}{:016x}", random[0], random[1])
}

/// A line's contact as a 200 lists it. `names`: the line's address, and the device's latest temporary name.
pub(super) fn contact(binding: &Binding, seconds: u64, names: Option<(&NameAddr, &str)>) -> (Name, String) {
    let mut contact = NameAddr::new(binding.contact.clone()).with_param("expires", Some(seconds.to_string().as_str()));
    if let Some(instance) = &binding.instance {
        contact = contact.with_param("+sip.instance", Some(&format!("\"<{}>\"", instance.id)));
        if let Some(flow) = instance.flow {
            contact = contact.with_param("reg-id", Some(flow.to_string().as_str()));
        }
        if let Some((line, temporary)) = names {
            let mut public = line.uri.clone();
            public.params = vec![("gr".to_owned(), Some(instance.id.clone()))];
            let mut hidden = line.uri.clone();
            (hidden.user, hidden.params) = (Some(temporary.to_owned()), vec![("gr".to_owned(), None)]);
            contact = contact.with_param("pub-gruu", Some(&format!("\"{public}\"")));
            contact = contact.with_param("temp-gruu", Some(&format!("\"{hidden}\"")));
        }
    }
    (Name::Contact, contact.to_string())
}

#[cfg(test)]
mod tests {
    use sip::Message;

    use super::*;

    fn way(via: &str, more: &str, contact: &str) -> Result<Way, (Status, &'static str)> {
        let text = format!(
            "REGISTER sip:lab.example SIP/2.0\r\n{via}Max-Forwards: 70\r\nFrom: <sip:1001@lab.example>;tag=a\r\n\
             To: <sip:1001@lab.example>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nContact: {contact}\r\n{more}\
             Content-Length: 0\r\n\r\n"
        );
        let request = Message::parse(text.into()).unwrap();
        let contact = request.contact().and_then(Result::ok);
        Way::of(&request, contact.as_ref())
    }

    const ONE: &str = "Via: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1\r\n";
    const TWO: &str = "Via: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bK2\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1\r\n";
    const DEVICE: &str =
        "<sip:1001@192.0.2.1>;reg-id=2;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\"";

    #[test]
    fn a_device_with_flows_says_so_in_three_places() {
        let read = way(ONE, "Supported: path, outbound, gruu\r\n", DEVICE).unwrap();
        let id = "urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF".to_owned();
        assert_eq!(read.instance, Some(Instance { id: id.clone(), flow: Some(2) }));
        assert!(read.headers().contains(&(Name::Require, "outbound".into())));
        let read = way(ONE, "Supported: path\r\n", DEVICE).unwrap();
        assert_eq!(read.instance, Some(Instance { id, flow: None }), "it does not say that it knows RFC 5626");
        assert_eq!(way(ONE, "Supported: outbound\r\n", "<sip:1001@192.0.2.1>;reg-id=1").unwrap().instance, None);
    }

    #[test]
    fn a_first_proxy_that_keeps_no_flow_is_439() {
        let edge = "Supported: path, outbound\r\nPath: <sip:core.example;lr>, <sip:edge.example;lr;ob>\r\n";
        let read = way(TWO, edge, DEVICE).unwrap();
        assert_eq!(read.path.len(), 2);
        let told = read.headers();
        let path: Vec<&str> =
            told.iter().filter(|(name, _)| *name == Name::Path).map(|(_, value)| value.as_str()).collect();
        assert_eq!(path, ["<sip:core.example;lr>", "<sip:edge.example;lr;ob>"]);
        let refused = way(TWO, "Supported: path, outbound\r\nPath: <sip:edge.example;lr>\r\n", DEVICE);
        assert_eq!(refused.unwrap_err().0, Status(439));
        assert_eq!(way(ONE, "Path: <\r\n", DEVICE).unwrap_err().0, Status(400));
    }
}
