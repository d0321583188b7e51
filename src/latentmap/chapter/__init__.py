"""The course chapter that the project starts from: published results beside measured ones."""

from latentmap.chapter.rows import RowResult, reproduce

__all__ = ["RowResult", "reproduce"]
