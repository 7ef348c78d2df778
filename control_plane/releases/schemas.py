"""Releases and their modules as the API takes and shows them."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from control_plane.plans.tariff import Tariff
from control_plane.releases.catalogue import Catalogue, CatalogueModule
from control_plane.releases.channels import Channel
from control_plane.releases.models import Release
from control_plane.releases.service import catalogue_of


def _absolute(path: str) -> str:
    if "\0" in path or not Path(path).is_absolute():
        raise ValueError("must be the absolute path of a folder on the platform's machine")
    return path


Folder = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(_absolute)]
Image = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.:/_-]{1,300}@sha256:[0-9a-f]{64}$")]
Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewRelease(Request):
    """A folder, which is asked what it holds; or an image with what it said, since nobody here can start it."""

    environment: Folder | None = None
    """The folder of an environment in which `dentalpin release describe` answers."""
    image: Image | None = None
    """By its digest: `registry/name@sha256:…`."""
    description: Annotated[str, StringConstraints(min_length=2, max_length=4_000_000)] | None = None
    """With `image`: exactly what `dentalpin release describe` prints in it."""
    channel: Channel = Channel.STABLE

    @model_validator(mode="after")
    def _one_of_both(self) -> "NewRelease":
        if (self.environment is None) == (self.image is None) or (self.image is None) != (self.description is None):
            raise ValueError("give `environment`, or `image` together with `description`")
        return self


class Yank(Request):
    reason: Why


class ChannelChoice(Request):
    channel: Channel


class Price(BaseModel):
    """Net, a month."""

    amount: Decimal
    currency: str


class ModuleOut(CatalogueModule):
    usable: bool
    why_not: str | None
    price: Price


class CatalogueOut(BaseModel):
    release: str
    core_version: str
    base_price: Price
    modules: list[ModuleOut]
    unusable: dict[str, str]
    """Packages that are there and cannot be loaded, and why."""

    @classmethod
    def of(cls, catalogue: Catalogue, tariff: Tariff) -> "CatalogueOut":
        """Prices are those of the tariff's default plan, in its first currency."""
        usable, currency = catalogue.usable(), tariff.currencies[0]
        quote = tariff.quote(tariff.default_plan, catalogue.modules, currency)
        prices = {line.module: line.amount for line in quote.lines}
        modules = [
            ModuleOut(
                **module.model_dump(),
                usable=name in usable,
                why_not=None if name in usable else _why_not(catalogue, module),
                price=Price(amount=prices[name], currency=currency),
            )
            for name, module in catalogue.modules.items()
        ]
        base = Price(amount=prices[None], currency=currency)
        return cls(
            release=catalogue.release_id,
            core_version=catalogue.core_version,
            base_price=base,
            modules=modules,
            unusable=dict(catalogue.unusable),
        )


def _why_not(catalogue: Catalogue, module: CatalogueModule) -> str:
    return catalogue.why_not_installable(module) or "a module it depends on is missing or cannot be installed"


class ReleaseOut(BaseModel):
    id: str
    core_version: str
    registered_at: datetime
    channel: Channel
    environment: str | None
    """Null where nothing holds this release any more: nobody can be moved to it."""
    replaced_by: str | None
    """The release its environment was changed into."""
    yanked_at: datetime | None
    yanked_reason: str | None
    modules: dict[str, str]

    @classmethod
    def of(cls, release: Release) -> "ReleaseOut":
        return cls(
            id=release.id,
            core_version=release.core_version,
            registered_at=release.registered_at,
            channel=release.channel,
            environment=release.environment,
            replaced_by=release.replaced_by,
            yanked_at=release.yanked_at,
            yanked_reason=release.yanked_reason,
            modules={name: module.version for name, module in catalogue_of(release).modules.items()},
        )


class ReleaseList(BaseModel):
    items: list[ReleaseOut]
    next: str | None = Field(description="Pass as `after` for the following page; null on the last.")
