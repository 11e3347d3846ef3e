//! Each rule on the lab with one thing changed: the message must say what a person needs.

use crate::{Checked, Severity, Site};

const LAB: &str = include_str!("../../../../examples/lab.toml");

#[test]
fn the_examples_are_right() {
    for example in [LAB, include_str!("../../../../examples/supervision.toml")] {
        let checked = Site::check(example);
        let words: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
        assert!(checked.site.is_some() && words.is_empty(), "{}", words.join("\n\n"));
    }
}

#[test]
fn the_lab_is_what_the_design_says() {
    let site = Site::parse(LAB).unwrap();
    let addresses: Vec<String> = site
        .nodes
        .iter()
        .map(|node| format!("{} {} {}", site.host_name(node), node.address, node.role.word()))
        .collect();
    assert_eq!(
        addresses,
        [
            "cube1.lab.example 127.18.133.226 sbc",
            "cvp1.lab.example 127.18.133.13 call_server",
            "vvb1.lab.example 127.18.133.143 voice_browser",
            "vvb2.lab.example 127.18.133.144 voice_browser",
            "cucm1.lab.example 127.18.133.3 call_manager",
        ]
    );
}

/// The lab with `from` replaced by `to`, once.
fn lab_with(from: &str, to: &str) -> Checked {
    assert!(LAB.contains(from), "the lab has no `{from}`");
    Site::check(&LAB.replacen(from, to, 1))
}

