//! Identities by remote address, dialling and dialled (`crypto signaling remote-addr … trustpoint …`).

use super::*;

/// The site with these lines at the border controller, whose call manager calls it, too.
fn with(network: &str, lines: &str) -> String {
    let text = LAB.replace("127.18.133.", network);
    let at = format!("name = \"cube1\"\naddress = \"{network}226\"\n");
    assert!(text.contains(&at));
    let ping = "sip_trunk_security_profile = \"SecureSIPTLSforCube\"\n";
    assert!(text.contains(ping));
    text.replace(&at, &format!("{at}{lines}\n")).replacen(ping, &format!("{ping}options_ping_s = 1\n"), 1)
}

/// The border controller's certificates as a node sees them on its connections: fingerprints, and who dialled.
fn seen_at(lab: &Lab, node: &str) -> Vec<(String, bool)> {
    let shown = lab.process.node(node).unwrap().connections();
    let of_cube = shown.open.iter().filter(|connection| connection.remote.ip() == lab.address(226));
    of_cube.filter_map(|open| Some((open.peer.as_ref()?.fingerprint.clone(), open.outbound))).collect()
}

#[test]
fn the_remote_address_decides_which_identity_is_shown() {
    for (same, network) in [(false, "127.41.11."), (true, "127.41.12.")] {
        let server = if same { "cm" } else { "server" };
        let lines = format!(
            "trustpoint = [{{ name = \"cm\" }}{}]\n\
             crypto_signaling = [\n  {{ remote_addr = \"{network}3 255.255.255.255\", trustpoint = \"cm\" }},\n  \
             {{ remote_addr = \"{network}13/32\", trustpoint = \"{server}\" }},\n]",
            if same { "" } else { ", { name = \"server\" }" }
        );
        let mut lab = Lab::with(network, &with(network, &lines), |_| {});
        let data = store::DataDir::open(&lab.dir).unwrap();
        let fingerprint = |identity: trust::Identity| identity.facts().fingerprint.clone();
        let own = fingerprint(data.identity("cube1").unwrap());
        let manager = fingerprint(data.trustpoint("cube1", "cm").unwrap());
        let expected = fingerprint(data.trustpoint("cube1", server).unwrap());
        assert_ne!(manager, own);
        assert_eq!(manager == expected, same);

        let carrier = lab.carrier();
        let at_carrier = carrier.watch();
        dial(&carrier);
        wait(&at_carrier, "an answer", connected);
        assert_eq!(seen_at(&lab, "cvp1"), [(expected, false)], "shown to the call server, which we dialled");
        // The call manager is asked by us, and asks us: both ways it is shown the same.
        let (until, mut seen) = (Instant::now() + PATIENCE, Vec::new());
        let journal = lab.process.node("cucm1").unwrap().watch();
        while seen.len() < 2 && Instant::now() < until {
            let _ = journal.recv_timeout(Duration::from_millis(50));
            seen = seen_at(&lab, "cucm1");
        }
        seen.sort();
        assert_eq!(seen, [(manager.clone(), false), (manager, true)]);
        carrier.control_blocking(Control::HangUp);
        wait(&at_carrier, "the end", |line| matches!(line, Journal::Leg(_)).then_some(()));
        for node in lab.process.nodes() {
            assert!(node.refusals().is_empty(), "{}: {:?}", node.name(), node.refusals());
        }
        // Another process of the border controller's alone has them, too.
        let out = lab.dir.join("exported");
        let exported = data.export(&["cube1".into()], &out).unwrap();
        assert_eq!(
            fingerprint(exported.trustpoint("cube1", "cm").unwrap()),
            fingerprint(data.trustpoint("cube1", "cm").unwrap())
        );
        lab.end();
    }
}

#[test]
fn two_who_signed_themselves_talk_once_each_has_the_others_certificate() {
    let network = "127.41.44.";
    let lines = format!(
        "trustpoint = [{{ name = \"cm\", authority = \"cucm1\" }}]\n\
         crypto_signaling = [{{ remote_addr = \"{network}3\", trustpoint = \"cm\" }}]"
    );
    let text = with(network, &lines);
    let at = format!("name = \"cucm1\"\naddress = \"{network}3\"\n");
    let profile = "name = \"SecureSIPTLSforCube\"\n";
    assert!(text.contains(&at) && text.contains(profile));
    let point = format!(
        "{at}trustpoint = [{{ name = \"sbc\" }}]\n\
         crypto_signaling = [{{ remote_addr = \"{network}226\", trustpoint = \"sbc\" }}]\n"
    );
    let text = text.replace(&at, &point).replace(profile, &format!("{profile}authority = \"cube1\"\n"));

    let folder = std::env::temp_dir().join(format!("ringfence-net-self-signed-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let (data, _) = store::DataDir::init(&folder, &text, SystemTime::now()).unwrap();
    let site = site::Site::parse(&text).unwrap();
    for (point, key) in [("cube1@cm", trust::KeyKind::P256), ("cucm1@sbc", trust::KeyKind::Rsa2048)] {
        let facts = data.self_sign(point, key, SystemTime::now()).unwrap();
        assert_eq!(facts.subject, facts.issuer);
    }
    let error = data.self_sign("cube1", trust::KeyKind::P256, SystemTime::now()).unwrap_err().to_string();
    assert!(error.contains("must be of the site's own CA") && error.contains("trustpoint"), "{error}");
    // Not exchanged: said before anything starts.
    let error = Process::start(&site, &folder, &[]).err().expect("nobody knows them").to_string();
    assert!(error.contains("roots/cucm1.pem") || error.contains("roots/cube1.pem"), "{error}");

    for (node, point) in [("cube1", "cm"), ("cucm1", "sbc")] {
        let chain = data.trustpoint(node, point).unwrap().chain_pem();
        std::fs::write(folder.join(format!("roots/{node}.pem")), chain).unwrap();
    }
    let process = Process::start(&site, &folder, &[]).unwrap();
    let lab = Lab { process, dir: folder, site, network };
    let shown = data.trustpoint("cube1", "cm").unwrap().facts().fingerprint.clone();
    let (until, mut seen) = (Instant::now() + PATIENCE, Vec::new());
    let journal = lab.process.node("cucm1").unwrap().watch();
    while seen.len() < 2 && Instant::now() < until {
        let _ = journal.recv_timeout(Duration::from_millis(50));
        seen = seen_at(&lab, "cucm1");
    }
    seen.sort();
    assert_eq!(seen, [(shown.clone(), false), (shown, true)]);
    for node in lab.process.nodes() {
        assert!(node.refusals().is_empty(), "{}: {:?}", node.name(), node.refusals());
    }
    lab.end();
}
