//! Media from end to end: two nodes that carried the same stream counted the same packets under the same suite.

use crate::record::LegRecord;
use crate::record::media_facts::MediaRecord;
use crate::statement::Statement;
use crate::verdict::{Kind, MediaPath, Wrong};

/// Every pair of nodes of which one last sent its media to the other.
pub(super) fn judge(statements: &[Statement]) -> Vec<MediaPath> {
    let ends: Vec<(&str, &LegRecord, &MediaRecord)> = statements
        .iter()
        .flat_map(|s| s.legs.iter().filter_map(|leg| Some((s.node.as_str(), leg, leg.media.as_ref()?))))
        .collect();
    let mut paths = Vec::new();
    for (at, (a, a_leg, x)) in ends.iter().enumerate() {
        for (b, b_leg, y) in ends.iter().skip(at + 1) {
            let (to_b, to_a) = (sends_to(x, y), sends_to(y, x));
            if a == b || !(to_a || to_b) {
                continue;
            }
            paths.push(path(
                End { node: a, leg: a_leg, media: x },
                End { node: b, leg: b_leg, media: y },
                to_a && to_b,
            ));
        }
    }
    paths
}

fn sends_to(from: &MediaRecord, to: &MediaRecord) -> bool {
    from.remote.is_some() && from.remote == to.local
}

struct End<'a> {
    node: &'a str,
    leg: &'a LegRecord,
    media: &'a MediaRecord,
}

/// `to_the_end`: both name each other as their last party; otherwise one of them went on with somebody else.
fn path(a: End<'_>, b: End<'_>, to_the_end: bool) -> MediaPath {
    let place = format!("media {} <-> {}", a.node, b.node);
    let mut wrong = Vec::new();
    let mut say = |what: String| wrong.push(Wrong::new(Kind::Disagreement, &place, what));
    if to_the_end {
        for (what, x, y) in [("SRTP suite", &a.media.suite, &b.media.suite), ("codec", &a.media.codec, &b.media.codec)]
        {
            if x != y {
                say(format!("{what}: {} says {x:?}, {} says {y:?}", a.node, b.node));
            }
        }
    }
    let counted = a.leg.ended_ms.is_some() && b.leg.ended_ms.is_some();
    for (from, to) in [(&a, &b), (&b, &a)] {
        // Who changed party received from others too; only a stream with one party can be held against its sender.
        let one_party = sends_to(to.media, from.media) && to.media.rekeyed == 0;
        let (sent, received) = (packets_sent(from.media), packets_received(to.media));
        if counted && one_party && received > sent {
            say(format!("{} received {received} packets, {} sent {sent}", to.node, from.node));
        }
    }
    let suite = if b.media.suite.is_empty() { "RTP in clear".to_owned() } else { format!("SRTP {}", b.media.suite) };
    let words = format!(
        "{suite}; {} sent {}, {} received {}; {} sent {}, {} received {}{}",
        a.node,
        packets_sent(a.media),
        b.node,
        packets_received(b.media),
        b.node,
        packets_sent(b.media),
        a.node,
        packets_received(a.media),
        if to_the_end { "" } else { "; one of them went on with another party" },
    );
    MediaPath { a: a.node.into(), b: b.node.into(), words, wrong }
}

fn packets_sent(media: &MediaRecord) -> u64 {
    media.tx_protected + media.tx_clear
}

fn packets_received(media: &MediaRecord) -> u64 {
    media.rx_protected + media.rx_clear
}
