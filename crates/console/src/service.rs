//! Services by the names that operators look for, each with what it truly is in this process. Pure: facts come in.

use std::fmt::Write;

use admin::api::Services as Facts;
use admin::show::time::rfc3339;
use net::Part;

/// One row of `utils service list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub name: &'static str,
    pub state: State,
    /// What it is here, or why it is not.
    pub words: String,
    pub restart: Restart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Activated, and running since then (ms since 1970).
    Started(u64),
    /// The site does not ask for it.
    Deactivated,
    /// Nothing in Ringfence does this.
    NotHere,
}

/// What a restart of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// That part of the node is stopped and started again.
    Part(Part),
    /// It runs within another and is restarted with that one.
    With(&'static str),
    /// There is nothing that runs.
    Nothing,
}

const CALL_MANAGER: &str = "Cisco CallManager";
const TOGETHER: &str =
    "Cisco Tftp, Cisco Certificate Authority Proxy Function and Cisco Trust Verification Service run together";

/// Those of a node, by its role.
pub fn of(facts: &Facts) -> Vec<Service> {
    match facts.role.as_str() {
        "call_manager" => call_manager(facts),
        "voice_browser" => vec![node("Engine", facts, "the VoiceXML browser with its SIP and media")],
        "call_server" => vec![node("Cisco CVP Call Server", facts, "SIP, queues and agents; desks work through it")],
        "media_resource" => {
            vec![node("Cisco IP Voice Media Streaming App", facts, "conference bridge and announcements")]
        }
        _ => vec![node("SIP", facts, "the border controller's signalling and media")],
    }
}

fn node(name: &'static str, facts: &Facts, words: &str) -> Service {
    let state = State::Started(facts.started_ms);
    Service { name, state, words: format!("{}: {words}", facts.node), restart: Restart::Part(Part::Node) }
}

fn call_manager(facts: &Facts) -> Vec<Service> {
    let with = |name, words: &str| Service {
        name,
        state: State::Started(facts.started_ms),
        words: words.into(),
        restart: Restart::With(CALL_MANAGER),
    };
    let phones = |name, ports: &[&str], what: &str| match &facts.phones {
        Some(phones) => {
            let open = phones.ports.iter().filter(|(service, _)| ports.iter().any(|port| service.starts_with(port)));
            let open: Vec<String> = open.map(|(service, port)| format!("{service} {port}")).collect();
            // The others run whenever the phone services do.
            if open.is_empty() && ports == ["CAPF"] {
                let words =
                    "activate it by removing `activate_capf = false` from the phone services of the site".into();
                return Service { name, state: State::Deactivated, words, restart: Restart::Nothing };
            }
            let words = format!("{what} ({})", open.join(", "));
            let state = State::Started(phones.started_ms);
            Service { name, state, words, restart: Restart::Part(Part::PhoneServices) }
        }
        None => Service {
            name,
            state: State::Deactivated,
            words: "activate it with `[node.role.call_manager.phone_services]` in the site".into(),
            restart: Restart::Nothing,
        },
    };
    let absent = |name, words: &str| Service {
        name,
        state: State::NotHere,
        words: format!("not part of Ringfence: {words}"),
        restart: Restart::Nothing,
    };
    vec![
        node(CALL_MANAGER, facts, "SIP, trunks, phones"),
        with("Cisco CTIManager", "has phones answer and hold for their agents, within Cisco CallManager"),
        phones("Cisco Tftp", &["TFTP", "HTTP"], "lists and configuration for phones"),
        phones("Cisco Certificate Authority Proxy Function", &["CAPF"], "certificates for phones"),
        phones("Cisco Trust Verification Service", &["TVS"], "vouches for certificates to phones"),
        absent("Cisco Certificate Enrollment Service", "CAPF issues by an authority of its own"),
        absent("Cisco IP Voice Media Streaming App", "a media_resource node is the bridge"),
        absent("Cisco Unified Mobile Voice Access Service", "no mobile voice access"),
        absent("Cisco Extension Mobility", "agents log in at their desk, not at a phone"),
    ]
}

/// `utils service list`
pub fn list(facts: &Facts) -> String {
    let mut out = String::from("Requesting service status, please wait...\n");
    for service in of(facts) {
        let Service { name, state, words, .. } = &service;
        let _ = match state {
            State::Started(since) => {
                writeln!(out, "{name}[STARTED]  Service Activated  since {}  {words}", rfc3339(*since))
            }
            State::Deactivated => writeln!(out, "{name}[STOPPED]  Service Not Activated  {words}"),
            State::NotHere => writeln!(out, "{name}[STOPPED]  Service Not Activated  {words}"),
        };
    }
    out
}

/// The one of this name, in any case; its first words may be left out (`CallManager`).
///
/// # Errors
/// Which there are.
pub fn named(facts: &Facts, name: &str) -> Result<Service, String> {
    let all = of(facts);
    let wanted = name.to_ascii_lowercase();
    let is = |service: &&Service| {
        let known = service.name.to_ascii_lowercase();
        known == wanted || known.strip_prefix("cisco ") == Some(wanted.as_str())
    };
    let found = all.iter().find(is).cloned();
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|service| service.name).collect();
        format!("there is no service `{name}` on {}; it has: {}\n", facts.node, names.join(", "))
    })
}

