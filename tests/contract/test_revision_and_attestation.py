"""The two sides have models of their own; what one writes the other reads. Only a test may import both."""

import json
from dataclasses import asdict
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from app.core.limits.errors import PlanLimitReached
from app.core.limits.limits import GIGABYTE, Limits
from app.core.limits.usage import Usage
from app.core.runtime import attestation as runtime_attestation
from app.core.runtime.revision import RevisionDocument
from app.core.standing.standing import Payments
from control_plane.billing.service import in_use
from control_plane.compliance.requirements import Status
from control_plane.deployers.base import Attestation
from control_plane.plans.tariff import Limits as PlanLimits
from control_plane.revisions.document import (
    ClinicPart,
    CompliancePart,
    ModulePart,
    ObligationPart,
    OwnerPart,
    PaymentsPart,
    PlatformPart,
    ReasonPart,
    ReleasePart,
    RevisionContent,
    TenantPart,
)
from control_plane.revisions.planner import ReasonKind
from dentalpin_kit.tokens import SigningKey


def platform_revision():
    reasons = [ReasonPart(kind=kind, by=["agenda"], text="Because Peña says so.") for kind in ReasonKind]
    return RevisionContent(
        schema=1,
        generation=3,
        tenant=TenantPart(id=uuid4(), slug="clinica-peña", name="Clínica Peña"),
        release=ReleasePart(id="sha256:" + "0" * 64, core_version="1.0.0"),
        modules=[ModulePart(name=f"module_{number}", version="1.0.0", reason=reason) for number, reason in enumerate(reasons)],
        clinic=ClinicPart(
            name="Clínica Peña",
            country="ES",
            territory="ES-PV",
            timezone="Europe/Madrid",
            currency="EUR",
            locale="es-ES",
            legal_form=None,
            tax_id=None,
        ),
        owner=OwnerPart(email="ana@example.com"),
        compliance=CompliancePart(
            country="ES",
            territory="ES-PV",
            on=date(2027, 1, 1),
            obligations=[
                ObligationPart(
                    id="es-verifactu", title="VERI*FACTU", status=status.value, why="", source="", since=None, met=False, fulfilled_by=None
                )
                for status in Status
            ],
            packs={"es": "sha256:1"},
        ),
        platform=PlatformPart(url="http://127.0.0.1:8400", public_key=SigningKey.generate().public),
    )


def test_a_runtime_reads_what_the_platform_seals(tmp_path):
    content = platform_revision()
    file = tmp_path / "revision.json"
    file.write_text(json.dumps(content.sealed(), indent=2))

    revision = RevisionDocument.read(file)

    assert revision.digests.identity == content.identity
    assert revision.digests.effect == content.effect
    assert [module.name for module in revision.modules] == [module.name for module in content.modules]


def test_a_runtime_reads_limits_and_payments_as_the_platform_wrote_them():
    payments = PaymentsPart(
        state="no_new_modules", why="unpaid", next="read_only", next_on=date(2027, 3, 31), pay_at="http://127.0.0.1:8400/account"
    )
    limits = {"plan": "Solo", "clinics": 1, "users": 5, "storage_gb": 20}

    sent = platform_revision().model_copy(update={"payments": payments, "limits": limits}).sealed()

    assert RevisionDocument.of(sent).digests.effect == sent["digests"]["effect"]
    assert asdict(Payments.in_document(sent)) == payments.model_dump()
    assert asdict(Limits.in_document(sent)) == limits


def test_the_platform_reads_what_a_runtime_attests():
    sent = runtime_attestation.Attestation(
        schema=1,
        tenant_id=str(uuid4()),
        generation=3,
        identity="sha256:1",
        effect="sha256:2",
        core_version="1.0.0",
        release_id="sha256:3",
        heads=["0006", "a_1"],
        healthy=True,
        pid=7,
        started_at=datetime(2026, 11, 21, tzinfo=UTC),
        modules=[runtime_attestation.AttestedModule(name="a", version="1.0.0", state="installed", heads=["a_1"], mounted=True, error=None)],
        as_asked=False,
        not_as_asked=[runtime_attestation.NotAsAsked(name="b", reason="it is to_install")],
        operations=[],
        owner_claimed=True,
        mode="normal",
        usage={"clinics": 1, "users": 3, "storage_bytes": 9_000_000},
    ).model_dump(mode="json", by_alias=True)

    read = Attestation.model_validate(sent)

    assert read.model_dump(mode="json") == {name: value for name, value in sent.items() if name != "schema"}


def test_a_plan_is_full_by_the_same_figures_on_both_sides():
    """What the runtime counts is what a smaller plan is refused for: by the same names, and a gigabyte is as much."""
    plan = PlanLimits(clinics=2, users=5, storage_gb=20)
    refuses = Limits("Solo", **plan.model_dump())
    full = Usage(clinics=2, users=5, storage_bytes=20 * GIGABYTE)
    assert in_use({"usage": asdict(full)}) == plan.model_dump()
    assert plan.exceeded_by(in_use({"usage": asdict(full)})) == {}
    for limit, counted in (("clinics", full.clinics), ("users", full.users), ("storage_gb", full.storage_bytes)):
        with pytest.raises(PlanLimitReached):
            refuses.refuse_more(limit, counted)
        over = {name: counted + 1 if value == counted else value for name, value in asdict(full).items()}
        assert list(plan.exceeded_by(in_use({"usage": over}))) == [limit]
    assert in_use({}) == in_use({"usage": None}) == {}
