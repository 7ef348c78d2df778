"""What the domain name system says of a name: the real one, and a file beside it for tests and demonstrations."""

import json
from pathlib import Path
from typing import ClassVar, Final, Protocol

import dns.asyncresolver
import dns.exception
import dns.resolver

from control_plane.config import Settings
from control_plane.errors import TemporaryError

SECONDS: Final = 5.0


class NamesAway(TemporaryError):
    """Nobody who knows could be asked."""

    code: ClassVar[str] = "names_away"


class Names(Protocol):
    async def texts(self, name: str) -> list[str]:
        """The text records of a name; none where there is no such name. Raises NamesAway."""
        ...


class SystemNames:
    """By the name servers of the machine."""

    async def texts(self, name: str) -> list[str]:
        try:
            # Asked for by its full name: the machine's search list is no business of a clinic's.
            found = await dns.asyncresolver.resolve(f"{name}.", "TXT", lifetime=SECONDS, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise NamesAway(f"The name servers do not answer for {name} ({type(error).__name__}); they are asked again.") from error
        return [b"".join(record.strings).decode("utf-8", "replace") for record in found]


class FileNames:
    """From a file that is read each time: `{"_dentalpin.cita.example.org": ["dentalpin-proof=…"]}`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def texts(self, name: str) -> list[str]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise NamesAway(f"{self._file} cannot be read ({error}). Mend it.") from error
        return [str(text) for text in found.get(name, [])]


def build_names(settings: Settings) -> Names:
    return FileNames(settings.names_file) if settings.names_file else SystemNames()
