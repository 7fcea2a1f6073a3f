/** Going through a page by keyboard, as a person who sees where the focus is. */
import type { Page } from "playwright-core";
import { expect } from "vitest";

interface Focused {
  /** Type of an input, else the name of the element: "radio", "BUTTON". */
  readonly kind: string;
  /** Accessible name, as far as an attribute, a label or the text tells it. */
  readonly name: string;
  /** What lies over the middle of it; "" when nothing does. */
  readonly under: string;
}

/** The element that has the focus. Runs in the page. */
function focusedElement(): Focused {
  const element = document.activeElement as HTMLElement;
  const labels = (element as HTMLInputElement).labels;
  const label =
    labels === null || labels === undefined ? "" : [...labels].map((one) => one.textContent).join(" ");
  const name = element.getAttribute("aria-label") || label || element.textContent || "";
  // A hidden radio or file input is shown by its label.
  const shown = element.offsetWidth > 4 ? element : (labels?.[0] ?? element);
  const box = shown.getBoundingClientRect();
  // Of what is larger than the screen, the part within it.
  const [left, right] = [Math.max(box.left, 0), Math.min(box.right, innerWidth)];
  const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, innerHeight)];
  const kind = (element as HTMLInputElement).type || element.tagName;
  if (right <= left || bottom <= top) return { kind, name: name.trim(), under: "outside of the screen" };
  const over = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  const free =
    over === null ||
    shown.contains(over) ||
    over.contains(shown) ||
    over.closest("label")?.control === element;
  return {
    kind,
    name: name.trim(),
    under: free ? "" : `${over.tagName} ${over.className} ${over.textContent?.slice(0, 40)}`,
  };
}

/**
 * Presses Tab until the element that is wanted, by its name or otherwise, has the focus; fails when something
 * hides an element that takes it on the way.
 */
export async function tabTo(
  page: Page,
  wanted: RegExp | ((found: Focused) => boolean),
  most = 150,
): Promise<void> {
  const passed: string[] = [];
  for (let step = 0; step < most; step += 1) {
    await page.keyboard.press("Tab");
    let found = await page.evaluate(focusedElement);
    // Scrolling and transitions take a frame or two.
    await expect
      .poll(
        async () => {
          found = await page.evaluate(focusedElement);
          return found.under;
        },
        { message: `what lies over “${found.name}”`, timeout: 5_000, interval: 20 },
      )
      .toBe("");
    if (wanted instanceof RegExp ? wanted.test(found.name) : wanted(found)) return;
    passed.push(found.name.slice(0, 30));
  }
  throw new Error(`no Tab leads to ${wanted}; passed ${passed.join(" | ")}`);
}
