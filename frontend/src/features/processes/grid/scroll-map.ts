/**
 * Scrolls a list that is taller than a browser can lay out.
 *
 * Browsers cap an element's height (Chromium at about 33 million pixels, others lower), and a million rows
 * are taller. So the scrolled element has at most `MOST_PIXELS`, which stand for the pixels of the list:
 * small movements scroll pixel by pixel, large ones (dragging the bar) in proportion.
 */
export const MOST_PIXELS = 6_000_000;

interface ScrollMap {
  /** Height of all rows, in the list's pixels. */
  readonly total: number;
  /** Height of the scrolled element. */
  readonly height: number;
  /** Height of the visible part. */
  readonly view: number;
}

export interface ScrollPlace {
  /** scrollTop of the element. */
  readonly top: number;
  /** The list's pixel at the top of the visible part. */
  readonly at: number;
}

export function scrollMap(rows: number, rowHeight: number, view: number): ScrollMap {
  const total = rows * rowHeight;
  return { total, height: Math.min(total, MOST_PIXELS), view };
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(value, most));
}

/** The list's position after the element was scrolled to `top`. */
export function scrolled(map: ScrollMap, before: ScrollPlace, top: number): ScrollPlace {
  const reach = map.height - map.view;
  const whole = map.total - map.view;
  if (reach <= 0) return { top, at: 0 };
  if (map.total === map.height) return { top, at: clamp(top, whole) };
  if (top <= 0) return { top: 0, at: 0 };
  if (top >= reach) return { top: reach, at: whole };
  const moved = top - before.top;
  if (Math.abs(moved) <= map.view * 3) return { top, at: clamp(before.at + moved, whole) };
  return { top, at: clamp((top / reach) * whole, whole) };
}

/** The scrollTop that matches a position of the list, so that both reach their ends together. */
export function placed(map: ScrollMap, at: number): ScrollPlace {
  const whole = Math.max(0, map.total - map.view);
  const reach = Math.max(0, map.height - map.view);
  const where = clamp(at, whole);
  if (map.total === map.height || whole === 0) return { top: where, at: where };
  // Only the ends of the list may map to the ends of the element.
  const top = Math.round((where / whole) * reach);
  const inside = where > 0 && where < whole ? clamp(Math.max(1, top), reach - 1) : top;
  return { top: inside, at: where };
}
