"""The sign-up pages at their HTTP door, as a browser without JavaScript uses them."""

import asyncio
import re
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from control_plane.operations.models import Operation
from control_plane.signup import service
from control_plane.signup.forms import new_token
from control_plane.signup.models import Signup
from control_plane.signup.pages import SENDING
from control_plane.tenants.models import Tenant
from dentalpin_kit.peers import read_networks
from tests.support.platform import MODULES, api_of
from tests.support.progress import attest_claimed, begin_step, finish, give_up

SPAIN = {"name": "Clínica Sol", "email": "ana@sol.example", "country": "ES", "module": ["agenda"]}


async def fresh_token(client) -> str:
    found = re.search(r'name="token" value="([^"]+)"', (await client.get("/signup")).text)
    assert found
    return found[1]


async def send(client, *, token: str | None = None, language: str = "en", **changes):
    data = {"token": token or await fresh_token(client), **SPAIN, **changes}
    return await client.post("/signup", data=data, headers={"Accept-Language": language})


async def opened(client, **changes) -> str:
    """The address of the progress page of a clinic just opened."""
    response = await send(client, **changes)
    assert response.status_code == 303, response.text
    return response.headers["location"]


async def count(platform, model) -> int:
    async with platform.database.transaction() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


@pytest.mark.parametrize("address", ["/", "/signup"])
async def test_the_form_needs_no_key(platform, address: str):
    async with api_of(platform) as client:
        client.headers.pop("Authorization")
        response = await client.get(address)
    assert response.status_code == 200
    assert "Open your clinic" in response.text


async def test_the_page_runs_nothing_but_our_own_files(client):
    response = await client.get("/signup")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?://", response.text)
    for file in re.findall(r'(?:src|href)="(/signup/static/[^"]+)"', response.text):
        assert (await client.get(file)).status_code == 200


async def test_prices_and_the_total_are_shown(client):
    text = (await client.get("/signup")).text
    assert "€12.00 a month" in text
    assert "€41.00" in text


async def test_a_plan_holds_modules_and_is_paid_in_the_country_s_currency(client):
    text = (await client.post("/signup/consequences", data={**SPAIN, "country": "GB", "plan": "practice"})).text
    assert re.search(r'id="plan-practice"[^>]* checked', text)
    assert "£52.00 a month" in text
    assert re.search(r"Total</dt><dd>£52.00", text)
    assert re.search(r"Due today</dt><dd>£0.00", text)
    assert "In the plan" in text


async def test_a_spanish_browser_reads_spanish_and_starts_with_spain(client):
    text = (await client.get("/signup", headers={"Accept-Language": "es-ES,es;q=0.9"})).text
    assert '<html lang="es">' in text
    assert "12,00\u00a0€ al mes" in text
    assert '<option value="ES" selected>España</option>' in text


async def test_sending_the_form_opens_one_clinic_through_the_tenant_service(client, platform):
    address = await opened(client, tax_id="B-12345674", territory="ES-CN", legal_form="corporate_tax", **{"fact.sii": "no"})

    async with platform.database.transaction() as session:
        tenant = (await session.scalars(select(Tenant))).one()
    assert (tenant.slug, tenant.country, tenant.territory) == ("clinica-sol", "ES", "ES-CN")
    assert (tenant.tax_id, tenant.owner_email, tenant.facts) == ("B12345674", "ana@sol.example", {"sii": "no"})
    assert (await client.get(address)).status_code == 200
    operator = (await client.get("/v1/tenants/clinica-sol")).json()
    assert operator["chosen"] == ["agenda"]


async def test_sending_the_same_form_twice_opens_one_clinic(client, platform):
    token = await fresh_token(client)
    first, second = await asyncio.gather(send(client, token=token), send(client, token=token))
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    assert await count(platform, Tenant) == 1
    assert await count(platform, Operation) == 1


async def test_a_used_form_that_says_something_else_asks_before_it_opens_another(client, platform):
    token = await fresh_token(client)
    await opened(client, token=token)

    response = await send(client, token=token, name="Clínica Luna")

    assert response.status_code == 422
    assert "has opened “Clínica Sol” already" in response.text
    assert f'href="/signup/{token}"' in response.text
    assert token not in re.findall(r'name="token" value="([^"]+)"', response.text)
    assert await count(platform, Tenant) == 1


