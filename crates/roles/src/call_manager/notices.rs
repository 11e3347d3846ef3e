//! Unsolicited NOTIFYs of trunks (a voicemail's message waiting, RFC 3842) that a profile accepts: passed on to the phone
//! of the line, and answered as the phone answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sip::endpoint::Outside;
use sip::{ClientId, Headers, Hop, Method, Name, NameAddr, Request, ServerId, Status, Uri};

use super::plan::Plan;
use super::registrar::Registrar;
use crate::shell::{Outcome, Shell, warning};

/// NOTIFYs under way: ours, and the one that it answers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Notices {
    waiting: BTreeMap<ClientId, ServerId>,
}

impl Notices {
    pub(super) fn pass_on(
        &mut self,
        shell: &mut Shell,
        plan: &Plan,
        registrar: &Registrar,
        server: ServerId,
        request: &Request,
    ) {
        let event = request.header(&Name::Event).unwrap_or_default();
        if !event.split(';').next().is_some_and(|package| package.trim().eq_ignore_ascii_case("message-summary")) {
            return shell.answer_outside(server, Status(489), vec![(Name::AllowEvents, "message-summary".into())]);
        }
        let line = request.request_uri().and_then(Result::ok).and_then(|uri| uri.user).unwrap_or_default();
        let say = |shell: &mut Shell, status, why: &str| {
            let headers = vec![warning(&shell.plan().node, why)];
            shell.answer_outside(server, status, headers);
        };
        if plan.phone_of_line(&line).is_none() {
            return say(shell, Status(404), "no line has the number notified");
        }
        let Some(binding) = registrar.binding(&line) else {
            return say(shell, Status(480), "the line's phone is not registered");
        };
        let host = shell.local(binding.transport).map(|addr| addr.ip().to_string()).unwrap_or_default();
        let copied = [Name::Event, Name::SubscriptionState];
        let mut headers = Headers::new();
        for name in copied {
            headers.extend(request.header(&name).map(|value| (name, value.to_owned())));
        }
        headers.extend(binding.path.iter().map(|hop| (Name::Route, hop.to_string())));
        let client = shell.send_outside(Outside {
            hop: Hop::Flow(binding.flow),
            method: Method::Notify,
            request_uri: binding.contact.clone(),
            from: NameAddr::new(Uri::sip(None, &host, None)),
            to: NameAddr::new(Uri::sip(Some(&line), &host, None)),
            contact_user: None,
            headers,
            body: request.body(),
            call_id: None,
        });
        self.waiting.insert(client, server);
    }

    /// The end of a request of ours outside dialogs.
    pub(super) fn outcome(&mut self, shell: &mut Shell, client: ClientId, outcome: &Outcome) {
        if let Some(server) = self.waiting.remove(&client) {
            shell.answer_outside(server, outcome.status(), Headers::new());
        }
    }
}
