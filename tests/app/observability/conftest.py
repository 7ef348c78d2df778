"""Fixtures that import the application, and the log of one test."""

import json
import logging

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.core.observability.metrics import INSTRUMENTS
from dentalpin_kit import logs, tracing
from tests.support.app import clinic_app, request_database

__all__ = ["clinic_app", "logged", "request_database", "spans"]


@pytest.fixture
def logged(tmp_path):
    """Log to a file for one test, at DEBUG; the function reads its lines."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in logs.CHATTY}
    for handler in handlers:
        root.removeHandler(handler)
    file = tmp_path / "runtime.log"
    logs.configure(file=file, level="DEBUG")
    yield lambda: [json.loads(line) for line in file.read_text().splitlines()]
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    for name, known in levels.items():
        logging.getLogger(name).setLevel(known)


@pytest.fixture(autouse=True)
def _from_nothing():
    INSTRUMENTS.clear()
    yield
    INSTRUMENTS.clear()


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    tracing.install(SimpleSpanProcessor(exporter), "dentalpin-test")
    yield lambda: [json.loads(span.to_json()) for span in exporter.get_finished_spans()]
    tracing.shut_down()
