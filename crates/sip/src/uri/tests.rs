//! URIs of RFC 3261 §19.1.3–19.1.4, RFC 3966 and RFC 4475.

use super::*;

fn parse(text: &str) -> Uri {
    Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn what_is_read_is_written_back() {
    for text in [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:[2001:db8::10]",
        "sip:user@[2001:db8::10]:5070;lr",
        "sip:user@example.com;maddr=[2001:db8::1]",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "tel:+1-201-555-0123",
        "tel:7042;phone-context=example.com",
        "tel:*31%23",
        "urn:service:sos",
        "soap.beep://192.0.2.103:3002",
        "sip:my_host:5061;transport=tls;x",
    ] {
        if text == "tel:*31%23" {
            assert!(Uri::parse(text).is_err(), "tel has no escapes in the number");
            continue;
        }
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn parts() {
    let uri = parse("SIPS:sips%3Auser%40example.com@Example.net:5061;%6C%72;n%61me=v%61lue%25%34%31?Route=%3Csip:a%3E");
    assert_eq!(uri.scheme, Scheme::Sips);
    assert_eq!(uri.user.as_deref(), Some("sips:user@example.com"));
    assert_eq!((uri.host.as_str(), uri.port), ("Example.net", Some(5061)));
    assert_eq!(uri.param("LR"), Some(None));
    assert_eq!(uri.param("name"), Some(Some("value%41")));
    assert_eq!(uri.headers, [("Route".to_owned(), "<sip:a>".to_owned())]);
    assert_eq!(uri.to_string(), "sips:sips%3Auser%40example.com@Example.net:5061;lr;name=value%2541?Route=%3Csip:a%3E");
    assert_eq!(parse("sip:null-%00-null@a").user.as_deref(), Some("null-\0-null"));
    assert_eq!(parse("sip:*31#@a").to_string(), "sip:*31#@a");
    assert_eq!(parse("sip:a@[::1]:5060").ip(), Some("::1".parse().unwrap()));
}

#[test]
fn what_is_not_a_uri_is_refused() {
    for text in [
        "",
        "sip",
        "sip:",
        "sip:@example.com",
        "sip:a@",
        "sip:a b@example.com",
        " sip:a@example.com",
        "sip:a@example.com ",
        "<sip:a@example.com>",
        "sip:a@example.com:99999",
        "sip:a@example.com:",
        "sip:a@exa mple.com",
        "sip:a@[::1",
        "sip:a@[zz]",
        "sip:a@b@c",
        "sip:a%4@b",
        "sip:a%ZZ@b",
        "sip:a%FF@b",
        "sip:a@b;",
        "sip:a@b;;c",
        "sip:a@b;=c",
        "sip:a@b?c",
        "sip:é@b",
        "1sip:a",
        "tel:",
        "tel:+",
        "tel:hello",
        "tel:1;",
        "isbn:",
        "isbn:a b",
    ] {
        assert!(Uri::parse(text).is_err(), "{text}");
    }
}

#[test]
fn equal_by_the_rules() {
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
        ("tel:+1-201-555-0123", "tel:+1.201.555.0123"),
        ("tel:7042;a=b;phone-context=X", "tel:7042;phone-context=x;a=b"),
    ] {
        assert!(parse(a).matches(&parse(b)) && parse(b).matches(&parse(a)), "{a} {b}");
    }
}

#[test]
fn different_by_the_rules() {
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:b"),
        ("tel:7042;phone-context=a", "tel:7042"),
        ("tel:+7042", "tel:7042"),
    ] {
        assert!(!parse(a).matches(&parse(b)) && !parse(b).matches(&parse(a)), "{a} {b}");
    }
}

#[test]
fn building() {
    let uri = Uri::sip(Some("6016"), "::1", Some(5061)).with_param("transport", Some("udp"));
    assert_eq!(uri.to_string(), "sip:6016@[::1]:5061;transport=udp");
    assert_eq!(uri.with_param("Transport", Some("tls")).to_string(), "sip:6016@[::1]:5061;transport=tls");
    assert_eq!(Uri::sip(None, "[::1]", None).to_string(), "sip:[::1]");
    assert_eq!(Uri::sip(Some("a@b c"), "h", None).to_string(), "sip:a%40b%20c@h");
    assert_eq!(Uri::tel("+4420").to_string(), "tel:+4420");
}
