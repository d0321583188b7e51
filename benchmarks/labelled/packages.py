"""Files of Debian, npm and PyPI packages, unpacked below benchmarks/data/, and tools that have to be installed."""

import io
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

DATA = Path(__file__).parents[1] / "data"


def debian(name: str) -> Path:
    """The files of a Debian package."""

    def fetch(folder: Path) -> None:
        subprocess.run(["apt-get", "download", "-qq", name], cwd=folder, check=True)
        (archive,) = folder.glob("*.deb")
        subprocess.run(["dpkg", "-x", archive, folder / "files"], check=True)

    return _kept(DATA / name, fetch)


def npm(name: str, version: str) -> Path:
    """The files of an npm package."""

    def fetch(folder: Path) -> None:
        subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=folder, check=True, capture_output=True)
        (archive,) = folder.glob("*.tgz")
        (folder / "files").mkdir()
        subprocess.run(["tar", "-xzf", archive, "-C", folder / "files", "--strip-components=1"], check=True)

    return _kept(DATA / "npm" / name, fetch)


def pypi(name: str, version: str) -> Path:
    """The files of a PyPI package that comes as a wheel."""

    def fetch(folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, f"{name}=={version}"], cwd=folder, check=True)
        (archive,) = folder.glob("*.whl")
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder / "files")

    return _kept(DATA / "pypi" / name, fetch)


def tool(name: str, package: str) -> str:
    """The path of a command, which a Debian package installs."""
    path = shutil.which(name)
    if path is None:
        raise RuntimeError(f"{name} is not installed; the Debian package {package} has it")
    return path


def rasterised(path: Path, width: int) -> Image.Image:
    """An SVG file, drawn as wide as said."""
    command = [tool("rsvg-convert", "librsvg2-bin"), "--width", str(width), "--keep-aspect-ratio", str(path)]
    return Image.open(io.BytesIO(subprocess.run(command, check=True, capture_output=True).stdout))


def _kept(folder: Path, fetch: Callable[[Path], None]) -> Path:
    """The folder; on first use, what ``fetch`` leaves in ``files`` of a temporary folder."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=DATA) as temporary:
            fetch(Path(temporary))
            (Path(temporary) / "files").rename(folder)
    return folder
