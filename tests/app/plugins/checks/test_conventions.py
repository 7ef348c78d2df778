"""The guide's conventions (§3, §4, §6, §7, §12), a breach of each in a package outside the repository."""

import pytest

from app.core.plugins.checks.judging import judge_module
from app.core.plugins.checks.surroundings import Surroundings
from tests.support.packages import table


def issues_of(site, name="stock"):
    surroundings = Surroundings(site.discover(), "1.0.0")
    return judge_module(surroundings.modules[name], surroundings)


def codes(site, name="stock"):
    return sorted({issue.code for issue in issues_of(site, name)})


MODEL = """
import uuid
from datetime import datetime
import sqlalchemy as sa
from sqlalchemy import ForeignKey, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    metadata = MetaData()

class Item(Base):
    __tablename__ = "stock_items"
"""
KEY = "    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)\n"
CLINIC = "    clinic_id: Mapped[uuid.UUID] = mapped_column(index=True)\n"
GET_MODELS = "def get_models(self):\n    from .models import Item\n    return [Item]\n"


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (KEY + CLINIC, []),
        (KEY + CLINIC + "    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))\n", []),
        (CLINIC + "    id: Mapped[int] = mapped_column(primary_key=True)\n", ["TABLE_KEY_NOT_UUID"]),
        (CLINIC + "    code: Mapped[uuid.UUID] = mapped_column(primary_key=True)\n", ["TABLE_KEY_NOT_UUID"]),
        (KEY, ["TABLE_WITHOUT_CLINIC"]),
        (KEY + "    clinic_id: Mapped[str] = mapped_column(index=True)\n", ["CLINIC_NOT_UUID"]),
        (KEY + "    clinic_id: Mapped[uuid.UUID] = mapped_column()\n", ["CLINIC_NOT_INDEXED"]),
        (KEY + CLINIC + "    at: Mapped[datetime] = mapped_column()\n", ["TIME_WITHOUT_ZONE"]),
    ],
)
def test_tables(site, columns, found):
    site.add("stock", body=GET_MODELS).file("models.py", MODEL + columns).with_table("stock_items")

    assert codes(site) == found


ROUTER = """
from fastapi import APIRouter, Depends
from app.core.auth.dependencies import get_clinic_context, require_permission

router = APIRouter()
clinic, read, write, other = (
    Depends(get_clinic_context),
    Depends(require_permission("stock.items.read")),
    Depends(require_permission("stock.items.write")),
    Depends(require_permission("people.read")),
)
"""
BODY = """
def get_permissions(self):
    return ["items.read", "items.write"]

def get_router(self):
    from .router import router
    return router

def get_tools(self):
    from .tools import TOOLS
    return TOOLS
"""
NO_TOOLS = "TOOLS = []"
TOOL = """
from dataclasses import dataclass
from pydantic import BaseModel

class Arguments(BaseModel):
    code: str

@dataclass
class Tool:
    name: str
    permissions: tuple
    parameters: type = Arguments

TOOLS = [{tools}]
"""


def with_route(site, route, tools=NO_TOOLS, **manifest):
    text = f"{ROUTER}\n{route}\nasync def item() -> None: ...\n"
    return site.add("stock", body=BODY, **manifest).file("router.py", text).file("tools.py", tools)


@pytest.mark.parametrize(
    ("route", "found"),
    [
        ("@router.get('/items', dependencies=[clinic, read])", []),
        ("@router.get('/items', dependencies=[read])", []),  # asking for a permission asks for the clinic
        ("@router.get('/items', dependencies=[clinic])", ["ROUTE_WITHOUT_PERMISSION"]),
        ("@router.get('/items')", ["ROUTE_WITHOUT_CLINIC", "ROUTE_WITHOUT_PERMISSION"]),
        ("@router.get('/items', dependencies=[clinic, other])", ["ROUTE_PERMISSION_UNKNOWN"]),
        ("@router.post('/items', dependencies=[clinic, write])", ["WRITE_ROUTE_WITHOUT_TOOL"]),
        ("@router.post('/search', dependencies=[clinic, read])", []),
    ],
)
def test_routes(site, route, found):
    with_route(site, route)

    assert codes(site) == found


