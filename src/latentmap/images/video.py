"""Video files, by PyAV: frames at a chosen rate, each an image."""

import math
import os
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO, Any, NamedTuple

from PIL import Image

from latentmap.core.errors import DecodingError
from latentmap.images.pictures import Picture
from latentmap.images.reading_options import ReadingOptions

# The demuxer of each container by its first bytes. FFmpeg's own choice could be a playlist that names other files.
MATROSKA_START, OGG_START, FLASH_START, ASF_START = b"\x1aE\xdf\xa3", b"OggS", b"FLV\1", b"0&\xb2u\x8ef\xcf\x11"
PROGRAM_STREAM_START = b"\0\0\1"
MAX_FRAMES = 100_000  # of one file
MAX_PACKETS = 50_000_000
SEEK_MARGIN_SECONDS = 5.0
STREAMS = ("mpegts", "mpeg", "mpegvideo")  # without a table of frames, in which a seek may lead too far
MAX_KNOWN_INDEXES = 4
ROUNDING = 1e-6  # of times, in intervals between frames
ORIENTATION_BY_ROTATION = {-90: 6, 90: 8, 180: 3, -180: 3}  # counter-clockwise, to that of EXIF


class FrameIndex(NamedTuple):
    """Where the frames of a video are.

    Attributes
    ----------
    chosen : array of int
        Time stamp of the first frame in each interval, in ascending order.
    keyframes : array of int
        Time stamps of the frames at which decoding may begin, in ascending order.
    """

    chosen: "array[int]"
    keyframes: "array[int]"


_KNOWN_INDEXES: dict[tuple[Any, ...], FrameIndex] = {}


class VideoFrames:
    """The frames of a video at a chosen rate: the first in each interval of that duration.

    Parameters
    ----------
    file : file object
    reading : ReadingOptions
        ``fps`` is the number of frames taken per second.

    Raises
    ------
    OSError
        If the file is damaged or has no pictures.
    """

    def __init__(self, file: IO[bytes], reading: ReadingOptions) -> None:
        import av

        self._file, self._fps, self._error = file, reading.fps, av.error.FFmpegError
        self._open()
        self._index = self._read_index()
        if not self._index.chosen:
            raise DecodingError("a video without pictures")
        self._frames: Iterator[Any] | None = None
        self._last = 0

    def close(self) -> None:
        """Close the decoder."""
        self._container.close()

    def count(self, _: bool) -> int:
        """Count the frames that are taken."""
        n = len(self._index.chosen)
        if n > MAX_FRAMES:
            raise DecodingError(f"more than {MAX_FRAMES:,} frames: take fewer per second with --fps")
        return n

    def columns(self) -> dict[str, list[Any]]:
        """The time of each frame since the first, in seconds."""
        begin = self._index.chosen[0]
        return {"seconds": [round((stamp - begin) * self._time_base, 6) for stamp in self._index.chosen]}

    def picture(self, number: int | None) -> Picture:
        """Decode a frame.

        Raises
        ------
        OSError
            If the stream is damaged there.
        """
        wanted = self._index.chosen[min(number or 0, len(self._index.chosen) - 1)]
        try:
            frame = self._decode(wanted)
            if frame is not None:
                return Picture(frame.to_image(), ORIENTATION_BY_ROTATION.get(round(frame.rotation), 1))
        except self._error:
            self._frames = None
        seconds = (wanted - self._index.chosen[0]) * self._time_base
        raise DecodingError(f"the video is damaged at {seconds:.2f} s")

    def _open(self) -> None:
        """Open the file at its beginning, with one thread, since there is a worker process for every core."""
        import av

        self._file.seek(0)
        self._kind = _container_kind(self._file.read(64))
        self._file.seek(0)
        try:
            self._container = av.open(self._file, format=self._kind, metadata_errors="ignore")
        except (self._error, ValueError) as error:
            raise DecodingError(f"a damaged video ({_message(error)})") from None
        streams = [one for one in self._container.streams.video if one.time_base]
        if not streams:
            raise DecodingError("a video without pictures")
        self._stream = streams[0]
        self._time_base = float(self._stream.time_base)
        context = self._stream.codec_context
        if context is None:
            raise DecodingError("a video of a kind that is not read")
        _check_size(context.width, context.height)
        context.thread_type, context.thread_count = "NONE", 1
        context.options = {"max_pixels": str(Image.MAX_IMAGE_PIXELS or 2**31 - 1)}

    def _read_index(self) -> FrameIndex:
        try:
            status = os.fstat(self._file.fileno())
        except OSError:  # in memory
            return self._scan()
        return _cached_index((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, self._fps), self._scan)

    def _scan(self) -> FrameIndex:
        """Read the time stamps of all packets, without decoding."""
        stamps, keyframes = array("q"), array("q")
        try:
            for packet in self._container.demux(self._stream):
                stamp = _stamp_of(packet)
                if stamp is None or packet.is_discard:
                    continue
                stamps.append(stamp)
                if packet.is_keyframe:
                    keyframes.append(stamp)
                if len(stamps) > MAX_PACKETS:
                    raise DecodingError(f"a video of more than {MAX_PACKETS:,} frames")
        except self._error:  # what comes before the damage is read
            pass
        self._reopen()
        ordered = sorted(stamps)
        chosen, previous = array("q"), -1
        for stamp in ordered:
            interval = math.floor((stamp - ordered[0]) * self._time_base * self._fps + ROUNDING)
            if interval > previous:
                chosen.append(stamp)
                previous = interval
        return FrameIndex(chosen, array("q", sorted(keyframes)))

    def _reopen(self) -> None:
        self._container.close()
        self._open()

    def _decode(self, wanted: int) -> Any:
        """The first frame at a time stamp or soon after; None if there is none."""
        keyframe = self._keyframe_before(wanted)
        if self._frames is None or wanted <= self._last or keyframe > self._last:
            self._seek(keyframe)
        assert self._frames is not None
        for frame in self._frames:
            stamp = _stamp_of(frame)
            if stamp is None or stamp < wanted:
                continue
            self._last = stamp
            if (stamp - wanted) * self._time_base * self._fps >= 1:
                self._frames = None  # this one may be wanted next
                return None
            _check_size(frame.width, frame.height)
            return frame
        self._frames = None
        return None

    def _keyframe_before(self, wanted: int) -> int:
        at = bisect_right(self._index.keyframes, wanted)
        return self._index.keyframes[at - 1] if at else self._index.chosen[0]

    def _seek(self, keyframe: int) -> None:
        """Continue at a keyframe, or before it if the container cannot be entered there."""
        for stamp in (keyframe, keyframe - round(SEEK_MARGIN_SECONDS / self._time_base)):
            try:
                self._container.seek(stamp, stream=self._stream)
            except self._error:
                break
            self._frames = self._decoded()
            first = next(self._frames, None)
            if first is not None:
                self._frames = chain([first], self._frames)
                if (_stamp_of(first) or 0) <= keyframe:
                    return
        if self._kind in STREAMS or self._frames is None:
            self._reopen()
            self._frames = self._decoded()

    def _decoded(self) -> Iterator[Any]:
        """Decode from here on. Packets that are damaged are passed over."""
        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()
                except self._error:
                    continue
        except self._error:
            return


