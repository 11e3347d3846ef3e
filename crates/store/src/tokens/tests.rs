//! The issuer, the register and the keys of others, in a data directory of their own.

use super::*;
use crate::test_folder::Folder;
use trust::{TokenFault, TokenTerms};

const SITE: &str = r#"
name = "lab"
domain = "lab.example"
[[node]]
name = "cucm1"
address = "127.18.133.3"
[node.role.call_manager.oauth]
[[node.role.call_manager.oauth.identity_provider]]
issuer = "https://idp.example"
key_set = "idp"
[[node.role.call_manager.phone_security_profile]]
name = "soft phones"
enable_oauth_authentication = true
[[node.role.call_manager.phone]]
name = "CSFAMBER"
line = "1001"
owner = "amber"
device_security_profile = "soft phones"
[[node.role.call_manager.phone]]
name = "SEP000000001002"
line = "1002"
digest_secret = "long enough"
"#;

fn made(folder: &Folder, now: SystemTime) -> (DataDir, Node) {
    let (dir, made) = DataDir::init(&folder.path("data"), SITE, now).unwrap();
    assert!(made.iter().any(|line| line.contains("signs phones' tokens")), "{made:?}");
    let node = dir.site().unwrap().node("cucm1").unwrap().clone();
    let idp = TokenIssuer::from_pem(&trust::generate_key(KeyKind::P256).unwrap().0).unwrap();
    fs::create_dir(folder.path("data/idp")).unwrap();
    fs::write(folder.path("data/idp/keys.json"), idp.key_set()).unwrap();
    (dir, node)
}

fn terms(dir: &DataDir, node: &Node) -> TokenTerms {
    let keys = dir.tokens(node).unwrap().unwrap().keys.remove(0);
    TokenTerms { issuer: "https://cucm1.lab.example".into(), audience: "cucm1.lab.example".into(), keys }
}

