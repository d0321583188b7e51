"""The stage "vectors": the vectors of the images of a run that has no network of its own."""

from math import prod

from latentmap.core.errors import EncoderError, RunError
from latentmap.encoder import ImageEncoder
from latentmap.encoder.preprocessor_config import CONFIG_FILE
from latentmap.images import ImageCollection, Shape
from latentmap.images.channels import MAX_CHANNELS_IN_WORDS
from latentmap.images.listing import Listing
from latentmap.images.reading_options import ReadingOptions
from latentmap.images.sources import open_source
from latentmap.run.encoding.encode_images import encode_images
from latentmap.run.encoding.input_pixels import InputPixels
from latentmap.run.encoding.kept_encoder import encoder_record, keep_encoder
from latentmap.run.given.vector_files import matched_blocks, write_vectors
from latentmap.run.layout import VECTORS
from latentmap.run.work import Work


def use_encoder(work: Work, encoder: ImageEncoder) -> None:
    """Have the vectors of the images computed by an encoder, and describe it in the state.

    Raises
    ------
    EncoderError
        If the images have channels that are no colours.
    """
    _check_channels(encoder, work.images)
    work.encoder = encoder
    work.state["vectors"] = encoder_record(encoder, len(work.images))
    device = " on a GPU" if encoder.runs_on_gpu else ""
    work.say(f"  encoder {encoder.path.name}{device}: {encoder.describe()}")
    if encoder.assumes_imagenet:
        work.say(f"  no {CONFIG_FILE} beside it: pixels are scaled by the mean and standard deviation of ImageNet")
    if work.listing is None and work.state["source"]["shape"] is not None:
        work.say("  it sees the images as the run has them: pass their source instead for their own size")


def take_vectors(work: Work) -> list[str]:
    """Write the vectors of the images, in their order: cache/vectors.npy (n, d), float32; and a copy of the encoder."""
    with work.show("vectors") as callback:
        if work.encoder is None:
            if work.vectors is None:  # nothing is given where images are added
                raise RunError(f"{work.folder / VECTORS}: missing: the command that made the run makes it again")
            write_vectors(work.folder, matched_blocks(work.vectors), callback)
            return [VECTORS]
        opened = None if work.listing is None else open_source(work.listing)
        reading = ReadingOptions.of(work.state["source"].get("decoding") or {})
        images = InputPixels(work.images.table, work.pixels, opened if isinstance(opened, Listing) else None, reading)
        like = work.state["source"]["shape"]
        shape = None if like is None else Shape.from_dict(like)
        key = work.keys["vectors"]
        encode_images(work.encoder, images, work.folder, key, shape, callback=callback, say=work.say)
    return [VECTORS, *keep_encoder(work.encoder, work.folder)]


def _check_channels(encoder: ImageEncoder, images: ImageCollection) -> None:
    n, wanted = prod(images.image_shape[2:]), encoder.preprocessing.channels
    if n in (1, 3):  # grey images become RGB, and RGB ones grey
        return
    kind = "grey images (1 channel)" if wanted == 1 else "RGB images (3 channels)"
    names = f" ({', '.join(one.name for one in images.channels[:MAX_CHANNELS_IN_WORDS])})" if images.channels else ""
    numbers = ",".join(map(str, range(wanted)))
    raise EncoderError(
        f"{encoder.path}: takes {kind}, and those of {images.name} have {n} channels{names}: choose {wanted} with "
        f"--channels, such as {numbers}, or leave the encoder out"
    )
