"""Worker process that decodes: it reads jobs from its standard input and writes results to its standard output.

A decoder that crashes or exhausts memory ends only this process. Both ends run this package, so that messages may be
pickles. The process ends when its input ends, as it does when the parent exits.
"""

import os
import pickle
import sys
from typing import IO, Any

from latentmap.images import decoding
from latentmap.images.page_options import DEFAULT_PAGES
from latentmap.images.reading_options import DEFAULT_READING, ReadingOptions

MAX_MEMORY_BYTES = 3 * 2**30


def write_message(file: IO[bytes], message: Any) -> None:
    """Write a message.

    Parameters
    ----------
    file : file object
    message : object
        Any object that can be pickled.
    """
    # without a second copy of the arrays in it, which may be large
    pickle.dump(message, file, protocol=pickle.HIGHEST_PROTOCOL)
    file.flush()


def read_message(file: IO[bytes]) -> Any:
    """Read a message.

    Parameters
    ----------
    file : file object

    Returns
    -------
    object

    Raises
    ------
    EOFError
        If the other end has closed the pipe.
    """
    try:
        return pickle.load(file)
    except pickle.UnpicklingError as error:
        raise EOFError from error


def run_task(
    task: str, images: list[decoding.EncodedImage], argument: Any, reading: ReadingOptions = DEFAULT_READING
) -> list[Any]:
    """Run a task on images.

    Parameters
    ----------
    task : {"decode", "probe", "measure", "sound", "count"}
    images : list of EncodedImage
    argument : object
        The :class:`latentmap.images.Shape` to decode to; for a probe or a measurement the
        :class:`latentmap.images.page_options.PageOptions`, or None for the usual ones; for a count whether frames
        of animations are images, and the PageOptions; None for a sound.
    reading : ReadingOptions, optional

    Returns
    -------
    list
        One result per image.
    """
    if task == "decode":
        return decoding.decode_images(images, argument, reading)
    if task == "probe":
        return decoding.probe_images(images, argument or DEFAULT_PAGES, reading)
    if task == "measure":
        return decoding.measure_images(images, argument or DEFAULT_PAGES, reading)
    if task == "sound":
        return decoding.read_sounds(images, reading)
    animations, pages = argument
    return [decoding.read_contents(image, animations, pages, reading) for image in images]


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main() -> None:
    """Run tasks until the input ends."""
    # output that a library prints must not mix with the results
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit_memory()
    while True:
        try:
            task, images, argument, reading = read_message(sys.stdin.buffer)
        except EOFError:
            return
        write_message(results, run_task(task, images, argument, reading))
