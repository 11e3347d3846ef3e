//! Fixtures of `crates/vxml` held over real calls: each talk of the sample is a call of its own over TLS and SRTP, through
//! the border and the call server to a voice browser whose pages, voice and recogniser are a web server's. The caller hears
//! what a text is by its tones, answers once what was to be heard was heard, and in the end has heard what the typed talk
//! says, no more and no less.

mod audio;
mod caller;
mod link;
mod server;
mod talk;
mod tones;

/// A test in its own crate.
macro_rules! fixture {
    ($name:ident, $talk:block) => {
        #[allow(dead_code, reason = "not all of them are in the sample")]
        pub(super) fn $name() $talk
    };
}

#[path = "../../../../vxml/tests/fixtures/events.rs"]
mod events;
#[path = "../../../../vxml/tests/fixtures/form.rs"]
mod form;
#[path = "../../../../vxml/tests/fixtures/input.rs"]
mod input;
#[path = "../../../../vxml/tests/fixtures/items.rs"]
mod items;
#[path = "../../../../vxml/tests/fixtures/navigate.rs"]
mod navigate;
#[path = "../../../../vxml/tests/fixtures/prompts.rs"]
mod prompts;
#[path = "../../../../vxml/tests/fixtures/variables.rs"]
mod variables;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::caller::{Caller, Way};
use self::server::Server;
use self::talk::Talk;
use self::tones::Voice;
use super::https::serve_https;
use super::*;

const NETWORK: &str = "127.41.80.";
/// Calls at a time.
const AT_ONCE: usize = 16;

macro_rules! sample {
    ($($module:ident { $($name:ident)* })*) => {
        &[$($((stringify!($name), $module::$name as fn())),*),*]
    };
}

