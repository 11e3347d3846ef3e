//! Both forms of SRGS and the built-in types, by what they take and what they make of it.

use serde_json::json;

use super::*;
use crate::problem::Place;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn keys(text: &str) -> Vec<String> {
    text.chars().map(String::from).collect()
}

fn xml(inner: &str) -> Grammar {
    Grammar::parse(format!("<grammar version='1.0' root='r'>{inner}</grammar>").as_bytes(), Mode::Voice).unwrap()
}

fn abnf(inner: &str) -> Grammar {
    Grammar::parse(format!("#ABNF 1.0 UTF-8;\n{inner}").as_bytes(), Mode::Voice).unwrap()
}

/// `+` matches, `>` more may follow, `+>` both, `-` neither.
#[track_caller]
fn check(grammar: &Grammar, inputs: &[(&str, &str)]) {
    for (input, expected) in inputs {
        let said = if grammar.mode == Mode::Dtmf { keys(input) } else { words(input) };
        let found = walk::judge(grammar, &said);
        let mut signs = String::new();
        signs.push_str(if found.meaning.is_some() { "+" } else { "" });
        signs.push_str(if found.more { ">" } else { "" });
        assert_eq!(if signs.is_empty() { "-" } else { &signs }, *expected, "{input:?}");
    }
}

#[test]
fn srgs_2_4_alternatives_and_2_3_sequences_in_both_forms() {
    let forms = [
        xml(
            "<rule id='r'>call <one-of><item>home</item><item>the <ruleref uri='#who'/></item></one-of></rule><rule id='who'>office</rule>",
        ),
        abnf("root $r; $r = call (home | the $who); $who = office;"),
    ];
    for grammar in forms {
        check(
            &grammar,
            &[
                ("call", ">"),
                ("call home", "+"),
                ("call the", ">"),
                ("call the office", "+"),
                ("call mum", "-"),
                ("home", "-"),
            ],
        );
    }
}

#[test]
fn srgs_2_5_repeats_in_both_forms() {
    let forms = [
        xml("<rule id='r'><item repeat='2-3'>ha</item><item repeat='0-1'>ho</item><item repeat='0-'>hi</item></rule>"),
        abnf("root $r; $r = ha <2-3> [ho] hi <0->;"),
    ];
    for grammar in forms {
        check(
            &grammar,
            &[("ha", ">"), ("ha ha", "+>"), ("ha ha ha", "+>"), ("ha ha ha ha", "-"), ("ha ha ho hi hi hi", "+>")],
        );
    }
}

#[test]
fn srgs_2_2_3_special_rules() {
    check(&xml("<rule id='r'>a <ruleref special='NULL'/> b</rule>"), &[("a b", "+")]);
    check(&xml("<rule id='r'>a <ruleref special='VOID'/></rule>"), &[("a", "-")]);
    check(&abnf("root $r; $r = a $GARBAGE b;"), &[("a b", "+>"), ("a x b", "+")]);
}

#[test]
fn keys_are_single_and_a_pin_has_four() {
    let pin = Grammar::parse(
        b"<grammar mode='dtmf' version='1.0' root='pin' xmlns='http://www.w3.org/2001/06/grammar'>
          <rule id='digit'><one-of><item>0</item><item>1</item><item>2</item></one-of></rule>
          <rule id='pin' scope='public'><one-of><item><item repeat='4'><ruleref uri='#digit'/></item>#</item><item>* 9</item></one-of></rule>
        </grammar>",
        Mode::Voice,
    )
    .unwrap();
    check(&pin, &[("", ">"), ("012", ">"), ("0120", ">"), ("0120#", "+"), ("*9", "+"), ("3", "-")]);
}

#[test]
fn sisr_tags_come_with_their_rules_and_words() {
    let grammar = abnf("root $r; $r = $d {out = rules.d * 2}; $d = one {out = 1} | two {!{out = 2}!};");
    let found = walk::judge(&grammar, &words("two")).meaning.unwrap();
    let Meaning::Tagged(events) = found else { panic!("{found:?}") };
    let engine = crate::script::Engine::new(1).unwrap();
    assert_eq!(engine.interpret(&events).unwrap(), json!(4));
    let literal = xml("<rule id='r'>yes<tag>true</tag></rule>");
    assert!(matches!(walk::judge(&literal, &words("yes")).meaning, Some(Meaning::Tagged(_))));
    let untagged = Grammar::phrase(Mode::Dtmf, "1 2", false).unwrap();
    assert_eq!(walk::judge(&untagged, &keys("12")).meaning, Some(Meaning::Text("12".into())));
}

#[test]
fn of_two_ways_the_first_written_wins() {
    let grammar = abnf("root $r; $r = a {out='first'} | a {out='second'};");
    let Some(Meaning::Tagged(events)) = walk::judge(&grammar, &words("a")).meaning else { panic!() };
    assert!(events.to_string().contains("first"), "{events}");
}

