"""How a page knows that support is in: the layer puts it into the scope, the pages say it."""

from typing import Final

PRESENT: Final = "dentalpin.support_present"
"""In the scope of a page: the accesses in force."""
