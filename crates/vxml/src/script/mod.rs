//! ECMAScript (VoiceXML 2.0 §5.1, §5.3.12) by QuickJS, one engine a session: what a script may cost is counted, not timed,
//! so that a session runs the same when it is run again.

mod hoist;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::function::Rest;
use rquickjs::{Context, Ctx, Function, Object, Runtime, Value};

/// Memory that a session's scripts may hold.
const MEMORY: usize = 4 << 20;
/// Stack that they may use.
const STACK: usize = 192 << 10;
/// Looks at the fuel that one turn may take; QuickJS looks each 10,000 jumps and calls, and more often in a regular
/// expression: 5 to 50 ms of one core.
const FUEL: u64 = 100;

/// Scopes from the widest, as [`Engine`] numbers them (2.0 §5.1.2); the session's is 0.
pub(crate) const APPLICATION: i32 = 1;
pub(crate) const DOCUMENT: i32 = 2;
pub(crate) const DIALOG: i32 = 3;
/// The narrowest that is open.
pub(crate) const INNERMOST: i32 = -1;

/// Why a script gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// Its own fault: `error.semantic`.
    Wrong(String),
    /// It took more time, memory or stack than one turn may have.
    Stopped(String),
}

/// A session's variables and scripts.
pub(crate) struct Engine {
    context: Context,
    /// Owns what `context` lives in; dropped after it.
    _runtime: Runtime,
    spent: Arc<AtomicU64>,
}

type Outcome = Result<Option<String>, Failed>;

impl Engine {
    /// # Errors
    /// Words, where the system has no memory for one more engine.
    pub(crate) fn new(seed: u64) -> Result<Engine, String> {
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        runtime.set_memory_limit(MEMORY);
        runtime.set_max_stack_size(STACK);
        let spent = Arc::new(AtomicU64::new(0));
        let counter = spent.clone();
        runtime.set_interrupt_handler(Some(Box::new(move || counter.fetch_add(1, Ordering::Relaxed) >= FUEL)));
        // No promises, no BigInt, no typed arrays: ECMAScript 3 is asked for, and each is a way to be large or slow.
        let context = Context::builder()
            .with::<intrinsic::Eval>()
            .with::<intrinsic::Date>()
            .with::<intrinsic::RegExp>()
            .with::<intrinsic::RegExpCompiler>()
            .with::<intrinsic::Json>()
            .build(&runtime)
            .map_err(|error| error.to_string())?;
        let engine = Engine { context, _runtime: runtime, spent };
        engine.context.with(|ctx| {
            let mut options = EvalOptions::default();
            options.strict = false;
            ctx.eval_with_options::<(), _>(include_str!("prelude.js"), options).map_err(|error| error.to_string())
        })?;
        // The seed is folded to what the dice take.
        let folded = (seed ^ (seed >> 32)) as u32;
        engine.call("seed", &[&folded.to_string()]).map_err(|failed| format!("{failed:?}"))?;
        Ok(engine)
    }

    /// A new turn: its fuel is full again.
    pub(crate) fn refuel(&self) {
        self.spent.store(0, Ordering::Relaxed);
    }

    /// What `Date` says from now on, in ms since 1970.
    pub(crate) fn clock(&self, wall_ms: u64) {
        let _ = self.call("clock", &[&wall_ms.to_string()]);
    }

    fn call(&self, door: &str, arguments: &[&str]) -> Outcome {
        self.context.with(|ctx| {
            let found = || -> rquickjs::Result<Option<String>> {
                let doors: Object<'_> = ctx.globals().get("$vxml")?;
                let door: Function<'_> = doors.get(door)?;
                let value: Value<'_> = door.call((Rest(arguments.to_vec()),))?;
                value.as_string().map(|string| string.to_string()).transpose()
            };
            found().map_err(|error| self.failed(&ctx, &error))
        })
    }

    fn failed(&self, ctx: &Ctx<'_>, error: &rquickjs::Error) -> Failed {
        if !error.is_exception() {
            return Failed::Wrong(error.to_string());
        }
        let thrown = ctx.catch();
        let words = match thrown.as_exception() {
            Some(exception) => {
                let name: String = exception.as_object().get("name").unwrap_or_default();
                format!("{name}: {}", exception.message().unwrap_or_default())
            }
            // Where there is no memory left for an exception.
            None if thrown.is_null() => "out of memory".to_owned(),
            None => thrown
                .as_string()
                .and_then(|text| text.to_string().ok())
                .unwrap_or_else(|| "something was thrown".into()),
        };
        let spent = self.spent.load(Ordering::Relaxed) > FUEL;
        if spent {
            return Failed::Stopped("it ran too long".into());
        }
        match words.contains("out of memory") || words.contains("call stack size") || words.contains("stack overflow") {
            true => Failed::Stopped(words),
            false => Failed::Wrong(words),
        }
    }

    // --- scopes
    pub(crate) fn session(&self, json: &str) -> Outcome {
        self.call("session", &[json])
    }

