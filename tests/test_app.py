import io
import json
import logging

import pytest

from service.app import JsonFormatter, configure_logging, create_app
from service.errors import SettingsError
from service.store import SchemaMismatch, migrate


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """A configuration directory that the environment names, without a database yet; its URL."""
    url = f"sqlite:///{tmp_path}/refundry.db"
    (tmp_path / "service.toml").write_text(f'database_url = "{url}"\n')
    monkeypatch.setenv("REFUNDRY_CONFIG_DIR", str(tmp_path))
    return url


@pytest.fixture
def kept_logging():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(message, *, extra=None, exc_info=None):
    """The line that a log call becomes.

    Handed to the handler, not logged: pytest keeps what is logged, and a lone surrogate would break its report.
    """
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    if exc_info is not None:
        exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    log = logging.getLogger("refundry.test")
    handler.handle(log.makeRecord(log.name, logging.ERROR, __file__, 1, message, (), exc_info, extra=extra))
    return stream.getvalue()


@pytest.mark.usefixtures("kept_logging")
def test_without_a_runtime_the_environment_says_where_the_configuration_is(configured):
    migrate(configured)

    assert create_app().test_client().get("/readyz/intake").status_code == 200


@pytest.mark.usefixtures("kept_logging", "configured")
def test_a_database_that_was_not_migrated_ends_the_start():
    with pytest.raises(SchemaMismatch, match="refundry migrate"):
        create_app()


def test_a_missing_configuration_ends_the_start(monkeypatch, tmp_path):
    monkeypatch.setenv("REFUNDRY_CONFIG_DIR", str(tmp_path / "nowhere"))

    with pytest.raises(SettingsError, match="REFUNDRY_CONFIG_DIR"):
        create_app()


def test_a_log_line_is_one_json_object_with_its_fields():
    line = json.loads(logged("delivery %s", extra={"delivery": "del_1", "tries": 2}))

    assert {**line, "at": ""} == {
        "at": "",
        "level": "ERROR",
        "logger": "refundry.test",
        "message": "delivery %s",
        "delivery": "del_1",
        "tries": 2,
    }


@pytest.mark.parametrize(
    "hostile",
    ["a\r\nFAKE", "\x1b[2J", "\u2028", '"}', "\ud800"],
    ids=["line end", "escape", "separator", "quote", "lone surrogate"],
)
def test_nobodys_data_breaks_a_log_line(hostile):
    written = logged(hostile, extra={"reason": hostile})

    assert written.count("\n") == 1
    assert written.isascii()
    assert json.loads(written)["reason"] == hostile


def test_a_traceback_is_part_of_its_line():
    written = logged("fault", exc_info=ValueError("boom"))

    assert written.count("\n") == 1
    assert "ValueError: boom" in json.loads(written)["exception"]


@pytest.mark.usefixtures("kept_logging")
def test_setting_the_log_up_twice_writes_each_line_once(capsys):
    configure_logging("warning")
    configure_logging("warning")

    logging.getLogger("refundry.test").warning("once")
    logging.getLogger("refundry.test").info("too quiet")

    assert capsys.readouterr().err.count("\n") == 1
