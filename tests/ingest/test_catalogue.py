"""Test that every broken or hostile input of a producer has its test.

B301 to B322 come over HTTP, B331 to B342 straight through Kafka. What the product does where it
differs from the first idea of a row is said in the row.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BODIES = "ingest/test_hostile_bodies.py"
HTTP = "ingest/test_hostile_http.py"
LARGEST = "ingest/test_largest.py"
FOLLOWING = "unit/gateway/test_following.py"
FLIPPING = "ingest/test_flipping.py"
EVENTS = "unit/gateway/handlers/test_events.py"
SUBSCRIPTIONS = "unit/gateway/handlers/test_subscriptions.py"
SERVER = "unit/gateway/test_server.py"
ADMISSION = "unit/gateway/test_admission.py"
DOCUMENTS = "unit/gateway/test_documents.py"
HEADERS = "unit/chassis/test_outbound_headers.py"
CODEC = "unit/schemas/test_cloudevents.py"
ANY = "property/test_codec.py"
BODY_RULES = "unit/gateway/test_bodies.py"
DEDUPE = "unit/fanout/test_dedupe.py"
PLAN = "unit/fanout/test_plan.py"
FANOUT = "integration/test_fanout.py"
TABLE = "integration/chassis/test_table.py"
ENDPOINTS = "unit/deliverer/test_endpoints.py"

REFUSED = (BODIES, "test_data_that_is_no_json_is_refused_alike_in_every_shape")
FORWARDED = (BODIES, "test_what_json_allows_is_forwarded_byte_for_byte")
NAMED = (BODIES, "test_a_wrong_field_names_itself")
SET_ASIDE = (FANOUT, "test_broken_records_are_set_aside_and_their_partition_moves_on")
REASONS = (CODEC, "test_broken_records_have_a_reason")
MALFORMED = (SERVER, "test_malformed_http_is_a_problem_without_an_echo")
DENIED = (HEADERS, "test_framing_identity_and_metadata_headers_are_refused")
KEPT = (TABLE, "test_a_broken_record_keeps_the_last_good_one")

ROWS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "B301": (
        "not one document",
        [REFUSED, (DOCUMENTS, "test_what_is_no_strict_json_object_is_refused")],
    ),
    "B302": ("not UTF-8, lone surrogates", [REFUSED]),
    "B303": (
        "numbers that no double holds; the same verdict for a document in Kafka",
        [REFUSED, (BODIES, "test_a_kafka_document_is_judged_like_a_request")],
    ),
    "B304": ("integers beyond 64 bits", [FORWARDED]),
    "B305": (
        "what a round trip changes",
        [FORWARDED, ("integration/test_gateway.py",
                     "test_an_acknowledged_event_is_in_the_topic_byte_for_byte")],
    ),
    "B306": (
        "names that occur twice",
        [
            FORWARDED,
            (BODIES, "test_an_envelope_that_could_be_read_in_two_ways_is_refused"),
            (DOCUMENTS, "test_a_repeated_name_is_found_wherever_it_stands"),
        ],
    ),
    "B307": ("nesting", [REFUSED, FORWARDED, (CODEC, "test_nesting_of_64_is_allowed")]),
    "B308": (
        "large and wide documents",
        [
            (BODIES, "test_what_is_too_large_is_refused_before_it_is_read"),
            (BODIES, "test_the_worst_that_fits_is_read_in_bounded_time"),
        ],
    ),
    "B309": (
        "lengths that lie, bombs",
        [
            (EVENTS, "test_a_body_without_a_length_is_bounded_while_it_comes"),
            (HTTP, "test_what_comes_after_the_length_is_no_part_of_the_body"),
            (HTTP, "test_a_body_shorter_than_its_length_is_given_up"),
            (HTTP, "test_a_client_that_hangs_up_within_its_body_is_no_fault_of_ours"),
            (BODIES, "test_other_types_and_encodings_are_a_415"),
            (SERVER, "test_a_broken_chunk_is_a_problem"),
        ],
    ),
    "B310": (
        "malformed HTTP",
        [
            (HTTP, "test_what_the_others_are_made_of_is_accepted"),
            (HTTP, "test_what_two_could_read_differently_is_refused"),
            MALFORMED,
        ],
    ),
    "B311": (
        "connects and says nothing, or half of something",
        [
            (HTTP, "test_who_connects_and_says_nothing_whole_is_hung_up_on"),
            (SERVER, "test_an_idle_connection_is_closed"),
        ],
    ),
    "B312": (
        "a body that stops",
        [
            (HTTP, "test_a_body_shorter_than_its_length_is_given_up"),
            (EVENTS, "test_a_body_that_does_not_arrive_is_a_408"),
        ],
    ),
    "B313": ("other media types", [(BODIES, "test_other_types_and_encodings_are_a_415")]),
    "B314": (
        "fields that break a rule (ids and types: 1 to 256 visible characters)",
        [NAMED, (ADMISSION, "test_each_broken_field_is_named")],
    ),
    "B315": (
        "keys",
        [
            ("unit/gateway/test_access.py", "test_without_a_valid_key_nobody_comes_in"),
            ("unit/gateway/test_access.py",
             "test_what_is_foreign_is_not_there_whatever_the_scope"),
            ("unit/gateway/test_access.py", "test_exactly_the_scope_of_the_table_lets_in"),
            ("unit/gateway/test_auth.py", "test_no_other_secret_opens_a_key_that_exists"),
            ("integration/test_registry_processes.py",
             "test_a_revocation_and_a_creation_hold_in_every_process"),
        ],
    ),
    "B316": (
        "an idempotency key again: same ids; with other content the second is quarantined",
        [
            (EVENTS, "test_an_idempotency_key_gives_the_same_ids_again"),
            (BODIES, "test_one_idempotency_key_makes_one_event_also_at_once"),
            (PLAN, "test_a_repeat_is_dropped_and_other_content_set_aside"),
        ],
    ),
    "B317": (
        "odd times",
        [
            NAMED,
            (BODIES, "test_the_time_of_an_event_is_data"),
            (ADMISSION, "test_old_times_leap_seconds_and_clocks_a_day_ahead_are_fine"),
        ],
    ),
    "B318": (
        "line breaks in header values",
        [
            (HEADERS, "test_values_that_could_change_the_head_are_refused"),
            (BODY_RULES, "test_what_lies_outside_is_named"),
            (SUBSCRIPTIONS, "test_a_bad_creation_is_a_problem"),
            ("unit/deliverer/test_request.py",
             "test_a_stored_field_that_breaks_todays_rules_is_refused"),
        ],
    ),
    "B319": (
        "header names and values that are none",
        [
            (HEADERS, "test_values_that_could_change_the_head_are_refused"),
            DENIED,
            (BODY_RULES, "test_what_lies_outside_is_named"),
        ],
    ),
    "B320": (
        "header names that are ours",
        [
            DENIED,
            (BODY_RULES, "test_what_lies_outside_is_named"),
            ("unit/deliverer/test_request.py",
             "test_a_stored_field_that_breaks_todays_rules_is_refused"),
        ],
    ),
    "B321": (
        "very many subscriptions, costly filters (there are no regular expressions)",
        [
            (SUBSCRIPTIONS, "test_a_subscriber_has_a_thousand_at_most"),
            ("unit/deliverer/test_hosts.py",
             "test_many_subscriptions_of_one_host_leave_the_others_their_slots"),
            ("unit/schemas/filters/test_syntax.py", "test_an_error_names_its_place"),
            (PLAN, "test_an_event_too_costly_for_a_filter_is_marked"),
        ],
    ),
    "B322": (
        "a URL that flips: each change is judged, and who changes without end is slowed down",
        [
            (FLIPPING, "test_a_url_that_flips_is_slowed_down"),
            (FLIPPING, "test_who_is_slowed_down_may_go_on_later_and_others_at_once"),
            (FLIPPING, "test_every_call_that_changes_something_is_limited"),
            (SUBSCRIPTIONS, "test_a_bad_patch_changes_nothing"),
            ("unit/chassis/test_table_writer.py",
             "test_who_waits_for_its_turn_too_long_is_unavailable"),
        ],
    ),
    "B331": ("no key", [REASONS, SET_ASIDE]),
    "B332": (
        "no value: an event without data",
        [(CODEC, "test_a_null_value_is_an_event_without_data")],
    ),
    "B333": (
        "not an event",
        [
            (BODIES, "test_a_kafka_document_is_judged_like_a_request"),
            (CODEC, "test_broken_documents_have_a_reason"),
            (CODEC, "test_another_version_is_refused"),
            (ANY, "test_any_record_is_an_event_or_a_violation"),
            SET_ASIDE,
        ],
    ),
    "B334": (
        "a key that is not the subscriber's",
        [(CODEC, "test_a_structured_record_must_agree_with_its_key"), REASONS,
         (PLAN, "test_a_record_on_a_foreign_partition_is_set_aside")],
    ),
    "B335": (
        "nobody wants it",
        [(PLAN, "test_nobody_wants_it"),
         ("unit/fanout/test_draft.py", "test_every_event_is_counted_by_what_became_of_it"),
         ("unit/fanout/test_pipeline.py", "test_events_that_become_nothing_move_the_offset")],
    ),
    "B336": (
        "headers twice, without a name, not UTF-8",
        [
            (CODEC, "test_header_names_have_any_case_and_the_first_counts"),
            (CODEC, "test_a_null_header_counts_as_absent"),
            (ANY, "test_any_record_is_an_event_or_a_violation"),
        ],
    ),
    "B337": (
        "almost too large for a topic",
        [
            SET_ASIDE,
            (LARGEST, "test_the_largest_event_fits_each_delay_topic_and_the_dead_letters"),
            (LARGEST, "test_one_byte_more_is_set_aside_at_the_door"),
            ("integration/chassis/test_kafka.py", "test_a_large_record_travels"),
            (PLAN, "test_a_huge_key_is_not_used_as_key_of_the_stub"),
        ],
    ),
    "B338": (
        "a producer's clock",
        [
            ("unit/schemas/test_topics.py",
             "test_the_brokers_clock_decides_where_order_in_time_matters"),
        ],
    ),
    "B339": (
        "a damaged batch stops its partition, an aborted transaction is not read",
        [
            ("integration/chassis/test_damaged_log.py", "test_a_damaged_batch_is_never_skipped"),
            SET_ASIDE,
            (TABLE, "test_it_reaches_the_end_over_markers_tombstones_and_aborted_records"),
        ],
    ),
    "B340": (
        "a million records of one key",
        [
            ("unit/deliverer/policy/test_starting.py", "test_subscriptions_take_turns"),
            ("unit/fanout/test_pipeline.py", "test_the_queue_is_bounded_in_records_and_bytes"),
            ("integration/test_deliverer.py",
             "test_a_dead_receivers_backlog_does_not_stop_its_partition"),
        ],
    ),
    "B341": (
        "an id again with other content",
        [
            (DEDUPE, "test_a_repeat_is_a_duplicate_and_other_content_a_conflict"),
            (PLAN, "test_a_repeat_is_dropped_and_other_content_set_aside"),
            SET_ASIDE,
        ],
    ),
    "B342": (
        "junk in the registry",
        [
            KEPT,
            (FOLLOWING, "test_a_record_on_a_foreign_partition_changes_nothing"),
            ("unit/gateway/test_registry_rows.py",
             "test_every_kind_is_read_with_its_bytes"),
            ("unit/fanout/test_directory.py", "test_a_broken_entry_is_refused"),
            (ENDPOINTS, "test_a_record_that_cannot_be_read_is_a_value_error"),
            (ENDPOINTS, "test_a_damaged_seal_holds_the_subscription"),
            ("unit/chassis/test_vault.py", "test_a_blob_does_not_open_in_another_record"),
            ("integration/test_registry_processes.py",
             "test_a_killed_gateway_loses_no_acknowledged_write"),
        ],
    ),
}  # fmt: skip


@cache
def _functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_no_input_is_missing() -> None:
    """Both series are complete, each row names what it is and at least one test."""
    wanted = [f"B{n}" for n in range(301, 323)] + [f"B{n}" for n in range(331, 343)]

    assert list(ROWS) == wanted
    assert all(what and tests for what, tests in ROWS.values())


@pytest.mark.parametrize("row", ROWS)
def test_the_named_tests_exist(row: str) -> None:
    """A test that was renamed or dropped leaves its row bare."""
    missing = [f"{path}::{name}" for path, name in ROWS[row][1] if name not in _functions(path)]

    assert missing == []
