// Names of groups on the map, with a typical image; they refine along the tree as the map is zoomed.

import type { Camera } from "./camera";
import { css, type Rgb } from "./colors";
import { Crowd } from "./crowd";
import { h } from "./dom";
import type { Model } from "./model";
import { pictureSide } from "./pictures";
import { thumbnail } from "./thumbnails";

interface Node {
  tree: string;
  group: number;
  name: string;
  depth: number;
  rows: number[];
  /** Some of them, evenly. */
  some: number[];
  typical: number | null;
  parts: Node[] | null;
  element: HTMLElement | null;
}

/** Where something lies on the screen: its middle and its size. */
interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Where a label lies on the map. */
interface Place {
  node: Node;
  x: number;
  y: number;
}

const FEWEST = 25; // images of a part that is worth a label
const SAMPLE = 2000; // rows that are looked at for a node
const SEEN = 0.02; // share of a node that must be in the view for its label
const DETAIL = 420; // extent on the screen, in pixels, from which a node is shown as its parts
const MOST_DEPTH = 8;
const MOST_WIDTH = 220; // on the screen, in pixels
const LARGE = 55; // side of pictures that a label does not cover
const BELOW = 16; // pixels between such a picture and the middle of its label
const CHOOSE_EVERY = 120; // milliseconds

export class Labels {
  readonly element = h("div", { class: "labels", "aria-hidden": "true" });
  private roots: Node[] = [];
  private trees: { codes: ArrayLike<number>; names: string[] } | null = null;
  private shown: Place[] = [];
  private isStale = true;
  private chosenFor = "";
  private chosenAt = 0;

  constructor(
    private readonly model: Model,
    /** What lies over the labels. */
    private readonly above: HTMLElement[],
  ) {}

  /** Where in the tree each image hangs. */
  async loadTree(): Promise<void> {
    const column = this.model.facts.columns.find((one) => one.name === "tree");
    if (!column?.categories || !this.model.facts.onGraph) return;
    this.trees = { codes: (await this.model.column("tree")) as ArrayLike<number>, names: column.categories };
  }

  /** Groups, places or what is visible have changed: the labels are made anew when they are drawn. */
  renew(): void {
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
    const step = Math.max(1, Math.floor(rows.length / SAMPLE));
    const some = rows.filter((_, i) => i % step === 0);
    return { tree, group, name, depth, rows, some, typical: null, parts: null, element: null };
  }

  /** The two halves below a node of the tree that are large enough, or none. */
  private partsOf(node: Node): Node[] {
    if (node.parts) return node.parts;
    node.parts = [];
    if (this.trees && node.rows.length >= 2 * FEWEST) {
      const { codes, names } = this.trees;
      let stem = node.tree;
      let halves: number[][] = [];
      for (;;) {
        halves = [[], []];
        for (const row of node.rows) {
          const way = codes[row] < 0 ? "" : names[codes[row]];
          if (way.length > stem.length) halves[way[stem.length] === "1" ? 1 : 0].push(row);
        }
        if (halves[0].length && halves[1].length) break;
        if (!halves[0].length && !halves[1].length) return node.parts;
        stem += halves[0].length ? "0" : "1";
      }
      if (Math.min(halves[0].length, halves[1].length) >= FEWEST) {
        node.parts = halves.map((rows, i) => this.node(stem + i, node.group, `${node.name}.${i + 1}`, rows, node.depth + 1));
      }
    }
    return node.parts;
  }

  /** Put the labels of this view where they belong. They are chosen anew a few times a second, so that they rest. */
  draw(camera: Camera): void {
    if (this.isStale) this.rebuild();
    if (this.isBehind(camera) && performance.now() - this.chosenAt > CHOOSE_EVERY) {
      this.chosenFor = camera.key;
      this.chosenAt = performance.now();
      this.choose(camera);
    }
    for (const place of this.shown) {
      const [px, py] = onScreen(camera, place);
      place.node.element!.style.transform = `translate(${Math.round(px)}px, ${Math.round(py)}px) translate(-50%, -50%)`;
    }
  }

