"""Which work a process does, and what a database allows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailseal.app.roles import ALL, Role, check_roles, parse_roles
from mailseal.config import Config, SetupError, StoreConfig

SQLITE = Config()
POSTGRESQL = replace(SQLITE, store=StoreConfig(database="postgresql:///mailseal"))


def test_roles_are_named_with_commas_or_one_by_one_and_all_where_none_is() -> None:
    assert parse_roles(()) == parse_roles((" ",)) == ALL
    assert parse_roles(("api,dns", "worker")) == {Role.API, Role.DNS, Role.WORKER}
    with pytest.raises(SetupError, match="'smtpd' is not a role"):
        parse_roles(("api,smtpd",))


def test_on_sqlite_the_one_process_does_the_work_that_nobody_asks_for() -> None:
    check_roles(SQLITE, frozenset({Role.WORKER}))
    with pytest.raises(SetupError, match="needs the role worker") as refused:
        check_roles(SQLITE, frozenset({Role.API, Role.DNS}))
    assert refused.value.do.startswith("add it: --role api,dns,worker;")
    check_roles(POSTGRESQL, frozenset({Role.API}))


def test_more_than_one_process_is_refused_on_sqlite_with_what_to_do() -> None:
    check_roles(SQLITE, ALL, processes=1)
    check_roles(POSTGRESQL, ALL, processes=8)
    with pytest.raises(SetupError, match="--processes 2 needs PostgreSQL") as refused:
        check_roles(SQLITE, ALL, processes=2)
    assert refused.value.why
    assert "postgresql:" in refused.value.do
