"""Runtime environments for tests: an overlay on the environment the tests run in, with community packages of its own.

Building a full environment takes long; an overlay sees everything of the base and adds to it, and nothing that runs is touched.
"""

import shutil
import site
import venv
import zipfile
from pathlib import Path

from tests.support.distributions import build_wheel

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


def make_environment(folder: Path, *wheels: Path) -> Path:
    """An environment in `folder` with the files of these wheels and third-party packages, and nothing of this checkout."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    # A plain path line, which does not follow the editable install of the base: the wheels' own files are all there is.
    (packages / "thirdparty.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
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
