"""Requests for DKIM settings: what is refused, what each transition leaves behind, what goes on signing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mailseal.core import rotation, settings
from mailseal.core.checking import switch_due_at, with_check
from mailseal.core.commands import CreateIdentity, DkimAttributesInput, PutDkimSigning
from mailseal.core.errors import BadRequest
from mailseal.core.identity import Identity, dkim_attributes, verification, with_setting
from mailseal.core.lifecycle import DkimStatus
from mailseal.core.observations import SoaRecord
from mailseal.core.policy import Policy
from mailseal.core.rotation import SlotState
from mailseal.core.sending import signing_key
from mailseal.core.settings import WantByo, WantEasy
from mailseal.core.verification import compare, expected_records
from tests.unit.core.scenes import DOMAIN, POLICY, START, easy_identity, key, owner_publishes, published

OWN = WantByo("s1", "the key's text")
HOUR = timedelta(hours=1)


def proven(identity: Identity, hours: float = 0.0) -> Identity:
    """The identity after the owner published what the newest setting asks for, and two rounds saw it."""
    for seconds in (0, 6):
        now = START + timedelta(hours=hours, seconds=seconds)
        identity = published(identity, now)
        expected = expected_records(identity, identity.newest, now, POLICY)
        report = compare(expected, owner_publishes(expected, identity.slots))
        identity = with_check(identity, identity.newest.setting_id, report, now, POLICY).identity
    return identity


def test_a_switch_waits_until_no_cache_holds_that_the_record_was_not_there() -> None:
    signing = proven(easy_identity())
    assert signing.signing is not None
    soa = SoaRecord("ns1.example.com", "hostmaster.example.com", 1, 300)
    proof = replace(signing.signing.proof, soa=soa)
    signing = with_setting(signing, replace(signing.signing, proof=proof))
    # The owner had published before asking, so the check of the new setting sees no absence and no SOA.
    changed = proven(put_own(signing, 1), 1)
    assert changed.newest.proof.status is DkimStatus.SUCCESS
    assert changed.signing is not None
    assert changed.signing.setting_id == signing.newest.setting_id
    assert switch_due_at(changed, POLICY) == START + timedelta(hours=1, seconds=302)


def put_easy(identity: Identity, bits: int | None, hours: float, name: str = "setting-n") -> Identity:
    now = START + timedelta(hours=hours)
    changed = settings.with_easy(identity, WantEasy(bits), name, now, POLICY).identity
    wish = settings.wish_of(changed)
    length = rotation.key_wanted(changed.slots, wish)
    if length is None:
        return changed
    return settings.with_fresh_key(changed, key(int(hours * 10) + 50, length), now, POLICY).identity


def put_own(identity: Identity, hours: float, want: WantByo = OWN, number: int = 99) -> Identity:
    now = START + timedelta(hours=hours)
    return settings.with_byodkim(identity, want, key(number), f"own-{number}", now, POLICY).identity


def states(identity: Identity) -> list[str]:
    return [slot.state.value for slot in identity.slots]


def put(way: str, /, **members: object) -> PutDkimSigning:
    return PutDkimSigning(DOMAIN, way, DkimAttributesInput(**members))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "command",
    [
        put("EXTERNAL"),
        put("EXTERNAL", selector="s1"),
        put("EXTERNAL", private_key="x"),
        put("EXTERNAL", selector="s1", private_key="x", next_key_bits=2048),
        put("AWS_SES", selector="s1", private_key="x"),
        put("AWS_SES", private_key="x", next_key_bits=1024),
        put("AWS_SES", origin="AWS_SES"),
        put("AWS_SES_EU_WEST_1", next_key_bits=2048),
        put("AWS_SES_EU_WEST_1", selector="s1", private_key="x"),
        PutDkimSigning(DOMAIN, "EXTERNAL"),
    ],
)
def test_requests_that_ask_for_two_things_at_once_are_refused(command: PutDkimSigning) -> None:
    with pytest.raises(BadRequest) as refused:
        settings.wanted(command)
    assert refused.value.hint


def test_a_create_without_attributes_means_easy_dkim() -> None:
    assert settings.wanted_at_creation(CreateIdentity(DOMAIN)) == WantEasy(None)


def test_a_create_with_selector_and_key_means_byodkim() -> None:
    command = CreateIdentity(DOMAIN, DkimAttributesInput(selector="s1", private_key="k"))
    assert settings.wanted_at_creation(command) == WantByo("s1", "k")


def test_a_new_easy_identity_has_three_tokens_one_key_and_signs_nothing() -> None:
    identity = easy_identity()
    shown = dkim_attributes(identity)
    assert len(set(shown.tokens)) == 3
    assert (shown.status, shown.origin, shown.next_bits, shown.current_bits) == (
        DkimStatus.PENDING,
        "AWS_SES",
        2048,
        2048,
    )
    assert shown.last_key_at == START
    assert signing_key(identity) is None
    assert states(identity) == ["ACTIVE", "BLANK", "BLANK"]


def test_a_proven_easy_identity_signs_with_its_active_slot() -> None:
    identity = proven(easy_identity())
    chosen = signing_key(identity)
    assert chosen is not None
    assert (chosen.selector, chosen.key_id) == (identity.slots[0].token, "key-1")
    assert verification(identity).may_send


def test_switched_off_nothing_is_signed_and_the_status_stays() -> None:
    identity = replace(proven(easy_identity()), signing_enabled=False)
    assert signing_key(identity) is None
    assert dkim_attributes(identity).status is DkimStatus.SUCCESS


def test_the_easy_key_signs_on_while_an_own_key_is_pending() -> None:
    identity = put_own(proven(easy_identity()), 1)
    chosen = signing_key(identity)
    assert dkim_attributes(identity).status is DkimStatus.PENDING
    assert dkim_attributes(identity).tokens == ("s1",)
    assert chosen is not None
    assert chosen.key_id == "key-1"
    assert verification(identity).status is DkimStatus.SUCCESS


def test_the_own_key_signs_once_proven_and_the_easy_key_stays_published_for_eight_days() -> None:
    identity = proven(put_own(proven(easy_identity()), 1), 2)
    chosen = signing_key(identity)
    assert chosen is not None
    assert (chosen.selector, chosen.key_id) == ("s1", "key-99")
    slot = identity.slots[0]
    assert slot.state is SlotState.PREVIOUS
    assert slot.blank_at is not None
    assert slot.blank_at >= START + timedelta(hours=2, days=8, seconds=POLICY.key_ttl)


def test_an_own_key_shows_no_lengths_and_no_zone() -> None:
    shown = dkim_attributes(put_own(easy_identity(), 1))
    assert (shown.next_bits, shown.current_bits, shown.last_key_at, shown.hosted_zone) == (None,) * 4


def test_back_to_easy_dkim_revives_the_newest_key_and_keeps_the_tokens() -> None:
    before = proven(easy_identity())
    identity = put_easy(proven(put_own(before, 1), 2), None, 3)
    assert dkim_attributes(identity).tokens == dkim_attributes(before).tokens
    assert states(identity) == ["ACTIVE", "BLANK", "BLANK"]
    chosen = signing_key(identity)
    assert chosen is not None
    assert chosen.selector == "s1"
    back = proven(identity, 4)
    chosen = signing_key(back)
    assert chosen is not None
    assert chosen.key_id == "key-1"


def test_a_length_change_keeps_the_old_key_signing_and_publishes_the_new_one() -> None:
    identity = put_easy(proven(easy_identity()), 1024, 1)
    shown = dkim_attributes(identity)
    assert (shown.status, shown.next_bits, shown.current_bits) == (DkimStatus.PENDING, 1024, 2048)
    assert states(identity) == ["ACTIVE", "NEXT", "BLANK"]
    chosen = signing_key(identity)
    assert chosen is not None
    assert chosen.key_id == "key-1"
    assert verification(identity).may_send


def test_the_same_length_is_refused_in_place_and_accepted_after_a_failure() -> None:
    identity = proven(easy_identity())
    with pytest.raises(BadRequest, match="already RSA_2048_BIT"):
        put_easy(identity, 2048, 1)
    failed = replace(
        identity,
        newest=replace(identity.newest, proof=replace(identity.newest.proof, status=DkimStatus.FAILED)),
    )
    assert dkim_attributes(put_easy(failed, 2048, 1)).status is DkimStatus.PENDING


def test_repeating_the_length_is_nothing_where_the_operator_says_so() -> None:
    identity = proven(easy_identity())
    policy = Policy(same_length_is_noop=True)
    assert settings.with_easy(identity, WantEasy(2048), "s", START, policy).identity == identity


def test_easy_dkim_without_a_length_on_a_proven_identity_changes_nothing() -> None:
    identity = proven(easy_identity())
    assert put_easy(identity, None, 1) == identity


def test_a_second_length_change_within_a_day_is_refused() -> None:
    identity = put_easy(proven(easy_identity()), 1024, 1)
    with pytest.raises(BadRequest, match="once in 24 hours") as refused:
        put_easy(identity, 2048, 24.9)
    assert "2026-11-24 15:00 UTC" in refused.value.hint
    assert dkim_attributes(put_easy(identity, 2048, 25)).next_bits == 2048


def test_the_first_downgrade_of_a_day_is_exempt() -> None:
    identity = put_easy(proven(easy_identity(bits=1024)), 2048, 1)
    down = put_easy(identity, 1024, 2)
    assert dkim_attributes(down).next_bits == 1024
    with pytest.raises(BadRequest):
        put_easy(down, 2048, 3)


def test_a_length_change_before_anything_was_proven_takes_effect_at_once() -> None:
    identity = put_easy(easy_identity(), 1024, 0.1)
    shown = dkim_attributes(identity)
    assert (shown.next_bits, shown.current_bits) == (1024, 1024)
    assert states(identity) == ["BLANK", "ACTIVE", "BLANK"]


def test_a_change_of_method_with_a_length_is_no_length_change() -> None:
    identity = put_easy(proven(easy_identity()), 1024, 1)
    identity = proven(put_own(identity, 2), 3)
    assert dkim_attributes(put_easy(identity, 2048, 4)).next_bits == 2048


def test_the_same_own_key_again_changes_nothing() -> None:
    identity = proven(put_own(easy_identity(), 1), 2)
    assert put_own(identity, 3) == identity


def test_a_new_own_key_waits_while_the_old_own_key_signs() -> None:
    identity = proven(put_own(easy_identity(), 1), 2)
    newer = put_own(identity, 3, WantByo("s2", "x"), 100)
    chosen = signing_key(newer)
    assert chosen is not None
    assert chosen.selector == "s1"
    chosen = signing_key(proven(newer, 4))
    assert chosen is not None
    assert (chosen.selector, chosen.key_id) == ("s2", "key-100")


def test_the_gap_of_ses_can_be_had() -> None:
    identity = proven(easy_identity())
    policy = Policy(strict_ses_signing_gap=True)
    change = settings.with_byodkim(identity, OWN, key(99), "own", START, policy)
    assert signing_key(change.identity) is None


def test_an_easy_key_that_never_signed_is_blanked_at_once() -> None:
    assert states(put_own(easy_identity(), 1)) == ["BLANK", "BLANK", "BLANK"]
