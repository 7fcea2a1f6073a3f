/** Keyboard navigation of a grid (WAI-ARIA's grid pattern). */
export interface Cell {
  readonly index: number;
  readonly column: number;
}

interface GridSize {
  readonly rows: number;
  readonly columns: number;
  /** Rows visible at once. */
  readonly page: number;
}

/** The cell that a key moves to; null for other keys. */
export function cellAfter(key: string, ctrl: boolean, from: Cell, size: GridSize): Cell | null {
  const to = target(key, ctrl, from, size);
  if (to === null) return null;
  return { index: within(to[0], size.rows), column: within(to[1], size.columns) };
}

function target(
  key: string,
  ctrl: boolean,
  { index, column }: Cell,
  size: GridSize,
): [number, number] | null {
  switch (key) {
    case "ArrowDown":
      return [index + 1, column];
    case "ArrowUp":
      return [index - 1, column];
    case "PageDown":
      return [index + size.page, column];
    case "PageUp":
      return [index - size.page, column];
    case "ArrowRight":
      return [index, column + 1];
    case "ArrowLeft":
      return [index, column - 1];
    case "Home":
      return ctrl ? [0, 0] : [index, 0];
    case "End":
      return ctrl ? [size.rows - 1, column] : [index, size.columns - 1];
    default:
      return null;
  }
}

function within(value: number, count: number): number {
  return Math.max(0, Math.min(value, count - 1));
}