async def test_the_address_of_a_progress_page_is_not_stored_readably(client, platform):
    address = await opened(client)
    async with platform.database.transaction() as session:
        row = (await session.scalars(select(Signup))).one()
    assert row.token_hash not in address


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": ""}, "name", "Please fill this in."),
        ({"email": ""}, "email", "Please fill this in."),
        ({"email": "ana-sol"}, "email", "not an e-mail address"),
        ({"country": ""}, "country", "Please fill this in."),
        ({"country": "XX"}, "country", "ES"),
        ({"tax_id": "B12345675"}, "tax_id", "not a valid tax number"),
        ({"tax_id": "B12345674", "legal_form": "other"}, "legal_form", "does not go with the tax number"),
        ({"legal_form": "kingdom"}, "legal_form", "corporate_tax"),
        ({"slug": "Sol!"}, "slug", "lower-case letters"),
        ({"name": "x" * 201}, "name", "under 201 characters"),
        ({"module": ["agenda", "magic"]}, "modules", "magic"),
        ({"plan": "platinum"}, "plan", "no such plan"),
        ({"module": ["future"]}, "modules", "9.0.0"),
        ({"module": ["verifactu"], "fact.sii": "yes"}, "modules", "SII"),
        ({"fact.sii": "perhaps"}, "fact.sii", "true or false"),
    ],
)
async def test_a_mistake_is_said_at_its_field_and_nothing_typed_is_lost(client, platform, changes: dict, field: str, said: str):
    response = await send(client, **changes)
    assert response.status_code == 422
    problem = re.search(rf'id="{re.escape(field)}-error">([^<]*)<', response.text)
    assert problem, response.text
    assert said in problem[1]
    kept = {**SPAIN, **changes}
    assert f'value="{kept["name"]}"' in response.text
    assert f'value="{kept["email"]}"' in response.text
    assert await count(platform, Tenant) == 0


async def test_an_answer_left_over_from_another_country_is_said_and_gone_with_the_next_sending(client):
    response = await send(client, country="PT", territory="ES-CN")
    assert response.status_code == 422
    assert "PT has none: leave it out" in response.text
    assert 'name="territory"' not in response.text


async def test_all_mistakes_are_said_at_once(client):
    response = await send(client, email="ana-sol", tax_id="B12345675", slug="admin")
    assert 'id="email-error"' in response.text
    assert 'id="slug-error"' in response.text
    assert 'id="tax_id-error"' in response.text


async def test_a_taken_short_name_is_said_at_its_field(client, platform):
    await opened(client, slug="sol")
    response = await send(client, slug="sol")
    assert response.status_code == 422
    assert "Another clinic has this short name" in response.text
    assert await count(platform, Tenant) == 1


async def test_one_address_opens_only_so_many_clinics_a_day(client, platform, clock):
    for number in range(service.A_DAY):
        await opened(client, slug=f"sol-{number}")
    response = await send(client, slug="sol-again")
    assert response.status_code == 422
    assert "several clinics today" in response.text
    clock.advance(days=2)
    await opened(client, slug="sol-again")


async def test_what_people_type_is_never_markup(client):
    response = await send(client, name="<script>alert(1)</script>", email='"><b>')
    assert "<script>alert" not in response.text
    assert '"><b>' not in response.text


async def test_the_live_parts_show_what_the_law_adds(client, clock):
    clock.move_to("2027-01-02")
    text = (await client.post("/signup/consequences", data=SPAIN)).text
    assert "Required by law" in text
    assert re.search(r'id="module-verifactu"[^>]* checked disabled', text)
    assert "RD 1007/2023" in text


async def test_an_obligation_nothing_fulfils_is_shown_as_not_available(client, clock, platform, runtime_environment):
    runtime_environment.describe({name: facts for name, facts in MODULES.items() if name != "verifactu"})
    await client.post("/v1/releases/refresh")
    clock.move_to("2027-01-02")
    text = (await client.post("/signup/consequences", data=SPAIN)).text
    assert "Not yet available" in text
    assert "your clinic must see to it in another way" in text


async def test_a_module_the_facts_forbid_cannot_be_ticked(client):
    text = (await client.post("/signup/consequences", data={**SPAIN, "fact.sii": "yes"})).text
    assert re.search(r'id="module-verifactu"[^>]* disabled', text)
    assert not re.search(r'id="module-verifactu"[^>]* checked', text)
    assert "Not permitted here" in text


async def test_answers_for_another_country_are_dropped_when_the_country_changes(client):
    data = {**SPAIN, "country": "PT", "territory": "ES-CN", "legal_form": "other", "fact.sii": "yes"}
    response = await client.post("/signup/consequences", data=data)
    assert response.status_code == 200
    assert "-error" not in response.text
    assert "Portugal: what the law asks" in response.text


async def test_an_unfinished_form_is_no_error_while_it_is_filled_in(client):
    response = await client.post("/signup/consequences", data={"country": "ES"})
    assert response.status_code == 200
    assert "-error" not in response.text


async def test_without_javascript_a_button_shows_what_applies(client, platform):
    response = await send(client, country="GB", email="", update="1")
    assert response.status_code == 200
    assert "Is the practice registered for VAT?" in response.text
    assert await count(platform, Tenant) == 0


async def test_progress_shows_the_steps_and_survives_a_reload(client, platform):
    address = await opened(client)
    await begin_step(platform, 1)
    for _ in range(2):
        text = (await client.get(address)).text
        assert "Opening Clínica Sol" in text
        assert re.search(r'class="step running" aria-current="step">.*?Creating its own database', text, re.DOTALL)
        assert 'content="noindex"' in text


