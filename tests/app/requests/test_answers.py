"""The shape of answers that no route makes."""

from typing import ClassVar

import pytest
from fastapi import APIRouter
from pydantic import SecretStr

from app.config import Settings
from app.core.plugins.base import BaseModule
from app.main import SettingMissing, create_app
from tests.support.app import SECRET, ShelfModule, build, mounted


@pytest.fixture
async def client(clinic_app):
    async with clinic_app.client() as client:
        yield client


@pytest.mark.parametrize("path", ["/api", "/api/v1/nothing", "/api/v1/shelf/nothing", "/api/v2"])
async def test_an_unknown_address_below_api_is_a_json_404(client, path):
    answer = await client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert answer.json() == {"data": None, "message": answer.json()["message"], "errors": [{"code": "not_found"}]}


async def test_an_unknown_page_is_a_page(client):
    answer = await client.get("/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "start from the overview" in answer.text


async def test_a_method_that_does_not_exist_is_a_405_that_names_those_that_do(client):
    answer = await client.delete("/api/v1/auth/login")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json()["errors"] == [{"code": "method_not_allowed"}]


async def test_a_body_that_is_no_json_is_a_422_in_our_shape(client):
    answer = await client.post("/api/v1/auth/login", content=b"{oh", headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["data"] is None
    assert answer.json()["errors"][0]["code"] == "invalid"


async def test_every_answer_is_private_and_not_sniffed_or_framed(client):
    for path in ("/api/v1/auth/me", "/api/v1/nothing", "/sign-in", "/nothing"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] in ("no-referrer", "same-origin")
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "strict-transport-security" not in headers


async def test_behind_https_cookies_are_secure_and_bound_to_the_host(clinic_app):
    settings = Settings(secret_key=SecretStr(SECRET), public_url="https://sol.dentalpin.example")
    app = build(clinic_app.schema, clinic_app.database, settings=settings)
    await app.add_user()
    async with app.client() as client:
        answer = await client.post("/api/v1/auth/login", json={"email": "ana@example.com", "password": "correct horse battery staple"})
    assert answer.headers["set-cookie"].startswith("__Host-dentalpin_")
    assert "secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["strict-transport-security"]


async def test_the_openapi_document_lists_core_and_module_routes(client):
    document = (await client.get("/api/v1/openapi.json")).json()
    assert {"/api/v1/auth/login", "/api/v1/clinics", "/api/v1/shelf/notes"} <= set(document["paths"])
    assert "/welcome" not in document["paths"]
    assert set(document["components"]["schemas"]["HTTPValidationError"]["properties"]) == {"data", "message", "errors"}
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


async def test_a_body_too_large_to_hold_is_refused_before_anybody_signs_in(client):
    async def endless():
        for _ in range(40):
            yield b" " * 1024 * 1024

    answer = await client.post("/api/v1/auth/login", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["errors"] == [{"code": "too_large"}]


async def test_two_tenants_have_cookies_of_different_names(clinic_app):
    other = build(clinic_app.schema, clinic_app.database, settings=Settings(secret_key=SecretStr("another secret, of another tenant")))
    assert clinic_app.app.state.auth.cookie != other.app.state.auth.cookie


async def test_a_module_whose_routes_cannot_be_made_is_left_out_with_what_needs_it(clinic_app):
    class Broken(BaseModule):
        manifest: ClassVar = {"name": "broken", "version": "1.0.0"}

        def get_router(self) -> APIRouter:
            raise RuntimeError

    class NeedsIt(BaseModule):
        manifest: ClassVar = {"name": "needs_it", "version": "1.0.0", "depends": ["broken"]}

    app = build(clinic_app.schema, clinic_app.database, [Broken(), NeedsIt(), ShelfModule()])
    assert [module.name for module in app.app.state.registry.active] == ["shelf"]


async def test_further_routers_and_layers_take_part(clinic_app):
    extra = APIRouter()
    order = []

    @extra.get("/health/live")
    async def live():
        return {"status": "alive"}

    def layer(name):
        def wrap(app):
            async def call(scope, receive, send):
                order.append(name)
                await app(scope, receive, send)

            return call

        return wrap

    app = build(clinic_app.schema, clinic_app.database, routers=[extra], layers=[layer("outer"), layer("inner")])
    async with app.client() as client:
        assert (await client.get("/health/live")).json() == {"status": "alive"}
    assert order == ["outer", "inner"]


def test_without_a_secret_or_a_database_the_reason_is_named():
    with pytest.raises(SettingMissing, match="DENTALPIN_SECRET_KEY"):
        create_app(Settings(), mounted())
    with pytest.raises(SettingMissing, match="DATABASE_URL"):
        create_app(Settings(secret_key=SecretStr(SECRET)), mounted())
