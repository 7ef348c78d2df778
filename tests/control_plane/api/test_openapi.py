"""The platform's description says what a client needs: names, errors, keys to repeat and to compare by, in the shape the answers have."""

from types import SimpleNamespace

import pytest

from control_plane.access.routing import PlatformRoute
from control_plane.main import create_app
from control_plane.openapi import PROBLEM, operations_of


@pytest.fixture(scope="module")
def app():
    return create_app(SimpleNamespace(clock=None))


@pytest.fixture(scope="module")
def document(app):
    return app.openapi()


def test_operations_have_names_of_their_own_and_say_what_they_do(document):
    operations = list(operations_of(document))
    names = [operation["operationId"] for _, _, operation in operations]
    assert document["openapi"].startswith("3.1")
    assert len(names) == len(set(names)) > 40
    assert all(operation.get("tags") and operation.get("summary") for _, _, operation in operations)


def test_every_refusal_is_a_problem_document_with_an_example(document):
    for method, path, operation in operations_of(document):
        refusals = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}
        assert "503" in refusals, (method, path)
        for status, answer in refusals.items():
            assert PROBLEM in answer["content"], (method, path, status)
            assert answer["content"][PROBLEM]["example"]["status"] == int(status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_route_but_health_asks_who_is_calling(document):
    for _, path, operation in operations_of(document):
        if "security" not in operation:
            assert {"401", "403", "429"} <= operation["responses"].keys(), path


def test_every_post_takes_a_key_to_repeat_it(app, document):
    from fastapi.routing import iter_route_contexts

    for method, path, operation in operations_of(document):
        takes = {parameter["name"] for parameter in operation.get("parameters", [])}
        assert ("Idempotency-Key" in takes) == (method == "post" and path.startswith("/v1")), path
    for route in iter_route_contexts(app.routes):
        if route.path.startswith("/v1/") and "POST" in (route.methods or ()) and "security" not in document["paths"][route.path]["post"]:
            assert isinstance(route.original_route, PlatformRoute), f"{route.path}: only PlatformRoute keeps answers for repetition"


def test_every_list_is_cut_into_pages_or_says_why_not(document):
    schemas = document["components"]["schemas"]
    whole = set()
    for method, path, operation in operations_of(document):
        answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        members = schemas.get(answer.get("$ref", "").rpartition("/")[2], {}).get("properties", {})
        takes = {parameter["name"] for parameter in operation.get("parameters", [])}
        if method == "get" and "items" in members and not ("next" in members and {"after", "limit"} <= takes):
            whole.add(path)
    assert whole <= WHOLE.keys(), "cut the list into pages (control_plane.pagination), or say here why it is shown whole"


WHOLE = {
    "/v1/compliance": "as many as there are packs in the product",
    "/v1/clusters": "a handful, shown whole with how full each is",
    "/v1/database-servers": "a handful, shown whole with how full each is",
    "/v1/drift": "what runs something else than it should: looked at whole, and best empty",
    "/v1/stuck": "what waits for a person now: looked at whole, and best empty",
    "/v1/webhooks/events": "as many as the product has",
    "/v1/keys": "a handful, shown whole so that none is overlooked",
    "/v1/payments/providers": "two at most",
    "/v1/tariffs": "a few a year",
    "/v1/tenants/{slug}/access": "a tenant's few people and resellers",
    "/v1/resellers/{reseller_id}/prices": "as many as the tariff sells",
    "/v1/tenants/{slug}/domains": "a clinic's ten at most",
    "/v1/tenants/{slug}/erasures": "one, or the few that were asked for again",
    "/v1/tenants/{slug}/releases": "the releases that are known, each judged against the tenant",
}


def test_what_has_an_etag_takes_it_back(document):
    for method, path in (("put", "/v1/tenants/{slug}/modules"), ("delete", "/v1/tenants/{slug}"), ("patch", "/v1/webhooks/{webhook_id}")):
        operation = document["paths"][path][method]
        assert "if-match" in {parameter["name"].lower() for parameter in operation["parameters"]}
        assert "412" in operation["responses"]
