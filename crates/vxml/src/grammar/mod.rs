//! What a caller may press or say: SRGS 1.0 in both its forms, and the built-in types of VoiceXML 2.0 appendix P.

mod abnf;
mod builtin;
mod model;
mod srgs;
mod walk;
mod written;

pub use self::builtin::Builtin;
pub(crate) use self::model::normal;
pub use self::model::{Grammar, Mode};
pub use self::written::{TooLarge, jsgf};
use crate::document::xml::{ElementId, Tree};
use crate::problem::Problem;

/// One grammar, whatever it was written as.
#[derive(Clone, Debug)]
pub(crate) enum Recogniser {
    Rules(std::sync::Arc<Grammar>),
    Builtin(Builtin, Mode),
}

/// What was made of an input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaning {
    /// The words, or what a built-in type makes of them.
    Text(String),
    /// Rules, words and tags for [`crate::script::Engine::interpret`].
    Tagged(serde_json::Value),
}

/// How an input stands to a grammar.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Judgement {
    /// It matches as it is.
    pub(crate) meaning: Option<Meaning>,
    /// More may follow and then match.
    pub(crate) more: bool,
    /// The grammar has so many ways that it was given up (see [`walk::STEPS`]).
    pub(crate) exploded: bool,
}

impl Recogniser {
    pub(crate) fn mode(&self) -> Mode {
        match self {
            Recogniser::Rules(grammar) => grammar.mode,
            Recogniser::Builtin(_, mode) => *mode,
        }
    }

    /// As a recogniser takes it; nothing if nothing can be said.
    pub(crate) fn to_srgs(&self, language: &str) -> Result<Option<String>, TooLarge> {
        match self {
            Recogniser::Rules(grammar) => grammar.to_srgs(language).map(Some),
            Recogniser::Builtin(builtin, _) => builtin.words().map(|grammar| grammar.to_srgs(language)).transpose(),
        }
    }

    pub(crate) fn judge(&self, words: &[String]) -> Judgement {
        match self {
            Recogniser::Rules(grammar) => walk::judge(grammar, words),
            Recogniser::Builtin(builtin, mode) => builtin.judge(*mode, words),
        }
    }
}

impl Grammar {
    /// Whether these words, or keys with blanks between, are in the grammar: as they are, and if more followed.
    pub fn takes(&self, words: &str) -> (bool, bool) {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let found = walk::judge(self, &words);
        (found.meaning.is_some(), found.more)
    }

    /// A grammar document by its looks: XML, or ABNF with its header. `mode` is meant where it names none.
    ///
    /// # Errors
    /// `error.badfetch`, or `error.unsupported.format` where it is neither.
    pub fn parse(bytes: &[u8], mode: Mode) -> Result<Grammar, Problem> {
        let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(200)).unwrap_or_default());
        if text.trim_start_matches('\u{FEFF}').trim_start().starts_with("#ABNF") {
            return abnf::parse(&String::from_utf8_lossy(bytes), mode);
        }
        let tree = Tree::parse(bytes)?;
        Grammar::of_tree(&tree, Tree::ROOT, mode)
    }

    /// A `<grammar>` element: rules inside, or ABNF as text.
    ///
    /// # Errors
    /// As [`Grammar::parse`].
    pub fn of_tree(tree: &Tree, id: ElementId, mode: Mode) -> Result<Grammar, Problem> {
        let element = tree.element(id);
        if tree.children(id).next().is_none() {
            let text = tree.text(id);
            if text.trim_start().starts_with("#ABNF") {
                return abnf::parse(text.trim_start(), mode)
                    .map_err(|problem| Problem { place: element.place, ..problem });
            }
            let words = "expected <rule> elements, or text that begins with `#ABNF 1.0`, inside of <grammar>";
            return Err(Problem::new(element.place, "error.unsupported.format", words));
        }
        srgs::parse(tree, id, mode)
    }
}

#[cfg(test)]
mod tests;
