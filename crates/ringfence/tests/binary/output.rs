//! Where the output goes.

use std::process::Command;

#[test]
fn who_has_read_enough_gets_no_backtrace() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let site = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/lab.toml");
    let ended = Command::new(env!("CARGO_BIN_EXE_ringfence")).args(["guide", site]).stdout(writer).output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(141), &b""[..]));
}
