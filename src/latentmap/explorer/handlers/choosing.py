"""Images that are worth labelling next."""

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from latentmap.explorer.answers import BadRequest, read_json_body
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.routing import Routes
from latentmap.run.selecting import DEFAULT_STRATEGY, select_images

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

MAX_CHOSEN = 10_000
DEFAULTS: dict[str, Any] = {
    "strategy": DEFAULT_STRATEGY,
    "within": None,
    "balance": None,
    "ignore_labels": False,
    "seed": 0,
}

routes = Routes()


@routes.post("/api/select", changes=False)
async def choose(server: "Server", request: Request) -> dict[str, Any]:
    """Images that are worth labelling next, in this order, and why; labelled ones count as chosen."""
    asked = await read_json_body(request)
    n = asked.pop("n", None)
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= MAX_CHOSEN:
        raise BadRequest(f"n: pass a whole number from 1 to {MAX_CHOSEN}")
    if not set(asked) <= set(DEFAULTS):
        raise BadRequest(f"send n, and any of {', '.join(DEFAULTS)}")
    if not all(_is_of_type(asked[name], DEFAULTS[name]) for name in asked):
        raise BadRequest("strategy, within and balance are texts, ignore_labels is true or false, seed a whole number")
    return await server.lanes["slow"].run(request, partial(_chosen, server.data, n, asked))


def _is_of_type(value: Any, default: Any) -> bool:
    return value is None or isinstance(value, str) if default is None else type(value) is type(default)


def _chosen(data: AtlasView, n: int, options: dict[str, Any]) -> dict[str, Any]:
    found = select_images(data.run, n, **options)
    reasons = found.table["reason"].to_pylist()
    return {"ids": found.table["id"].to_pylist(), "reasons": reasons, "candidates": len(found.candidates.ids)}
