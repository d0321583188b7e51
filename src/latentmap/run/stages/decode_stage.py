"""The stage "decode": images of one size from files, archives, tables or arrays."""

import hashlib
from typing import Any

from latentmap.images import ImageCollection
from latentmap.images.deferred import DeferredSource
from latentmap.images.listing import Listing
from latentmap.images.listing_decoder import decode_listing
from latentmap.images.sources import open_source, require_files_to_cut
from latentmap.images.store import copy_to_cache, remove_decoding_state
from latentmap.run import tables
from latentmap.run.channel_records import bits_record, describe_channels
from latentmap.run.cut_runs import cut_record
from latentmap.run.layout import CACHE
from latentmap.run.state import RUN_FORMAT_VERSION, key_of
from latentmap.run.work import Work


def decode(work: Work) -> list[str]:
    """Bring all images to one size: their pixels, images.parquet and skipped.parquet. Describe them in the state."""
    folder, found = work.folder, work.found
    assert found is not None
    if isinstance(found, DeferredSource):
        with work.show("download") as callback:
            found = open_source(found, callback)
        require_files_to_cut(found, work.decoding)
    with work.show("decode") as callback:
        if isinstance(found, Listing):
            images = decode_listing(found, work.decoding, cache=folder / CACHE, callback=callback)
        else:
            images = copy_to_cache(found, folder / CACHE)
        if work.labels is not None:
            images = images.with_labels(work.labels)
    files = tables.write_images(folder, images)
    remove_decoding_state(folder / CACHE)
    work.images = images
    work.state["source"] = _source_record(images, work)
    return files


def decoding_key(found: Listing | ImageCollection | DeferredSource, work: Work) -> str:
    """A hash over all that decoding depends on, as far as it is known without decoding."""
    stamp = [found.fingerprint, found.annotations_fingerprint] if isinstance(found, ImageCollection) else found.stamp
    labels = None if work.labels is None else hashlib.sha256(repr(work.labels.tolist()).encode()).hexdigest()
    return key_of([RUN_FORMAT_VERSION, stamp, work.decoding.for_key(), labels])


def _source_record(images: ImageCollection, work: Work) -> dict[str, Any]:
    """The record of the source in run.json."""
    cut = {} if work.decoding.cut is None else {"cut": cut_record(images)}
    record = {
        "name": images.name,
        "n": len(images),
        "image_shape": list(images.image_shape),
        "shape": None if images.shape is None else images.shape.as_dict(),
        "value_range": images.value_range,
        "decoding": work.decoding.as_dict(),
        "labelled": images.labels is not None,
        "skipped": len(images.skipped),
        "ignored": images.n_ignored,
        "sources": [source._asdict() for source in images.sources],
        "cache_bytes": int(images.images.nbytes),
        **({} if images.has_pictures else {"pictures": False}),
        **bits_record(images),
        "fingerprint": images.fingerprint,
        "annotations": images.annotations_fingerprint,
        **cut,
    }
    return record | {"channels": describe_channels(images)} if images.channels else record
