//! From text to a tree in which every field has its shape, with the place of everything.
//!
//! What has the wrong shape is reported and mended (an unknown field dropped, a missing one filled in) so that the rest
//! can still be checked. Whoever asks about a mended place is told, and says nothing more about it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use crate::problem::{Problem, Severity, locate};
use crate::schema::{Field, SITE, Shape, nearest};

/// Where each value stands, and the problems found so far.
pub(crate) struct Places<'a> {
    text: &'a str,
    /// Index path (`node[0].role.sbc.dial_peer[1].tag`) → where, and the same path with names in it.
    places: BTreeMap<String, (Range<usize>, String)>,
    mended: BTreeSet<String>,
    pub(crate) problems: Vec<Problem>,
}

/// A tree that `serde` will take, unless the text could not be read as TOML at all.
pub(crate) fn read(text: &str) -> (Table, Places<'_>) {
    let mut places = Places { text, places: BTreeMap::new(), mended: BTreeSet::new(), problems: Vec::new() };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().trim().replace('\n', "; ");
        places.push(
            Severity::Error,
            span,
            String::new(),
            format!("this is not TOML: {message}"),
            syntax_fix(error.message()),
        );
    }
    let table = places.table(SITE, document.get_ref(), Here { index: "", human: "", span: 0..0 });
    (table, places)
}

/// The table being read.
struct Here<'h> {
    index: &'h str,
    human: &'h str,
    span: Range<usize>,
}

impl Here<'_> {
    fn field(&self, name: &str) -> (String, String) {
        let join = |prefix: &str| {
            if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
        };
        (join(self.index), join(self.human))
    }
}

