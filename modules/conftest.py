"""pytest names a test file by its folders (`modules.patients.tests…`) and imports the packages above it under that name.

A module has one name, `app.modules.<name>`: what pytest is about to import is that very package, not a second copy of it.
"""

import importlib
import sys
from pathlib import Path

for folder in sorted(path.parent for path in Path(__file__).parent.glob("*/__init__.py")):
    sys.modules[f"modules.{folder.name}"] = importlib.import_module(f"app.modules.{folder.name}")
