//! Dialog: a call that an agent has, and the actions on it.
//!
//! A participant's `actions` are those that can be done now; what the API has besides, and a phone does by its own keys, is
//! accepted and then notified as a failed call operation, so that a client written for the API takes its own way out.

use std::collections::BTreeMap;

use roles::{AgentView, Control, DialogView, Outward, Oversight, Verb};
use store::accounts::{Account, Role};

use crate::access::{self, Reach};
use crate::centre::Centre;
use crate::error::{ErrorType, Problem};
use crate::notification::Notification;
use crate::request::ROOT;
use crate::user::{self, State};
use crate::xml::{Fields, Xml};
use crate::{Answer, Deed, wrap_up_reason};

/// Constants of the API for calls that cannot be worked on: number and name.
const OUT_OF_SERVICE: (&str, &str) = ("34", "CF_RESOURCE_OUT_OF_SERVICE");
const WRONG_STATE: (&str, &str) = ("22", "CF_INVALID_OBJECT_STATE");

/// What the caller's application attached.
const ATTACHED: &str = "user.attached";
const WRAP_UP_REASON: &str = "wrapUpReason";
/// Characters of a call variable, and octets of its name.
const LONGEST_VALUE: usize = 40;
const LONGEST_NAME: usize = 64;

/// What may be asked of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Answer,
    Conference,
    ConsultCall,
    Drop,
    Hold,
    ParticipantDrop,
    Retrieve,
    SendDtmf,
    StartRecording,
    Transfer,
    TransferSst,
    UpdateCallData,
    /// Of outbound campaigns, which do not exist here.
    Campaign,
}

impl Action {
    fn read(word: &str) -> Result<Action, Problem> {
        Ok(match word {
            "ANSWER" => Action::Answer,
            "CONFERENCE" => Action::Conference,
            "CONSULT_CALL" => Action::ConsultCall,
            "DROP" => Action::Drop,
            "HOLD" => Action::Hold,
            "PARTICIPANT_DROP" => Action::ParticipantDrop,
            "RETRIEVE" => Action::Retrieve,
            "SEND_DTMF" => Action::SendDtmf,
            "START_RECORDING" => Action::StartRecording,
            "TRANSFER" => Action::Transfer,
            "TRANSFER_SST" => Action::TransferSst,
            "UPDATE_CALL_DATA" => Action::UpdateCallData,
            "ACCEPT"
            | "REJECT"
            | "CLOSE"
            | "RECLASSIFY"
            | "UPDATE_SCHEDULED_CALLBACK"
            | "CANCEL_SCHEDULED_CALLBACK" => Action::Campaign,
            _ => {
                return Err(Problem::input(
                    word,
                    "expected <requestedAction> to be an action of the API, such as DROP",
                ));
            }
        })
    }

    /// Whether the API has it in this state of the agent's part.
    fn fits(self, part: Part, dialog: &DialogView) -> bool {
        match self {
            Action::Answer => part == Part::Alerting,
            Action::Drop => !matches!(part, Part::Alerting | Part::WrapUp),
            Action::UpdateCallData => part != Part::Alerting,
            Action::ParticipantDrop => matches!(part, Part::Active | Part::Held),
            Action::Hold | Action::ConsultCall | Action::TransferSst | Action::SendDtmf | Action::StartRecording => {
                part == Part::Active
            }
            Action::Retrieve => part == Part::Held,
            // A second call beside the held one, with somebody there.
            Action::Transfer | Action::Conference => dialog.verbs.contains(&Verb::Complete),
            Action::Campaign => false,
        }
    }

    /// What it comes to at the agent's phone.
    fn verb(self) -> Option<Verb> {
        match self {
            Action::Answer => Some(Verb::Answer),
            Action::Hold => Some(Verb::Hold),
            Action::Retrieve => Some(Verb::Retrieve),
            Action::ConsultCall => Some(Verb::Consult),
            Action::Transfer => Some(Verb::Complete),
            Action::Conference => Some(Verb::Confer),
            Action::SendDtmf => Some(Verb::Press),
            _ => None,
        }
    }
}

