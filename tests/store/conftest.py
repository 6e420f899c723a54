"""The contract of the store: told to SQLite and to PostgreSQL alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import POSTGRESQL
from tests.postgresql import server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs_debian("postgresql"))])
def each_engine(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the test's own on each engine in turn; `tell` opens it."""
    engine: str = request.param
    if engine == "postgresql":
        (tmp_path / POSTGRESQL).write_text(server().database())
    return engine
