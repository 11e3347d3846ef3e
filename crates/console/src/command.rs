//! What can be typed at a console: words that operators know, each of which may be shortened as far as it stays the only
//! one, in any case.

use admin::cli::Question;

/// A line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `utils ctl …`, `utils itl …`: a dialogue.
    Cluster(phones::Command),
    Show(Question),
    /// `show running-config`
    RunningConfig,
    /// `undebug all`
    Undebug,
    /// `show security-mode`
    SecurityMode,
    /// `utils service list`
    Services,
    /// `utils service restart NAME`
    Restart(String),
    Help,
    Exit,
}

/// What there is, and what it does; `NAME` stands for words of the administrator's.
const ALL: [(&str, &str); 24] = [
    ("help", "this list; `?` at any time"),
    ("exit", "ends the session"),
    ("show call active voice brief", "the legs that are up, with their security"),
    ("show sip-ua connections tcp tls detail", "connections, with version, suite and peer"),
    ("show refusals", "who was turned away, why, and what to do"),
    ("show status", "nodes, their calls and what they refused"),
    ("show debugging", "what of TLS handshakes is looked at"),
    ("undebug all", "nothing of it any more, for nobody"),
    ("show running-config", "a border controller's configuration as IOS writes it"),
    ("show agents", "a call server's agents"),
    ("show queues", "a call server's queues"),
    ("show registrations", "a call manager's registered phones"),
    ("show ctl", "the CTL file that phones are given"),
    ("show itl", "the ITL file that phones are given"),
    ("show phones", "phones with their profiles and CAPF information"),
    ("show trunks", "a call manager's trunks: where to, which profile, SRTP or not"),
    ("show security-mode", "Cluster Security Mode, and whether the lists say the same"),
    ("utils ctl set-cluster mixed-mode", "Cluster Security Mode 1; asks first"),
    ("utils ctl set-cluster non-secure-mode", "Cluster Security Mode 0; asks first"),
    ("utils ctl update CTLFile", "writes the CTL file again; asks first"),
    ("utils itl reset localkey", "signs the ITL file with the recovery key; asks first"),
    ("utils service list", "services: activated, started, since when"),
    ("utils service restart NAME", "says what it interrupts, asks, restarts"),
    ("quit", "ends the session"),
];

impl Command {
    /// `None` for an empty line.
    ///
    /// # Errors
    /// What could have been meant.
    pub fn parse(line: &str) -> Result<Option<Command>, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() {
            return Ok(None);
        }
        let found = fitting(&words, true);
        let command = match found.as_slice() {
            [command] => command,
            [] => return Err(unknown(&words)),
            several => return Err(format!("ambiguous: {}", several.join("; "))),
        };
        Ok(Some(match *command {
            "help" => Command::Help,
            "exit" | "quit" => Command::Exit,
            "show running-config" => Command::RunningConfig,
            "undebug all" => Command::Undebug,
            "show security-mode" => Command::SecurityMode,
            "utils service list" => Command::Services,
            "utils service restart NAME" => {
                Command::Restart(words.get(3..).unwrap_or_default().join(" ").trim_matches('"').to_owned())
            }
            shown if shown.starts_with("show ") => {
                let words: Vec<String> = shown.split(' ').skip(1).map(str::to_owned).collect();
                Command::Show(Question::parse(&words)?)
            }
            dialogue => Command::Cluster(phones::Command::parse(dialogue)?),
        }))
    }

    /// What may follow what was typed.
    pub fn help(line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let found = fitting(&words, false);
        let rows: Vec<&(&str, &str)> = ALL.iter().filter(|(command, _)| found.contains(command)).collect();
        if rows.is_empty() {
            return unknown(&words);
        }
        let width = rows.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
        rows.iter().map(|(command, what)| format!("  {command:<width$}  {what}\n")).collect()
    }
}

/// Commands that these words are, shortened or not; or that begin so.
fn fitting(words: &[&str], whole: bool) -> Vec<&'static str> {
    let fits = |command: &str| {
        let keywords: Vec<&str> = command.split(' ').collect();
        // A name may have several words.
        let open = keywords.last() == Some(&"NAME");
        let enough = if whole { words.len() >= keywords.len() } else { true };
        let room = words.len() <= keywords.len() || open;
        let alike = |(keyword, word): (&&str, &&str)| {
            *keyword == "NAME" || keyword.to_ascii_lowercase().starts_with(&word.to_ascii_lowercase())
        };
        enough && room && keywords.iter().zip(words).all(alike)
    };
    let found: Vec<&str> = ALL.iter().map(|(command, _)| *command).filter(|command| fits(command)).collect();
    // A whole word is what it says, though a longer one begins with it.
    let exact = |command: &&str| command.split(' ').zip(words).all(|(k, w)| k == "NAME" || k.eq_ignore_ascii_case(w));
    match found.iter().copied().filter(|command| whole && exact(command)).collect::<Vec<_>>() {
        exact if exact.is_empty() => found,
        exact => exact,
    }
}

fn unknown(words: &[&str]) -> String {
    // What was typed may be a password in the wrong place: it is said to who typed it, and to nobody else.
    let near = (0..words.len()).rev().map(|len| fitting(words.get(..len).unwrap_or_default(), false));
    match near.into_iter().find(|found| !found.is_empty() && found.len() < ALL.len()) {
        Some(found) => format!("`{}` is no command here; expected one of: {}\n", words.join(" "), found.join("; ")),
        None => format!("`{}` is no command here; `help` lists those there are\n", words.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Command {
        Command::parse(line).unwrap().unwrap()
    }

    #[test]
    fn words_may_be_shortened_in_any_case_and_names_have_spaces() {
        assert_eq!(parse("utils ctl set-cluster mixed-mode"), Command::Cluster(phones::Command::SetMixedMode));
        assert_eq!(parse("UT CTL set non"), Command::Cluster(phones::Command::SetNonSecureMode));
        assert_eq!(parse("utils ctl update ctlfile"), Command::Cluster(phones::Command::UpdateCtl));
        assert_eq!(parse("utils itl reset localkey"), Command::Cluster(phones::Command::ResetItlLocalKey));
        assert_eq!(parse("sh call act voi br"), Command::Show(Question::Calls));
        assert_eq!(parse("show sip-ua connections tcp tls detail"), Command::Show(Question::Connections));
        assert_eq!(parse("sh run"), Command::RunningConfig);
        assert_eq!(parse("utils service restart Cisco CallManager"), Command::Restart("Cisco CallManager".into()));
        assert_eq!(parse("utils service restart \"Cisco Tftp\""), Command::Restart("Cisco Tftp".into()));
        assert_eq!((parse("exit"), parse("quit"), parse("help")), (Command::Exit, Command::Exit, Command::Help));
        assert_eq!(Command::parse("   "), Ok(None));
    }

    #[test]
    fn what_is_none_or_several_is_said_with_what_there_is() {
        assert!(Command::parse("show r").unwrap_err().starts_with("ambiguous: show refusals; show running-config"));
        let unknown = Command::parse("utils ctl moon").unwrap_err();
        assert!(unknown.contains("utils ctl set-cluster mixed-mode") && !unknown.contains("show"), "{unknown}");
        assert!(Command::parse("bash").unwrap_err().contains("`help`"));
        assert!(Command::parse("utils service restart").is_err(), "which one?");
    }

    #[test]
    fn help_lists_what_may_follow() {
        assert_eq!(
            Command::help("utils itl"),
            "  utils itl reset localkey  signs the ITL file with the recovery key; asks first\n"
        );
        assert_eq!(Command::help("").lines().count(), ALL.len());
    }
}