/// What a restart will interrupt, before it is asked for; or why there is nothing to restart.
pub fn interrupts(service: &Service, facts: &Facts) -> Result<String, String> {
    let name = service.name;
    match service.restart {
        Restart::Nothing => Err(format!("{name} does not run here: {}. Nothing was restarted.\n", service.words)),
        Restart::With(other) => Err(format!(
            "{name}[STARTED]\n{name} runs within {other}, which was started {}, and is restarted with it. Nothing else was restarted.\n",
            rfc3339(facts.started_ms)
        )),
        Restart::Part(Part::PhoneServices) => Ok(format!(
            "Restarting {name}: {TOGETHER} and are restarted together. Phones that are fetching a file or enrolling begin again; no call and no registration is touched."
        )),
        Restart::Part(Part::Node) => {
            let mut words = format!("Restarting {name} on {} interrupts every connection of this node", facts.node);
            if facts.role == "call_manager" {
                let _ = write!(words, "; registered phones: {} (each registers again)", facts.registrations);
            }
            let _ = write!(words, "; calls up: {} ({}).", facts.calls, calls(&facts.role));
            Ok(words)
        }
    }
}

/// What becomes of calls that are up.
fn calls(role: &str) -> &'static str {
    match role {
        "call_manager" => "what is said goes on from phone to phone; holding and ending them from afar does not",
        "voice_browser" => "each caller begins again at another browser, if there is one",
        "call_server" => "callers who wait keep their places, calls with agents go on",
        _ => "they end",
    }
}

#[cfg(test)]
mod tests {
    use admin::api::PhonesServed;

    use super::*;

    fn facts() -> Facts {
        Facts {
            node: "cucm1".into(),
            role: "call_manager".into(),
            started_ms: 1_000,
            phones: Some(PhonesServed {
                started_ms: 2_000,
                ports: vec![("CAPF".into(), 3804), ("TVS".into(), 2445), ("HTTP".into(), 6970), ("TFTP".into(), 69)],
            }),
            calls: 3,
            registrations: 12,
        }
    }

    #[test]
    fn the_names_are_there_with_what_they_are() {
        let list = list(&facts());
        for line in [
            "Cisco CallManager[STARTED]  Service Activated  since 1970-01-01T00:00:01.000Z  cucm1: SIP, trunks, phones\n",
            "Cisco Certificate Authority Proxy Function[STARTED]  Service Activated  since 1970-01-01T00:00:02.000Z  certificates for phones (CAPF 3804)\n",
            "Cisco Tftp[STARTED]  Service Activated  since 1970-01-01T00:00:02.000Z  lists and configuration for phones (HTTP 6970, TFTP 69)\n",
            "Cisco Certificate Enrollment Service[STOPPED]  Service Not Activated  not part of Ringfence: ",
            "Cisco Extension Mobility[STOPPED]  Service Not Activated  ",
            "Cisco Unified Mobile Voice Access Service[STOPPED]  ",
            "Cisco IP Voice Media Streaming App[STOPPED]  ",
        ] {
            assert!(list.contains(line), "{line} in {list}");
        }
        let none = Facts { phones: None, ..facts() };
        assert!(
            super::list(&none)
                .contains("Cisco Certificate Authority Proxy Function[STOPPED]  Service Not Activated  activate it")
        );
        // Contract 74: CAPF is activated by itself.
        let mut alone = facts();
        alone.phones.as_mut().unwrap().ports.retain(|(service, _)| service != "CAPF");
        let list = super::list(&alone);
        for line in [
            "Cisco Certificate Authority Proxy Function[STOPPED]  Service Not Activated  activate it by removing `activate_capf = false`",
            "Cisco Trust Verification Service[STARTED]  Service Activated",
        ] {
            assert!(list.contains(line), "{line} in {list}");
        }
        let browser = Facts { role: "voice_browser".into(), ..facts() };
        assert_eq!(of(&browser).iter().map(|service| service.name).collect::<Vec<_>>(), ["Engine"]);
    }

    #[test]
    fn what_a_restart_interrupts_is_said_and_what_has_nothing_to_restart_too() {
        let facts = facts();
        let said = |name: &str| interrupts(&named(&facts, name).unwrap(), &facts);
        let words = said("callmanager").unwrap();
        assert!(words.contains("registered phones: 12") && words.contains("calls up: 3"), "{words}");
        assert!(said("Cisco Tftp").unwrap().contains("no call and no registration is touched"));
        assert!(said("Cisco CTIManager").unwrap_err().starts_with("Cisco CTIManager[STARTED]\n"));
        assert!(said("Cisco Extension Mobility").unwrap_err().contains("not part of Ringfence"));
        assert!(named(&facts, "Cisco Moon").unwrap_err().contains("Cisco CallManager, Cisco CTIManager"));
    }
}
