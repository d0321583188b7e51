// Labels of groups on the map, each with a typical image. As the map is zoomed, a label is replaced by those of its subtrees.

import { css, type Rgb } from "../model/colors";
import type { Model } from "../model/model";
import { h } from "../page/dom";
import { thumbnail } from "../panels/thumbnails";
import type { Camera } from "./camera";
import { LabelAnchors } from "./label-anchors";
import { spriteSide } from "./sprites";

interface Node {
  tree: string;
  group: number;
  name: string;
  depth: number;
  rows: number[];
  /** An even sample of the rows. */
  sample: number[];
  typical: number | null;
  children: Node[] | null;
  element: HTMLElement | null;
}

/** Middle and size of a rectangle on the screen. */
interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A label and its position on the map. */
interface PlacedLabel {
  node: Node;
  x: number;
  y: number;
}

const MIN_SUBTREE = 25; // images of a subtree with a label
const MAX_SAMPLE = 2000; // rows per node
const MIN_VISIBLE = 0.02; // fraction of a node's images in view for its label to be shown
const SPLIT_EXTENT = 420; // pixels on the screen from which a node is replaced by its subtrees
const MAX_DEPTH = 8;
const MAX_WIDTH = 220; // pixels
const COMPACT_MAP = 480; // pixels of width of the map up to which labels have no image
const EDGE = 4; // pixels between a label and the edge of the map
const LARGE_SPRITE = 55; // pixels from which a label lies below the thumbnail
const GAP = 16; // pixels between such a thumbnail and the middle of its label
const UPDATE_INTERVAL = 120; // milliseconds between choices of labels

export class Labels {
  readonly element = h("div", { class: "labels", "aria-hidden": "true" });
  private roots: Node[] = [];
  private trees: { codes: ArrayLike<number>; names: string[] } | null = null;
  private shown: PlacedLabel[] = [];
  private isStale = true;
  private chosenFor = "";
  private chosenAt = 0;

  constructor(
    private readonly model: Model,
    /** Elements that cover the map, which labels avoid. */
    private readonly obstacles: HTMLElement[],
  ) {}

  /** Load the position of each image in the tree. */
  async loadTree(): Promise<void> {
    const column = this.model.facts.columns.find((one) => one.name === "tree");
    if (!column?.categories || !this.model.facts.onGraph) return;
    this.trees = { codes: (await this.model.column("tree")) as ArrayLike<number>, names: column.categories };
  }

  /** Rebuild the labels when they are next drawn: groups, positions or the visible images have changed. */
  markStale(): void {
    this.isStale = true;
  }

  private rebuild(): void {
    this.isStale = false;
    const { model } = this;
    const rows = new Map<number, number[]>();
    for (let row = 0; row < model.n; row++) {
      const number = model.group[row];
      if (number < 0 || !model.visible[row] || Number.isNaN(model.x[row])) continue;
      const members = rows.get(number);
      if (members) members.push(row);
      else rows.set(number, [row]);
    }
    this.element.replaceChildren();
    this.shown = [];
    this.chosenFor = "";
    this.roots = [];
    for (const group of model.edits.groups) {
      const members = rows.get(group.number);
      if (!members?.length) continue;
      const node = this.node(group.tree, group.number, model.groupName(group), members);
      const typical = model.facts.typical[group.number]?.find((id) => model.visible[model.rowOf[id]]);
      if (typical !== undefined && model.group[model.rowOf[typical]] === group.number) node.typical = typical;
      this.roots.push(node);
    }
  }

  private node(tree: string, group: number, name: string, rows: number[], depth = 0): Node {
    const step = Math.max(1, Math.floor(rows.length / MAX_SAMPLE));
    const sample = rows.filter((_, i) => i % step === 0);
    return { tree, group, name, depth, rows, sample, typical: null, children: null, element: null };
  }

  /** The two subtrees of a node if both are large enough. */
  private childrenOf(node: Node): Node[] {
    if (node.children) return node.children;
    node.children = [];
    if (this.trees && node.rows.length >= 2 * MIN_SUBTREE) {
      const { codes, names } = this.trees;
      let stem = node.tree;
      let halves: number[][] = [];
      for (;;) {
        halves = [[], []];
        for (const row of node.rows) {
          const path = codes[row] < 0 ? "" : names[codes[row]];
          if (path.length > stem.length) halves[path[stem.length] === "1" ? 1 : 0].push(row);
        }
        if (halves[0].length && halves[1].length) break;
        if (!halves[0].length && !halves[1].length) return node.children;
        stem += halves[0].length ? "0" : "1";
      }
      if (Math.min(halves[0].length, halves[1].length) >= MIN_SUBTREE) {
        node.children = halves.map((rows, i) => this.node(stem + i, node.group, `${node.name}.${i + 1}`, rows, node.depth + 1));
      }
    }
    return node.children;
  }

  /** Position the labels of a view. They are chosen a few times a second, so that they do not flicker. */
  draw(camera: Camera): void {
    if (this.isStale) this.rebuild();
    this.element.classList.toggle("compact", isCompact(camera));
    if (this.isBehind(camera) && performance.now() - this.chosenAt > UPDATE_INTERVAL) {
      this.chosenFor = camera.key;
      this.chosenAt = performance.now();
      this.choose(camera);
    }
    for (const place of this.shown) {
      const [px, py] = onScreen(camera, place);
      place.node.element!.style.transform = `translate(${Math.round(px)}px, ${Math.round(py)}px) translate(-50%, -50%)`;
    }
  }

