//! Alerts by the names of RFC 8446 §6 and RFC 5246 §7.2, and what each means on a trunk.

const ALERTS: [(u8, &str, &str); 33] = [
    (0, "close_notify", "the connection is closed in order"),
    (10, "unexpected_message", "a message came that has no place there"),
    (20, "bad_record_mac", "a record was changed on its way, or the keys differ"),
    (21, "decryption_failed", "a record cannot be opened"),
    (22, "record_overflow", "a record is too long"),
    (30, "decompression_failure", "compressed data is broken"),
    (40, "handshake_failure", "there is no version, suite, group or signature that both take"),
    (41, "no_certificate", "there is no certificate to show"),
    (42, "bad_certificate", "the certificate is broken, its signature is wrong, or it is not for this name"),
    (43, "unsupported_certificate", "the certificate is of a kind, or for a use, that is not taken"),
    (44, "certificate_revoked", "the certificate was revoked"),
    (45, "certificate_expired", "the certificate has expired or is not yet valid: look at both clocks"),
    (46, "certificate_unknown", "the certificate was not accepted, for a reason that has no alert of its own"),
    (47, "illegal_parameter", "a field is out of range or contradicts another"),
    (48, "unknown_ca", "no root of the verifier's signed the chain: exchange roots"),
    (49, "access_denied", "the certificate is good, and its holder is not let in"),
    (50, "decode_error", "a message cannot be read"),
    (51, "decrypt_error", "a signature or a Finished is wrong"),
    (60, "export_restriction", "an export suite"),
    (70, "protocol_version", "the offered TLS versions are not taken: look at both minimum versions"),
    (71, "insufficient_security", "the offered suites are too weak"),
    (80, "internal_error", "a fault of the side that sends this"),
    (86, "inappropriate_fallback", "a version was offered that is lower than need be"),
    (90, "user_canceled", "the handshake was called off"),
    (100, "no_renegotiation", "no second handshake on this connection"),
    (109, "missing_extension", "an extension that is needed is missing"),
    (110, "unsupported_extension", "an extension came that was not offered"),
    (111, "certificate_unobtainable", "the certificate cannot be fetched"),
    (112, "unrecognized_name", "the server name is not served there"),
    (113, "bad_certificate_status_response", "the stapled OCSP answer is not good"),
    (115, "unknown_psk_identity", "the session or key that was named is not known"),
    (116, "certificate_required", "no certificate was shown, and one is needed"),
    (120, "no_application_protocol", "there is no application protocol that both take"),
];

/// An alert in words: which way it went (`ours`: we sent it), and what it means.
pub fn alert(ours: bool, level: &str, code: u8) -> String {
    let way = if ours { "write" } else { "read" };
    match ALERTS.iter().find(|(known, ..)| *known == code) {
        Some((_, name, words)) => format!("SSL alert {way}: {level}: {name} ({code}): {words}"),
        None => format!("SSL alert {way}: {level}: code {code}, which no standard names"),
    }
}