def test_a_permission_of_a_dependency_may_be_asked_for(site):
    site.add("people", body="def get_permissions(self):\n    return ['read']\n")
    with_route(site, "@router.get('/items', dependencies=[clinic, other])", depends=["people"])

    assert codes(site) == []


def test_a_route_may_be_public_on_purpose(site):
    with_route(site, "@router.post('/webhook')", public_routes=["POST /webhook"])

    assert codes(site) == []


@pytest.mark.parametrize("listed", [["POST /hook"], ["GET /items"]])
def test_what_is_listed_as_public_is_a_route_without_permission(site, listed):
    with_route(site, "@router.get('/items', dependencies=[clinic, read])", public_routes=listed)

    assert codes(site) == ["PUBLIC_ROUTE_UNKNOWN"]


@pytest.mark.parametrize(
    ("tools", "found"),
    [
        ("Tool('item', ('stock.items.write',))", []),
        ("Tool('stock.item', ('stock.items.write',))", ["TOOL_NAMESPACED", "WRITE_ROUTE_WITHOUT_TOOL"]),
        ("Tool('item', ())", ["TOOL_WITHOUT_PERMISSION"]),
        ("Tool('item', ('items.write',))", ["TOOL_PERMISSION_UNKNOWN"]),
        ("Tool('item', ('stock.items.write',)), Tool('item', ('stock.items.write',))", ["TOOL_TWICE"]),
        ("1 / 0", ["TOOL_INVALID"]),
    ],
)
def test_tools(site, tools, found):
    with_route(site, "@router.post('/items', dependencies=[clinic, write])", tools=TOOL.format(tools=tools))

    assert codes(site) == found


@pytest.mark.parametrize(("wanted", "found"), [("stock.item", []), ("stock.burn", ["TOOL_UNKNOWN"])])
def test_an_agent_names_tools_that_exist(site, wanted, found):
    body = f"{BODY}\ndef get_agents(self):\n    return [type('Keeper', (), {{'allowed_tools': [{wanted!r}]}})]\n"
    text = f"{ROUTER}\n@router.post('/items', dependencies=[clinic, write])\nasync def item() -> None: ...\n"
    tools = TOOL.format(tools="Tool('item', ('stock.items.write',))")
    site.add("stock", body=body).file("router.py", text).file("tools.py", tools)

    assert codes(site) == found


@pytest.mark.parametrize(
    ("event", "found"),
    [("appointment.completed", []), ("people.moved", []), ("people.vanished", ["EVENT_UNKNOWN"]), ("nobody.knows", ["EVENT_UNKNOWN"])],
)
def test_events_listened_to_are_published_by_somebody(site, event, found):
    site.add("people").file("service.py", "MOVED = 'people.moved'\ndef move(event_bus): event_bus.publish(MOVED, {})")
    site.add("stock", body=f"def get_event_handlers(self):\n    return {{{event!r}: lambda data: None}}\n")

    assert codes(site) == found


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ("event_bus.publish('stock.restocked', {})", []),
        ("ctx.event_bus.publish(EventType.INVOICE_PAID, {})", []),
        ("event_bus.publish('people.moved', {})", ["EVENT_NOT_OWN"]),
        ("mailbox.publish('people.moved', {})", []),
    ],
)
def test_events_published_are_the_cores_or_the_modules_own(site, call, found):
    site.add("people")
    site.add("stock").file("service.py", f"from app.core.events import EventType, event_bus\ndef tell(ctx, mailbox):\n    {call}\n")

    assert codes(site) == found


SEED = """
- xml_id: stock.mask
  table: {table}
  values:
    owner_id: "$xmlref:{reference}"
"""