  /** Rows of the label at a position of the window. Labels ignore the pointer, so that the map can be dragged there. */
  at(x: number, y: number): number[] | null {
    const hit = this.shown.find(({ node }) => {
      const box = node.element!.getBoundingClientRect();
      return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
    });
    return hit ? hit.node.rows : null;
  }

  /** Whether the labels were chosen for an earlier view. */
  isBehind(camera: Camera): boolean {
    return camera.key !== this.chosenFor;
  }

  private choose(camera: Camera): void {
    const before = new Set(this.shown.map(({ node }) => node));
    this.shown = [];
    const taken = this.obstacles.map((element) => boxOf(element, this.element)).filter((place) => place.width);
    const deepest = Math.min(MAX_DEPTH, Math.floor(camera.zoom + 0.5)); // the whole map shows whole groups
    const anchors = new LabelAnchors(this.model, camera);
    const visit = (node: Node): void => {
      const part = this.visiblePart(node, camera, anchors);
      if (!part) return;
      if (part.extent * camera.scale > SPLIT_EXTENT && node.depth < deepest) {
        const children = this.childrenOf(node);
        if (children.length) return children.forEach(visit);
      }
      const at = { node, x: part.x, y: part.y };
      const [px, py] = onScreen(camera, at);
      const place = { x: px, y: py, width: widthOf(node, camera), height: isCompact(camera) ? 26 : 32 };
      if (taken.some((other) => overlap(other, place))) return;
      taken.push(place);
      node.typical ??= this.model.points.id[part.row];
      node.element ??= this.make(node);
      before.delete(node);
      if (!node.element.isConnected) this.element.append(node.element);
      this.shown.push(at);
    };
    [...this.roots].sort((a, b) => b.rows.length - a.rows.length).forEach(visit);
    for (const node of before) node.element?.remove();
  }

  /** Anchor and extent of the part of a node in view; null if too little of it is. */
  private visiblePart(node: Node, camera: Camera, anchors: LabelAnchors): { row: number; x: number; y: number; extent: number } | null {
    const { x, y } = this.model;
    const [left, bottom, right, top] = camera.bounds(-20);
    const rows: number[] = [];
    for (const row of node.sample) if (x[row] > left && x[row] < right && y[row] > bottom && y[row] < top) rows.push(row);
    if (rows.length < Math.max(1, MIN_VISIBLE * node.sample.length)) return null;
    const [xs, ys] = [sorted(x, rows), sorted(y, rows)];
    const row = anchors.anchorOf(rows, node.rows.length / node.sample.length, quantile(xs, 0.5), quantile(ys, 0.5));
    const extent = Math.max(quantile(xs, 0.95) - quantile(xs, 0.05), quantile(ys, 0.95) - quantile(ys, 0.05));
    return { row, x: x[row], y: y[row], extent };
  }

  /** Names and positions on the screen of the labels, for saving the view. */
  placed(camera: Camera): { name: string; x: number; y: number; dark: string }[] {
    return this.shown.map((place) => {
      const [px, py] = onScreen(camera, place);
      // white on a dark shade of the group's colour is legible over any image
      const dark = this.model.groupColor(place.node.group).map((value) => Math.round(0.4 * value)) as Rgb;
      return { name: place.node.name, x: px, y: py, dark: css(dark) };
    });
  }

  private make(node: Node): HTMLElement {
    const label = h("div", { class: "label" }, thumbnail(this.model, node.typical!, 22, ""), h("span", { text: node.name }));
    label.style.borderColor = css(this.model.groupColor(node.group));
    return label;
  }
}

const isCompact = (camera: Camera): boolean => camera.width <= COMPACT_MAP;

/** Approximate width of a label, in pixels. */
function widthOf({ name }: Node, camera: Camera): number {
  const wide = [...name].filter((letter) => letter > "\u10ff").length; // letters of East Asian scripts are twice as wide
  return Math.min(MAX_WIDTH, (isCompact(camera) ? 20 : 46) + 7 * (name.length + wide));
}

/** Position of a label on the screen: on the images, or below the typical one if the images are large or few. */
function onScreen(camera: Camera, { node, x, y }: PlacedLabel): [number, number] {
  const [px, py] = camera.toScreen(x, y);
  const side = spriteSide(camera);
  const below = side > LARGE_SPRITE || node.rows.length < MIN_SUBTREE ? side / 2 + GAP : 0;
  return [within(px, widthOf(node, camera) / 2 + EDGE, camera.width), py + (py + below + GAP < camera.height ? below : -below)];
}

/** Move a position that is in view so far inwards that a label is not cut off. */
const within = (at: number, half: number, size: number): number =>
  at < 0 || at > size || size < 2 * half ? at : Math.min(size - half, Math.max(half, at));

/** Sorted values of rows. A typed array sorts without a call for each pair, which matters while the map moves. */
function sorted(values: Float32Array, rows: number[]): Float32Array {
  const found = new Float32Array(rows.length);
  for (let i = 0; i < rows.length; i++) found[i] = values[rows[i]];
  return found.sort();
}

const quantile = (ordered: Float32Array, fraction: number): number => ordered[Math.floor(fraction * (ordered.length - 1))];

function boxOf(element: HTMLElement, within: HTMLElement): Box {
  const box = element.getBoundingClientRect();
  const frame = within.getBoundingClientRect();
  return { x: box.left + box.width / 2 - frame.left, y: box.top + box.height / 2 - frame.top, width: box.width, height: box.height };
}

const overlap = (a: Box, b: Box): boolean =>
  Math.abs(a.x - b.x) < (a.width + b.width) / 2 && Math.abs(a.y - b.y) < (a.height + b.height) / 2;