async def test_a_look_at_what_has_not_changed_answers_nothing(client, platform):
    address = await opened(client)
    [again] = re.findall(r'hx-get="([^"]+)"', (await client.get(address)).text)
    assert (await client.get(again)).status_code == 204
    await begin_step(platform, 0)
    assert (await client.get(again)).status_code == 200


async def test_a_failure_shows_the_reason_and_what_happens_next(client, platform):
    address = await opened(client)
    await give_up(platform, "The database server has no room left.")
    text = (await client.get(address)).text
    assert "The database server has no room left." in text
    assert "What happens next" in text
    assert "Reference for support" in text


async def test_a_ready_clinic_is_linked_and_the_link_in_the_mail_announced(client, platform):
    address = await opened(client)
    await finish(platform, url="http://sol.example")
    text = (await client.get(address)).text
    assert 'href="http://sol.example"' in text
    assert "We mailed a link to ana@sol.example" in text
    assert "hx-get" not in text


async def test_the_link_can_be_sent_again(client, platform):
    address = await opened(client)
    await finish(platform)
    assert (await client.post(f"{address}/invitation")).status_code == 303
    assert "Sending a new link to ana@sol.example" in (await client.get(address)).text
    await finish(platform)
    assert "A new link is on its way to ana@sol.example" in (await client.get(address)).text


async def test_a_link_that_could_not_be_sent_says_why(client, platform):
    address = await opened(client)
    await finish(platform)
    await client.post(f"{address}/invitation")
    await give_up(platform, "The mail server refused the address.")
    assert "The mail server refused the address." in (await client.get(address)).text


@pytest.mark.parametrize("when", ["while it opens", "when it is ready"])
async def test_the_address_can_be_corrected_before_first_use(client, platform, when: str):
    address = await opened(client)
    if when == "when it is ready":
        await finish(platform)

    assert (await client.post(f"{address}/invitation", data={"email": "anna@sol.example"})).status_code == 303

    async with platform.database.transaction() as session:
        assert (await session.scalars(select(Tenant))).one().owner_email == "anna@sol.example"


async def test_an_address_that_is_none_is_refused_and_kept_for_correction(client, platform):
    address = await opened(client)
    await finish(platform)
    response = await client.post(f"{address}/invitation", data={"email": "anna"})
    assert response.status_code == 422
    assert 'value="anna"' in response.text
    assert "not an e-mail address" in response.text


async def test_after_first_use_the_address_is_no_longer_corrected_here(client, platform):
    address = await opened(client)
    await finish(platform)
    await attest_claimed(platform)
    assert "The password is set" in (await client.get(address)).text
    response = await client.post(f"{address}/invitation", data={"email": "thief@example.com"})
    assert response.status_code == 422
    async with platform.database.transaction() as session:
        assert (await session.scalars(select(Tenant))).one().owner_email == "ana@sol.example"


async def test_a_deleted_clinic_s_page_says_so(client, platform):
    address = await opened(client)
    await client.delete("/v1/tenants/clinica-sol")
    assert "has been closed" in (await client.get(address)).text


@pytest.mark.parametrize("address", [f"/signup/{'x' * 43}", f"/signup/{'x' * 43}/state"])
async def test_an_unknown_page_is_a_clear_404(client, address: str):
    response = await client.get(address)
    assert response.status_code == 404
    assert "There is no such page" in response.text


async def test_a_progress_page_ends_after_two_weeks(client, clock):
    address = await opened(client)
    clock.advance(days=15)
    assert (await client.get(address)).status_code == 404


async def test_before_the_first_release_the_page_says_that_it_is_starting(migrated_database, platform_settings, clock, runtime_environment):
    from control_plane.platform import Platform

    runtime_environment.print("", status=1)
    async with api_of(Platform.build(platform_settings, clock=clock)) as client:
        response = await client.get("/signup")
    assert response.status_code == 503
    assert "still starting" in response.text


async def test_in_spanish_errors_are_spanish(client):
    response = await send(client, language="es", tax_id="B12345675")
    assert "No es un número fiscal válido" in response.text


async def test_one_address_sends_so_many_forms_an_hour_and_no_other_waits_for_it(platform, client):
    """Each keeps a place of those there are, and may mail somebody who never heard of us."""
    sent = [await send(client, token=new_token(), email="nobody") for _ in range(SENDING.most + 1)]
    assert [one.status_code for one in sent[-2:]] == [422, 422]
    assert ["Too many attempts" in one.text for one in sent[-2:]] == [False, True]
    settings = platform.settings.model_copy(update={"trusted_proxies": read_networks("127.0.0.1")})
    async with api_of(replace(platform, settings=settings)) as elsewhere:
        elsewhere.headers["X-Forwarded-For"] = "198.51.100.7"
        assert "Too many attempts" not in (await send(elsewhere, token=new_token(), email="nobody")).text
