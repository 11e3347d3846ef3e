//! Configurations say what phones look for, and nothing that a name brings in changes their shape.

use super::*;
use crate::capf::AuthMode;

pub(crate) fn device() -> Device {
    Device {
        name: "SEP001122334455".into(),
        label: "Agent <1>".into(),
        security_mode: SecurityMode::Encrypted,
        transport: Transport::Tls,
        sip_port: 5061,
        call_managers: vec![CallManager {
            name: "cucm1".into(),
            host: "cucm1.lab.example".into(),
            sip_port: 5060,
            secure_sip_port: 5061,
        }],
        tvs: vec![("cucm1.lab.example".into(), 2445)],
        capf: Some(Capf { mode: AuthMode::NullString, host: "cucm1.lab.example".into(), port: 3804 }),
        lines: vec![
            Line {
                number: "1001".into(),
                display_name: "Aroha & Bill".into(),
                digest: Some(("1001".into(), "secret".into())),
                max_calls: 4,
                busy_trigger: 2,
            },
            Line {
                number: "1002".into(),
                display_name: String::new(),
                digest: Some(("x".into(), "y".into())),
                max_calls: 4,
                busy_trigger: 2,
            },
        ],
        speed_dials: vec![SpeedDial { label: "Desk".into(), number: "1100".into() }],
        media_ports: (16384, 32766),
        load: "sip88xx.14-2-1".into(),
        dial_template: "DR1.xml".into(),
        soft_keys: "SK1.xml".into(),
        time_zone: "New Zealand Standard/Daylight Time".into(),
        ntp: vec!["127.18.133.3".into()],
        locale: "English_United_States".into(),
        vendor: VendorConfig::default(),
        version_stamp: "0f0e0d0c-0b0a-4908-8706-050403020100".into(),
    }
}

#[test]
fn a_secure_phone_is_told_to_be_one() {
    let text = device().full();
    for element in [
        "<deviceSecurityMode>3</deviceSecurityMode>",
        "<transportLayerProtocol>3</transportLayerProtocol>",
        "<securedSipPort>5061</securedSipPort>",
        "<capfAuthMode>2</capfAuthMode>",
        "<phonePort>3804</phonePort>",
        "<port>2445</port>",
        "<dscpForAudio>184</dscpForAudio>",
        "<encrConfig>false</encrConfig>",
        "<certHash></certHash>",
        "<phoneLabel>Agent &lt;1&gt;</phoneLabel>",
        "<displayName>Aroha &amp; Bill</displayName>",
        "<proxy>USECALLMANAGER</proxy>",
        "<garp>1</garp>",
        "<sshAccess>1</sshAccess>",
        "<webAccess>1</webAccess>",
    ] {
        assert!(text.contains(element), "{element} is not in\n{text}");
    }
    assert_eq!(text.matches("<authPassword>").count(), 1, "other lines ride on the first one's registration");
    assert!(text.contains("<line button=\"3\">\n        <featureID>2</featureID>"), "{text}");
    assert_eq!(text.matches('<').count(), text.matches('>').count());
}

#[test]
fn what_is_told_in_clear_has_no_secret_in_it() {
    let short = device().short("c72b341a0fc06aafd094b737a1da1398");
    assert!(short.contains("<fullConfig>false</fullConfig>") && short.contains("<encrConfig>true</encrConfig>"));
    assert!(!short.contains("secret") && !short.contains("1001"), "{short}");
    assert!(device().full_encrypted("c72b").contains("<certHash>c72b</certHash>"));
}

#[test]
fn files_beside_it() {
    let rules = [
        DialRule { pattern: "0,.......".into(), timeout_s: 2, rewrite: None, tone: Some("Bellcore-Outside".into()) },
        DialRule { pattern: "*".into(), timeout_s: 5, rewrite: Some("9.".into()), tone: None },
    ];
    let text = dial_template("v", &rules);
    assert!(text.contains("<TEMPLATE match=\"0,.......\" timeout=\"2\" tone=\"Bellcore-Outside\"/>"), "{text}");
    assert!(text.contains("<TEMPLATE match=\"*\" timeout=\"5\" rewrite=\"9.\"/>"));
    let set = |keys: &[&str]| {
        vec![SoftKeySet { state: "Connected".into(), keys: keys.iter().map(|key| (*key).to_owned()).collect() }]
    };
    let text = soft_keys("v", &set(&["Hold", "EndCall"])).unwrap();
    assert!(
        text.contains("<softKeySet id=\"Connected\">\n      <softKey keyID=\"3\"/>\n      <softKey keyID=\"9\"/>"),
        "{text}"
    );
    assert!(soft_keys("v", &set(&["Helo"])).unwrap_err().contains("no phone knows a key `Helo`"));
    assert!(soft_keys("v", &set(&["Hold"; 17])).unwrap_err().contains("17 keys"));
    let text = feature_policy("Default", "v", &[FeaturePolicy { feature: "Barge", enabled: false }]);
    assert_eq!(
        (text.matches("<enable>false</enable>").count(), text.matches("<enable>true</enable>").count()),
        (1, 15)
    );
    assert!(default_device(&device().call_managers).contains("<processNodeName>cucm1.lab.example</processNodeName>"));
    assert!(
        ring_list(&[RingTone { name: "Bell".into(), file: "bell.raw".into() }])
            .contains("<FileName>bell.raw</FileName>")
    );
}

#[test]
fn names_are_names_and_no_paths() {
    let device = |form| Some(Asked::Device { device: "SEP001122334455".into(), form });
    assert_eq!(Asked::of("SEP001122334455.cnf.xml"), device(Form::Plain));
    assert_eq!(Asked::of("SEP001122334455.cnf.xml.sgn"), device(Form::Signed));
    assert_eq!(Asked::of("SEP001122334455.cnf.xml.enc.sgn"), device(Form::EncryptedSigned));
    assert_eq!(Asked::of("CTLSEP001122334455.tlv"), Some(Asked::Ctl));
    assert_eq!(Asked::of("ext_ITLSEP001122334455.tlv"), Some(Asked::Itl));
    assert_eq!(Asked::of("ITLFile.tlv"), Some(Asked::Itl));
    for name in ["", ".cnf.xml", "../SEP1.cnf.xml", "CTL.tlv", "CTL../x.tlv", "SEP1.cnf.xml.sgn.sgn", "a/b.cnf.xml"] {
        assert_eq!(Asked::of(name), None, "{name}");
    }
    assert_eq!(device_name("00:11:22:aa:bb:cc").as_deref(), Some("SEP001122AABBCC"));
    assert_eq!(device_name("00:11:22:aa:bb"), None);
}
