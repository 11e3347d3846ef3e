//! A page of `<data>` as the engine makes a document of it (VoiceXML 2.1 §5 and appendix D, DOM level 2 core for reading).

use roxmltree::{Node, NodeType};
use serde_json::{Value, json};

use super::xml::read;
use crate::problem::Problem;

/// The children of the document: an element is `[name, namespace, [[name, namespace, value], …], [child, …]]`, a text itself,
/// a comment `{"c": …}`, a processing instruction `{"t": …, "d": …}`. Names are as they are written, with their prefix.
///
/// # Errors
/// As [`super::Tree::parse`].
pub(crate) fn read_as_json(bytes: &[u8]) -> Result<Value, Problem> {
    read(bytes, |parsed, _| Value::Array(parsed.root().children().filter_map(node).collect()))
}

/// Depth is bounded by [`read`].
fn node(node: Node<'_, '_>) -> Option<Value> {
    let text = node.document().input_text();
    Some(match node.node_type() {
        NodeType::Element => {
            // Behind the `<`, as far as a name goes.
            let rest = text.get(node.range().start + 1..).unwrap_or_default();
            let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '>')).unwrap_or(rest.len());
            let attributes: Vec<Value> = node
                .attributes()
                .map(|attribute| {
                    let name = text.get(attribute.range_qname()).unwrap_or(attribute.name());
                    json!([name, attribute.namespace(), attribute.value()])
                })
                .collect();
            let children: Vec<Value> = node.children().filter_map(self::node).collect();
            json!([rest.get(..end), node.tag_name().namespace(), attributes, children])
        }
        NodeType::Text => node.text()?.into(),
        NodeType::Comment => json!({ "c": node.text().unwrap_or_default() }),
        NodeType::PI => {
            let instruction = node.pi()?;
            json!({ "t": instruction.target, "d": instruction.value.unwrap_or_default() })
        }
        NodeType::Root => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_prefixes_and_say_their_namespaces() {
        let page = b"<?pi d?><a xmlns:q='urn:q'><!--c--><q:b k='1' q:k='2'>t<![CDATA[<x>]]></q:b></a>";
        let expected = json!([
            {"t": "pi", "d": "d"},
            ["a", null, [], [
                {"c": "c"},
                ["q:b", "urn:q", [["k", null, "1"], ["q:k", "urn:q", "2"]], ["t<x>"]]
            ]]
        ]);
        assert_eq!(read_as_json(page).unwrap(), expected);
        assert_eq!(read_as_json(b"<a>").unwrap_err().event, "error.badfetch");
    }
}