#[test]
fn a_token_is_issued_to_a_phones_owner_entered_and_taken_back() {
    let (folder, now) = (Folder::new(), SystemTime::now());
    let (dir, node) = made(&folder, now);
    let hour = Duration::from_secs(3600);
    let (token, issued) = dir.issue_token(&node, "CSFAMBER", Some(hour), "uid 0", now).unwrap();
    let believed = terms(&dir, &node).verify(&token, seconds(now)).unwrap();
    assert_eq!((believed.claims.sub.as_str(), believed.claims.exp), ("amber", seconds(now) + 3600));
    assert_eq!(believed.claims.jti.as_ref(), Some(&issued.id));
    let (_, other) = dir.issue_token(&node, "CSFAMBER", None, "uid 0", now).unwrap();
    assert_eq!(other.until_ms, millis(now) + 8 * 3600 * 1000, "eight hours");
    let octets = fs::read(folder.path("data/store.sqlite")).unwrap();
    let signature = token.rsplit('.').next().unwrap().as_bytes();
    assert!(!octets.windows(signature.len()).any(|part| part == signature), "it is kept nowhere");

    for (phone, words) in [("SEP000000001002", "does not enable OAuth"), ("CSFBOB", "it has CSFAMBER")] {
        let error = dir.issue_token(&node, phone, None, "uid 0", now).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(dir.revoke_tokens(&issued.id, false, "lost", "uid 0", now).unwrap(), std::slice::from_ref(&issued.id));
    assert!(dir.revoke_tokens(&issued.id, false, "lost", "uid 0", now).unwrap_err().to_string().contains("already"));
    assert_eq!(dir.revoke_tokens("amber", false, "left", "uid 0", now).unwrap(), std::slice::from_ref(&other.id));
    assert!(dir.revoke_tokens("x-1", false, "", "uid 0", now).unwrap_err().to_string().contains("--foreign"));
    dir.revoke_tokens("x-1", true, "", "uid 0", now).unwrap();
    let revoked = dir.tokens(&node).unwrap().unwrap().revoked;
    assert_eq!(revoked, BTreeSet::from([issued.id, other.id, "x-1".to_owned()]));
    let audit: Vec<String> = dir.store().unwrap().changes(9).unwrap().into_iter().map(|change| change.what).collect();
    assert_eq!(audit.len(), 5, "{audit:?}");
    // Long after its end nobody asks for it any more; of the provider's nobody knows its end.
    let later = now + 2 * REMEMBERED;
    dir.issue_token(&node, "CSFAMBER", None, "uid 0", later).unwrap();
    assert_eq!(dir.store().unwrap().tokens().unwrap().len(), 2);
}

#[test]
fn a_renewed_key_signs_and_the_one_before_is_believed_unless_it_is_taken_out() {
    let (folder, now) = (Folder::new(), SystemTime::now());
    let (dir, node) = made(&folder, now);
    let issue = || dir.issue_token(&node, "CSFAMBER", None, "uid 0", now).unwrap().0;
    let first = issue();
    dir.renew_token_key(&node, false, "uid 0", now).unwrap();
    let second = issue();
    for token in [&first, &second] {
        assert!(terms(&dir, &node).verify(token, seconds(now)).is_ok());
    }
    for _ in 0..BEFORE + 3 {
        dir.renew_token_key(&node, false, "uid 0", now).unwrap();
    }
    assert_eq!(terms(&dir, &node).keys.len(), BEFORE + 1);
    dir.renew_token_key(&node, true, "uid 0", now).unwrap();
    let today = terms(&dir, &node);
    assert_eq!(today.keys.len(), 1);
    assert!(matches!(today.verify(&second, seconds(now)), Err(TokenFault::UnknownKey(Some(_)))));
    // Whoever runs the node elsewhere issues and believes there.
    let exported = dir.export(&["cucm1".to_owned()], &folder.path("other")).unwrap();
    assert_eq!(exported.token_key_set("cucm1").unwrap(), dir.token_key_set("cucm1").unwrap());
}

#[test]
fn what_is_wrong_with_keys_is_said_with_their_file() {
    let (folder, now) = (Folder::new(), SystemTime::now());
    let (dir, node) = made(&folder, now);
    assert_eq!(dir.tokens(&node).unwrap().unwrap().keys.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    fs::write(folder.path("data/idp/keys.json"), "{}").unwrap();
    let error = format!("{:#}", dir.tokens(&node).unwrap_err());
    assert!(error.contains("https://idp.example") && error.contains("keys.json"), "{error}");
    fs::remove_file(folder.path("data/idp/keys.json")).unwrap();
    let error = format!("{:#}", dir.tokens(&node).unwrap_err());
    assert!(error.contains("put the provider's there"), "{error}");
    fs::remove_dir_all(folder.path("data/nodes/cucm1/oauth")).unwrap();
    let error = format!("{:#}", dir.tokens(&node).unwrap_err());
    assert!(error.contains("init SITE"), "{error}");
}

#[test]
fn a_key_set_that_was_fetched_is_kept_until_another_is() {
    let (folder, now) = (Folder::new(), SystemTime::now());
    let site = SITE.replace("key_set = \"idp\"\n", "");
    let (dir, _) = DataDir::init(&folder.path("data"), &site, now).unwrap();
    let node = dir.site().unwrap().node("cucm1").unwrap().clone();
    let row = oauth_of(&node).unwrap().identity_providers[0].clone();
    let known = || dir.tokens(&node).unwrap().unwrap().keys.remove(1);
    assert!(known().is_empty() && !dir.has_key_set("cucm1", &row), "a start does not wait for the first");
    let set = || TokenIssuer::from_pem(&trust::generate_key(KeyKind::P256).unwrap().0).unwrap().key_set();
    let (first, second) = (set(), set());
    assert!(dir.keep_key_set("cucm1", &row, &first).unwrap() && dir.has_key_set("cucm1", &row));
    assert!(!dir.keep_key_set("cucm1", &row, &first).unwrap());
    assert!(dir.keep_key_set("cucm1", &row, "{}").is_err());
    assert_eq!(known(), TokenKey::read_set(&first).unwrap());
    assert!(dir.keep_key_set("cucm1", &row, &second).unwrap());
    assert_eq!(known(), TokenKey::read_set(&second).unwrap());
    // Of another place, it is another's.
    let moved = IdentityProvider { key_set: Some("https://idp.example/jwks".into()), ..row.clone() };
    assert!(!dir.has_key_set("cucm1", &moved));
    fs::write(dir.fetched_file("cucm1", &row), "nonsense").unwrap();
    assert!(format!("{:#}", dir.tokens(&node).unwrap_err()).contains("fetched anew"));
    assert!(dir.keep_key_set("cucm1", &row, &second).unwrap(), "as it does");
}
