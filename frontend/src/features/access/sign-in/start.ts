/** What happens when the page is loaded: nobody signs in, or the person is sent to the provider and returns. */
import { setSession } from "@/api/session";
import { rememberedTenant } from "../tenant";
import { loadConfig, type OidcConfig } from "./config";
import type { OidcSignIn } from "./oidc";
import { comesFromSignOut, handOver, isPopup, SIGNED_IN_PATH, SIGNED_OUT_PATH } from "./paths";

export type Start =
  /** Nobody signs in. */
  | { readonly phase: "local" }
  | { readonly phase: "signed-in"; readonly signIn: OidcSignIn }
  /** On the way to the provider. */
  | { readonly phase: "leaving" }
  | { readonly phase: "signed-out"; readonly config: OidcConfig }
  /** A pop-up window that has done its work. */
  | { readonly phase: "handed-over" }
  | { readonly phase: "failed"; readonly config: OidcConfig | null; readonly error: unknown };

let started: Promise<Start> | null = null;

/** Runs once per load of the page: a provider's answer can be used only once. */
export function start(): Promise<Start> {
  started ??= begin();
  return started;
}

async function begin(): Promise<Start> {
  let config: OidcConfig | null = null;
  try {
    const found = await loadConfig();
    if (found.auth === "local") return { phase: "local" };
    config = found;
    return await signInAt(found, globalThis.location);
  } catch (error) {
    return { phase: "failed", config, error };
  }
}

async function signInAt(config: OidcConfig, location: Location): Promise<Start> {
  const { href, pathname, search, hash } = location;
  if (pathname === SIGNED_OUT_PATH || (comesFromSignOut() && pathname === "/")) {
    globalThis.history.replaceState(null, "", SIGNED_OUT_PATH);
    return { phase: "signed-out", config };
  }
  if (pathname === SIGNED_IN_PATH) {
    if (isPopup(href)) {
      handOver(href);
      return { phase: "handed-over" };
    }
    const { finishSignIn } = await import("./oidc");
    // The code in the address is used up, whatever comes of it.
    globalThis.history.replaceState(null, "", SIGNED_IN_PATH);
    const { signIn, back } = await finishSignIn(config, href);
    globalThis.history.replaceState(null, "", back);
    setSession({ signIn, tenant: rememberedTenant() });
    return { phase: "signed-in", signIn };
  }
  const { goToSignIn } = await import("./oidc");
  await goToSignIn(config, pathname + search + hash);
  return { phase: "leaving" };
}
