//! What needs no token: PINs and which was refused, points as tokens write them. With a token: `crates/ringfence/tests`.

use std::fs;

use super::*;
use crate::files;
use crate::test_folder::Folder;

fn named(pin_file: Option<&str>) -> Pkcs11 {
    Pkcs11 {
        module: "/nowhere/module.so".into(),
        token: Some("lab".into()),
        slot: None,
        pin_file: pin_file.map(str::to_owned),
        key: "root".into(),
    }
}

#[test]
fn a_pin_that_was_refused_is_tried_again_only_when_its_file_has_changed() {
    let folder = Folder::new();
    let data = folder.path("");
    files::create_folder(&data).unwrap();
    let read = || Pin::read(&named(Some("pin")), &data);
    let write = |pin: &str| files::write_private(&data.join("pin"), pin.as_bytes()).unwrap();
    assert!(format!("{:#}", read().err().unwrap()).contains("pin_file: cannot read"));
    write("\n");
    assert!(read().err().unwrap().to_string().contains("is empty"));
    write("1111\nof the safe");
    let wrong = read().unwrap();
    wrong.was_not_refused().unwrap();
    wrong.was_refused().unwrap();
    for _ in 0..3 {
        let error = read().unwrap().was_not_refused().unwrap_err().to_string();
        assert!(error.contains("refused this PIN before") && !error.contains("1111"), "{error}");
    }
    // Another token may take it.
    let other = Pkcs11 { token: Some("safe".into()), ..named(Some("pin")) };
    Pin::read(&other, &data).unwrap().was_not_refused().unwrap();
    let marked = fs::read_to_string(data.join("pin.refused")).unwrap();
    assert!(!marked.contains("1111"), "{marked}");
    write("2222");
    let right = read().unwrap();
    right.was_not_refused().unwrap();
    right.was_taken().unwrap();
    assert!(!data.join("pin.refused").exists());
    // Nobody else may read it.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(data.join("pin"), open).unwrap();
    assert!(read().err().unwrap().to_string().contains("chmod 600"));
}

#[test]
fn a_module_that_is_none_is_said() {
    let folder = Folder::new();
    let error = Token::open(&named(None), &folder.path("")).err().unwrap().to_string();
    assert!(error.contains("no PKCS #11 module /nowhere/module.so"), "{error}");
    let text = folder.path("text.so");
    files::create_folder(&folder.path("")).unwrap();
    fs::write(&text, "no library").unwrap();
    let named = Pkcs11 { module: text.display().to_string(), ..named(None) };
    let error = format!("{:#}", Token::open(&named, &folder.path("")).err().unwrap());
    assert!(error.contains("is no PKCS #11 module of this machine"), "{error}");
}

#[test]
fn a_point_is_read_with_and_without_what_is_around_it() {
    let point = [&[4][..], &[7; 64]].concat();
    let wrapped = [&[4, 65][..], &point].concat();
    assert_eq!(uncompressed(&point), Some(point.clone()));
    assert_eq!(uncompressed(&wrapped), Some(point.clone()));
    // One whose first octet is 65 looks like a wrapping, and is none.
    let sly = [&[4, 65][..], &[7; 63]].concat();
    assert_eq!(uncompressed(&sly), Some(sly.clone()));
    for none in [&point[..64], &[2; 33], &[][..], &[&[4, 97][..], &[4; 97]].concat()] {
        assert_eq!(uncompressed(none), None);
    }
}
