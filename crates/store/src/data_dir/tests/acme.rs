//! When a certificate is ordered, and what an order leaves.

use super::*;
use crate::AcmeOrders;

const NODE: &str = "cube1@carrier";
const HOUR: Duration = Duration::from_secs(3600);

fn lab(folder: &Folder) -> DataDir {
    let acme = "acme = { directory = \"https://ca.example/dir\" }";
    let point = format!("name = \"cube1\"\ntrustpoint = [{{ name = \"carrier\", {acme} }}]\n");
    DataDir::init(&folder.path("data"), &LAB.replacen("name = \"cube1\"\n", &point, 1), now()).unwrap().0
}

/// What an authority makes of an order, for so long.
fn certified(order: &crate::AcmeOrder, outside: &Ca, life: Duration) -> String {
    let request = Request {
        common_name: order.name.clone(),
        dns_names: vec![order.name.clone()],
        ip_addresses: Vec::new(),
        node: None,
        uris: Vec::new(),
        key: trust::KeyKind::P256,
        not_before: now(),
        not_after: now() + life,
    };
    format!("{}{}", outside.issue_for(&order.request, &request).unwrap(), outside.certificate_pem())
}

#[test]
fn orders_that_fail_come_less_and_less_often_and_one_that_does_not_starts_anew() {
    let folder = Folder::new();
    let dir = lab(&folder);
    assert!(dir.acme_due(NODE, now()).unwrap(), "it is by the site's own CA still");
    let mut at = now();
    for (times, hours) in [1, 2, 4, 8, 16, 24, 24].into_iter().enumerate() {
        // What follows may be anything, or a power cut.
        dir.acme_begins(NODE, at).unwrap();
        assert_eq!(dir.acme_orders(NODE).unwrap().failed as usize, times + 1);
        let second = Duration::from_secs(1);
        assert!(!dir.acme_due(NODE, at + hours * HOUR - second).unwrap(), "{hours}");
        assert!(dir.acme_due(NODE, at + hours * HOUR).unwrap(), "{hours}");
        assert!(dir.acme_due(NODE, at - HOUR).unwrap(), "the clock was wrong, and has been set");
        at += hours * HOUR;
    }
    let outside = Ca::create("carrier", now()).unwrap();
    let order = dir.acme_order(NODE, at).unwrap();
    assert_eq!(order.name, "cube1.lab.example");
    // One that ends soon is due at once, and still not ordered in each minute.
    let facts = dir.acme_take(NODE, &order, &certified(&order, &outside, 1000 * HOUR), at).unwrap();
    assert_eq!(dir.identity(NODE).unwrap().facts(), &facts);
    assert_eq!(
        dir.acme_orders(NODE).unwrap(),
        AcmeOrders { last: at.duration_since(UNIX_EPOCH).unwrap().as_secs(), failed: 0 }
    );
    let due = now() + 667 * HOUR;
    assert!(!dir.acme_due(NODE, due - 2 * HOUR).unwrap() && dir.acme_due(NODE, due).unwrap());
    // Warned of when ordering does not help, and not before.
    assert_eq!(dir.tend(due).unwrap().warnings, Vec::<String>::new());
    dir.acme_begins(NODE, due).unwrap();
    dir.acme_begins(NODE, due + HOUR).unwrap();
    let warnings = dir.tend(due + HOUR).unwrap().warnings;
    assert!(warnings[0].contains("https://ca.example/dir fail") && warnings[0].contains("cert acme"), "{warnings:?}");
    // What cannot be read counts for nothing.
    fs::write(folder.path(&format!("data/acme/{NODE}.orders")), "0 1").unwrap();
    assert_eq!(dir.acme_orders(NODE).unwrap(), AcmeOrders::default());
}

#[test]
fn an_order_is_for_one_name_and_its_key_is_nowhere_but_in_it() {
    let folder = Folder::new();
    let dir = lab(&folder);
    let before = dir.identity(NODE).unwrap().facts().clone();
    let outside = Ca::create("carrier", now()).unwrap();
    let (first, second) = (dir.acme_order(NODE, now()).unwrap(), dir.acme_order(NODE, now()).unwrap());
    assert!(!folder.path("data/requests").exists());
    // Two at once do not get in each other's way, and neither takes what is the other's.
    let chain = certified(&second, &outside, 100 * HOUR);
    let error = dir.acme_take(NODE, &first, &chain, now()).unwrap_err().to_string();
    assert!(error.contains("another key"), "{error}");
    assert_eq!(dir.identity(NODE).unwrap().facts(), &before);
    dir.acme_take(NODE, &second, &chain, now()).unwrap();
    dir.acme_take(NODE, &first, &certified(&first, &outside, 200 * HOUR), now()).unwrap();
    let error = dir.renew(NODE, now(), false).unwrap_err().to_string();
    assert!(error.contains("run `ringfence cert acme cube1@carrier`"), "{error}");
    // Each authority knows another key of this directory's.
    let (one, two) = (dir.acme_key("https://one.example").unwrap(), dir.acme_key("https://two.example").unwrap());
    assert!(one != two && one == dir.acme_key("https://one.example").unwrap());
    let error = dir.acme_order("cube9@carrier", now()).err().unwrap().to_string();
    assert!(error.contains("is no identity of the site"), "{error}");
}
