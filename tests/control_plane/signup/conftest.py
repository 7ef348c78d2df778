import pytest

from tests.support.billing import billing_of
from tests.support.payment_provider import serving


@pytest.fixture(scope="module")
def double():
    """Webhooks wait until they are delivered: nothing here may depend on them."""
    with serving(manual=True) as provider:
        yield provider


@pytest.fixture
async def billing(platform, double):
    async with billing_of(platform, double) as made:
        yield made
