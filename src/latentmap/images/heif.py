"""HEIC pictures, by pillow-heif as a plugin of Pillow."""

from functools import cache


@cache
def register_heif() -> None:
    """Let Pillow open HEIC pictures in this process.

    The rotation and mirroring that the container states are applied by the decoder, and the EXIF orientation, which
    repeats them, is reset. Values of 10 and 12 bits are reduced to 8 bits.
    """
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False, decode_threads=1)  # there is a worker process for every core
