//! The loader: what is taken, what is refused and where.

use super::*;

fn problems(inner: &str) -> Vec<String> {
    let text = format!("<vxml version='2.1'>\n{inner}\n</vxml>");
    match Document::parse("app:/a.vxml", text.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn every_element_is_known_by_its_name_and_has_a_rule() {
    for tag in Tag::ALL {
        assert_eq!(Tag::named(tag.name()), Some(*tag));
        for (name, _) in schema::rule(*tag).attributes.iter().flat_map(|group| group.iter()) {
            assert!(!name.is_empty());
        }
    }
}

#[test]
fn section_1_4_every_element_may_stand_somewhere() {
    for tag in Tag::ALL.iter().filter(|tag| **tag != Tag::Vxml) {
        let parents =
            Tag::ALL.iter().filter(|parent| schema::rule(**parent).children.iter().any(|group| group.contains(tag)));
        assert!(parents.count() > 0, "<{}> may stand nowhere", tag.name());
    }
}

#[test]
fn all_problems_are_told_at_once_with_their_places() {
    let found =
        problems("<form id='a'>\n <field nam='x'/>\n <blok/>\n <block><goto/></block>\n</form>\n<form id='a'/>");
    assert_eq!(
        found,
        [
            "3:2: <field> has no attribute `nam`: did you mean `name`? (error.badfetch)",
            "4:2: there is no element <blok> in VoiceXML 2.1: did you mean <block>? (error.badfetch)",
            "5:9: <goto> needs one of next, expr, nextitem, expritem (error.badfetch)",
            "7:1: two have the id `a`: give one another (error.badfetch)",
        ]
    );
}

#[test]
fn attribute_values_are_of_their_kinds() {
    for (inner, words) in [
        ("<form><record maxtime='5'/></form>", "expected a time"),
        ("<form><field name='a.b'/></form>", "without a dot"),
        ("<form scope='session'/>", "expected dialog or document"),
        ("<form><field modal='yes'/></form>", "`true` or `false`"),
        ("<form><block><prompt count='one'/></block></form>", "a whole number"),
        ("<form><block><clear namelist='a f()'/></block></form>", "names of variables"),
        ("<form><block><assign name='a'/></block></form>", "needs the attribute `expr`"),
        ("<form><block><throw event='a' eventexpr='b'/></block></form>", "only one of event, eventexpr"),
        ("<form><block><if cond='a'><form/></if></block></form>", "<form> may not stand in <if>"),
        ("<form>words</form>", "holds no text"),
        ("<script src='a.js'>var a</script>", "either src or text"),
        ("<form><grammar src='a.grxml'><rule/></grammar></form>", "either src or content"),
    ] {
        let found = problems(inner);
        assert!(found.iter().any(|line| line.contains(words)), "{inner}: {found:?}");
    }
}

#[test]
fn what_is_inside_a_grammar_is_the_grammars_own() {
    let grammar = "<grammar mode='dtmf' root='r' version='1.0'><rule id='r'><item repeat='4'>1</item></rule></grammar>";
    assert!(problems(&format!("<form><field name='a'>{grammar}</field></form>")).is_empty());
}

#[test]
fn section_1_5_1_the_first_dialog_is_where_a_document_begins() {
    let text = b"<vxml version='2.0'><var name='x'/><form id='one'/><menu id='two'/></vxml>";
    let document = Document::parse("app:/a.vxml", text).unwrap();
    assert_eq!(document.dialog(None), document.dialog(Some("one")));
    assert_ne!(document.dialog(None), document.dialog(Some("two")));
    assert_eq!(document.dialog(Some("three")), None);
}

#[test]
fn a_doctype_and_namespaces_are_taken() {
    let text = br#"<?xml version="1.0"?><!DOCTYPE vxml PUBLIC "-//W3C//DTD VOICEXML 2.1//EN" "http://www.w3.org/TR/voicexml21/vxml.dtd">
<vxml version="2.1" xmlns="http://www.w3.org/2001/vxml" xml:lang="en-US" xml:base="http://example.com/b/"><form/></vxml>"#;
    let document = Document::parse("http://example.com/a", text).unwrap();
    assert_eq!(document.resolve("c.vxml"), "http://example.com/b/c.vxml");
}

#[test]
fn another_root_or_version_is_refused() {
    let refused = |text: &str| Document::parse("a", text.as_bytes()).unwrap_err()[0].words.clone();
    assert!(refused("<html/>").contains("no element <html>"));
    assert!(refused("<form/>").contains("as the root"));
    assert!(refused("<vxml version='3.0'/>").contains("2.0 or 2.1"));
    assert!(refused("<vxml version='2.1'>").contains("not well-formed"));
}