/// State of the agent's part in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The agent's own phone is called, then the destination.
    Initiating,
    Initiated,
    Alerting,
    Active,
    Held,
    /// The call is over, the work after it is not.
    WrapUp,
}

impl Part {
    fn of(dialog: &DialogView) -> Part {
        if dialog.wrapping_up {
            return Part::WrapUp;
        }
        match (dialog.outgoing, dialog.connected, dialog.held) {
            (Some(Outward::Initiating), ..) => Part::Initiating,
            (Some(Outward::Initiated), ..) => Part::Initiated,
            (_, false, _) => Part::Alerting,
            (_, true, false) => Part::Active,
            (_, true, true) => Part::Held,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Part::Initiating => "INITIATING",
            Part::Initiated => "INITIATED",
            Part::Alerting => "ALERTING",
            Part::Active => "ACTIVE",
            Part::Held => "HELD",
            Part::WrapUp => "WRAP_UP",
        }
    }
}

/// What can be done now, in the API's words.
fn actions(dialog: &DialogView) -> Vec<&'static str> {
    if dialog.supervises.is_some() {
        return vec!["DROP"];
    }
    let here: &[(&'static str, Option<Verb>)] = match Part::of(dialog) {
        Part::Initiating | Part::Initiated => &[("DROP", None), ("UPDATE_CALL_DATA", None)],
        Part::Alerting => &[("ANSWER", Some(Verb::Answer))],
        Part::Active => &[
            ("CONSULT_CALL", Some(Verb::Consult)),
            ("DROP", None),
            ("HOLD", Some(Verb::Hold)),
            ("SEND_DTMF", Some(Verb::Press)),
            ("TRANSFER_SST", None),
            ("UPDATE_CALL_DATA", None),
        ],
        Part::Held => &[
            ("CONFERENCE", Some(Verb::Confer)),
            ("DROP", None),
            ("RETRIEVE", Some(Verb::Retrieve)),
            ("TRANSFER", Some(Verb::Complete)),
            ("UPDATE_CALL_DATA", None),
        ],
        Part::WrapUp => &[("UPDATE_CALL_DATA", None)],
    };
    let sent_on = |word: &str| word != "TRANSFER_SST" || (dialog.outgoing.is_none() && !dialog.mixed);
    let possible = here.iter().filter(|(_, verb)| verb.as_ref().is_none_or(|verb| dialog.verbs.contains(verb)));
    let possible = possible.filter(|(word, _)| sent_on(word));
    possible.map(|(word, _)| *word).collect()
}

pub(crate) fn uri(call: u64) -> String {
    format!("{ROOT}/Dialog/{call}")
}

pub(crate) fn list_uri(agent: &str) -> String {
    format!("{}/Dialogs", user::uri(agent))
}

