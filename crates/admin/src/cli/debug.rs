//! `ringfence debug …` and `undebug …`: words of IOS.

use net::SslDebug;

#[derive(Debug, clap::Args)]
pub struct Debug {
    #[arg(required = true, num_args = 1..)]
    pub words: Vec<String>,
    /// Which node; default: the border controllers.
    #[arg(long)]
    pub node: Option<String>,
}

/// Words, each a prefix of its keyword, without case.
fn are(typed: &[String], keywords: &[&str]) -> bool {
    let typed: Vec<String> = typed.iter().flat_map(|w| w.split_whitespace()).map(str::to_ascii_lowercase).collect();
    typed.len() == keywords.len()
        && keywords.iter().zip(&typed).all(|(keyword, word)| keyword.starts_with(word.as_str()))
}

/// `ssl openssl errors`, `msg` or `states`.
///
/// # Errors
/// What there is.
pub fn ssl(words: &[String]) -> Result<SslDebug, String> {
    let found = SslDebug::ALL.into_iter().find(|what| are(words, &["ssl", "openssl", what.as_str()]));
    found.ok_or_else(|| {
        let typed = words.join(" ");
        format!("`debug {typed}` is none; expected `debug ssl openssl errors`, `debug ssl openssl msg` or `debug ssl openssl states`")
    })
}

/// `all`.
///
/// # Errors
/// What there is.
pub fn all(words: &[String]) -> Result<(), String> {
    are(words, &["all"])
        .then_some(())
        .ok_or_else(|| format!("`undebug {}` is none; expected `undebug all`", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_takes_the_words_of_ios_whole_or_shortened() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (text, what) in [
            ("ssl openssl errors", SslDebug::Errors),
            ("SSL open msg", SslDebug::Msg),
            ("ssl openssl st", SslDebug::States),
        ] {
            assert_eq!(ssl(&words(text)), Ok(what));
        }
        assert!(ssl(&words("ssl openssl")).unwrap_err().contains("`debug ssl openssl states`"));
        assert!(ssl(&words("ip packet")).unwrap_err().starts_with("`debug ip packet` is none"));
        assert_eq!(all(&words("all")), Ok(()));
        assert!(all(&words("ssl")).unwrap_err().contains("expected `undebug all`"));
    }
}
