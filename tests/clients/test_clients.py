"""Unmodified clients of five generations against one sandbox, each in an account of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mailseal.sandbox.child import start_child
from mailseal.sandbox.client import SandboxClient
from tests.clients.driving import SERVED, Mark, drive
from tests.clients.models import described, differences, model_of
from tests.clients.page import PAGE, keep, page
from tests.clients.peers import GENERATIONS, PEERS, SDKS, Peer
from tests.clients.scenario import BOTH_APIS
from tests.clients.story import V1, Step
from tests.unit.sesv2.test_shapes import DIFFERENT, WITHOUT_EFFECT

pytestmark = pytest.mark.suite_clients
BODILESS = ("Get", "Delete", "ListTags", "Untag")
PEER_OF = {peer.environment: peer for peer in SDKS}


@pytest.fixture(scope="session")
def operator() -> Iterator[SandboxClient]:
    """The operator's way to the one sandbox of the run."""
    child = start_child(["--temporary", "--ports", "auto", "--publish-after", "never"])
    yield SandboxClient(child.place.api_url)
    child.stop()


def there(peer: Peer) -> Peer:
    """The peer, if its environment was made; else the test is left out, or fails where all must run."""
    if not peer.is_there():
        words = f"left out: needs the environment of {peer.name}, made by ./dev test-clients"
        if os.environ.get("CI") == "true":
            pytest.fail(words, pytrace=False)
        pytest.skip(words)
    return peer


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_client_sees_what_ses_would_show_it(peer: Peer, operator: SandboxClient) -> None:
    told = drive(peer.name, there(peer).command(), operator, peer.scenes)
    keep(told)
    assert told.bad() == []
    assert sum(one.mark is Mark.GOOD for one in told.outcomes) >= len(told.outcomes) // 2


def test_every_operation_that_is_served_is_in_the_scenario() -> None:
    played = {scene.called for scene in BOTH_APIS if isinstance(scene, Step)}
    assert SERVED - played == set()


def explained(row: str) -> bool:
    """Whether a difference from the newest model is one that the comparison there explains."""
    path = row.split(" ", maxsplit=1)[0]
    return path.rpartition(".")[2] in WITHOUT_EFFECT or path.startswith(tuple(DIFFERENT))


def test_our_shapes_differ_from_the_newest_model_only_where_that_is_explained() -> None:
    newest = model_of(there(PEER_OF["boto3-newest"]).environment)
    told = [row for name, ours in described().items() for row in differences(newest, name, ours)]
    assert [row for row in told if not explained(row)] == []


@pytest.mark.parametrize("generation", GENERATIONS[:-1])
def test_nothing_that_an_older_model_has_is_gone_from_ours(generation: str) -> None:
    model = model_of(there(PEER_OF[generation]).environment)
    told = [row for name, ours in described().items() for row in differences(model, name, ours)]
    gone = [row for row in told if row.endswith((" only in it", " is required in it")) or " is a " in row]
    assert [row for row in gone if not explained(row)] == []
    assert [row for row in told if row.endswith("is not in it")], "an older model without a later member?"


def test_every_described_operation_is_compared() -> None:
    bodies = {name for name in SERVED if not name.startswith((*BODILESS, f"{V1}:"))}
    assert bodies - set(described()) == set()


def test_the_page_is_what_this_run_gave() -> None:
    for peer in PEERS:
        there(peer)
    assert PAGE.read_text(encoding="utf-8") == page(), "stale: ./dev test-clients writes it anew"