impl Places<'_> {
    /// Reports something about the value at `path`, or about the nearest table around it that the file has.
    pub(crate) fn report(&mut self, severity: Severity, path: &str, what: String, fix: String) {
        let mut at = path;
        loop {
            if self.mended.contains(at) {
                return;
            }
            if let Some((span, human)) = self.places.get(at) {
                let human = format!("{human}{}", path.get(at.len()..).unwrap_or_default());
                let span = span.clone();
                return self.push(severity, span, human, what, fix);
            }
            match at.rfind(['.', '[']) {
                Some(cut) => at = at.get(..cut).unwrap_or_default(),
                None => return self.push(severity, 0..0, path.to_owned(), what, fix),
            }
        }
    }

    /// Whether the value at `path` was filled in or changed by us: there is nothing in it to check.
    pub(crate) fn is_mended(&self, path: &str) -> bool {
        self.mended.contains(path)
    }

    fn push(&mut self, severity: Severity, span: Range<usize>, path: String, what: String, fix: String) {
        let (line, column, source, width) = locate(self.text, span.start, span.end);
        self.problems.push(Problem { severity, line, column, path, what, fix, source, width });
    }

    fn table(&mut self, fields: &'static [Field], table: &DeTable<'_>, here: Here<'_>) -> Table {
        let mut out = Table::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let (index, human) = here.field(name);
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                let fix = match nearest(name, fields.iter().map(|field| field.name)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("the fields here are {}", list(fields.iter().map(|field| field.name))),
                };
                self.push(Severity::Error, key.span(), human, format!("unknown field `{name}`"), fix);
                continue;
            };
            self.places.insert(index.clone(), (value_span(key.span(), value), human.clone()));
            match self.value(field, value, &index, &human) {
                Some(value) => {
                    out.insert(name.to_owned(), value);
                }
                None => {
                    self.mended.insert(index);
                }
            }
        }
        for field in fields.iter().filter(|field| field.required) {
            if out.contains_key(field.name) {
                continue;
            }
            let (index, human) = here.field(field.name);
            // One that is there but wrong was reported when it was read.
            if self.mended.insert(index) {
                let what = format!("`{}` is missing", field.name);
                self.push(Severity::Error, here.span.clone(), human, what, format!("add {}", example(field)));
            }
            out.insert(field.name.to_owned(), filler(field.shape));
        }
        out
    }

    /// The value, if it has the field's shape; a problem otherwise.
    fn value(
        &mut self,
        field: &'static Field,
        value: &Spanned<DeValue<'_>>,
        index: &str,
        human: &str,
    ) -> Option<Value> {
        let span = value.span();
        match (field.shape, value.get_ref()) {
            (Shape::Text, DeValue::String(text)) => return Some(Value::String(text.to_string())),
            (Shape::Flag, DeValue::Boolean(flag)) => return Some(Value::Boolean(*flag)),
            (Shape::Number(least, most), DeValue::Integer(number)) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
                if let Some(number) = number.filter(|number| (i64::from(least)..=i64::from(most)).contains(number)) {
                    return Some(Value::Integer(number));
                }
            }
            (Shape::Address, DeValue::String(text)) if text.parse::<std::net::IpAddr>().is_ok() => {
                return Some(Value::String(text.to_string()));
            }
            (Shape::Digit, DeValue::String(text)) if is_key(text) => {
                return Some(Value::String(text.to_string()));
            }
            (Shape::OneOf(words), DeValue::String(text)) => {
                if words.contains(&text.as_ref()) {
                    return Some(Value::String(text.to_string()));
                }
                let what = format!("`{}` cannot be `{text}`", field.name);
                self.push(Severity::Error, span, human.to_owned(), what, suggestion(text, words));
                return None;
            }
            (Shape::TextList | Shape::OneOfList(_), DeValue::Array(items)) => {
                return Some(self.texts(field, items, index, human));
            }
            (Shape::Ports, DeValue::Array(items)) => {
                let ports: Vec<Value> = items
                    .iter()
                    .filter_map(|item| item.get_ref().as_integer())
                    .filter_map(|port| i64::from_str_radix(port.as_str(), port.radix()).ok())
                    .filter(|port| (1..=65_535).contains(port))
                    .map(Value::Integer)
                    .collect();
                if ports.len() == 2 && items.len() == 2 {
                    return Some(Value::Array(ports));
                }
            }
            (Shape::Table(fields), DeValue::Table(table)) => {
                return Some(Value::Table(self.table(fields, table, Here { index, human, span })));
            }
            (Shape::Choice(fields), DeValue::Table(table)) => {
                return self.choice(field, fields, table, Here { index, human, span });
            }
            (Shape::Tables(fields), DeValue::Array(rows)) => {
                let mut out = Vec::new();
                for row in rows.iter() {
                    let DeValue::Table(table) = row.get_ref() else {
                        self.push(
                            Severity::Error,
                            row.span(),
                            human.to_owned(),
                            format!("each `{}` is a table, not {}", field.name, kind(row.get_ref())),
                            format!("write `[[…{}]]` and the fields below it", field.name),
                        );
                        continue;
                    };
                    // Counted as they are kept, so that the paths of the checks are the paths of the file.
                    let index = format!("{index}[{}]", out.len());
                    let human = format!("{human}.{}", label(table).unwrap_or_else(|| (out.len() + 1).to_string()));
                    self.places.insert(index.clone(), (row.span(), human.clone()));
                    out.push(Value::Table(self.table(
                        fields,
                        table,
                        Here { index: &index, human: &human, span: row.span() },
                    )));
                }
                return Some(Value::Array(out));
            }
            _ => {}
        }
        let what = match value.get_ref() {
            DeValue::String(text) if !field.name.contains("secret") => {
                format!("`{}` is {}, not \"{text}\"", field.name, wanted(field.shape))
            }
            DeValue::Integer(number) if !field.name.contains("secret") => {
                format!("`{}` is {}, not {number}", field.name, wanted(field.shape))
            }
            other => format!("`{}` is {}, not {}", field.name, wanted(field.shape), kind(other)),
        };
        self.push(Severity::Error, span, human.to_owned(), what, format!("write {}", example(field)));
        None
    }

    fn texts(&mut self, field: &'static Field, items: &[Spanned<DeValue<'_>>], index: &str, human: &str) -> Value {
        let mut out = Vec::new();
        for item in items {
            match (item.get_ref(), field.shape) {
                (DeValue::String(text), Shape::OneOfList(words)) if !words.contains(&text.as_ref()) => {
                    self.mended.insert(index.to_owned());
                    self.push(
                        Severity::Error,
                        item.span(),
                        human.to_owned(),
                        format!("`{}` cannot hold `{text}`", field.name),
                        suggestion(text, words),
                    );
                }
                (DeValue::String(text), _) => {
                    self.places.insert(format!("{index}[{}]", out.len()), (item.span(), human.to_owned()));
                    out.push(Value::String(text.to_string()));
                }
                (other, _) => {
                    self.mended.insert(index.to_owned());
                    self.push(
                        Severity::Error,
                        item.span(),
                        human.to_owned(),
                        format!("`{}` holds text, not {}", field.name, kind(other)),
                        format!("write {}", example(field)),
                    );
                }
            }
        }
        Value::Array(out)
    }

    fn choice(
        &mut self,
        field: &'static Field,
        fields: &'static [Field],
        table: &DeTable<'_>,
        here: Here<'_>,
    ) -> Option<Value> {
        let (span, human) = (here.span.clone(), here.human.to_owned());
        let mut out = self.table(fields, table, here);
        let words = || list(fields.iter().map(|field| field.name));
        match out.len() {
            1 => Some(Value::Table(out)),
            // A single unknown name was reported as such, with what was meant.
            0 if !table.is_empty() => None,
            0 => {
                self.push(
                    Severity::Error,
                    span,
                    human,
                    format!("`{}` is empty", field.name),
                    format!("write one of {} in it", words()),
                );
                None
            }
            _ => {
                self.push(
                    Severity::Error,
                    span,
                    human,
                    format!(
                        "there is one `{}` to a table, this one has {}",
                        field.name,
                        list(out.keys().map(String::as_str))
                    ),
                    "make two of it".into(),
                );
                let first = out.keys().next().cloned();
                out.retain(|name, _| Some(name) == first.as_deref());
                Some(Value::Table(out))
            }
        }
    }
}

