"""Error for a source without images."""

from collections import Counter
from collections.abc import Iterable

from latentmap.core.errors import SourceError
from latentmap.core.progress import counted
from latentmap.images.listing import Listing, Skipped

N_REASONS = 3  # that are named, the most frequent first
ADVICE = "pass a source with PNG, JPEG or other image files"


def no_images_error(listing: Listing, failed: Iterable[Skipped], where: str | None = None) -> SourceError:
    """Make the error for a source without images, with the most frequent reasons and an example of each.

    Parameters
    ----------
    listing : Listing
    failed : iterable of Skipped
        Images that could not be decoded.
    where : str, optional
        Name of the source in the message, by default that of the listing.

    Returns
    -------
    SourceError
    """
    skipped = [*listing.skipped, *failed]
    parts = [f"{where or listing.name}: no images in it"]
    if skipped:
        counts = Counter(one.reason for one in skipped)
        examples = {one.reason: one.path for one in reversed(skipped)}
        named = [
            f"{reason} ({count:,}, such as {examples[reason]!r})" for reason, count in counts.most_common(N_REASONS)
        ]
        rest = f" and {len(counts) - N_REASONS} other reasons" if len(counts) > N_REASONS else ""
        parts.append(f"{counted(len(skipped), 'file')} cannot be decoded: {', '.join(named)}{rest}")
    if listing.n_ignored:
        parts.append(f"{counted(listing.n_ignored, 'other file')} ignored")
    roots = [source.root for source in listing.sources if source.root is not None]
    if roots and len(listing):
        parts.append(f"searched {', '.join(roots)}")
    return SourceError("; ".join([": ".join(parts[:2]), *parts[2:], ADVICE]))
