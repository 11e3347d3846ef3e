//! The shape of `site.toml`: which fields a table may have and what each holds.
//!
//! The same facts stand in the types' `serde` attributes, but serde stops at the first thing it does not like, and an
//! operator wants all of them at once. A test keeps the two from drifting apart.

/// What a field holds.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Text,
    Flag,
    /// An integer within these bounds.
    Number(u32, u32),
    /// An IPv4 or IPv6 address.
    Address,
    /// One telephone key.
    Digit,
    /// One of these words.
    OneOf(&'static [&'static str]),
    TextList,
    OneOfList(&'static [&'static str]),
    /// `[low, high]`.
    Ports,
    /// `[field]`
    Table(&'static [Field]),
    /// `[[field]]`
    Tables(&'static [Field]),
    /// A table with exactly one of these tables in it.
    Choice(&'static [Field]),
}

pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
}

const fn must(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: true }
}

const fn may(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: false }
}

const PORT: Shape = Shape::Number(1, 65_535);
/// Seconds, up to a day.
const SECONDS: Shape = Shape::Number(1, 86_400);
/// Minutes, up to a month.
const MINUTES: Shape = Shape::Number(1, 43_200);
const SECURITY_MODE: Shape = Shape::OneOf(&["encrypted", "authenticated", "non_secure"]);
const TRANSPORT_TYPE: Shape = Shape::OneOf(&["tls", "tcp", "udp", "tcp+udp"]);
const AUTHENTICATION_MODE: Shape =
    Shape::OneOf(&["null_string", "authentication_string", "existing_lsc", "existing_mic"]);
const KEY_ORDER: Shape = Shape::OneOf(&["rsa_only", "ec_only", "ec_preferred"]);
const RSA_KEY_SIZE: Shape = Shape::Number(2048, 4096);
const EC_KEY_SIZE: Shape = Shape::Number(256, 521);

/// Names of `a=crypto` (RFC 4568 §6.2, RFC 6188, RFC 7714).
const SRTP_CRYPTO: Shape = Shape::OneOfList(&[
    "AEAD_AES_256_GCM",
    "AEAD_AES_128_GCM",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_192_CM_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
    "AES_192_CM_HMAC_SHA1_32",
    "AES_CM_128_HMAC_SHA1_32",
]);

pub(crate) static SITE: &[Field] = &[
    must("name", Shape::Text),
    must("domain", Shape::Text),
    may("laboratory", Shape::Flag),
    may("tls", Shape::Table(TLS)),
    may("ca", Shape::Table(CA)),
    may("name_server", Shape::TextList),
    may("directory", Shape::Table(DIRECTORY)),
    may("open_id", Shape::Table(OPEN_ID)),
    may("speech", Shape::Table(SPEECH)),
    may("recognition", Shape::Table(RECOGNITION)),
    may("ocsp", Shape::Table(OCSP)),
    may("authority", Shape::Tables(AUTHORITY)),
    must("node", Shape::Tables(NODE)),
];

const TLS_VERSIONS: Shape = Shape::OneOfList(&["1.2", "1.3"]);

static TLS: &[Field] = &[must("versions", TLS_VERSIONS), may("dangerous_tls_keylog", Shape::Flag)];

static CA: &[Field] = &[may("pkcs11", Shape::Table(PKCS11))];

static PKCS11: &[Field] = &[
    must("module", Shape::Text),
    may("token", Shape::Text),
    may("slot", Shape::Number(0, 0xffff_ffff)),
    may("pin_file", Shape::Text),
    may("key", Shape::Text),
];

static AUTHORITY: &[Field] = &[
    must("name", Shape::Text),
    must("revocation", Shape::OneOf(&["crl", "ocsp"])),
    may("ocsp_responder", Shape::Text),
    may("dangerous_ocsp_soft_fail", Shape::Flag),
];

static OCSP: &[Field] = &[must("node", Shape::Text), may("port", PORT), may("url", Shape::Text)];