/// What is not here needs another clock (`!wait`), a caller whose address the documents know, two pages at one moment, or
/// has a test of its own on calls.
const SAMPLE: &[(&str, fn())] = sample! {
    form {
        section_2_1_items_are_visited_in_document_order_until_all_are_filled
        section_2_1_2_an_item_with_a_value_or_a_false_condition_is_passed_over
        section_2_1_4_expr_gives_the_initial_value_and_clear_takes_it_away
        section_2_1_5_mixed_initiative_one_sentence_fills_two_fields
        section_2_2_a_menu_goes_where_its_choice_says
        section_2_2_1_dtmf_true_gives_keys_to_choices_that_have_none
        section_2_2_4_enumerate_with_a_template
        section_2_3_1_3_options_give_their_value
        section_2_3_1_the_shadow_variable_tells_how_it_was_said
        section_2_3_2_a_block_is_done_once
        section_2_4_filled_any_and_all
        section_2_4_filled_of_an_item_comes_in_document_order_and_can_send_elsewhere
        section_2_5_a_link_holds_for_all_dialogs_of_its_document
        appendix_c_a_form_without_items_ends
        section_5_3_6_clear_resets_the_prompt_counter
    }
    items {
        section_2_3_6_what_was_recorded_is_heard_again
        section_2_3_6_silence_is_a_noinput
        section_2_3_6_with_dtmfterm_false_keys_do_not_end_it
        section_2_3_6_it_ends_at_maxtime_and_its_type_is_as_ordered
        section_2_3_7_1_a_blind_transfer_leaves_with_an_event
        section_2_3_7_a_destination_that_cannot_be
        section_2_3_5_an_object_that_nobody_knows
        section_2_3_4_a_subdialog_returns_values_and_sees_its_parameters_only
        section_2_3_4_a_parameter_that_nobody_declared
        section_5_3_10_return_can_throw_in_the_caller
    }
    input {
        appendix_d_a_field_that_can_take_no_more_is_complete_at_once
        appendix_d_the_terminating_key_ends_it_and_is_no_part_of_it
        appendix_d_a_key_that_no_grammar_takes_is_a_nomatch
        section_3_1_2_grammars_of_both_forms_inline_and_fetched
        section_3_1_1_4_a_grammar_that_is_not_there_or_wrong_is_badfetch
        section_3_1_4_grammars_of_other_dialogs_with_document_scope_are_active
        section_3_1_4_a_modal_field_hears_only_its_own
        section_3_1_6_an_object_gives_a_field_its_slot
        section_4_1_5_a_key_barges_into_a_prompt_that_allows_it
        section_4_1_5_1_with_hotword_only_a_match_barges_in
        section_6_3_2_confidence_and_6_3_6_inputmodes
    }
    events {
        section_5_2_1_throw_reaches_the_nearest_catch_with_its_message
        section_5_2_2_a_catch_names_events_by_their_first_tokens
        section_5_2_2_the_highest_count_that_was_reached_is_taken
        section_5_2_2_a_condition_decides_whether_a_catch_counts
        section_5_2_4_handlers_are_inherited_from_item_form_document_and_root
        section_5_2_4_of_two_in_one_place_the_first_is_taken
        section_5_2_3_short_forms_are_catches
        section_5_2_5_what_the_platform_does_where_nobody_catches
        section_5_2_6_errors_have_places_in_the_log
        section_5_2_6_a_page_that_is_not_there_is_badfetch_with_its_status
        section_5_2_6_a_page_that_is_wrong_is_badfetch_and_each_problem_is_logged
        section_5_3_13_an_event_without_reprompt_is_not_followed_by_the_prompt
        section_5_2_6_a_hang_up_is_an_event_and_nobody_is_asked_after_it
        section_5_3_11_disconnect_hangs_up_and_goes_on_to_tidy
    }
    navigate {
        section_5_3_7_goto_another_dialog_item_or_document
        section_5_3_8_submit_sends_what_was_filled
        section_1_5_2_the_roots_variables_last_from_leaf_to_leaf
        section_1_5_2_from_root_to_leaf_and_back
        section_1_5_2_a_root_with_a_root_is_an_error
        vxml_2_1_section_5_data_is_read_by_script
        vxml_2_1_section_5_data_that_is_no_xml_or_not_there
        vxml_2_1_section_2_3_scripts_and_documents_by_expression
        section_5_3_9_exit_gives_values
    }
    prompts {
        section_4_1_1_speech_markup_is_read
        section_4_1_3_audio_has_alternates_and_undefined_is_none
        section_4_1_4_value_speaks_an_expression
        section_4_1_6_the_highest_count_that_was_reached_is_played
        section_4_1_6_prompts_of_one_count_are_all_played
        vxml_2_1_section_6_foreach_in_prompts_and_in_content
        vxml_2_1_section_6_1_the_last_mark_is_the_last_that_was_heard
    }
    variables {
        section_5_1_2_scopes_from_wide_to_narrow
        section_5_1_1_a_dialogs_variables_begin_anew_each_time
        section_5_3_1_a_second_var_without_a_value_changes_nothing
        section_5_3_2_assign_to_what_nobody_declared_is_an_error
        section_5_3_4_if_elseif_else
        section_5_3_12_scripts_declare_where_they_stand
    }
};

