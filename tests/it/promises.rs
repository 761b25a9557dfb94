//! What the crate promises about a run, sentence by sentence, and the tests that hold each.
//!
//! A test is named by its file and its function: first below this folder, then below `tests`, then below the repository.

use std::fs;
use std::path::Path;

use crate::ROOT;

const PROMISES: &[(&str, &[&str])] = &[
    (
        "1. Three retries after 0, 0.6 and 1.2 s with full jitter are the default, and hints up to 120 s are honoured.",
        &[
            "policy::the_defaults_are_the_recipes",
            "jitter::jitter_is_full_unless_set",
            "peers::the_default_policy_waits",
        ],
    ),
    (
        "1. A policy is plain data of 64 bytes that can be a constant, be compared, be printed and be read from a file.",
        &[
            "policy::a_policy_is_64_bytes",
            "policy::a_policy_can_be_a_constant_of_the_program",
            "policy::a_policy_says_in_a_sentence_what_it_will_do",
            "traits::plain_data_is_copied_compared_and_used_as_a_key",
            "serde::a_policy_survives_the_round_trip",
        ],
    ),
    (
        "1. Setters saturate, and no setting panics.",
        &[
            "policy::nothing_a_setter_takes_makes_a_policy_panic",
            "extremes::the_ends_of_every_setting_through_every_door",
            "core::a_contradictory_policy_is_followed_and_does_not_panic",
        ],
    ),
    (
        "1. A contradiction is named with its value and what is allowed; in a constant it does not compile.",
        &[
            "policy::each_contradiction_is_found_and_named_with_its_value_and_what_is_allowed",
            "policy::a_checked_contradiction_panics_and_names_its_field",
            "attribute::literals_are_checked_only_where_no_expression_can_resolve_the_contradiction",
        ],
    ),
    (
        "1. `total` counts retries, and `forever` has no limit.",
        &["core::total_counts_retries_and_not_attempts", "core::a_run_without_limit_goes_on", "attribute::forever"],
    ),
    (
        "2. A backoff is an iterator that yields what urllib3 waits.",
        &[
            "src::policy::backoff::exponential_waits_are_those_of_urllib3",
            "backoff::exponential_waits_are_those_of_the_recipe",
            "backoff::a_backoff_never_ends",
        ],
    ),
    (
        "2. Each growth follows its formula up to its cap.",
        &[
            "backoff::each_growth_follows_its_formula",
            "backoff::the_longest_time_saturates",
            "src::policy::backoff::the_far_end_saturates_at_the_cap",
        ],
    ),
    (
        "2. A list of waits decides how many retries there are; a `total` after it caps it.",
        &[
            "doors::a_list_of_waits_decides_how_many_retries_there_are",
            "doors::an_endless_list_of_waits_retries_for_ever",
            "doors::a_total_after_a_list_of_waits_caps_it",
            "doors::a_list_of_waits_that_is_set_again_replaces_the_first",
            "doors::jitter_applies_to_a_list_of_waits_where_it_was_set",
        ],
    ),
    (
        "2. Jitter never lifts a wait above the cap.",
        &[
            "jitter::jitter_never_lifts_a_wait_above_the_cap",
            "jitter::drawn_waits_never_lie_above_the_cap_either",
            "peers::jitter_never_lifts_a_wait_above_the_cap",
        ],
    ),
    (
        "2. The preview, the forecast and the sentence say what a run waits.",
        &[
            "policy::no_wait_is_longer_than_its_preview",
            "policy::a_preview_is_reached_when_the_highest_number_is_drawn",
            "timeline::a_forecast_s_waits_are_those_of_its_preview",
        ],
    ),
    (
        "3. The rules are asked in their order, through every entry point.",
        &[
            "core::the_rules_are_asked_in_their_order",
            "core::the_core_does_what_the_plain_rules_allow",
            "doors::every_door_does_what_the_core_decides",
            "model::every_door_does_what_the_plain_account_says",
            "tower::it_does_what_every_other_door_does",
        ],
    ),
    (
        "3. There is no wait after the last attempt.",
        &[
            "peers::there_is_no_wait_after_the_last_attempt",
            "doors::on_retry_is_called_before_each_wait_and_not_for_the_last_failure",
        ],
    ),
    (
        "3. A success at the first try reads no clock, takes no timer, draws no number and allocates nothing.",
        &[
            "lazy::a_first_try_success_reads_no_clock_takes_no_timer_and_draws_no_wait",
            "alloc::a_first_try_success_allocates_nothing_in_any_door",
            "events::a_first_try_success_tells_nothing",
        ],
    ),
    (
        "4. A throttle fault never gets the immediate retry.",
        &[
            "core::a_throttle_fault_never_gets_the_immediate_retry",
            "core::a_base_above_the_cap_is_capped_for_a_throttle_too",
        ],
    ),
    (
        "5. A hint is a floor, with up to a fifth on top that never passes the deadline.",
        &[
            "core::a_hint_is_a_floor",
            "core::a_hint_gets_up_to_a_fifth_on_top",
            "core::what_is_on_top_of_a_hint_is_never_more_than_a_fifth_and_never_passes_the_deadline",
            "http::hints::every_form_of_a_hint_is_obeyed_ignored_or_refused",
        ],
    ),
    (
        "5. A hint above the ceiling ends the run at once, or is clamped.",
        &[
            "core::a_hint_above_the_ceiling_ends_the_run_and_the_reason_tells_it",
            "core::a_hint_above_the_ceiling_can_be_clamped",
            "peers::a_hint_of_six_hours_does_not_hang_the_caller",
        ],
    ),
    (
        "5. Hints are hostile input: every header is read in bounded work, and none panics.",
        &[
            "http::headers::no_value_panics",
            "http::headers::whole_seconds_are_exact",
            "http::headers::every_date_is_read_back",
            "src::http::date::what_is_no_date_is_not",
        ],
    ),
    (
        "6. No attempt begins at or after the deadline, and no wait begins that would reach it.",
        &[
            "time::no_entry_point_begins_a_wait_that_would_reach_the_deadline",
            "core::a_wait_that_ends_exactly_at_the_deadline_is_not_begun",
            "deadline::a_blocking_run_that_overslept_its_deadline_returns_its_last_error",
            "deadline::a_timed_run_that_overslept_its_deadline_ends_with_the_timeouts_error_and_makes_no_attempt",
        ],
    ),
    (
        "6. An attempt timeout cuts an attempt, and takes no more than the deadline leaves.",
        &[
            "time::no_attempt_takes_longer_than_its_timeout",
            "time::an_attempt_timeout_is_clipped_to_the_deadline",
            "time::a_cut_attempt_counts_as_a_timeout_whatever_its_error_says",
        ],
    ),
    (
        "6. An operation is told what remains when it starts, after any hook.",
        &[
            "doors::an_operation_can_be_told_its_number_and_what_is_left",
            "doors::what_is_left_to_an_attempt_is_counted_when_its_operation_starts_after_any_hook",
        ],
    ),
    (
        "7. Each fault's own limit counts its own faults, and the lower limit wins.",
        &[
            "core::each_faults_own_limit_counts_its_own_faults_only",
            "core::the_lower_of_total_and_the_faults_own_limit_wins",
            "core::timeouts_share_the_limit_of_reads_and_throttles_that_of_statuses",
        ],
    ),
    (
        "7. A fault can have waits of its own, counted by themselves.",
        &["streaks::each_fault_has_waits_of_its_own_counted_by_themselves_through_every_entry_point"],
    ),
    (
        "8. What is not idempotent is repeated only where it provably reached nobody.",
        &[
            "core::what_is_not_idempotent_is_retried_only_where_nothing_was_reached",
            "doors::what_may_have_taken_effect_is_not_repeated_by_any_door",
            "classify::only_a_refused_connection_proves_that_nothing_was_reached",
        ],
    ),
    (
        "8. HTTP decides by the method; a key makes a POST repeatable.",
        &[
            "http::doors::a_post_is_sent_once_unless_it_has_a_key",
            "http::ureq::a_post_is_sent_once_unless_it_has_a_key",
            "http::tower::a_post_is_sent_once_unless_it_may_be_repeated",
            "http::faults::through_the_door_for_reqwest_no_fault_executes_a_post_twice",
        ],
    ),
    (
        "8. A verdict speaks about the call that failed and about nothing that the body did before it.",
        &["doors::one_effect_per_attempt_is_not_repeated_by_any_door"],
    ),
    (
        "9. A budget charges a retry when it is decided and gives the charge back if it never starts; first attempts are free.",
        &[
            "budget::a_ratio_keeps_the_account_of_a_plain_model",
            "guards::a_run_that_is_dropped_gives_back_what_it_did_not_use",
            "guards::who_refuses_a_retry_keeps_no_charge",
        ],
    ),
    (
        "9. A half-open breaker admits exactly one probe.",
        &[
            "breaker::half_open_admits_exactly_one_of_many_threads",
            "breaker::no_two_probes_run_at_once_on_real_threads",
            "breaker::a_probe_that_is_dropped_frees_its_place",
        ],
    ),
    (
        "9. An adaptive throttle always lets a probe through.",
        &["adaptive::one_attempt_a_second_is_let_through_however_bad_it_is", "adaptive::the_probability_is_the_book_s"],
    ),
    (
        "9. Budgets by key are bounded.",
        &["budget::each_key_has_a_budget_of_its_own", "budget::made_up_keys_get_neither_memory_nor_fresh_tokens"],
    ),
    (
        "10. An outer run can stop once an inner one has given up.",
        &[
            "nesting::three_layers_of_four_attempts_are_64_calls_or_with_give_up_4",
            "nesting::every_door_tells_a_nested_failure_in_its_report",
        ],
    ),
    (
        "11. No two threads or clones repeat a draw; a seed gives the same waits everywhere.",
        &[
            "src::time::entropy::no_two_threads_share_a_draw",
            "jitter::no_two_threads_draw_the_same_waits",
            "jitter::clones_of_an_unseeded_backoff_do_not_repeat_a_stream",
            "jitter::the_same_seed_draws_the_same_waits",
            "doors::the_same_seed_waits_the_same_in_every_door",
        ],
    ),
    (
        "12. Progress begins the limits anew; the pace begins anew only when it was earned.",
        &[
            "streaks::progress_begins_the_count_anew_through_every_entry_point",
            "streaks::a_server_that_gives_one_item_and_closes_is_not_hammered",
            "streaks::the_waits_begin_anew_after_an_attempt_as_long_as_the_wait_before_it",
            "streaks::an_attempt_that_was_healthy_begins_a_new_streak_through_every_entry_point",
            "streaks::an_earned_progress_begins_the_waits_of_every_fault_anew",
        ],
    ),
    (
        "12. A run can give up once failures have lasted too long.",
        &[
            "streaks::a_run_gives_up_once_failures_have_lasted_too_long_without_progress",
            "streaks::failures_that_last_too_long_end_a_run_through_every_entry_point",
        ],
    ),
    (
        "13. A handle or a future ends a run's waits; it returns its last outcome, and an attempt that is running finishes.",
        &[
            "stopping::a_run_that_was_stopped_makes_its_first_attempt_and_returns_its_outcome_through_every_entry_point",
            "stopping::an_attempt_that_is_running_finishes_and_no_other_begins_through_every_entry_point",
            "stopping::a_blocking_wait_ends_at_once",
            "stopping::a_wait_of_any_blocking_timer_can_be_ended",
            "stopping::an_async_wait_ends_when_its_future_does_through_every_entry_point",
        ],
    ),
    (
        "14. An error that no rule knows says so, and one's own types can be named.",
        &[
            "any_of::an_error_that_no_rule_knows_says_so_through_every_entry_point",
            "any_of::ones_own_types_are_found_in_every_kind_of_box",
        ],
    ),
    (
        "15. Dropping the future at any point leaves nothing behind and charges nothing twice.",
        &[
            "cancel::dropping_the_future_at_any_point_drops_the_attempt_and_the_timer",
            "drops::nothing_is_left_wherever_a_run_is_dropped",
            "model::a_run_that_is_dropped_anywhere_has_done_what_the_account_says_until_then",
            "tower::dropping_the_response_leaves_nothing_behind",
        ],
    ),
    (
        "15. A panic passes through and leaves shared state usable.",
        &[
            "cancel::a_panic_in_the_operation_passes_through_every_door",
            "cancel::a_panic_in_a_hook_passes_through_every_door",
            "guards::a_panic_anywhere_leaves_the_guards_usable",
        ],
    ),
    ("16. Hooks that are set twice run in their order.", &["doors::several_hooks_are_called_in_their_order"]),
];

