//! Names of resources (RFC 6787 §4.2), methods (§5.2) and events (§5.5). Those that nobody knows are kept as they came.

use std::fmt;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($variant,)+
            /// Of an extension.
            Other(Box<str>),
        }

        impl $name {
            /// All that RFC 6787 has.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            pub fn as_str(&self) -> &str {
                match self {
                    $($name::$variant => $text,)+
                    $name::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                match text {
                    $($text => $name::$variant,)+
                    other => $name::Other(other.into()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// What a server has to offer: the end of a channel's identifier.
    Resource {
        Recognizer = "speechrecog",
        DtmfRecognizer = "dtmfrecog",
        Synthesizer = "speechsynth",
        BasicSynthesizer = "basicsynth",
        Verifier = "speakverify",
        Recorder = "recorder",
    }
}

names! {
    /// What a client asks for.
    Method {
        SetParams = "SET-PARAMS",
        GetParams = "GET-PARAMS",
        Speak = "SPEAK",
        Stop = "STOP",
        Pause = "PAUSE",
        Resume = "RESUME",
        BargeInOccurred = "BARGE-IN-OCCURRED",
        Control = "CONTROL",
        DefineLexicon = "DEFINE-LEXICON",
        DefineGrammar = "DEFINE-GRAMMAR",
        Recognize = "RECOGNIZE",
        Interpret = "INTERPRET",
        GetResult = "GET-RESULT",
        StartInputTimers = "START-INPUT-TIMERS",
        StartPhraseEnrollment = "START-PHRASE-ENROLLMENT",
        EnrollmentRollback = "ENROLLMENT-ROLLBACK",
        EndPhraseEnrollment = "END-PHRASE-ENROLLMENT",
        ModifyPhrase = "MODIFY-PHRASE",
        DeletePhrase = "DELETE-PHRASE",
        Record = "RECORD",
        StartSession = "START-SESSION",
        EndSession = "END-SESSION",
        QueryVoiceprint = "QUERY-VOICEPRINT",
        DeleteVoiceprint = "DELETE-VOICEPRINT",
        Verify = "VERIFY",
        VerifyFromBuffer = "VERIFY-FROM-BUFFER",
        VerifyRollback = "VERIFY-ROLLBACK",
        ClearBuffer = "CLEAR-BUFFER",
        GetIntermediateResult = "GET-INTERMEDIATE-RESULT",
    }
}

names! {
    /// What a server tells unasked.
    EventName {
        SpeechMarker = "SPEECH-MARKER",
        SpeakComplete = "SPEAK-COMPLETE",
        StartOfInput = "START-OF-INPUT",
        RecognitionComplete = "RECOGNITION-COMPLETE",
        InterpretationComplete = "INTERPRETATION-COMPLETE",
        RecordComplete = "RECORD-COMPLETE",
        VerificationComplete = "VERIFICATION-COMPLETE",
    }
}

impl Resource {
    /// SPEAK and its kin (§8).
    pub fn speaks(&self) -> bool {
        matches!(self, Resource::Synthesizer | Resource::BasicSynthesizer)
    }

    /// RECOGNIZE and its kin (§9).
    pub fn recognizes(&self) -> bool {
        matches!(self, Resource::Recognizer | Resource::DtmfRecognizer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_they_are_written() {
        for method in Method::ALL {
            assert_eq!(Method::from(method.as_str()), *method);
        }
        for event in EventName::ALL {
            assert_eq!(EventName::from(event.as_str()), *event);
        }
        for resource in Resource::ALL {
            assert_eq!(Resource::from(resource.as_str()), *resource);
        }
        assert_eq!(Method::from("SING").as_str(), "SING");
        assert_eq!((Method::ALL.len(), EventName::ALL.len()), (29, 7), "as RFC 6787 §15 counts them");
    }
}
