// The position in a list that may be higher than browsers let an element be: the element is lower, and its scroll bar coarser.

export const MAX_HEIGHT = 8_000_000; // pixels of the element that is scrolled

export class VirtualScroll {
  /** Top of the view in the list, in pixels. */
  top = 0;
  private total = 0;
  private view = 0;
  /** Where the element was last scrolled to. */
  private last = 0;

  /** Height of the element that is scrolled. */
  get height(): number {
    return Math.min(this.total, MAX_HEIGHT);
  }

  /** Set the height of the list and of the view. */
  resize(total: number, view: number): void {
    [this.total, this.view] = [total, view];
    this.moveTo(this.top);
  }

  moveTo(top: number): void {
    this.top = Math.max(0, Math.min(this.total - this.view, top));
  }

  /** Where the element has to be scrolled to for the present top. */
  get place(): number {
    return this.top / this.factor;
  }

  /** Note where the element is without moving in the list. */
  placed(at: number): void {
    this.last = at;
  }

  /** Follow the element: by as many pixels over short ways, as with the wheel, and in proportion over long ones. */
  scrolled(to: number): void {
    const by = to - this.last;
    this.last = to;
    if (Math.abs(by) < 0.5) return;
    const isLong = Math.abs(by) > this.view || to <= 0 || to >= this.height - this.view;
    this.moveTo(this.factor === 1 || isLong ? to * this.factor : this.top + by);
  }

  /** Pixels of the list for one of the element. */
  private get factor(): number {
    const room = this.height - this.view;
    return room > 0 && this.total > this.height ? (this.total - this.view) / room : 1;
  }
}
