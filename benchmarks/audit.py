"""Are the issues that are put into clean collections found, and how much else? Beside cleanlab and cleanvision.

Run with ``python -m benchmarks.audit`` after ``pip install -c constraints.txt -r benchmarks/requirements.txt``;
``python -m benchmarks.audit 10000`` takes so many digits. Into MNIST and into drawn cells in
colour go wrong labels, blur, darkness, brightness, blank images, exact and near duplicates, and copies of training
images in the test set. cleanlab gets the same out-of-fold votes of neighbours, and cleanvision the same files. Issues
that the collections have of themselves count as false ones.
"""

import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import latentmap as lm
from benchmarks import labelled_collections
from benchmarks.record import save
from latentmap.audit.opinions import neighbor_opinions

WRONG, BAD = 0.03, 0.01  # fractions of the images with a wrong label, and with each other issue
WANTED_RECALL = 0.9
# Issues of cleanvision, by those of latentmap.
CLEANVISION = {
    "blurry": "is_blurry_issue",
    "dark": "is_dark_issue",
    "bright": "is_light_issue",
    "low_contrast": "is_low_information_issue",
    "exact_duplicate": "is_exact_duplicates_issue",
    "near_duplicate": "is_near_duplicates_issue",
}
Truth = dict[str, NDArray[np.bool_]]


def main() -> None:
    n_digits = int(sys.argv[1]) if len(sys.argv) > 1 else None
    results = {}
    digits, labels = (np.concatenate(both) for both in zip(lm.load_mnist("train"), lm.load_mnist("test"), strict=True))
    cells = labelled_collections.load("cells")
    for name, images, known in (
        ("MNIST", digits[:n_digits], labels[:n_digits]),
        ("cells", cells.images, np.unique(cells.labels, return_inverse=True)[1]),
    ):
        results[name] = measure(images, known)
        for issue, found in results[name]["issues"].items():
            print(name, issue, found, flush=True)
        print(name, results[name]["labels"], flush=True)
    print(save("audit", results, packages=("numpy", "scikit-learn", "cleanlab", "cleanvision")))


def measure(images: NDArray[np.uint8], labels: NDArray[np.integer[Any]]) -> dict[str, Any]:
    """Put issues into a collection, and compare what is found with them."""
    images, labels, parts, truth = spoil(images, labels)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table = write(folder, images, labels, parts)
        run = lm.map_images(str(table), folder / "run", epochs=1, quiet=True)
        issues = lm.audit_images(run, split="part", quiet=True)
        ours = {name: np.zeros(len(images), bool) for name in truth}
        for row in issues.to_pylist():
            if row["issue"] in ours:
                ours[row["issue"]][row["id"]] = True
                if row["issue"].endswith("duplicate"):
                    ours[row["issue"]][row["related"]] = True
        answers = {"latentmap": ours, "cleanvision": by_cleanvision(folder, len(images), parts)}
        probabilities = out_of_fold(run, labels)
        wrong = run.atlas()["wrong_label"].to_numpy(zero_copy_only=False)
    found_labels, scores = by_cleanlab(labels, probabilities)
    answers["cleanlab"] = {"wrong_label": found_labels}
    return {
        "n": len(images),
        "image_shape": list(images.shape[1:]),
        "issues": {
            issue: {name: rates(found[issue], truth[issue]) for name, found in answers.items() if issue in found}
            for issue in truth
        },
        "labels": {
            "precision_at_recall": WANTED_RECALL,
            "latentmap": precision_at(wrong, truth["wrong_label"]),
            "cleanlab": precision_at(-scores, truth["wrong_label"]),
            "calibration": calibration(wrong, truth["wrong_label"]),
        },
    }