/// `Dialog` in bodies and lists, `dialog` in notifications of a change.
pub(crate) fn write(xml: &mut Xml, name: &str, dialog: &DialogView) {
    let part = Part::of(dialog);
    let state = match part {
        Part::WrapUp => "DROPPED",
        _ if dialog.connected => "ACTIVE",
        _ => part.word(),
    };
    // Whom the agent called, or who called.
    let other = if dialog.outgoing.is_some() { &dialog.dialled } else { &dialog.calling };
    let kind = match (dialog.supervises, dialog.outgoing, dialog.beside) {
        (Some(Oversight::Listen | Oversight::Whisper), ..) => "SUPERVISOR_MONITOR",
        (Some(Oversight::Barge | Oversight::TakeOver), ..) => "CONFERENCE",
        (None, ..) if !dialog.parties.is_empty() => "CONFERENCE",
        (None, Some(_), Some(_)) => "CONSULT",
        (None, Some(_), None) => "OUT",
        (None, None, _) => "ACD_IN",
    };
    let party = |xml: &mut Xml, address: &str, kind: &str, actions: &[&str], state: &str| {
        xml.within("Participant", |xml| {
            xml.within("actions", |xml| actions.iter().for_each(|action| xml.leaf("action", action)));
            xml.leaf("mediaAddress", address);
            xml.leaf("mediaAddressType", kind);
            xml.time("startTime", dialog.began_ms);
            xml.leaf("state", state);
            xml.leaf("stateCause", "");
            xml.time("stateChangeTime", dialog.since_ms);
        });
    };
    xml.within(name, |xml| {
        xml.leaf("associatedDialogUri", &dialog.beside.map(uri).unwrap_or_default());
        xml.leaf("fromAddress", &dialog.calling);
        xml.number("id", dialog.call);
        xml.within("mediaProperties", |xml| {
            xml.leaf("mediaId", "1");
            xml.leaf("DNIS", &dialog.dialled);
            xml.leaf("callType", kind);
            xml.leaf("dialedNumber", &dialog.dialled);
            xml.leaf("queueName", dialog.queue.as_deref().unwrap_or_default());
            xml.within("callvariables", |xml| {
                let mut variable = |name: &str, value: &str| {
                    xml.within("CallVariable", |xml| {
                        xml.leaf("name", name);
                        xml.leaf("value", value);
                    });
                };
                if let Some(attached) = &dialog.attached {
                    variable(ATTACHED, &words_of(attached));
                }
                let variables = dialog.notes.iter().filter(|(name, _)| *name != WRAP_UP_REASON);
                variables.for_each(|(name, value)| variable(name, value));
            });
            xml.leaf(WRAP_UP_REASON, dialog.notes.get(WRAP_UP_REASON).map_or("", String::as_str));
        });
        xml.leaf("mediaType", "Voice");
        xml.within("participants", |xml| {
            party(xml, &dialog.extension, "AGENT_DEVICE", &actions(dialog), part.word());
            party(xml, other, "", &[], state);
            dialog.parties.iter().for_each(|address| party(xml, address, "AGENT_DEVICE", &[], state));
        });
        xml.leaf("secondaryId", "");
        xml.leaf("state", state);
        xml.leaf("toAddress", &dialog.dialled);
        xml.leaf("uri", &uri(dialog.call));
    });
}

/// User-to-user data as its sender meant it: without the protocol discriminator, if it is text in hexadecimal digits.
fn words_of(attached: &str) -> String {
    let text = attached.strip_suffix(";encoding=hex").and_then(|hex| {
        let octets = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok());
        let octets = octets.collect::<Option<Vec<u8>>>()?;
        String::from_utf8(octets.get(1..)?.to_vec()).ok()
    });
    text.unwrap_or_else(|| attached.to_owned())
}

