"""Runtime environments for tests: an overlay on the environment the tests run in, with community packages of its own.

Building a full environment takes long; an overlay sees everything of the base and adds to it, and nothing that runs is touched.
"""

import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
INVENTORY = ROOT / "examples" / "dentalpin_inventory"


def make_overlay(folder: Path, *distributions: Path) -> Path:
    """An environment in `folder` that sees the present one, with `distributions` (source folders) installed as wheels."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = Path(next((folder / "lib").glob("python*"))) / "site-packages"
    base = [path for path in site.getsitepackages() if Path(path).is_dir()]
    # addsitedir, unlike a plain path line, also follows the base's own .pth files (the editable install).
    (packages / "base.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in base))
    script = folder / "bin" / "dentalpin"
    script.write_text(f"#!{folder / 'bin' / 'python'}\nimport sys\nfrom app.cli.main import main\nsys.exit(main())\n")
    script.chmod(0o755)
    for distribution in distributions:
        add_distribution(folder, distribution)
    return folder


def add_distribution(environment: Path, source: Path) -> None:
    """Build `source` as a wheel and put it into `environment`, as pip would."""
    packages = next((environment / "lib").glob("python*")) / "site-packages"
    with zipfile.ZipFile(build_wheel(source, environment / "wheels")) as wheel:
        wheel.extractall(packages)


def remove_distribution(environment: Path, name: str) -> None:
    packages = next((environment / "lib").glob("python*")) / "site-packages"
    for path in packages.glob(f"{name}*"):
        shutil.rmtree(path)


def build_wheel(source: Path, out: Path) -> Path:
    """The wheel of a source folder, built from a copy so that nothing is left in the tree."""
    copy = out / "source" / source.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("build", "dist", "*.egg-info", "__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check", "--outdir", out, copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return max(out.glob("*.whl"), key=lambda path: path.stat().st_mtime_ns)
