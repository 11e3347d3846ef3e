//! What a `<script>` declares (2.0 §5.3.12: "in the scope of its containing element"), and the script rewritten so that
//! its declarations become variables of that scope: `var` at the outermost level is taken away and the names are made
//! beforehand, functions are copied into the scope first thing. Lines and columns stay as they were.

/// A script ready to be run within its scope.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hoisted {
    /// Names of `var`s at the outermost level.
    pub(super) variables: Vec<String>,
    /// The script; `$d` is the scope's object.
    pub(super) source: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Punctuator(char),
    /// Strings, numbers, templates, regular expressions.
    Literal,
}

pub(super) fn hoist(source: &str) -> Hoisted {
    let tokens = tokens(source);
    let mut variables: Vec<String> = Vec::new();
    let mut functions: Vec<&str> = Vec::new();
    let mut taken: Vec<usize> = Vec::new();
    // For each open brace: whether it is a function's body.
    let mut braces: Vec<bool> = Vec::new();
    let mut function_next = false;
    let inside = |braces: &[bool]| braces.iter().any(|function| *function);
    for (n, (at, token)) in tokens.iter().enumerate() {
        let word = |n: usize| match tokens.get(n) {
            Some((_, Token::Word(word))) => Some(*word),
            _ => None,
        };
        match token {
            Token::Word("function") => {
                function_next = true;
                let statement = n.checked_sub(1).is_none_or(|before| {
                    matches!(tokens.get(before), Some((_, Token::Punctuator(';' | '{' | '}'))))
                        || matches!(tokens.get(before), Some((_, Token::Word(_) | Token::Literal | Token::Punctuator(')')))
                            if source.get(tokens[before].0..*at).is_some_and(|gap| gap.contains('\n')))
                });
                if let (true, true, Some(name)) = (statement, braces.is_empty(), word(n + 1)) {
                    functions.push(name);
                }
            }
            // `var {a} = b` stays as it is: a block would take its place.
            Token::Word("var") if !inside(&braces) && word(n + 1).is_some() => {
                taken.push(*at);
                declared(&tokens, n + 1, &mut variables);
            }
            Token::Punctuator('{') => braces.push(std::mem::take(&mut function_next)),
            Token::Punctuator('}') => {
                braces.pop();
            }
            _ => {}
        }
    }
    let mut body = source.to_owned();
    for at in taken.into_iter().rev() {
        body.replace_range(at..at + 3, "   ");
    }
    let copies: String = functions.iter().map(|name| format!("$d.{name}={name};")).collect();
    Hoisted { variables, source: format!("{copies}{body}") }
}

/// The names that a `var` at token `n` declares.
fn declared(tokens: &[(usize, Token<'_>)], mut n: usize, names: &mut Vec<String>) {
    let mut depth = 0usize;
    let mut name_next = true;
    while let Some((_, token)) = tokens.get(n) {
        match token {
            Token::Word(name) if name_next => {
                if !names.iter().any(|known| known == name) {
                    names.push((*name).to_owned());
                }
                name_next = false;
            }
            Token::Word("var" | "if" | "for" | "while" | "do" | "return" | "switch" | "try" | "throw")
                if depth == 0 =>
            {
                return;
            }
            Token::Punctuator('(' | '[' | '{') => depth += 1,
            Token::Punctuator(')' | ']' | '}') if depth == 0 => return,
            Token::Punctuator(')' | ']' | '}') => depth -= 1,
            Token::Punctuator(',') if depth == 0 => name_next = true,
            Token::Punctuator(';') if depth == 0 => return,
            _ => {}
        }
        n += 1;
    }
}

/// Words and punctuators with their offsets, comments left out.
fn tokens(source: &str) -> Vec<(usize, Token<'_>)> {
    let mut tokens: Vec<(usize, Token<'_>)> = Vec::new();
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(first) = rest.chars().next() else { break };
        let (len, token) = if first.is_whitespace() {
            (first.len_utf8(), None)
        } else if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), None)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), None)
        } else if matches!(first, '"' | '\'' | '`') || (first == '/' && begins_value(tokens.last())) {
            (quoted(rest, first), Some(Token::Literal))
        } else if first.is_alphanumeric() || matches!(first, '_' | '$') {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$'))).unwrap_or(rest.len());
            let word = rest.get(..end).unwrap_or_default();
            let number = first.is_ascii_digit();
            (end, Some(if number { Token::Literal } else { Token::Word(word) }))
        } else {
            (first.len_utf8(), Some(Token::Punctuator(first)))
        };
        if let Some(token) = token {
            tokens.push((at, token));
        }
        at += len;
    }
    tokens
}

/// Whether a slash after this begins a regular expression rather than dividing.
fn begins_value(last: Option<&(usize, Token<'_>)>) -> bool {
    match last {
        None => true,
        Some((_, Token::Punctuator(c))) => !matches!(c, ')' | ']' | '}'),
        Some((_, Token::Word(word))) => matches!(*word, "return" | "typeof" | "case" | "in" | "of" | "delete" | "void"),
        Some((_, Token::Literal)) => false,
    }
}

/// The length of a string, template or regular expression at the start of `text`.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let mut class = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' if quote == '/' => class = true,
            ']' if quote == '/' => class = false,
            '\n' if quote != '`' => return at,
            c if c == quote && !class => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, variables: &[&str], rewritten: &str) {
        let found = hoist(source);
        assert_eq!(found.variables, variables, "{source}");
        assert_eq!(found.source, rewritten);
    }

    #[test]
    fn variables_of_the_outermost_level_are_found() {
        check("var a = 1, b = f(2, 3), c;", &["a", "b", "c"], "    a = 1, b = f(2, 3), c;");
        check("for (var i = 0; i < 3; i++) { var j = i; }", &["i", "j"], "for (    i = 0; i < 3; i++) {     j = i; }");
        check("if (x) var y = {a: 1, b: [2, 3]}", &["y"], "if (x)     y = {a: 1, b: [2, 3]}");
    }

    #[test]
    fn those_of_functions_stay_theirs() {
        let source = "function f(a) { var b = 1; return b }\nvar g = function () { var c; };";
        let rewritten = "$d.f=f;function f(a) { var b = 1; return b }\n    g = function () { var c; };";
        check(source, &["g"], rewritten);
    }

    #[test]
    fn comments_strings_and_expressions_hide_nothing() {
        check(
            "// var a\n/* var b */ var c = 'var d', e = /var f[/]/;",
            &["c", "e"],
            "// var a\n/* var b */     c = 'var d', e = /var f[/]/;",
        );
        check("x = a / b; var c = 1 / 2;", &["c"], "x = a / b;     c = 1 / 2;");
    }
}
