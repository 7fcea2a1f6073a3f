/** Signing in by OpenID Connect: authorization code with PKCE. Loaded only where people sign in. */
import { Code, ConnectError } from "@connectrpc/connect";
import {
  ErrorResponse,
  type INavigator,
  InMemoryWebStorage,
  type IWindow,
  type NavigateParams,
  type NavigateResponse,
  type User,
  UserManager,
  WebStorageStateStore,
} from "oidc-client-ts";
import { reportAnswer, reportOutage, SIGN_IN } from "@/api/connection";
import type { SignIn } from "@/api/session";
import type { OidcConfig } from "./config";
import { noteSignOut, POPUP, SIGNED_IN_PATH, untilHandedOver } from "./paths";

/** A token is renewed when this share of its life is over. */
const RENEW_AT = 0.75;
/** A token that ends this soon is not sent any more. */
const MARGIN_MS = 2_000;
const TIMEOUT_SECONDS = 15;

/** What the provider answers when it may work later: every other error needs the person. */
const PROVIDER_DOWN: readonly (string | null)[] = ["temporarily_unavailable", "server_error"];

interface Kept {
  /** Path, query and fragment that the person came from. */
  readonly back: string;
}

/** The address from before the redirect; only a path of this page. */
function pathOf(state: unknown): string {
  const back = (state as Partial<Kept> | undefined)?.back;
  return typeof back === "string" && /^\/(?![/\\])/.test(back) ? back : "/";
}

function createManager(config: OidcConfig): UserManager {
  const { origin } = globalThis.location;
  return new UserManager(
    {
      authority: config.issuer,
      client_id: config.clientId,
      redirect_uri: origin + SIGNED_IN_PATH,
      popup_redirect_uri: origin + SIGNED_IN_PATH,
      post_logout_redirect_uri: `${origin}/`,
      scope: config.scope,
      ...(config.resource === "" ? {} : { resource: config.resource }),
      // Tokens stay in memory; only what a redirect needs to be recognised survives it.
      userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
      stateStore: new WebStorageStateStore({ store: globalThis.sessionStorage }),
      automaticSilentRenew: false,
      requestTimeoutInSeconds: TIMEOUT_SECONDS,
      silentRequestTimeoutInSeconds: TIMEOUT_SECONDS,
    },
    undefined,
    new PopupNavigator(),
  );
}

/** Leaves the page for the provider. */
export async function goToSignIn(config: OidcConfig, back: string): Promise<void> {
  const kept: Kept = { back };
  await createManager(config).signinRedirect({ state: kept, redirectMethod: "replace" });
}

/** Takes the provider's answer from the address. Throws when it is an error or no answer at all. */
export async function finishSignIn(
  config: OidcConfig,
  url: string,
): Promise<{ readonly signIn: OidcSignIn; readonly back: string }> {
  const manager = createManager(config);
  await manager.clearStaleState();
  const user = await manager.signinRedirectCallback(url);
  return { signIn: new OidcSignIn(manager, user), back: pathOf(user.state) };
}

/** A person who has signed in, and the tokens. */
export class OidcSignIn implements SignIn {
  readonly subject: string;
  readonly name: string;
  private readonly manager: UserManager;
  private user: User;
  /** Seconds that the token lasts, from when it was given. */
  private life = Number.POSITIVE_INFINITY;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private renewing: Promise<void> | null = null;
  private waiting: { readonly until: Promise<void>; readonly end: () => void } | null = null;
  private asking = new AbortController();
  private readonly listeners = new Set<() => void>();

