//! What the harness itself must do before anything that it says is believed.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use interop::capture::Capture;
use interop::lab::Lab;

const SOON: Duration = Duration::from_secs(20);

fn namespaces() -> Result<String> {
    Ok(String::from_utf8(Command::new("ip").args(["netns", "list"]).output()?.stdout)?)
}

#[test]
fn a_lab_leaves_nothing_behind() -> Result<()> {
    let lab = Lab::new(&[("cube", 226), ("carrier", 76)])?;
    let directory = lab.directory().to_owned();
    let stem = directory.file_name().unwrap().to_str().unwrap().to_owned();
    let sleeper = lab.host("carrier").start("sleep", &["1000"])?;
    let id = sleeper.id();
    assert!(namespaces()?.contains(&stem));
    // As after a panic in a test: the process outlives the lab, if only for a moment.
    drop(lab);
    assert!(!namespaces()?.contains(&stem));
    assert!(!directory.exists() || std::env::var_os("INTEROP_KEEP").is_some());
    drop(sleeper);
    assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    Ok(())
}

#[test]
fn every_host_reaches_every_other_by_name_and_from_its_own_address() -> Result<()> {
    let lab = Lab::new(&[("cube", 226), ("carrier", 76)])?;
    let (carrier, cube) = (lab.host("carrier"), lab.host("cube"));
    carrier.start("getent", &["hosts", "cube.lab"])?.expect("198.18.133.226", SOON)?;
    let capture = Capture::start(&lab, "datagrams")?;
    let there = cube.inside(|| Ok(UdpSocket::bind((cube.address, 7000))?))?;
    there.set_read_timeout(Some(SOON))?;
    carrier.inside(|| Ok(UdpSocket::bind("0.0.0.0:0")?.send_to(b"hello", "198.18.133.226:7000")?))?;
    let (_, from) = there.recv_from(&mut [0; 16])?;
    assert_eq!(from.ip(), carrier.address);
    let captured = capture.stop()?;
    assert_eq!(captured.count("udp.port == 7000 && ip.src == 198.18.133.76 && ip.dst == 198.18.133.226")?, 1);
    captured.count("no such filter").unwrap_err();
    assert_eq!(captured.dropped, 0);
    Ok(())
}

#[test]
fn what_a_killed_run_left_is_swept_by_the_next() -> Result<()> {
    // No process has this id: the kernel's largest is 4,194,304.
    let stale = format!("rfit-4999999-1-{}-cube", std::process::id());
    assert!(Command::new("ip").args(["netns", "add", &stale]).status()?.success());
    let lab = Lab::new(&[])?;
    assert!(!namespaces()?.contains(&stale));
    drop(lab);
    Ok(())
}