    /// An execution context of its own, with the session's variables only (2.0 §2.3.4).
    pub(crate) fn open(&self) -> Outcome {
        self.call("open", &[])
    }

    /// Back to the context before.
    pub(crate) fn close(&self) -> Outcome {
        self.call("close", &[])
    }

    /// A scope within the innermost; `name` is how expressions call it (`document`, `dialog`, none for anonymous).
    pub(crate) fn enter(&self, name: &str) -> Outcome {
        self.call("enter", &[name])
    }

    /// The document is its own root document.
    pub(crate) fn alone(&self) -> Outcome {
        self.call("alone", &[])
    }

    /// Leaves all scopes but the widest `depth`.
    pub(crate) fn leave(&self, depth: i32) -> Outcome {
        self.call("leave", &[&depth.to_string()])
    }

    // --- variables
    /// Makes a variable; without an expression it is undefined.
    pub(crate) fn declare(&self, level: i32, name: &str, expr: Option<&str>) -> Outcome {
        match expr {
            Some(expr) => self.call("declare", &[&level.to_string(), name, expr]),
            None => self.call("declare", &[&level.to_string(), name]),
        }
    }

    pub(crate) fn is_known(&self, level: i32, name: &str) -> bool {
        self.call("known", &[&level.to_string(), name]).is_ok_and(|known| known.is_some())
    }

    /// Gives a variable a value that is data.
    pub(crate) fn put(&self, level: i32, name: &str, value: &serde_json::Value) -> Outcome {
        self.call("put", &[&level.to_string(), name, &value.to_string()])
    }

    /// Makes a variable of one scope undefined, whatever its name looks like.
    pub(crate) fn put_undefined(&self, level: i32, name: &str) -> Outcome {
        self.call("put", &[&level.to_string(), name])
    }

    /// What was heard last, with its alternatives (2.0 §5.1.5).
    pub(crate) fn last_result(&self, json: &serde_json::Value) -> Outcome {
        self.call("result", &[&json.to_string()])
    }

    /// Gives a variable a document to read (2.1 §5).
    pub(crate) fn put_document(&self, level: i32, name: &str, tree: &serde_json::Value) -> Outcome {
        self.call("adopt", &[&level.to_string(), name, &tree.to_string()])
    }

    /// `<assign>`: a variable that nobody declared is an error.
    pub(crate) fn assign(&self, name: &str, expr: &str) -> Outcome {
        self.call("assign", &[name, expr])
    }

    /// Makes a variable undefined.
    pub(crate) fn clear(&self, name: &str) -> Outcome {
        self.call("clear", &[name])
    }

    pub(crate) fn is_undefined(&self, level: i32, name: &str) -> bool {
        self.call("unset", &[&level.to_string(), name]).is_ok_and(|unset| unset.is_some())
    }

    // --- expressions
    pub(crate) fn string(&self, expr: &str) -> Result<String, Failed> {
        Ok(self.call("string", &[expr])?.unwrap_or_default())
    }

    pub(crate) fn truth(&self, expr: &str) -> Result<bool, Failed> {
        Ok(self.call("truth", &[expr])?.is_some())
    }

    /// The value as data; `None` is undefined (or a function).
    pub(crate) fn json(&self, expr: &str) -> Result<Option<serde_json::Value>, Failed> {
        let Some(text) = self.call("json", &[expr])? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| Failed::Wrong(error.to_string()))
    }

    /// What `typeof` says.
    pub(crate) fn type_of(&self, expr: &str) -> Result<String, Failed> {
        Ok(self.call("type", &[expr])?.unwrap_or_default())
    }

    /// Runs a `<script>` in a scope.
    pub(crate) fn script(&self, level: i32, source: &str) -> Outcome {
        let hoisted = hoist::hoist(source);
        self.call("script", &[&level.to_string(), &hoisted.variables.join(" "), &hoisted.source])
    }

    // --- <foreach>
    /// How many items the array has; ends with [`Engine::done`].
    pub(crate) fn foreach(&self, array: &str) -> Result<usize, Failed> {
        Ok(self.call("foreach", &[array])?.and_then(|count| count.parse().ok()).unwrap_or(0))
    }

    pub(crate) fn item(&self, at: usize, name: &str) -> Outcome {
        self.call("item", &[&at.to_string(), name])
    }

    pub(crate) fn done(&self) -> Outcome {
        self.call("done", &[])
    }

    // --- grammars
    /// The meaning of what was matched, from its rules, words and tags (SISR 1.0).
    pub(crate) fn interpret(&self, events: &serde_json::Value) -> Result<serde_json::Value, Failed> {
        let text = self.call("interpret", &[&events.to_string()])?.unwrap_or_else(|| "null".into());
        serde_json::from_str(&text).map_err(|error| Failed::Wrong(error.to_string()))
    }

    // --- checking
    /// Whether this is an expression, without running it.
    pub(crate) fn compiles(&self, expr: &str) -> Outcome {
        self.call("compiles", &[expr])
    }

    pub(crate) fn compiles_script(&self, source: &str) -> Outcome {
        self.call("compiles_script", &[source])
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

#[cfg(test)]
mod tests;
