"""The handlers of the explorer's requests, one file a subject; each route is declared beside its handler."""

from starlette.routing import BaseRoute

from latentmap.explorer.handlers import (
    channel_settings,
    editing,
    events,
    exports,
    image_data,
    latent_space,
    learning,
    page_files,
    run_data,
    similarity,
    weighting,
)

ROUTES: list[BaseRoute] = [
    *page_files.routes,
    page_files.assets,
    *run_data.routes,
    *image_data.routes,
    *channel_settings.routes,
    *similarity.routes,
    *latent_space.routes,
    *editing.routes,
    *events.routes,
    *exports.routes,
    *learning.routes,
    *weighting.routes,
]