static DIRECTORY: &[Field] = &[
    must("url", Shape::TextList),
    may("authority", Shape::Text),
    may("dangerous_plain_ldap", Shape::Flag),
    may("bind_dn", Shape::Text),
    may("bind_password_file", Shape::Text),
    must("base", Shape::Text),
    may("user_filter", Shape::Text),
    may("agent_attribute", Shape::Text),
    may("group_attribute", Shape::Text),
    may("group_base", Shape::Text),
    may("group_filter", Shape::Text),
    may("agent_groups", Shape::TextList),
    may("supervisor_groups", Shape::TextList),
    may("administrator_groups", Shape::TextList),
];

static OPEN_ID: &[Field] = &[
    must("issuer", Shape::Text),
    may("authority", Shape::Text),
    must("client_id", Shape::Text),
    may("client_secret_file", Shape::Text),
    may("audience", Shape::Text),
    may("scopes", Shape::TextList),
    may("name_claim", Shape::Text),
    may("agent_claim", Shape::Text),
    may("role_claim", Shape::Text),
    may("agent_roles", Shape::TextList),
    may("supervisor_roles", Shape::TextList),
    may("administrator_roles", Shape::TextList),
    may("session_idle_s", Shape::Number(60, 86_400)),
    may("session_life_s", Shape::Number(60, 604_800)),
];

static SPEECH: &[Field] = &[
    must("engine", Shape::OneOf(&["espeak-ng", "http", "mrcp"])),
    may("command", Shape::Text),
    may("url", Shape::Text),
    may("server", Shape::Text),
    may("authority", Shape::Text),
    may("language", Shape::Text),
    may("voice", Shape::Tables(SPEECH_VOICE)),
    may("timeout_s", Shape::Number(1, 60)),
    may("at_once", Shape::Number(1, 64)),
];

static RECOGNITION: &[Field] = &[
    must("engine", Shape::OneOf(&["pocketsphinx", "http", "websocket", "mrcp"])),
    may("command", Shape::Text),
    may("url", Shape::Text),
    may("server", Shape::Text),
    may("authority", Shape::Text),
    may("timeout_s", Shape::Number(1, 30)),
    may("at_once", Shape::Number(1, 256)),
];

static SPEECH_VOICE: &[Field] = &[
    must("language", Shape::Text),
    must("name", Shape::Text),
    may("gender", Shape::OneOf(&["female", "male", "neutral"])),
];

static NODE: &[Field] = &[
    must("name", Shape::Text),
    must("address", Shape::Address),
    may("secure_port", PORT),
    may("port", PORT),
    may("dangerous_plain_sip", Shape::Flag),
    may("websocket_port", PORT),
    may("control_port", PORT),
    may("console", Shape::Table(CONSOLE)),
    may("media_ports", Shape::Ports),
    may("session_expires_s", SECONDS),
    may("min_se_s", SECONDS),
    may("source_rate", Shape::Table(SOURCE_RATE)),
    may("overload_control", Shape::Flag),
    may("tls_versions", TLS_VERSIONS),
    may("trustpoint", Shape::Tables(TRUSTPOINT)),
    may("crypto_signaling", Shape::Tables(CRYPTO_SIGNALING)),
    may("dangerous_panic_on_number", Shape::Text),
    must("role", Shape::Choice(ROLE)),
];

static CONSOLE: &[Field] = &[may("port", PORT), may("address", Shape::Address)];

static SOURCE_RATE: &[Field] =
    &[must("per_second", Shape::Number(1, 1_000_000)), must("burst", Shape::Number(1, 1_000_000))];

static TRUSTPOINT: &[Field] =
    &[must("name", Shape::Text), may("authority", Shape::Text), may("acme", Shape::Table(ACME))];

static ACME: &[Field] = &[
    must("directory", Shape::Text),
    may("authority", Shape::Text),
    may("contact", Shape::TextList),
    may("terms_of_service_agreed", Shape::Flag),
    may("challenge", Shape::OneOf(&["http-01", "tls-alpn-01"])),
    may("port", PORT),
];

static CRYPTO_SIGNALING: &[Field] = &[must("remote_addr", Shape::Text), must("trustpoint", Shape::Text)];

static ROLE: &[Field] = &[
    may("sbc", Shape::Table(SBC)),
    may("call_server", Shape::Table(CALL_SERVER)),
    may("voice_browser", Shape::Table(VOICE_BROWSER)),
    may("call_manager", Shape::Table(CALL_MANAGER)),
    may("media_resource", Shape::Table(MEDIA_RESOURCE)),
];