#[test]
fn each_rule_says_what_and_how_to_mend() {
    // (name, in the lab, instead, severity, path, in the message, in the fix)
    const E: Severity = Severity::Error;
    const W: Severity = Severity::Warning;
    #[rustfmt::skip]
    let table: &[(&str, &str, Severity, &str, &str, &str)] = &[
        // shapes
        // recognition
        ("[[node]]", "[recognition]\nengine = \"websocket\"\n\n[[node]]", E, "recognition", "a service of recognition without an address", "write `url = \"wss://…\"`"),
        ("[[node]]", "[recognition]\nengine = \"websocket\"\nurl = \"https://a\"\n\n[[node]]", E, "recognition.url", "or not at all", "write `wss://…`"),
        ("[[node]]", "[recognition]\nengine = \"mrcp\"\n\n[[node]]", E, "recognition", "a speech server without an address", "sips:NAME"),
        ("[[node]]", "[recognition]\nengine = \"mrcp\"\nserver = \"sip:a\"\n\n[[node]]", E, "recognition.server", "in the clear", "sips:NAME"),
        ("[[node]]", "[recognition]\nengine = \"http\"\nserver = \"sips:a\"\nurl = \"https://a\"\n\n[[node]]", E, "recognition.server", "is called", "engine = \"mrcp\""),
        ("[[node]]", "[recognition]\nengine = \"http\"\nurl = \"http://a\"\n\n[[node]]", E, "recognition.url", "in the clear", "write `https://…`"),
        ("[[node]]", "[recognition]\nengine = \"pocketsphinx\"\nurl = \"https://a\"\n\n[[node]]", E, "recognition.url", "is a program here", "remove `url`"),
        ("[[node]]", "[recognition]\nengine = \"pocketsphinx\"\ncommand = \"\"\n\n[[node]]", E, "recognition.command", "there is no program", "write its place"),
        // speech
        ("[[node]]", "[speech]\nengine = \"http\"\n\n[[node]]", E, "speech", "a service of speech without an address", "write `url = \"https://…\"`"),
        ("[[node]]", "[speech]\nengine = \"http\"\nurl = \"http://a\"\n\n[[node]]", E, "speech.url", "in the clear", "write `https://…`"),
        ("[[node]]", "[speech]\nengine = \"espeak-ng\"\nurl = \"https://a\"\n\n[[node]]", E, "speech.url", "is a program here", "remove `url`"),
        ("[[node]]", "[speech]\nengine = \"mrcp\"\n\n[[node]]", E, "speech", "a speech server without an address", "sips:NAME"),
        ("[[node]]", "[speech]\nengine = \"mrcp\"\nserver = \"sip:a\"\n\n[[node]]", E, "speech.server", "in the clear", "sips:NAME"),
        ("[[node]]", "[speech]\nengine = \"mrcp\"\nserver = \"sips:a\"\nurl = \"https://a\"\n\n[[node]]", E, "speech.url", "has no page", "sips:"),
        ("[[node]]", "[speech]\nengine = \"espeak-ng\"\nserver = \"sips:a\"\n\n[[node]]", E, "speech.server", "is called", "engine = \"mrcp\""),
        ("[[node]]", "[speech]\nengine = \"espeak\"\n\n[[node]]", E, "speech.engine", "cannot be `espeak`", "`espeak-ng`"),
        ("[[node]]", "[speech]\nengine = \"espeak-ng\"\nlanguage = \"en\"\nvoice = [{ language = \"en\", name = \"--path\" }]\n\n[[node]]", E, "speech.voice.--path.name", "`--path` is no voice's name", "as the engine lists it"),
        ("[[node]]", "[speech]\nengine = \"espeak-ng\"\nvoice = [{ language = \"ja\", name = \"ja\" }]\n\n[[node]]", E, "speech.language", "no voice speaks `en-US`", "add a `voice`"),
        ("[[node]]", "[speech]\nengine = \"espeak-ng\"\nlanguage = \"../x\"\n\n[[node]]", E, "speech.language", "`../x` is no language", "BCP 47"),
        ("domain = \"lab.example\"", "domian = \"lab.example\"", E, "domian", "unknown field `domian`", "did you mean `domain`?"),
        ("heartbeat_s = 10", "colour = 10", E, "node.cvp1.role.call_server.sip_server_group.vvb1.colour", "unknown field `colour`", "the fields here are `name`, `heartbeat_s`, `member`"),
        ("address = \"127.18.133.13\"", "address = \"cvp1\"", E, "node.cvp1.address", "an IPv4 or IPv6 address, not \"cvp1\"", "for example"),
        ("secure_port = 5061               #", "secure_port = 65536 #", E, "node.cube1.secure_port", "a whole number from 1 to 65535, not 65536", "secure_port = 5061"),
        ("srtp = false", "srtp = \"no\"", E, "node.cube1.role.sbc.dial_peer.6000100.srtp", "true or false, not \"no\"", "`srtp = false`"),
        ("session_transport = \"udp\"", "session_transport = \"upd\"", E, "node.cube1.role.sbc.dial_peer.6000100.session_transport", "cannot be `upd`", "did you mean `udp`?"),
        ("[\"1.2\", \"1.3\"]", "[\"1.1\"]", E, "tls.versions", "cannot hold `1.1`", "it may be `1.2`, `1.3`"),
        ("[node.role.call_server]\n", "[node.role.callserver]\n", E, "node.cvp1.role.callserver", "unknown field `callserver`", "did you mean `call_server`?"),
        ("name = \"cvp1\"\n", "", E, "node.2.name", "`name` is missing", "add `name ="),
        ("digit = \"1\"", "digit = \"11\"", E, "node.vvb1.role.voice_browser.application.6016.choice.11.digit", "one telephone key", "digit = \"1\""),
        ("domain = \"lab.example\"", "domain = lab.example", E, "", "this is not TOML", "quotes"),
        // laboratories and partners
        ("address = \"127.18.133.13\"", "address = \"127.18.133.13\"\ndangerous_panic_on_number = \"6099\"", E, "node.cvp1.dangerous_panic_on_number", "every call to 6099 makes node `cvp1` panic", "laboratory = true"),
        ("session_transport = \"udp\"", "session_transport = \"udp\"\nauthority = \"carrier\"", E, "node.cube1.role.sbc.dial_peer.6000100.authority", "plain SIP shows no certificate", "use TLS"),
        ("secure_certificate_subject = [\"cvp1.lab.example\"]    # only", "authority = \"roots/carrier.pem\"\nsecure_certificate_subject = [\"cvp1.lab.example\"]    # only", E, "node.vvb1.role.voice_browser.authority", "cannot be the name of an authority", "`carrier` for roots/carrier.pem"),
        ("address = \"127.18.133.13\"", "address = \"127.18.133.13\"\ncrypto_signaling = [{ remote_addr = \"127.18.133.3 255.0.255.0\", trustpoint = \"cm\" }]\ntrustpoint = [{ name = \"cm\" }]", E, "node.cvp1.crypto_signaling.1.remote_addr", "a mask with holes", "an address and its mask"),
        ("address = \"127.18.133.13\"", "address = \"127.18.133.13\"\ncrypto_signaling = [{ remote_addr = \"127.18.133.3\", trustpoint = \"cn\" }]\ntrustpoint = [{ name = \"cm\" }]", E, "node.cvp1.crypto_signaling.1.trustpoint", "there is no trustpoint `cn`", "did you mean `cm`?"),
        ("session_transport = \"udp\"", "session_transport = \"udp\"\nsrtp_keying = [\"dtls\"]", E, "node.cube1.role.sbc.dial_peer.6000100.srtp_keying", "its media is not SRTP", "remove `srtp = false`"),
        ("session_transport = \"udp\"", "session_transport = \"udp\"\nsrtp_keying = [\"dtsl\"]", E, "node.cube1.role.sbc.dial_peer.6000100.srtp_keying", "cannot hold `dtsl`", "did you mean `dtls`?"),
        ("session_transport = \"udp\"", "session_transport = \"udp\"\ncodec = [\"g722\"]", E, "node.cube1.role.sbc.dial_peer.6000100.codec", "cannot hold `g722`", "`g722-64`"),
        // what is in clear at a voice browser, TLS versions and suites
        ("[node.role.voice_browser]\n", "[node.role.voice_browser]\nsrtp = false\n", E, "node.vvb1.role.voice_browser.srtp", "can be listened to by anybody", "dangerous_plain_rtp = true"),
        ("[node.role.voice_browser]\n", "[node.role.voice_browser]\nsrtp_crypto = [\"AES_CM_128_HMAC_SHA1_8O\"]\n", E, "node.vvb1.role.voice_browser.srtp_crypto", "cannot hold `AES_CM_128_HMAC_SHA1_8O`", "did you mean `AES_CM_128_HMAC_SHA1_80`?"),
        ("[node.role.voice_browser]\n", "[node.role.voice_browser]\ndangerous_plain_rtp = true\n", W, "node.vvb1.role.voice_browser.dangerous_plain_rtp", "but its media is SRTP", "write `srtp = false`"),
        ("[node.role.voice_browser]\n", "[node.role.voice_browser]\nsrtp = false\ndangerous_plain_rtp = true\nsrtp_crypto = [\"AEAD_AES_256_GCM\"]\n", W, "node.vvb1.role.voice_browser.srtp_crypto", "but its media is plain RTP", "remove them"),
        ("[node.role.voice_browser]\n", "[node.role.voice_browser]\nsrtp = false\ndangerous_plain_rtp = true\ndangerous_plain_callers = [\"127.18.133.13\"]\n", E, "node.vvb1.role.voice_browser.dangerous_plain_callers", "is plain SIP", "dangerous_plain_sip = true"),
        ("[node.role.voice_browser]\n", "[node.role.voice_browser]\ndangerous_plain_callers = [\"cvp1\"]\n", E, "node.vvb1.role.voice_browser.dangerous_plain_callers", "`cvp1` is not an address", "IPv4 or IPv6"),
        ("[node.role.voice_browser]\n", "[node.role.voice_browser]\ndangerous_plain_callers = [\"127.18.133.13\"]\n", E, "node.vvb1.role.voice_browser.dangerous_plain_callers", "to enable secure RTP, secure SIP must be enabled", "srtp = false"),
        ("address = \"127.18.133.13\"", "address = \"127.18.133.13\"\ntls_versions = [\"1.1\"]", E, "node.cvp1.tls_versions", "cannot hold `1.1`", "it may be `1.2`, `1.3`"),
        ("versions = [\"1.2\", \"1.3\"]", "versions = [\"1.3\"]\n\n[[node]]\nname = \"old\"\naddress = \"127.18.133.99\"\ntls_versions = [\"1.2\"]\n[node.role.sbc]", W, "node.cube1.tls_versions", "`cube1` and `old` have no TLS version in common", "give both"),
        // names
        ("name = \"vvb2\"", "name = \"vvb1\"", E, "node.vvb1.name", "name `vvb1` is there twice", "another name"),
        ("name = \"vvb2\"", "name = \"vvb_2\"", E, "node.vvb_2.name", "cannot be a node's name", "letters, digits"),
        ("tag = 6000\n", "tag = 6000100\n", E, "node.cube1.role.sbc.dial_peer.6000100.tag", "tag `6000100` is there twice", "another tag"),
        ("line = \"1002\"", "line = \"1001\"", E, "node.cucm1.role.call_manager.phone.SEP000000001002.line", "line `1001` is there twice", "another line"),
        ("name = \"SecureSIPTLSforCvp\"", "name = \"SecureSIPTLSforCube\"", E, "node.cucm1.role.call_manager.sip_trunk_security_profile.SecureSIPTLSforCube.name", "twice", "another name"),
        // references
        ("queues = [\"sales\"]", "queues = [\"sale\"]", E, "node.cvp1.role.call_server.agent.1001.queues", "there is no queue `sale`", "did you mean `sales`?"),
        ("agent_group = \"cucm1\"", "agent_group = \"cucm\"", E, "node.cvp1.role.call_server.agent_group", "there is no sip_server_group `cucm`", "did you mean `cucm1`?"),
        ("group = \"vvb1\"", "group = \"browsers\"", E, "node.cvp1.role.call_server.dialled_number.6016.group", "there is no sip_server_group `browsers`", "`cube1`, `vvb1`, `cucm1`"),
        ("sip_trunk_security_profile = \"SecureSIPTLSforCvp\"", "sip_trunk_security_profile = \"SecureSIPTLSforCVB\"", E, "node.cucm1.role.call_manager.sip_trunk.CVP-SIP-Trunk.sip_trunk_security_profile", "there is no sip_trunk_security_profile", "did you mean `SecureSIPTLSforCvp`?"),
        ("queue = \"sales\" }", "queue = \"support\" }", E, "node.vvb1.role.voice_browser.application.6016.choice.1.queue", "there is no queue `support`", "the queues are `sales`"),
        ("extension = \"1002\"", "extension = \"1003\"", E, "node.cvp1.role.call_server.agent.1002.extension", "there is no phone line `1003`", "did you mean"),
        ("pattern = \"6016\"", "pattern = \"6017\"", E, "node.cvp1.role.call_server.dialled_number.6017.pattern", "may go to `vvb1`, which has no application `6017`", "add the application"),
        ("ingress_group = ", "browsers_may_dial = [\"10x\"]\ningress_group = ", E, "node.cvp1.role.call_server.browsers_may_dial", "IOS writes `.`", "`1001$`"),
        ("number = \"6016\"", "may_dial = [\"1001$\"]\nnumber = \"6016\"", W, "node.vvb1.role.voice_browser.application.6016.may_dial", "no call server lets a voice browser call", "browsers_may_dial"),
        ("number = \"6016\"", "may_stream = [\"wss://bot.example\"]\nnumber = \"6016\"", E, "node.vvb1.role.voice_browser.application.6016.may_stream", "`wss://bot.example` is no server", "bot.example:8443"),
        ("group = \"vvb1\"", "group = \"cucm1\"", E, "node.cvp1.role.call_server.dialled_number.6016.group", "is a call_manager", "voice browsers"),
        ("[[node.role.call_server.queue]]", "[[node.role.call_server.outgoing_number]]\npattern = \"0T\"\ngroup = \"cube\"\n[[node.role.call_server.queue]]", E, "node.cvp1.role.call_server.outgoing_number.0T.group", "there is no sip_server_group `cube`", "did you mean `cube1`?"),
        ("[[node.role.call_server.queue]]", "[[node.role.call_server.outgoing_number]]\npattern = \"0T\"\ngroup = \"vvb1\"\n[[node.role.call_server.queue]]", E, "node.cvp1.role.call_server.outgoing_number.0T.group", "`vvb1` is a voice_browser", "border controllers"),
        ("[[node.role.call_server.queue]]", "[[node.role.call_server.outgoing_number]]\npattern = \"0T\"\ngroup = \"cube1\"\n[[node.role.call_server.queue]]", E, "node.cvp1.role.call_server.outgoing_number.0T.group", "`cube1` takes no calls from `cvp1`", "incoming_called_number = \"0T\""),
        // security
        ("priority = 10, secure_port = 5061 }", "priority = 10 }", E, "node.cvp1.role.call_server.sip_server_group.vvb1.member.vvb1.lab.example.secure_port", "member `vvb1.lab.example` is not secure: it has no `secure_port`", "secure_port = 5061"),
        ("dangerous_plain_rtp = true                     #", "dangerous_plain_rtp = true\ndangerous_srtp_fallback = true #", E, "node.cube1.role.sbc.dial_peer.6000100.dangerous_srtp_fallback", "its media is plain RTP", "remove it"),
        ("dangerous_plain_rtp = true                     #", "#", E, "node.cube1.role.sbc.dial_peer.6000100.srtp", "can be listened to", "dangerous_plain_rtp = true"),
        ("srtp = false", "srtp = true", E, "node.cube1.role.sbc.dial_peer.6000100.session_transport", "to enable secure RTP, secure SIP must be enabled", "tcp tls"),
        ("dangerous_plain_sip = true ", "dangerous_plain_sip = false ", E, "node.cube1.port", "`port = 5060` is plain SIP", "dangerous_plain_sip = true"),
        ("port = 5060                      #", "#", E, "node.cube1.role.sbc.dial_peer.6000100.session_transport", "opens no plain port", "port = 5060"),
        ("secure_certificate_subject = [\"cvp1.lab.example\"]    # who", "#", E, "node.cube1.role.sbc.dial_peer.6000.secure_certificate_subject", "no certificate subject is accepted for dial-peer 6000", "secure_certificate_subject ="),
        ("secure_certificate_subject = [\"cvp1.lab.example\"]    # only", "secure_certificate_subject = [\"*.lab.example\"] #", E, "node.vvb1.role.voice_browser.secure_certificate_subject", "names no one peer", "wildcards are not accepted"),
        ("device_security_mode = \"encrypted\"", "device_security_mode = \"non_secure\"", E, "node.cucm1.role.call_manager.sip_trunk.vCube.sip_trunk_security_profile", "to enable secure RTP, secure SIP must be enabled", "encrypted profile"),
        ("device_security_mode = \"encrypted\"", "device_security_mode = \"non_secure\"", E, "node.cucm1.role.call_manager.sip_trunk_security_profile.SecureSIPTLSforCube.device_security_mode", "plain SIP", "dangerous_plain_sip"),
        ("srtp_allowed = true", "srtp_allowed = false", E, "node.cucm1.role.call_manager.sip_trunk.vCube.srtp_allowed", "can be listened to", "dangerous_plain_rtp"),
        ("digest_secret = \"lab-1001-secret\"", "digest_secret = \"\"", E, "node.cucm1.role.call_manager.phone.SEP000000001001.digest_secret", "empty digest secret", "random"),
        ("incoming_port = 5061", "incoming_port = 5063", E, "node.cucm1.role.call_manager.sip_trunk_security_profile.SecureSIPTLSforCube.incoming_port", "listens on 5061", "incoming_port = 5061"),
        // security profiles
        ("incoming_port = 5061\n", "incoming_port = 5061\nincoming_transport_type = \"tcp\"\n", E, "node.cucm1.role.call_manager.sip_trunk_security_profile.SecureSIPTLSforCube.incoming_transport_type", "is encrypted, which `tcp` is not", "write `tls`"),
        ("incoming_port = 5061\n", "incoming_port = 5061\nenable_digest_authentication = true\n", E, "node.cucm1.role.call_manager.sip_trunk_security_profile.SecureSIPTLSforCube.enable_digest_authentication", "no application_user", "add `[[node"),
        ("incoming_port = 5061\n", "incoming_port = 5061\nenable_application_level_authorization = true\n", E, "node.cucm1.role.call_manager.sip_trunk_security_profile.SecureSIPTLSforCube.enable_application_level_authorization", "no user proves itself", "enable_digest_authentication"),
        ("incoming_port = 5061\n", "incoming_port = 5061\nsip_v150_outbound_sdp_offer_filtering = \"remove_mer_v150\"\n", E, "node.cucm1.role.call_manager.sip_trunk_security_profile.SecureSIPTLSforCube.sip_v150_outbound_sdp_offer_filtering", "cannot be `remove_mer_v150`", "`use_default_filter`"),
        ("incoming_port = 5061\n", "incoming_port = 5061\naccept_out_of_dialog_refer = true\n", W, "node.cucm1.role.call_manager.sip_trunk_security_profile.SecureSIPTLSforCube.accept_out_of_dialog_refer", "does not do yet", "leave `accept_out_of_dialog_refer` out"),
        ("device_security_mode = \"encrypted\"", "device_security_mode = \"authenticated\"", E, "node.cucm1.role.call_manager.sip_trunk.vCube.sip_trunk_security_profile", "protects signalling alone", "encrypted profile"),
        ("digest_secret = \"lab-1001-secret\"", "digest_secret = \"lab-1001-secret\"\ndevice_security_profile = \"secure\"", E, "node.cucm1.role.call_manager.phone.SEP000000001001.device_security_profile", "there is no phone_security_profile `secure`", "add one"),
        ("digest_secret = \"lab-1001-secret\"", "digest_secret = \"lab-1001-secret\"\ndevice_security_mode = \"authenticated\"", E, "node.cucm1.role.call_manager.phone.SEP000000001001.device_security_mode", "media in clear", "dangerous_plain_rtp"),
        // addresses, ports, timers
        ("address = \"127.18.133.144\"\n", "address = \"127.18.133.143\"\n", E, "node.vvb2.secure_port", "127.18.133.143 port 5061 is already node `vvb1`'s", "own address"),
        ("address = \"127.18.133.144\"\n", "address = \"127.18.133.143\"\n", E, "node.vvb2.media_ports", "overlap node `vvb1`'s", "own address"),
        ("port = 5060                      #", "port = 5061 #", E, "node.cube1.port", "port 5061 is both", "its own port"),
        ("address = \"127.18.133.3\"\n", "address = \"0.0.0.0\"\n", E, "node.cucm1.address", "every address of the host", "one address"),
        ("address = \"127.18.133.13\"\n", "address = \"127.18.133.13\"\nmin_se_s = 60\n", E, "node.cvp1.min_se_s", "RFC 4028", "90 or more"),
        ("address = \"127.18.133.13\"\n", "address = \"127.18.133.13\"\nsession_expires_s = 300\nmin_se_s = 600\n", E, "node.cvp1.session_expires_s", "below min_se_s 600", "write 600"),
        ("address = \"127.18.133.13\"\n", "address = \"127.18.133.13\"\nmedia_ports = [20000, 10000]\n", E, "node.cvp1.media_ports", "no range", "lower port first"),
        ("address = \"127.18.133.13\"\n", "address = \"127.18.133.13\"\nmedia_ports = [5000, 10000]\n", E, "node.cvp1.media_ports", "take in `secure_port` 5061", "move one"),
        // patterns and targets
        ("destination_pattern = \"6...\"", "destination_pattern = \"6xxx\"", E, "node.cube1.role.sbc.dial_peer.6000.destination_pattern", "IOS writes `.`", "`.` one digit"),
        ("session_target = \"ipv4:127.18.133.13:5061\"", "session_target = \"ipv4:127.18.133.13\"", E, "node.cube1.role.sbc.dial_peer.6000.session_target", "the port is missing", "port"),
        // warnings
        ("port = 5060                      #", "port = 5070 #", W, "node.cube1.port", "5063–5080", "another port"),
        ("secure_certificate_subject = [\"cvp1.lab.example\"]    # who", "secure_certificate_subject = [\"cvp.lab.example\"] #", W, "node.cube1.role.sbc.dial_peer.6000.secure_certificate_subject", "whose certificate is for `cvp1.lab.example`", "write `cvp1.lab.example`"),
        ("host = \"vvb2.lab.example\"", "host = \"vvb2.lab\"", W, "node.cvp1.role.call_server.sip_server_group.vvb1.member.vvb2.lab.host", "is for `vvb2.lab.example`", "write `vvb2.lab.example`"),
        ("versions = [\"1.2\", \"1.3\"]", "versions = [\"1.3\"]\ndangerous_tls_keylog = true", W, "tls.dangerous_tls_keylog", "reads every call", "labs only"),
        ("digest_secret = \"lab-1001-secret\"", "digest_secret = \"1001\"", W, "node.cucm1.role.call_manager.phone.SEP000000001001.digest_secret", "can be guessed", "random"),
    ];
    let mut wrong = Vec::new();
    for (from, to, severity, path, what, fix) in table {
        let checked = lab_with(from, to);
        let found = checked.problems.iter().any(|problem| {
            problem.severity == *severity
                && problem.path == *path
                && problem.what.contains(what)
                && problem.fix.contains(fix)
        });
        let refused = checked.site.is_none() == (*severity == Severity::Error);
        if !found || !refused {
            let got: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
            wrong.push(format!(
                "`{from}` → `{to}`: wanted {severity:?} at {path}: …{what}… = …{fix}…\ngot:\n{}",
                got.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// One change gives one problem: what follows from a problem is not reported beside it.
#[test]
fn one_mistake_is_one_problem() {
    for (from, to) in [
        ("domain = \"lab.example\"", "domian = \"lab.example\""),
        ("name = \"cvp1\"\n", ""),
        ("address = \"127.18.133.13\"\n", "address = \"nowhere\"\n"),
        ("priority = 10, secure_port = 5061 }", "priority = 10, secure_port = \"5061\" }"),
        ("queues = [\"sales\"]", "queues = [\"sale\"]"),
        ("session_transport = \"udp\"", "session_transport = \"upd\""),
    ] {
        let checked = lab_with(from, to);
        let found = checked.problems.len();
        let words: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
        // `domain` is both unknown under its wrong name and missing under its right one.
        let want = if to.contains("domian") { 2 } else { 1 };
        assert_eq!(found, want, "`{to}`:\n{}", words.join("\n"));
    }
}

#[test]
fn all_problems_come_at_once_in_the_files_order() {
    let text = LAB
        .replacen("heartbeat_s", "hearbeat_s", 1)
        .replacen("srtp = false", "srtp = true", 1)
        .replacen("queues = [\"sales\"]", "queues = [\"sale\"]", 1)
        .replacen("agent_group = \"cucm1\"", "agent_group = 5", 1)
        .replacen("name = \"vvb2\"", "name = \"vvb1\"", 1);
    let problems = Site::parse(&text).unwrap_err();
    let whats: Vec<&str> = problems.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(whats.len(), 5, "{whats:#?}");
    assert!(problems.is_sorted_by_key(|problem| problem.line));
    for (line, problem) in problems.iter().map(|problem| (text.lines().nth(problem.line - 1).unwrap(), problem)) {
        assert!(line.starts_with(&problem.source) || problem.source.ends_with('…'), "{line} | {}", problem.source);
    }
}

#[test]
fn a_problem_in_full() {
    let checked = lab_with("priority = 10, secure_port = 5061 }", "priority = 10 }");
    let words = checked.problems[0].to_string();
    assert_eq!(
        words,
        concat!(
            "error: member `vvb1.lab.example` is not secure: it has no `secure_port`\n",
            "  --> line 77, column 3, node.cvp1.role.call_server.sip_server_group.vvb1.member.vvb1.lab.example.secure_port\n",
            "   |\n",
            "77 |   { host = \"vvb1.lab.example\", address = \"127.18.133.143\", priority = 10 },\n",
            "   |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n",
            "   = write `secure_port = 5061`; or `dangerous_plain_sip = true` here and at the node, and answer for it",
        )
    );
}

#[test]
fn a_secret_is_never_repeated() {
    for (from, to) in [
        ("digest_secret = \"lab-1001-secret\"", "digest_secret = \"s3cr3t\""),
        ("digest_secret = \"lab-1001-secret\"", "digest_secret = [\"s3cr3t\"]"),
    ] {
        let checked = lab_with(from, to);
        assert!(!checked.problems.is_empty());
        for problem in &checked.problems {
            assert!(!problem.to_string().contains("s3cr3t"), "{problem}");
        }
    }
    let site = Site::parse(LAB).unwrap();
    assert!(!format!("{site:?}").contains("lab-1001-secret"));
}

#[test]
fn any_text_gives_an_answer() {
    for text in [
        "",
        "\0",
        "[[node]]",
        "node = 1",
        "node = [1]",
        "[node.role]",
        "name = \"",
        "[[node]]\n[node.role]\n[node.role.sbc]\n[node.role.call_server]",
        "é = [",
    ] {
        assert!(Site::check(text).site.is_none(), "{text:?}");
    }
    // Cut anywhere, the lab never panics.
    for cut in (0..LAB.len()).step_by(37).filter(|cut| LAB.is_char_boundary(*cut)) {
        Site::check(&LAB[..cut]);
    }
}

#[test]
fn addresses_may_be_ipv6() {
    let text = LAB.replace("127.18.133.13\"", "::1\"").replace("ipv4:127.18.133.13:5061", "ipv6:[::1]:5061");
    assert!(Site::parse(&text).is_ok());
}

#[test]
fn the_pages_of_an_application_come_from_a_folder_or_over_https() {
    let start = LAB.find("prompt = \"welcome\"").unwrap();
    let end = start + LAB[start..].find("\n\n").unwrap();
    let problem = |instead: &str| {
        let checked = Site::check(&format!("{}{instead}{}", &LAB[..start], &LAB[end..]));
        let words: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
        assert_eq!(checked.site.is_some(), checked.problems.iter().all(|it| it.severity == Severity::Warning));
        words.join("\n")
    };
    for good in ["document = \"a/main.vxml\"", "document = \"https://pages.example/main\"\npage_authority = \"web\""] {
        assert_eq!(problem(good), "");
    }
    let plain = "document = \"http://pages.example/main.vxml\"";
    assert!(problem(plain).contains("in the clear") && problem(plain).contains("`https://`"));
    let loud = problem(&format!("{plain}\ndangerous_plain_http = true"));
    assert!(loud.contains("may come in the clear"), "{loud}");
    for (bad, said) in [
        ("document = \"ftp://pages.example/main.vxml\"", "not fetched by `ftp`"),
        ("document = \"main.html\"", "not a VoiceXML document's file"),
        ("document = \"main.vxml\"\nprompt = \"welcome\"", "has a document and a question"),
        ("page_authority = \"web\"\nprompt = \"welcome\"", "has no document"),
        ("queue_music = \"moh\"", "has nothing to say"),
    ] {
        assert!(problem(bad).contains(said), "{bad}: {}", problem(bad));
    }
}

#[test]
fn consoles_at_a_management_address_share_it_by_ports() {
    let at = |first: &str, second: &str| {
        let one = lab_with(
            "address = \"127.18.133.13\"\n",
            &format!("address = \"127.18.133.13\"\nconsole = {{ {first} }}\n"),
        );
        assert!(one.problems.is_empty(), "{:?}", one.problems);
        let both = LAB
            .replacen(
                "address = \"127.18.133.13\"\n",
                &format!("address = \"127.18.133.13\"\nconsole = {{ {first} }}\n"),
                1,
            )
            .replacen(
                "address = \"127.18.133.3\"\n",
                &format!("address = \"127.18.133.3\"\nconsole = {{ {second} }}\n"),
                1,
            );
        Site::check(&both).problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let management = "address = \"192.0.2.9\"";
    assert!(at(management, management).contains("port 22 of 192.0.2.9 is node `cvp1`'s"));
    assert_eq!(at(management, "address = \"192.0.2.9\", port = 2222"), "");
    assert_eq!(at("port = 22", "port = 22"), "");
    // The call manager's own SIP port, and a desk's number at another address.
    assert!(at(management, "address = \"127.18.133.13\", port = 5061").contains("is node `cvp1`'s"));
    assert_eq!(at("address = \"192.0.2.9\", port = 8445", "address = \"192.0.2.9\""), "");
}

/// The lab with a phone security profile of these fields, which phone 1001 names.
fn phone_profile(fields: &str) -> Vec<String> {
    let secret = "digest_secret = \"lab-1001-secret\"\n";
    let named = LAB.replace(secret, &format!("{secret}device_security_profile = \"p\"\n"));
    let profile = "\n[[node.role.call_manager.phone_security_profile]]\nname = \"p\"\n";
    Site::check(&format!("{named}{profile}{fields}\n")).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_phone_security_profile_contradicts_itself_nowhere() {
    for good in [
        "",
        "description = \"agents\"\nproduct_type = \"Cisco Unified Client Services Framework\"\ndevice_protocol = \"SIP\"",
        "device_security_mode = \"authenticated\"\ndangerous_plain_rtp = true",
        "key_order = \"ec_only\"\ntftp_encrypted_config = false\nec_key_size = 521",
    ] {
        assert_eq!(phone_profile(good), Vec::<String>::new(), "{good}");
    }
    for (fields, words) in [
        ("device_security_mode = \"authenticated\"", "can be listened to"),
        ("device_security_mode = \"non_secure\"", "is plain SIP"),
        ("transport_type = \"udp\"", "is encrypted, which `udp` is not"),
        ("enable_digest_authentication = false", "nobody here gives it one"),
        ("enable_oauth_authentication = true", "takes no tokens"),
        ("key_order = \"ec_only\"", "nothing can be encrypted"),
        ("rsa_key_size = 2049", "no RSA key of 2049 bits"),
        ("dangerous_plain_rtp = true", "follows from that"),
        ("device_protocol = \"SCCP\"", "cannot be `SCCP`"),
    ] {
        let problems = phone_profile(fields);
        assert!(problems.iter().any(|problem| problem.contains(words)), "{fields}: {problems:?}");
    }
}

/// The lab whose call manager takes tokens, with these fields; phone 1001 has a profile that enables OAuth.
fn oauth(fields: &str, phone: &str) -> Vec<String> {
    let secret = "digest_secret = \"lab-1001-secret\"\n";
    let named = LAB.replace(secret, &format!("device_security_profile = \"p\"\n{phone}\n"));
    let profile =
        "\n[[node.role.call_manager.phone_security_profile]]\nname = \"p\"\nenable_oauth_authentication = true\n";
    let table = format!("\n[node.role.call_manager.oauth]\n{fields}\n");
    Site::check(&format!("{named}{profile}{table}")).problems.iter().map(ToString::to_string).collect()
}

/// Contract 81, 198: a profile enables it, and neither secret nor certificate is asked for beside it.
#[test]
fn oauth_is_switched_on_in_one_table_and_in_a_phones_profile() {
    let provider =
        "\n[[node.role.call_manager.oauth.identity_provider]]\nissuer = \"https://idp.example\"\nkey_set = \"idp\"";
    for (good, phone) in [
        ("", ""),
        ("", "owner = \"amber@lab.example\""),
        ("port = 5091\naudience = \"lab\"\nissuer = \"https://tokens.lab.example\"\ntoken_life_s = 60", ""),
        (&format!("built_in_issuer = false{provider}"), ""),
        (&format!("{provider}\nauthorization_server = \"https://idp.example/authorize\""), ""),
        (&provider.replace("key_set = \"idp\"", "authority = \"corp\""), ""),
        (&provider.replace("\"idp\"", "\"https://idp.example/keys\"\nauthority = \"corp\""), ""),
    ] {
        assert_eq!(oauth(good, phone), Vec::<String>::new(), "{good}");
    }
    let twice = format!("{provider}{provider}");
    let (plain, in_clear) =
        (provider.replace("https://", "http://"), provider.replace("\"idp\"", "\"http://idp.example/keys\""));
    let (nowhere, nobody) = (provider.replace("\"idp\"", "\" \""), format!("{provider}\nauthority = \"corp\""));
    let found =
        plain.replace("key_set = \"idp\"", "authority = \"a.pem\"\nauthorization_server = \"https://idp.example\"");
    let who = found.replace("http://", "https://");
    let ours = format!("issuer = \"https://idp.example\"{provider}");
    for (fields, phone, words) in [
        ("port = 5061", "", "has another use"),
        ("port = 20000", "", "take in `role.call_manager.oauth.port` 20000"),
        ("built_in_issuer = false", "", "nobody's tokens are believed"),
        ("audience = \" \"", "", "tokens for nobody"),
        ("issuer = \"tokens\"", "", "no https address"),
        ("token_life_s = 5", "", "from 60"),
        ("prot = 5090", "", "did you mean `port`?"),
        (&twice, "", "is there twice"),
        (&plain, "", "no https address"),
        (&in_clear, "", "could be any phone"),
        (&nowhere, "", "are nowhere"),
        (&nobody, "", "nothing is fetched"),
        (&found, "", "no discovery document below it"),
        (&who, "", "cannot be the name of an authority"),
        (&ours, "", "the built-in issuer's name"),
        ("", "owner = \"\"", "belongs to nobody"),
        ("", "secure_certificate_subject = \"x\"", "no certificate is asked of it"),
    ] {
        let problems = oauth(fields, phone);
        assert!(problems.iter().any(|problem| problem.contains(words)), "{fields}: {problems:?}");
    }
    let authenticated = phone_profile(
        "enable_oauth_authentication = true\ndevice_security_mode = \"authenticated\"\ndangerous_plain_rtp = true",
    );
    assert!(authenticated.iter().any(|problem| problem.contains("is for encrypted phones")), "{authenticated:?}");
}

#[test]
fn a_directory_can_be_reached_in_secret_finds_one_and_gives_somebody_a_role() {
    const DIRECTORY: &str = r#"[directory]
url = ["ldaps://ldap.lab.example", "ldap://10.0.0.5:1389"]
authority = "corp"
bind_dn = "cn=ringfence,dc=lab,dc=example"
bind_password_file = "directory.password"
base = "ou=people,dc=lab,dc=example"
agent_groups = ["cn=agents,ou=groups,dc=lab,dc=example"]
"#;
    let with = |from: &str, to: &str| {
        let text = DIRECTORY.replacen(from, to, 1);
        assert_eq!(from == to, text == DIRECTORY, "{from}");
        Site::check(&LAB.replacen("[tls]", &format!("{text}[tls]"), 1))
    };
    let good = with("", "");
    let words: Vec<String> = good.problems.iter().map(ToString::to_string).collect();
    assert!(words.is_empty(), "{}", words.join("\n\n"));
    let site = good.site.unwrap();
    assert!(site.authorities().contains(&("directory".into(), "corp")));
    assert_eq!(site.directory.unwrap().servers().unwrap().len(), 2);
    for (from, to, path, what, fix) in [
        ("ldap://10.0.0.5:1389", "10.0.0.5", "directory.url", "is no server of a directory", "ldaps://HOST"),
        ("[\"ldaps://ldap.lab.example\", \"ldap://10.0.0.5:1389\"]", "[]", "directory.url", "nowhere", "ldaps://HOST"),
        ("\"corp\"", "\"corp.pem\"", "directory.authority", "cannot be the name", "roots/"),
        ("base =", "user_filter = \"uid={name}\"\nbase =", "directory.user_filter", "expected `(`", "RFC 4515"),
        ("base =", "user_filter = \"(uid=ada)\"\nbase =", "directory.user_filter", "no `{name}`", "sAMAccountName"),
        (
            "base =",
            "group_base = \"dc=x\"\ngroup_filter = \"(cn=x)\"\nbase =",
            "directory.group_filter",
            "neither `{dn}`",
            "memberUid",
        ),
        ("bind_password_file = \"directory.password\"\n", "", "directory.bind_dn", "no password", "first line"),
        ("bind_dn = \"cn=ringfence,dc=lab,dc=example\"\n", "", "directory.bind_password_file", "of nobody", "bind_dn"),
        ("[\"cn=agents,ou=groups,dc=lab,dc=example\"]", "[]", "directory", "nobody of the directory", "agent_groups"),
        ("base =", "dangerous_plain_ldap = true\nbase =", "directory.dangerous_plain_ldap", "in the clear", "StartTLS"),
        ("base =", "basis =", "directory", "`base` is missing", "base ="),
    ] {
        let found = with(from, to);
        let words: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        let hit = found
            .problems
            .iter()
            .any(|problem| problem.path.starts_with(path) && problem.what.contains(what) && problem.fix.contains(fix));
        assert!(hit, "{to}: {}", words.join("\n\n"));
    }
}

#[test]
fn a_provider_is_asked_in_secret_and_gives_somebody_a_role() {
    const PROVIDER: &str = r#"[open_id]
issuer = "https://idp.example/realms/lab"
authority = "corp"
client_id = "ringfence"
agent_roles = ["agents"]
"#;
    let with = |from: &str, to: &str| {
        let text = PROVIDER.replacen(from, to, 1);
        assert_eq!(from == to, text == PROVIDER, "{from}");
        Site::check(&LAB.replacen("[tls]", &format!("{text}[tls]"), 1))
    };
    let good = with("", "");
    let words: Vec<String> = good.problems.iter().map(ToString::to_string).collect();
    assert!(words.is_empty(), "{}", words.join("\n\n"));
    let site = good.site.unwrap();
    assert!(site.authorities().contains(&("open_id".into(), "corp")));
    let provider = site.open_id.unwrap();
    assert_eq!(
        crate::discovery_of(&provider.issuer),
        "https://idp.example/realms/lab/.well-known/openid-configuration"
    );
    assert_eq!((provider.audience(), provider.session_idle_s, provider.session_life_s), ("ringfence", 1800, 43_200));
    for (from, to, path, what, fix) in [
        ("https://idp", "http://idp", "open_id.issuer", "no https address", "discovery document"),
        ("https://idp.example/realms/lab", "https:///x", "open_id.issuer", "no https address", "iss"),
        ("\"corp\"", "\"../corp\"", "open_id.authority", "cannot be the name", "roots/"),
        ("\"ringfence\"", "\"\"", "open_id.client_id", "for nobody", "registered"),
        ("agent_roles", "scopes = [\"a b\"]\nagent_roles", "open_id.scopes", "no scope", "one word"),
        ("[\"agents\"]", "[]", "open_id", "nobody of the provider", "agent_roles"),
        (
            "agent_roles",
            "session_idle_s = 600\nsession_life_s = 60\nagent_roles",
            "open_id.session_idle_s",
            "over after 60 s",
            "shorter",
        ),
        ("client_id =", "client =", "open_id", "`client_id` is missing", "client_id"),
    ] {
        let found = with(from, to);
        let words: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        let hit = found
            .problems
            .iter()
            .any(|problem| problem.path.starts_with(path) && problem.what.contains(what) && problem.fix.contains(fix));
        assert!(hit, "{to}: {}", words.join("\n\n"));
    }
}

#[test]
fn a_way_out_takes_no_extension_and_shows_a_number() {
    let way = |line: &str| {
        format!("[[node.role.call_server.outgoing_number]]\ngroup = \"cube1\"\n{line}\n[[node.role.call_server.queue]]")
    };
    let said = |line: &str| {
        let text = LAB.replacen("[[node.role.call_server.queue]]", &way(line), 1).replacen(
            "tag = 6000\n",
            "tag = 6000\nincoming_called_number = \".\"\n",
            1,
        );
        Site::check(&text).problems.into_iter().map(|problem| problem.what).collect::<Vec<_>>()
    };
    assert_eq!(said("pattern = \"0T\"\ncalling_number = \"+3227046016\""), Vec::<String>::new());
    assert_eq!(said("pattern = \"1T\""), ["`1T` also takes 1001, the extension of agent 1001"]);
    assert_eq!(
        said("pattern = \"0T\"\ncalling_number = \"sales\""),
        ["`sales` is no number that others could call back"]
    );
    assert!(said("pattern = \"0x\"")[0].contains("IOS writes `.`"));
}

#[test]
fn the_cas_key_is_in_one_token_and_its_pin_nowhere_in_the_site() {
    let check = |table: &str| {
        let text = format!("{LAB}\n[ca.pkcs11]\n{table}\n");
        Site::check(&text).problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let module = "module = \"/usr/lib/softhsm/libsofthsm2.so\"\n";
    for good in ["token = \"lab\"", "slot = 0", "token = \"lab\"\npin_file = \"pin\"\nkey = \"root\""] {
        assert_eq!(check(&format!("{module}{good}")), Vec::<String>::new());
    }
    for (table, words) in [
        ("module = \"libsofthsm2.so\"\ntoken = \"lab\"".to_owned(), "could be any library"),
        (module.to_owned(), "no token is named"),
        (format!("{module}token = \"lab\"\nslot = 1"), "both are named"),
        (format!("{module}token = \" \""), "no label of a token"),
        (format!("{module}token = \"lab\"\nkey = \"\""), "cannot be found again"),
        (format!("{module}token = \"lab\"\npin = \"1234\""), "unknown field `pin`"),
        ("token = \"lab\"".to_owned(), "`module` is missing"),
    ] {
        let problems = check(&table);
        assert!(problems.iter().any(|problem| problem.contains(words)), "{table}: {problems:?}");
    }
}

#[test]
fn a_responder_is_at_a_node_that_is_there_and_others_can_ask_it() {
    let with = |ocsp: &str| Site::check(&LAB.replacen("[tls]", &format!("[ocsp]\n{ocsp}\n[tls]"), 1));
    let good = with("node = \"cucm1\"\nurl = \"http://ocsp.lab.example:2560/\"");
    let words: Vec<String> = good.problems.iter().map(ToString::to_string).collect();
    assert!(words.is_empty(), "{}", words.join("\n\n"));
    assert_eq!(good.site.unwrap().ocsp.unwrap().port, 2560);
    for (ocsp, path, what) in [
        ("node = \"cucm\"", "ocsp.node", "no node `cucm`"),
        ("node = \"cucm1\"\nport = 5061", "ocsp.port", "`secure_port` already"),
        ("node = \"cucm1\"\nurl = \"https://ocsp.lab.example/\"", "ocsp.url", "no http address"),
        ("node = \"cucm1\"\nurl = \"http:///x\"", "ocsp.url", "no http address"),
    ] {
        let problems = with(ocsp).problems;
        assert!(problems.iter().any(|it| it.path == path && it.what.contains(what)), "{ocsp}: {problems:?}");
    }
}

#[test]
fn an_authority_is_judged_by_its_list_or_asked_and_softly_in_loud_words_alone() {
    let subject = "secure_certificate_subject = [\"cvp1.lab.example\"]    # only the call server may call";
    let lab = LAB.replacen(subject, &format!("authority = \"carrier\"\n{subject}"), 1);
    assert_ne!(lab, LAB);
    let with = |row: &str| {
        Site::check(&lab.replacen("[tls]", &format!("[[authority]]\nname = \"carrier\"\n{row}\n[tls]"), 1)).problems
    };
    for row in ["revocation = \"crl\"", "revocation = \"ocsp\"\nocsp_responder = \"http://ocsp.carrier.example/\""] {
        let words: Vec<String> = with(row).iter().map(ToString::to_string).collect();
        assert!(words.is_empty(), "{}", words.join("\n\n"));
    }
    for (row, field, what) in [
        ("revocation = \"none\"", "revocation", "cannot be `none`"),
        ("revocation = \"crl\"\nocsp_responder = \"http://o/\"", "", "nobody is asked"),
        ("revocation = \"ocsp\"\nocsp_responder = \"https://o/\"", "ocsp_responder", "no http address"),
        (
            "revocation = \"ocsp\"\ndangerous_ocsp_soft_fail = true",
            "dangerous_ocsp_soft_fail",
            "let in with a certificate that was revoked",
        ),
        ("revocation = \"ocsp\"\n[[authority]]\nname = \"carrier\"\nrevocation = \"crl\"", "name", "there twice"),
        ("revocation = \"ocsp\"\n[[authority]]\nname = \"corp\"\nrevocation = \"crl\"", "name", "no peer names"),
    ] {
        let problems = with(row);
        let hit = |it: &&crate::Problem| it.path.ends_with(field) && it.what.contains(what);
        assert!(problems.iter().filter(hit).count() == 1, "{row}: {problems:?}");
    }
}

#[test]
fn a_trustpoints_certificate_is_ordered_of_whom_somebody_vouches_for() {
    let check = |acme: &str| {
        let point = format!("\n[[node.trustpoint]]\nname = \"public\"\n[node.trustpoint.acme]\n{acme}\n");
        let used = "[[node.crypto_signaling]]\nremote_addr = \"192.0.2.1\"\ntrustpoint = \"public\"\n";
        let text = format!("{LAB}{point}{used}");
        Site::check(&text).problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let directory = "directory = \"https://ca.example/directory\"\n";
    for good in
        ["", "authority = \"ca\"\ncontact = [\"mailto:ops@lab.example\"]", "challenge = \"tls-alpn-01\"\nport = 8443"]
    {
        assert_eq!(check(&format!("{directory}{good}")), Vec::<String>::new(), "{good}");
    }
    for (acme, words) in [
        ("directory = \"http://ca.example/directory\"".to_owned(), "no https address of a directory"),
        (format!("{directory}authority = \"ca.pem\""), "cannot be the name of an authority"),
        (format!("{directory}contact = [\"ops@lab.example\"]"), "nobody whom an authority could write to"),
        (format!("{directory}challenge = \"dns-01\""), "http-01"),
        (format!("{directory}port = 5061"), "has another use"),
    ] {
        let problems = check(&acme);
        assert!(problems.iter().any(|problem| problem.contains(words)), "{acme}: {problems:?}");
    }
    let site = Site::parse(&format!(
        "{LAB}\n[[node.trustpoint]]\nname = \"p\"\nacme = {{ directory = \"https://a\", authority = \"ca\" }}\n"
    ));
    assert!(site.unwrap().authorities().iter().any(|(whose, name)| whose.starts_with("acme of") && *name == "ca"));
}
