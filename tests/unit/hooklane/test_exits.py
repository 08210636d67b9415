"""The codes that scripts hold on to."""

from hooklane import exits


def test_codes_are_those_of_the_contract() -> None:
    """CONTRACT §1: 0 ok, 1 failure, 2 usage, 3 not found, 4 invalid, 5 network."""
    codes = (exits.OK, exits.FAILURE, exits.USAGE, exits.NOT_FOUND, exits.INVALID, exits.NETWORK)

    assert codes == (0, 1, 2, 3, 4, 5)


def test_a_failure_carries_code_and_line() -> None:
    """The command line prints the text and exits with the code."""
    error = exits.CommandFailed(exits.NETWORK, "no Kafka")

    assert (error.code, str(error)) == (5, "no Kafka")
