"""The form as it was typed. Nothing is corrected here, so that it can be shown again exactly so; the tenant service judges it."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import ValidationError
from starlette.datastructures import FormData

from control_plane.compliance.loading import Jurisdiction
from control_plane.tenants.schemas import NewTenant
from dentalpin_kit.canonical import digest

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
FACT_PREFIX: Final = "fact."
# Where a field of the tenant service's request stands on the page, if elsewhere.
_FIELDS: Final = {"owner_email": "email"}
_LONGEST: Final = 1000
"""Of any one value: more is no clinic's name, and everything typed is sent back to the page."""


def new_token() -> str:
    """256 random bits: nobody guesses another's page."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class SignupForm:
    token: str
    name: str = ""
    email: str = ""
    slug: str = ""
    country: str = ""
    territory: str = ""
    legal_form: str = ""
    tax_id: str = ""
    plan: str = ""
    payment: str = ""
    storefront: str = ""
    """Whose page it is: a reseller's, by the name in its address; empty on the platform's own."""
    modules: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def blank(cls, country: str, modules: Iterable[str]) -> "SignupForm":
        return cls(token=new_token(), country=country, modules=tuple(modules))

    @classmethod
    def read(cls, data: FormData) -> "SignupForm":
        """What was sent. A token this platform cannot have made is replaced: the form then counts as sent for the first time."""

        def text(name: str) -> str:
            value = data.get(name)
            return value[:_LONGEST].replace("\x00", "").strip() if isinstance(value, str) else ""

        token = text("token")
        facts = {name.removeprefix(FACT_PREFIX): text(name) for name in data if name.startswith(FACT_PREFIX) and text(name)}
        modules = [value for value in data.getlist("module") if isinstance(value, str)][:200]
        return cls(
            token=token if TOKEN.fullmatch(token) else new_token(),
            name=text("name"),
            email=text("email"),
            slug=text("slug"),
            country=text("country"),
            territory=text("territory"),
            legal_form=text("legal_form"),
            tax_id=text("tax_id"),
            plan=text("plan"),
            payment=text("payment"),
            storefront=text("storefront")[:40],
            modules=tuple(dict.fromkeys(modules)),
            facts=facts,
        )

    def for_country(self, jurisdiction: Jurisdiction, territories: Iterable[str]) -> "SignupForm":
        """Without answers to questions this country does not ask: they were given before another one was chosen."""
        legal = jurisdiction.facts.get("legal_form")
        facts = {name: value for name, value in self.facts.items() if name in jurisdiction.facts}
        return replace(
            self,
            territory=self.territory if self.territory in territories else "",
            legal_form=self.legal_form if legal and self.legal_form in legal.choices else "",
            facts=facts,
        )

    def request(self) -> NewTenant:
        """The form as the API's request. Raises ValidationError."""
        content: dict[str, Any] = {"name": self.name, "country": self.country, "owner_email": self.email, "modules": list(self.modules)}
        content["facts"] = dict(self.facts)
        for name in ("slug", "territory", "legal_form", "tax_id"):
            content[name] = getattr(self, name) or None
        return NewTenant.model_validate(content)

    @property
    def fingerprint(self) -> str:
        return digest(
            {
                "name": self.name,
                "email": self.email,
                "slug": self.slug,
                "country": self.country,
                "territory": self.territory,
                "legal_form": self.legal_form,
                "tax_id": self.tax_id,
                "plan": self.plan,
                "payment": self.payment,
                **({"storefront": self.storefront} if self.storefront else {}),
                "modules": sorted(self.modules),
                "facts": self.facts,
            }
        )


def fields_at_fault(error: ValidationError) -> dict[str, dict[str, Any]]:
    """The first fault of each field, by its name on the page."""
    faults: dict[str, dict[str, Any]] = {}
    for fault in error.errors(include_url=False):
        name = str(fault["loc"][0]) if fault["loc"] else ""
        faults.setdefault(_FIELDS.get(name, name), dict(fault))
    return faults
