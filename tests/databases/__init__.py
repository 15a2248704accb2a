"""The databases that tests run on: a SQLite file, and a real PostgreSQL server out of a wheel."""

import pytest

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
on_both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
