// Where the cells of a grid are: in lines, and in sections with a heading each.

/** Cells from `start` to `end` below a heading. */
export interface Section {
  title: string;
  start: number;
  end: number;
}

export class GridLines {
  /** Height of all lines and headings. */
  readonly height: number;
  /** Top of each section. */
  private readonly tops: number[] = [];

  constructor(
    readonly sections: Section[],
    readonly nColumns: number,
    /** Distances from one line, and from one column, to the next. */
    private readonly lineHeight: number,
    private readonly columnWidth: number,
    /** Height of a heading; 0 without headings. */
    readonly headingHeight: number,
  ) {
    let top = 0;
    for (const section of sections) {
      this.tops.push(top);
      top += headingHeight + this.nLines(section) * lineHeight;
    }
    this.height = top;
  }

  private nLines({ start, end }: Section): number {
    return Math.ceil((end - start) / this.nColumns);
  }

  get nCells(): number {
    return this.sections.at(-1)?.end ?? 0;
  }

  /** Top of the heading of a section. */
  topOfSection(number: number): number {
    return this.tops[number];
  }

  /** Left and top of a cell. */
  placeOf(cell: number): [number, number] {
    const number = this.sectionOf(cell);
    const behind = cell - this.sections[number].start;
    const line = Math.floor(behind / this.nColumns);
    return [(behind % this.nColumns) * this.columnWidth, this.tops[number] + this.headingHeight + line * this.lineHeight];
  }

  /** Cells and headings between two heights. */
  between(top: number, bottom: number): { from: number; to: number; headings: number[] } {
    if (!this.sections.length) return { from: 0, to: 0, headings: [] };
    const [first, last] = [lastUpTo(this.tops, top), lastUpTo(this.tops, bottom)];
    const cellAt = (number: number, height: number, isEnd: boolean): number => {
      const { start, end } = this.sections[number];
      const line = Math.floor((height - this.tops[number] - this.headingHeight) / this.lineHeight) + (isEnd ? 1 : 0);
      return Math.min(end, start + Math.max(0, line) * this.nColumns);
    };
    const headings: number[] = [];
    if (this.headingHeight) for (let number = first; number <= last; number++) headings.push(number);
    return { from: cellAt(first, top, false), to: cellAt(last, bottom, true), headings };
  }

  /** The cell that a key leads to; the same one at the ends. */
  step(cell: number, key: string, linesOfPage: number): number {
    const steps: { [key: string]: () => number } = {
      ArrowRight: () => cell + 1,
      ArrowLeft: () => cell - 1,
      ArrowDown: () => this.below(cell),
      ArrowUp: () => this.above(cell),
      PageDown: () => repeat(linesOfPage, cell, (at) => this.below(at)),
      PageUp: () => repeat(linesOfPage, cell, (at) => this.above(at)),
      Home: () => 0,
      End: () => this.nCells - 1,
    };
    return Math.max(0, Math.min(this.nCells - 1, steps[key]?.() ?? cell));
  }

  private sectionOf(cell: number): number {
    let [low, high] = [0, this.sections.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.sections[middle].start <= cell) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private below(cell: number): number {
    const number = this.sectionOf(cell);
    const { start, end } = this.sections[number];
    const next = cell + this.nColumns;
    if (next < end) return next;
    const lineEnd = start + (Math.floor((cell - start) / this.nColumns) + 1) * this.nColumns;
    if (lineEnd < end) return end - 1; // the last line is shorter
    const after = this.sections[number + 1];
    return after ? Math.min(after.end - 1, after.start + ((cell - start) % this.nColumns)) : cell;
  }

  private above(cell: number): number {
    const number = this.sectionOf(cell);
    const { start } = this.sections[number];
    if (cell - this.nColumns >= start) return cell - this.nColumns;
    const before = this.sections[number - 1];
    if (!before) return cell;
    const lastLine = before.start + (this.nLines(before) - 1) * this.nColumns;
    return Math.min(before.end - 1, lastLine + ((cell - start) % this.nColumns));
  }
}

/** Position of the last of some ascending numbers that is not above a value; 0 if all are. */
function lastUpTo(numbers: number[], value: number): number {
  let [low, high] = [0, numbers.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (numbers[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

function repeat(times: number, start: number, step: (at: number) => number): number {
  let at = start;
  for (let i = 0; i < times; i++) at = step(at);
  return at;
}
