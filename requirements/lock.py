"""Resolve the dependencies of pyproject.toml once, into hash-pinned files without index addresses: `./dev lock [--upgrade]`.

runtime.txt, control-plane.txt, kubernetes.txt and development.txt come from one resolution, so that a package has the same version in all.
kubernetes.txt is the control plane where clinics run on a cluster, which is what its image holds.
build.txt is what building, the editable install and adding packages to a runtime environment need; bootstrap.txt holds uv alone;
tools.txt holds programs that tests start, to be installed without what they depend on (`--no-deps`).
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
OPTIONS = (
    "--universal",
    "--python-version",
    "3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-header",
    "--no-annotate",
    "-q",
)


def main(uv: str, *options: str) -> None:
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    base = project["project"]["dependencies"]
    extras = project["project"]["optional-dependencies"]
    developing = project["dependency-groups"]["dev"]
    base += extras["telemetry"]
    platform = base + extras["control-plane"] + extras["embedded"]
    everything = platform + extras["kubernetes"] + extras["tests"] + developing
    wanted = {
        "development": everything,
        "control-plane": platform,
        "kubernetes": base + extras["control-plane"] + extras["kubernetes"],
        "runtime": base,
        "build": ["editables", "hatchling", "pip", "setuptools"],
        "bootstrap": ["uv"],
        "tools": project["dependency-groups"]["tools"],
    }
    for name, requirements in wanted.items():
        lock = HERE / f"{name}.txt"
        with tempfile.NamedTemporaryFile("w", suffix=".in") as source:
            source.write("\n".join(requirements))
            source.flush()
            # Everything but uv itself follows what development.txt chose.
            follow = [] if name in ("development", "bootstrap", "tools") else ["-c", str(HERE / "development.txt")]
            alone = ["--no-deps"] if name == "tools" else []
            subprocess.run([uv, "pip", "compile", *OPTIONS, *options, *follow, *alone, source.name, "-o", str(lock)], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
