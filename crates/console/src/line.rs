//! A line being typed: what of the keys is echoed, and when it is whole. A pty on the other side echoes nothing and edits
//! nothing; this does.

use std::collections::VecDeque;

/// Octets of a line; what is typed beyond is not taken.
pub const LONGEST: usize = 512;
/// Lines that the up arrow brings back.
const REMEMBERED: usize = 32;

/// What a key came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Enter.
    Line(String),
    /// `?` for what can be typed here; the line stays.
    Help,
    /// Ctrl-C: the line is forgotten.
    Interrupt,
    /// Ctrl-D on an empty line.
    End,
}

/// One terminal's line.
#[derive(Clone, Debug, Default)]
pub struct Editor {
    line: String,
    echo: String,
    escape: Escape,
    /// A carriage return came: the line feed after it is the same key.
    returned: bool,
    /// Octets of a character that is not whole yet (UTF-8).
    part: Vec<u8>,
    history: Vec<String>,
    /// Lines back in it.
    back: usize,
    /// Came, and was not looked at yet.
    heard: VecDeque<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    No,
    /// After ESC.
    Began,
    /// After ESC [ or ESC O.
    Sequence,
}

impl Editor {
    /// Octets as they come; whoever sends no more than it is asked for bounds them.
    pub fn hear(&mut self, octets: &[u8]) {
        self.heard.extend(octets);
    }

    /// What the first of what was heard comes to; the rest stays.
    pub fn next_typed(&mut self) -> Option<Typed> {
        while let Some(octet) = self.heard.pop_front() {
            let typed = self.key(octet);
            if typed.is_some() {
                return typed;
            }
        }
        None
    }

    /// One octet of what was typed. What the terminal shall show for it is in [`Editor::echo`].
    fn key(&mut self, octet: u8) -> Option<Typed> {
        let returned = std::mem::take(&mut self.returned);
        match (self.escape, octet) {
            (Escape::Began, b'[' | b'O') => {
                self.escape = Escape::Sequence;
                return None;
            }
            (Escape::Began, _) => {
                self.escape = Escape::No;
                return None;
            }
            (Escape::Sequence, b'A') => return self.recall(true),
            (Escape::Sequence, b'B') => return self.recall(false),
            (Escape::Sequence, 0x40..=0x7e) => {
                self.escape = Escape::No;
                return None;
            }
            (Escape::Sequence, _) => return None,
            (Escape::No, _) => {}
        }
        match octet {
            b'\n' if returned => None,
            b'\r' | b'\n' => {
                self.returned = octet == b'\r';
                self.echo.push_str("\r\n");
                Some(Typed::Line(self.take()))
            }
            0x03 => {
                self.line.clear();
                self.part.clear();
                self.echo.push_str("^C\r\n");
                Some(Typed::Interrupt)
            }
            0x04 if self.line.is_empty() => Some(Typed::End),
            0x08 | 0x7f => {
                self.part.clear();
                if self.line.pop().is_some() {
                    self.echo.push_str("\u{8} \u{8}");
                }
                None
            }
            // Ctrl-U, Ctrl-W
            0x15 => self.wipe(0),
            0x17 => self.wipe(self.line.trim_end().rfind(' ').map_or(0, |at| at + 1)),
            0x1b => {
                self.escape = Escape::Began;
                None
            }
            b'?' if self.part.is_empty() => {
                self.echo.push_str("?\r\n");
                Some(Typed::Help)
            }
            0x20..=0x7e => {
                self.part.clear();
                self.put(char::from(octet));
                None
            }
            0x80.. => {
                self.part.push(octet);
                match std::str::from_utf8(&self.part) {
                    Ok(text) => {
                        let text = text.to_owned();
                        self.part.clear();
                        text.chars().filter(|c| !c.is_control()).for_each(|c| self.put(c));
                    }
                    Err(error) if error.error_len().is_some() || self.part.len() >= 4 => self.part.clear(),
                    Err(_) => {}
                }
                None
            }
            _ => None,
        }
    }

    /// What the terminal shall show for what was typed since the last time.
    pub fn echo(&mut self) -> String {
        std::mem::take(&mut self.echo)
    }

