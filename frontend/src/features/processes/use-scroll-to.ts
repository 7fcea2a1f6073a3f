import { type RefObject, useEffect, useRef } from "react";

/** So long what is above may still grow. */
const SETTLING_MS = 2_000;

/** Once, when the screen opens: brings an element to the top, and keeps it there while what is above it comes. */
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
    // Whoever scrolls knows better.
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
