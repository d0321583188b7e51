// Which sprite sheet is in which layer of a texture array; the least recently used sheet is replaced.

export class LayerCache {
  /** Layers by sheet, the most recently used last. */
  private readonly layers = new Map<number, number>();

  constructor(private readonly nLayers: number) {}

  get(sheet: number): number | undefined {
    return this.layers.get(sheet);
  }

  /** Mark a sheet as the most recently used; returns whether it is in a layer. */
  touch(sheet: number): boolean {
    const layer = this.layers.get(sheet);
    if (layer === undefined) return false;
    this.layers.delete(sheet);
    this.layers.set(sheet, layer);
    return true;
  }

  /** Assign a layer to a sheet: a free one, or that of the least recently used sheet, preferably not one in use. */
  assign(sheet: number, inUse: Set<number>): number {
    let layer = this.layers.size;
    if (layer >= this.nLayers) {
      const oldest = [...this.layers.keys()].find((one) => !inUse.has(one)) ?? this.layers.keys().next().value!;
      layer = this.layers.get(oldest)!;
      this.layers.delete(oldest);
    }
    this.layers.set(sheet, layer);
    return layer;
  }
}
