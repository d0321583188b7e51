"""The options of a run, each declared once.

A declaration is a field of :class:`RunOptions` or :class:`SourceOptions`: its name, type, default, range, choices, help
and the stages that it bears on. The command ``latentmap run``, :func:`latentmap.map_images`, run.json, the keys of the
stages and the table in the reference are derived from these fields. Nothing that computes is imported here, so that the
command line starts quickly.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from inspect import cleandoc
from numbers import Integral, Real
from textwrap import wrap
from typing import TYPE_CHECKING, Any, TypeVar

from latentmap.core.devices import ACCEPTED_NAMES, is_device_name
from latentmap.core.errors import InputError, OptionError

if TYPE_CHECKING:
    from latentmap.encoder import ImageEncoder
    from latentmap.images.decode_options import DecodeOptions

MAX_SEED = 2**32 - 1
Declared = TypeVar("Declared", bound=type)
# Options of the training of a decoder.
DECODER_OPTIONS = ("network", "activation", "epochs", "batch_size", "learning_rate", "precision")
ENCODER_SETTINGS = ("encoder_size", "encoder_mean", "encoder_std")
MAX_COUNT = 2**31 - 1  # of latent dimensions, epochs, images in a batch, groups


@dataclass(frozen=True)
class Option:
    """The declaration of an option.

    Attributes
    ----------
    name : str
    type : type
        The annotation of the field.
    default : object
    help : str
        One sentence about the option, for the command, the docstrings and the reference.
    stages : tuple of str
        The stages whose result the option changes; none if it only changes how it is computed.
    choices : tuple of str
        The values that are allowed; empty if there are others.
    low, high : float
        The range that is allowed, both ends included.
    is_positive : bool
        Whether 0 is excluded from the range.
    none_means : str, optional
        The value of the estimator's parameter that None stands for.
    key_rank : int
        The keys of stages hold options by rank, then in the order of declaration. Options of rank 1 came after the
        others, and a run that was made before keeps its keys.
    is_path : bool
        Whether the command takes a path.
    with_vectors : bool
        Whether only runs of given vectors have the option in their keys.
    """

    name: str
    type: Any
    default: Any
    help: str
    stages: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    is_positive: bool = False
    none_means: str | None = None
    key_rank: int = 0
    is_path: bool = False
    with_vectors: bool = False

    @property
    def kind(self) -> str:
        """The name of the type, without None."""
        return (self.type.__name__ if isinstance(self.type, type) else str(self.type)).partition(" | ")[0]

    @property
    def is_optional(self) -> bool:
        """Whether None is a value."""
        return not isinstance(self.type, type) and str(self.type).endswith(" | None")

    def plain(self, value: Any) -> Any:
        """Return the value as a plain one of the option's type.

        Raises
        ------
        OptionError
            If it has another type.
        """
        if self.is_optional and value is None:
            return None
        if self.kind.startswith("tuple"):
            if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
                return tuple(value)  # JSON has lists only
            raise OptionError(f"{self.name}={value!r}: pass a list of names")
        if (self.kind == "bool" and isinstance(value, bool)) or (self.kind == "str" and isinstance(value, str)):
            return value
        is_number = isinstance(value, Integral if self.kind == "int" else Real) and not isinstance(value, bool)
        if self.kind == "int" and is_number:
            return int(value)
        if self.kind == "float" and is_number and not math.isinf(value):
            return float(value)
        words = {"bool": "true or false", "str": "a name", "int": "a whole number", "float": "a finite number"}
        raise OptionError(f"{self.name}={value!r}: pass {words[self.kind]}{', or None' if self.is_optional else ''}")

    def check_range(self, value: Any) -> None:
        """Raise OptionError for a number out of the range or a name that is no choice."""
        for name in value if isinstance(value, tuple) else [value]:
            if self.choices and name is not None and name not in self.choices:
                raise OptionError(f"{self.name}={name!r}: choose among {', '.join(self.choices)}")
        if not isinstance(value, int | float) or isinstance(value, bool):
            return
        if not (self.low <= value <= self.high and (value > 0 or not self.is_positive)):
            if value > self.high == MAX_COUNT:
                wanted = f"at most {MAX_COUNT}"
            elif self.high in (math.inf, MAX_COUNT):
                wanted = "more than 0" if self.is_positive else f"at least {self.low:g}"
            else:
                wanted = f"one from {self.low:g} to {self.high:.10g}"
            raise OptionError(f"{self.name}={f'{value:g}' if self.kind == 'float' else value}: ask for {wanted}")


def option(default: Any, help: str, *stages: str, **facts: Any) -> Any:
    """Return a dataclass field that declares an option; see :class:`Option`."""
    return field(default=default, metadata={"help": help, "stages": stages, **facts})


def declared_options(declared: type) -> tuple[Option, ...]:
    """The options that are declared in :class:`RunOptions` or :class:`SourceOptions`, in their order."""
    return tuple(Option(one.name, one.type, one.default, **one.metadata) for one in fields(declared))


def _documented(declared: Declared) -> Declared:
    """Put the section of parameters behind the summary of a class of options."""
    lines = ["Parameters", "----------"]
    for one in declared_options(declared):
        names = ", ".join(f'"{name}"' for name in one.choices)
        kind = "object" if one.type is Any else f"{{{names}}}" if names and one.kind == "str" else one.kind
        lines.append(f"{one.name} : {kind}, " + ("optional" if one.default is None else f"default={one.default!r}"))
        lines += wrap(one.help, 116, initial_indent=4 * " ", subsequent_indent=4 * " ")
    summary, _, rest = cleandoc(declared.__doc__ or "").partition("\n\n")
    declared.__doc__ = "\n\n".join([summary, "\n".join(lines), rest])
    return declared


@_documented
@dataclass(frozen=True)
class RunOptions:
    """Options of a run. Each is checked when it is set, before any work.

    Raises
    ------
    OptionError
        For a value of another type, out of its range, or that is no choice.
    """

    network: str = option(
        "auto",
        "Network: pyramid (the default), variational, or the chapter's dense or conv.",
        "train",
        choices=("auto", "pyramid", "variational", "dense", "conv"),
    )
    activation: str = option("auto", "Any elementwise activation of torch.nn; auto is ELU.", "train")
    latent_dim: int = option(64, "Length of the latent vectors.", "train", low=1, high=MAX_COUNT)
    epochs: int | None = option(
        None,
        "Passes over the images; by default as many as make 1,400 steps (more steps above 3,000 images), but at most "
        "30 or as many as make 600 steps, and 10 for the chapter's networks.",
        "train",
        low=1,
        high=MAX_COUNT,
        none_means="auto",
    )
    batch_size: int | None = option(
        None,
        "Images per training step; by default 64, 32 below 10,000 images, fewer below 256, and 256 for the chapter's "
        "networks.",
        "train",
        low=1,
        high=MAX_COUNT,
        none_means="auto",
    )
    learning_rate: float | None = option(
        None,
        "Peak learning rate; by default 0.02 of Muon, which then falls along half a cosine, and a constant 0.001 of "
        "Adam for the chapter's networks.",
        "train",
        is_positive=True,
        none_means="auto",
    )
    beta: float = option(1.0, "Weight of the divergence in the variational network.", "train", low=0, key_rank=1)
    denoising: str | None = option(
        None,
        "Noise that the network learns to remove: gaussian, masking or salt_and_pepper.",
        "train",
        choices=("gaussian", "masking", "salt_and_pepper"),
        key_rank=1,
    )
    noise_level: float = option(
        0.25,
        "Standard deviation of that noise, or fraction of values that it corrupts.",
        "train",
        low=0,
        high=1,
        key_rank=1,
    )
    augmentation: tuple[str, ...] | None = option(
        None,
        "Augmentation: mixup, shift, flip or contrast (repeat the option for several), or none; by default mixup below "
        "10,000 images.",
        "train",
        choices=("mixup", "shift", "flip", "contrast"),
        none_means="auto",
        key_rank=1,
    )
    precision: str = option(
        "auto",
        "Precision of products in training: float32, bfloat16, or auto for what the processor and a test of the "
        "gradient allow.",
        "train",
        choices=("auto", "float32", "bfloat16"),
        key_rank=1,
    )
    features: str = option(
        "visual",
        "Vectors by which neighbours are found, for groups, map, duplicates and similar images: visual (features of "
        "shape, texture, parts and colour), or latent (the latent vectors).",
        "features",
        choices=("visual", "latent"),
        key_rank=1,
    )
    metric: str = option(
        "euclidean",
        "Distance between given vectors: euclidean, or cosine, for which only their directions count.",
        "map",
        "group",
        "find",
        choices=("euclidean", "cosine"),
        key_rank=1,
        with_vectors=True,
    )
    decoder: bool = option(
        False,
        "Train a decoder from given vectors, or those of an encoder, to the images: for reconstructions and their "
        "errors, and images at any place of the map.",
        "train",
        key_rank=1,
        with_vectors=True,
    )
    groups: str = option(
        "graph", "Clustering method: graph, or the chapter's kmeans.", "group", choices=("graph", "kmeans")
    )
    n_clusters: int | None = option(
        None,
        "Number of groups; by default found on the graph, and 10 for kmeans.",
        "group",
        low=1,
        high=MAX_COUNT,
    )
    invariant: bool = option(
        True,
        "Whether groups of latent vectors treat a slightly shifted, rotated, sheared or stretched image as the same.",
        "group",
    )
    min_confidence: float = option(0.0, "Images with a lower confidence get group -1.", "group", low=0, high=1)
    perplexity: float = option(
        30.0,
        "Perplexity of t-SNE, roughly the number of neighbours that the map preserves; with fewer than 91 images, a "
        "third of their number.",
        "map",
        is_positive=True,
    )
    seed: int = option(
        0, "Seed for all random number generators.", "train", "features", "group", "map", low=0, high=MAX_SEED
    )
    device: str = option(
        "auto",
        "Device of training, encoding, neighbours and t-SNE: cpu, cuda, cuda:N for the GPU with number N, mps, or "
        "auto, which is CUDA where torch sees a GPU. Finished stages are kept when it changes.",
    )

    def __post_init__(self) -> None:
        for one in declared_options(type(self)):
            object.__setattr__(self, one.name, one.plain(getattr(self, one.name)))
        for one in declared_options(type(self)):
            one.check_range(getattr(self, one.name))
        if not is_device_name(self.device):
            raise OptionError(f"device={self.device!r}: choose {ACCEPTED_NAMES}")
        if self.activation != "auto":
            # torch is loaded last: the checks above answer at once
            from latentmap.autoencoder.networks.activations import make_activation

            try:
                make_activation(self.activation)
            except InputError as error:
                raise OptionError(str(error)) from error

    def as_dict(self) -> dict[str, Any]:
        """The options by name, as JSON can hold them."""
        return asdict(self) | {"augmentation": None if self.augmentation is None else list(self.augmentation)}

    def autoencoder_parameters(self) -> dict[str, Any]:
        """The parameters of :class:`latentmap.Autoencoder` by name."""
        found: dict[str, Any] = {"random_state": self.seed, "device": self.device}
        for one in declared_options(type(self)):
            if "train" in one.stages and one.name != "seed" and not one.with_vectors:
                value = getattr(self, one.name)
                found[one.name] = one.none_means if value is None else value
        return found

    def decoder_parameters(self) -> dict[str, Any]:
        """The parameters of :class:`latentmap.ImageDecoder` by name."""
        of_both = self.autoencoder_parameters()
        return {name: of_both[name] for name in ("random_state", "device", *DECODER_OPTIONS)}

    def for_vectors(self) -> "RunOptions":
        """The options of a run of given vectors, by which its neighbours are found.

        Raises
        ------
        OptionError
            If an option is set that only bears on the training of a network, or on latent vectors of one.
        """
        usual = type(self)()
        for one in declared_options(type(self)):
            value = getattr(self, one.name)
            if one.stages != ("train",) or one.with_vectors or value == getattr(usual, one.name):
                continue
            if not self.decoder:
                raise OptionError(
                    f"{one.name}={value!r}: with given vectors no network is trained: leave {one.name} or vectors out, "
                    "or train a decoder"
                )
            if one.name not in DECODER_OPTIONS:
                raise OptionError(f"{one.name}={value!r} does not bear on a decoder: leave {one.name} out")
        if self.decoder and self.network == "variational":
            raise OptionError("network='variational' has no decoder of its own: choose pyramid, dense or conv")
        return replace(self, features="latent")

    def for_places(self) -> "RunOptions":
        """The options of a run whose places on the map are given.

        Raises
        ------
        OptionError
            If the perplexity is set, which is t-SNE's.
        """
        if self.perplexity != type(self)().perplexity:
            raise OptionError(
                f"perplexity={self.perplexity:g}: with given places there is no t-SNE: leave perplexity or map out"
            )
        return self

    def without_vectors(self) -> "RunOptions":
        """The options of a run without given vectors.

        Raises
        ------
        OptionError
            If an option is set that only bears on given vectors.
        """
        for one in declared_options(type(self)):
            if one.with_vectors and getattr(self, one.name) != one.default:
                raise OptionError(
                    f"{one.name}={getattr(self, one.name)!r} bears on given vectors only: pass vectors or an encoder, "
                    f"or leave {one.name} out"
                )
        return self

    def perplexity_for(self, n_images: int) -> float:
        """The perplexity of a map of so many images, of which t-SNE needs three times as many neighbours."""
        return min(self.perplexity, max(1.0, (n_images - 1) / 3))


@_documented
@dataclass(frozen=True)
class SourceOptions:
    """Options of how the images of a run are read. Their values are checked where they are used."""

    size: int | None = option(
        None, "Side of the square that images become, in pixels; by default chosen from the collection.", "decode"
    )
    fit: str = option(
        "fit",
        "Resizing: fit shows each image whole on the colour of its border, fill crops it, stretch distorts it.",
        "decode",
        choices=("fit", "fill", "stretch"),
    )
    color: str = option(
        "auto",
        "Colour mode: grey, rgb, or auto, which is grey if every image is.",
        "decode",
        choices=("auto", "grey", "rgb"),
    )
    background: str = option("white", "Colour behind transparent images.", "decode")
    frames: bool = option(
        False,
        "Each frame of an animated GIF, WebP, PNG or AVIF is an image; pages of a TIFF always are.",
        "decode",
    )
    channels: str | None = option(
        None,
        "Channels that are taken, from 0, such as 0,2,5; by default all of images that have other channels than grey, "
        "RGB or RGBA. With this option or the next two, colours are channels too.",
        "decode",
    )
    channel_names: str | None = option(
        None, "Names of the channels, such as dapi,actin; by default those of the files.", "decode"
    )
    range: str | None = option(
        None,
        "Values of channels that become darkest and brightest: LOW,HIGH for all, or one pair for each with semicolons "
        "between them; by default robust percentiles of each channel.",
        "decode",
    )
    axes: str = option(
        "auto",
        "What the pages of a TIFF or the planes of a FITS cube are: images, channels of one image, z for planes that "
        "are projected, or auto, which is what OME-TIFF or ImageJ states (with the extra tiff), and images otherwise.",
        "decode",
        choices=("auto", "images", "channels", "z"),
    )
    project: str = option(
        "max", "Projection of the planes of a volume: max or mean.", "decode", choices=("max", "mean")
    )
    metadata: tuple[str, ...] | None = option(
        None,
        "Keyword of a DICOM attribute, such as Modality, that becomes a column (repeat the option for several); by "
        "default none, so that nothing about patients is copied into the run.",
        "decode",
    )
    fps: float = option(1.0, "Frames of a video that are taken per second, each of which is an image.", "decode")
    audio_seconds: float = option(
        4.0, "Duration of the pieces that sounds are cut into, each of which is an image, in seconds.", "decode"
    )
    audio_hop: float | None = option(
        None, "Time between the columns of a spectrogram, in seconds; by default a 128th of a piece.", "decode"
    )
    audio_bands: int = option(64, "Number of mel bands of a spectrogram, its height.", "decode")
    audio_max_frequency: float = option(11025.0, "Highest frequency of a spectrogram, in Hz.", "decode")
    audio_floor: float = option(
        -80.0, "Power that is black in a spectrogram, in dB; 0 is about that of a sine of full scale.", "decode"
    )
    tiles: int | None = option(
        None,
        "Side of square tiles in pixels, into which each image is cut; the tiles are then the images of the map.",
        "decode",
    )
    overlap: int = option(0, "Pixels that neighbouring tiles have in common, at most half of a tile.", "decode")
    max_empty: float = option(
        0.99,
        "Tiles of which a larger fraction is nearly of one colour are left out; 1 keeps all.",
        "decode",
    )
    crops: Any = option(  # noqa: RUF009 - a field, as the others
        None,
        "Table of boxes (path and left, top, right, bottom, or x, y, width, height), or a COCO file; the boxes are "
        "then the images of the map.",
        "decode",
        is_path=True,
    )
    strict: bool = option(False, "A file that cannot be decoded is an error.")
    cache_limit: float = option(64.0, "Maximum size of the decoded images, in GB, and of downloaded files.")
    downloads: Any = option(  # noqa: RUF009 - a field, as the others
        None,
        "Folder that keeps downloaded files, for other runs as well; by default they are in the folder of the run "
        "until they are decoded.",
        is_path=True,
    )
    labels: Any = option(  # noqa: RUF009 - a field, as the others
        None,
        "Labels: an .npy or IDX file, text with one label per line, or a table with the column label and optionally "
        "path.",
        "decode",
        is_path=True,
    )
    vectors: Any = option(  # noqa: RUF009 - a field, as the others
        None,
        "Vectors of the images, from which groups, map and neighbours are found without training a network: an .npy, "
        ".npz, .parquet, .arrow, .feather, .csv or .tsv file, matched by the table's column path or id, else by row; "
        "FILE:NAME chooses an array or a column.",
        "vectors",
        is_path=True,
    )
    map: Any = option(  # noqa: RUF009 - a field, as the others
        None,
        "Places on the map instead of those of t-SNE: an .npy file (n, 2), or a table with the columns x and y, "
        "matched as vectors are; FILE:NAME,NAME chooses other columns.",
        "map",
        is_path=True,
    )

    encoder: str | None = option(
        None,
        "Frozen image encoder, an ONNX file, whose vectors are mapped without training a network; FILE:NAME chooses "
        "an output. Its preprocessing is read from a preprocessor_config.json beside it.",
        "vectors",
    )
    encoder_size: str | None = option(
        None,
        "Size of the encoder's input in pixels where neither of these files says it: a side, or HEIGHTxWIDTH.",
        "vectors",
    )
    encoder_mean: str | None = option(
        None, "Mean of each channel that the encoder was trained with, such as 0.485,0.456,0.406.", "vectors"
    )
    encoder_std: str | None = option(
        None, "Standard deviation of each channel that the encoder was trained with.", "vectors"
    )

    def image_encoder(self, device: str = "auto") -> "ImageEncoder | None":
        """The encoder, opened.

        Parameters
        ----------
        device : str, default="auto"
            Device of the run.

        Raises
        ------
        OptionError
            If vectors are given as well, settings of an encoder are given without one, or are no numbers.
        MissingPackageError, EncoderError
            See :class:`latentmap.ImageEncoder`.
        """
        names = [name for name in ENCODER_SETTINGS if getattr(self, name) is not None]
        if self.encoder is None:
            if names:
                raise OptionError(f"{names[0]}={getattr(self, names[0])!r} without an encoder: pass encoder, too")
            return None
        if self.vectors is not None:
            raise OptionError("vectors and an encoder: pass the vectors of the images, or what computes them")
        from latentmap.encoder import ImageEncoder

        mean, std = (_numbers(name, getattr(self, name)) for name in ("encoder_mean", "encoder_std"))
        return ImageEncoder(self.encoder, size=_sides(self.encoder_size), mean=mean, std=std, device=device)

    def decoding(self) -> "DecodeOptions":
        """The options of decoding, for :func:`latentmap.run.make_run`.

        Raises
        ------
        InputError
            For a value out of its range.
        SourceError
            If the table of crops cannot be read.
        """
        from latentmap.core.atomic_files import user_path
        from latentmap.images import ShapeOptions
        from latentmap.images.channels import ChannelOptions
        from latentmap.images.decode_options import DecodeOptions, choose_cut
        from latentmap.images.page_options import PageOptions
        from latentmap.images.reading_options import ReadingOptions

        channels = ChannelOptions.parse(self.channels, self.channel_names, self.range)
        pages = PageOptions(self.axes, self.project)
        shape = ShapeOptions(self.size, self.fit, self.color, self.background, channels, pages)
        reading = ReadingOptions(**{one.name: getattr(self, one.name) for one in fields(ReadingOptions)})
        cut = choose_cut(self.tiles, self.overlap, self.max_empty, self.crops)
        downloads = None if self.downloads is None else user_path(self.downloads)
        return DecodeOptions(shape, self.frames, self.cache_limit, downloads, cut, reading)


def _sides(given: Any) -> tuple[int, int] | None:
    """Height and width that are written as 224 or 48x320, or a whole number, or two."""
    if given is None:
        return None
    parts = (
        given.lower().split("x") if isinstance(given, str) else given if isinstance(given, list | tuple) else [given]
    )
    try:
        sides = [int(part) for part in parts]
    except (TypeError, ValueError):
        sides = []
    if len(sides) not in (1, 2):
        raise OptionError(f"encoder_size={given!r}: pass a side in pixels, such as 224, or 48x320 for height and width")
    return sides[0], sides[-1]


def _numbers(name: str, given: Any) -> tuple[float, ...] | None:
    """Numbers that are written with commas, or in a list, or a single one."""
    if given is None:
        return None
    parts = given.split(",") if isinstance(given, str) else given if isinstance(given, list | tuple) else [given]
    try:
        return tuple(float(part) for part in parts)
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name}={given!r}: pass one number, or one for each channel with commas between") from error


RUN_OPTIONS = declared_options(RunOptions)
SOURCE_OPTIONS = declared_options(SourceOptions)


def names_in_key(stage: str, *, with_vectors: bool = False) -> list[str]:
    """The names of the options that bear on a stage, in the order in which its key holds them."""
    held = [one for one in RUN_OPTIONS if stage in one.stages and (with_vectors or not one.with_vectors)]
    return [one.name for one in sorted(held, key=lambda one: one.key_rank)]


def check_options(values: Mapping[str, Any]) -> None:
    """Raise OptionError unless options by name, those of run.json, are such that a run can have."""
    RunOptions(**known_options(values))


def known_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options by name that this version has; an older one may have had others."""
    names = {one.name for one in RUN_OPTIONS}
    return {name: value for name, value in values.items() if name in names}
