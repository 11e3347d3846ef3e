//! What who waits in a queue is told: place and expected wait, in words.

use std::time::Duration;

use super::manner::primary;
use super::numbers::cardinal;
use super::{japanese, korean};

/// `None`: no words are known in this language (BCP 47; empty is English).
pub fn place(language: &str, position: u32, wait: Option<Duration>) -> Option<String> {
    // Rounded up: nobody minds that it was shorter.
    let minutes = wait.map(|wait| wait.as_secs().div_ceil(60));
    let position = u64::from(position);
    Some(match primary(language).to_ascii_lowercase().as_str() {
        "" | "en" => {
            let place = match position {
                1 => "You are next in the queue.".to_owned(),
                _ => format!("You are number {} in the queue.", cardinal(position)),
            };
            match minutes {
                None => place,
                Some(0) => format!("{place} Somebody will be with you at once."),
                Some(1) => format!("{place} The wait is about one minute."),
                Some(minutes) => format!("{place} The wait is about {} minutes.", cardinal(minutes)),
            }
        }
        "ja" => {
            let place = format!("じゅんばんは、{}です。", japanese::turn(position));
            match minutes {
                None => place,
                Some(0) => format!("{place}まもなくおつなぎします。"),
                Some(minutes) => format!("{place}まちじかんは、やく{}です。", japanese::minutes(minutes)),
            }
        }
        "ko" => {
            let place = format!("대기 순서는 {}입니다.", korean::turn(position));
            match minutes {
                None => place,
                Some(0) => format!("{place} 곧 연결해 드리겠습니다."),
                Some(minutes) => format!("{place} 예상 대기 시간은 약 {}입니다.", korean::minutes(minutes)),
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_and_wait_in_three_languages() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (language, position, wait, said) in [
            ("en-US", 3, seconds(240), "You are number three in the queue. The wait is about four minutes."),
            ("", 1, seconds(30), "You are next in the queue. The wait is about one minute."),
            ("en", 1, seconds(0), "You are next in the queue. Somebody will be with you at once."),
            ("en", 12, None, "You are number twelve in the queue."),
            ("ja-JP", 3, seconds(181), "じゅんばんは、さんばんめです。まちじかんは、やくよんぷんです。"),
            ("ko-KR", 2, seconds(300), "대기 순서는 두 번째입니다. 예상 대기 시간은 약 오 분입니다."),
        ] {
            assert_eq!(place(language, position, wait).unwrap(), said);
        }
        assert_eq!(place("de", 3, None), None);
    }
}