#[test]
fn what_fixtures_say_is_heard_over_srtp() {
    let mut names = Vec::new();
    let mut talks = Vec::new();
    for (name, fixture) in SAMPLE {
        let more = talk::of(*fixture);
        assert!(!more.is_empty(), "{name} has no talk");
        names.extend(more.iter().map(|_| *name));
        talks.extend(more);
    }
    let server: SocketAddr = format!("{NETWORK}90:8443").parse().unwrap();
    let mut lab = Lab::with(NETWORK, &site_of(&talks, server), |_| {});
    let (agent, at_agent) = staff_with(&mut lab, |plan| plan.say = None);
    // Whoever is put through to the agent is hung up on.
    std::thread::spawn(move || {
        while let Ok(line) = at_agent.recv() {
            if connected(&line).is_some() {
                agent.control_blocking(Control::HangUp);
            }
        }
    });
    let nodes = ["vvb1", "cube1"].map(|name| lab.process.node(name).unwrap().watch());
    let calls = talks.len();
    let stage = Arc::new(Server::new(talks));
    let answering = stage.clone();
    serve_https(&lab, server, move |request| answering.answer(&request));

    let failed = held(way(&lab), &stage);
    let words: Vec<String> = failed.iter().map(|(talk, why)| format!("{} {why}", names[*talk])).collect();
    assert!(words.is_empty(), "{} of {calls} talks:\n{}", words.len(), words.join("\n"));

    // What the nodes say of their parts: all under SRTP.
    for (journal, legs) in nodes.iter().zip([calls, 2 * calls]) {
        for _ in 0..legs {
            let leg = wait(journal, "each call's end", |line| match line {
                Journal::Leg(leg) => Some((**leg).clone()),
                _ => None,
            });
            assert!(leg.signalling.tls.as_ref().is_some_and(|tls| tls.mutual), "{:?}", leg.signalling);
            let media = leg.media.expect("facts of its media");
            assert!(media.is_protected() && media.auth_failed == 0, "{media:?}");
        }
    }
    lab.end();
}

#[test]
fn the_page_on_voicexml_names_the_fixtures_that_are_held_over_srtp() {
    let page = include_str!("../../../../../docs/vxml.md");
    let (_, section) = page.split_once("\n## Fixtures over SRTP\n").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let quoted =
        section.split('`').skip(1).step_by(2).filter(|name| name.contains("section_") || name.contains("appendix_"));
    let named: std::collections::BTreeSet<&str> = quoted.collect();
    let held: std::collections::BTreeSet<&str> = SAMPLE.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, held);
    assert!(held.len() >= 60, "a sample of sixty: {}", held.len());
}

/// The lab's site with an application for each talk.
fn site_of(talks: &[Talk], server: SocketAddr) -> String {
    let mut text = include_str!("site.toml").replace("127.18.133.", NETWORK).replace("SERVER", &server.to_string());
    for (talk, number) in talks.iter().zip(0..).map(|(talk, at)| (talk, Server::number(at))) {
        let first = talk.site.start().url.replace("app:/", "");
        text += &format!(
            "\n[[node.role.voice_browser.application]]\nnumber = \"{number}\"\ndocument = \"https://{server}/{number}/{first}\"\n"
        );
    }
    text
}

fn way(lab: &Lab) -> Way {
    let border = lab.site.node("cube1").unwrap();
    let name = "cube1.lab.example".to_owned();
    let Papers { identity, roots_pem } = lab.papers("caller.lab.example");
    let versions = trust::tls::Versions { tls12: true, tls13: true };
    let tls = trust::tls::client(&identity.unwrap(), &roots_pem, versions, std::slice::from_ref(&name)).unwrap();
    Way {
        from: lab.address(76),
        border: SocketAddr::new(border.address, border.secure_port),
        name: name.try_into().unwrap(),
        tls: tls.into(),
    }
}

/// All talks, so many at a time; those that went otherwise, and how.
fn held(way: Way, server: &Arc<Server>) -> Vec<(usize, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (free, mut calls) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
        for talk in 0..server.talks.len() {
            let (way, server, free) = (way.clone(), server.clone(), free.clone());
            calls.spawn(async move {
                let _one = free.acquire().await.unwrap();
                (talk, hold(&way, &server, talk).await)
            });
        }
        let mut failed = Vec::new();
        while let Some(done) = calls.join_next().await {
            let (talk, outcome) = done.unwrap();
            failed.extend(outcome.err().map(|why| (talk, why)));
        }
        failed
    })
}

