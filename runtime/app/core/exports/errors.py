"""What can keep an export or an import from happening. No message holds a row's content."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from dentalpin_kit.problems import DomainError


class ExportError(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "export_refused"


class ExportFileExists(ExportError):
    code: ClassVar[str] = "export_file_exists"

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} exists already and is not overwritten. Name another file.")


class ExportFileName(ExportError):
    status: ClassVar[int] = 422
    code: ClassVar[str] = "export_file_name"

    def __init__(self, file: str) -> None:
        super().__init__(
            f"The file {file!r} of the clinic's storage has a name that cannot be unpacked safely. Rename it and export again."
        )


class ImportRefused(ExportError):
    """The archive is whole, but this place cannot take it."""

    code: ClassVar[str] = "import_refused"


class ImportManaged(ImportRefused):
    code: ClassVar[str] = "import_managed"

    def __init__(self) -> None:
        super().__init__(
            "This runtime is run by a platform (DENTALPIN_REVISION_FILE is set), which decides what is in its database. "
            "Import into a runtime of your own: unset the variable and give it an empty database."
        )


class ImportNotEmpty(ImportRefused):
    code: ClassVar[str] = "import_not_empty"

    def __init__(self, what: str, found: Sequence[str]) -> None:
        shown = ", ".join(found[:5]) + (" …" if len(found) > 5 else "")
        super().__init__(
            f"{what} is not empty ({shown}), and nothing of it is overwritten. "
            "Give an empty one, also to import again after an import that was cut short."
        )


class ImportUnsigned(ImportRefused):
    status: ClassVar[int] = 422
    code: ClassVar[str] = "import_unsigned"

    def __init__(self) -> None:
        super().__init__(
            "Nobody signed this archive, so nobody vouches for what it holds. If you exported it yourself, say so with --allow-unsigned."
        )


class ImportModulesMissing(ImportRefused):
    code: ClassVar[str] = "import_modules_missing"

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            f"This environment lacks what the archive's clinic runs: {'; '.join(missing)}. Install these packages, then import again.",
            modules=list(missing),
        )


class ImportDiffers(ImportRefused):
    """What was restored is not what the archive says was exported."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "import_differs"

    def __init__(self, tables: Sequence[str]) -> None:
        super().__init__(
            f"What was restored differs from what was exported in {', '.join(tables)}. "
            "Do not use this database: drop it, create it again, and import into it anew.",
            tables=list(tables),
        )
