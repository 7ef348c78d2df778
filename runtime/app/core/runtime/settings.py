"""The settings of this process, or one sentence that says which is wrong."""

from pydantic import ValidationError

from app.config import Settings, get_settings
from app.core.runtime.errors import SettingInvalid


def read_settings() -> Settings:
    """Raises SettingInvalid. The library's own message is not kept: it repeats what was given, passwords included."""
    try:
        return get_settings()
    except OSError as error:
        raise SettingInvalid(f"{error.filename}, which a setting names, cannot be read: {error.strerror}") from None
    except ValidationError as error:
        wrong = [": ".join([*map(str, one["loc"]), one["msg"].removeprefix("Value error, ")]) for one in error.errors(include_input=False)]
        raise SettingInvalid("; ".join(wrong)) from None
