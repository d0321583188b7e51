"""The explorer: a local web app in which the points of the map are the pictures."""

from latentmap.explorer.notebooks import can_show_widgets
from latentmap.explorer.serving import Explorer, explore, hosts

__all__ = ["Explorer", "can_show_widgets", "explore", "hosts"]
