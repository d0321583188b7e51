"""The handlers of the explorer's requests, one file a subject; each route is declared beside its handler."""

from starlette.routing import BaseRoute

from latentmap.explorer.handlers import (
    channel_settings,
    choosing,
    editing,
    events,
    exports,
    group_naming,
    image_data,
    issue_review,
    latent_space,
    learning,
    page_files,
    run_data,
    session,
    similarity,
    weighting,
)

_SUBJECTS = (
    page_files,
    session,
    run_data,
    image_data,
    issue_review,
    channel_settings,
    similarity,
    latent_space,
    editing,
    choosing,
    events,
    exports,
    group_naming,
    learning,
    weighting,
)
ROUTES: list[BaseRoute] = [*(route for one in _SUBJECTS for route in one.routes), page_files.assets]
READING_POSTS = frozenset(path for one in _SUBJECTS for path in one.routes.reading_posts)  # readers may send them
