"""The course chapter that the project starts from: published figures compared with measured ones."""

from latentmap.chapter.comparisons import RowResult
from latentmap.chapter.reproduction import reproduce

__all__ = ["RowResult", "reproduce"]
