"""A change of a pack is shown with its effect, published, and brought only to those whose effect digest it changes."""

from uuid import UUID

import pytest
import yaml
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from control_plane.campaigns.driving import drive_campaigns
from control_plane.compliance.loading import OFFICIAL, digest, official_packs
from control_plane.compliance.schema import Pack
from control_plane.law import editions
from control_plane.law.dates import keep_up
from control_plane.law.shelf import Shelf
from control_plane.operations.steps import Tools
from tests.control_plane.law.conftest import COMPANY, PERSON, modules

AT_ONCE = {"canary": 0, "waves": [{"size": "rest"}], "windows": False, "why_no_windows": "nobody works in this test"}
EARLIER = {"es-verifactu.corporate-tax": "2026-11-01"}


def spain(words=None, **dates):
    """Spain's pack with other dates for some rules, or other words."""
    pack = yaml.safe_load((OFFICIAL / "es.yaml").read_text(encoding="utf-8"))
    for rule in pack["rules"]:
        if rule["id"] in dates:
            rule["effective_from"] = dates[rule["id"]]
        if words:
            rule["text"]["en"] += f" {words}"
    return yaml.safe_dump(pack, allow_unicode=True)


@pytest.fixture
def draft(client):
    async def draft(*packs):
        answer = await client.post("/v1/law/editions", json={"packs": list(packs)})
        assert answer.status_code == 201, answer.text
        edition = answer.json()
        effect = (await client.get(f"/v1/law/editions/{edition['id']}/effect")).json()
        return edition, effect

    return draft


@pytest.fixture
def publish(client):
    async def publish(edition, effect):
        told = {"seen": effect["digest"], "strategy": AT_ONCE}
        return await client.post(f"/v1/law/editions/{edition['id']}/publish", json=told)

    return publish


async def test_a_published_change_shows_its_effect_and_restarts_only_those_it_changes(
    order, shown, draft, publish, client, worker, platform, databases, deployer, clock
):
    for slug, facts in {"sol": {"tax_id": COMPANY}, "luna": {"tax_id": PERSON}, "porto": {"country": "PT"}}.items():
        await order(slug, **facts)
    await keep_up(platform)
    before = len(deployer.log())
    edition, effect = await draft(spain(**EARLIER))

    assert [(one["tenant"], one["changes"], one["install"]) for one in effect["restarts"]] == [
        ("sol", ["es-verifactu: allowed → required"], ["billing", "verifactu"])
    ]
    assert (effect["tenants"], effect["answers"], effect["problems"]) == (2, [], [])
    assert modules(await shown("sol")) == ["patients", "agenda"], "showing changes nothing"
    assert (await client.get("/v1/compliance/ES", params={"on": "2026-11-21"})).json()["unmet"] == []

    published = await publish(edition, effect)
    assert published.status_code == 200, published.text
    assert (published.json()["number"], published.json()["state"], published.json()["behind"]) == (2, "published", 1)
    await keep_up(platform)
    assert modules(await shown("sol")) == ["patients", "agenda"], "it waits for its campaign"

    for _ in range(10):
        clock.advance(minutes=5)
        await drive_campaigns(Tools(platform, databases))
        await worker.drain()
    campaign = (await client.get(f"/v1/campaigns/{published.json()['campaign']}")).json()
    members = (await client.get(f"/v1/campaigns/{campaign['id']}/members")).json()["items"]
    assert (campaign["state"], [(one["tenant"], one["state"]) for one in members]) == ("completed", [("sol", "done")]), (campaign, members)
    tenants = {slug: await shown(slug) for slug in ("sol", "luna", "porto")}
    assert modules(tenants["sol"]) == ["patients", "agenda", "billing", "verifactu"]
    assert {slug: tenant["desired"]["revision"] for slug, tenant in tenants.items()} == {"sol": 2, "luna": 1, "porto": 1}
    applied = {line[0] for line in deployer.log()[before:] if line[1].startswith("apply")}
    assert applied == {tenants["sol"]["id"]}
    assert (await client.get(f"/v1/law/editions/{edition['id']}")).json()["behind"] == 0
    law = (await client.get("/v1/compliance/ES", params={"on": "2026-11-21"})).json()
    assert next(one["status"] for one in law["obligations"] if one["id"] == "es-verifactu") == "required"


async def test_whom_an_aborted_campaign_left_behind_is_taken_up_with_the_next_edition(
    order, shown, draft, publish, client, worker, platform, databases, clock
):
    """Also where that is about another country: nobody else would ever come to them, and the law would stay as it was for them."""
    await order("sol", tax_id=COMPANY)
    await keep_up(platform)
    first = (await publish(*await draft(spain(**EARLIER)))).json()
    other = yaml.safe_load((OFFICIAL / "pt.yaml").read_text(encoding="utf-8"))
    other["rules"][0]["text"]["en"] += " (As amended.)"
    _, meanwhile = await draft(yaml.safe_dump(other, allow_unicode=True))
    aborted = await client.post(f"/v1/campaigns/{first['campaign']}/abort", json={"why": "not in August"})
    edition, effect = await draft(yaml.safe_dump(other, allow_unicode=True))
    second = (await publish(edition, effect)).json()
    for _ in range(10):
        clock.advance(minutes=5)
        await drive_campaigns(Tools(platform, databases))
        await worker.drain()

    assert (aborted.status_code, first["behind"]) == (202, 1)
    assert ([one["tenant"] for one in meanwhile["restarts"]], [one["tenant"] for one in effect["restarts"]]) == ([], ["sol"])
    assert modules(await shown("sol")) == ["patients", "agenda", "billing", "verifactu"]
    assert (await client.get(f"/v1/law/editions/{second['id']}")).json()["behind"] == 0


