//! Whether words are in a grammar (SRGS 1.0 §3): all ways at once, each way once, and only so many. Where words can be
//! read in two ways the first written wins.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::model::{Grammar, Mode, Node, NodeId};
use super::{Judgement, Meaning};

/// Steps that one word may take. What needs more is given up: the caller hears of `error.noresource`.
pub(super) const STEPS: usize = 20_000;
/// How deep rules may be within rules.
const DEPTH: u32 = 400;

/// Stands for the root rule before anything was matched.
const START: NodeId = NodeId::MAX;

/// What is still to be matched.
type Rest = Option<Arc<Frame>>;

#[derive(Debug)]
struct Frame {
    op: Op,
    next: Rest,
    depth: u32,
    /// Of the whole rest, so that two alike are found without walking them.
    hash: u64,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Run(NodeId),
    Again {
        body: NodeId,
        min: u32,
        max: Option<u32>,
    },
    /// The end of a rule.
    Close,
}

/// What was passed, newest first.
type Past = Option<Arc<Step>>;

#[derive(Debug)]
struct Step {
    what: What,
    before: Past,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Open(usize),
    Word(usize),
    Tag(NodeId),
    Close,
}

impl Drop for Step {
    /// Step by step: a long past must not be dropped by recursion.
    fn drop(&mut self) {
        let mut before = self.before.take();
        while let Some(mut step) = before.and_then(Arc::into_inner) {
            before = step.before.take();
        }
    }
}

fn rest(op: Op, next: Rest) -> Rest {
    let number = match op {
        Op::Run(node) => (node as u64).wrapping_mul(3).wrapping_add(1),
        Op::Again { body, min, max } => {
            ((body as u64) << 40) ^ (u64::from(min) << 20) ^ max.map_or(u64::MAX >> 1, u64::from).wrapping_mul(3) ^ 2
        }
        Op::Close => 3,
    };
    let (depth, below) = next.as_ref().map_or((0, 0xCBF2_9CE4_8422_2325), |frame| (frame.depth, frame.hash));
    let hash = (below ^ number).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23)
        ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Some(Arc::new(Frame { op, next, depth: depth + 1, hash }))
}

fn then(what: What, before: Past) -> Past {
    Some(Arc::new(Step { what, before }))
}

/// Ways under way, and the first that is complete.
#[derive(Default)]
struct Ways {
    waiting: Vec<(Rest, Past)>,
    complete: Option<Past>,
    exploded: bool,
}

pub(super) fn judge(grammar: &Grammar, words: &[String]) -> Judgement {
    let start = rest(Op::Run(START), None);
    let mut ways = close(grammar, vec![(start, None)]);
    if ways.exploded {
        return Judgement { exploded: true, ..Judgement::default() };
    }
    for (at, word) in words.iter().enumerate() {
        let mut next = Vec::new();
        for (waiting, past) in ways.waiting {
            let Some(frame) = waiting else { continue };
            let fits = match frame.op {
                Op::Run(node) => match grammar.nodes.get(node) {
                    Some(Node::Token(token)) => token == word,
                    Some(Node::Anything) => true,
                    _ => false,
                },
                _ => false,
            };
            if fits {
                next.push((frame.next.clone(), then(What::Word(at), past)));
            }
        }
        next.reverse();
        ways = close(grammar, next);
        if ways.exploded {
            return Judgement { exploded: true, ..Judgement::default() };
        }
        if ways.waiting.is_empty() && ways.complete.is_none() {
            return Judgement::default();
        }
    }
    let meaning = ways.complete.filter(|_| !words.is_empty()).map(|past| meaning(grammar, words, &past));
    Judgement { meaning, more: !ways.waiting.is_empty(), exploded: false }
}

/// All places at which a word is waited for, from the last of `open` on.
fn close(grammar: &Grammar, mut open: Vec<(Rest, Past)>) -> Ways {
    let mut ways = Ways::default();
    let mut seen = HashSet::new();
    let mut steps = 0;
    while let Some((here, past)) = open.pop() {
        steps += 1;
        let Some(frame) = here else {
            ways.complete.get_or_insert(past);
            continue;
        };
        if steps > STEPS || frame.depth > DEPTH {
            ways.exploded = true;
            return ways;
        }
        if !seen.insert(frame.hash) {
            continue;
        }
        let next = frame.next.clone();
        match frame.op {
            Op::Close => open.push((next, then(What::Close, past))),
            Op::Again { body, min, max } => again(&mut open, body, min, max, next, past),
            Op::Run(START) => enter(grammar, grammar.root, &mut open, next, past),
            Op::Run(node) => match grammar.nodes.get(node) {
                Some(Node::Token(_)) => ways.waiting.push((Some(frame), past)),
                Some(Node::Anything) => {
                    ways.waiting.push((Some(frame.clone()), past.clone()));
                    open.push((next, past));
                }
                Some(Node::Sequence(parts)) => {
                    let all = parts.iter().rev().fold(next, |next, part| rest(Op::Run(*part), next));
                    open.push((all, past));
                }
                Some(Node::OneOf(parts)) => {
                    open.extend(parts.iter().rev().map(|part| (rest(Op::Run(*part), next.clone()), past.clone())));
                }
                Some(Node::Repeat { body, min, max }) => again(&mut open, *body, *min, *max, next, past),
                Some(Node::Rule(rule)) => enter(grammar, *rule, &mut open, next, past),
                Some(Node::Tag(_)) => open.push((next, then(What::Tag(node), past))),
                Some(Node::Nothing) => open.push((next, past)),
                Some(Node::Never) | None => {}
            },
        }
    }
    ways
}

fn enter(grammar: &Grammar, rule: usize, open: &mut Vec<(Rest, Past)>, next: Rest, past: Past) {
    if let Some((_, body)) = grammar.rules.get(rule) {
        open.push((rest(Op::Run(*body), rest(Op::Close, next)), then(What::Open(rule), past)));
    }
}

/// Once more, if it may; and on, if it has been often enough. More is tried first.
fn again(open: &mut Vec<(Rest, Past)>, body: NodeId, min: u32, max: Option<u32>, next: Rest, past: Past) {
    if min == 0 {
        open.push((next.clone(), past.clone()));
    }
    if max != Some(0) {
        let left = Op::Again { body, min: min.saturating_sub(1), max: max.map(|max| max - 1) };
        open.push((rest(Op::Run(body), rest(left, next)), past));
    }
}

fn meaning(grammar: &Grammar, words: &[String], past: &Past) -> Meaning {
    if !grammar.has_tags() {
        let between = if grammar.mode == Mode::Dtmf { "" } else { " " };
        return Meaning::Text(words.join(between));
    }
    let mut events: Vec<Value> = Vec::new();
    let mut step = past.as_ref();
    while let Some(passed) = step {
        events.push(match passed.what {
            What::Open(rule) => json!(["(", grammar.rules.get(rule).map_or("", |(name, _)| name.as_str())]),
            What::Word(at) => json!(["t", words.get(at)]),
            What::Tag(node) => match grammar.nodes.get(node) {
                Some(Node::Tag(tag)) => json!(["g", tag, grammar.literal]),
                _ => json!(["t", ""]),
            },
            What::Close => json!([")"]),
        });
        step = passed.before.as_ref();
    }
    events.reverse();
    Meaning::Tagged(Value::Array(events))
}
