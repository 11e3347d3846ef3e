//! Distinguished names as these files spell them: `CN=…;OU=…` from real equipment, `CN=…,O=…` from open tools.

use x509_parser::x509::X509Name;

use crate::header::Names;

/// `name` as text: most specific first and joined by `;` ([`Names::Equipment`]), or in the certificate's order and joined
/// by `,` ([`Names::Open`]).
pub(crate) fn text(name: &X509Name<'_>, style: Names) -> String {
    let mut parts: Vec<String> = name
        .iter()
        .map(|rdn| {
            let attributes = rdn.iter().map(|attribute| {
                let oid = attribute.attr_type().to_id_string();
                let value: String = attribute
                    .as_str()
                    .map(|text| text.chars().filter(|c| !c.is_control()).collect())
                    .unwrap_or_else(|_| format!("#{}", trust::hex(attribute.attr_value().data)));
                format!("{}={value}", trust::short_name(&oid).unwrap_or(&oid))
            });
            attributes.collect::<Vec<_>>().join("+")
        })
        .collect();
    match style {
        Names::Open => parts.join(","),
        Names::Equipment => {
            parts.reverse();
            parts.join(";")
        }
    }
}

/// Whether two spellings mean the same name: the same attributes, whatever their order and what stands between them.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    parts(a) == parts(b)
}

/// A comma or semicolon parts attributes only where another attribute follows: values may hold both.
fn parts(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for piece in name.split([',', ';']) {
        let begins = piece
            .trim_start()
            .split_once('=')
            .is_some_and(|(key, _)| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '.'));
        match parts.last_mut() {
            Some(last) if !begins => {
                last.push(',');
                last.push_str(piece);
            }
            _ => parts.push(piece.trim().to_ascii_lowercase()),
        }
    }
    parts.sort();
    parts
}

#[cfg(test)]
mod tests {
    use super::same_name;

    #[test]
    fn spelling_does_not_matter_attributes_do() {
        assert!(same_name("CN=cucm1;OU=Voice;O=Acme", "O=Acme, OU=Voice, CN=CUCM1"));
        assert!(same_name("CN=a;O=Acme, Inc.", "O=Acme, Inc.,CN=a"));
        assert!(!same_name("CN=cucm1;O=Acme", "CN=cucm2;O=Acme"));
        assert!(!same_name("CN=cucm1;O=Acme", "CN=cucm1"));
    }
}
