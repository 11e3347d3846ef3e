//! What must hold of any octets, for the fuzz targets and for the replay of their corpora: nothing panics or runs away,
//! problems have places, and a session ends or waits.

use vxml::conversation::Conversation;
use vxml::grammar::{Grammar, Mode};
use vxml::{NotFetched, Now, Page, Request, Start};

/// As a document: read, checked and, where it is good, talked with. Is it?
pub(crate) fn document(input: &[u8]) -> bool {
    let url = "app:/main.vxml";
    let problems = vxml::check(url, input);
    for problem in &problems {
        assert!(problem.place.line >= 1, "{problem}");
    }
    if !problems.is_empty() {
        return false;
    }
    let start = Start { url: url.into(), seed: 1, variables: "{}".into(), ..Start::default() };
    let fetch = |request: &Request| match request.url == url {
        true => Ok(Page { url: url.into(), bytes: input.into() }),
        false => Err(NotFetched::Status(404)),
    };
    let mut talk = Conversation::new(start, Now::default(), fetch);
    for line in ["1", "", "yes", "12#", "", "!hangup"] {
        talk.listen(false);
        if talk.is_over() {
            break;
        }
        talk.hear(line);
    }
    true
}

/// As a grammar in either form of SRGS, asked about keys and words. In how many of the two modes is it one?
pub(crate) fn grammar(input: &[u8]) -> usize {
    let grammars = [Mode::Dtmf, Mode::Voice].into_iter().filter_map(|mode| Grammar::parse(input, mode).ok());
    let asked = grammars.map(|grammar| {
        for words in ["", "1", "1 0", "1 2 3 4 #", "yes please", "please two words", "a a a a a a"] {
            let _ = grammar.takes(words);
        }
    });
    asked.count()
}
