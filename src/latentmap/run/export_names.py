"""Names of files and folders that are valid and distinct on every file system."""

import re
import unicodedata

from latentmap.core.atomic_files import numbered

# With a number before and an extension behind, this stays below 143 bytes, the limit of encrypted folders.
MAX_NAME_BYTES = 100
MAX_EXTENSION = 12  # characters, without the dot; what is longer is no extension
# Devices of Windows, which cannot be names of files there, whatever the extension.
RESERVED_FILE_NAMES = {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
RESERVED_FILE_NAMES |= {f"{device}{number}" for device in ("com", "lpt") for number in "0123456789¹²³"}
# Categories of Unicode that are seen by nobody or end a line.
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def plain_name(name: str) -> str:
    """A name that is valid on every file system; "" if nothing of it is left."""
    marked = "".join(char if _is_plain(char) else "\0" for char in name)
    cleaned = shortened(re.sub("\0+", "_", marked).strip(". "), MAX_NAME_BYTES).strip(". ")
    return f"_{cleaned}" if cleaned.partition(".")[0].rstrip().casefold() in RESERVED_FILE_NAMES else cleaned


def _is_plain(char: str) -> bool:
    if char.isascii():
        return char.isalnum() or char in "_.- "
    return unicodedata.category(char) not in UNSEEN


def shortened(name: str, n_bytes: int) -> str:
    """The beginning of a name that takes at most so many bytes of UTF-8."""
    return name.encode()[:n_bytes].decode(errors="ignore")


def file_name(number: int, path: str, extension: str | None = None) -> str:
    """A unique name: the number of the image, the name of its file, and an extension."""
    base = re.split(r"[/\\]", path)[-1]
    stem, dot, own = base.rpartition(".")
    if not stem or len(own) > MAX_EXTENSION or plain_name(own) != own:
        stem, dot, own = base, "", ""
    return f"{number:07d}-{plain_name(stem) or 'image'}{(dot + own) if extension is None else extension}"


class DistinctNames:
    """Distinct names, also on file systems that ignore case or accents."""

    def __init__(self) -> None:
        self._names: dict[object, str] = {}
        self._taken: set[str] = set()

    def name(self, thing: object, wanted: str) -> str:
        """The name for a key: the one given before, or the wanted one, with a number if it is taken."""
        if thing not in self._names:
            free = next(one for one in numbered(wanted) if _name_key(one) not in self._taken)
            self._taken.add(_name_key(free))
            self._names[thing] = free
        return self._names[thing]


def _name_key(name: str) -> str:
    """A key that is equal for names that some file systems take for one, by case or by accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())
