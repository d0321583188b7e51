"""Options of the formats that optional packages read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from latentmap.core.errors import InputError
from latentmap.images.optional_formats import DICOM


@dataclass(frozen=True)
class ReadingOptions:
    """Options that files of optional formats are read with.

    Parameters
    ----------
    metadata : tuple of str
        Keywords of DICOM attributes that become columns.

    Raises
    ------
    InputError
        If a value is of another type or out of its range.
    """

    metadata: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = self.metadata or ()
        if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
            raise InputError(f"metadata={given!r}: pass a list of keywords of DICOM")
        object.__setattr__(self, "metadata", tuple(given))

    def changed(self) -> dict[str, Any]:
        """The options that differ from the defaults, by name, as JSON values."""
        usual = asdict(DEFAULT_READING)
        found = {name: value for name, value in asdict(self).items() if value != usual[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make the options of a run from those that it records.

        Parameters
        ----------
        values : mapping
            Options of decoding by name; those of other kinds are ignored.

        Returns
        -------
        ReadingOptions
        """
        return cls(**{one.name: values[one.name] for one in fields(cls) if one.name in values})


def check_keywords(keywords: tuple[str, ...]) -> None:
    """Check that keywords are those of attributes whose values are text or numbers.

    Parameters
    ----------
    keywords : tuple of str

    Raises
    ------
    InputError
        If one is not.
    MissingPackageError
        If pydicom is not installed.
    """
    if not keywords:
        return
    DICOM.require("metadata")
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    for keyword in keywords:
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise InputError(
                f"metadata={keyword!r}: not a keyword of DICOM: pass one such as Modality or BodyPartExamined"
            )
        kind = dictionary_VR(tag)
        if kind in ("SQ", "UN") or kind.startswith("O"):
            raise InputError(f"metadata={keyword!r}: its values are of kind {kind}, neither text nor numbers")


DEFAULT_READING = ReadingOptions()
