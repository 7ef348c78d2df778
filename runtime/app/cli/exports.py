"""`dentalpin export` and `dentalpin import`: take everything along, and start from it somewhere else."""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.config import Settings
from app.core.exports import exporting, importing
from app.core.exports.errors import ImportManaged
from app.core.plugins.loader import discover_modules
from app.core.runtime.settings import read_settings

from .owner import Json, owner_url, print_json, run

app = typer.Typer()


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="The archive to write (.zip), which must not exist; with --keep the folder it goes to.")],
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Name it by the time, and delete all but the newest so many there.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write everything this runtime holds to one archive: database, files, and all records in open formats."""
    settings = read_settings()
    key = settings.data_key.get_secret_value() if settings.data_key else None
    folder = file
    if keep is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = folder / f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.zip"
    done = run(
        lambda: exporting.export(
            owner_url=owner_url(settings), storage=settings.storage, file=file, data_key=key, bindir=settings.pg_bindir
        ),
        as_json,
    ).summary()
    if keep is not None:
        for old in sorted(folder.glob("*.zip"))[:-keep]:
            old.unlink()
    if as_json:
        return print_json({"data": done})
    typer.echo(f"{done['file']}: {done['tables']} tables with {done['rows']} rows, {done['files']} files, {done['bytes']} bytes.")
    typer.echo("It holds patients' data and is not encrypted: keep it as safe as the clinic itself.")


@app.command("import")
def import_archive(
    archive: Annotated[Path, typer.Argument(help="An archive that an export made.")],
    trusted: Annotated[str | None, typer.Option("--signed-by", help="Accept only an archive signed by this public key.")] = None,
    allow_unsigned: Annotated[bool, typer.Option("--allow-unsigned", help="Accept an archive nobody signed.")] = False,
    check_only: Annotated[bool, typer.Option("--check", help="Only verify the archive and this environment; write nothing.")] = False,
    data_key_file: Annotated[
        Path | None, typer.Option("--data-key-file", help="Where to put the archive's data key; beside the storage without it.")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Start serving right away.")] = False,
    as_json: Json = False,
) -> None:
    """Bring an archive into an empty database, as a stand-alone runtime of your own."""
    settings = read_settings()

    async def work() -> dict[str, Any]:
        if settings.managed:
            raise ImportManaged
        verified = importing.check(archive, discover_modules(), trusted=trusted, allow_unsigned=allow_unsigned)
        if check_only:
            manifest = verified.manifest
            return {"clinics": [clinic["name"] for clinic in manifest["clinics"]], "signed_by": verified.signed_by, "rows": None}
        done = await importing.restore(
            archive,
            verified,
            owner_url=owner_url(settings),
            storage=settings.storage,
            data_key_file=data_key_file or settings.storage.absolute().parent / "data.key",
            bindir=settings.pg_bindir,
        )
        return done.summary()

    done = run(work, as_json)
    if as_json:
        print_json({"data": done})
    else:
        _tell(done)
    if serve and not check_only:
        _serve(settings, done["data_key_file"])


def _tell(done: dict[str, Any]) -> None:
    signer = f"signed by {done['signed_by']}" if done["signed_by"] else "not signed by anybody"
    typer.echo(f"Every file of the archive is as it was exported ({signer}): {', '.join(done['clinics'])}.")
    if done["rows"] is None:
        return typer.echo("This environment can run it. Nothing was written.")
    typer.echo(f"Restored and compared: {done['tables']} tables with {done['rows']} rows, {done['files']} files.")
    if done["data_key_file"]:
        typer.echo(f"Set DENTALPIN_DATA_KEY_FILE={done['data_key_file']}: it opens people's second factors.")
    typer.echo("Start it with `dentalpin serve`. Everybody signs in again, with the password they had.")


def _serve(settings: Settings, data_key_file: str | None) -> None:
    """Become the serving process; a secret key is made beside the storage where none was given."""
    if data_key_file and settings.data_key is None:
        os.environ["DENTALPIN_DATA_KEY_FILE"] = data_key_file
    if settings.secret_key is None:
        file = settings.storage.absolute().parent / "secret.key"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(48) + "\n", encoding="utf-8")
        os.environ["DENTALPIN_SECRET_KEY_FILE"] = str(file)
        typer.echo(f"Set DENTALPIN_SECRET_KEY_FILE={file} from now on: people's sessions end whenever it changes.")
    from app.serve import main

    raise typer.Exit(main())
