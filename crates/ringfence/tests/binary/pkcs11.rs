//! The CA's key in a PKCS #11 token: SoftHSM's, where it is installed (Debian: softhsm2).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use trust::RevocationList;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A folder with a token, a site that names it, and a data directory.
struct Rig {
    folder: PathBuf,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Rig {
    /// `None`, and said why, where there is no SoftHSM.
    fn new(name: &str) -> Option<Rig> {
        if !Path::new(MODULE).exists() || Command::new("softhsm2-util").arg("--version").output().is_err() {
            eprintln!("skipped: SoftHSM is not installed (Debian: apt-get install softhsm2)");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("ringfence-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("tokens")).unwrap();
        let tokens = folder.join("tokens");
        let conf =
            format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
        fs::write(folder.join("softhsm2.conf"), conf).unwrap();
        let rig = Rig { folder };
        let words = ["--init-token", "--free", "--label", "lab", "--so-pin", "87654321", "--pin", "24681357"];
        let made = rig.command("softhsm2-util").args(words).output().unwrap();
        assert!(made.status.success(), "{}", said(&made));
        rig.pin("24681357");
        rig.site(&format!("module = \"{MODULE}\"\ntoken = \"lab\"\npin_file = \"{}\"\n", rig.path("pin").display()));
        Some(rig)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env("SOFTHSM2_CONF", self.path("softhsm2.conf"));
        command.env_remove("RINGFENCE_PKCS11_PIN");
        command
    }

    fn pin(&self, pin: &str) {
        store::write_private(&self.path("pin"), pin.as_bytes()).unwrap();
    }

    /// With this table.
    fn site(&self, pkcs11: &str) {
        let node = "[[node]]\nname = \"cucm1\"\naddress = \"127.18.144.3\"\n[node.role.call_manager.oauth]\n";
        let table = if pkcs11.is_empty() { String::new() } else { format!("[ca.pkcs11]\n{pkcs11}") };
        let text = format!("name = \"lab\"\ndomain = \"lab.example\"\n{table}\n{node}");
        fs::write(self.path("site.toml"), text).unwrap();
    }

    fn pulled_out(&self) {
        fs::rename(self.path("tokens"), self.path("safe")).unwrap();
        fs::create_dir(self.path("tokens")).unwrap();
    }

    fn ringfence(&self, words: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_ringfence")).args(words).output().unwrap()
    }

    /// What it printed.
    fn does(&self, words: &[&str]) -> String {
        let output = self.ringfence(words);
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        let said = said(&output);
        assert!(!said.contains("24681357"), "{said}");
        said
    }

    /// What it said instead.
    fn fails(&self, words: &[&str]) -> String {
        let output = self.ringfence(words);
        assert!(!output.status.success(), "{words:?}: {}", said(&output));
        said(&output)
    }

    fn root(&self) -> Vec<Vec<u8>> {
        trust::certificates_der(&fs::read_to_string(self.path("data/ca/root.pem")).unwrap()).unwrap()
    }

    fn list(&self) -> RevocationList {
        RevocationList::read_all(&fs::read(self.path("data/ca/crl.pem")).unwrap()).unwrap().remove(0)
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// All files below, with what is in them.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

#[test]
fn the_cas_key_is_made_in_a_token_signs_there_and_is_in_no_file() {
    let Some(rig) = Rig::new("pkcs11-ca") else { return };
    let made = rig.does(&["init", "site.toml"]);
    assert!(made.contains("key `ringfence root CA`, made in token `lab` (serial "), "{made}");
    let in_ca: Vec<String> = files(&rig.path("data/ca"))
        .iter()
        .map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut in_ca = in_ca;
    in_ca.sort();
    assert_eq!(in_ca, ["crl.pem", "root.pem", "root.pkcs11"]);
    for (path, octets) in files(&rig.path("data")) {
        assert!(!octets.windows(8).any(|part| part == b"24681357"), "the PIN is in {}", path.display());
    }
    assert!(rig.does(&["init", "site.toml"]).contains("Nothing to do"));

    rig.does(&["cert", "issue", "--name", "stranger.example", "--out", "stranger"]);
    let chain = trust::certificates_der(&fs::read_to_string(rig.path("stranger/chain.pem")).unwrap()).unwrap();
    assert!(trust::verify_chain(&chain, &rig.root(), SystemTime::now()).is_ok());
    rig.does(&["cert", "renew", "cucm1"]);
    let before = rig.list().facts().number;
    rig.does(&["cert", "revoke", "stranger.example", "--reason", "key-compromise", "--yes"]);
    let list = rig.list();
    assert!(list.is_signed_by(&rig.root()[0]) && list.facts().number > before && list.facts().revoked == 1);
    rig.does(&["cert", "crl"]);
    assert!(rig.list().facts().number > list.facts().number);
    rig.does(&["cert", "csr", "cucm1", "-o", "cucm1.csr"]);
    rig.does(&["cert", "sign", "cucm1", "cucm1.csr", "-o", "cucm1.pem"]);
    rig.does(&["cert", "import", "cucm1", "cucm1.pem"]);

    // Whoever only looks needs no token.
    rig.pulled_out();
    let shown = rig.does(&["cert", "show"]);
    let place = format!("`ringfence root CA` in token `lab` of {MODULE}, which it never leaves");
    assert!(shown.contains(&place) && shown.contains("Renewal      by itself"), "{shown}");
    rig.does(&["data", "export", "cucm1", "--to", "other"]);
    assert!(!rig.path("other/ca/root.pkcs11").exists());
    assert!(!fs::read_to_string(rig.path("other/site.toml")).unwrap().contains("pkcs11"));
    let exported = rig.does(&["--data", "other", "cert", "show"]);
    assert!(exported.contains("not here: this directory was exported"), "{exported}");
}

#[test]
fn a_token_that_is_away_or_does_not_take_its_pin_is_said_and_no_pin_is_tried_twice() {
    let Some(rig) = Rig::new("pkcs11-faults") else { return };
    // Wrong from the beginning: nothing is made, and nothing is tried again.
    rig.pin("11111111");
    let refused = rig.fails(&["init", "site.toml"]);
    assert!(refused.contains("token `lab`") && refused.contains("does not take the PIN of"), "{refused}");
    assert!(!rig.path("data/ca").exists());
    let again = rig.fails(&["init", "site.toml"]);
    assert!(again.contains("refused this PIN before"), "{again}");
    rig.pin("24681357");
    rig.does(&["init", "site.toml"]);
    assert!(!rig.path("data/pin.refused").exists());

    rig.pin("22222222");
    assert!(rig.fails(&["cert", "crl"]).contains("does not take the PIN"));
    for words in [&["cert", "crl"][..], &["cert", "renew", "cucm1"], &["cert", "issue", "--name", "x", "--out", "x"]] {
        assert!(rig.fails(words).contains("refused this PIN before"), "{words:?}");
    }
    rig.pin("24681357");
    rig.does(&["cert", "crl"]);

    // From the environment.
    let by_environment = format!("module = \"{MODULE}\"\ntoken = \"lab\"\n");
    rig.site(&by_environment);
    assert!(rig.fails(&["init", "site.toml"]).contains("the token's PIN is nowhere"));
    let given = |pin: &str| {
        let mut command = rig.command(env!("CARGO_BIN_EXE_ringfence"));
        command.args(["init", "site.toml"]).env("RINGFENCE_PKCS11_PIN", pin).output().unwrap()
    };
    assert!(said(&given("33333333")).contains("does not take the PIN of RINGFENCE_PKCS11_PIN"));
    assert!(said(&given("24681357")).contains("pin.refused"), "nobody can tell one environment from another");
    fs::remove_file(rig.path("data/pin.refused")).unwrap();
    assert!(given("24681357").status.success());

    // Another CA's key is not taken for this one's, and no second one is made beside it.
    let taken = rig
        .command(env!("CARGO_BIN_EXE_ringfence"))
        .args(["--data", "second", "init", "site.toml"])
        .env("RINGFENCE_PKCS11_PIN", "24681357")
        .output()
        .unwrap();
    assert!(said(&taken).contains("has a key `ringfence root CA` already"), "{}", said(&taken));
    let pin = rig.path("pin").display().to_string();
    for (table, words) in [
        (
            format!("module = \"{MODULE}\"\ntoken = \"lab\"\npin_file = \"{pin}\"\nkey = \"other\"\n"),
            "no private key `other`",
        ),
        (format!("module = \"{MODULE}\"\ntoken = \"lap\"\npin_file = \"{pin}\"\n"), "token `lap` is not there"),
        (format!("module = \"{MODULE}\"\nslot = 4711\npin_file = \"{pin}\"\n"), "the token in slot 4711 is not there"),
        (
            format!("module = \"/nowhere/p11.so\"\ntoken = \"lab\"\npin_file = \"{pin}\"\n"),
            "no PKCS #11 module /nowhere",
        ),
    ] {
        rig.site(&table);
        let failed = rig.fails(&["init", "site.toml"]);
        assert!(failed.contains(words), "{words}: {failed}");
    }
    rig.site(&format!("module = \"{MODULE}\"\ntoken = \"lab\"\npin_file = \"{pin}\"\n"));
    rig.does(&["init", "site.toml"]);
    rig.pulled_out();
    let away = rig.fails(&["cert", "crl"]);
    assert!(
        away.contains("the CA's key is in a PKCS #11 token") && away.contains("token `lab` is not there"),
        "{away}"
    );
}

#[test]
fn a_key_that_was_in_a_file_is_not_brought_into_a_token() {
    let Some(rig) = Rig::new("pkcs11-moved") else { return };
    let with = fs::read_to_string(rig.path("site.toml")).unwrap();
    rig.site("");
    rig.does(&["init", "site.toml"]);
    assert!(rig.does(&["cert", "show"]).contains("ca/root.key"));
    fs::write(rig.path("site.toml"), with).unwrap();
    let failed = rig.fails(&["init", "site.toml"]);
    assert!(failed.contains("it is not brought into a token"), "{failed}");
}
