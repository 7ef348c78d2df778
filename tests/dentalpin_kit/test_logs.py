import json
import logging
import sys

import pytest

from dentalpin_kit import logs


@pytest.fixture
def logged(tmp_path):
    """Log to a file for one test; the function reads its lines."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    for handler in handlers:
        root.removeHandler(handler)
    file = tmp_path / "logs" / "runtime.log"
    logs.configure(file=file, tenant="t1")
    yield lambda: [json.loads(line) for line in file.read_text().splitlines()]
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


def test_a_line_says_where_and_about_what(logged):
    with logs.bind(request="r1", clinic="c1", nothing=None):
        logging.getLogger("app.modules.inventory.service").info("counted %d", 3)

    (line,) = logged()
    assert {
        "message": "counted 3",
        "module": "inventory",
        "request": "r1",
        "clinic": "c1",
        "tenant": "t1",
        "level": "info",
    }.items() <= line.items()
    assert "nothing" not in line


def test_what_was_bound_ends_with_its_block(logged):
    with logs.bind(request="r1"):
        pass
    logging.getLogger("app").info("later")

    assert "request" not in logged()[0]


def test_an_exception_is_one_line_without_its_password(logged):
    try:
        raise ConnectionError("cannot reach postgresql://owner:s3cret@127.0.0.1:5432/t1")
    except ConnectionError:
        logging.getLogger("app").exception("boot failed")

    (line,) = logged()
    assert "postgresql://owner:***@127.0.0.1" in line["exception"]
    assert "s3cret" not in json.dumps(line)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+asyncpg://u:s3cret@h/db",
        "postgresql://u:s3cret@with@h/db",
        "Authorization: Bearer s3cret-s3cret-s3cret",
        "password=s3cret host=h",
        '{"password": "s3cret"}',
        "/welcome?token=s3cret&x=1",
    ],
)
def test_secrets_do_not_reach_the_log(text):
    assert "s3cret" not in logs.scrub(text)


@pytest.mark.parametrize("text", ["https://example.com:8000/path", "time 12:30 by me@example.com", "the token is refused"])
def test_other_text_stays_as_it_is(text):
    assert logs.scrub(text) == text


def test_the_file_is_for_its_owner_only(logged, tmp_path):
    logging.getLogger("app").info("x")

    assert (tmp_path / "logs" / "runtime.log").stat().st_mode & 0o777 == 0o600


def test_a_file_rotated_by_another_process_is_followed(logged, tmp_path):
    logging.getLogger("app").info("before")
    file = tmp_path / "logs" / "runtime.log"
    file.rename(tmp_path / "logs" / "runtime.log.1")

    logging.getLogger("app").info("after")

    assert [line["message"] for line in logged()] == ["after"]


def test_without_a_file_lines_go_to_stderr(capsys):
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logs.JsonFormatter())
    handler.handle(logging.LogRecord("app", logging.WARNING, __file__, 1, "hello", None, None))

    assert json.loads(capsys.readouterr().err)["message"] == "hello"


def test_what_an_exception_quotes_is_not_logged(logged):
    try:
        try:
            raise KeyError("Ana García")
        except KeyError as error:
            raise ValueError("Ana García is allergic") from error
    except ValueError:
        logging.getLogger("app").exception("seeding failed")

    (line,) = logged()
    assert "García" not in json.dumps(line, ensure_ascii=False)
    assert line["exception"].startswith("ValueError\n")
    assert "caused by KeyError" in line["exception"]
    assert "test_logs.py" in line["exception"]


def test_the_exceptions_of_a_group_are_named(logged):
    try:
        raise ExceptionGroup("tasks", [ConnectionResetError("the server left"), ValueError("Ana García")])
    except ExceptionGroup:
        logging.getLogger("app").exception("the dispatcher failed")

    exception = logged()[0]["exception"]
    assert "ConnectionResetError: the server left" in exception
    assert "ValueError" in exception
    assert "García" not in exception


def test_a_database_error_says_state_and_constraint_but_no_row(logged):
    class Driver(Exception):
        sqlstate, table_name, constraint_name = "23505", "users", "uq_users_email"

    class Refused(Exception):
        orig = Driver("Key (email)=(ana@example.com) already exists.")

    try:
        raise Refused("ana@example.com")
    except Refused:
        logging.getLogger("app").exception("saving failed")

    (line,) = logged()
    assert "(23505, users, uq_users_email)" in line["exception"]
    assert "ana@" not in json.dumps(line)


def test_a_community_package_logs_as_the_module_it_is(logged):
    logs.name_package("dentalpin_inventory", "inventory")
    logging.getLogger("dentalpin_inventory.service").info("counted")
    logging.getLogger("dentalpin_inventory_tools").info("another package")

    first, second = logged()
    assert (first["logger"], first["module"]) == ("app.modules.inventory.service", "inventory")
    assert second["logger"] == "dentalpin_inventory_tools"
    assert "module" not in second


def test_the_module_whose_code_speaks_counts(logged):
    with logs.bind(module="agenda"):
        logging.getLogger("app.modules.patients").info("asked")
        logging.getLogger("app.core.events").info("delivered")

    assert [line["module"] for line in logged()] == ["patients", "agenda"]


def test_what_becomes_known_on_the_way_ends_with_the_block_around_it(logged):
    with logs.bind(request="r1"):
        logs.add(clinic="c1", nothing=None)
        logging.getLogger("app").info("inside")
    logging.getLogger("app").info("after")

    first, second = logged()
    assert (first["request"], first["clinic"]) == ("r1", "c1")
    assert "clinic" not in second


def test_a_line_may_have_fields_of_its_own(logged):
    logging.getLogger("app").info("served", extra={"fields": {"ms": 1.5}})

    assert logged()[0]["ms"] == 1.5


def test_rows_are_not_logged_even_when_everything_is_asked_for(tmp_path, logged):
    logs.configure(file=tmp_path / "logs" / "runtime.log", level="DEBUG")

    logging.getLogger("sqlalchemy.engine.Engine").debug("Row %r", ("Ana García",))

    assert logged() == []