/// The file of a test, and its function.
fn find(test: &str) -> Option<(String, &str)> {
    let (file, name) = test.rsplit_once("::")?;
    let file = file.replace("::", "/") + ".rs";
    let paths = [format!("tests/it/{file}"), format!("tests/{file}"), file];
    Some((paths.iter().find_map(|path| fs::read_to_string(Path::new(ROOT).join(path)).ok())?, name))
}

/// Whether the source has this function, as a test.
fn is_test(source: &str, name: &str) -> bool {
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let declared = |line: &str| line.split_once("fn ").is_some_and(|(_, rest)| rest.starts_with(&format!("{name}(")));
    let mut places = lines.iter().enumerate().filter(|(_, line)| declared(line));
    places.any(|(place, _)| {
        let above = lines[..place].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        above.into_iter().any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

#[test]
fn every_promise_has_tests_and_each_of_them_exists() {
    let mut missing = Vec::new();
    for (promise, tests) in PROMISES {
        assert!(!tests.is_empty(), "{promise}");
        for test in *tests {
            let exists = find(test).is_some_and(|(source, name)| is_test(&source, name));
            missing.extend((!exists).then(|| format!("{test}, for: {promise}")));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn promises_are_in_their_order() {
    let numbers = PROMISES.iter().map(|(promise, _)| promise.split_once(". ").unwrap().0.parse::<u32>().unwrap());
    assert!(numbers.is_sorted());
}

#[test]
fn a_function_that_is_no_test_is_not_taken_for_one() {
    let source = "#[test]\n/// Doc.\nfn one() {}\n\n#[cfg(test)]\nfn other() {}\n";
    assert!(is_test(source, "one") && !is_test(source, "other") && !is_test(source, "on"));
}
