"""Garbage collection is put off only where it was going on, and comes back whatever happens."""

import gc

import pytest

from app.core.plugins import collection

REFUSE_COLLECTION = """
async def install(self, ctx):
    assert not gc.isenabled()
"""


def test_nothing_is_collected_inside_and_it_goes_on_afterwards():
    with collection.put_off(), collection.put_off():
        assert not gc.isenabled()
    assert gc.isenabled()

    with pytest.raises(RuntimeError), collection.put_off():
        raise RuntimeError
    assert gc.isenabled()


def test_where_it_was_off_it_stays_off():
    gc.disable()
    try:
        with collection.put_off():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


async def test_the_processor_collects_nothing_while_it_changes_modules(runtime, site):
    site.add("stock", imports="import gc\n", body=REFUSE_COLLECTION).with_table("stock_items")

    assert (await runtime.install("stock")).ok
    assert gc.isenabled()
