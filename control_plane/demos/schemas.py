"""Demonstrations as the API takes and shows them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from control_plane.demos.models import DemoTenant
from control_plane.demos.states import DemoState
from control_plane.languages import Language
from control_plane.tenants.models import Tenant
from control_plane.tenants.schemas import NewTenant, Request
from control_plane.tenants.states import TenantState

Days = Annotated[int, Field(ge=1, le=60)]


class NewDemo(NewTenant):
    """A clinic with invented patients. `owner_email` is of whoever shows it: they are invited by mail as any clinic's owner is."""

    language: Language = Field("en", description="Of the invented records, of the clinic and of its mails.")
    days: Days = 14
    reseller: UUID | None = Field(None, description="Whose it is; operators name one, or none. A reseller's own people leave it out.")

    def clinic(self) -> NewTenant:
        return NewTenant(**self.model_dump(include=set(NewTenant.model_fields)))


class Extension(Request):
    days: Days = Field(14, description="Beyond its present end; 60 days from its opening at most.")


class DemoOut(BaseModel):
    tenant_id: UUID
    slug: str
    name: str
    state: DemoState
    tenant_state: TenantState
    url: str | None
    language: Language | None
    modules: list[str]
    reseller_id: UUID | None
    opened_by: str
    created_at: datetime
    ends_at: datetime
    extended_at: datetime | None = Field(description="It can be extended once.")
    told_at: datetime | None
    ended_at: datetime | None
    erased_at: datetime | None
    reason: str | None = Field(description="What its erasure waits for.")

    @classmethod
    def of(cls, demo: DemoTenant, tenant: Tenant) -> "DemoOut":
        own = {name: getattr(demo, name) for name in cls.model_fields if hasattr(demo, name)}
        return cls(
            **own,
            slug=tenant.slug,
            name=tenant.name,
            tenant_state=tenant.state,
            url=tenant.url,
            language=tenant.demo_language,
            modules=tenant.chosen,
        )


class DemoList(BaseModel):
    items: list[DemoOut]
    next: str | None
