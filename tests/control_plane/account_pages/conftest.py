import pytest

from tests.support.billing import billing_of, paid_by_transfer
from tests.support.payment_provider import serving
from tests.support.platform import api_of


@pytest.fixture(scope="module")
def double():
    with serving(manual=True) as provider:
        yield provider


@pytest.fixture
async def billing(platform, double):
    async with billing_of(platform, double) as made:
        yield made


@pytest.fixture
def transfers(platform):
    return paid_by_transfer(platform)


@pytest.fixture
async def site(platform):
    """A browser on the pages of a platform that collects nothing."""
    async with api_of(platform) as client:
        client.headers.pop("Authorization")
        client.headers["Accept"] = "text/html"
        yield client
