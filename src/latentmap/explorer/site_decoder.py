"""The decoder in a folder of static files: the network, ONNX Runtime Web, by which browsers run it, and latent vectors.

The page computes the latent vector of a place on the map from those of the nearest images, as the server does. It finds
them in files of a fixed number of rows, of which it loads those of the images near the pointer.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentmap.core.atomic_files import write_bytes
from latentmap.core.errors import RunError
from latentmap.core.onnx_files import check_onnx_packages
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.site_tables import compressed, write_rows
from latentmap.images.pixel_types import largest_pixel

RUNTIME = Path(__file__).parent / "runtime"  # written by explorer-ui/runtime.mjs
CODE, WASM, NETWORK, LICENSE = "onnxruntime.js", "onnxruntime.bin", "network.bin", "LICENSE.txt"
N_BYTES_OF_LATENTS = 2**18  # in a file, before compression
MIN_ROWS_OF_LATENTS = 16


class SiteDecoder:
    """The decoder of a run, for a folder of static files.

    Parameters
    ----------
    data : AtlasView
        The run.

    Raises
    ------
    RunError
        If the run has no decoder.
    MissingPackageError
        If a package that writes ONNX files is not installed.
    """

    def __init__(self, data: AtlasView) -> None:
        if not data.run.has_decoder:
            raise RunError(
                f"{data.path}: made from given vectors without a network, so that nothing can be decoded: leave out "
                "--decoder"
            )
        check_onnx_packages()
        self._data = data
        n_bytes = data.latents.shape[1] * data.latents.itemsize
        self._rows: int = max(MIN_ROWS_OF_LATENTS, N_BYTES_OF_LATENTS // n_bytes)

    @property
    def facts(self) -> dict[str, Any]:
        """The layout of the files, for the page."""
        return {"rows": self._rows, "largest": largest_pixel(self._data.run.pixel_dtype)}

    @property
    def n_files(self) -> int:
        """Number of files that ``write`` makes."""
        n_ranges: int = -(-self._data.n // self._rows)
        return 4 + n_ranges

    def write(self, folder: Path) -> Iterator[Path]:
        """Write the files that are not in a folder yet, and yield each."""
        own = folder / "decoder"
        own.mkdir(parents=True, exist_ok=True)
        if not (own / NETWORK).exists():
            write_bytes(own / NETWORK, compressed(self._network()))
        write_bytes(own / CODE, gzip.decompress((RUNTIME / f"{CODE}.gz").read_bytes()))
        write_bytes(own / WASM, (RUNTIME / "onnxruntime.wasm.gz").read_bytes())
        write_bytes(own / LICENSE, (RUNTIME / LICENSE).read_bytes())
        yield from (own / name for name in (NETWORK, CODE, WASM, LICENSE))
        data = self._data
        latents = _InOrder(data.latents, data.order)
        yield from write_rows(folder / "latents", data.n, self._rows, lambda: {"latent": latents})

    def _network(self) -> bytes:
        """The decoder as an ONNX file, from one latent vector a row."""
        run = self._data.run
        with TemporaryDirectory() as folder:
            path = Path(folder) / "decoder.onnx"
            if run.has_vectors:
                run.decoder().export_onnx(path)
            else:
                self._data.model.export_onnx(path, "decoder")
            return path.read_bytes()


class _InOrder:
    """Rows of an array in another order, taken when they are read."""

    def __init__(self, values: NDArray[np.float32], order: NDArray[np.integer[Any]]) -> None:
        self._values, self._order = values, order

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._values[self._order[rows]]
        return found
