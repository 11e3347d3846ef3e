//! The little XML that the API speaks: elements and text, no attributes.

use crate::error::{ErrorType, Problem};

/// Elements and values of one body.
const MOST_FIELDS: usize = 256;

/// Text as it may stand between tags and in an attribute between quotes of either kind.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 4);
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // XML 1.0 has no other way to say them, and a line of an event ends with a line's end.
            character if character.is_control() => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

/// Written from the outside in; all text is escaped.
#[derive(Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    pub(crate) fn within(&mut self, name: &str, inside: impl FnOnce(&mut Xml)) {
        self.tag(name, "<");
        inside(self);
        self.tag(name, "</");
    }

    pub(crate) fn leaf(&mut self, name: &str, value: &str) {
        self.tag(name, "<");
        self.0.push_str(&escaped(value));
        self.tag(name, "</");
    }

    pub(crate) fn number(&mut self, name: &str, value: impl std::fmt::Display) {
        self.leaf(name, &value.to_string());
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.leaf(name, if value { "true" } else { "false" });
    }

    /// `2026-03-25T02:55:19.809Z`
    pub(crate) fn time(&mut self, name: &str, ms: u64) {
        let trust::Utc { year, month, day, hour, minute, second } = trust::Utc::of(ms / 1000);
        self.leaf(name, &format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000));
    }

    pub(crate) fn text(self) -> String {
        self.0
    }

    fn tag(&mut self, name: &str, opening: &str) {
        self.0.push_str(opening);
        self.0.push_str(name);
        self.0.push('>');
    }
}

/// The values of a request's body: elements that hold text, by name; of several, the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// # Errors
    /// It is no XML, has another root, or is too large. A document type is refused: nothing here needs one.
    pub(crate) fn read(root: &str, body: &str) -> Result<Fields, Problem> {
        let bad = |words: String| Problem::new(ErrorType::BadRequest, root, words);
        let options = roxmltree::ParsingOptions { allow_dtd: false, nodes_limit: 1024, ..Default::default() };
        let document = roxmltree::Document::parse_with_options(body, options)
            .map_err(|error| bad(format!("expected a <{root}> in XML: {error}")))?;
        let is = document.root_element().tag_name().name().to_owned();
        if is != root {
            return Err(bad(format!("expected a <{root}>, not a <{is}>")));
        }
        let leaves = document.root_element().descendants().filter(|node| {
            node.is_element() && *node != document.root_element() && !node.children().any(|child| child.is_element())
        });
        let field = |node: roxmltree::Node<'_, '_>| {
            (node.tag_name().name().to_owned(), node.text().unwrap_or_default().trim().to_owned())
        };
        Ok(Fields(leaves.take(MOST_FIELDS).map(field).collect()))
    }

    /// `None` for one that is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    /// `<CallVariable><name>…</name><value>…</value></CallVariable>` and what else comes in pairs like this, in order. An
    /// empty value is one.
    pub(crate) fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs = Vec::new();
        for two in self.0.windows(2) {
            if let [(name, key), (value, text)] = two
                && name == "name"
                && value == "value"
                && !key.is_empty()
            {
                pairs.push((key.as_str(), text.as_str()));
            }
        }
        pairs
    }

    /// # Errors
    /// It is missing or empty.
    pub(crate) fn must(&self, name: &str) -> Result<&str, Problem> {
        self.get(name).ok_or_else(|| Problem::missing(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_keeps_to_one_line() {
        let mut xml = Xml::default();
        xml.within("a", |xml| xml.leaf("b", "<\"&>\r\n]]>é"));
        assert_eq!(xml.text(), "<a><b>&lt;&quot;&amp;&gt;  ]]&gt;é</b></a>");
    }

    #[test]
    fn fields_are_leaves_of_the_root_that_is_expected() {
        let fields = Fields::read("User", "<User> <state>\nREADY </state><x><y>1</y></x><e/></User>").unwrap();
        assert_eq!((fields.get("state"), fields.get("y"), fields.get("e")), (Some("READY"), Some("1"), None));
        assert_eq!(fields.must("e").unwrap_err().kind, ErrorType::ParameterMissing);
    }

    #[test]
    fn what_is_no_body_is_a_bad_request() {
        let bomb = r#"<!DOCTYPE a [<!ENTITY b "bbb"><!ENTITY c "&b;&b;">]><User>&c;</User>"#;
        let deep = "<a>".repeat(5000);
        let many = format!("<User>{}</User>", "<a/>".repeat(5000));
        for body in ["", "READY", "<User>", "<Dialog/>", "<User><state></User>", "{\"state\":1}", bomb, &deep, &many] {
            let problem = Fields::read("User", body).unwrap_err();
            assert_eq!((problem.status, problem.kind), (400, ErrorType::BadRequest), "{body:.40}");
        }
    }
}