/// PUT: an action on a call.
pub(crate) fn put(
    centre: &Centre,
    (account, reach): (&Account, Reach),
    dialog: &DialogView,
    fields: &Fields,
) -> Result<Answer, Problem> {
    let word = fields.must("requestedAction")?;
    let action = Action::read(word)?;
    let target = fields.must("targetMediaAddress")?;
    // A supervisor takes a party out of a call; the agent's own part is the agent's.
    if !reach.is_own() && action != Action::ParticipantDrop {
        let words = format!("{word} is for the agent whose call it is");
        return Err(Problem::new(ErrorType::AuthorizationFailure, dialog.call.to_string(), words));
    }
    if reach.is_own() && target != dialog.extension {
        return Err(Problem::input(target, "expected <targetMediaAddress> to be the agent's own extension"));
    }
    let part = Part::of(dialog);
    if matches!(action, Action::ConsultCall | Action::TransferSst) {
        fields.must("toAddress")?;
        if part != Part::Active {
            return Ok(failed(dialog, ErrorType::GenericError, WRONG_STATE));
        }
    }
    if dialog.supervises.is_some() && action != Action::Drop {
        return Err(Problem::state("supervising", word));
    }
    if !action.fits(part, dialog) {
        return Err(Problem::state(part.word(), word));
    }
    let (call, agent) = (dialog.call, dialog.agent.clone());
    let ask = |control| {
        Answer::Accepted(vec![Deed::Ask { control, node: list_uri(&dialog.agent), source: uri(dialog.call) }])
    };
    // Why there is no conference, the call server says.
    if let Some(verb) = action.verb().filter(|verb| dialog.verbs.contains(verb) || *verb == Verb::Confer) {
        let keys = || fields.pairs().into_iter().find(|(name, _)| *name == "dtmfString").map(|(_, keys)| keys);
        let with = match verb {
            Verb::Consult => fields.must("toAddress")?.to_owned(),
            Verb::Press => keys().ok_or_else(|| Problem::missing("dtmfString"))?.to_owned(),
            _ => String::new(),
        };
        return Ok(ask(Control::Work { call, agent, verb, with }));
    }
    Ok(match action {
        Action::Drop => ask(Control::Drop { call, agent }),
        Action::ParticipantDrop if has_barged(centre, account, dialog) && target == dialog.extension => {
            let supervisor = account.agent.clone().unwrap_or_default();
            supervise(&supervisor, &dialog.agent, Oversight::TakeOver, uri(dialog.call))
        }
        Action::TransferSst => {
            let to = fields.must("toAddress")?;
            match dialog.outgoing.is_none() && !dialog.mixed {
                true => ask(Control::Transfer { call, agent, to: to.to_owned() }),
                false => failed(dialog, ErrorType::CallOperationFailure, OUT_OF_SERVICE),
            }
        }
        Action::UpdateCallData => ask(Control::Note { call, agent, values: notes(centre, dialog, fields)? }),
        _ => failed(dialog, ErrorType::CallOperationFailure, OUT_OF_SERVICE),
    })
}

/// The supervisor talks with agent and caller, and so may take the agent out of it.
fn has_barged(centre: &Centre, account: &Account, dialog: &DialogView) -> bool {
    let own = account.agent.as_deref().unwrap_or_default();
    let barged = |other: &DialogView| other.supervises == Some(Oversight::Barge) && other.beside == Some(dialog.call);
    centre.dialogs_of(own).any(barged)
}

/// Asked of the call server; who asked and at which desk is in the audit log besides what the call server writes there.
fn supervise(supervisor: &str, agent: &str, how: Oversight, source: String) -> Answer {
    let wants = match how {
        Oversight::Listen => "listen to",
        Oversight::Whisper => "whisper to",
        Oversight::Barge => "barge in on",
        Oversight::TakeOver => "take over from",
    };
    let control = Control::Supervise { supervisor: supervisor.to_owned(), agent: agent.to_owned(), how };
    Answer::Accepted(vec![
        Deed::WriteDown(format!("wants to {wants} agent {agent}, as supervisor {supervisor}")),
        Deed::Ask { control, node: list_uri(supervisor), source },
    ])
}

/// What an agent notes: a wrap-up reason of the team's, call variables.
fn notes(centre: &Centre, dialog: &DialogView, fields: &Fields) -> Result<BTreeMap<String, String>, Problem> {
    let mut notes = BTreeMap::new();
    if let Some(reason) = fields.get(WRAP_UP_REASON) {
        let team = centre.agents.get(&dialog.agent).and_then(|agent| agent.team.as_deref());
        if !wrap_up_reason::of_team(centre, Some(team)).any(|known| known.label == reason) {
            return Err(Problem::input(reason, "expected <wrapUpReason> to be a label of the agent's WrapUpReasons"));
        }
        notes.insert(WRAP_UP_REASON.to_owned(), reason.to_owned());
    }
    for (name, value) in fields.pairs() {
        let numbered = name.strip_prefix("callVariable").and_then(|number| number.parse::<u8>().ok());
        let known = numbered.is_some_and(|number| (1..=10).contains(&number)) || name.starts_with("user.");
        if !known || name == ATTACHED || name.len() > LONGEST_NAME {
            return Err(Problem::input(
                name,
                "expected callVariable1 to callVariable10, or a name that begins with user.",
            ));
        }
        if value.chars().count() > LONGEST_VALUE {
            return Err(Problem::input(name, format!("expected at most {LONGEST_VALUE} characters")));
        }
        notes.insert(name.to_owned(), value.to_owned());
    }
    match notes.is_empty() {
        true => Err(Problem::missing("mediaProperties")),
        false => Ok(notes),
    }
}

