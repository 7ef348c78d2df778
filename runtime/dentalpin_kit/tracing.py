"""OpenTelemetry spans of one process, sent to OTEL_EXPORTER_OTLP_ENDPOINT; without that variable nothing is imported and a span is free.

A span carries names of ours only (route template, module, event, job, step) and ids of clinics: no path, no query, no message of an
exception, which may all name a patient. The provider is not made OpenTelemetry's global one, so that no library adds spans of its own
that say more (FastAPI's would hold the query). Sampling, headers and time-outs are the SDK's own variables (OTEL_TRACES_SAMPLER, …).
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

logger = logging.getLogger(__name__)

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
FLUSH_SECONDS: Final = 2.0
_PREFIX: Final = "dentalpin."


class Span(Protocol):
    def set(self, **attributes: object) -> None: ...


class _NoSpan:
    def set(self, **attributes: object) -> None:
        pass


class _Recorded:
    def __init__(self, span: Any) -> None:
        self._span = span

    def set(self, **attributes: object) -> None:
        """Values that are None are left out. `http.` names are OpenTelemetry's own, the others are put below `dentalpin.`."""
        for name, value in attributes.items():
            if value is not None:
                self._span.set_attribute(_named(name), value if isinstance(value, bool | int | float) else str(value))

    def name(self, name: str) -> None:
        self._span.update_name(name)


_NO_SPAN: Final = _NoSpan()
_provider: Any = None
_tracer: Any = None


def asked_for(variables: Mapping[str, str]) -> bool:
    """Whether these variables name a place to send traces to."""
    return variables.get("OTEL_SDK_DISABLED", "").lower() != "true" and any(variables.get(name) for name in ENDPOINTS)


def configure(service: str, variables: Mapping[str, str], **resource: str) -> None:
    """Send spans from here on, if the variables ask for it. `resource` says what this process is (tenant, process)."""
    if not asked_for(variables):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.error("traces are asked for, and the exporter is not installed: pip install 'dentalpin-core[telemetry]'")
        return
    install(BatchSpanProcessor(OTLPSpanExporter()), variables.get("OTEL_SERVICE_NAME") or service, **resource)


def install(processor: Any, service: str, **resource: str) -> None:
    """Give every span to this span processor; for `configure`, and for tests that look at spans."""
    global _provider, _tracer
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    about = {"service.name": service, **{_named(name): value for name, value in resource.items()}}
    _provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    _provider.add_span_processor(processor)
    _tracer = _provider.get_tracer("dentalpin")


def shut_down() -> None:
    """Send what is left and stop; before a process ends or replaces itself."""
    global _provider, _tracer
    provider, _provider, _tracer = _provider, None, None
    if provider is not None:
        provider.force_flush(int(FLUSH_SECONDS * 1000))
        provider.shutdown()


@contextlib.contextmanager
def span(name: str, *, caller: Mapping[str, str] | None = None, **attributes: object) -> Iterator[Span]:
    """A span around the block, below the one it stands in. `caller` are a request's headers: its `traceparent` is the span's parent.

    An exception marks the span as failed with its type alone.
    """
    if _tracer is None:
        yield _NO_SPAN
        return
    from opentelemetry.trace import SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = None if caller is None else TraceContextTextMapPropagator().extract(caller)
    kind = SpanKind.INTERNAL if caller is None else SpanKind.SERVER
    with _tracer.start_as_current_span(name, context=parent, kind=kind, record_exception=False, set_status_on_exception=False) as started:
        recorded = _Recorded(started)
        recorded.set(**attributes)
        try:
            yield recorded
        except BaseException as error:
            started.set_status(Status(StatusCode.ERROR))
            started.set_attribute("error.type", type(error).__qualname__)
            raise


def failed(span: Span, kind: str) -> None:
    """Mark a span whose block did not raise as failed: `kind` is a short word, such as a status or an outcome."""
    if isinstance(span, _Recorded):
        from opentelemetry.trace import Status, StatusCode

        span._span.set_status(Status(StatusCode.ERROR))
        span._span.set_attribute("error.type", kind)


def renamed(span: Span, name: str) -> None:
    """Give a span the name that is known only at its end, as a request's route is."""
    if isinstance(span, _Recorded):
        span.name(name)


def _named(name: str) -> str:
    return name.replace("__", ".") if name.startswith("http__") else _PREFIX + name
