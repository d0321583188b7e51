"""Images at full size, and sounds, decoded again from their original files as long as those are unchanged."""

from dataclasses import replace
from typing import Any

from latentmap.core.errors import DamagedError, NoOriginalError, RunError
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.locked_property import locked_cached_property
from latentmap.images.collection import as_png
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.mixing import Mixing, as_picture
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

    def png(self, image: int, mixing: Mixing | None = None) -> bytes:
        """The original picture of an image as a PNG file, at most MAX_ORIGINAL_SIDE pixels a side.

        Its channels are mixed by the given colours.

        Raises
        ------
        NoOriginalError
            If there is none, or it has changed.
        """
        item, digest = self._item(image)
        own = self._data.run.shape()
        probe = self._ask("probe", item, own.pages)
        scale = min(1.0, MAX_ORIGINAL_SIDE / max(probe.width, probe.height, 1))
        height, width = (max(1, round(side * scale)) for side in (probe.height, probe.width))
        channels, color = (1, "grey") if probe.is_grey else (3, "rgb")
        if own.channel_list:
            channels = own.channels
        shape = replace(
            own,
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
        return as_png(as_picture(decoded.pixels, mixing))

    def wav(self, image: int) -> bytes:
        """The sound that an image is the spectrogram of as a WAV file.

        Raises
        ------
        NoOriginalError
            If there is none, or its file has changed.
        """
        item, digest = self._item(image)
        found = self._ask("sound", item, None)
        if found.sha256 != digest:
            raise NoOriginalError(SENTENCES[CHANGED])
        wav: bytes = found.wav
        return wav

    def _ask(self, task: str, item: EncodedImage, argument: Any) -> Any:
        (found,) = self._decoders.map(task, iter([item]), argument, self._data.run.reading())
        if isinstance(found, Failure):
            raise NoOriginalError(f"the file that this image was made from cannot be shown ({found.reason})")
        return found

    def _item(self, image: int) -> tuple[EncodedImage, bytes | None]:
        """The source that an image was decoded from, and the SHA-256 that it must have."""
        originals = self._originals
        # the SHA-256 of a frame or a part is that of its pixels, so it is compared after decoding
        found = originals.find(image) if originals.is_file(image) else originals.holder(image)
        if isinstance(found, Missing):
            raise NoOriginalError(SENTENCES[found.reason])
        return EncodedImage(str(found), originals.frame(image), originals.box(image)), originals.sha256(image)

    @locked_cached_property
    def _originals(self) -> Originals:
        try:
            return Originals.of(self._data.run)
        except RunError as error:
            raise DamagedError(str(error)) from error
