// @vitest-environment jsdom
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorResponse, User, type UserManager } from "oidc-client-ts";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { currentOutages, SIGN_IN } from "@/api/connection";
import { OidcSignIn } from "./oidc";

const LIFE_SECONDS = 100;

function user(token: string, sub = "ada", refresh: string | null = "r"): User {
  return new User({
    access_token: token,
    ...(refresh === null ? {} : { refresh_token: refresh }),
    token_type: "Bearer",
    profile: { sub, name: "Ada", iss: "i", aud: "a", exp: 0, iat: 0 },
    expires_at: Math.floor(Date.now() / 1000) + LIFE_SECONDS,
  });
}

function setUp(first = user("t1")) {
  const silent = vi.fn<() => Promise<User | null>>(async () => user("t2"));
  const popup = vi.fn<() => Promise<User>>(async () => user("t3"));
  const manager = { signinSilent: silent, signinPopup: popup } as unknown as UserManager;
  return { silent, popup, signIn: new OidcSignIn(manager, first) };
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date("2026-01-31T12:00:00Z") });
});
afterEach(() => vi.useRealTimers());

describe("the token", () => {
  it("is renewed before it ends, without anybody asking", async () => {
    const { silent, signIn } = setUp();
    await vi.advanceTimersByTimeAsync(LIFE_SECONDS * 500);
    expect(silent).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(LIFE_SECONDS * 300);
    expect(silent).toHaveBeenCalledTimes(1);
    expect(await signIn.token()).toBe("t2");
    await vi.advanceTimersByTimeAsync(LIFE_SECONDS * 800);
    expect(silent).toHaveBeenCalledTimes(2);
  });

  it("is renewed by the first call after a sleep, once for all calls", async () => {
    const { silent, signIn } = setUp();
    vi.setSystemTime(Date.now() + LIFE_SECONDS * 1000);
    expect(await Promise.all([signIn.token(), signIn.token(), signIn.token()])).toEqual(["t2", "t2", "t2"]);
    expect(silent).toHaveBeenCalledTimes(1);
  });

  it("that is refused is replaced, but not if another call has replaced it", async () => {
    const { silent, signIn } = setUp();
    expect(await signIn.replace("t1", false)).toBe("t2");
    expect(await signIn.replace("t1", false)).toBe("t2");
    expect(silent).toHaveBeenCalledTimes(1);
  });

  it("is renewed before a download unless it is new", async () => {
    const { silent, signIn } = setUp();
    await signIn.freshen();
    expect(silent).not.toHaveBeenCalled();
    vi.setSystemTime(Date.now() + LIFE_SECONDS * 400);
    await signIn.freshen();
    expect(silent).toHaveBeenCalledTimes(1);
    expect(await signIn.token()).toBe("t2");

    const other = setUp(user("t1", "ada", null));
    vi.setSystemTime(Date.now() + LIFE_SECONDS * 400);
    await other.signIn.freshen();
    expect(other.signIn.hasEnded()).toBe(false);
  });

  it("waits for the provider when that is down", async () => {
    const { silent, signIn } = setUp();
    silent.mockRejectedValueOnce(new TypeError("Failed to fetch"));
    vi.setSystemTime(Date.now() + LIFE_SECONDS * 1000);
    const error = await signIn.token().catch((thrown: unknown) => thrown);
    expect(ConnectError.from(error).code).toBe(Code.Unavailable);
    expect(signIn.hasEnded()).toBe(false);
    expect(currentOutages().has(SIGN_IN)).toBe(true);
    expect(await signIn.token()).toBe("t2");
    expect(currentOutages().has(SIGN_IN)).toBe(false);
  });
});

describe("a session that has ended", () => {
  async function ended(first?: User) {
    const set = setUp(first);
    set.silent.mockRejectedValue(new ErrorResponse({ error: "invalid_grant" }));
    const heard = vi.fn();
    set.signIn.subscribe(heard);
    let token = "";
    const waiting = set.signIn.replace("t1", false).then((next) => {
      token = next;
    });
    await vi.advanceTimersByTimeAsync(0);
    expect(set.signIn.hasEnded()).toBe(true);
    expect(heard).toHaveBeenCalled();
    expect(token).toBe("");
    return { ...set, waiting, current: () => token };
  }

  it("holds calls until the person has signed in again", async () => {
    const { signIn, waiting, current } = await ended();
    await signIn.again();
    await waiting;
    expect(current()).toBe("t3");
    expect(signIn.hasEnded()).toBe(false);
  });

  it("ends too where the provider gives nothing to renew with", async () => {
    const { silent, signIn } = await ended(user("t1", "ada", null));
    expect(silent).not.toHaveBeenCalled();
    expect(signIn.hasEnded()).toBe(true);
  });

  it("does not go on as somebody else", async () => {
    const { popup, signIn, current } = await ended();
    popup.mockResolvedValueOnce(user("t9", "bob"));
    await expect(signIn.again()).rejects.toThrow("as somebody else. Sign in as Ada");
    expect(signIn.hasEnded()).toBe(true);
    expect(current()).toBe("");
  });

  it("is what follows when a renewed token is refused as well", async () => {
    const { silent, signIn } = setUp();
    const first = signIn.replace("t1", true);
    await vi.advanceTimersByTimeAsync(0);
    expect(silent).not.toHaveBeenCalled();
    expect(signIn.hasEnded()).toBe(true);
    await signIn.again();
    expect(await first).toBe("t3");
  });
});
