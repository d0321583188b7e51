"""Sources that are read only if their images are not decoded yet."""

from collections.abc import Callable
from dataclasses import dataclass

from latentmap.core.errors import SourceError
from latentmap.core.progress import Callback
from latentmap.images.collection import ImageCollection
from latentmap.images.listing import Listing, join_listings


@dataclass(frozen=True)
class DeferredSource:
    """A source that is downloaded when it is opened.

    Attributes
    ----------
    name : str
        Name of the source.
    stamp : str
        Changes with the file, as far as its size and version show.
    open : callable
        Takes a callback of the progress in bytes, and returns the listing or the images.
    """

    name: str
    stamp: str
    open: Callable[[Callback], Listing | ImageCollection]


def join_sources(sources: "list[Listing | ImageCollection | DeferredSource]") -> Listing | DeferredSource:
    """Join several sources of files in their order.

    Parameters
    ----------
    sources : list of Listing, ImageCollection or DeferredSource

    Returns
    -------
    Listing or DeferredSource

    Raises
    ------
    SourceError
        If one is an array. Of a deferred source, this is found out when it is opened.
    """
    if any(isinstance(one, DeferredSource) for one in sources):

        def open_all(callback: Callback) -> Listing:
            opened = [one.open(callback) if isinstance(one, DeferredSource) else one for one in sources]
            return _join(opened)

        parts = [one for one in sources if not isinstance(one, ImageCollection)]
        return DeferredSource(" + ".join(one.name for one in parts), repr([one.stamp for one in parts]), open_all)
    return _join([one for one in sources if not isinstance(one, DeferredSource)])


def _join(sources: list[Listing | ImageCollection]) -> Listing:
    if not sources or not all(isinstance(one, Listing) for one in sources):
        raise SourceError("several sources must all consist of files: pass arrays one at a time, or as one array")
    return join_listings([one for one in sources if isinstance(one, Listing)])