def _cached_index(key: tuple[Any, ...], scan: Callable[[], FrameIndex]) -> FrameIndex:
    """The index of a file, which is read once for all frames that a process decodes."""
    if key not in _KNOWN_INDEXES:
        if len(_KNOWN_INDEXES) >= MAX_KNOWN_INDEXES:
            _KNOWN_INDEXES.clear()
        _KNOWN_INDEXES[key] = scan()
    return _KNOWN_INDEXES[key]


def _stamp_of(frame: Any) -> int | None:
    """The time stamp of a frame or packet."""
    stamp: int | None = frame.dts if frame.pts is None else frame.pts
    return stamp


def _container_kind(start: bytes) -> str:
    """The name of FFmpeg's demuxer for a file that begins with some bytes."""
    if start[:4] == b"RIFF":
        return "avi"
    if start[4:5] == b"G":  # of transport streams with a time before each packet
        return "mpegts"
    by_start = {MATROSKA_START: "matroska", OGG_START: "ogg", FLASH_START: "flv", ASF_START: "asf"}
    by_start |= {PROGRAM_STREAM_START + b"\xba": "mpeg", PROGRAM_STREAM_START + b"\xb3": "mpegvideo", b"G": "mpegts"}
    return next((kind for begin, kind in by_start.items() if start.startswith(begin)), "mov")


def _check_size(width: int, height: int) -> None:
    if width * height > (Image.MAX_IMAGE_PIXELS or width * height):
        raise Image.DecompressionBombError


def _message(error: Exception) -> str:
    """The message of FFmpeg, without the name of the file."""
    return str(getattr(error, "strerror", None) or type(error).__name__)
