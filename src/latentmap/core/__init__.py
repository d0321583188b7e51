"""Foundations that all other packages of latentmap may import, and that import none of them."""
