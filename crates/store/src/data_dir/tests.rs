//! Directories made, made again, broken off, exported.

use std::os::unix::fs::PermissionsExt;
use std::time::UNIX_EPOCH;

use super::*;
use crate::test_folder::Folder;

mod acme;
mod answering;
mod certificates;
mod killed;
mod roots;
mod token_away;

const LAB: &str = include_str!("../../../../examples/lab.toml");

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_305_600)
}

fn nodes() -> [&'static str; 5] {
    ["cube1", "cvp1", "vvb1", "vvb2", "cucm1"]
}

#[test]
fn init_makes_all_that_the_site_needs() {
    let folder = Folder::new();
    let (dir, made) = DataDir::init(&folder.path("data"), LAB, now()).unwrap();
    assert_eq!(made.len(), 1 + 5 + 1 + 1 + 1 + 1, "{made:#?}");
    let site = dir.site().unwrap();
    let ca = dir.ca().unwrap();
    for node in &site.nodes {
        let identity = dir.identity(&node.name).unwrap();
        let facts = identity.facts();
        assert_eq!(facts.node(), Some(node.name.as_str()));
        assert!(facts.is_named(&site.host_name(node)) && facts.is_named(&node.address.to_string()));
        assert_eq!(facts.issuer, ca.facts().subject);
    }
    assert_eq!(dir.admin().unwrap().facts().uris, [ADMIN_URI]);
    assert_eq!(dir.roots_pem().unwrap(), [ca.certificate_pem()]);
    assert_eq!(dir.identities().unwrap().len(), 6);
}

#[test]
fn nobody_else_may_look() {
    let folder = Folder::new();
    let (dir, _) = DataDir::init(&folder.path("data"), LAB, now()).unwrap();
    dir.store().unwrap().put_agent_state("cvp1", "1001", "ready").unwrap();
    let mut seen = 0;
    let mut open = vec![dir.path().to_owned()];
    while let Some(path) = open.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            assert_eq!(mode, 0o600, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 3 + 2 * 6 + 3, "{seen}");
}

#[test]
fn init_again_changes_nothing_and_adds_what_is_new() {
    let folder = Folder::new();
    let path = folder.path("data");
    let without = LAB.replacen("name = \"vvb2\"", "name = \"vvb3\"", 1).replace("vvb2.lab.example", "vvb3.lab.example");
    let (dir, _) = DataDir::init(&path, &without, now()).unwrap();
    let before: Vec<_> = dir.identities().unwrap();
    assert_eq!(DataDir::init(&path, &without, now()).unwrap().1, Vec::<String>::new());
    let (dir, made) = DataDir::init(&path, LAB, now()).unwrap();
    assert_eq!(made, ["nodes/vvb2: CN=vvb2.lab.example,O=lab", "site.toml"]);
    let after = dir.identities().unwrap();
    assert_eq!(after.len(), before.len() + 1);
    assert!(before.iter().all(|identity| after.contains(identity)), "nothing was issued anew");
}

#[test]
fn what_no_longer_fits_is_kept_and_said() {
    let folder = Folder::new();
    let path = folder.path("data");
    DataDir::init(&path, LAB, now()).unwrap();
    let moved = LAB.replace("127.18.133.143", "127.18.133.145");
    let (_, made) = DataDir::init(&path, &moved, now()).unwrap();
    assert!(
        made[0].contains("nodes/vvb1 is kept, but it does not name 127.18.133.145: run `ringfence cert renew vvb1`"),
        "{made:?}"
    );
    for (later, words) in [(720, "expires within 11 days"), (731, "it has expired")] {
        let (_, made) = DataDir::init(&path, &moved, now() + Duration::from_secs(later * 24 * 3600)).unwrap();
        assert_eq!(made.iter().filter(|line| line.contains(words)).count(), 6, "{made:#?}");
    }
}

/// Whatever a power cut leaves, `open` refuses it and `init` completes it.
#[test]
fn init_that_was_broken_off_is_completed() {
    let folder = Folder::new();
    let path = folder.path("data");
    let (dir, _) = DataDir::init(&path, LAB, now()).unwrap();
    let root = fs::read_to_string(dir.root_file()).unwrap();
    fs::remove_file(dir.site_file()).unwrap();
    fs::rename(dir.node_folder("vvb1"), path.join("nodes/.vvb1.new")).unwrap();
    fs::remove_file(path.join("nodes/.vvb1.new/key.pem")).unwrap();
    fs::write(path.join(".site.toml.new"), "name = \"half").unwrap();
    assert!(DataDir::open(&path).unwrap_err().to_string().contains("ringfence --data"));
    let (dir, made) = DataDir::init(&path, LAB, now()).unwrap();
    assert_eq!(made, ["nodes/vvb1: CN=vvb1.lab.example,O=lab", "site.toml"]);
    assert_eq!(fs::read_to_string(dir.root_file()).unwrap(), root);
    assert!(dir.identity("vvb1").is_ok() && DataDir::open(&path).is_ok());
}

#[test]
fn two_inits_at_once_make_one_directory() {
    let folder = Folder::new();
    let path = folder.path("data");
    let together: Vec<Vec<String>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..4).map(|_| scope.spawn(|| DataDir::init(&path, LAB, now()).unwrap().1)).collect();
        running.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(together.iter().filter(|made| !made.is_empty()).count(), 1, "{together:#?}");
}

