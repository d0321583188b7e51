"""The explorer's server: what a page may ask of a run, and what it may change."""

import hashlib
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial, wraps
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from latentmap.autoencoder.generation import between
from latentmap.autoencoder.model_files import ModelFileError
from latentmap.core.atomic_files import user_path
from latentmap.explorer import lessons
from latentmap.explorer.answers import (
    ARROW,
    FOREVER,
    BadRequest,
    answer,
    read_body,
    read_json,
    real_number,
    whole_number,
)
from latentmap.explorer.atlas_view import (
    N_PATHS,
    ChangedError,
    DamagedError,
    Explored,
    animation,
    as_base64,
    strip,
)
from latentmap.explorer.columns import ERRORS
from latentmap.explorer.export_jobs import Exports, image_ids
from latentmap.explorer.full_size import FullSize, NoOriginalError
from latentmap.explorer.guard import Guard
from latentmap.explorer.jobs import Jobs
from latentmap.explorer.label_spread import spread
from latentmap.explorer.one_file import check_size, one_file_parts
from latentmap.explorer.sprite_sheets import Pages
from latentmap.explorer.tokens import new_token
from latentmap.images.collection import as_png
from latentmap.images.decoding import EncodedImage, Failure
from latentmap.images.pool import DecodingPool
from latentmap.run import RunError
from latentmap.run.edits import ConflictError, Edited

STATIC = Path(__file__).parent / "static"
MOST_FOUND = 10_000  # images that a search gives
RETRY_SECONDS = 1.0  # before a run that has changed is opened again after it could not be
MAX_QUERY = 1000  # characters of it
N_SIMILAR = 12  # images like one that is sent
MOST_PLACES = 200  # that one call decodes
PNG = "image/png"

Handler = Callable[["Server", Request], Any]


def in_thread(handler: Handler) -> Callable[["Server", Request], Awaitable[Response]]:
    """Run a handler that computes where it does not hold up the others; a dict becomes JSON."""

    @wraps(handler)
    async def endpoint(self: "Server", request: Request) -> Response:
        found = await run_in_threadpool(handler, self, request)
        return found if isinstance(found, Response) else JSONResponse(found)

    return endpoint