  /** The images of the label at a place of the window. Labels let the pointer through, so that the map can be held there. */
  at(x: number, y: number): number[] | null {
    const hit = this.shown.find(({ node }) => {
      const box = node.element!.getBoundingClientRect();
      return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
    });
    return hit ? hit.node.rows : null;
  }

  /** Whether the labels are those of an earlier view. */
  isBehind(camera: Camera): boolean {
    return camera.key !== this.chosenFor;
  }

  private choose(camera: Camera): void {
    const before = new Set(this.shown.map(({ node }) => node));
    this.shown = [];
    const taken = this.above.map((element) => placeOf(element, this.element)).filter((place) => place.width);
    const deepest = Math.min(MOST_DEPTH, Math.floor(camera.zoom + 0.5)); // from afar groups are named as a whole
    const crowd = new Crowd(this.model, camera);
    const visit = (node: Node): void => {
      const seen = this.seen(node, camera, crowd);
      if (!seen) return;
      if (seen.extent * camera.scale > DETAIL && node.depth < deepest) {
        const parts = this.partsOf(node);
        if (parts.length) return parts.forEach(visit);
      }
      const at = { node, x: seen.x, y: seen.y };
      const [px, py] = onScreen(camera, at);
      const place = { x: px, y: py, width: Math.min(MOST_WIDTH, 46 + 7 * node.name.length), height: 32 };
      if (taken.some((other) => meet(other, place))) return;
      taken.push(place);
      node.typical ??= this.model.points.id[seen.row];
      node.element ??= this.make(node);
      before.delete(node);
      if (!node.element.isConnected) this.element.append(node.element);
      this.shown.push(at);
    };
    [...this.roots].sort((a, b) => b.rows.length - a.rows.length).forEach(visit);
    for (const node of before) node.element?.remove();
  }

  /** An image in the midst of what is seen of a node, and the extent of that; null when next to nothing is. */
  private seen(node: Node, camera: Camera, crowd: Crowd): { row: number; x: number; y: number; extent: number } | null {
    const { x, y } = this.model;
    const [left, bottom, right, top] = camera.bounds(-20);
    const rows: number[] = [];
    for (const row of node.some) if (x[row] > left && x[row] < right && y[row] > bottom && y[row] < top) rows.push(row);
    if (rows.length < Math.max(1, SEEN * node.some.length)) return null;
    const [xs, ys] = [sorted(x, rows), sorted(y, rows)];
    const row = crowd.midst(rows, node.rows.length / node.some.length, quantile(xs, 0.5), quantile(ys, 0.5));
    const extent = Math.max(quantile(xs, 0.95) - quantile(xs, 0.05), quantile(ys, 0.95) - quantile(ys, 0.05));
    return { row, x: x[row], y: y[row], extent };
  }

  /** Names and places of what is shown, for a picture. */
  placed(camera: Camera): { name: string; x: number; y: number; dark: string }[] {
    return this.shown.map((place) => {
      const [px, py] = onScreen(camera, place);
      // white on a dark shade of the group's colour is legible over pictures of any kind
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

/** Where a label is: on the images from afar, below the one in the middle when they are large or few. */
function onScreen(camera: Camera, { node, x, y }: Place): [number, number] {
  const [px, py] = camera.toScreen(x, y);
  const side = pictureSide(camera);
  return [px, side > LARGE || node.rows.length < FEWEST ? py + side / 2 + BELOW : py];
}

/** In a typed array, which is sorted without a call for each pair: this is done for each label while the map moves. */
function sorted(values: Float32Array, rows: number[]): Float32Array {
  const found = new Float32Array(rows.length);
  for (let i = 0; i < rows.length; i++) found[i] = values[rows[i]];
  return found.sort();
}

const quantile = (ordered: Float32Array, fraction: number): number => ordered[Math.floor(fraction * (ordered.length - 1))];

function placeOf(element: HTMLElement, within: HTMLElement): Box {
  const box = element.getBoundingClientRect();
  const frame = within.getBoundingClientRect();
  return { x: box.left + box.width / 2 - frame.left, y: box.top + box.height / 2 - frame.top, width: box.width, height: box.height };
}

const meet = (a: Box, b: Box): boolean =>
  Math.abs(a.x - b.x) < (a.width + b.width) / 2 && Math.abs(a.y - b.y) < (a.height + b.height) / 2;
