//! Grammars written out for recognisers: SRGS 1.0 in XML, and JSGF. Words alone: what they mean stays here, where the words
//! that were heard are walked through the grammar again.

use std::fmt::Write;

use super::model::{Grammar, Node, NodeId};

/// The most that is written: what is larger no recogniser could search in time.
const MOST: usize = 512 << 10;
/// Repetitions that JSGF, which has no counts, gets written out; what may be more often may be so without end.
const MOST_COUNTED: u32 = 20;

/// A grammar that is too large to be written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Grammar {
    /// A document of SRGS 1.0 in XML, without tags.
    ///
    /// # Errors
    /// It would be more than half a megabyte.
    pub fn to_srgs(&self, language: &str) -> Result<String, TooLarge> {
        let language = escaped(if language.is_empty() { "en" } else { language });
        let mut out = format!(
            "<grammar version=\"1.0\" xmlns=\"http://www.w3.org/2001/06/grammar\" xml:lang=\"{language}\" mode=\"voice\" root=\"r{}\">",
            self.root
        );
        for (number, (_, body)) in self.rules.iter().enumerate() {
            let scope = if number == self.root { " scope=\"public\"" } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(out, "<rule id=\"r{number}\"{scope}>");
            self.srgs(*body, &mut out)?;
            out.push_str("</rule>");
        }
        out.push_str("</grammar>");
        Ok(out)
    }

    fn srgs(&self, node: NodeId, out: &mut String) -> Result<(), TooLarge> {
        if out.len() > MOST {
            return Err(TooLarge);
        }
        match self.nodes.get(node) {
            Some(Node::Token(word)) => {
                out.push_str(&escaped(word));
                out.push(' ');
            }
            Some(Node::Sequence(parts)) => {
                for part in parts {
                    self.srgs(*part, out)?;
                }
            }
            Some(Node::OneOf(ways)) => {
                out.push_str("<one-of>");
                for way in ways {
                    out.push_str("<item>");
                    self.srgs(*way, out)?;
                    out.push_str("</item>");
                }
                out.push_str("</one-of>");
            }
            Some(Node::Repeat { body, min, max }) => {
                let max = max.map(|max| max.to_string()).unwrap_or_default();
                let _ = write!(out, "<item repeat=\"{min}-{max}\">");
                self.srgs(*body, out)?;
                out.push_str("</item>");
            }
            Some(Node::Rule(rule)) => {
                let _ = write!(out, "<ruleref uri=\"#r{rule}\"/>");
            }
            Some(Node::Anything) => out.push_str("<ruleref special=\"GARBAGE\"/>"),
            Some(Node::Never) => out.push_str("<ruleref special=\"VOID\"/>"),
            Some(Node::Tag(_) | Node::Nothing) | None => {}
        }
        Ok(())
    }

    fn jsgf(&self, node: NodeId, prefix: usize, out: &mut String) -> Result<(), TooLarge> {
        if out.len() > MOST {
            return Err(TooLarge);
        }
        match self.nodes.get(node) {
            Some(Node::Token(word)) => {
                // What JSGF would read as its own signs is nothing that is said.
                let said = word.chars().filter(|c| c.is_alphanumeric() || matches!(c, '\'' | '-' | '_'));
                let said: String = said.collect();
                out.push_str(if said.is_empty() { "<NULL>" } else { &said });
                out.push(' ');
            }
            Some(Node::Sequence(parts)) => {
                for part in parts {
                    self.jsgf(*part, prefix, out)?;
                }
            }
            Some(Node::OneOf(ways)) => {
                out.push_str("( ");
                for (number, way) in ways.iter().enumerate() {
                    out.push_str(if number == 0 { "" } else { "| " });
                    self.jsgf_or_nothing(*way, prefix, out)?;
                }
                out.push_str(") ");
            }
            Some(Node::Repeat { body, min, max }) => self.jsgf_repeat(*body, *min, *max, prefix, out)?,
            Some(Node::Rule(rule)) => {
                let _ = write!(out, "<g{prefix}r{rule}> ");
            }
            Some(Node::Never) => out.push_str("<VOID> "),
            // JSGF has no word for any word: it may be left out, and what is said there is heard as something else.
            Some(Node::Anything | Node::Tag(_) | Node::Nothing) | None => {}
        }
        Ok(())
    }

    fn jsgf_repeat(
        &self,
        body: NodeId,
        min: u32,
        max: Option<u32>,
        prefix: usize,
        out: &mut String,
    ) -> Result<(), TooLarge> {
        if min > MOST_COUNTED {
            return Err(TooLarge);
        }
        let once = |out: &mut String| {
            out.push_str("( ");
            self.jsgf_or_nothing(body, prefix, out)?;
            out.push_str(") ");
            Ok(())
        };
        for _ in 0..min {
            once(out)?;
        }
        let more = match max {
            Some(max) if max <= MOST_COUNTED => max - min,
            _ => {
                once(out)?;
                out.pop();
                out.push_str("* ");
                return Ok(());
            }
        };
        for _ in 0..more {
            out.push_str("[ ");
            once(out)?;
        }
        out.push_str(&"] ".repeat(more as usize));
        Ok(())
    }

    fn jsgf_or_nothing(&self, node: NodeId, prefix: usize, out: &mut String) -> Result<(), TooLarge> {
        let before = out.len();
        self.jsgf(node, prefix, out)?;
        if out.len() == before {
            out.push_str("<NULL> ");
        }
        Ok(())
    }
}

