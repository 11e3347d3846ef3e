//! Filters of LDAP searches as text (RFC 4515), read into what they ask (RFC 4511 §4.5.1.7).

/// Filters in filters.
const DEEPEST: usize = 16;

/// Attributes by their names, values as octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Is(String, Vec<u8>),
    Like(String, Vec<u8>),
    AtLeast(String, Vec<u8>),
    AtMost(String, Vec<u8>),
    Present(String),
    /// Begins with, has these in this order, ends with.
    Substrings(String, Option<Vec<u8>>, Vec<Vec<u8>>, Option<Vec<u8>>),
    /// `attr:dn:rule:=value`
    Extensible {
        attribute: Option<String>,
        dn: bool,
        rule: Option<String>,
        value: Vec<u8>,
    },
}

/// As a value in a filter: nothing in it means anything there.
pub(crate) fn escaped(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        match c {
            '*' | '(' | ')' | '\\' | '\0' => out.push_str(&format!("\\{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

impl Filter {
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(text: &str) -> Result<Filter, String> {
        let mut reader = Reader { text, at: 0 };
        let filter = reader.filter(0)?;
        match reader.rest() {
            "" => Ok(filter),
            rest => Err(format!("after the filter comes `{rest}`: put `(&` and `)` around what belongs together")),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn takes(&mut self, c: char) -> bool {
        let is = self.rest().starts_with(c);
        self.at += if is { c.len_utf8() } else { 0 };
        is
    }

    fn needs(&mut self, c: char) -> Result<(), String> {
        if self.takes(c) {
            return Ok(());
        }
        let found = self.rest().chars().next().map_or("its end".to_owned(), |c| format!("`{c}`"));
        Err(format!("expected `{c}` at character {} of the filter, found {found}", self.at + 1))
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, String> {
        if depth > DEEPEST {
            return Err(format!("more than {DEEPEST} filters in one another"));
        }
        self.needs('(')?;
        let filter = match self.rest().chars().next() {
            Some('&') => Filter::And(self.list(depth)?),
            Some('|') => Filter::Or(self.list(depth)?),
            Some('!') => {
                self.at += 1;
                Filter::Not(Box::new(self.filter(depth + 1)?))
            }
            _ => self.item()?,
        };
        self.needs(')')?;
        Ok(filter)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Filter>, String> {
        self.at += 1;
        let mut all = Vec::new();
        while self.rest().starts_with('(') {
            all.push(self.filter(depth + 1)?);
        }
        match all.is_empty() {
            true => Err("`&` and `|` need filters, each in its own parentheses".into()),
            false => Ok(all),
        }
    }

    /// Up to the parenthesis that ends it, which no value has.
    fn item(&mut self) -> Result<Filter, String> {
        let end = self.rest().find(['(', ')']).unwrap_or(self.rest().len());
        let item = self.rest().get(..end).unwrap_or_default();
        self.at += end;
        let (left, value) =
            item.split_once('=').ok_or_else(|| format!("`{item}` is no filter: expected attribute=value"))?;
        let of = |left: &str| attribute(left).map(str::to_owned);
        match left.as_bytes().last() {
            Some(b'~') => Ok(Filter::Like(of(left.trim_end_matches('~'))?, octets(value)?)),
            Some(b'>') => Ok(Filter::AtLeast(of(left.trim_end_matches('>'))?, octets(value)?)),
            Some(b'<') => Ok(Filter::AtMost(of(left.trim_end_matches('<'))?, octets(value)?)),
            Some(b':') => extensible(left.get(..left.len() - 1).unwrap_or_default(), octets(value)?),
            _ if value == "*" => Ok(Filter::Present(of(left)?)),
            _ if value.contains('*') => substrings(of(left)?, value),
            _ => Ok(Filter::Is(of(left)?, octets(value)?)),
        }
    }
}

fn substrings(attribute: String, value: &str) -> Result<Filter, String> {
    let mut parts = value.split('*').map(octets).collect::<Result<Vec<_>, _>>()?;
    let last = parts.pop().filter(|last| !last.is_empty());
    let first = Some(parts.remove(0)).filter(|first| !first.is_empty());
    if parts.iter().any(Vec::is_empty) {
        return Err(format!("`{attribute}={value}` has two `*` with nothing between"));
    }
    Ok(Filter::Substrings(attribute, first, parts, last))
}

fn extensible(left: &str, value: Vec<u8>) -> Result<Filter, String> {
    let mut parts = left.split(':');
    let name = parts.next().unwrap_or_default();
    let mut rest: Vec<&str> = parts.collect();
    let dn = rest.first().is_some_and(|part| part.eq_ignore_ascii_case("dn"));
    if dn {
        rest.remove(0);
    }
    let named = if name.is_empty() { None } else { Some(attribute(name)?.to_owned()) };
    let rule = match rest.as_slice() {
        [] => None,
        [rule] => Some(attribute(rule)?.to_owned()),
        _ => return Err(format!("`{left}:=` has too many parts: expected attribute:dn:rule:=value")),
    };
    match (named, rule) {
        (None, None) => Err(format!("`{left}:=` names neither attribute nor rule")),
        (attribute, rule) => Ok(Filter::Extensible { attribute, dn, rule, value }),
    }
}

/// A name or an OID, with options (RFC 4512 §2.5).
fn attribute(name: &str) -> Result<&str, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b';');
    match !name.is_empty() && name.bytes().all(fits) {
        true => Ok(name),
        false => Err(format!("`{name}` is no attribute: expected letters, digits, `-`, `.` and `;`")),
    }
}

fn octets(value: &str) -> Result<Vec<u8>, String> {
    let wrong =
        || format!("`{value}` has a `\\` that two hexadecimal digits do not follow: a backslash itself is `\\5c`");
    let (mut out, mut rest) = (Vec::new(), value);
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend(before.as_bytes());
        let digits = after.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit())).ok_or_else(wrong)?;
        out.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = after.get(2..).unwrap_or_default();
    }
    out.extend(rest.as_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_every_kind_are_read() {
        let is = |attribute: &str, value: &str| Filter::Is(attribute.into(), value.as_bytes().to_vec());
        let octets = |text: &str| text.as_bytes().to_vec();
        let disabled = Filter::Extensible {
            attribute: Some("userAccountControl".into()),
            dn: false,
            rule: Some("1.2.840.113556.1.4.803".into()),
            value: octets("2"),
        };
        let all = "(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2))(|(cn=A*b*C)(sn=*)(x>=1)(y<=2)(z~=q)))";
        let substrings = Filter::Substrings("cn".into(), Some(octets("A")), vec![octets("b")], Some(octets("C")));
        let or = Filter::Or(vec![
            substrings,
            Filter::Present("sn".into()),
            Filter::AtLeast("x".into(), octets("1")),
            Filter::AtMost("y".into(), octets("2")),
            Filter::Like("z".into(), octets("q")),
        ]);
        let expected = Filter::And(vec![is("objectClass", "user"), Filter::Not(Box::new(disabled)), or]);
        assert_eq!(Filter::read(all).unwrap(), expected);
        assert_eq!(Filter::read("(cn=a\\2ab\\28)").unwrap(), is("cn", "a*b("));
        assert_eq!(Filter::read("(cn=)").unwrap(), is("cn", ""));
        let ends = Filter::Substrings("cn".into(), None, Vec::new(), Some(octets("x")));
        assert_eq!(Filter::read("(cn=*x)").unwrap(), ends);
        let by_dn = Filter::Extensible { attribute: None, dn: true, rule: Some("2.4.6".into()), value: octets("v") };
        assert_eq!(Filter::read("(:dn:2.4.6:=v)").unwrap(), by_dn);
    }

    #[test]
    fn what_is_no_filter_is_said_with_its_place() {
        let deep = format!("{}(a=b){}", "(!".repeat(20), ")".repeat(20));
        for (text, said) in [
            ("uid=ada", "expected `(` at character 1"),
            ("(uid=ada", "expected `)` at character 9 of the filter, found its end"),
            ("(uid=ada)(x=y)", "after the filter comes `(x=y)`"),
            ("(uid)", "`uid` is no filter"),
            ("(&)", "need filters"),
            ("(u d=x)", "`u d` is no attribute"),
            ("(a=b\\2)", "two hexadecimal digits"),
            ("(a=\\zz)", "two hexadecimal digits"),
            ("(a=b**c)", "nothing between"),
            ("(:=x)", "neither attribute nor rule"),
            ("(a:b:c:=x)", "too many parts"),
            (deep.as_str(), "in one another"),
            ("", "found its end"),
        ] {
            let found = Filter::read(text).unwrap_err();
            assert!(found.contains(said), "{text}: {found}");
        }
    }
}
