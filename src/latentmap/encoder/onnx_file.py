"""The ONNX file of an encoder: what it may refer to, its digest, and its copies."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from latentmap.core.atomic_files import atomic_write, sha256
from latentmap.core.errors import EncoderError, MissingPackageError

MAX_GRAPH_BYTES = 2**31  # of a file without its external weights; protobuf allows no more


def split_output(given: str) -> tuple[str, str | None]:
    """Split ``model.onnx:output`` into the path and the name of the output.

    Parameters
    ----------
    given : str
        Path of a file, perhaps followed by a colon and the name of an output.

    Returns
    -------
    path : str
    output : str or None

    Examples
    --------
    >>> split_output("clip.onnx:image_embeds")
    ('clip.onnx', 'image_embeds')
    >>> split_output("clip.onnx")
    ('clip.onnx', None)
    """
    path, colon, output = given.rpartition(":")
    if not colon or not path.lower().endswith(".onnx") or Path(given).is_file():
        return given, None
    return path, output


def check_encoder_packages() -> None:
    """Raise MissingPackageError if onnx or onnxruntime is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"an encoder needs the package {error.name}: pip install 'latentmap[onnx]'"
        ) from error


def files_of(path: Path) -> list[Path]:
    """The files of a model: the ONNX file, and those of its external weights.

    The graph is parsed and nothing of it is run.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of Path

    Raises
    ------
    EncoderError
        If the file is missing or damaged, or its weights lie elsewhere than in files beside it.
    """
    import onnx

    if not path.is_file():
        raise EncoderError(f"{path}: no such file: pass an image encoder that was exported to ONNX")
    if path.stat().st_size > MAX_GRAPH_BYTES:
        raise EncoderError(f"{path}: larger than 2 GiB: export its weights as external data beside it")
    try:
        model = onnx.load(str(path), load_external_data=False)
        names = set(_external_names(model))
        is_empty = not model.graph.node
    except Exception as error:  # protobuf and onnx have errors of their own
        raise EncoderError(f"{path}: not an ONNX file ({_first_line(error)}): export the model again") from error
    if is_empty:
        raise EncoderError(f"{path}: not an ONNX file, or one without any operation: export the model again")
    return [path, *(_beside(path, name) for name in sorted(names))]


def digest_of(files: Iterable[Path]) -> str:
    """SHA-256 over the digests of files, in hexadecimal."""
    return hashlib.sha256("".join(sha256(file) for file in files).encode()).hexdigest()


def copy_model(copies: Iterable[tuple[Path, Path]]) -> None:
    """Copy the files of a model, each to its place and atomically."""
    for file, place in copies:
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(place) as temporary, file.open("rb") as source, temporary.open("wb") as target:
            shutil.copyfileobj(source, target)


def _beside(path: Path, name: str) -> Path:
    """The file of external weights with a name, if it lies beside the model."""
    found = path.parent / name
    if not name or Path(name).name != name or "\\" in name or name in (".", ".."):
        raise EncoderError(
            f"{path}: its weights are in {name!r}, which is not beside it: export it with its weights beside it"
        )
    if found.is_symlink() and found.resolve().parent != path.resolve().parent:
        raise EncoderError(f"{found}: a link to another folder: put the weights themselves beside {path.name}")
    if not found.is_file():
        raise EncoderError(f"{found}: not there, but {path.name} has its weights in it: copy it beside {path.name}")
    return found


def _external_names(model: Any) -> Iterator[str]:
    """Names of the files of external weights, anywhere in a model."""
    for tensor in _tensors(model.graph):
        yield from _location(tensor)
    for function in model.functions:
        for node in function.node:
            for tensor in _tensors_of_node(node):
                yield from _location(tensor)


def _location(tensor: Any) -> Iterator[str]:
    if tensor.data_location == tensor.EXTERNAL:
        yield next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _tensors_of_node(node)


def _tensors_of_node(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        yield from attribute.tensors
        if attribute.HasField("t"):
            yield attribute.t
        sparse = [
            *attribute.sparse_tensors,
            *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
        ]
        for one in sparse:
            yield from (one.values, one.indices)
        for graph in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
            yield from _tensors(graph)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