/// POST to an agent's dialogs: a new call.
pub(crate) fn post(
    centre: &Centre,
    (account, reach): (&Account, Reach),
    agent: &AgentView,
    fields: &Fields,
) -> Result<Answer, Problem> {
    let word = fields.must("requestedAction")?;
    match word {
        "MAKE_CALL" => {
            let (from, to) = (fields.must("fromAddress")?, fields.must("toAddress")?);
            if !reach.is_own() {
                let words = "MAKE_CALL is for the agent whose phone it is";
                return Err(Problem::new(ErrorType::AuthorizationFailure, agent.id.as_str(), words));
            }
            if from != agent.extension {
                return Err(Problem::input(from, "expected <fromAddress> to be the agent's own extension"));
            }
            let is = State::of(agent);
            if !matches!(is, State::NotReady | State::Ready) {
                return Err(Problem::state(is.word(), word));
            }
            let (control, node) =
                (Control::MakeCall { agent: agent.id.clone(), to: to.to_owned() }, list_uri(&agent.id));
            Ok(Answer::Accepted(vec![Deed::Ask { control, source: node.clone(), node }]))
        }
        "SILENT_MONITOR" | "BARGE_CALL" => monitor(centre, (account, reach), agent, word, fields),
        _ => Err(Problem::input(word, "expected MAKE_CALL, SILENT_MONITOR or BARGE_CALL")),
    }
}

/// A supervisor comes into the call of an agent of theirs.
fn monitor(
    centre: &Centre,
    (account, reach): (&Account, Reach),
    own: &AgentView,
    word: &str,
    fields: &Fields,
) -> Result<Answer, Problem> {
    let (from, to) = (fields.must("fromAddress")?, fields.must("toAddress")?);
    let beside = if word == "BARGE_CALL" { Some(fields.must("associatedDialogUri")?) } else { None };
    if account.role == Role::Agent || !reach.is_own() {
        let words = format!("{word} is for supervisors, at their own phone");
        return Err(Problem::new(ErrorType::AuthorizationFailure, own.id.as_str(), words));
    }
    if from != own.extension {
        return Err(Problem::input(from, "expected <fromAddress> to be the supervisor's own extension"));
    }
    let found = centre.agents.values().find(|agent| agent.extension == to);
    let agent = found.ok_or_else(|| Problem::input(to, "expected <toAddress> to be an agent's extension"))?;
    if access::agent(centre, account, &agent.id)?.0.is_own() {
        return Err(Problem::input(to, "expected <toAddress> to be another's extension"));
    }
    if let Some(beside) = beside {
        let of_theirs = |dialog: &&DialogView| dialog.agent == agent.id || dialog.agent == own.id;
        if !centre.dialogs.values().filter(of_theirs).any(|dialog| uri(dialog.call) == beside) {
            return Err(Problem::input(beside, "expected <associatedDialogUri> to be that of a call of the agent's"));
        }
    }
    let how = if word == "BARGE_CALL" { Oversight::Barge } else { Oversight::Listen };
    Ok(supervise(&own.id, &agent.id, how, list_uri(&own.id)))
}

fn failed(dialog: &DialogView, kind: ErrorType, (data, message): (&str, &str)) -> Answer {
    let problem = Problem::new(kind, data, message);
    let told = Notification::error(&list_uri(&dialog.agent), &uri(dialog.call), &problem);
    Answer::Accepted(vec![Deed::Notify(told)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attached_data_is_read_as_its_sender_meant_it() {
        assert_eq!(words_of("0468656c6c6f;encoding=hex"), "hello");
        assert_eq!(words_of("00c3a9;encoding=hex"), "é");
        for other in ["0468656c6c;encoding=hex0", "04zz;encoding=hex", "04c3;encoding=hex", "é;encoding=hex", "", "abc"]
        {
            assert_eq!(words_of(other), other);
        }
    }
}
