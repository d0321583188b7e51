"""Names of the files and folders of a run."""

MODEL = "model"
CHECKPOINT = "training.safetensors"
CACHE = "cache"
VECTORS = f"{CACHE}/vectors.npy"
IMAGES = "images.parquet"
SKIPPED = "skipped.parquet"
LATENTS = "latents.parquet"
FEATURES = "features.parquet"
GROUPS = "groups.parquet"
SUMMARY = "groups.json"
TREE = "tree.parquet"
NEIGHBORS = "neighbors.parquet"
MAP = "map.parquet"
DUPLICATES = "duplicates.parquet"
OUTLIERS = "outliers.parquet"
QUALITY = "quality.parquet"
ISSUES = "issues.parquet"
ATLAS = "atlas.parquet"
METRICS = "metrics.json"
# Below it a folder for each time that images were added, with this table of what became of them.
ADDED = "added"
PLACED = "placed.parquet"


def added_name(number: int) -> str:
    """The name of the folder of an addition, below ``ADDED``."""
    return f"{number:04d}"