  constructor(manager: UserManager, user: User) {
    this.manager = manager;
    this.user = user;
    this.subject = user.profile.sub;
    this.name = user.profile.name ?? user.profile.preferred_username ?? user.profile.sub;
    this.renewInTime();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Whether the person has to sign in again; calls wait for that. */
  readonly hasEnded = (): boolean => this.waiting !== null;

  async token(): Promise<string> {
    if (this.waiting === null && this.isOver()) await this.renew();
    if (this.waiting !== null) await this.waiting.until;
    return this.user.access_token;
  }

  async replace(refused: string, again: boolean): Promise<string> {
    // Another call may have got a new token meanwhile.
    if (this.user.access_token === refused) {
      if (again) this.end();
      else await this.renew();
    }
    return this.token();
  }

  async freshen(): Promise<void> {
    const { expires_in: left = Number.POSITIVE_INFINITY, refresh_token: refresh } = this.user;
    if (refresh === undefined || left >= this.life * RENEW_AT) return;
    // The provider may be down; what is left of the token may do.
    await this.renew().catch(() => undefined);
  }

  /** Has the person sign in in a pop-up window, so that nothing on this page is lost. Call it on a click. */
  async again(): Promise<void> {
    this.asking.abort(new Error("Another window was opened."));
    this.asking = new AbortController();
    const user = await this.manager.signinPopup({
      url_state: POPUP,
      login_hint: this.user.profile.preferred_username ?? this.user.profile.email,
      popupSignal: this.asking.signal,
    });
    if (user.profile.sub !== this.subject) {
      throw new Error(`You have signed in as somebody else. Sign in as ${this.name}, or reload this page.`);
    }
    this.adopt(user);
  }

  /** Signs out here and at the provider, which sends the person back to the page. */
  async signOut(): Promise<void> {
    clearTimeout(this.timer);
    // "Back" must not show the page as it was, with what is left of the token.
    globalThis.addEventListener("pageshow", () => globalThis.location.reload(), { once: true });
    noteSignOut();
    // A provider that cannot revoke still forgets the session; one that is down forgets nothing, and this
    // page does.
    await this.manager.revokeTokens(["refresh_token"]).catch(() => undefined);
    await this.manager
      .signoutRedirect({ redirectMethod: "replace" })
      .catch(() => globalThis.location.replace("/"));
  }

  private isOver(): boolean {
    const { expires_at: end } = this.user;
    return end !== undefined && end * 1000 - MARGIN_MS < Date.now();
  }

  private adopt(user: User): void {
    this.user = user;
    this.renewInTime();
    this.waiting?.end();
    this.waiting = null;
    this.publish();
  }

  private renewInTime(): void {
    clearTimeout(this.timer);
    const { expires_in: seconds, refresh_token: refresh } = this.user;
    this.life = seconds ?? Number.POSITIVE_INFINITY;
    if (seconds === undefined || refresh === undefined) return;
    // A provider that does not answer is asked again by the next call.
    this.timer = setTimeout(() => void this.renew().catch(() => undefined), seconds * RENEW_AT * 1000);
  }

  /** Renews the token silently; all who ask at the same time share one request. */
  private renew(): Promise<void> {
    this.renewing ??= this.renewOnce().finally(() => {
      this.renewing = null;
    });
    return this.renewing;
  }

  private async renewOnce(): Promise<void> {
    if (this.user.refresh_token === undefined) {
      this.end();
      return;
    }
    try {
      const user = await this.manager.signinSilent();
      reportAnswer(SIGN_IN);
      if (user === null) this.end();
      else this.adopt(user);
    } catch (error) {
      if (error instanceof ErrorResponse && !PROVIDER_DOWN.includes(error.error)) {
        reportAnswer(SIGN_IN);
        this.end();
        return;
      }
      if (this.isOver()) reportOutage(SIGN_IN);
      throw new ConnectError("The sign-in service cannot be reached.", Code.Unavailable);
    }
  }

  private end(): void {
    if (this.waiting !== null) return;
    let end = () => {};
    const until = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.waiting = { until, end };
    this.publish();
  }

  private publish(): void {
    for (const listener of this.listeners) listener();
  }
}

/** Opens the provider in a pop-up window; the answer comes over a channel (paths.ts). */
class PopupNavigator implements INavigator {
  async prepare({ popupSignal }: { popupSignal: AbortSignal }): Promise<IWindow> {
    const popup = globalThis.open("", "_blank", "popup,width=480,height=680");
    if (popup === null) {
      throw new Error(
        "The browser has blocked the pop-up window. Allow pop-ups for this page and try again.",
      );
    }
    return {
      async navigate({ url, state = "" }: NavigateParams): Promise<NavigateResponse> {
        popup.location.replace(url);
        return { url: await untilHandedOver(state, popupSignal) };
      },
      close: () => popup.close(),
    };
  }

  async callback(): Promise<void> {
    // handOver (paths.ts) does it, without loading this module.
  }
}