@pytest.mark.parametrize(
    ("table_name", "reference", "found"),
    [
        ("stock_items", "stock.mask", []),
        ("people", "people.ana", []),
        ("stock_items", "people.nobody", ["SEED_REFERENCE_UNKNOWN"]),
        ("strangers", "strangers.one", ["SEED_REFERENCE_UNKNOWN", "SEED_TABLE_FOREIGN"]),
        ("nowhere", "stock.mask", ["SEED_TABLE_FOREIGN"]),
    ],
)
def test_seeds(site, table_name, reference, found):
    for name, xml_id in (("people", "ana"), ("strangers", "one")):
        package = site.add(name, data_files=["data/seeds.yaml"]).with_table(name)
        package.seeds(f"- {{xml_id: {name}.{xml_id}, table: {name}, values: {{}}}}")
    stock = site.add("stock", depends=["people"], data_files=["data/seeds.yaml"]).with_table("stock_items")
    stock.seeds(SEED.format(table=table_name, reference=reference))

    assert codes(site) == found


def test_a_seed_file_that_is_none(site):
    site.add("stock", data_files=["data/seeds.yaml"]).with_table("stock_items").seeds("- xml_id: [")

    assert codes(site) == ["SEED_INVALID"]


SLOTS = """
registerSlot('patient.detail.sidebar', {{ id: '{id}', order: 3, permission: '{permission}', // id: 'not.this'
  condition: (ctx) => ctx.patient.status === 'active' }})
registerSlot("dashboard.widgets", {{ id: "stock.widget" }})
"""


@pytest.mark.parametrize(
    ("id_", "permission", "found"),
    [
        ("stock.sidebar", "stock.items.read", []),
        ("sidebar", "stock.items.read", ["SLOT_ID_NOT_NAMESPACED"]),
        ("stock.widget", "stock.items.read", ["SLOT_TWICE"]),
        ("stock.sidebar", "items.read", ["SLOT_PERMISSION_UNKNOWN"]),
    ],
)
def test_slots(site, id_, permission, found):
    body = "def get_permissions(self):\n    return ['items.read']\n"
    stock = site.add("stock", body=body, frontend={"layer_path": "frontend"})
    stock.file("frontend/slots.ts", SLOTS.format(id=id_, permission=permission)).file("frontend/nuxt.config.ts", "export default {}")

    assert codes(site) == found


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"nuxt.config.ts": "x"}, []),
        ({"slots.ts": ""}, ["LAYER_CONFIG_MISSING"]),
        ({"nuxt.config.ts": "// components: []", "components/A.vue": ""}, ["LAYER_CONFIG_MISSING"]),
        ({"nuxt.config.ts": "i18n: {}", "i18n/locales/en.json": "{}"}, []),
        ({"nuxt.config.ts": "i18n: {}", "i18n/locales/en.json": "{"}, ["LOCALE_INVALID"]),
    ],
)
def test_layers(site, files, found):
    stock = site.add("stock", frontend={"layer_path": "frontend"})
    for name, text in files.items():
        stock.file(f"frontend/{name}", text)

    assert codes(site) == found


def test_a_migration_folder_that_cannot_be_read_is_told_once(site):
    site.add("stock").revision("stock_0001", table("stock_items"), extra="raise RuntimeError('no')")

    assert codes(site) == ["MIGRATIONS_UNUSABLE"]


JOB = "def get_scheduled_jobs(self):\n    return [{'id': 'count', 'func': lambda: None, 'trigger': 'cron', 'trigger_args': %s}]\n"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("def get_event_handlers(self):\n    return {'patient.created': lambda data: None}\n", []),
        ("def get_event_handlers(self):\n    return {'patient.created': lambda: None}\n", ["HANDLER_SIGNATURE"]),
        ("def get_events(self):\n    return {'stock.counted': None}\n", []),
        ("def get_events(self):\n    return {'people.counted': None}\n", ["EVENT_DECLARATION"]),
        (JOB % {"hour": 3}, []),
        (JOB % {"hour": 30}, ["JOB_INVALID"]),
    ],
)
def test_what_runs_by_itself_can_be_called(site, body, found):
    site.add("stock", body=body)

    assert codes(site) == found
