//! Which field has what value (RFC 6787 §15).

/// How a field's value is read.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Flag,
    Number,
    Decimal,
    Choice(&'static [&'static str]),
    Channel,
    Requests,
    Cause,
    Marker,
    Length,
    Stored,
    Quoted,
    Pairs,
    Addresses,
    Text,
}

/// By the field's name, in capitals or not.
pub(super) fn kind(name: &str) -> Kind {
    FIELDS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map_or(Kind::Text, |(_, kind)| *kind)
}

const FIELDS: &[(&str, Kind)] = &[
    // Generic (§6.2).
    ("Channel-Identifier", Kind::Channel),
    ("Active-Request-Id-List", Kind::Requests),
    ("Content-Length", Kind::Number),
    ("Fetch-Timeout", Kind::Number),
    ("Vendor-Specific-Parameters", Kind::Pairs),
    // Synthesizer (§8.4).
    ("Jump-Size", Kind::Length),
    ("Kill-On-Barge-In", Kind::Flag),
    ("Completion-Cause", Kind::Cause),
    ("Completion-Reason", Kind::Quoted),
    ("Voice-Gender", Kind::Choice(&["male", "female", "neutral"])),
    ("Voice-Age", Kind::Number),
    ("Voice-Variant", Kind::Number),
    ("Speech-Marker", Kind::Marker),
    ("Fetch-Hint", Kind::Choice(&["prefetch", "safe"])),
    ("Audio-Fetch-Hint", Kind::Choice(&["prefetch", "safe", "stream"])),
    ("Speak-Restart", Kind::Flag),
    ("Speak-Length", Kind::Length),
    ("Load-Lexicon", Kind::Flag),
    ("Lexicon-Search-Order", Kind::Addresses),
    // Recognizer (§9.4).
    ("Confidence-Threshold", Kind::Decimal),
    ("Sensitivity-Level", Kind::Decimal),
    ("Speed-Vs-Accuracy", Kind::Decimal),
    ("N-Best-List-Length", Kind::Number),
    ("Input-Type", Kind::Choice(&["speech", "dtmf"])),
    ("No-Input-Timeout", Kind::Number),
    ("Recognition-Timeout", Kind::Number),
    ("Waveform-URI", Kind::Stored),
    ("Start-Input-Timers", Kind::Flag),
    ("Speech-Complete-Timeout", Kind::Number),
    ("Speech-Incomplete-Timeout", Kind::Number),
    ("DTMF-Interdigit-Timeout", Kind::Number),
    ("DTMF-Term-Timeout", Kind::Number),
    ("Save-Waveform", Kind::Flag),
    ("New-Audio-Channel", Kind::Flag),
    ("Ver-Buffer-Utterance", Kind::Flag),
    ("Recognition-Mode", Kind::Choice(&["normal", "hotword"])),
    ("Cancel-If-Queue", Kind::Flag),
    ("Hotword-Max-Duration", Kind::Number),
    ("Hotword-Min-Duration", Kind::Number),
    ("DTMF-Buffer-Time", Kind::Number),
    ("Clear-DTMF-Buffer", Kind::Flag),
    ("Early-No-Match", Kind::Flag),
    // Enrolment (§9.4.34–§9.4.45).
    ("Num-Min-Consistent-Pronunciations", Kind::Number),
    ("Consistency-Threshold", Kind::Decimal),
    ("Clash-Threshold", Kind::Decimal),
    ("Enroll-Utterance", Kind::Flag),
    ("Weight", Kind::Decimal),
    ("Save-Best-Waveform", Kind::Flag),
    ("Abort-Phrase-Enrollment", Kind::Flag),
    // Recorder (§10.4).
    ("Record-URI", Kind::Stored),
    ("Max-Time", Kind::Number),
    ("Trim-Length", Kind::Number),
    ("Final-Silence", Kind::Number),
    ("Capture-On-Speech", Kind::Flag),
    // Verifier (§11.4).
    ("Verification-Mode", Kind::Choice(&["train", "verify"])),
    ("Adapt-Model", Kind::Flag),
    ("Abort-Model", Kind::Flag),
    ("Min-Verification-Score", Kind::Decimal),
    ("Num-Min-Verification-Phrases", Kind::Number),
    ("Num-Max-Verification-Phrases", Kind::Number),
    ("Voiceprint-Exists", Kind::Flag),
    ("Abort-Verification", Kind::Flag),
];
