"""The decoder in a folder of static files, which the page runs by onnxruntime-web."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latentmap.core.errors import MissingPackageError, RunError
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.site_tables import write_rows
from latentmap.run import Run

PACKAGE = "onnxruntime-web"
RUNTIME_FOLDER = "onnxruntime"
SCRIPT, BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
N_ROWS_OF_LATENTS = 2048  # in a file


@dataclass(frozen=True)
class RuntimeFiles:
    """The files of onnxruntime-web.

    Attributes
    ----------
    folder : Path
        The folder dist of the package.
    """

    folder: Path

    @classmethod
    def find(cls, run: Run) -> "RuntimeFiles":
        """The package in ``node_modules`` of the current folder or one above it, or of the sources of the explorer.

        Raises
        ------
        RunError
            If the run has no decoder.
        MissingPackageError
            If it is in none of them.
        """
        if not run.has_decoder:
            raise RunError(f"{run.path}: there is no decoder in it: export the site without one")
        here = Path.cwd()
        sources = Path(__file__).parents[3] / "explorer-ui"
        for root in (here, *here.parents, sources):
            folder = root / "node_modules" / PACKAGE / "dist"
            if all((folder / name).is_file() for name in (SCRIPT, BINARY)):
                return cls(folder)
        raise MissingPackageError(
            f"a site with a decoder needs the npm package {PACKAGE}, which is not in {here / 'node_modules'}: "
            f"npm install {PACKAGE}"
        )

    def copy(self, target: Path) -> None:
        """Copy the files that the page loads, and the license."""
        target.mkdir()
        for name in (SCRIPT, BINARY):
            shutil.copyfile(self.folder / name, target / name)
        for notice in self.folder.parent.glob("LICENSE*"):
            shutil.copyfile(notice, target / notice.name)


def write_decoder(data: AtlasView, folder: Path) -> dict[str, Any]:
    """Write decoder.onnx and the latent vectors in zoom order; return what the page needs to know of them."""
    if data.run.has_vectors:
        data.run.decoder().export_onnx(folder / "decoder.onnx")
    else:
        data.model.export_onnx(folder / "decoder.onnx", "decoder")
    latents = data.latents[data.order].astype(np.float32)
    for _ in write_rows(folder / "latents", {"latents": latents}, N_ROWS_OF_LATENTS):
        pass
    runtime = {"script": f"{RUNTIME_FOLDER}/{SCRIPT}", "binary": f"{RUNTIME_FOLDER}/{BINARY}"}
    return runtime | {"rows": N_ROWS_OF_LATENTS, "nFeatures": latents.shape[1]}
