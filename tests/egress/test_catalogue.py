"""Test that every attack of the catalogue has its test.

B101 to B122 are ways to an inner address, B201 to B231 hostile receivers; docs/security.md says
what stands against them.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = "unit/chassis/test_egress.py"
HEADERS = "unit/chassis/test_outbound_headers.py"
REPORT = "unit/deliverer/test_report.py"
RECORDS = "unit/deliverer/test_records.py"
READER = "unit/deliverer/sender/test_http1.py"
DIAL = "unit/deliverer/sender/test_dial.py"
ROUTE = "unit/deliverer/sender/test_route.py"
REACH = "integration/sender/test_reaching.py"
HOSTILE = "integration/sender/test_hostile_receivers.py"
KEEP = "integration/sender/test_connections.py"
NAMES = "egress/test_names.py"
SPACE = "egress/test_namespace.py"
ANSWERS = "egress/test_hostile_answers.py"
ONE = "egress/test_one_sender.py"
FLEET = "egress/test_fleet.py"
COSTS = "egress/test_costs.py"
ROUND = "egress/test_loops.py"
LOOPS = "egress/conftest.py"

TRICKS = (RULES, "test_every_trick_is_refused_for_its_reason")
SPACES = (SPACE, "test_no_packet_reaches_a_forbidden_address")
SLOW = (HOSTILE, "test_slowness_ends_at_the_timeout")
EDGES = (RULES, "test_each_denied_range_ends_where_it_should")
LOST = (HOSTILE, "test_a_connection_that_breaks_is_lost")
FLEET_GOES_ON = (FLEET, "test_attackers_cost_the_others_nothing")
BOUNDED = (COSTS, "test_what_an_attack_can_make_us_read_is_bounded")
CRUMBS = (COSTS, "test_an_answer_in_crumbs_is_cut_by_their_number")
BROKEN = (HOSTILE, "test_what_is_not_an_answer_is_a_protocol_error")

ROWS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "B101": ("edges of each denied range", [EDGES]),
    "B102": (
        "metadata services",
        [(RULES, "test_metadata_services_and_local_addresses_are_not_public"), TRICKS, SPACES],
    ),
    "B103": (
        "IPv4 inside IPv6",
        [(RULES, "test_no_embedding_of_an_ipv4_address_is_public"), TRICKS, SPACES],
    ),
    "B104": ("numeric spellings", [TRICKS]),
    "B105": ("numbers that look like names", [TRICKS]),
    "B106": ("other alphabets", [TRICKS]),
    "B107": ("escapes in the host", [TRICKS]),
    "B108": ("user parts", [TRICKS]),
    "B109": (
        "schemes", [TRICKS, (REACH, "test_scheme_port_and_name_are_judged_again")],
    ),
    "B110": ("ports", [TRICKS, (RULES, "test_an_address_is_judged_with_its_port")]),
    "B111": ("zones, brackets", [TRICKS, (RULES, "test_an_address_with_a_zone_is_never_allowed")]),
    "B112": ("blanks, controls, backslash", [TRICKS]),
    "B113": (
        "names that lie",
        [
            (NAMES, "test_a_name_that_leads_inside_is_blocked"),
            (NAMES, "test_a_name_with_a_thousand_addresses_is_unusable"),
            (NAMES, "test_a_name_is_looked_up_once_per_connection_and_judged_each_time"),
            (NAMES, "test_families_are_judged_together"),
            (NAMES, "test_no_search_suffix_is_tried"),
            SPACES,
        ],
    ),
    "B114": ("redirects inside", [(ANSWERS, "test_no_answer_sends_us_elsewhere")]),
    "B115": ("proxies and logins of the environment", [SPACES]),
    "B116": (
        "kept connection, denied since",
        [(NAMES, "test_a_kept_connection_stays_with_the_address_that_was_judged")],
    ),
    "B117": ("two policies", [(REACH, "test_two_policies_share_no_connection")]),
    "B118": (
        "this host itself, and ways round",
        [
            (ANSWERS, "test_a_receiver_may_not_be_this_host"),
            (ROUND, "test_an_event_passes_one_other_installation_and_no_more"),
            (ROUND, "test_a_batch_that_goes_round_is_refused"),
        ],
    ),
    "B119": (
        "a second sender",
        [(ONE, "test_nothing_else_can_open_a_connection"), (ONE, "test_the_sender_is_made_once")],
    ),
    "B120": (
        "both loops, staggered families",
        [
            (LOOPS, "pytest_asyncio_loop_factories"),
            (DIAL, "test_families_take_turns_and_the_number_is_bounded"),
            SPACES,
        ],
    ),
    "B121": (
        "custom headers",
        [(HEADERS, "test_framing_identity_and_metadata_headers_are_refused")],
    ),
    "B122": (
        "random addresses against a slow reference",
        [
            (RULES, "test_ipv4_verdicts_equal_the_slow_reference"),
            (RULES, "test_ipv6_verdicts_equal_the_slow_reference"),
            (RULES, "test_no_embedding_of_an_ipv4_address_is_public"),
        ],
    ),
    "B201": ("drips the status line", [SLOW, CRUMBS]),
    "B202": ("drips header fields", [SLOW, CRUMBS]),
    "B203": (
        "drips the body", [(HOSTILE, "test_a_dripping_body_does_not_hold_a_delivery")],
    ),
    "B204": ("never answers", [SLOW]),
    "B205": ("never reads", [SLOW]),
    "B206": (
        "endless body",
        [
            (HOSTILE, "test_an_endless_body_is_cut"),
            (READER, "test_an_endless_body_is_read_to_its_bound"),
            (READER, "test_a_body_in_tiny_chunks_costs_the_connection_only"),
            BOUNDED,
        ],
    ),
    "B207": (
        "compressed bombs",
        [
            (HOSTILE, "test_a_compressed_body_is_not_inflated"),
            (READER, "test_a_compressed_body_is_kept_as_it_came"),
            BOUNDED,
        ],
    ),
    "B208": ("slow 100s", [SLOW]),
    "B209": ("flood of 103", [BROKEN, BOUNDED, FLEET_GOES_ON]),
    "B210": ("101", [BROKEN]),
    "B211": ("reset or end on accept", [LOST]),
    "B212": ("reset or end after the request", [LOST]),
    "B213": (
        "200, then broken", [(HOSTILE, "test_a_broken_body_after_a_good_head_is_delivered")],
    ),
    "B214": (
        "HTTP/1.0 until the end",
        [(HOSTILE, "test_a_broken_body_after_a_good_head_is_delivered")],
    ),
    "B215": ("not HTTP/1.x", [BROKEN, (READER, "test_a_broken_head_is_an_error_without_a_status")]),
    "B216": ("odd statuses", [(ANSWERS, "test_a_status_outside_the_final_ones_is_no_answer")]),
    "B217": (
        "sloppy but clear", [(READER, "test_a_complete_answer_leaves_the_connection_usable")],
    ),
    "B218": ("huge or contradictory heads", [BROKEN, BOUNDED]),
    "B219": (
        "bytes beyond the answer",
        [
            (ANSWERS, "test_a_final_answer_in_pieces_is_one_answer"),
            (READER, "test_a_good_head_counts_whatever_follows"),
        ],
    ),
    "B220": ("redirects", [(HOSTILE, "test_a_redirect_is_a_failure")]),
    "B221": ("statuses that mean something", [(HOSTILE, "test_statuses_map_to_outcomes")]),
    "B222": (
        "Retry-After",
        [
            (REPORT, "test_retry_after_is_seconds_or_a_date_within_a_day"),
            (ANSWERS, "test_the_first_retry_after_counts"),
        ],
    ),
    "B223": (
        "bad TLS",
        [
            (REACH, "test_bad_certificates_are_tls_errors"),
            (REACH, "test_a_handshake_that_fails_is_no_delivery"),
            (ANSWERS, "test_old_tls_is_not_spoken"),
        ],
    ),
    "B224": ("handshake never ends", [(REACH, "test_a_handshake_that_never_ends_is_a_timeout")]),
    "B225": ("black hole", [(REACH, "test_a_connect_that_never_ends_is_a_timeout")]),
    "B226": (
        "closes after each answer",
        [(KEEP, "test_a_receiver_that_closes_after_each_answer_loses_nothing")],
    ),
    "B227": (
        "speaks while idle",
        [
            (KEEP, "test_a_second_answer_while_idle_is_never_believed"),
            (KEEP, "test_smuggled_bytes_that_the_loop_has_not_read_are_seen"),
        ],
    ),
    "B228": (
        "answers before it read", [(HOSTILE, "test_an_answer_before_the_body_was_read_counts")],
    ),
    "B229": ("cookies and the like", [(ANSWERS, "test_nothing_an_answer_sets_comes_back")]),
    "B230": (
        "many that hang",
        [
            FLEET_GOES_ON,
            (NAMES, "test_dead_names_do_not_clog_the_look_up"),
        ],
    ),
    "B231": (
        "bodies that bite",
        [
            (ANSWERS, "test_a_body_is_kept_as_bytes"),
            (RECORDS, "test_an_echoed_secret_is_masked"),
            (RECORDS, "test_a_long_answer_is_cut"),
        ],
    ),
}  # fmt: skip


@cache
def _functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_no_attack_is_missing() -> None:
    """Both series are complete, each row names what it is and at least one test."""
    wanted = [f"B{n}" for n in range(101, 123)] + [f"B{n}" for n in range(201, 232)]

    assert list(ROWS) == wanted
    assert all(what and tests for what, tests in ROWS.values())


@pytest.mark.parametrize("row", ROWS)
def test_the_named_tests_exist(row: str) -> None:
    """A test that was renamed or dropped leaves its row bare."""
    missing = [f"{path}::{name}" for path, name in ROWS[row][1] if name not in _functions(path)]

    assert missing == []
