"""Pictures, sounds and facts of images: sprite sheets, single images, originals and reconstructions."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from latentmap.core.errors import NoOriginalError
from latentmap.explorer.answers import PNG, WAV, answer, check_version, whole_number
from latentmap.explorer.atlas_view import AtlasView
from latentmap.explorer.channel_mixing import mixing_tag, requested_mixing
from latentmap.explorer.routing import Routes
from latentmap.images.collection import as_png
from latentmap.images.mixing import Mixing, as_picture

if TYPE_CHECKING:
    from latentmap.explorer.server import Server

routes = Routes()


@routes.get("/api/pages/{sheet}")
def sprite_sheet(server: "Server", request: Request) -> Response:
    """A sprite sheet of thumbnails."""
    opened = server.opened
    check_version(request, opened.data.version)
    number = whole_number(request, "sheet", 0, opened.sheets.layout.n_sheets - 1)
    mixing = requested_mixing(request, opened.data)
    return _picture(request, opened.data, partial(opened.sheets.png, number, mixing), f"page{number}", mixing)


@routes.get("/api/images/{image}")
def image(server: "Server", request: Request) -> Response:
    """The pixels of one image."""
    data = server.data
    number = whole_number(request, "image", 0, data.n - 1)
    check_version(request, data.version)
    mixing = requested_mixing(request, data)
    return _picture(request, data, partial(data.png, number, mixing), f"image{number}", mixing)


@routes.get("/api/images/{image}/original")
def original(server: "Server", request: Request) -> Response:
    """The file that one image was made from, as a picture."""
    opened = server.opened
    number, version = whole_number(request, "image", 0, opened.data.n - 1), opened.data.version
    check_version(request, version)
    mixing = requested_mixing(request, opened.data)
    try:
        make = partial(opened.originals.png, number, mixing)
        return _picture(request, opened.data, make, f"original{number}", mixing)
    except NoOriginalError as error:
        raise HTTPException(404, str(error)) from error


@routes.get("/api/images/{image}/sound")
def sound(server: "Server", request: Request) -> Response:
    """The sound that one image is the spectrogram of."""
    opened = server.opened
    number, version = whole_number(request, "image", 0, opened.data.n - 1), opened.data.version
    check_version(request, version)
    try:
        return answer(request, partial(opened.originals.wav, number), WAV, version, f"sound{number}")
    except NoOriginalError as error:
        raise HTTPException(404, str(error)) from error


@routes.get("/api/images/{image}/facts")
def facts(server: "Server", request: Request) -> dict[str, Any]:
    """The columns of one image."""
    data = server.data
    return data.facts(whole_number(request, "image", 0, data.n - 1))


@routes.get("/api/images/{image}/reconstruction")
def reconstruction(server: "Server", request: Request) -> Response:
    """The reconstruction of one image."""
    data = server.data
    number = whole_number(request, "image", 0, data.n - 1)
    check_version(request, data.version)
    mixing = requested_mixing(request, data)

    def make() -> bytes:
        return as_png(as_picture(data.reconstruct(number), mixing))

    return _picture(request, data, make, f"reconstruction{number}", mixing)


def _picture(request: Request, data: AtlasView, make: Callable[[], bytes], tag: str, mixing: Mixing | None) -> Response:
    """A picture; its address gives another one later if it leaves the colours of channels to the setting."""
    may_change = mixing is not None and "mix" not in request.query_params
    return answer(request, make, PNG, data.version, tag + mixing_tag(mixing), may_change=may_change)
