//! The elements of VoiceXML 2.0 (§1.4) and 2.1 (§1), and of SSML within prompts (SSML 1.1 §3).

macro_rules! tags {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// An element by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Tag { $($variant),* }

        impl Tag {
            pub const ALL: &'static [Tag] = &[$(Tag::$variant),*];

            pub fn named(name: &str) -> Option<Tag> {
                match name { $($name => Some(Tag::$variant),)* _ => None }
            }

            pub fn name(self) -> &'static str {
                match self { $(Tag::$variant => $name),* }
            }
        }
    };
}

tags! {
    Assign "assign", Audio "audio", Block "block", Catch "catch", Choice "choice", Clear "clear", Data "data",
    Disconnect "disconnect", Else "else", Elseif "elseif", Enumerate "enumerate", Error "error", Exit "exit",
    Field "field", Filled "filled", Foreach "foreach", Form "form", Goto "goto", Grammar "grammar", Help "help", If "if",
    Initial "initial", Link "link", Log "log", Mark "mark", Menu "menu", Meta "meta", Metadata "metadata",
    Noinput "noinput", Nomatch "nomatch", Object "object", Option "option", Param "param", Prompt "prompt",
    Property "property", Record "record", Reprompt "reprompt", Return "return", Script "script", Subdialog "subdialog",
    Submit "submit", Throw "throw", Transfer "transfer", Value "value", Var "var", Vxml "vxml",
    // SSML
    Break "break", Desc "desc", Emphasis "emphasis", Lexicon "lexicon", Paragraph "p", Phoneme "phoneme",
    Prosody "prosody", SayAs "say-as", Sentence "s", Sub "sub", Voice "voice",
    // Our own, of the namespace `super::OWN`
    Stream "stream",
}

impl Tag {
    /// `catch` and its short forms.
    pub fn is_handler(self) -> bool {
        matches!(self, Tag::Catch | Tag::Error | Tag::Help | Tag::Noinput | Tag::Nomatch)
    }

    /// What a form is made of (2.0 §2.1.1): the interpretation algorithm visits them.
    pub fn is_form_item(self) -> bool {
        use Tag as T;
        matches!(
            self,
            T::Block | T::Field | T::Initial | T::Object | T::Record | T::Stream | T::Subdialog | T::Transfer
        )
    }

    /// Form items that take what a caller or another dialog gives (2.0 §2.1.2.1).
    pub fn is_input_item(self) -> bool {
        self.is_form_item() && !matches!(self, Tag::Block | Tag::Initial)
    }
}
