"""The explorer: a local web app in which the points of the map are the pictures."""

from latentmap.explorer.serving import Explorer, explore, hosts
from latentmap.explorer.site_export import export_site

__all__ = ["Explorer", "explore", "export_site", "hosts"]
