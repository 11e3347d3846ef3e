//! The files that a configuration names: dial rules, soft keys, feature policy, ring tones; and the default configuration
//! for phones that nobody has heard of.

use super::{CallManager, Xml};

/// A dial rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialRule {
    /// Digits and `#` stand for themselves, `.` for one key, `*` for any number of them, `\*` for a star, `,` for a second
    /// dial tone.
    pub pattern: String,
    /// Seconds until what was dialled is sent; 0 at once.
    pub timeout_s: u8,
    /// What is sent instead.
    pub rewrite: Option<String>,
    /// Such as `Bellcore-Outside`, played after a comma.
    pub tone: Option<String>,
}

/// `DR<uuid>.xml`. Names of elements in capitals, of attributes in small letters: phones insist.
pub fn dial_template(version_stamp: &str, rules: &[DialRule]) -> String {
    let mut xml = Xml::new("dialTemplate", &[]);
    xml.text("versionStamp", format!("{{{version_stamp}}}"));
    for rule in rules {
        let timeout = rule.timeout_s.to_string();
        let mut attributes = vec![("match", rule.pattern.as_str()), ("timeout", &timeout)];
        attributes.extend(rule.rewrite.as_deref().map(|rewrite| ("rewrite", rewrite)));
        attributes.extend(rule.tone.as_deref().map(|tone| ("tone", tone)));
        xml.empty("TEMPLATE", &attributes);
    }
    xml.finish()
}

/// The keys of one state, by their tags (`NewCall`, `Hold`, …), at most sixteen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoftKeySet {
    /// Such as `On Hook`, `Connected`, `On Hold`, `Ring In`.
    pub state: String,
    pub keys: Vec<String>,
}

/// Tag, keyID, eventID.
const SOFT_KEYS: [(&str, u16, u16); 27] = [
    ("Undefined", 0, 0),
    ("Redial", 1, 1),
    ("NewCall", 2, 2),
    ("Hold", 3, 3),
    ("Transfer", 4, 4),
    ("CFwdAll", 5, 5),
    ("<<", 8, 8),
    ("EndCall", 9, 9),
    ("Resume", 10, 10),
    ("Answer", 11, 11),
    ("Confrn", 13, 13),
    ("Park", 14, 14),
    ("Join", 15, 15),
    ("MeetMe", 16, 16),
    ("PickUp", 17, 17),
    ("GPickUp", 18, 18),
    ("RmLstC", 57, 19),
    ("DND", 63, 69),
    ("CallBack", 65, 20),
    ("QRT", 75, 22),
    ("MCID", 76, 27),
    ("Select", 78, 29),
    ("ConfList", 79, 30),
    ("iDivert", 80, 31),
    ("OPickUp", 91, 34),
    ("HLog", 92, 35),
    ("AbbrDial", 7740, 71),
];

/// Keys of a state, at most.
const KEYS: usize = 16;

/// `SK<uuid>.xml`; `Err` names the first key that no phone knows, or the state that has too many.
pub fn soft_keys(version_stamp: &str, sets: &[SoftKeySet]) -> Result<String, String> {
    let mut xml = Xml::new("softKeyCfg", &[]);
    xml.text("versionStamp", format!("{{{version_stamp}}}")).start("typeSoftKey", &[]);
    for (tag, key, event) in SOFT_KEYS {
        xml.start("softKeyDef", &[("keyID", &key.to_string())]).text("tag", tag).text("eventID", event);
        xml.text("helpID", 300 + event).end();
    }
    xml.end().start("softKeySets", &[]);
    for set in sets {
        if set.keys.len() > KEYS {
            return Err(format!("state `{}` has {} keys; a phone shows {KEYS} at most", set.state, set.keys.len()));
        }
        xml.start("softKeySet", &[("id", &set.state)]);
        for tag in &set.keys {
            let Some((_, key, _)) = SOFT_KEYS.iter().find(|(known, ..)| known == tag) else {
                let known: Vec<&str> = SOFT_KEYS.iter().map(|(known, ..)| *known).collect();
                return Err(format!("no phone knows a key `{tag}`; there are {}", known.join(", ")));
            };
            xml.empty("softKey", &[("keyID", &key.to_string())]);
        }
        xml.end();
    }
    Ok(xml.finish())
}

/// Which features a phone may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeaturePolicy<'a> {
    /// Such as `Park`, `Barge`.
    pub feature: &'a str,
    pub enabled: bool,
}

const FEATURES: [&str; 16] = [
    "Forward All",
    "Park",
    "Divert (Alerting)",
    "Conference Details",
    "Speed Dial",
    "Call Back",
    "Redial",
    "Barge",
    "Divert (Connected)",
    "Call PickUp",
    "Other Call PickUp",
    "Group Call PickUp",
    "Mobility",
    "Meet Me",
    "Quality Reporting Tool",
    "Malicious Caller ID",
];

/// `DefaultFP….xml`: every feature, on unless `policy` says otherwise.
pub fn feature_policy(name: &str, version_stamp: &str, policy: &[FeaturePolicy<'_>]) -> String {
    let mut xml = Xml::new("featurePolicy", &[("name", name)]);
    xml.text("versionStamp", format!("{{{version_stamp}}}"));
    for (at, feature) in FEATURES.iter().enumerate() {
        let enabled = policy.iter().find(|row| row.feature == *feature).is_none_or(|row| row.enabled);
        xml.start("featureDef", &[("name", feature)]).text("id", at + 1).flag("enable", enabled).end();
    }
    xml.finish()
}

/// A ring tone in the list that a phone offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingTone {
    pub name: String,
    pub file: String,
}

/// `Ringlist.xml`.
pub fn ring_list(tones: &[RingTone]) -> String {
    let mut xml = Xml::new("CiscoIPPhoneRingList", &[]);
    for tone in tones {
        xml.start("Ring", &[]).text("DisplayName", &tone.name).text("FileName", &tone.file).end();
    }
    xml.finish()
}

/// `XMLDefault.cnf.xml`: for a phone that has no configuration of its own. It names the call managers and no line: a phone
/// that nobody added registers nowhere.
pub fn default_device(call_managers: &[CallManager]) -> String {
    let mut xml = Xml::new("Default", &[]);
    xml.start("callManagerGroup", &[]).start("members", &[]);
    for (priority, manager) in call_managers.iter().enumerate() {
        xml.start("member", &[("priority", &priority.to_string())]).start("callManager", &[]);
        xml.text("name", &manager.name).start("ports", &[]).text("ethernetPhonePort", 2000);
        xml.text("sipPort", manager.sip_port).text("securedSipPort", manager.secure_sip_port).end();
        xml.text("processNodeName", &manager.host).end().end();
    }
    xml.end().end();
    xml.finish()
}
