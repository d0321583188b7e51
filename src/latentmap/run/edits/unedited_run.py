"""The starting point of the edits: the groups that the run made, and the place of each image in the tree."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentmap.core.atomic_files import sha256
from latentmap.core.errors import EditError, RunError
from latentmap.groups.tree import Dendrogram
from latentmap.run import layout, tables
from latentmap.run.checking import check_table, damaged, reading
from latentmap.run.edits.edited_run import EditedGroup
from latentmap.run.state import read_state


@dataclass
class UneditedRun:
    """The groups that a run made, and the place of each image in the tree.

    Attributes
    ----------
    folder : Path
        Folder of the run.
    group : array (n,), int32
        Group number of each image; -1 where it is unsure.
    trees : list of str
        Paths from the root of the tree to its blocks (0: left, 1: right).
    block : array (n,), int32
        Index of each image's block in ``trees``; -1 for images that were added to no group.
    groups : list of EditedGroup
        The groups.
    keys : dict
        Hashes of the groups and of the images, by which an entry of the journal says what it is about.
    """

    folder: Path
    group: NDArray[np.int32]
    trees: list[str]
    block: NDArray[np.int32]
    groups: list[EditedGroup]
    keys: dict[str, str]

    def check_tree(self, kind: str) -> None:
        """Check that there is a tree for an edit.

        Raises
        ------
        EditError
            If there is no tree, or it is a single block.
        """
        if any(self.trees):
            return
        if (self.folder / layout.TREE).exists():
            raise EditError(f"the tree is a single block: there is nothing to {kind}")
        raise EditError(f"groups by K-means have no tree to {kind} along: make the run with --groups graph")

    @cached_property
    def _tree(self) -> tuple[Dendrogram, NDArray[np.int32]]:
        """The tree, and the leaf of each block in ``trees``."""
        path = self.folder / layout.TREE
        check_table(path, 0, len(self.group))
        table = tables.read(path, ["left", "right", "association"])
        tree = Dendrogram(
            np.column_stack([table["left"].to_numpy(), table["right"].to_numpy()]), table["association"].to_numpy()
        )
        leaves = {path: leaf for leaf, path in enumerate(tree.paths())}
        return tree, np.array([leaves[path] for path in self.trees], np.int32)

    def cut(self, n_groups: int) -> tuple[NDArray[np.int32], list[str]]:
        """Cut the tree into ``n_groups``.

        Returns
        -------
        group : array (n_blocks,), int32
            Group of each block in ``trees``, from 0.
        nodes : list of str
            Node of the tree that each group lies below, as the path from the root.

        Raises
        ------
        EditError
            If the tree has fewer blocks, or cannot be read.
        """
        try:
            tree, leaf = self._tree
        except (RunError, KeyError) as error:  # KeyError where it is the tree of other groups
            raise EditError(
                f"{self.folder / layout.TREE}: cannot be read ({error}): run the same command again"
            ) from error
        if n_groups > tree.n_blocks:
            raise EditError(f"n={n_groups}: the tree can be cut into 1 to {tree.n_blocks} groups")
        of_leaf = tree.cut(n_groups)
        paths = np.array(tree.paths(), object)
        return of_leaf[leaf], [common_prefix(paths[of_leaf == group].tolist()) for group in range(n_groups)]

    def cut_images(self, n_groups: int) -> tuple[NDArray[np.int32], list[str]]:
        """Cut the tree into ``n_groups`` groups of images.

        Returns
        -------
        group : array (n,), int32
            Group of each image, from 0; -1 for unsure images and those without a block, which are in no group.
        nodes : list of str
            See :meth:`cut`.

        Raises
        ------
        EditError
            If there is no tree, it has fewer blocks, or it cannot be read.
        """
        self.check_tree("cut")
        of_block, nodes = self.cut(n_groups)
        is_member = (self.group >= 0) & (self.block >= 0)
        return np.where(is_member, of_block[self.block], np.int32(-1)), nodes


def read_unedited(folder: Path) -> UneditedRun:
    """Read the starting point of the edits of a run.

    Raises
    ------
    RunError
        If the run is not finished, or its tables are damaged.
    """
    state = read_state(folder)
    path = folder / layout.ATLAS
    if not path.exists():
        raise RunError(f"{path}: not there yet: finish the run with the command that began it")
    table = tables.read(path, ["group", "tree"])
    with reading(path):
        group = table["group"].to_numpy().astype(np.int32)
        codes = table["tree"].combine_chunks().dictionary_encode()
        trees = [str(path) for path in codes.dictionary.to_pylist()]
        block = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        if group.max(initial=-1) >= len(group) or group.min(initial=-1) < -1:
            raise damaged(path, "there are more groups than images")
    with reading(folder / layout.GROUPS):
        digest = sha256(folder / layout.GROUPS)[:16]
    keys = {"groups": digest, "images": state["source"]["fingerprint"][:16]}
    return UneditedRun(folder, group, trees, block, _first_groups(group, block, trees), keys)


def _first_groups(group: NDArray[np.int32], block: NDArray[np.int32], trees: list[str]) -> list[EditedGroup]:
    """The groups that the run made. Images that were added later join the largest block of their group."""
    found = []
    order = np.argsort(group, kind="stable")
    numbers, starts = np.unique(group[order], return_index=True)
    members = dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True))
    for number in range(int(group.max(initial=-1)) + 1):
        rows = members.get(number, np.empty(0, np.intp))
        known, counts = np.unique(block[rows][block[rows] >= 0], return_counts=True)
        paths = [trees[one] for one in known]
        if len(known):
            block[rows[block[rows] < 0]] = known[counts.argmax()]
        found.append(EditedGroup(number, common_prefix(paths) if paths else ""))
    return found


def common_prefix(paths: list[str]) -> str:
    """The longest common prefix of paths from the root: the path to the lowest node that is above them all."""
    low, high = min(paths), max(paths)
    length = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return low[:length]
