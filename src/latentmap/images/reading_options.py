"""Options of the formats that optional packages read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from latentmap.core.errors import InputError
from latentmap.images.optional_formats import DICOM

MAX_FRAMES = 4096  # of a spectrogram
DEFAULT_FRAMES = 128


@dataclass(frozen=True)
class ReadingOptions:
    """Options that files of optional formats are read with.

    Parameters
    ----------
    metadata : tuple of str
        Keywords of DICOM attributes that become columns.
    fps : float, default=1
        Frames of a video that are taken per second.
    audio_seconds : float, default=4
        Duration of the pieces that sounds are cut into.
    audio_hop : float, optional
        Time between the columns of a spectrogram, in seconds. By default a 128th of a piece.
    audio_bands : int, default=64
        Number of mel bands, the height of a spectrogram.
    audio_max_frequency : float, default=11025
        Highest frequency of a spectrogram, in Hz.
    audio_floor : float, default=-80
        Power that is black, in dB below a sine of full scale.

    Raises
    ------
    InputError
        If a value is of another type or out of its range.
    """

    metadata: tuple[str, ...] = ()
    fps: float = 1.0
    audio_seconds: float = 4.0
    audio_hop: float | None = None
    audio_bands: int = 64
    audio_max_frequency: float = 11025.0
    audio_floor: float = -80.0

    def __post_init__(self) -> None:
        given = self.metadata or ()
        if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
            raise InputError(f"metadata={given!r}: pass a list of keywords of DICOM")
        object.__setattr__(self, "metadata", tuple(given))
        self._check("fps", 1e-4, 1000)
        self._check("audio_seconds", 0.01, 600)
        if self.audio_hop is not None:
            self._check("audio_hop", self.audio_seconds / MAX_FRAMES, self.audio_seconds)
        self._check("audio_bands", 4, 1024)
        if not isinstance(self.audio_bands, int):
            raise InputError(f"audio_bands={self.audio_bands!r}: pass a whole number")
        self._check("audio_max_frequency", 50, 500_000)
        self._check("audio_floor", -200, -1)

    def _check(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise InputError(f"{name}={value!r}: pass a number from {low:.4g} to {high:.10g}")

    @property
    def hop(self) -> float:
        """Time between the columns of a spectrogram, in seconds."""
        return self.audio_seconds / DEFAULT_FRAMES if self.audio_hop is None else self.audio_hop

    @property
    def n_frames(self) -> int:
        """Width of a spectrogram."""
        return max(1, round(self.audio_seconds / self.hop))

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
