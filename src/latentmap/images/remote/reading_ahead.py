"""Downloads ahead of the decoders, by a few threads, in the order of the images."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from latentmap.core.addresses import public_address
from latentmap.core.errors import SourceError, TransferError
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.remote.downloads import Downloads
from latentmap.images.remote.filesystems import RemoteFile

N_THREADS = 8
N_FILES_AHEAD = 32
# Files that fail one after the other for a reason that may pass, after which the host is given up.
N_LOST_FILES = 16


def read_ahead(downloads: Downloads, items: Iterable[RemoteFile | EncodedImage]) -> Iterator[EncodedImage]:
    """Download images.

    Parameters
    ----------
    downloads : Downloads
    items : iterable of RemoteFile or EncodedImage
        Files to download, and images that need no download.

    Yields
    ------
    EncodedImage
        In the order of the items. A file that cannot be downloaded is a :class:`Failure`.

    Raises
    ------
    SourceError
        If many files in a row cannot be downloaded for a reason that may pass, such as a host without an answer.
    """
    pool = ThreadPoolExecutor(N_THREADS, thread_name_prefix="downloading")
    waiting: deque[tuple[RemoteFile | None, Future[EncodedImage]]] = deque()
    n_lost = 0

    def take() -> EncodedImage:
        nonlocal n_lost
        file, future = waiting.popleft()
        try:
            image = future.result()
        except TransferError as error:
            n_lost = n_lost + 1 if error.is_transient else 0
            if n_lost >= N_LOST_FILES and file is not None:
                raise SourceError(
                    f"{public_address(file.address)}: {error}, and so are {n_lost - 1} files before it: "
                    "see that the address can be reached; the same command resumes"
                ) from None
            return EncodedImage(Failure(str(error)))
        n_lost = 0 if file is not None else n_lost
        return image

    try:
        for item in items:
            if isinstance(item, RemoteFile):
                waiting.append((item, pool.submit(downloads.image, item)))
            else:
                waiting.append((None, _done(item)))
            if len(waiting) >= N_FILES_AHEAD:
                yield take()
        while waiting:
            yield take()
    finally:
        pool.shutdown(cancel_futures=True)


def _done(image: EncodedImage) -> Future[EncodedImage]:
    future: Future[EncodedImage] = Future()
    future.set_result(image)
    return future
