import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dentalpin_kit import tracing


@pytest.fixture
def collector():
    """A collector on loopback: its address, and the bodies it was sent."""
    received = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def test_spans_reach_the_collector_that_the_environment_names(collector, monkeypatch):
    address, received = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    tracing.configure("dentalpin-test", {"OTEL_EXPORTER_OTLP_ENDPOINT": address}, process="test")

    with pytest.raises(ValueError, match="Ana"), tracing.span("event") as span:
        span.set(module="agenda", event="patient.created", clinic=None)
        raise ValueError("Ana García is allergic")
    tracing.shut_down()

    ((path, body),) = received
    assert path == "/v1/traces"
    for said in (b"event", b"dentalpin.module", b"agenda", b"ValueError", b"dentalpin-test", b"dentalpin.process"):
        assert said in body
    assert b"Ana" not in body
    assert b"dentalpin.clinic" not in body


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_traces_are_sent_only_where_somebody_asked_for_them(variables, expected):
    assert tracing.asked_for(variables) is expected


def test_without_being_asked_nothing_is_imported_and_spans_do_nothing():
    program = (
        "import sys\nfrom dentalpin_kit import tracing\n"
        "tracing.configure('x', {})\n"
        "with tracing.span('a') as span:\n    span.set(module='b')\n    tracing.failed(span, 'c')\n"
        "tracing.shut_down()\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))\n"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
