"""Foundations that every other part of latentmap may import. They import none of the other parts."""