def spoil(
    images: NDArray[np.uint8], labels: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.uint8], NDArray[np.integer[Any]], NDArray[np.int64], Truth]:
    """The collection with issues, its labels, the part of each image (0 train, 1 test), and where the issues are."""
    random = np.random.default_rng(0)
    n, each = len(images), max(5, round(BAD * len(images)))
    order = random.permutation(n)
    chosen = iter(np.split(order, range(each, 8 * each, each)))
    images, labels = images.copy(), labels.astype(np.int64)
    parts = (random.random(n) < 0.2).astype(np.int64)
    total = n + 3 * each
    truth = {name: np.zeros(total, bool) for name in (*CLEANVISION, "wrong_label", "leak")}
    changes = {
        "blurry": blurred,
        "dark": lambda image: (image * 0.12).astype(np.uint8),
        "bright": lambda image: (255 - (255 - image.astype(float)) * 0.2).astype(np.uint8),
        "low_contrast": lambda image: np.full_like(image, random.integers(60, 200)),
    }
    for issue, change in changes.items():
        rows = next(chosen)
        truth[issue][rows] = True
        for row in rows:
            images[row] = change(images[row])
    copied, similar, leaked = next(chosen), next(chosen), next(chosen)
    noisy = np.clip(images[similar].astype(int) + random.integers(-3, 4, images[similar].shape), 0, 255)
    images = np.concatenate([images, images[copied], noisy.astype(np.uint8), images[leaked]])
    labels = np.concatenate([labels, labels[copied], labels[similar], labels[leaked]])
    parts = np.concatenate([parts, parts[copied], parts[similar], 1 - parts[leaked]])
    truth["near_duplicate"][similar] = truth["near_duplicate"][n + each : n + 2 * each] = True
    # blank images of one brightness are copies of each other as well
    _, first, copies, counts = np.unique(
        images.reshape(total, -1), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    truth["exact_duplicate"] = counts[copies] > 1
    is_mixed = np.bincount(copies, parts) % counts != 0
    truth["leak"] = is_mixed[copies] & (first[copies] != np.arange(total))
    clean = np.flatnonzero(~truth["low_contrast"])
    rows = random.choice(clean, round(WRONG * total), replace=False)
    n_classes = labels.max() + 1
    labels[rows] = (labels[rows] + random.integers(1, n_classes, len(rows))) % n_classes
    truth["wrong_label"][rows] = True
    return images, labels, parts, truth


def blurred(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image behind a Gaussian blur."""
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(1.5)))


def write(folder: Path, images: NDArray[np.uint8], labels: NDArray[Any], parts: NDArray[np.int64]) -> Path:
    """PNG files, and the table that names them with their labels and parts."""
    (folder / "images").mkdir()
    lines = ["path,label,part"]
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / "images" / f"{number:06}.png", compress_level=1)
        lines.append(f"images/{number:06}.png,{labels[number]},{('train', 'test')[parts[number]]}")
    (folder / "images.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "images.csv"


def out_of_fold(run: lm.Run, labels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Probability of each class by the votes of the neighbours of each image, (n, classes)."""
    graph = run.neighbors()
    opinions = neighbor_opinions(labels, graph.indices, graph.distances)
    found = np.zeros((len(labels), opinions.n_classes))
    rows, columns = np.nonzero(opinions.classes >= 0)
    found[rows, opinions.classes[rows, columns]] = opinions.votes[rows, columns]
    return found / found.sum(axis=1, keepdims=True)


def by_cleanlab(
    labels: NDArray[np.integer[Any]], probabilities: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which labels cleanlab finds wrong, and its score of each, 0 for the worst."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    return find_label_issues(labels, probabilities, n_jobs=1), get_label_quality_scores(labels, probabilities)


def by_cleanvision(folder: Path, n: int, parts: NDArray[np.int64]) -> Truth:
    """Which images cleanvision finds, by the issues of latentmap."""
    from cleanvision import Imagelab

    paths = [str(folder / "images" / f"{number:06}.png") for number in range(n)]
    lab = Imagelab(filepaths=paths)
    lab.find_issues(n_jobs=2, verbose=False)
    table = lab.issues.loc[paths]
    found = {issue: table[column].to_numpy(bool) for issue, column in CLEANVISION.items()}
    found["leak"] = np.zeros(n, bool)
    for kind in ("exact_duplicates", "near_duplicates"):
        for group in lab.info[kind]["sets"]:
            rows = np.array([int(Path(path).stem) for path in group])
            if len(np.unique(parts[rows])) > 1:
                found["leak"][np.sort(rows)[1:]] = True
    return found


def rates(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, float | int]:
    """Number found, precision and recall."""
    right = int((found & truth).sum())
    return {
        "found": int(found.sum()),
        "precision": right / max(1, int(found.sum())),
        "recall": right / int(truth.sum()),
    }


def precision_at(scores: NDArray[np.floating[Any]], truth: NDArray[np.bool_]) -> float:
    """Precision where as many are taken, the highest scores first, as the wanted recall needs."""
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    right = np.cumsum(truth[order])
    last = int(np.searchsorted(right, WANTED_RECALL * truth.sum()))
    return float(right[last] / (last + 1))


def calibration(wrong: NDArray[np.floating[Any]], truth: NDArray[np.bool_]) -> list[dict[str, float | int]]:
    """Mean probability of being wrong, and the fraction that is, of the labels in each range of probabilities."""
    edges = [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.001]
    found = []
    for low, high in pairwise(edges):
        part = (wrong >= low) & (wrong < high)
        if part.any():
            found.append({"n": int(part.sum()), "said": float(wrong[part].mean()), "is": float(truth[part].mean())})
    return found


if __name__ == "__main__":
    main()