#[test]
fn an_export_has_its_nodes_and_no_more() {
    let folder = Folder::new();
    let (dir, _) = DataDir::init(&folder.path("data"), LAB, now()).unwrap();
    for node in nodes() {
        let to = folder.path(node);
        let out = dir.export(&[node.to_owned()], &to).unwrap();
        assert_eq!(out.identity(node).unwrap().facts(), dir.identity(node).unwrap().facts());
        assert_eq!(out.identities().unwrap().len(), 1);
        assert_eq!(out.roots_pem().unwrap(), dir.roots_pem().unwrap());
        assert!(out.ca().err().unwrap().to_string().contains("no CA key"));
        assert!(out.admin().unwrap_err().to_string().contains("no administrator"));
        // Another node's identity is asked for in words that say what to do.
        let other = if node == "cube1" { "cvp1" } else { "cube1" };
        assert!(out.identity(other).unwrap_err().to_string().contains("export it"));
        assert!(out.site().unwrap().nodes.len() == 5);
        let text = fs::read_to_string(out.site_file()).unwrap();
        assert_eq!(text.contains("lab-1001-secret"), node == "cucm1", "{node}");
        assert!(text.contains("# The loopback lab"), "comments stay");
        // Again, and then the store.
        dir.export(&[node.to_owned()], &to).unwrap();
        out.store().unwrap();
    }
    let two = dir.export(&["vvb1".to_owned(), "vvb2".to_owned()], &folder.path("two")).unwrap();
    assert_eq!(two.identities().unwrap().len(), 2);
}

#[test]
fn an_export_goes_nowhere_dangerous() {
    let folder = Folder::new();
    let (dir, _) = DataDir::init(&folder.path("data"), LAB, now()).unwrap();
    let (other, _) = DataDir::init(&folder.path("other"), LAB, now()).unwrap();
    for (nodes, to, words) in [
        (vec!["cube1".to_owned()], dir.path(), "is where `ringfence init` was run"),
        (vec!["cube1".to_owned()], other.path(), "of another CA"),
        (vec!["cube9".to_owned()], &folder.path("x"), "there is no node `cube9` in the site; it has cube1"),
        (vec![], &folder.path("x"), "at least one node"),
    ] {
        let error = dir.export(&nodes, to).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_key_that_others_may_read_is_not_used() {
    let folder = Folder::new();
    let (dir, _) = DataDir::init(&folder.path("data"), LAB, now()).unwrap();
    let key = dir.node_folder("cube1").join("key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let error = dir.identity("cube1").unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn further_roots_are_read_and_must_be_certificates() {
    let folder = Folder::new();
    let (dir, _) = DataDir::init(&folder.path("data"), LAB, now()).unwrap();
    let carrier = Ca::create("carrier", now()).unwrap();
    files::write_private(&dir.path().join("roots/carrier.pem"), carrier.certificate_pem().as_bytes()).unwrap();
    assert_eq!(dir.roots_pem().unwrap().len(), 2);
    files::write_private(&dir.path().join("roots/empty.pem"), b"nothing").unwrap();
    assert!(dir.roots_pem().unwrap_err().to_string().contains("holds no certificate"));
}

#[test]
fn a_bad_site_changes_nothing() {
    let folder = Folder::new();
    let path = folder.path("data");
    assert!(DataDir::init(&path, "name = 1", now()).is_err());
    assert!(!path.exists());
    let (dir, _) = DataDir::init(&path, LAB, now()).unwrap();
    assert!(dir.replace_site("name = 1").is_err());
    assert_eq!(dir.site().unwrap().nodes.len(), 5);
    let renamed = LAB.replacen("ring_no_answer_s = 12 ", "ring_no_answer_s = 15 ", 1);
    dir.replace_site(&renamed).unwrap();
    assert_eq!(fs::read_to_string(dir.site_file()).unwrap(), renamed);
}

#[test]
fn what_people_are_looked_up_with_goes_where_they_come_in_and_nowhere_else() {
    let folder = Folder::new();
    let more = r#"[directory]
url = ["ldaps://ldap"]
bind_dn = "cn=x"
bind_password_file = "directory.password"
base = "dc=x"
agent_groups = ["cn=y"]
[open_id]
issuer = "https://idp"
client_id = "desk"
client_secret_file = "../elsewhere"
agent_roles = ["z"]
[tls]"#;
    let group = "[[node.role.call_server.sip_server_group]]";
    let text = LAB.replacen("[tls]", more, 1).replacen(group, &format!("[node.role.call_server.desk]\n{group}"), 1);
    let (dir, _) = DataDir::init(&folder.path("data"), &text, now()).unwrap();
    fs::write(dir.path().join("directory.password"), "secret\n").unwrap();
    fs::write(folder.path("elsewhere"), "secret\n").unwrap();
    let has = |out: &DataDir| out.path().join("directory.password").exists();
    let desk = dir.export(&["cvp1".to_owned()], &folder.path("a/desk")).unwrap();
    assert!(has(&desk) && !folder.path("a/elsewhere").exists());
    assert_eq!(fs::metadata(desk.path().join("directory.password")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!has(&dir.export(&["cube1".to_owned()], &folder.path("border")).unwrap()));
}
