"""Run benchmarks by name: `./dev bench` runs all, `--json` prints one JSON object."""

import argparse
import importlib
import json
import pkgutil
import sys
from pathlib import Path


def names() -> list[str]:
    return sorted(found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)]) if not found.name.startswith("_"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *names()], help=f"one of {', '.join(names())}; all when left out")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    chosen = parser.parse_args()
    results = {}
    for name in chosen.name or names():
        benchmark = importlib.import_module(f"tests.bench.{name}")
        if not chosen.json:
            print(f"{name}: {benchmark.__doc__.splitlines()[0]}", flush=True)
        results[name] = benchmark.measure()
        if not chosen.json:
            for line in benchmark.show(results[name]):
                print(f"  {line}", flush=True)
    if chosen.json:
        print(json.dumps(results, indent=1))
    return 0


sys.exit(main())
