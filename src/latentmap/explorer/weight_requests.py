"""Weights of the kinds of features as text, such as ``shape:0.6,color:0.4``."""

from collections.abc import Mapping

from starlette.requests import Request

from latentmap.explorer.answers import BadRequest
from latentmap.explorer.atlas_view import AtlasView
from latentmap.features.reweighting import normalized_weights

MAX_TEXT_LENGTH = 500
HOW = "pass kinds and numbers, such as shape:0.6,color:0.4"


def requested_weights(request: Request, data: AtlasView) -> dict[str, float] | None:
    """The weights in the query of a request, scaled so that they sum to 1; None if it has none.

    Raises
    ------
    BadRequest
        If the text is malformed, or the run has no features.
    InputError
        If they are no weights of the kinds of this run.
    """
    text = request.query_params.get("weights")
    if text is None:
        return None
    if not data.weights:
        raise BadRequest("weights: the neighbours in this run are found by latent vectors: leave the weights out")
    return normalized_weights(parse_weights(text), data.weights)


def parse_weights(text: str) -> dict[str, float]:
    """Parse weights.

    Raises
    ------
    BadRequest
        If the text is malformed or names a kind twice.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise BadRequest(f"weights: {len(text)} characters: {HOW}")
    found: dict[str, float] = {}
    for part in text.split(","):
        kind, colon, number = part.partition(":")
        if not colon or kind in found:
            raise BadRequest(f"weights: {part!r} {'is given twice' if colon else 'is no weight'}: {HOW}")
        try:
            found[kind] = float(number)
        except ValueError as error:
            raise BadRequest(f"weights: {number!r} is no number: {HOW}") from error
    return found


def format_weights(weights: Mapping[str, float]) -> str:
    """Weights that sum to 1 as text that :func:`parse_weights` reads, with six decimals."""
    rounded = {kind: round(weight, 6) for kind, weight in weights.items()}
    return ",".join(f"{kind}:{weight:.6f}" for kind, weight in rounded.items() if weight)