/// All of these as one grammar of JSGF: whatever any of them takes.
///
/// # Errors
/// It would be more than half a megabyte, or something has to be said more than twenty times.
pub fn jsgf(grammars: &[Grammar]) -> Result<String, TooLarge> {
    let mut out = String::from("#JSGF V1.0 UTF-8;\ngrammar active;\npublic <any> = ");
    for (prefix, grammar) in grammars.iter().enumerate() {
        let _ = write!(out, "{}<g{prefix}r{}>", if prefix == 0 { "" } else { " | " }, grammar.root);
    }
    out.push_str(";\n");
    for (prefix, grammar) in grammars.iter().enumerate() {
        for (number, (_, body)) in grammar.rules.iter().enumerate() {
            let _ = write!(out, "<g{prefix}r{number}> = ");
            grammar.jsgf_or_nothing(*body, prefix, &mut out)?;
            out.pop();
            out.push_str(";\n");
        }
    }
    if out.len() > MOST { Err(TooLarge) } else { Ok(out) }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::{Builtin, Mode};
    use super::*;

    fn grammar(abnf: &str) -> Grammar {
        Grammar::parse(format!("#ABNF 1.0;\nmode voice;\nroot $main;\n{abnf}").as_bytes(), Mode::Voice)
            .unwrap_or_else(|problem| panic!("{}", problem.words))
    }

    /// What is written takes what was read, and nothing else.
    #[test]
    fn a_grammar_that_was_written_out_takes_the_same_words() {
        let menu = "$main = [please] (billing {out = 1} | ($what $where) | \"tom & jerry's\" <1-3>); \
                    $what = buy | sell; $where = $GARBAGE here | $NULL there | $VOID;";
        let read = grammar(menu);
        let written = read.to_srgs("en-GB").unwrap();
        assert!(written.contains("xml:lang=\"en-GB\"") && !written.contains("out"), "{written}");
        let again = Grammar::parse(written.as_bytes(), Mode::Voice)
            .unwrap_or_else(|problem| panic!("{written}: {}", problem.words));
        for words in [
            "billing",
            "please billing",
            "buy there",
            "sell anything here",
            "sell here",
            "tom & jerry's",
            "tom & jerry's tom & jerry's tom & jerry's",
            "please",
            "sell",
            "jerry's",
            "tom & jerry's tom & jerry's tom & jerry's tom & jerry's",
        ] {
            assert_eq!(read.takes(words), again.takes(words), "{words}");
        }
    }

    #[test]
    fn jsgf_has_all_grammars_with_their_rules_apart() {
        let text = jsgf(&[
            grammar("$main = [please] (sales | $other);  $other = technical support | {x} $NULL;"),
            grammar("$main = (one | two) <2-3> more <0->;"),
        ]);
        let expected = "#JSGF V1.0 UTF-8;\ngrammar active;\npublic <any> = <g0r1> | <g1r0>;\n\
            <g0r0> = ( technical support | <NULL> );\n<g0r1> = [ ( please ) ] ( sales | <g0r0> );\n\
            <g1r0> = ( ( one | two ) ) ( ( one | two ) ) [ ( ( one | two ) ) ] ( more )*;\n";
        assert_eq!(text.as_deref(), Ok(expected));
    }

    #[test]
    fn what_would_explode_is_refused() {
        let deep = "$main = (((((((a <20>) <20>) <20>) <20>) <20>) <20>) <20>);";
        assert_eq!(jsgf(&[grammar(deep)]), Err(TooLarge));
        assert!(grammar(deep).to_srgs("en").is_ok(), "counts are counts there");
        assert_eq!(jsgf(&[grammar("$main = a <21>;")]), Err(TooLarge));
    }

    #[test]
    fn builtin_types_are_said_in_words() {
        for (name, takes, not) in [
            ("boolean", "yes please", "perhaps"),
            ("digits?length=3", "one oh three", "one two"),
            ("number", "minus twenty three point five", "many"),
            ("date", "two zero two six one one two three", "tomorrow"),
            ("phone", "zero two seven", "my number"),
        ] {
            let builtin = Builtin::named(name).unwrap();
            let words = builtin.words().unwrap_or_else(|| panic!("{name}"));
            let written = Grammar::parse(words.to_srgs("").unwrap().as_bytes(), Mode::Voice).unwrap();
            assert!(written.takes(takes).0 && !written.takes(not).0, "{name}");
        }
    }
}
