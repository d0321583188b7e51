"""Sources at an address: object stores, web servers, and whatever else fsspec reads."""
