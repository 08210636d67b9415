"""`hooklane topics` against a real broker."""

import json
import subprocess
import sys

import pytest

from hooklane import surroundings
from schemas.topics import TOPICS
from tests.conftest import Broker

pytestmark = pytest.mark.kafka


def topics(kafka: Broker, prefix: str, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Run the command; give exit code, stdout, stderr."""
    kept = {k: v for k, v in surroundings.environ().items() if not k.startswith("HOOKLANE_")}
    done = subprocess.run(
        [sys.executable, "-m", "hooklane", "topics", *arguments],
        env={
            **kept,
            "HOOKLANE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "HOOKLANE_TOPICS__PREFIX": prefix,
            "HOOKLANE_TOPICS__PARTITIONS": "2",
            "HOOKLANE_TOPICS__REPLICATION_FACTOR": "1",
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_plan_apply_plan(kafka: Broker, prefix: str) -> None:
    """Everything is missing, then created, then as planned; a second apply creates nothing."""
    planned = topics(kafka, prefix, "plan", "-o", "json")
    applied = topics(kafka, prefix, "apply", "--wait")
    again = topics(kafka, prefix, "apply", "-o", "json")

    assert planned[0] == applied[0] == again[0] == 0
    assert {row["what"] for row in json.loads(planned[1])} == {"missing"}
    assert len(json.loads(planned[1])) == applied[2].count("created ") == len(TOPICS)
    assert (json.loads(again[1]), again[2]) == ([], "all topics are as planned\n")


def test_what_apply_does_not_mend_is_shown(kafka: Broker, prefix: str) -> None:
    """Another partition count is shown for each topic and fails, and nothing is changed."""
    topics(kafka, prefix, "apply")

    code, shown, _ = topics(kafka, prefix, "apply", HOOKLANE_TOPICS__PARTITIONS="3")
    after, _, _ = topics(kafka, prefix, "plan")

    assert code == 1
    assert shown.count("partitions") == len(TOPICS)
    assert after == 0
