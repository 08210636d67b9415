"""The HTTP client against a real socket."""

import asyncio
from collections.abc import Iterator

import pytest

from hooklane.api_client import WAITS_MAX, ApiClient, Target, Unreached, segment
from hooklane.api_problem import Refused
from hooklane.exits import FAILURE, INVALID, NETWORK, CommandFailed
from tests.fakes.management_api import KEY, ManagementApi


@pytest.fixture
def api() -> Iterator[ManagementApi]:
    """Serve for one test."""
    with ManagementApi() as serving:
        yield serving


async def fetch(api: ManagementApi, path: str) -> object:
    """GET one path."""
    async with ApiClient(Target.of(api.variables)) as client:
        return (await client.get(path)).document


async def test_lists_are_read_to_their_end(api: ManagementApi) -> None:
    """All pages, in order."""
    api.keys = {str(n): {"id": str(n)} for n in range(5)}

    async with ApiClient(Target.of(api.variables)) as client:
        items = await client.items("/v1/keys")

    assert [one["id"] for one in items] == ["0", "1", "2", "3", "4"]


async def test_the_key_goes_along_and_versions_are_quoted(api: ManagementApi) -> None:
    """Bearer, and If-Match as an entity tag."""
    api.keys["1"] = {"id": "1"}

    async with ApiClient(Target.of(api.variables)) as client:
        await client.send("DELETE", "/v1/keys/1", if_match=3)

    assert api.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert api.asked[0].headers["if-match"] == '"3"'


async def test_a_redirect_is_not_followed(api: ManagementApi) -> None:
    """The key would go where the answer says."""
    api.scripted["GET", "/v1/keys"] = (307, "")

    with pytest.raises(CommandFailed, match="redirect") as caught:
        await fetch(api, "/v1/keys")

    assert caught.value.code == FAILURE
    assert len(api.asked) == 1


async def test_a_closed_port_is_told_apart() -> None:
    """Nothing was sent, and the code is 5."""
    target = Target("http://127.0.0.1:1", "k")

    with pytest.raises(Unreached, match="cannot connect") as caught:
        async with ApiClient(target) as client:
            await client.get("/v1/keys")

    assert caught.value.code == NETWORK


async def test_a_silent_server_is_given_up() -> None:
    """Every wait ends."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _r, w: writers.append(w), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    with pytest.raises(CommandFailed, match="no answer in time") as caught:
        async with ApiClient(Target(f"http://127.0.0.1:{port}", "k"), timeout_s=0.2) as client:
            await client.get("/v1/keys")
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()

    assert caught.value.code == NETWORK


async def written(api: ManagementApi) -> list[float]:
    """Make a key; gives for how long the client waited each time."""
    waits: list[float] = []

    async def sleep(delay_s: float) -> None:
        waits.append(delay_s)

    async with ApiClient(Target.of(api.variables), sleep=sleep) as client:
        await client.send("POST", "/v1/keys", {"name": "k"})
    return waits


async def test_a_write_waits_as_long_as_the_gateway_says(
    api: ManagementApi, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then it is sent again; people see why nothing happens meanwhile."""
    api.refusals = [
        (429, "quota_exceeded", {"Retry-After": "7"}),
        (503, "unavailable", {"Retry-After": "1"}),
    ]

    waits = await written(api)

    assert waits == [7, 1]
    assert len(api.keys) == 1
    assert "the gateway asks to wait 7 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "code", "fields"),
    [
        (429, "quota_exceeded", {}),
        (429, "quota_exceeded", {"Retry-After": "61"}),
        (429, "quota_exceeded", {"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}),
        (503, "unknown", {"Retry-After": "1"}),
        (409, "conflict", {"Retry-After": "1"}),
    ],
)
async def test_a_write_is_not_repeated_where_waiting_is_no_answer(
    api: ManagementApi, status: int, code: str, fields: dict[str, str]
) -> None:
    """A bound that stays, a wait too long for a person, what may have been done already."""
    api.refusals = [(status, code, fields)]

    with pytest.raises(Refused, match=str(status)):
        await written(api)

    assert len(api.asked) == 1


async def test_a_gateway_that_never_stops_asking_is_given_up(api: ManagementApi) -> None:
    """Every wait ends."""
    api.refusals = [(429, "quota_exceeded", {"Retry-After": "0"})] * (WAITS_MAX + 9)

    with pytest.raises(Refused, match="quota_exceeded"):
        await written(api)

    assert len(api.asked) == WAITS_MAX + 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "HOOKLANE_URL and HOOKLANE_KEY not set"),
        ({"HOOKLANE_URL": "http://a"}, "HOOKLANE_KEY not set"),
        ({"HOOKLANE_URL": "localhost:8080", "HOOKLANE_KEY": "k"}, "HOOKLANE_URL is not like"),
        ({"HOOKLANE_URL": "http://a", "HOOKLANE_KEY": "k\nx"}, "HOOKLANE_KEY holds"),
    ],
)
def test_wrong_surroundings_are_named(variables: dict[str, str], said: str) -> None:
    """Which variable; the key itself is never shown."""
    with pytest.raises(CommandFailed, match=said) as caught:
        Target.of(variables)

    assert caught.value.code == INVALID


def test_an_address_may_end_in_v1() -> None:
    """People paste what `hooklane dev` prints."""
    target = Target.of({"HOOKLANE_URL": "http://a:1/v1/", "HOOKLANE_KEY": " k\n"})

    assert target == Target("http://a:1", "k")


def test_a_segment_stays_one() -> None:
    """No slash of a value makes another path."""
    assert segment("a/../b?c") == "a%2F..%2Fb%3Fc"
