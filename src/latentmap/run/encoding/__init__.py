"""Vectors of the images of a run by a frozen encoder."""