static MEDIA_RESOURCE: &[Field] = &[
    may("conference", Shape::Tables(CONFERENCE)),
    may("announcement", Shape::Tables(ANNOUNCEMENT)),
    may("secure_certificate_subject", Shape::TextList),
    may("call_server_subject", Shape::TextList),
    may("authority", Shape::Text),
];

static CONFERENCE: &[Field] =
    &[must("number", Shape::Text), may("parties", Shape::Number(1, 1000)), may("music", Shape::Text)];

static ANNOUNCEMENT: &[Field] = &[must("number", Shape::Text), must("prompt", Shape::Text), may("repeat", Shape::Flag)];

static SBC: &[Field] = &[may("dial_peer", Shape::Tables(DIAL_PEER))];

static DIAL_PEER: &[Field] = &[
    must("tag", Shape::Number(1, i32::MAX as u32)),
    may("description", Shape::Text),
    may("incoming_called_number", Shape::Text),
    may("destination_pattern", Shape::Text),
    must("session_target", Shape::Text),
    may("session_transport", Shape::OneOf(&["tcp tls", "tcp", "udp"])),
    may("srtp", Shape::Flag),
    may("dangerous_plain_rtp", Shape::Flag),
    may("dangerous_srtp_fallback", Shape::Flag),
    may("srtp_crypto", SRTP_CRYPTO),
    may("srtp_keying", Shape::OneOfList(&["sdes", "dtls"])),
    may("media_recording", Shape::Flag),
    may("codec", Shape::OneOfList(&["g711ulaw", "g711alaw", "g722-64", "opus"])),
    may("secure_certificate_subject", Shape::TextList),
    may("authority", Shape::Text),
    may("options_keepalive_s", SECONDS),
    may("latch", Shape::Flag),
];

static CALL_SERVER: &[Field] = &[
    may("sip_server_group", Shape::Tables(SIP_SERVER_GROUP)),
    may("dialled_number", Shape::Tables(DIALLED_NUMBER)),
    may("outgoing_number", Shape::Tables(OUTGOING_NUMBER)),
    may("browsers_may_dial", Shape::TextList),
    must("agent_group", Shape::Text),
    must("ingress_group", Shape::Text),
    may("conference_group", Shape::Text),
    may("queue", Shape::Tables(QUEUE)),
    may("agent", Shape::Tables(AGENT)),
    may("team", Shape::Tables(TEAM)),
    may("calendar", Shape::Tables(CALENDAR)),
    may("script", Shape::Tables(SCRIPT)),
    may("call_type", Shape::Tables(CALL_TYPE)),
    may("reason_code", Shape::Tables(REASON_CODE)),
    may("wrap_up_reason", Shape::Tables(WRAP_UP_REASON)),
    may("desk", Shape::Table(DESK)),
    may("priority_head_start_s", SECONDS),
];

static DESK: &[Field] = &[
    may("port", PORT),
    may("web_port", Shape::Number(0, 65_535)),
    may("xmpp_port", Shape::Number(0, 65_535)),
    may("lost_after_s", Shape::Number(1, 86_400)),
    may("address", Shape::Address),
];

static SIP_SERVER_GROUP: &[Field] =
    &[must("name", Shape::Text), may("heartbeat_s", SECONDS), may("member", Shape::Tables(MEMBER))];

static MEMBER: &[Field] = &[
    must("host", Shape::Text),
    may("authority", Shape::Text),
    must("address", Shape::Address),
    may("priority", Shape::Number(0, 65_535)),
    may("weight", Shape::Number(0, 65_535)),
    may("port", PORT),
    may("secure_port", PORT),
    may("dangerous_plain_sip", Shape::Flag),
    may("site", Shape::Text),
];

static DIALLED_NUMBER: &[Field] = &[
    must("pattern", Shape::Text),
    must("group", Shape::Text),
    may("application", Shape::Text),
    may("call_type", Shape::Text),
];

static OUTGOING_NUMBER: &[Field] =
    &[must("pattern", Shape::Text), must("group", Shape::Text), may("calling_number", Shape::Text)];

