// The spacing of the images: the median distance to the nearest other image, in units of the map.

const SAMPLE_SIZE = 500; // images whose nearest neighbour is searched
const MEAN_PER_CELL = 2; // images in a cell of the grid
const MAX_CELLS = 1024; // per side

/** The median over a sample of the rows with `counts`; images at the same position are not neighbours of each other. */
export function medianSpacing(x: Float32Array, y: Float32Array, counts: Uint8Array | null, square: [number, number, number]): number {
  const [left, bottom, side] = square;
  const rows: number[] = [];
  for (let row = 0; row < x.length; row++) if ((!counts || counts[row]) && !Number.isNaN(x[row])) rows.push(row);
  const cells = Math.max(1, Math.min(MAX_CELLS, Math.ceil(Math.sqrt(rows.length / MEAN_PER_CELL))));
  const cellOf = (value: number, low: number): number => Math.max(0, Math.min(cells - 1, Math.floor(((value - low) / side) * cells)));
  const grid = makeGrid(rows, (row) => cellOf(y[row], bottom) * cells + cellOf(x[row], left), cells * cells);
  const distances: number[] = [];
  const step = Math.max(1, Math.floor(rows.length / SAMPLE_SIZE));
  for (let i = 0; i < rows.length; i += step) {
    const row = rows[i];
    const [column, line] = [cellOf(x[row], left), cellOf(y[row], bottom)];
    let best = Infinity;
    // points beyond a ring of cells are at least that many cells away
    for (let ring = 0; ring < cells && best > (ring - 1) * (side / cells); ring++) {
      for (let l = Math.max(0, line - ring); l <= Math.min(cells - 1, line + ring); l++) {
        const isEdge = Math.abs(l - line) === ring;
        for (let c = column - ring; c <= column + ring; c += isEdge ? 1 : Math.max(1, 2 * ring)) {
          if (c < 0 || c >= cells) continue;
          for (let at = grid.starts[l * cells + c]; at < grid.starts[l * cells + c + 1]; at++) {
            const distance = Math.hypot(x[grid.rows[at]] - x[row], y[grid.rows[at]] - y[row]);
            if (distance > 0 && distance < best) best = distance;
          }
        }
      }
    }
    if (best < Infinity) distances.push(best);
  }
  if (!distances.length) return side; // a single position
  return distances.sort((a, b) => a - b)[Math.floor(distances.length / 2)];
}

/** Rows sorted by cell, and the start of each cell. */
function makeGrid(rows: number[], cellOf: (row: number) => number, n: number): { rows: Int32Array; starts: Int32Array } {
  const starts = new Int32Array(n + 1);
  const cells = Int32Array.from(rows, cellOf);
  for (const cell of cells) starts[cell + 1] += 1;
  for (let i = 0; i < n; i++) starts[i + 1] += starts[i];
  const next = starts.slice();
  const sorted = new Int32Array(rows.length);
  rows.forEach((row, i) => (sorted[next[cells[i]]++] = row));
  return { rows: sorted, starts };
}