async def test_of_a_tax_number_only_what_it_tells_makes_another_kind(order, draft, platform):
    """Everybody has another number: ten thousand clinics are planned as often as they are of different kinds, not ten thousand times."""
    for slug, number in {"ana": COMPANY, "bea": "A58818501", "eva": PERSON, "luz": "12345678Z"}.items():
        await order(slug, tax_id=number)
    made, shown = await draft(spain(**EARLIER))
    async with platform.database.transaction() as session:
        effect = await editions.effect(session, platform, await editions.get(session, UUID(made["id"])))
    assert [one["tenant"] for one in shown["restarts"]] == ["ana", "bea"]
    assert (effect.tenants, effect.kinds) == (4, 2)


async def test_a_corrected_typo_restarts_nobody_and_makes_no_campaign(order, draft, publish, shown, client, platform, worker):
    await order("sol", tax_id=COMPANY)
    edition, effect = await draft(spain(words="(As amended.)"))
    assert (effect["restarts"], [one["tenant"] for one in effect["answers"]]) == ([], ["sol"])

    published = (await publish(edition, effect)).json()
    assert (published["campaign"], published["behind"]) == (None, 0)
    await keep_up(platform)
    assert not await worker.work_once()
    law = (await client.get("/v1/tenants/sol/compliance")).json()
    assert law["edition"] == 2
    assert "(As amended.)" in next(one["why"] for one in law["obligations"] if one["id"] == "es-verifactu")


async def test_a_date_that_is_put_off_is_announced_anew(order, draft, publish, day_comes, shown, mails, client):
    await order("sol", tax_id=COMPANY)
    edition, effect = await draft(spain(**{"es-verifactu.corporate-tax": "2027-03-01"}))
    assert [one["tenant"] for one in effect["answers"]] == ["sol"]
    await publish(edition, effect)
    await day_comes("2027-01-01")
    assert (modules(await shown("sol")), await mails("sol")) == (["patients", "agenda"], [])
    await day_comes("2027-01-30")
    assert await mails("sol") == [("law_date", "Sol: la ley cambia el 1 de marzo de 2027")]
    await day_comes("2027-03-01")
    assert modules(await shown("sol"))[-1] == "verifactu"


async def test_what_is_published_is_what_was_seen(order, draft, publish, client):
    await order("sol", tax_id=COMPANY)
    edition, effect = await draft(spain(**EARLIER))
    await order("luna", tax_id=COMPANY)
    refused = await publish(edition, effect)
    assert (refused.status_code, refused.json()["code"]) == (409, "effect_changed")
    assert (await client.get(f"/v1/law/editions/{edition['id']}")).json()["state"] == "draft"

    other, words = await draft(spain(words="(Other words.)"))
    assert (await publish(other, words)).status_code == 200
    again = await publish(other, words)
    assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")


async def test_a_pack_that_contradicts_itself_is_refused_with_the_rule(client):
    bad = spain().replace("sii: true", "cinema: true", 1)
    answer = await client.post("/v1/law/editions", json={"packs": [bad]})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_pack")
    assert "es-verifactu.sii" in answer.json()["detail"]
    assert (await client.post("/v1/law/editions", json={"packs": ["[1"]})).json()["code"] == "invalid_pack"
    assert (await client.post("/v1/law/editions", json={"packs": [spain()]})).json()["code"] == "nothing_changes"


async def test_the_product_s_packs_are_the_first_edition_and_later_ones_are_offered(client, platform):
    first = (await client.get("/v1/law/editions")).json()["items"]
    assert [(one["number"], one["state"], one["published_by"]) for one in first] == [(1, "published", "platform:law")]
    async with platform.database.transaction() as session:
        assert await editions.bring_in_official(session, platform) is None
        law = await Shelf().current(session)
    assert law.packs == official_packs()


async def test_a_draft_can_be_thrown_away(draft, client, publish):
    edition, effect = await draft(spain(**EARLIER))
    thrown = (await client.delete(f"/v1/law/editions/{edition['id']}")).json()
    assert thrown["state"] == "discarded"
    assert (await publish(edition, effect)).json()["code"] == "illegal_transition"


@pytest.mark.parametrize(
    "statement",
    ["UPDATE pack_version SET digest = 'x'", "DELETE FROM pack_version", "UPDATE pack_edition SET state = 'draft', number = NULL"],
)
async def test_published_packs_cannot_be_rewritten(client, platform, statement):
    with pytest.raises(IntegrityError):
        async with platform.database.transaction() as session:
            await session.execute(text(statement))


def test_a_pack_read_back_from_its_row_is_the_same():
    for pack in official_packs().by_id.values():
        assert digest(Pack.model_validate(pack.model_dump(mode="json"))) == digest(pack)