/// A value's own place; but a table's header rather than all that is below it.
fn value_span(key: Range<usize>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    match value.get_ref() {
        DeValue::Table(_) | DeValue::Array(_) => key,
        _ => value.span(),
    }
}

/// What a row is called, for people.
fn label(table: &DeTable<'_>) -> Option<String> {
    ["name", "tag", "host", "id", "pattern", "number", "digit", "label", "who", "calendar"].iter().find_map(|key| {
        match table.get(*key)?.get_ref() {
            DeValue::String(text) if !text.is_empty() => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.to_string()),
            _ => None,
        }
    })
}

fn is_key(text: &str) -> bool {
    matches!(text.as_bytes(), [b'0'..=b'9' | b'*' | b'#'])
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn wanted(shape: Shape) -> String {
    match shape {
        Shape::Text | Shape::OneOf(_) => "text in quotes".into(),
        Shape::Flag => "true or false".into(),
        Shape::Number(least, most) => format!("a whole number from {least} to {most}"),
        Shape::Address => "an IPv4 or IPv6 address".into(),
        Shape::Digit => "one telephone key: 0–9, * or #".into(),
        Shape::TextList | Shape::OneOfList(_) => "a list of texts".into(),
        Shape::Ports => "two port numbers".into(),
        Shape::Table(_) | Shape::Choice(_) => "a table".into(),
        Shape::Tables(_) => "a list of tables".into(),
    }
}

fn example(field: &Field) -> String {
    let name = field.name;
    match field.shape {
        Shape::Text => format!("`{name} = \"…\"`"),
        Shape::Flag => format!("`{name} = true` or `{name} = false`"),
        Shape::Number(least, _) => {
            format!("for example `{name} = {}`", if name.contains("port") { 5061 } else { least.max(30) })
        }
        Shape::Address => format!("for example `{name} = \"127.18.133.226\"`"),
        Shape::Digit => format!("for example `{name} = \"1\"`"),
        Shape::OneOf(words) | Shape::OneOfList(words) if words.is_empty() => format!("`{name}`"),
        Shape::OneOf(words) => format!("`{name} = \"{}\"`", words.first().unwrap_or(&"…")),
        Shape::OneOfList(words) => {
            format!("`{name} = [{}]`", words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", "))
        }
        Shape::TextList => format!("`{name} = [\"…\"]`"),
        Shape::Ports => format!("for example `{name} = [16384, 32767]`"),
        Shape::Table(_) => format!("`[…{name}]`"),
        Shape::Tables(_) => format!("`[[{name}]]` and its fields"),
        Shape::Choice(fields) => format!("`[node.{name}.…]`, one of {}", list(fields.iter().map(|field| field.name))),
    }
}

/// Something of the right shape in place of what is missing; nothing is checked in it.
fn filler(shape: Shape) -> Value {
    match shape {
        Shape::Text => Value::String(String::new()),
        Shape::OneOf(words) => Value::String(words.first().copied().unwrap_or_default().to_owned()),
        Shape::Flag => Value::Boolean(false),
        Shape::Number(least, _) => Value::Integer(least.into()),
        Shape::Address => Value::String("0.0.0.0".into()),
        Shape::Digit => Value::String("0".into()),
        Shape::TextList | Shape::OneOfList(_) | Shape::Tables(_) => Value::Array(Vec::new()),
        Shape::Ports => Value::Array(vec![Value::Integer(1), Value::Integer(2)]),
        Shape::Table(fields) => Value::Table(fill(fields)),
        Shape::Choice(fields) => {
            Value::Table(fields.iter().take(1).map(|field| (field.name.to_owned(), filler(field.shape))).collect())
        }
    }
}

fn fill(fields: &[Field]) -> Table {
    fields.iter().filter(|field| field.required).map(|field| (field.name.to_owned(), filler(field.shape))).collect()
}

fn suggestion(text: &str, words: &[&'static str]) -> String {
    let all = list(words.iter().copied());
    match nearest(text, words.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`? it may be {all}"),
        None => format!("it may be {all}"),
    }
}

fn syntax_fix(message: &str) -> String {
    if message.contains("duplicate key") {
        "keep one of the two; a list of tables is written `[[name]]`, with two brackets".into()
    } else if message.contains("string") {
        "text stands between two double quotes, on one line".into()
    } else {
        "a line is `field = value`, `[table]`, `[[row]]` or `# comment`".into()
    }
}

pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
