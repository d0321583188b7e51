"""The explorer: a local web app in which the points of the map are the pictures."""

from latentmap.explorer.exposure import Exposure
from latentmap.explorer.listening import hosts
from latentmap.explorer.notebooks import can_show_widgets
from latentmap.explorer.serving import Explorer, explore
from latentmap.explorer.site_export import export_site

__all__ = ["Explorer", "Exposure", "can_show_widgets", "explore", "export_site", "hosts"]
