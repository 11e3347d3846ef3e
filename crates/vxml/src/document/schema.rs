//! What each element may have: attributes with their kinds, and children (VoiceXML 2.0 appendix B, 2.1 appendix B). Data,
//! not code: [`super::check`] reads it.

use super::tag::Tag;

/// What an attribute's value must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    Boolean,
    Time,
    /// A whole number, not negative.
    Number,
    Variable,
    /// A variable, or a property of one.
    Reference,
    References,
    /// ECMAScript, compiled but not run.
    Script,
    OneOf(&'static [&'static str]),
}

pub(super) type Attributes = &'static [(&'static str, Kind)];

/// An element's rule.
pub(super) struct Rule {
    pub(super) attributes: &'static [Attributes],
    pub(super) required: &'static [&'static str],
    /// Exactly one (`true`) or at most one (`false`) of these.
    pub(super) one_of: &'static [(bool, &'static [&'static str])],
    pub(super) children: &'static [&'static [Tag]],
    pub(super) text: bool,
}

use Kind::{Boolean, Number, OneOf, Reference, References, Script, Text, Time, Variable};

const NONE: Rule = Rule { attributes: &[], required: &[], one_of: &[], children: &[], text: false };

const FETCH: Attributes =
    &[("fetchtimeout", Time), ("fetchhint", OneOf(&["prefetch", "safe"])), ("maxage", Number), ("maxstale", Number)];
const FETCH_AUDIO: Attributes = &[("fetchaudio", Text)];
const SEND: Attributes = &[("namelist", References), ("method", OneOf(&["get", "post"])), ("enctype", Text)];
const THROWN: Attributes = &[("event", Text), ("eventexpr", Script), ("message", Text), ("messageexpr", Script)];
const ITEM: Attributes = &[("name", Variable), ("expr", Script), ("cond", Script)];
const HANDLER: Attributes = &[("count", Number), ("cond", Script)];
const LANGUAGE: Attributes = &[("xml:lang", Text), ("xml:base", Text)];
const WHERE: Attributes = &[("src", Text), ("srcexpr", Script)];

const SPOKEN: &[Tag] = &[
    Tag::Audio,
    Tag::Value,
    Tag::Enumerate,
    Tag::Break,
    Tag::Desc,
    Tag::Emphasis,
    Tag::Lexicon,
    Tag::Mark,
    Tag::Metadata,
    Tag::Paragraph,
    Tag::Phoneme,
    Tag::Prosody,
    Tag::SayAs,
    Tag::Sentence,
    Tag::Sub,
    Tag::Voice,
    Tag::Foreach,
];
const EXECUTABLE: &[Tag] = &[
    Tag::Assign,
    Tag::Clear,
    Tag::Data,
    Tag::Disconnect,
    Tag::Exit,
    Tag::Goto,
    Tag::If,
    Tag::Log,
    Tag::Prompt,
    Tag::Reprompt,
    Tag::Return,
    Tag::Script,
    Tag::Submit,
    Tag::Throw,
    Tag::Var,
];
const HANDLERS: &[Tag] = &[Tag::Catch, Tag::Error, Tag::Help, Tag::Noinput, Tag::Nomatch];
const IN_ITEM: &[Tag] = &[Tag::Filled, Tag::Property, Tag::Prompt];
const EXEC: &[&[Tag]] = &[EXECUTABLE, SPOKEN];

const HANDLING: Rule = Rule { attributes: &[HANDLER], children: EXEC, text: true, ..NONE };
const SPEECH: Rule = Rule { attributes: &[LANGUAGE], children: &[SPOKEN], text: true, ..NONE };