/// One talk, as a call.
async fn hold(way: &Way, server: &Server, at: usize) -> Result<(), String> {
    let talk = &server.talks[at];
    let mut caller = Caller::call(way, &Server::number(at).to_string()).await;
    let (mut expected, mut recorded, mut over) = (Vec::new(), Vec::new(), false);
    for (said, line) in talk.turns.iter().zip(talk.lines.iter().map(Some).chain([None])) {
        expected.extend(audible(said, &recorded));
        over |= said.iter().any(|line| line.starts_with("ends"));
        if over {
            break;
        }
        let line = line.expect("a talk has an end");
        let (early, line) = (line.starts_with('~'), line.trim_start_matches('~'));
        let wanted = expected.join(" ");
        if !caller.until(|caller| caller.is_over() || heard(caller, server, !early).join(" ") == wanted).await {
            return Err(format!("ahead of {line:?}: wanted {wanted:?}, heard {:?}", heard(&caller, server, false)));
        }
        if caller.is_over() {
            return Err(format!("the call ended ahead of {line:?}: heard {:?}", heard(&caller, server, false)));
        }
        let (is_keys, before) = (line.chars().all(|c| "0123456789*#".contains(c)), said.last().map(String::as_str));
        match line {
            "" => {}
            "!hangup" => caller.hang_up(),
            // Whoever is called decides what becomes of it.
            _ if before.is_some_and(|line| line.starts_with("transfers: ")) => {}
            keys if is_keys => caller.press(keys),
            words => {
                recorded.push(words.to_owned());
                caller.say(&server.book.caller(words));
            }
        }
    }
    let ended = caller.until(Caller::is_over).await;
    let (wanted, heard) = (expected.join(" "), heard(&caller, server, false).join(" "));
    let cut = cut(&caller, server);
    let (packets, strange) = caller.end().await;
    let asks = |line: &&String| line.starts_with("get: ") || line.starts_with("post: ");
    let asking: Vec<String> = talk.turns.iter().flatten().filter(asks).cloned().collect();
    match () {
        () if !ended => Err(format!("nobody hung up: wanted {wanted:?}, heard {heard:?}")),
        () if heard != wanted => Err(format!("wanted {wanted:?}, heard {heard:?}")),
        () if cut != expected.iter().filter(|text| text.starts_with("long ")).cloned().collect::<Vec<_>>() => {
            Err(format!("heard in part: {cut:?}"))
        }
        () if asking != server.asked(at) => Err(format!("wanted {asking:?}, asked was {:?}", server.asked(at))),
        () if strange > 0 || (packets == 0) != wanted.is_empty() => {
            Err(format!("{packets} packets under SRTP, {strange} not"))
        }
        () => Ok(()),
    }
}

/// Texts that a caller was told, in order: those that were told whole, or all of which the beginning was heard. Of what the
/// caller said and heard again, several times over, each once.
fn heard(caller: &Caller, server: &Server, whole: bool) -> Vec<String> {
    let mut heard = caller.ears.heard.clone();
    heard.retain(|heard| heard.whole || (!whole && heard.voice == Voice::Service));
    heard.dedup_by(|next, before| next.voice == Voice::Caller && next == before);
    heard.iter().map(|heard| server.book.text(heard.number)).collect()
}

/// Texts that were stopped: another began, or the call ended.
fn cut(caller: &Caller, server: &Server) -> Vec<String> {
    let cut = caller.ears.heard.iter().filter(|heard| heard.voice == Voice::Service && !heard.whole);
    cut.map(|heard| server.book.text(heard.number)).collect()
}

/// What of a typed talk is for ears: without pauses and marks, and a recording is what was said.
fn audible(lines: &[String], recorded: &[String]) -> Vec<String> {
    let said = lines.iter().filter_map(|line| line.strip_prefix("says: "));
    let mut words: Vec<String> = Vec::new();
    for text in said {
        let mut text = text.to_owned();
        for (at, what) in recorded.iter().enumerate() {
            text = text.replace(&format!("[recording:{}]", at + 1), what);
        }
        for (open, close) in [(" (", " ms)"), (" <", ">")] {
            while let Some((before, rest)) = text.split_once(open) {
                let (_, behind) = rest.split_once(close).expect("its end");
                text = format!("{before}{behind}");
            }
        }
        words.push(text);
    }
    words
}
