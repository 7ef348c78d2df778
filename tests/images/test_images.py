"""Images, as far as they can be looked at without building them: Dockerfiles, what goes into them, the compose file and its scripts."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import yaml

from tests.support.postgres import ADMIN, fetch_value, run_sql
from tests.support.programs import from_environment

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "images"
DOCKERFILES = sorted([*IMAGES.glob("*/Dockerfile"), *IMAGES.glob("*/*.Dockerfile")])
ONE_CLINIC = IMAGES / "one-clinic"


def named(file: Path) -> str:
    return str(file.relative_to(IMAGES))


def instructions(file: Path) -> list[tuple[str, str]]:
    """(instruction, rest) of each, continuation lines joined."""
    text = re.sub(r"\\\n", " ", "\n".join(line for line in file.read_text().splitlines() if not line.startswith("#")))
    return [(line.split()[0].upper(), line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def test_hadolint_finds_nothing():
    ended = subprocess.run([from_environment("hadolint"), *map(str, DOCKERFILES)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout
    assert len(DOCKERFILES) == 4


@pytest.mark.parametrize("file", DOCKERFILES, ids=named)
def test_an_image_says_what_it_is_and_runs_as_nobody_in_particular(file):
    last = instructions(file)
    final = last[max(index for index, (name, _) in enumerate(last) if name == "FROM") :]
    base = final[0][1]
    users = [rest for name, rest in final if name == "USER"]
    # A derived image keeps the user of the one it stands on.
    assert users == ["10001:10001"] or base == "${RUNTIME}"
    assert any(name == "LABEL" and "org.opencontainers.image.title" in rest for name, rest in final)
    assert not [rest for name, rest in last if name in ("ARG", "ENV") and re.search("PASSWORD|SECRET|TOKEN", rest)]
    assert not [rest for name, rest in last if name == "ADD"]


@pytest.mark.parametrize("file", [one for one in DOCKERFILES if one.parent.name != "derived"], ids=named)
def test_what_is_copied_is_there_and_not_ignored(file):
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name, rest in instructions(file):
        if name != "COPY" or rest.startswith("--from"):
            continue
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(source == one or source.startswith(f"{one}/") for one in kept), f".dockerignore leaves {source} out"


def test_the_context_holds_whatever_links_in_it_lead_to():
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for folder in (ROOT / "runtime", ROOT / "control_plane", ROOT / "modules"):
        for link in (one for one in folder.rglob("*") if one.is_symlink()):
            target = str(link.resolve().relative_to(ROOT))
            assert any(target == one or target.startswith(f"{one}/") for one in kept), f"{link} leads out of the context"


@pytest.mark.parametrize("image", ["runtime", "control-plane"])
def test_what_is_installed_is_what_the_locks_say(image):
    installs = [
        part for name, rest in instructions(IMAGES / image / "Dockerfile") if name == "RUN" for part in rest.split("&&") if "pip" in part
    ]
    from_locks = [one for one in installs if " install " in one and ".whl" not in one]
    assert from_locks
    assert all("--require-hashes" in one and "--only-binary :all:" in one for one in from_locks)
    assert all("--no-deps --no-index" in one for one in installs if ".whl" in one)


def test_workflows_give_away_nothing():
    command = [from_environment("zizmor"), "--offline", "--no-progress", "--quiet", str(ROOT / ".github" / "workflows")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout


def compose() -> dict:
    return yaml.safe_load((ONE_CLINIC / "compose.yaml").read_text())


def test_the_compose_file_has_the_services_the_guide_speaks_of():
    services = compose()["services"]
    assert services.keys() == {"db", "backend", "frontend", "proxy"}
    assert {name for name, one in services.items() if "ports" in one} == {"proxy"}, "only the proxy is reached from outside"
    assert "build" in services["frontend"]
    assert services["backend"]["restart"] == "unless-stopped"


def test_every_secret_of_the_compose_file_is_made_by_prepare(tmp_path):
    shutil.copy(ONE_CLINIC / "prepare", tmp_path / "prepare")
    for _ in range(2):
        ended = subprocess.run([tmp_path / "prepare", "clinic.example.org"], capture_output=True, text=True, timeout=30)
        assert ended.returncode == 0, ended.stderr
        made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    again = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert made == again, "secrets are made once"
    assert {Path(one["file"]).name for one in compose()["secrets"].values()} == made.keys()
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert (tmp_path / ".env").read_text() == "CLINIC_HOST=clinic.example.org\n"
    assert made["owner_url"] == f"postgresql://clinic_owner:{made['owner_password']}@db:5432/clinic"
    assert len(set(made.values())) == len(made)


@pytest.mark.parametrize("name", ["", "Clinic.example", "a b", "-x", "$(id)"])
def test_prepare_takes_only_the_name_of_a_host(tmp_path, name):
    shutil.copy(ONE_CLINIC / "prepare", tmp_path / "prepare")
    assert subprocess.run([tmp_path / "prepare", name], capture_output=True, timeout=30).returncode == 2
    assert not (tmp_path / "secrets").exists()


def test_the_database_script_makes_two_roles_that_are_kept_apart(postgres, tmp_path):
    for name in ("owner", "app"):
        (tmp_path / f"{name}_password").write_text(f"it's {name}")
    server = urlsplit(postgres.superuser_url)
    variables = {
        "PATH": f"{postgres.bindir}:{os.environ['PATH']}",
        "SECRETS": str(tmp_path),
        "PGHOST": str(server.hostname),
        "PGPORT": str(server.port),
        "PGPASSWORD": str(server.password),
        "POSTGRES_USER": str(server.username),
    }
    try:
        ended = subprocess.run([ONE_CLINIC / "database.sh"], env=variables, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr
        creates = "SELECT has_schema_privilege('public', 'CREATE')"
        may = {name: f"postgresql://clinic_{name}:it%27s%20{name}@{server.hostname}:{server.port}/clinic" for name in ("owner", "app")}
        assert {name: fetch_value(url, creates) for name, url in may.items()} == {"owner": True, "app": False}
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            fetch_value(postgres.url(ADMIN, "clinic"), creates)
    finally:
        run_sql(postgres.superuser_url, "DROP DATABASE IF EXISTS clinic", "DROP ROLE IF EXISTS clinic_owner, clinic_app")
