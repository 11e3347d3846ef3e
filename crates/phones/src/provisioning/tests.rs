//! Every make is told TLS, SRTP or nothing, and to check the server.

use super::*;

fn handset() -> Handset {
    Handset {
        mac: "001122aabbcc".into(),
        number: "1001".into(),
        display_name: "Aroha & Bill".into(),
        auth_user: "1001".into(),
        secret: "s3cret".into(),
        server: "cucm1.lab.example".into(),
        port: 5061,
        root_url: "https://cucm1.lab.example:6971/root.pem".into(),
        register_expires_s: 3600,
    }
}

#[test]
fn every_make_is_told_tls_and_srtp_or_nothing() {
    for (make, name, words) in [
        (Make::Yealink, "001122aabbcc.cfg", &["transport_type = 2", "srtp_encryption = 2", "cn_validation = 1"][..]),
        (Make::Grandstream, "cfg001122aabbcc.xml", &["<P130>2</P130>", "<P183>2</P183>", "<P2311>1</P2311>"]),
        (
            Make::Snom,
            "snom-001122AABBCC.htm",
            &["transport=tls", ">mandatory</user_savp>", ">on</check_server_certificate>"],
        ),
        (
            Make::Poly,
            "001122aabbcc-phone.cfg",
            &["transport=\"TLS\"", "srtp.require=\"1\"", "strictCertCommonNameValidation=\"1\""],
        ),
        (Make::Baresip, "accounts", &["transport=tls", "mediaenc=srtp-mand"]),
        (Make::Baresip, "config", &["sip_verify_server\tyes"]),
        (
            Make::Linphone,
            "001122aabbcc.xml",
            &["transport=tls", ">srtp</entry>", "name=\"media_encryption_mandatory\""],
        ),
    ] {
        let files = files(make, &handset()).unwrap();
        let file = files.iter().find(|file| file.name == name).unwrap_or_else(|| panic!("{make:?} has no {name}"));
        for word in words {
            assert!(file.text.contains(word), "{make:?}: {word} is not in\n{}", file.text);
        }
        assert_eq!(Make::of_word(make.word()), Some(make));
    }
}

#[test]
fn a_value_cannot_say_something_else() {
    for (make, bad) in [(Make::Yealink, "x\naccount.1.srtp_encryption = 0"), (Make::Baresip, "x>;mediaenc=none")] {
        let handset = Handset { secret: bad.into(), ..handset() };
        let error = files(make, &handset).err().unwrap();
        assert!(error.contains("the secret has a character") && !error.contains("mediaenc"), "{error}");
    }
    let named = Handset { display_name: "<b>\"A\"".into(), ..handset() };
    assert!(files(Make::Linphone, &named).unwrap()[0].text.contains("&lt;b&gt;"));
    assert!(!files(Make::Baresip, &named).unwrap()[0].text.contains("<b>"));
}
