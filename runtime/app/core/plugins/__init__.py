"""The module system: discovery, manifests, the books in `core_module`, and the processor that turns what is asked into what is.

Module authors import `BaseModule` and `ModuleContext` from here; everything else is the core's own.
"""

from .base import BaseModule, ModuleContext
from .manifest import Manifest

__all__ = ["BaseModule", "Manifest", "ModuleContext"]