class Server:
    """The answers of one run.

    Parameters
    ----------
    path : path
        The folder of a finished run.
    token : str, optional
        What requests have to bring; by default a new one.

    Raises
    ------
    RunError
        If it is no run, or not finished.
    """

    def __init__(self, path: str | Path, *, token: str | None = None) -> None:
        self.token = token or new_token()
        self.selection: list[int] = []
        self._path = user_path(path)
        self.jobs = Jobs(self._path)
        self.exports = Exports()
        self._decoders = DecodingPool(1)
        self._decoders_of_originals = DecodingPool(1)
        self._lock = threading.Lock()
        self._retry_at = 0.0  # after a change of the run with which it could not be opened yet
        self._shown = self._opened()
        self._counting = threading.Lock()
        self._saving = threading.Lock()

    def _opened(self) -> "Shown":
        data = Explored(self._path)
        pages = Pages(data)
        facts = facts_of(data, pages)
        originals = FullSize(data, self._decoders_of_originals)
        return Shown(data, pages, facts, originals, lru_cache(maxsize=8)(partial(_count_kmeans, data)))

    @property
    def data(self) -> Explored:
        """The facts about the run."""
        return self._shown.data

    @property
    def pages(self) -> Pages:
        """Its thumbnails."""
        return self._shown.pages

    def _refresh(self) -> "Shown":
        """Open the run anew when it has changed and is whole again; until then it is shown as it was."""
        with self._lock:
            if not self.data.is_current and time.monotonic() >= self._retry_at:
                self._retry_at = time.monotonic() + RETRY_SECONDS
                with suppress(RunError, OSError):
                    self._shown = self._opened()
                    self._retry_at = 0.0
                    self.warm()
            return self._shown

    def warm(self) -> None:
        """Load in the background what first questions will need."""
        threading.Thread(target=self.data.warm, daemon=True).start()

    def close(self) -> None:
        """End what was started."""
        self.exports.stop()
        self.jobs.stop()
        self._decoders.__exit__()
        self._decoders_of_originals.__exit__()

    def app(self, hosts: list[str], *, framed: bool = False) -> Starlette:
        """The ASGI application, answering to these hosts, such as 127.0.0.1:8765, by any port."""
        get, post = ["GET"], ["POST"]
        routes = [
            Route("/", self.index, methods=get),
            Route("/api/run", self.describe, methods=get),
            Route("/api/points", self.points, methods=get),
            Route("/api/columns/{name:path}", self.column, methods=get),
            Route("/api/pages/{page}", self.page, methods=get),
            Route("/api/images/{image}", self.image, methods=get),
            Route("/api/images/{image}/original", self.original, methods=get),
            Route("/api/images/{image}/facts", self.facts, methods=get),
            Route("/api/images/{image}/reconstruction", self.reconstruction, methods=get),
            Route("/api/images/{image}/neighbors", self.neighbors, methods=get),
            Route("/api/search", self.search, methods=get),
            Route("/api/similar", self.similar, methods=post),
            Route("/api/decode", self.decode, methods=get),
            Route("/api/interpolation", self.interpolation, methods=get),
            Route("/api/strip", self.strip, methods=post),
            Route("/api/edits", self.edits, methods=get),
            Route("/api/edits", self.edit, methods=post),
            Route("/api/edits/columns", self.edited_columns, methods=get),
            Route("/api/spread", self.spread, methods=post),
            Route("/api/selection", self.select, methods=post),
            Route("/api/export", self.export, methods=post),
            Route("/api/export/{job}", self.export_state, methods=get),
            Route("/api/export/{job}/cancel", self.cancel_export, methods=post),
            Route("/api/learn/training", self.training, methods=get),
            Route("/api/learn/kmeans", self.kmeans, methods=get),
            Route("/api/learn/kmeans/{part}", self.kmeans_part, methods=get),
            Route("/api/learn/sweep", self.sweep, methods=get),
            Route("/api/learn/sweep/{perplexity}", self.sweep_map, methods=get),
            Route("/api/learn/activations", self.activations, methods=get),
            Route("/api/learn/activations/{name}", self.activation_strip, methods=get),
            Route("/api/learn/{job}", self.start_job, methods=post),
            Route("/page.html", self.one_file, methods=get),
            Mount("/assets", Assets(directory=STATIC / "assets", check_dir=False)),
        ]
        guard = Middleware(Guard, hosts=hosts, token=self.token, framed=framed)
        handlers: Any = {
            ChangedError: _say_changed,
            DamagedError: _say_damaged,
            ModelFileError: _say_damaged,
            HTTPException: _say,
            RunError: _say_wrong,
            ClientDisconnect: _say_nothing,
            Exception: _say_failed,
        }
        return Starlette(routes=routes, middleware=[guard], exception_handlers=handlers)

    # ---------------------------------------------------------------- the page and the run

    async def index(self, _: Request) -> Response:
        """The page."""
        path = STATIC / "index.html"
        return FileResponse(path, headers={"Cache-Control": "no-cache"}, media_type="text/html")

    @in_thread
    def describe(self, _: Request) -> Any:
        """All that a page needs to know before it asks for more."""
        shown = self._refresh()
        return describe(shown.data, shown.facts)

    @in_thread
    def points(self, request: Request) -> Any:
        """id, x, y."""
        data = self._asked(request)
        return self._answer(request, data, data.points, ARROW, "points")

    @in_thread
    def column(self, request: Request) -> Any:
        """One column of the atlas."""
        name, data = request.path_params["name"], self._asked(request)
        if name not in data.columns:
            raise HTTPException(404, f"there is no such column: choose among {', '.join(data.columns)}")
        tag = hashlib.sha256(name.encode()).hexdigest()[:16]
        return self._answer(request, data, partial(data.column, name), ARROW, tag)

    @in_thread
    def page(self, request: Request) -> Any:
        """A page of thumbnails."""
        data, pages = self._asked(request), self.pages
        number = whole_number(request, "page", 0, pages.layout.n_pages - 1)
        return self._answer(request, data, partial(pages.png, number), PNG, f"page{number}")

    def _asked(self, request: Request) -> Explored:
        """The run, as long as it is the version that the page knows."""
        data = self.data
        if request.query_params.get("v", data.version) != data.version:
            raise ChangedError("the run has changed on disk: load the page again")
        return data

    def _answer(
        self, request: Request, data: Explored, make: Callable[[], bytes], media_type: str, tag: str
    ) -> Response:
        forever = request.query_params.get("v") == data.version
        return answer(request, make, media_type, f"{data.version}-{tag}", forever=forever)

    # ---------------------------------------------------------------- one image

    def _image(self, request: Request, name: str = "image") -> int:
        return whole_number(request, name, 0, self.data.n - 1)

    @in_thread
    def image(self, request: Request) -> Any:
        """Its pixels."""
        image, data = self._image(request), self._asked(request)
        return self._answer(request, data, partial(data.png, image), PNG, f"image{image}")

    @in_thread
    def original(self, request: Request) -> Any:
        """The file that it was made from, as a picture."""
        image, shown, data = self._image(request), self._shown, self._asked(request)
        try:
            return self._answer(request, data, partial(shown.originals.png, image), PNG, f"original{image}")
        except NoOriginalError as error:
            raise HTTPException(404, str(error)) from error

    @in_thread
    def facts(self, request: Request) -> Any:
        """Its columns."""
        return self.data.facts(self._image(request))

    @in_thread
    def reconstruction(self, request: Request) -> Any:
        """The reconstruction of one image."""
        image, data = self._image(request), self._asked(request)
        return self._answer(request, data, lambda: as_png(data.reconstruct(image)), PNG, f"reconstruction{image}")

    @in_thread
    def neighbors(self, request: Request) -> Any:
        """The images nearest in latent space."""
        return {"neighbors": self.data.neighbors(self._image(request), whole_number(request, "n", 1, 100, 8))}

    @in_thread
    def search(self, request: Request) -> Any:
        """Images by their path or label."""
        text = request.query_params.get("q", "")
        if not text.strip():
            raise BadRequest("q: pass a part of a file name or of a label")
        data = self.data
        found = data.search(text[:MAX_QUERY])
        first = [{"id": image, "path": data.path_of(image)} for image in found[:N_PATHS]]
        return {"count": len(found), "ids": found[:MOST_FOUND], "more": len(found) > MOST_FOUND, "first": first}

    async def similar(self, request: Request) -> Response:
        """Images like one that is sent, and where it would lie."""
        body = await read_body(request)
        return JSONResponse(await run_in_threadpool(self._similar, body))

    def _similar(self, body: bytes) -> dict[str, Any]:
        shape = self.data.run.shape_for_more()
        (decoded,) = self._decoders.map("decode", iter([EncodedImage(body)]), shape)
        if isinstance(decoded, Failure):
            raise BadRequest(f"this cannot be decoded ({decoded.reason}): send an image file")
        data = self.data
        pixels = data.run.fitted(decoded.pixels)
        found = data.like(data.model.transform(pixels[None])[0], N_SIMILAR)
        x, y = data.xy[data.place[found[0]["id"]]].tolist()  # a mean of several could lie where nothing is
        return {"neighbors": found, "at": found[0]["id"], "x": x, "y": y, "png": as_base64(as_png(pixels))}

    # ---------------------------------------------------------------- the decoder

    @in_thread
    def decode(self, request: Request) -> Any:
        """The image that the decoder draws at a place of the map."""
        place = np.array([[real_number(request, "x"), real_number(request, "y")]])
        return Response(as_png(self.data.decode(place)[0]), media_type=PNG)

    @in_thread
    def interpolation(self, request: Request) -> Any:
        """The way from one image to another, straight in latent space, as a strip."""
        a, b = self._image(request, "a"), self._image(request, "b")
        steps, form = whole_number(request, "steps", 2, 64, 8), request.query_params.get("format", "png")
        return _row(self.data.draw(between(self.data.latents[a], self.data.latents[b], steps)), form)

    async def strip(self, request: Request) -> Response:
        """Places along a path, drawn: as a strip or an animation."""
        asked = await read_json(request)
        xy, form = _places(asked.get("places")), asked.get("format", "png")
        return await run_in_threadpool(lambda: _row(self.data.decode(xy), form))

    # ---------------------------------------------------------------- edits

    @in_thread
    def edits(self, _: Request) -> Any:
        """Groups, labels and marks as they are now."""
        data = self._refresh().data
        data.journal.refresh()
        return summary(data.journal.edited()) | {"version": data.version}

    @in_thread
    def edited_columns(self, request: Request) -> Any:
        """group, label and marks of each image, in the order of the page."""
        data = self._asked(request)
        edited = data.journal.edited()
        tag = f"{data.version}-edits{edited.revision}"  # the same address gives others after the next edit
        return answer(request, partial(data.edited_columns, edited), ARROW, tag)

    async def edit(self, request: Request) -> Response:
        """Change something. 409 when it was changed elsewhere since."""
        asked = await read_json(request)
        edit, revision = asked.get("edit"), asked.get("revision")
        if not isinstance(edit, dict) or not isinstance(revision, int) or isinstance(revision, bool):
            raise BadRequest("send {edit, revision}")
        try:
            edited = await run_in_threadpool(self.data.journal.add, edit, revision)
        except ConflictError as error:
            return JSONResponse({"error": str(error)}, 409)
        return JSONResponse(summary(edited))

    @in_thread
    def spread(self, _: Request) -> Any:
        """Spread the labels that were given over the graph: labels.parquet of the run."""
        return spread(self.data)

    async def select(self, request: Request) -> Response:
        """Tell Python what is selected."""
        self.selection = image_ids((await read_json(request)).get("ids"), self.data.n, empty=True)
        return JSONResponse({"n": len(self.selection)})

    async def export(self, request: Request) -> Response:
        """Images with their columns and edits as CSV or Parquet, or as a folder in the background; all are kept."""
        return await self.exports.start(request, self.data)

    async def export_state(self, request: Request) -> Response:
        """How far the export of a folder is."""
        return self.exports.state(request.path_params["job"])

    async def cancel_export(self, request: Request) -> Response:
        """End the export of a folder."""
        return self.exports.cancel(request.path_params["job"])

    # ---------------------------------------------------------------- learning

    @in_thread
    def training(self, _: Request) -> Any:
        """Loss of each epoch."""
        path = self.data.path / "model" / "config.json"
        try:
            config = json.loads(path.read_bytes(), parse_constant=lambda _: None)
            return {"history": config["history"], "recipe": config["recipe"]}
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise DamagedError(f"{path}: cannot be read ({error})") from error

    def _steps(self, request: Request) -> lessons.Steps:
        k, seed = whole_number(request, "k", 1, 50, 10), whole_number(request, "seed", 0, 2**31 - 1, 0)
        on = request.query_params.get("on", "map")
        if on not in ("map", "blobs"):
            raise BadRequest("on: choose map or blobs")
        with self._counting:
            return self._shown.kmeans(on, k, seed)

    @in_thread
    def kmeans(self, request: Request) -> Any:
        """K-means step by step: centres and inertia."""
        return self._steps(request).as_dict()

    @in_thread
    def kmeans_part(self, request: Request) -> Any:
        """K-means step by step: labels, points."""
        steps, part = self._steps(request), request.path_params["part"]
        if part not in ("labels", "points"):
            raise HTTPException(404, "choose labels or points")
        return Response(steps.labels_stream() if part == "labels" else steps.points_stream(), media_type=ARROW)

    @in_thread
    def sweep(self, _: Request) -> Any:
        """Which perplexities are ready."""
        found = {"possible": lessons.possible(self.data), "ready": lessons.swept(self.data)}
        return found | self.jobs.state("sweep")

    @in_thread
    def sweep_map(self, request: Request) -> Any:
        """The map with one perplexity."""
        perplexity = whole_number(request, "perplexity", 1, 1000)
        data = self._asked(request)
        try:
            return self._answer(
                request, data, partial(lessons.swept_map, data, perplexity), ARROW, f"sweep{perplexity}"
            )
        except KeyError as error:
            raise HTTPException(404, "this map is not made yet") from error

    @in_thread
    def activations(self, _: Request) -> Any:
        """Whether ReLU and ELU were compared, and their losses."""
        path = lessons.activations_folder(self.data) / "losses.json"
        losses = json.loads(path.read_bytes()) if path.exists() else None
        return {"losses": losses, "ready": losses is not None} | self.jobs.state("activations")

    @in_thread
    def activation_strip(self, request: Request) -> Any:
        """Images as they are, by ReLU or by ELU."""
        name = request.path_params["name"]
        data = self._asked(request)
        path = lessons.activations_folder(data) / f"{name}.png"
        if name not in ("original", "relu", "elu") or not path.exists():
            raise HTTPException(404, "not there (yet)")
        return self._answer(request, data, path.read_bytes, PNG, f"activations{name}")

    @in_thread
    def start_job(self, request: Request) -> Any:
        """Begin long work."""
        name = request.path_params["job"]
        if name not in lessons.JOBS:
            raise HTTPException(404, f"choose among {', '.join(lessons.JOBS)}")
        self.jobs.start(name)
        return self.jobs.state(name)

    # ---------------------------------------------------------------- sharing

    @in_thread
    def one_file(self, _: Request) -> Any:
        """The whole map as one page that needs no server, sent while it is made; one at a time."""
        shown = self._shown
        check_size(shown.data)
        if not self._saving.acquire(blocking=False):
            return JSONResponse(
                {"error": "this page is being made already: wait until it is there"}, 503, {"Retry-After": "10"}
            )
        try:
            parts = one_file_parts(shown.data, describe(shown.data, shown.facts), STATIC)
            first = next(parts)
        except BaseException:
            self._saving.release()
            raise
        name = "".join(c if c.isalnum() and c.isascii() else "-" for c in shown.data.path.resolve().name) or "map"
        headers = {"Content-Disposition": f'attachment; filename="{name}.html"'}
        return Streamed(chain([first], parts), self._saving.release, media_type="text/html", headers=headers)