#[test]
fn problems_have_places() {
    let problem = |text: &str| Grammar::parse(text.as_bytes(), Mode::Voice).unwrap_err();
    let missing = problem("<grammar root='r'>\n <rule id='r'><ruleref uri='#x'/></rule></grammar>");
    assert_eq!((missing.place, missing.event), (Place { line: 2, column: 15 }, "error.badfetch"));
    assert!(missing.words.contains("no rule `x`"));
    assert!(problem("<grammar root='q'><rule id='r'>a</rule></grammar>").words.contains("root"));
    assert!(problem("<grammar><rule id='r'>a</rule><rule id='r'>b</rule></grammar>").words.contains("two rules"));
    assert!(problem("<grammar><rule id='r'><item repeat='3-2'>a</item></rule></grammar>").words.contains("repeat"));
    let abnf = problem("#ABNF 1.0;\nroot $r;\n$r = (a | b;");
    assert_eq!((abnf.place.line, abnf.words.as_str()), (3, "expected `)`, found `;`"));
    assert_eq!(problem("<jsgf/>").event, "error.unsupported.format");
}

#[test]
fn a_grammar_that_explodes_is_given_up() {
    // Recursion to the left never comes to a word; ambiguity without end is one way.
    let left = abnf("root $r; $r = $r a | a;");
    assert!(walk::judge(&left, &words("a")).exploded);
    let loops = abnf("root $r; $r = ((a <0->) <0->) <0->;");
    check(&loops, &[("a a a a a a", "+>")]);
    let mut doubling = String::from("root $r0; ");
    for n in 0..40 {
        doubling += &format!("$r{n} = $r{0} $r{0}; ", n + 1);
    }
    let doubling = abnf(&(doubling + "$r40 = a <0-1>;"));
    let found = walk::judge(&doubling, &words("a a a"));
    assert!(found.exploded || found.meaning.is_some());
    let deep = format!("#ABNF 1.0;\nroot $r; $r = {}a;", "(".repeat(10_000));
    assert!(Grammar::parse(deep.as_bytes(), Mode::Voice).is_err());
}

#[track_caller]
fn typed(name: &str, inputs: &[(&str, &str)]) {
    let builtin = Builtin::named(name).unwrap();
    for (input, expected) in inputs {
        let found = builtin.judge(Mode::Dtmf, &keys(input));
        let value = match found.meaning {
            Some(Meaning::Text(value)) => value,
            _ => "-".to_owned(),
        };
        assert_eq!(format!("{value}{}", if found.more { " >" } else { "" }), *expected, "{name} {input:?}");
    }
}

#[test]
fn appendix_p_built_in_types_by_keys() {
    typed("boolean", &[("", "- >"), ("1", "true"), ("2", "false"), ("3", "-")]);
    typed("boolean?y=7;n=9", &[("7", "true"), ("9", "false"), ("1", "-")]);
    typed("digits", &[("", "- >"), ("5", "5 >"), ("55", "55 >"), ("5*", "-")]);
    typed("digits?length=4", &[("123", "- >"), ("1234", "1234"), ("12345", "-")]);
    typed("digits?minlength=2;maxlength=3", &[("1", "- >"), ("12", "12 >"), ("123", "123")]);
    typed("date", &[("2026022", "- >"), ("20260228", "20260228"), ("20260230", "-"), ("20240229", "20240229")]);
    typed("time", &[("130", "- >"), ("1305", "1305h"), ("0905", "0905?"), ("2460", "-")]);
    typed("currency", &[("12", "12.00 >"), ("12*", "12.00 >"), ("12*5", "12.50 >"), ("12*50", "12.50"), ("*", "- >")]);
    typed("number", &[("12", "12 >"), ("12*345", "12.345 >"), ("1**2", "-")]);
    typed("phone", &[("5551234", "5551234 >"), ("5551234*22", "5551234x22 >")]);
}

#[test]
fn appendix_p_built_in_types_by_words() {
    let said = |name: &str, input: &str| match Builtin::named(name).unwrap().judge(Mode::Voice, &words(input)).meaning {
        Some(Meaning::Text(value)) => value,
        _ => "-".to_owned(),
    };
    assert_eq!(said("boolean", "yes"), "true");
    assert_eq!(said("boolean", "no"), "false");
    assert_eq!(said("digits?length=3", "four oh two"), "402");
    assert_eq!(said("number", "one hundred and twenty three point five"), "123.5");
    assert_eq!(said("digits", "hello"), "-");
}

#[test]
fn types_and_parameters_that_are_not_there() {
    for wrong in ["colour", "digits?size=3", "digits?length=0", "digits?minlength=5;maxlength=2", "boolean?q=1"] {
        assert!(Builtin::named(wrong).is_err(), "{wrong}");
    }
}
