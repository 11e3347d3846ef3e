//! What is heard where a packet is missing: the last pitch period again, fading (after the idea of G.711 Appendix I, without
//! its delay), and a soft way back.

/// 48 ms of the past: three periods of the lowest voice.
const HISTORY: usize = 384;
/// Periods of 2.5 ms (400 Hz) to 15 ms (66 Hz).
const SHORTEST: usize = 20;
const LONGEST: usize = 120;
/// What is compared to find the period: 20 ms.
const COMPARED: usize = 160;
/// Whole for the first 10 ms, silent after 60 ms.
const WHOLE: usize = 80;
const SILENT: usize = 480;
/// The way back: 5 ms.
const BACK: usize = 40;

/// One voice's.
#[derive(Clone)]
pub(super) struct Concealer {
    /// The last samples that were heard, the oldest first.
    history: [i16; HISTORY],
    /// While packets are missing.
    gap: Option<Gap>,
}

#[derive(Clone)]
struct Gap {
    /// One period that joins itself.
    period: [i16; LONGEST],
    len: usize,
    /// What the first samples are off by, so that nothing jumps.
    offset: f32,
    /// Samples made so far.
    made: usize,
}

impl Default for Concealer {
    fn default() -> Concealer {
        Concealer { history: [0; HISTORY], gap: None }
    }
}

impl Concealer {
    /// Samples that came: after a gap its last sound fades into them.
    pub(super) fn good(&mut self, samples: &mut [i16]) {
        if let Some(mut gap) = self.gap.take() {
            let len = samples.len().min(BACK);
            for (at, sample) in samples.iter_mut().take(len).enumerate() {
                let new = (at + 1) as f32 / (len + 1) as f32;
                *sample = (f32::from(*sample) * new + gap.next() * (1.0 - new)) as i16;
            }
        }
        self.remember(samples);
    }

    /// Samples that did not come.
    pub(super) fn lost(&mut self, out: &mut [i16]) {
        let mut gap = self.gap.take().unwrap_or_else(|| Gap::after(&self.history));
        for sample in &mut *out {
            *sample = gap.next() as i16;
        }
        self.gap = Some(gap);
        self.remember(out);
    }

    fn remember(&mut self, samples: &[i16]) {
        let tail = &samples[samples.len().saturating_sub(HISTORY)..];
        self.history.copy_within(tail.len().., 0);
        self.history[HISTORY - tail.len()..].copy_from_slice(tail);
    }
}

impl Gap {
    fn after(history: &[i16; HISTORY]) -> Gap {
        let len = period(history);
        let mut period = [0; LONGEST];
        period[..len].copy_from_slice(&history[HISTORY - len..]);
        // Its end goes over into what preceded its beginning.
        let quarter = len / 4;
        for at in 0..quarter {
            let before = f32::from(history[HISTORY - len - quarter + at]);
            let new = (at + 1) as f32 / (quarter + 1) as f32;
            let end = &mut period[len - quarter + at];
            *end = (f32::from(*end) * (1.0 - new) + before * new) as i16;
        }
        let offset = f32::from(history[HISTORY - 1]) - f32::from(history[HISTORY - 1 - len]);
        Gap { period, len, offset, made: 0 }
    }

    fn next(&mut self) -> f32 {
        let quarter = (self.len / 4).max(1);
        let near = 1.0 - (self.made as f32 / quarter as f32).min(1.0);
        let level = match self.made {
            ..WHOLE => 1.0,
            SILENT.. => 0.0,
            made => 1.0 - (made - WHOLE) as f32 / (SILENT - WHOLE) as f32,
        };
        // `len` is at most LONGEST.
        let sample = f32::from(self.period[self.made % self.len]) + self.offset * near;
        self.made += 1;
        (sample * level).clamp(-32_768.0, 32_767.0)
    }
}

/// The period in which the past repeats itself best: every other lag and sample first, then around it.
fn period(history: &[i16; HISTORY]) -> usize {
    let likeness = |lag: usize, step: usize| {
        let (mut product, mut power) = (0.0f32, 1.0f32);
        for at in (HISTORY - COMPARED..HISTORY).step_by(step) {
            let (now, then) = (f32::from(history[at]), f32::from(history[at - lag]));
            product += now * then;
            power += then * then;
        }
        product / power.sqrt()
    };
    let best = |lags: &mut dyn Iterator<Item = usize>, step: usize| {
        lags.map(|lag| (likeness(lag, step), lag)).max_by(|a, b| a.0.total_cmp(&b.0)).map_or(LONGEST, |(_, lag)| lag)
    };
    let rough = best(&mut (SHORTEST..=LONGEST).step_by(2), 2);
    best(&mut (rough.saturating_sub(2).max(SHORTEST)..=(rough + 2).min(LONGEST)), 1)
}
