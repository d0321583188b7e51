"""A process that decodes: it reads jobs from its standard input and writes results to its standard output.

A decoder that crashes or eats memory takes this process with it and nothing else. Both ends are our own, so pickles
are safe to pass; when the parent is gone the input ends, and so does the process.
"""

import os
import pickle
import struct
import sys
from typing import IO, Any

from latentmap.images import decoding

HEADER = struct.Struct("<Q")
MOST_MEMORY = 3 * 2**30


def write_message(file: IO[bytes], message: Any) -> None:
    """Write one message, its length first."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    file.write(HEADER.pack(len(data)))
    file.write(data)
    file.flush()


def read_message(file: IO[bytes]) -> Any:
    """Read one message.

    Raises
    ------
    EOFError
        If the other end is gone.
    """
    header = file.read(HEADER.size)
    if len(header) < HEADER.size:
        raise EOFError
    (length,) = HEADER.unpack(header)
    data = file.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)


def perform(task: str, items: list[decoding.Item], argument: Any) -> list[Any]:
    """Results of a task, one an item: "decode" with a shape, "probe", or "count" with whether animations count."""
    if task == "decode":
        return decoding.decode(items, argument)
    if task == "probe":
        return decoding.probe_images(items)
    return [decoding.count_frames(item, argument) for item in items]


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def main() -> None:
    """Work until the input ends."""
    # whatever a library prints must not get between the results
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit_memory()
    while True:
        try:
            task, items, argument = read_message(sys.stdin.buffer)
        except EOFError:
            return
        write_message(answers, perform(task, items, argument))