class Streamed(StreamingResponse):
    """Parts that are sent as they come; ``end`` is called whatever becomes of them."""

    def __init__(self, parts: Iterable[bytes], end: Callable[[], None], **options: Any) -> None:
        super().__init__(parts, **options)
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._end()


@dataclass(frozen=True)
class Shown:
    """One version of a run, opened: all that is answered of it."""

    data: Explored
    pages: Pages
    facts: dict[str, Any]
    originals: FullSize
    kmeans: Callable[[str, int, int], lessons.Steps]


def _count_kmeans(data: Explored, on: str, k: int, seed: int) -> lessons.Steps:
    return lessons.kmeans_on_map(data, k, seed) if on == "map" else lessons.kmeans_on_blobs(k, seed)


class Assets(StaticFiles):
    """Files of the page; their names change with what is in them."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """Kept for ever."""
        found = super().file_response(*arguments, **options)
        found.headers["Cache-Control"] = FOREVER
        return found


def describe(data: Explored, facts: dict[str, Any]) -> dict[str, Any]:
    """The facts about a run that a page needs before it asks for more."""
    return facts | {"edits": summary(data.journal.edited())}


def facts_of(data: Explored, pages: Pages) -> dict[str, Any]:
    """The facts about a run that a page needs, without the edits, which change.

    Raises
    ------
    RunError
        If a file of the run is damaged.
    """
    try:
        return _facts_of(data, pages)
    except (*ERRORS, OSError, AttributeError, RecursionError) as error:
        if isinstance(error, RunError):
            raise
        raise DamagedError(f"{data.path}: a file of the run is damaged ({error})") from error


def _facts_of(data: Explored, pages: Pages) -> dict[str, Any]:
    state, layout = data.run.state, pages.layout
    return {
        "name": data.path.resolve().name,
        "source": state["source"]["name"],
        "version": data.version,
        "n": data.n,
        "nAdded": sum(one["n"] for one in state["added"]),
        "nSkipped": len(data.run.skipped()),
        "imageShape": list(data.image_shape),
        "square": list(data.square),
        "levelEnds": data.level_ends,
        "pages": layout.as_dict(),
        "columns": [one.column.as_dict() for one in data.columns.values()],
        "typical": _typical(data),
        "nBlocks": data.journal.n_blocks,
        "onGraph": data.run.options.groups == "graph",
        "perplexity": data.run.options.perplexity,
    }


def summary(edited: Edited) -> dict[str, Any]:
    """Edits as JSON can hold them; the columns of images come on their own."""
    counts = np.bincount(edited.group[edited.group >= 0], minlength=1)
    return {
        "revision": edited.revision,
        "groups": [
            {
                "number": one.number,
                "name": one.name,
                "tree": one.tree,
                "size": int(counts[one.number]) if one.number < len(counts) else 0,
            }
            for one in edited.groups
        ],
        "labels": edited.labels,
        "labelCounts": edited.label_counts(),
        "marked": {name: int(values.sum()) for name, values in edited.marks.items()},
        "canUndo": edited.can_undo,
        "canRedo": edited.can_redo,
        "nSetAside": edited.n_set_aside,
    }


def _typical(data: Explored) -> dict[str, list[int]]:
    """Images in the middle of each group of the run."""
    if data.run.options.groups != "graph":
        return {}
    known = range(data.n)
    return {
        str(int(one["group"])): [int(image) for image in one["typical"][:6] if image in known]
        for one in data.run.group_summary()
    }


def _row(images: NDArray[np.uint8], form: Any) -> Response:
    """Images beside each other as a PNG picture, or one after the other as an animation."""
    if form == "gif":
        return Response(animation(images), media_type="image/gif")
    if form != "png":
        raise BadRequest("format: choose png or gif")
    return Response(strip(images), media_type=PNG)


def _places(places: Any) -> NDArray[np.float64]:
    shape = isinstance(places, list) and 1 <= len(places) <= MOST_PLACES
    if not shape or not all(isinstance(one, list) and len(one) == 2 and all(map(_is_real, one)) for one in places):
        raise BadRequest(f"places: pass 1 to {MOST_PLACES} pairs of numbers")
    return np.array(places, float)


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e12


async def _say(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=dict(error.headers or {}))


async def _say_wrong(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


async def _say_changed(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 409)


async def _say_damaged(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 422)


async def _say_nothing(*_: Any) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _say_failed(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"the explorer failed ({type(error).__name__}): see its terminal"}, 500)