pub(super) fn rule(tag: Tag) -> Rule {
    match tag {
        Tag::Assign => {
            Rule { attributes: &[&[("name", Reference), ("expr", Script)]], required: &["name", "expr"], ..NONE }
        }
        Tag::Audio => Rule {
            attributes: &[&[("src", Text), ("expr", Script)], FETCH],
            one_of: &[(false, &["src", "expr"])],
            ..SPEECH
        },
        Tag::Block => Rule { attributes: &[ITEM], children: EXEC, text: true, ..NONE },
        Tag::Break => Rule {
            attributes: &[&[
                ("time", Time),
                ("strength", OneOf(&["none", "x-weak", "weak", "medium", "strong", "x-strong"])),
                ("size", Text),
            ]],
            ..NONE
        },
        Tag::Catch => Rule { attributes: &[HANDLER, &[("event", Text)]], ..HANDLING },
        Tag::Error | Tag::Help | Tag::Noinput | Tag::Nomatch => HANDLING,
        Tag::Choice => Rule {
            attributes: &[
                &[("dtmf", Text), ("accept", OneOf(&["exact", "approximate"])), ("next", Text), ("expr", Script)],
                THROWN,
                FETCH,
                FETCH_AUDIO,
            ],
            one_of: &[(true, &["next", "expr", "event", "eventexpr"]), (false, &["message", "messageexpr"])],
            children: &[SPOKEN, &[Tag::Grammar]],
            text: true,
            ..NONE
        },
        Tag::Clear => Rule { attributes: &[&[("namelist", References)]], ..NONE },
        Tag::Data => Rule {
            attributes: &[WHERE, SEND, FETCH, FETCH_AUDIO, &[("name", Variable)]],
            one_of: &[(true, &["src", "srcexpr"])],
            ..NONE
        },
        Tag::Disconnect => Rule { attributes: &[&[("namelist", References)]], ..NONE },
        Tag::Else => NONE,
        Tag::Elseif => Rule { attributes: &[&[("cond", Script)]], required: &["cond"], ..NONE },
        Tag::If => Rule {
            attributes: &[&[("cond", Script)]],
            required: &["cond"],
            children: &[EXECUTABLE, SPOKEN, &[Tag::Else, Tag::Elseif]],
            text: true,
            ..NONE
        },
        Tag::Enumerate => SPEECH,
        Tag::Exit => Rule {
            attributes: &[&[("expr", Script), ("namelist", References)]],
            one_of: &[(false, &["expr", "namelist"])],
            ..NONE
        },
        Tag::Field => Rule {
            attributes: &[ITEM, &[("type", Text), ("slot", Text), ("modal", Boolean)]],
            children: &[HANDLERS, IN_ITEM, SPOKEN, &[Tag::Grammar, Tag::Link, Tag::Option]],
            text: true,
            ..NONE
        },
        Tag::Filled => Rule {
            attributes: &[&[("mode", OneOf(&["any", "all"])), ("namelist", References)]],
            children: EXEC,
            text: true,
            ..NONE
        },
        Tag::Foreach => Rule {
            attributes: &[&[("item", Variable), ("array", Script)]],
            required: &["item", "array"],
            children: EXEC,
            text: true,
            ..NONE
        },
        Tag::Form => Rule {
            attributes: &[&[("id", Text), ("scope", OneOf(&["dialog", "document"]))]],
            children: &[
                HANDLERS,
                &[
                    Tag::Block,
                    Tag::Data,
                    Tag::Field,
                    Tag::Filled,
                    Tag::Grammar,
                    Tag::Initial,
                    Tag::Link,
                    Tag::Object,
                    Tag::Property,
                    Tag::Record,
                    Tag::Script,
                    Tag::Stream,
                    Tag::Subdialog,
                    Tag::Transfer,
                    Tag::Var,
                ],
            ],
            ..NONE
        },
        Tag::Goto => Rule {
            attributes: &[
                &[("next", Text), ("expr", Script), ("nextitem", Variable), ("expritem", Script)],
                FETCH,
                FETCH_AUDIO,
            ],
            one_of: &[(true, &["next", "expr", "nextitem", "expritem"])],
            ..NONE
        },
        // What is inside is the grammar's own: `crate::grammar` reads it.
        Tag::Grammar => Rule {
            attributes: &[
                WHERE,
                FETCH,
                LANGUAGE,
                &[
                    ("mode", OneOf(&["voice", "dtmf"])),
                    ("version", Text),
                    ("root", Text),
                    ("tag-format", Text),
                    ("type", Text),
                    ("scope", OneOf(&["dialog", "document"])),
                    ("weight", Text),
                ],
            ],
            one_of: &[(false, &["src", "srcexpr"])],
            text: true,
            ..NONE
        },
        Tag::Initial => Rule {
            attributes: &[ITEM],
            children: &[HANDLERS, SPOKEN, &[Tag::Link, Tag::Property, Tag::Prompt]],
            text: true,
            ..NONE
        },
        Tag::Link => Rule {
            attributes: &[&[("next", Text), ("expr", Script), ("dtmf", Text)], THROWN, FETCH, FETCH_AUDIO],
            one_of: &[(true, &["next", "expr", "event", "eventexpr"]), (false, &["message", "messageexpr"])],
            children: &[&[Tag::Grammar]],
            ..NONE
        },
        Tag::Log => Rule {
            attributes: &[&[("label", Text), ("expr", Script)]],
            children: &[&[Tag::Value, Tag::Foreach]],
            text: true,
            ..NONE
        },
        Tag::Mark => Rule {
            attributes: &[&[("name", Text), ("nameexpr", Script)]],
            one_of: &[(true, &["name", "nameexpr"])],
            ..NONE
        },
        Tag::Menu => Rule {
            attributes: &[&[
                ("id", Text),
                ("scope", OneOf(&["dialog", "document"])),
                ("dtmf", Boolean),
                ("accept", OneOf(&["exact", "approximate"])),
            ]],
            children: &[HANDLERS, SPOKEN, &[Tag::Choice, Tag::Link, Tag::Property, Tag::Prompt, Tag::Script, Tag::Var]],
            text: true,
            ..NONE
        },
        Tag::Meta => Rule { attributes: &[&[("name", Text), ("content", Text), ("http-equiv", Text)]], ..NONE },
        Tag::Metadata => Rule { attributes: &[], text: true, ..NONE },
        Tag::Object => Rule {
            attributes: &[
                ITEM,
                FETCH,
                &[
                    ("classid", Text),
                    ("codebase", Text),
                    ("codetype", Text),
                    ("data", Text),
                    ("type", Text),
                    ("archive", Text),
                ],
            ],
            children: &[HANDLERS, IN_ITEM, SPOKEN, &[Tag::Param]],
            text: true,
            ..NONE
        },
        Tag::Option => Rule {
            attributes: &[&[("dtmf", Text), ("accept", OneOf(&["exact", "approximate"])), ("value", Text)]],
            text: true,
            ..NONE
        },
        Tag::Param => Rule {
            attributes: &[&[
                ("name", Text),
                ("expr", Script),
                ("value", Text),
                ("valuetype", OneOf(&["data", "ref"])),
                ("type", Text),
            ]],
            required: &["name"],
            one_of: &[(true, &["expr", "value"])],
            ..NONE
        },
        Tag::Prompt => Rule {
            attributes: &[
                LANGUAGE,
                &[
                    ("bargein", Boolean),
                    ("bargeintype", OneOf(&["speech", "hotword"])),
                    ("cond", Script),
                    ("count", Number),
                    ("timeout", Time),
                    ("version", Text),
                ],
            ],
            ..SPEECH
        },
        Tag::Property => {
            Rule { attributes: &[&[("name", Text), ("value", Text)]], required: &["name", "value"], ..NONE }
        }
        Tag::Record => Rule {
            attributes: &[
                ITEM,
                &[
                    ("modal", Boolean),
                    ("beep", Boolean),
                    ("maxtime", Time),
                    ("finalsilence", Time),
                    ("dtmfterm", Boolean),
                    ("type", Text),
                ],
            ],
            children: &[HANDLERS, IN_ITEM, SPOKEN, &[Tag::Grammar]],
            text: true,
            ..NONE
        },
        Tag::Reprompt => NONE,
        Tag::Return => Rule {
            attributes: &[THROWN, &[("namelist", References)]],
            one_of: &[(false, &["event", "eventexpr", "namelist"]), (false, &["message", "messageexpr"])],
            ..NONE
        },
        Tag::Script => Rule {
            attributes: &[WHERE, FETCH, &[("charset", Text)]],
            one_of: &[(false, &["src", "srcexpr"])],
            text: true,
            ..NONE
        },
        // What others call so as well; none of VoiceXML's.
        Tag::Stream => Rule {
            attributes: &[ITEM, WHERE, &[("connecttimeout", Time), ("maxtime", Time)]],
            one_of: &[(true, &["src", "srcexpr"])],
            children: &[HANDLERS, IN_ITEM, SPOKEN, &[Tag::Param]],
            text: true,
            ..NONE
        },
        Tag::Subdialog => Rule {
            attributes: &[ITEM, WHERE, SEND, FETCH, FETCH_AUDIO],
            one_of: &[(true, &["src", "srcexpr"])],
            children: &[HANDLERS, IN_ITEM, SPOKEN, &[Tag::Param]],
            text: true,
            ..NONE
        },
        Tag::Submit => Rule {
            attributes: &[&[("next", Text), ("expr", Script)], SEND, FETCH, FETCH_AUDIO],
            one_of: &[(true, &["next", "expr"])],
            ..NONE
        },
        Tag::Throw => Rule {
            attributes: &[THROWN],
            one_of: &[(true, &["event", "eventexpr"]), (false, &["message", "messageexpr"])],
            ..NONE
        },
        Tag::Transfer => Rule {
            attributes: &[
                ITEM,
                &[
                    ("dest", Text),
                    ("destexpr", Script),
                    ("bridge", Boolean),
                    ("type", OneOf(&["bridge", "blind", "consultation"])),
                    ("connecttimeout", Time),
                    ("maxtime", Time),
                    ("transferaudio", Text),
                    ("aai", Text),
                    ("aaiexpr", Script),
                ],
            ],
            one_of: &[(true, &["dest", "destexpr"]), (false, &["bridge", "type"]), (false, &["aai", "aaiexpr"])],
            children: &[HANDLERS, IN_ITEM, SPOKEN, &[Tag::Grammar]],
            text: true,
            ..NONE
        },
        Tag::Value => Rule { attributes: &[&[("expr", Script)]], required: &["expr"], ..NONE },
        Tag::Var => Rule { attributes: &[&[("name", Variable), ("expr", Script)]], required: &["name"], ..NONE },
        Tag::Vxml => Rule {
            attributes: &[LANGUAGE, &[("version", Text), ("application", Text), ("schemaLocation", Text)]],
            required: &["version"],
            children: &[
                HANDLERS,
                &[
                    Tag::Data,
                    Tag::Form,
                    Tag::Link,
                    Tag::Menu,
                    Tag::Meta,
                    Tag::Metadata,
                    Tag::Property,
                    Tag::Script,
                    Tag::Var,
                ],
            ],
            ..NONE
        },
        Tag::Desc => Rule { attributes: &[LANGUAGE], text: true, ..NONE },
        Tag::Emphasis => {
            Rule { attributes: &[&[("level", OneOf(&["strong", "moderate", "none", "reduced"]))]], ..SPEECH }
        }
        Tag::Lexicon => Rule { attributes: &[&[("uri", Text), ("type", Text), ("id", Text)]], ..NONE },
        Tag::Paragraph | Tag::Sentence => SPEECH,
        Tag::Phoneme => Rule { attributes: &[&[("ph", Text), ("alphabet", Text)]], required: &["ph"], ..SPEECH },
        Tag::Prosody => Rule {
            attributes: &[&[
                ("pitch", Text),
                ("contour", Text),
                ("range", Text),
                ("rate", Text),
                ("duration", Text),
                ("volume", Text),
            ]],
            ..SPEECH
        },
        Tag::SayAs => Rule {
            attributes: &[&[("interpret-as", Text), ("format", Text), ("detail", Text), ("type", Text)]],
            ..SPEECH
        },
        Tag::Sub => Rule { attributes: &[&[("alias", Text)]], required: &["alias"], ..SPEECH },
        Tag::Voice => Rule {
            attributes: &[LANGUAGE, &[("gender", Text), ("age", Text), ("variant", Text), ("name", Text)]],
            ..SPEECH
        },
    }
}

/// The attributes of an element that are ECMAScript.
pub(super) fn scripts(tag: Tag) -> impl Iterator<Item = &'static str> {
    let all = rule(tag).attributes.iter().flat_map(|group| group.iter());
    all.filter(|(_, kind)| matches!(kind, Kind::Script)).map(|(name, _)| *name)
}