static QUEUE: &[Field] = &[
    must("name", Shape::Text),
    may("ring_no_answer_s", SECONDS),
    may("order", Shape::OneOf(&["longest_idle", "least_occupied", "most_skilled"])),
    may("step", Shape::Tables(WHO)),
    may("wrap_up_s", Shape::Number(0, 86_400)),
    may("last_agent_s", Shape::Number(0, 86_400)),
    may("service_level_s", SECONDS),
    may("announce_s", SECONDS),
    may("expected_handling_s", SECONDS),
];

static WHO: &[Field] = &[must("who", Shape::Text), may("wait_s", SECONDS)];

static AGENT: &[Field] = &[
    must("id", Shape::Text),
    must("extension", Shape::Text),
    may("queues", Shape::TextList),
    may("attributes", Shape::TextList),
    may("team", Shape::Text),
    may("first_name", Shape::Text),
    may("last_name", Shape::Text),
];

static TEAM: &[Field] = &[must("name", Shape::Text), may("supervisors", Shape::TextList)];

static CALENDAR: &[Field] = &[
    must("name", Shape::Text),
    must("time_zone", Shape::Text),
    must("open", Shape::TextList),
    may("holidays", Shape::TextList),
];

static SCRIPT: &[Field] = &[must("name", Shape::Text), may("step", Shape::Tables(SCRIPT_STEP))];

static SCRIPT_STEP: &[Field] = &[must("name", Shape::Text), must("do", Shape::Choice(DO))];

static DO: &[Field] = &[
    may("queue", Shape::Table(DO_QUEUE)),
    may("open", Shape::Table(DO_OPEN)),
    may("waiting", Shape::Table(DO_WAITING)),
    may("estimated_wait", Shape::Table(DO_ESTIMATED_WAIT)),
    may("staffed", Shape::Table(DO_STAFFED)),
    may("announce", Shape::Table(DO_ANNOUNCE)),
    may("end", Shape::Table(DO_END)),
];

static DO_QUEUE: &[Field] = &[
    must("queue", Shape::Text),
    may("priority", Shape::Number(0, 10)),
    may("wait_s", SECONDS),
    may("then", Shape::Text),
];

static DO_OPEN: &[Field] = &[must("calendar", Shape::Text), must("then", Shape::Text), must("otherwise", Shape::Text)];

static DO_WAITING: &[Field] = &[
    must("queue", Shape::Text),
    must("over", Shape::Number(0, 1_000_000)),
    must("then", Shape::Text),
    must("otherwise", Shape::Text),
];

static DO_ESTIMATED_WAIT: &[Field] = &[
    must("queue", Shape::Text),
    must("over_s", Shape::Number(0, 86_400)),
    must("then", Shape::Text),
    must("otherwise", Shape::Text),
];

static DO_STAFFED: &[Field] = &[must("queue", Shape::Text), must("then", Shape::Text), must("otherwise", Shape::Text)];

static DO_ANNOUNCE: &[Field] = &[must("prompt", Shape::Text), must("then", Shape::Text)];

static DO_END: &[Field] = &[may("prompt", Shape::Text)];

static CALL_TYPE: &[Field] =
    &[must("name", Shape::Text), may("when", Shape::Tables(WHEN)), must("otherwise", Shape::Text)];

static WHEN: &[Field] = &[must("calendar", Shape::Text), must("script", Shape::Text)];

static REASON_CODE: &[Field] = &[
    must("code", Shape::Number(1, 65_535)),
    must("label", Shape::Text),
    must("category", Shape::OneOf(&["not_ready", "logout"])),
    may("teams", Shape::TextList),
];

static WRAP_UP_REASON: &[Field] = &[must("label", Shape::Text), may("teams", Shape::TextList)];

static VOICE_BROWSER: &[Field] = &[
    may("application", Shape::Tables(APPLICATION)),
    may("srtp", Shape::Flag),
    may("dangerous_plain_rtp", Shape::Flag),
    may("srtp_crypto", SRTP_CRYPTO),
    may("dangerous_plain_callers", Shape::TextList),
    must("secure_certificate_subject", Shape::TextList),
    may("authority", Shape::Text),
];

