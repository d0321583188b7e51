// The weights that the reader gives the kinds of features, by which neighbours are found.

import { Signal } from "./signal";

const FULL = 100; // the highest position of a slider

export class KindWeights {
  /** The kinds that can be weighted; fewer than two leave nothing to choose. */
  readonly kinds: string[];
  readonly changed = new Signal();
  /** Whether these are the weights that the data chose. */
  isOwn = true;
  private positions = new Map<string, number>();

  constructor(private readonly own: { [kind: string]: number }) {
    this.kinds = Object.keys(own);
    this.setOwn();
  }

  /** Position of the slider of a kind, from 0 to 100. */
  position(kind: string): number {
    return this.positions.get(kind) ?? 0;
  }

  /** Weight of a kind as a fraction of the sum; 0 if all are 0. */
  fraction(kind: string): number {
    const sum = this.sum;
    return sum > 0 ? this.position(kind) / sum : 0;
  }

  /** Whether all weights are 0, by which no neighbours can be found. */
  get isEmpty(): boolean {
    return this.sum === 0;
  }

  private get sum(): number {
    return this.kinds.reduce((sum, kind) => sum + this.position(kind), 0);
  }

  /** Move the slider of a kind. */
  set(kind: string, position: number): void {
    this.positions.set(kind, position);
    this.isOwn = false;
    this.changed.emit();
  }

  /** Return to the weights that the data chose. */
  reset(): void {
    this.setOwn();
    this.changed.emit();
  }

  /** The weights above 0 as the server and the address take them; "" for those that the data chose, and if all are 0. */
  get text(): string {
    if (this.isOwn) return "";
    return this.kinds.filter((kind) => this.position(kind) > 0).map((kind) => `${kind}:${this.position(kind)}`).join();
  }

  /** Take over weights from the address. Kinds that this run does not have are left out. */
  apply(text: string): void {
    if (text === this.text) return;
    const given = readWeights(text).filter(([kind]) => this.kinds.includes(kind));
    if (!given.length) return this.reset();
    this.positions = new Map(given);
    this.isOwn = false;
    this.changed.emit();
  }

  private setOwn(): void {
    this.isOwn = true;
    // a digit after the point is enough to show, and keeps addresses short
    this.positions = new Map(this.kinds.map((kind) => [kind, Math.round(10 * FULL * this.own[kind]) / 10]));
  }
}

/** Parse weights such as "shape:60,color:40"; invalid ones are left out. */
function readWeights(text: string): [string, number][] {
  return text.split(",").flatMap((part): [string, number][] => {
    const [kind, value] = part.split(":");
    const position = Number(value);
    return value && position > 0 && position <= FULL ? [[kind, position]] : [];
  });
}