    /// As far as it was typed.
    pub fn line(&self) -> &str {
        &self.line
    }

    fn take(&mut self) -> String {
        self.part.clear();
        self.back = 0;
        let line = std::mem::take(&mut self.line);
        if !line.trim().is_empty() && self.history.last() != Some(&line) {
            if self.history.len() >= REMEMBERED {
                self.history.remove(0);
            }
            self.history.push(line.clone());
        }
        line
    }

    fn put(&mut self, letter: char) {
        match self.line.len() + letter.len_utf8() > LONGEST {
            true => self.echo.push('\u{7}'),
            false => {
                self.line.push(letter);
                self.echo.push(letter);
            }
        }
    }

    /// Forgets what comes after so many octets, which end a character.
    fn wipe(&mut self, from: usize) -> Option<Typed> {
        let gone = self.line.split_off(from).chars().count();
        self.echo.push_str(&"\u{8} \u{8}".repeat(gone));
        None
    }

    fn recall(&mut self, earlier: bool) -> Option<Typed> {
        self.escape = Escape::No;
        self.back = if earlier { (self.back + 1).min(self.history.len()) } else { self.back.saturating_sub(1) };
        self.wipe(0);
        let found = self.history.len().checked_sub(self.back).and_then(|at| self.history.get(at)).cloned();
        self.line = found.unwrap_or_default();
        self.echo.push_str(&self.line.clone());
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(editor: &mut Editor, keys: &[u8]) -> Vec<Typed> {
        keys.iter().filter_map(|octet| editor.key(*octet)).collect()
    }

    #[test]
    fn what_is_typed_is_echoed_and_mended() {
        let mut editor = Editor::default();
        assert_eq!(typed(&mut editor, b"show ctx\x7fl\r\n"), [Typed::Line("show ctl".into())]);
        assert_eq!(editor.echo(), "show ctx\u{8} \u{8}l\r\n");
        assert_eq!(typed(&mut editor, "caf\u{e9}\u{7f}e\n".as_bytes()), [Typed::Line("cafe".into())]);
        assert_eq!(typed(&mut editor, b"one two three\x17\x17\x15x\r"), [Typed::Line("x".into())]);
    }

    #[test]
    fn keys_that_are_no_letters_do_what_they_do_everywhere() {
        let mut editor = Editor::default();
        assert_eq!(typed(&mut editor, b"abc\x03"), [Typed::Interrupt]);
        assert_eq!(editor.echo(), "abc^C\r\n");
        assert_eq!(editor.line(), "");
        assert_eq!(typed(&mut editor, b"x\x04"), [], "only on an empty line");
        assert_eq!(typed(&mut editor, b"\x7f\x04"), [Typed::End]);
        assert_eq!(typed(&mut editor, b"show ?"), [Typed::Help]);
        assert_eq!(editor.line(), "show ");
        // Arrows and function keys leave no rubbish.
        assert_eq!(typed(&mut editor, b"\x1b[C\x1b[15~\x1bOPrefusals\r"), [Typed::Line("show refusals".into())]);
    }

    #[test]
    fn the_up_arrow_brings_lines_back() {
        let mut editor = Editor::default();
        typed(&mut editor, b"first\rsecond\r");
        assert_eq!(typed(&mut editor, b"\x1b[A\x1b[A\r"), [Typed::Line("first".into())]);
        assert_eq!(typed(&mut editor, b"\x1b[A\x1b[A\x1b[B\r"), [Typed::Line("first".into())]);
        assert_eq!(typed(&mut editor, b"\x1b[B\r"), [Typed::Line(String::new())]);
    }

    #[test]
    fn a_line_has_its_bounds_whatever_comes() {
        let mut editor = Editor::default();
        typed(&mut editor, &[b'x'; 5000]);
        assert_eq!(editor.line().len(), LONGEST);
        typed(&mut editor, &[0xff; 5000]);
        assert!(editor.part.len() < 4);
        let Some(Typed::Line(line)) = editor.key(b'\r') else { panic!("a line") };
        assert_eq!(line.len(), LONGEST);
        for _ in 0..100 {
            typed(&mut editor, b"a\rb\r");
        }
        assert_eq!(editor.history.len(), REMEMBERED);
    }
}
