//! XML written: elements, attributes, text, all escaped.

/// A document being written.
pub(crate) struct Xml {
    out: String,
    open: Vec<String>,
}

impl Xml {
    /// With the declaration, and the root open.
    pub(crate) fn new(root: &str, attributes: &[(&str, &str)]) -> Xml {
        let mut xml = Xml { out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(), open: Vec::new() };
        xml.start(root, attributes);
        xml
    }

    pub(crate) fn start(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Xml {
        self.indent();
        self.tag(name, attributes, ">\n");
        self.open.push(name.to_owned());
        self
    }

    pub(crate) fn end(&mut self) -> &mut Xml {
        if let Some(name) = self.open.pop() {
            self.indent();
            self.out.push_str(&format!("</{name}>\n"));
        }
        self
    }

    /// An element with text.
    pub(crate) fn text(&mut self, name: &str, text: impl ToString) -> &mut Xml {
        self.text_with(name, &[], text)
    }

    pub(crate) fn text_with(&mut self, name: &str, attributes: &[(&str, &str)], text: impl ToString) -> &mut Xml {
        self.indent();
        self.tag(name, attributes, ">");
        self.out.push_str(&escape(&text.to_string()));
        self.out.push_str(&format!("</{name}>\n"));
        self
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str, flag: bool) -> &mut Xml {
        self.text(name, flag)
    }

    /// An element with attributes alone.
    pub(crate) fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> &mut Xml {
        self.indent();
        self.tag(name, attributes, "/>\n");
        self
    }

    /// Closes what is open.
    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.out
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)], end: &str) {
        self.out.push_str(&format!("<{name}"));
        for (key, value) in attributes {
            self.out.push_str(&format!(" {key}=\"{}\"", escape(value)));
        }
        self.out.push_str(end);
    }

    fn indent(&mut self) {
        self.out.push_str(&"  ".repeat(self.open.len()));
    }
}

/// Characters that XML 1.0 does not allow are left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' | '\r' => out.push_str(&format!("&#{};", u32::from(c))),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}
