"""Operators over the native API: made by whoever runs the installation, passwords shown once."""

from __future__ import annotations

from pathlib import Path

from mailseal.passwords import fits, hash_password
from mailseal.sesv2.signing import Credentials
from tests.unit.native.test_http import KEY, Native, native


def test_an_operator_is_made_given_another_password_and_deleted(tmp_path: Path) -> None:
    async def story(api: Native) -> None:
        status, made = await api.ask("POST", "operators", {"name": "Ada"})
        assert (status, made["operator"]) == (200, "ada")
        stored = await api.world.store.read(lambda tx: tx.operators.load("ada"))
        assert fits(made["password"], stored.password)
        assert (await api.ask("POST", "operators", {"name": "ada"}))[0] == 409
        _, given = await api.ask("PUT", "operators/ada", {"password": "four words make one"})
        assert "password" not in given
        stored = await api.world.store.read(lambda tx: tx.operators.load("ada"))
        assert not fits(made["password"], stored.password)
        assert fits("four words make one", stored.password)
        _, listed = await api.ask("GET", "operators")
        assert [one["operator"] for one in listed["items"]] == ["ada"]
        assert "password" not in str(listed)
        assert (await api.ask("DELETE", "operators/ada"))[1]["deleted"] is True
        assert (await api.ask("DELETE", "operators/ada"))[0] == 404

    native(tmp_path, story)


def test_a_short_password_and_a_strange_name_are_refused(tmp_path: Path) -> None:
    async def story(api: Native) -> None:
        status, refused = await api.ask("POST", "operators", {"name": "ada", "password": "short"})
        assert status == 400
        assert "short" not in str(refused["error"]).replace("shortest", "")
        assert (await api.ask("POST", "operators", {"name": "a da"}))[0] == 400

    native(tmp_path, story)


def test_an_access_key_makes_no_operator(tmp_path: Path) -> None:
    async def story(api: Native) -> None:
        signed = Credentials(KEY.access_key_id, KEY.secret, "us-east-1")
        assert (await api.ask_signed("operators", signed, b'{"name": "ada"}'))[0] == 403

    native(tmp_path, story)


def test_nothing_fits_an_operator_without_a_password() -> None:
    assert not fits("", "")
    assert not fits("x", "")
    assert hash_password("the same") != hash_password("the same")
