// Moves and zooms an element with one or two pointers.

type Point = [number, number];

export interface Moves {
  /** The pointers moved by pixels of the screen. */
  move(dx: number, dy: number): void;
  /** The distance of two pointers changed by a factor; `at` is the position between them in the window. */
  zoom(factor: number, at: Point): void;
  /** One finger was moved from here to there and lifted. */
  swipe(dx: number, dy: number): void;
}

export function listenForPinch(element: HTMLElement, moves: Moves): void {
  const pointers = new Map<number, Point>();
  let start: Point | null = null;
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    start = pointers.size === 1 && event.pointerType === "touch" ? [event.clientX, event.clientY] : null;
  });
  element.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const at: Point = [event.clientX, event.clientY];
    pointers.set(event.pointerId, at);
    moves.move((at[0] - before[0]) / pointers.size, (at[1] - before[1]) / pointers.size);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (pointers.size !== 2 || !other) return;
    const apart = (place: Point): number => Math.max(1, Math.hypot(place[0] - other[0], place[1] - other[1]));
    moves.zoom(apart(at) / apart(before), [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2]);
  });
  const lift = (event: PointerEvent): void => {
    if (pointers.delete(event.pointerId) && start && event.type === "pointerup") moves.swipe(event.clientX - start[0], event.clientY - start[1]);
    start = null;
  };
  element.addEventListener("pointerup", lift);
  element.addEventListener("pointercancel", lift);
}
