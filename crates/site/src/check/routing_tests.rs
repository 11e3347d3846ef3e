//! Routing as the guide writes it, and with one thing wrong: the message must say what a person needs, at its place.

use crate::{Checked, Severity, Site};

const LAB: &str = include_str!("../../../../examples/lab.toml");
const GUIDE: &str = include_str!("../../../../docs/routing.md");

/// The lab with the guide's centre in its call server.
fn centre() -> String {
    let (_, rest) = GUIDE.split_once("```toml\n").expect("the guide shows a site");
    let (centre, _) = rest.split_once("```").expect("the block ends");
    let next = "# ── The voice browsers";
    assert!(LAB.contains(next));
    LAB.replacen(next, &format!("{centre}\n{next}"), 1)
        .replacen("pattern = \"6016\"", "pattern = \"6016\"\ncall_type = \"main\"", 1)
        .replacen("{ digit = \"1\", queue = \"sales\" }", "{ digit = \"1\", queue = \"acd\" }", 1)
        // The lab has two phones, and its second agent the extension that the guide's agent has.
        .replacen("extension = \"1001\"               #", "extension = \"1002\" #", 1)
        .replacen("id = \"1002\"\nextension = \"1002\"\nqueues = [\"sales\"]", "", 1)
        .replacen("[[node.role.call_server.agent]]\n\n", "", 1)
}

fn with(from: &str, to: &str) -> Checked {
    let text = centre();
    assert!(text.contains(from), "the centre has no `{from}`");
    Site::check(&text.replacen(from, to, 1))
}

#[test]
fn the_guide_s_centre_is_right_and_means_what_it_says() {
    let checked = Site::check(&centre());
    let words: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    assert!(words.is_empty(), "{}", words.join("\n\n"));
    let site = checked.site.expect("no problem, so a site");
    let crate::Role::CallServer(server) = &site.node("cvp1").expect("the call server").role else { panic!("a role") };
    let plan = server.routing().plan;
    let english = &plan.queues[1];
    assert_eq!((english.name.as_str(), english.order, english.steps.len()), ("english", acd::Order::MostSkilled, 2));
    assert_eq!(english.steps[0].who.to_string(), "english >= 7 and billing");
    assert_eq!(english.wrap_up.as_secs(), 15);
    let agent = plan.agents.iter().find(|agent| agent.id.0 == "1003").expect("the guide's agent");
    assert_eq!((agent.attributes["english"], agent.attributes["billing"]), (8, 10));
    assert!(english.is_served_by(agent) && !plan.queues[0].is_served_by(agent));
    assert_eq!(plan.scripts[0].steps.len(), 5);
    assert_eq!(plan.call_types[0].when, [("office".to_owned(), "day".to_owned())]);
    assert_eq!(plan.code("lunch"), Some(10));
}

#[test]
fn each_mistake_of_routing_is_told_at_its_place() {
    const AT: &str = "node.cvp1.role.call_server.";
    #[rustfmt::skip]
    let table: &[(&str, &str, &str, &str, &str)] = &[
        ("then = \"patience\" } } },", "then = \"patient\" } } },", "script.day.step.wait.do.queue.then", "sends a call nowhere: there is no step `patient`", "`staff`, `busy`"),
        ("{ queue = \"english\", wait_s = 60, then = \"patience\" }", "{ queue = \"english\" }", "script.day.step.patience.name", "no caller comes to step `patience`", "remove it"),
        ("{ queue = \"sales\", priority = 2 }", "{ queue = \"sale\", priority = 2 }", "script.day.step.sales.do.queue.queue", "there is no queue `sale`", "`sales`, `english`"),
        ("then = \"busy\", otherwise", "then = \"staff\", otherwise", "script.day.step.staff.name", "script `day` loops: staff → staff and no time passes", "wait_s"),
        ("step = [{ name = \"closed\", do = { end = {} } }]", "", "script.night.step", "script `night` has no step: it sends a call nowhere", "add a step"),
        ("who = \"english >= 7 and billing\"", "who = \"englisch >= 7\"", "queue.english.step.englisch >= 7.who", "no agent has the attribute `englisch`", "did you mean `english`?"),
        ("who = \"english >= 7 and billing\"", "who = \"english >= 70\"", "queue.english.step.english >= 70.who", "a level from 0 to 10", "write for example"),
        ("attributes = [\"english = 8\", \"billing\"]", "attributes = [\"english = 11\", \"billing\"]", "agent.1003.attributes", "`english = 11` is not an attribute", "from 1 to 10"),
        ("team = \"day\"", "team = \"dya\"", "agent.1003.team", "there is no team `dya`", "did you mean `day`?"),
        ("supervisors = [\"1001\"]", "supervisors = [\"1009\"]", "team.day.supervisors", "there is no agent `1009`", ""),
        ("time_zone = \"CET-1CEST,M3.5.0,M10.5.0/3\"", "time_zone = \"Europe/Berlin\"", "calendar.office.time_zone", "an offset from UTC", "(Berlin)"),
        ("\"mon-fri 09:00-17:30\"", "\"mon-fri 9-17\"", "calendar.office.open", "expected hours", "mon-fri"),
        ("\"12-25\"", "\"25.12.\"", "calendar.office.holidays", "expected a date", "2026-12-25"),
        ("{ calendar = \"office\", script = \"day\" }", "{ calendar = \"home\", script = \"day\" }", "call_type.main.when.home.calendar", "there is no calendar `home`", ""),
        ("otherwise = \"night\"", "otherwise = \"nite\"", "call_type.main.otherwise", "there is no script `nite`", "the scripts are `day`, `night`"),
        ("call_type = \"main\"", "call_type = \"mine\"", "dialled_number.6016.call_type", "there is no call_type `mine`", ""),
        ("code = 10\n", "code = 999\n", "reason_code.lunch.code", "the system's own", "3 to 998"),
        ("name = \"night\"\nstep", "name = \"sales\"\nstep", "script.sales.name", "the name of something else", "another name"),
        ("do = { end = {} }", "do = { end = {}, queue = { queue = \"sales\" } }", "script.night.step.closed.do", "there is one `do`", "two of it"),
        ("order = \"most_skilled\"", "order = \"prettiest\"", "queue.english.order", "cannot be `prettiest`", "longest_idle"),
        ("queue = \"acd\"", "queue = \"acdc\"", "", "there is no queue `acdc`", ""),
    ];
    let mut wrong = Vec::new();
    for (from, to, path, what, fix) in table {
        let checked = with(from, to);
        let place = |found: &str| path.is_empty() || found == format!("{AT}{path}");
        let fits =
            |problem: &crate::Problem| place(&problem.path) && problem.what.contains(what) && problem.fix.contains(fix);
        if !checked.problems.iter().any(fits) {
            let got: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
            wrong.push(format!("`{from}` → `{to}`: wanted {path}: …{what}… = …{fix}…\ngot:\n{}", got.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Round and round is right as long as time passes.
#[test]
fn a_round_through_a_wait_is_no_loop() {
    let checked = with("then = \"sales\" } } },\n  { name = \"sales\"", "then = \"wait\" } } },\n  { name = \"sales\"");
    let errors: Vec<_> = checked.problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
}
