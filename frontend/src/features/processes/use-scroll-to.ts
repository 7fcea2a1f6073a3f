import { type RefObject, useEffect, useRef } from "react";

/** How long content above may still grow. */
const SETTLING_MS = 2_000;

/**
 * Scrolls an element to the top once, when the screen opens, and keeps it there while content above it
 * loads.
 */
export function useScrollTo(element: RefObject<HTMLElement | null>, wanted: boolean): void {
  const first = useRef(wanted);
  useEffect(() => {
    if (!first.current) return;
    const stopped = new AbortController();
    const scroll = () => element.current?.scrollIntoView({ block: "start" });
    const observer = new ResizeObserver(scroll);
    const stop = () => {
      first.current = false;
      observer.disconnect();
      stopped.abort();
    };
    observer.observe(document.body);
    // Scrolling by hand takes over.
    for (const event of ["wheel", "touchstart", "keydown", "pointerdown"]) {
      window.addEventListener(event, stop, { signal: stopped.signal, passive: true });
    }
    const timer = setTimeout(stop, SETTLING_MS);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
      stopped.abort();
    };
  }, [element]);
}
