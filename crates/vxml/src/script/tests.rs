//! Scopes, limits and determinism of the engine.

use serde_json::json;

use super::*;

fn engine() -> Engine {
    let engine = Engine::new(7).unwrap();
    engine.session(r#"{"connection":{"local":{"uri":"sip:6016"}}}"#).unwrap();
    engine.open().unwrap();
    engine.enter("application").unwrap();
    engine.enter("document").unwrap();
    engine.enter("dialog").unwrap();
    engine
}

#[test]
fn section_5_1_2_the_narrowest_variable_is_meant_and_others_by_their_scope() {
    let e = engine();
    e.declare(APPLICATION, "x", Some("'a'")).unwrap();
    e.declare(DOCUMENT, "x", Some("'d'")).unwrap();
    assert_eq!(e.string("x").unwrap(), "d");
    assert_eq!(e.string("application.x + document.x").unwrap(), "ad");
    e.declare(DIALOG, "x", Some("x + '!'")).unwrap();
    assert_eq!(e.string("x").unwrap(), "d!");
    e.assign("application.x", "'new'").unwrap();
    assert_eq!(e.string("application.x").unwrap(), "new");
    assert_eq!(e.string("session.connection.local.uri").unwrap(), "sip:6016");
    e.enter("").unwrap();
    e.declare(INNERMOST, "x", Some("'in'")).unwrap();
    assert_eq!(e.string("x + dialog.x").unwrap(), "ind!");
    e.leave(4).unwrap();
    assert_eq!(e.string("x").unwrap(), "d!");
}

#[test]
fn section_5_1_1_a_variable_that_nobody_declared_is_an_error() {
    let e = engine();
    assert!(matches!(e.string("nobody"), Err(Failed::Wrong(words)) if words.contains("nobody")));
    assert!(matches!(e.assign("nobody", "1"), Err(Failed::Wrong(_))));
    e.declare(DIALOG, "somebody", None).unwrap();
    assert_eq!(e.type_of("somebody").unwrap(), "undefined");
    e.assign("somebody", "({a: [1]})").unwrap();
    assert_eq!(e.json("somebody").unwrap(), Some(json!({"a": [1]})));
}

#[test]
fn section_5_3_12_a_script_declares_in_its_containers_scope() {
    let e = engine();
    e.script(DOCUMENT, "var n = 1, m; function next() { var k = 1; n += k; return n }").unwrap();
    assert_eq!(
        e.string("next() + ',' + next() + ',' + document.n + ',' + typeof document.next").unwrap(),
        "2,3,3,function"
    );
    assert!(e.is_known(DOCUMENT, "m") && !e.is_known(DOCUMENT, "k") && !e.is_known(DIALOG, "n"));
    e.script(DIALOG, "n = 10; for (var i = 0; i < 3; i++) n++").unwrap();
    assert_eq!(e.string("document.n + ',' + dialog.i").unwrap(), "13,3");
}

#[test]
fn section_2_3_4_a_subdialog_sees_nothing_of_its_caller() {
    let e = engine();
    e.declare(DIALOG, "mine", Some("1")).unwrap();
    e.open().unwrap();
    e.enter("application").unwrap();
    assert!(e.string("mine").is_err());
    assert_eq!(e.string("session.connection.local.uri").unwrap(), "sip:6016");
    e.close().unwrap();
    assert_eq!(e.string("mine").unwrap(), "1");
}

#[test]
fn what_runs_for_ever_is_stopped_and_the_session_goes_on() {
    let e = engine();
    for endless in [
        "(function(){for(;;);})()",
        "/(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab')",
        "(function f(){ return f() + 1 })()",
        "(function(){ var a = []; for (;;) a.push('x'.repeat(1000) + a.length) })()",
        "Array.prototype.indexOf.call({length: 9e15}, 1)",
        "(function(){ try { for(;;); } catch (e) { return 1 } })()",
    ] {
        e.refuel();
        assert!(matches!(e.string(endless), Err(Failed::Stopped(_))), "{endless}: {:?}", e.string(endless));
        e.refuel();
        assert_eq!(e.string("1 + 1").unwrap(), "2", "after {endless}");
    }
}

#[test]
fn clock_and_dice_come_from_outside() {
    let (a, b) = (engine(), engine());
    a.clock(86_400_000);
    assert_eq!(a.string("new Date().getTime() + Date.now()").unwrap(), "172800000");
    assert_eq!(a.string("new Date(0) instanceof Date").unwrap(), "true");
    assert_eq!(a.string("new Date(2026, 1, 3).getMonth()").unwrap(), "1");
    assert_eq!(a.string("Math.random()").unwrap(), b.string("Math.random()").unwrap());
}

#[test]
fn sisr_1_0_tags_make_objects_from_rules() {
    let e = engine();
    let events = json!([
        ["(", "order"],
        ["t", "two"],
        ["(", "drink"],
        ["t", "large"],
        ["t", "coke"],
        ["g", "out.size='L'; out.kind='coke'", false],
        [")"],
        ["g", "out.n=2; out.drink=rules.drink; out.said=meta.current().text; out.k=rules.latest().kind", false],
        [")"]
    ]);
    let meaning = json!({"n": 2, "drink": {"size": "L", "kind": "coke"}, "said": "two large coke", "k": "coke"});
    assert_eq!(e.interpret(&events).unwrap(), meaning);
    let literal = json!([["(", "r"], ["t", "yes"], ["g", "true", true], [")"]]);
    assert_eq!(e.interpret(&literal).unwrap(), json!("true"));
    let untagged = json!([["(", "r"], ["t", "1"], ["t", "2"], [")"]]);
    assert_eq!(e.interpret(&untagged).unwrap(), json!("1 2"));
}

#[test]
fn dom_level_2_core_is_read() {
    let e = engine();
    let tree = crate::document::dom::read_as_json(
        b"<?pi d?><account id='7' xmlns:q='urn:q'>\n<balance currency='USD'>12.50</balance><name>Ada</name><!--c--><q:x q:k='v' k='w'/></account>",
    )
    .unwrap();
    e.put_document(DIALOG, "d", &tree).unwrap();
    for (expr, value) in [
        ("d.documentElement.nodeName", "account"),
        ("d.documentElement.getAttribute('id')", "7"),
        ("d.getElementsByTagName('balance').item(0).firstChild.data", "12.50"),
        ("d.documentElement.childNodes[2].previousSibling.getAttribute('currency')", "USD"),
        ("d.documentElement.childNodes.length", "5"),
        ("d.documentElement.childNodes.item(2).firstChild.nodeValue", "Ada"),
        ("d.documentElement.firstChild.nodeType + ',' + d.nodeType", "3,9"),
        ("d.documentElement.parentNode === d", "true"),
        ("d.firstChild.nodeType + d.firstChild.target + d.firstChild.data", "7pid"),
        ("d.documentElement.childNodes[3].nodeType + d.documentElement.childNodes[3].data", "8c"),
        ("d.getElementsByTagNameNS('urn:q', 'x').length", "1"),
        ("d.getElementsByTagName('q:x')[0].prefix + d.documentElement.lastChild.localName", "qx"),
        (
            "d.documentElement.lastChild.getAttributeNS('urn:q', 'k') + d.documentElement.lastChild.getAttribute('k')",
            "vw",
        ),
        (
            "d.documentElement.lastChild.getAttribute('nobody') + d.documentElement.lastChild.hasAttributeNS('urn:q', 'z')",
            "false",
        ),
        ("d.documentElement.childNodes[1].firstChild.substringData(0, 2)", "12"),
        ("d.documentElement.namespaceURI === null && d.documentElement.prefix === null", "true"),
        ("d.documentElement.getElementsByTagName('*').length", "3"),
        ("d.documentElement.attributes.getNamedItem('id').ownerElement === d.documentElement", "true"),
    ] {
        assert_eq!(e.string(expr).unwrap(), value, "{expr}");
    }
}
