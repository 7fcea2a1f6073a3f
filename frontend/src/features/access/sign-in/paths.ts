/** The way to the provider and back. After a sign-out it sends people to "/"; it must know both addresses. */
export const SIGNED_IN_PATH = "/signed-in";

/** Shows that the person is signed out, until it signs in again. */
export const SIGNED_OUT_PATH = "/signed-out";

const SIGNED_OUT = "ingestor-signed-out";

/** The next load of this tab shows that the person is signed out, instead of signing in again at once. */
export function noteSignOut(): void {
  sessionStorage.setItem(SIGNED_OUT, "1");
}

/** Whether this tab comes from a sign-out; true once. */
export function comesFromSignOut(): boolean {
  const noted = sessionStorage.getItem(SIGNED_OUT) !== null;
  sessionStorage.removeItem(SIGNED_OUT);
  return noted;
}

/** The end of `state` when a pop-up window signs in: it hands its address to the page that waits for it. */
export const POPUP = "pop-up";
const CHANNEL = "ingestor-sign-in";

/** Whether this window is such a pop-up. */
export function isPopup(url: string): boolean {
  return (new URL(url).searchParams.get("state") ?? "").endsWith(`;${POPUP}`);
}

/** In the pop-up: hands the provider's answer over. The window closes itself where the browser lets it. */
export function handOver(url: string): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(url);
  channel.close();
  globalThis.close();
}

/**
 * In the page: waits for the answer to the request `state`. A channel, because the pop-up has no opener: the
 * page's Cross-Origin-Opener-Policy cuts that link.
 */
export function untilHandedOver(state: string, signal: AbortSignal): Promise<string> {
  const channel = new BroadcastChannel(CHANNEL);
  return new Promise<string>((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data !== "string" || !URL.canParse(data)) return;
      const url = new URL(data);
      if (url.origin === globalThis.location.origin && url.searchParams.get("state")?.startsWith(state)) {
        resolve(data);
      }
    };
  }).finally(() => channel.close());
}
