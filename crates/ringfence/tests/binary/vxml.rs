//! `ringfence vxml`: the shipped binary in a terminal, driven by a script.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vxml")
}

fn ringfence(words: &[&str], typed: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn the_example_is_talked_through_as_its_transcript_says() {
    let typed = std::fs::read(examples().join("session.txt")).unwrap();
    let main = examples().join("main.vxml");
    let output = ringfence(&["vxml", "run", main.to_str().unwrap()], &typed);
    let said = String::from_utf8(output.stdout).unwrap();
    let transcript = std::fs::read_to_string(examples().join("transcript.txt")).unwrap();
    assert_eq!(said, transcript, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
}

#[test]
fn the_example_is_good() {
    let output = ringfence(&["vxml", "check", examples().to_str().unwrap()], b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "5 files: good\n");
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_status_64() {
    let folder = std::env::temp_dir().join(format!("ringfence-vxml-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("bad.vxml");
    std::fs::write(&file, "<vxml version='2.1'>\n <form><fild/></form>\n</vxml>").unwrap();
    let output = ringfence(&["vxml", "check", folder.to_str().unwrap()], b"");
    // The same of a site that has it.
    let lab = std::fs::read_to_string(examples().join("../lab.toml")).unwrap();
    let question = lab.lines().skip_while(|line| !line.starts_with("prompt =")).take(5).collect::<Vec<_>>().join("\n");
    let site = folder.join("site.toml");
    std::fs::write(&site, lab.replacen(&question, &format!("document = \"{}\"", file.display()), 1)).unwrap();
    let checked = ringfence(&["check", site.to_str().unwrap()], b"");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(output.status.code(), Some(64));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(
        words.contains("bad.vxml:2:8: there is no element <fild> in VoiceXML 2.1: did you mean <field>?"),
        "{words}"
    );
    assert_eq!(checked.status.code(), Some(64));
    assert!(String::from_utf8(checked.stderr).unwrap().contains(&words));
}