static APPLICATION: &[Field] = &[
    must("number", Shape::Text),
    may("document", Shape::Text),
    may("page_authority", Shape::Text),
    may("dangerous_plain_http", Shape::Flag),
    may("language", Shape::Text),
    may("prompt", Shape::Text),
    may("invalid_prompt", Shape::Text),
    may("queue_music", Shape::Text),
    may("timeout_s", SECONDS),
    may("tries", Shape::Number(1, 100)),
    may("may_dial", Shape::TextList),
    may("may_stream", Shape::TextList),
    may("choice", Shape::Tables(CHOICE)),
];

static CHOICE: &[Field] = &[must("digit", Shape::Digit), must("queue", Shape::Text), may("call_back", Shape::Flag)];

static CALL_MANAGER: &[Field] = &[
    may("sip_trunk_security_profile", Shape::Tables(SIP_TRUNK_SECURITY_PROFILE)),
    may("phone_security_profile", Shape::Tables(PHONE_SECURITY_PROFILE)),
    may("application_user", Shape::Tables(APPLICATION_USER)),
    may("sip_trunk", Shape::Tables(SIP_TRUNK)),
    may("phone", Shape::Tables(PHONE)),
    may("realm", Shape::Text),
    may("phone_services", Shape::Table(PHONE_SERVICES)),
    may("oauth", Shape::Table(OAUTH)),
];

static OAUTH: &[Field] = &[
    may("port", PORT),
    may("audience", Shape::Text),
    may("built_in_issuer", Shape::Flag),
    may("issuer", Shape::Text),
    may("token_life_s", Shape::Number(60, 2_592_000)),
    may("identity_provider", Shape::Tables(IDENTITY_PROVIDER)),
];

static IDENTITY_PROVIDER: &[Field] = &[
    must("issuer", Shape::Text),
    may("key_set", Shape::Text),
    may("authority", Shape::Text),
    may("authorization_server", Shape::Text),
];

static PHONE_SERVICES: &[Field] = &[
    may("cluster_security_mode", Shape::Number(0, 1)),
    may("tftp_port", PORT),
    may("http_port", PORT),
    may("https_port", PORT),
    may("https_client_port", PORT),
    may("capf_port", PORT),
    may("tvs_port", PORT),
    may("activate_capf", Shape::Flag),
    may("files", Shape::Text),
    may("dangerous_sha1_signatures", Shape::Flag),
    may("device", Shape::Tables(PHONE_DEVICE)),
];

static PHONE_DEVICE: &[Field] = &[
    must("phone", Shape::Text),
    may("tftp_encrypted_config", Shape::Flag),
    may("certificate_operation", Shape::OneOf(&["install_upgrade", "delete", "troubleshoot"])),
    may("operation_completes_by", Shape::Text),
    may("authentication_mode", AUTHENTICATION_MODE),
    may("authentication_secret", Shape::Text),
    may("key_order", KEY_ORDER),
    may("rsa_key_size", RSA_KEY_SIZE),
    may("ec_key_size", EC_KEY_SIZE),
];

static SIP_TRUNK_SECURITY_PROFILE: &[Field] = &[
    must("name", Shape::Text),
    may("description", Shape::Text),
    may("device_security_mode", SECURITY_MODE),
    may("incoming_transport_type", TRANSPORT_TYPE),
    may("outgoing_transport_type", Shape::OneOf(&["tls", "tcp", "udp"])),
    may("enable_digest_authentication", Shape::Flag),
    may("nonce_validity_time_mins", MINUTES),
    may("secure_certificate_subject", Shape::TextList),
    may("authority", Shape::Text),
    may("incoming_port", PORT),
    may("enable_application_level_authorization", Shape::Flag),
    may("accept_presence_subscription", Shape::Flag),
    may("accept_out_of_dialog_refer", Shape::Flag),
    may("accept_unsolicited_notification", Shape::Flag),
    may("accept_replaces_header", Shape::Flag),
    may("transmit_security_status", Shape::Flag),
    may("allow_charging_header", Shape::Flag),
    may("sip_v150_outbound_sdp_offer_filtering", Shape::OneOf(&["use_default_filter", "no_filtering"])),
];

