import pytest

from tests.support.billing import billing_of, paid_by_transfer
from tests.support.payment_provider import serving


@pytest.fixture(scope="module")
def double():
    """Webhooks wait until they are delivered."""
    with serving(manual=True) as provider:
        yield provider


@pytest.fixture
async def billing(platform, double):
    async with billing_of(platform, double) as made:
        yield made


@pytest.fixture
def transfers(platform):
    return paid_by_transfer(platform)
