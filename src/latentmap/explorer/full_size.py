"""Images at their full size, from the files that they were decoded from, as long as those are still the same."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from latentmap.explorer.atlas_view import DamagedError, Explored, once
from latentmap.images.collection import as_png
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.pool import DecodingPool
from latentmap.run.originals import CHANGED, GONE, NO_FILE, UNREADABLE, Missing, Originals
from latentmap.run.state import RunError

MAX_SIDE = 4096  # pixels of what is shown; larger pictures are made smaller
SENTENCES = {
    NO_FILE: "this image has no file of its own: it came in an archive, an array or a table",
    GONE: "the file that this image was made from is not there any more",
    CHANGED: "the file that this image was made from has changed since: the picture shown is that of the run",
    UNREADABLE: "the file that this image was made from cannot be read",
}


class NoOriginalError(LookupError):
    """Why there is no original picture."""


class FullSize:
    """The original pictures of a run.

    A run may be a stranger's, and say that its images are made from any file: a file is only shown when its content
    has the SHA-256 that the run has for the image, which its author must have known.

    Parameters
    ----------
    data : Explored
    decoders : DecodingPool
        Where files are decoded, in bounded memory.
    """

    def __init__(self, data: Explored, decoders: DecodingPool) -> None:
        self._data = data
        self._decoders = decoders
        self._loading = data._loading

    def png(self, image: int) -> bytes:
        """The original picture of an image as a PNG file, at most MAX_SIDE pixels a side.

        Raises
        ------
        NoOriginalError
            If there is none, or it is another one by now.
        """
        path, frame, digest = self._file(image)
        item = EncodedImage(str(path), frame)
        look = self._ask("probe", item, None)
        scale = min(1.0, MAX_SIDE / max(look.width, look.height, 1))
        height, width = (max(1, round(side * scale)) for side in (look.height, look.width))
        channels, color = (1, "grey") if look.is_grey else (3, "rgb")
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

    def _ask(self, task: str, item: EncodedImage, argument: Any) -> Any:
        (found,) = self._decoders.map(task, iter([item]), argument)
        if isinstance(found, Failure):
            raise NoOriginalError(f"the file that this image was made from cannot be shown ({found.reason})")
        return found

    def _file(self, image: int) -> tuple[Path, int | None, bytes | None]:
        """Where an image was decoded from: the file, the frame in it, and the SHA-256 that it has to have."""
        frame = self._originals.frame(image)
        # of a frame only the pixels are known, so that it is compared once it is decoded
        found = self._originals.find(image) if frame is None else self._originals.holder(image)
        if isinstance(found, Missing):
            raise NoOriginalError(SENTENCES[found.reason])
        return found, frame, self._originals.sha256(image)

    @once
    def _originals(self) -> Originals:
        try:
            return Originals.of(self._data.run)
        except RunError as error:
            raise DamagedError(str(error)) from error