static PHONE_SECURITY_PROFILE: &[Field] = &[
    must("name", Shape::Text),
    may("description", Shape::Text),
    may("product_type", Shape::Text),
    may("device_protocol", Shape::OneOf(&["SIP"])),
    may("device_security_mode", SECURITY_MODE),
    may("transport_type", TRANSPORT_TYPE),
    may("enable_digest_authentication", Shape::Flag),
    may("nonce_validity_time_mins", MINUTES),
    may("tftp_encrypted_config", Shape::Flag),
    may("enable_oauth_authentication", Shape::Flag),
    may("authentication_mode", AUTHENTICATION_MODE),
    may("key_order", KEY_ORDER),
    may("rsa_key_size", RSA_KEY_SIZE),
    may("ec_key_size", EC_KEY_SIZE),
    may("sip_phone_port", PORT),
    may("dangerous_plain_rtp", Shape::Flag),
];

static APPLICATION_USER: &[Field] = &[
    must("name", Shape::Text),
    must("digest_secret", Shape::Text),
    may("accept_presence_subscription", Shape::Flag),
    may("accept_out_of_dialog_refer", Shape::Flag),
    may("accept_unsolicited_notification", Shape::Flag),
    may("accept_replaces_header", Shape::Flag),
];

static SIP_TRUNK: &[Field] = &[
    must("name", Shape::Text),
    must("destination_address", Shape::Address),
    may("destination_port", PORT),
    must("sip_trunk_security_profile", Shape::Text),
    may("srtp_allowed", Shape::Flag),
    may("dangerous_plain_rtp", Shape::Flag),
    may("options_ping_s", SECONDS),
];

static PHONE: &[Field] = &[
    must("name", Shape::Text),
    must("line", Shape::Text),
    may("digest_secret", Shape::Text),
    may("device_security_mode", SECURITY_MODE),
    may("device_security_profile", Shape::Text),
    may("product_type", Shape::Text),
    may("owner", Shape::Text),
    may("secure_certificate_subject", Shape::Text),
];

/// The word of `known` nearest to `word`, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, best) = known
        .into_iter()
        .map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .min()?;
    (distance <= 1 + word.chars().count() / 4).then_some(best)
}

