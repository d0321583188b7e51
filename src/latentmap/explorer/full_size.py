"""Images at full size, and sounds, decoded again from their original files as long as those are unchanged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from latentmap.core.errors import DamagedError, NoOriginalError, RunError
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.locked_property import locked_cached_property
from latentmap.images.collection import as_png
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.pool import DecodingPool
from latentmap.run.originals import CHANGED, GONE, NO_FILE, REMOTE, UNREADABLE, Missing, Originals

MAX_ORIGINAL_SIDE = 4096  # pixels; larger pictures are made smaller
SENTENCES = {
    NO_FILE: "this image has no file of its own: it came in an archive, an array or a table",
    GONE: "the file that this image was made from is not there any more",
    CHANGED: "the file that this image was made from has changed since: the picture shown is that of the run",
    REMOTE: "the file that this image was made from lies at an address, which the explorer does not contact",
    UNREADABLE: "the file that this image was made from cannot be read",
}


class FullSize:
    """The original pictures and sounds of a run.

    A run may come from somebody else and name any file as the source of its images. So a file is shown only if its
    content has the SHA-256 that the run records for the image, which the author of the run must have known.

    Parameters
    ----------
    data : AtlasView
        The run.
    decoders : DecodingPool
        Processes that decode files in bounded memory.
    """

    def __init__(self, data: AtlasView, decoders: DecodingPool) -> None:
        self._data = data
        self._decoders = decoders
        self._loading = data._loading

    def png(self, image: int) -> bytes:
        """The original picture of an image as a PNG file, at most MAX_ORIGINAL_SIDE pixels a side.

        Raises
        ------
        NoOriginalError
            If there is none, or it has changed.
        """
        path, frame, digest = self._file(image)
        item = EncodedImage(str(path), frame)
        probe = self._ask("probe", item, None)
        scale = min(1.0, MAX_ORIGINAL_SIDE / max(probe.width, probe.height, 1))
        height, width = (max(1, round(side * scale)) for side in (probe.height, probe.width))
        channels, color = (1, "grey") if probe.is_grey else (3, "rgb")
        shape = replace(
            self._data.run.shape(),
            height=height,
            width=width,
            channels=channels,
            color=color,
            fit="stretch",  # to its own proportions
            keep_pixels=False,
        )
        decoded = self._ask("decode", item, shape)
        if decoded.sha256 != digest:
            raise NoOriginalError(SENTENCES[CHANGED])
        return as_png(decoded.pixels)

    def wav(self, image: int) -> bytes:
        """The sound that an image is the spectrogram of as a WAV file.

        Raises
        ------
        NoOriginalError
            If there is none, or its file has changed.
        """
        path, frame, digest = self._file(image)
        found = self._ask("sound", EncodedImage(str(path), frame), None)
        if found.sha256 != digest:
            raise NoOriginalError(SENTENCES[CHANGED])
        wav: bytes = found.wav
        return wav

    def _ask(self, task: str, item: EncodedImage, argument: Any) -> Any:
        (found,) = self._decoders.map(task, iter([item]), argument, self._data.run.reading())
        if isinstance(found, Failure):
            raise NoOriginalError(f"the file that this image was made from cannot be shown ({found.reason})")
        return found

    def _file(self, image: int) -> tuple[Path, int | None, bytes | None]:
        """The file that an image was decoded from, the frame in it, and the SHA-256 that it must have."""
        frame = self._originals.frame(image)
        # the SHA-256 of a frame is that of its pixels, so it is compared after decoding
        found = self._originals.find(image) if frame is None else self._originals.holder(image)
        if isinstance(found, Missing):
            raise NoOriginalError(SENTENCES[found.reason])
        return found, frame, self._originals.sha256(image)

    @locked_cached_property
    def _originals(self) -> Originals:
        try:
            return Originals.of(self._data.run)
        except RunError as error:
            raise DamagedError(str(error)) from error