/// Edit distance in which two neighbouring characters swapped count as one mistake, as typists make them.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let width = b.len() + 1;
    let mut cost = vec![0usize; (a.len() + 1) * width];
    // Rows run to a.len() and columns to b.len(), for which the table has room.
    let at = |row: usize, column: usize| row * width + column;
    for row in 0..=a.len() {
        for column in 0..width {
            let here = if row == 0 || column == 0 {
                row + column
            } else {
                let replace = cost[at(row - 1, column - 1)] + usize::from(a[row - 1] != b[column - 1]);
                let mut least = replace.min(cost[at(row - 1, column)] + 1).min(cost[at(row, column - 1)] + 1);
                if row > 1 && column > 1 && a[row - 1] == b[column - 2] && a[row - 2] == b[column - 1] {
                    least = least.min(cost[at(row - 2, column - 2)] + 1);
                }
                least
            };
            cost[at(row, column)] = here;
        }
    }
    cost[at(a.len(), b.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Site;

    #[test]
    fn nearest_finds_what_was_meant() {
        let known = ["secure_port", "port", "address", "name"];
        assert_eq!(nearest("secure_prot", known), Some("secure_port"));
        assert_eq!(nearest("SecurePort", known), Some("secure_port"));
        assert_eq!(nearest("nmae", known), Some("name"));
        assert_eq!(nearest("colour", known), None);
    }

    /// Every field that the types can write is in the schema, and every field of the schema is one that the types know.
    #[test]
    fn the_schema_says_what_the_types_say() {
        let site: Site = toml::from_str(EVERYTHING).expect("every field of the types");
        let written = toml::Value::try_from(&site).expect("types to TOML");
        compare(SITE, &written, "");
    }

    fn compare(fields: &[Field], value: &toml::Value, path: &str) {
        let table = value.as_table().unwrap_or_else(|| panic!("{path} is a table"));
        for key in table.keys() {
            assert!(fields.iter().any(|field| field.name == key), "{path}.{key} is in the types but not in the schema");
        }
        for field in fields {
            let inner = table
                .get(field.name)
                .unwrap_or_else(|| panic!("{path}.{} is in the schema but not in EVERYTHING", field.name));
            let path = format!("{path}.{}", field.name);
            match field.shape {
                Shape::Table(fields) => compare(fields, inner, &path),
                Shape::Tables(fields) => {
                    compare(fields, inner.as_array().and_then(|rows| rows.first()).expect("one row"), &path)
                }
                Shape::Choice(fields) => {
                    // A node has one role; EVERYTHING has one node of each role, the first is compared here.
                    let role = inner.as_table().expect("a table").keys().next().expect("one role");
                    assert!(fields.iter().any(|field| field.name == role));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn each_role_says_what_its_types_say() {
        let site: Site = toml::from_str(EVERYTHING).expect("every field of the types");
        for (node, role) in site.nodes.iter().zip(ROLE) {
            let written = toml::Value::try_from(&node.role).expect("types to TOML");
            let Shape::Table(fields) = role.shape else { panic!("a role is a table") };
            compare(fields, &written[role.name], role.name);
        }
    }

    const EVERYTHING: &str = r#"
name = "lab"
domain = "lab.example"
laboratory = true
tls = { versions = ["1.3"], dangerous_tls_keylog = true }
ca = { pkcs11 = { module = "/m", token = "t", slot = 1, pin_file = "f", key = "k" } }
directory = { url = ["ldaps://a"], authority = "y", dangerous_plain_ldap = false, bind_dn = "d", bind_password_file = "f", base = "b", user_filter = "(u={name})", agent_attribute = "a", group_attribute = "g", group_base = "b", group_filter = "(m={dn})", agent_groups = ["g"], supervisor_groups = ["g"], administrator_groups = ["g"] }
open_id = { issuer = "https://i", authority = "y", client_id = "c", client_secret_file = "f", audience = "a", scopes = ["s"], name_claim = "n", agent_claim = "a", role_claim = "r", agent_roles = ["g"], supervisor_roles = ["g"], administrator_roles = ["g"], session_idle_s = 60, session_life_s = 60 }
speech = { engine = "espeak-ng", command = "c", url = "u", server = "s", authority = "y", language = "en", voice = [{ language = "en", name = "n", gender = "male" }], timeout_s = 1, at_once = 1 }
recognition = { engine = "http", command = "c", url = "u", server = "s", authority = "y", timeout_s = 1, at_once = 1 }
ocsp = { node = "a", port = 1, url = "http://o" }
authority = [{ name = "y", revocation = "ocsp", ocsp_responder = "http://o", dangerous_ocsp_soft_fail = false }]

[[node]]
name = "a"
address = "127.0.0.1"
secure_port = 1
port = 2
dangerous_plain_sip = true
websocket_port = 7
console = { port = 22, address = "::1" }
control_port = 3
media_ports = [4, 5]
session_expires_s = 90
min_se_s = 90
source_rate = { per_second = 1, burst = 2 }
overload_control = true
dangerous_panic_on_number = "1"
trustpoint = [{ name = "t", authority = "y", acme = { directory = "https://d", authority = "y", contact = ["mailto:a@b"], terms_of_service_agreed = true, challenge = "tls-alpn-01", port = 1 } }]
crypto_signaling = [{ remote_addr = "127.0.0.1 255.255.255.255", trustpoint = "t" }]
[[node.role.sbc.dial_peer]]
tag = 1
description = "d"
incoming_called_number = "1"
destination_pattern = "2"
session_target = "ipv4:127.0.0.1:5061"
session_transport = "tcp tls"
srtp = true
dangerous_plain_rtp = false
dangerous_srtp_fallback = false
secure_certificate_subject = ["x"]
authority = "y"
options_keepalive_s = 30
latch = true

[[node]]
name = "b"
address = "127.0.0.2"
[node.role.call_server]
agent_group = "g"
ingress_group = "g"
conference_group = "g"
desk = { port = 8445, web_port = 7443, xmpp_port = 5223, lost_after_s = 60, address = "::1" }
sip_server_group = [{ name = "g", heartbeat_s = 1, member = [{ host = "h", authority = "y", address = "::1", priority = 1, weight = 1, port = 1, secure_port = 2, dangerous_plain_sip = false, site = "Main" }] }]
dialled_number = [{ pattern = "1", group = "g", application = "a", call_type = "t" }]
outgoing_number = [{ pattern = "0T", group = "g", calling_number = "1" }]
browsers_may_dial = ["0T"]
queue = [{ name = "q", ring_no_answer_s = 1, order = "longest_idle", step = [{ who = "x", wait_s = 1 }], wrap_up_s = 1, last_agent_s = 1, service_level_s = 1, announce_s = 1, expected_handling_s = 1 }]
agent = [{ id = "1", extension = "2", queues = ["q"], attributes = ["x = 1"], team = "t", first_name = "f", last_name = "l" }]
team = [{ name = "t", supervisors = ["1"] }]
calendar = [{ name = "c", time_zone = "UTC0", open = ["mon 00:00-24:00"], holidays = ["12-25"] }]
script = [{ name = "s", step = [{ name = "a", do = { end = { prompt = "p" } } }] }]
call_type = [{ name = "t", when = [{ calendar = "c", script = "s" }], otherwise = "s" }]
reason_code = [{ code = 1, label = "l", category = "not_ready", teams = ["t"] }]
wrap_up_reason = [{ label = "l", teams = ["t"] }]
priority_head_start_s = 60

[[node]]
name = "c"
address = "127.0.0.3"
[node.role.voice_browser]
secure_certificate_subject = ["x"]
authority = "y"
application = [{ number = "1", document = "d.vxml", page_authority = "web", dangerous_plain_http = true, language = "en", prompt = "p", invalid_prompt = "i", queue_music = "m", timeout_s = 1, tries = 1, may_dial = ["0T"], may_stream = ["h"], choice = [{ digit = "1", queue = "q" }] }]

[[node]]
name = "d"
address = "127.0.0.4"
[node.role.call_manager]
realm = "r"
phone_services = { cluster_security_mode = 0, tftp_port = 1, http_port = 2, https_port = 3, https_client_port = 4, capf_port = 5, tvs_port = 6, activate_capf = true, files = "f", dangerous_sha1_signatures = false, device = [{ phone = "p", tftp_encrypted_config = true, certificate_operation = "delete", operation_completes_by = "2027-01-01", authentication_mode = "null_string", authentication_secret = "1234", key_order = "rsa_only", rsa_key_size = 2048, ec_key_size = 256 }] }
oauth = { port = 1, audience = "a", built_in_issuer = true, issuer = "https://a", token_life_s = 60, identity_provider = [{ issuer = "https://i", key_set = "https://f", authority = "y", authorization_server = "https://s" }] }
sip_trunk_security_profile = [{ name = "p", description = "d", device_security_mode = "encrypted", incoming_transport_type = "tls", outgoing_transport_type = "tls", enable_digest_authentication = false, nonce_validity_time_mins = 600, secure_certificate_subject = ["x"], authority = "y", incoming_port = 5061, enable_application_level_authorization = false, accept_presence_subscription = false, accept_out_of_dialog_refer = false, accept_unsolicited_notification = false, accept_replaces_header = false, transmit_security_status = false, allow_charging_header = false, sip_v150_outbound_sdp_offer_filtering = "use_default_filter" }]
phone_security_profile = [{ name = "p", description = "d", product_type = "t", device_protocol = "SIP", device_security_mode = "encrypted", transport_type = "tls", enable_digest_authentication = true, nonce_validity_time_mins = 600, tftp_encrypted_config = true, enable_oauth_authentication = false, authentication_mode = "null_string", key_order = "rsa_only", rsa_key_size = 2048, ec_key_size = 384, sip_phone_port = 5061, dangerous_plain_rtp = false }]
application_user = [{ name = "u", digest_secret = "s", accept_presence_subscription = false, accept_out_of_dialog_refer = false, accept_unsolicited_notification = false, accept_replaces_header = false }]
sip_trunk = [{ name = "t", destination_address = "127.0.0.1", destination_port = 5061, sip_trunk_security_profile = "p", srtp_allowed = true, dangerous_plain_rtp = false, options_ping_s = 1 }]
phone = [{ name = "p", line = "1", digest_secret = "s", device_security_mode = "encrypted", device_security_profile = "p", product_type = "t", owner = "o", secure_certificate_subject = "x" }]

[[node]]
name = "e"
address = "127.0.0.5"
[node.role.media_resource]
secure_certificate_subject = ["x"]
call_server_subject = ["x"]
authority = "y"
conference = [{ number = "1", parties = 3, music = "m" }]
announcement = [{ number = "2", prompt = "p", repeat = true }]
"#;
}
