import { describe, expect, it } from "vitest";
import { readConfig } from "./config";
import { isPopup } from "./paths";

describe("readConfig", () => {
  it("knows suites where nobody signs in", () => {
    expect(readConfig({ auth: "local" })).toEqual({ auth: "local" });
  });

  it("reads how to sign in", () => {
    const given = {
      auth: "oidc",
      issuer: "https://id.example.com",
      clientId: "ingestor-page",
      scope: "openid",
      resource: "urn:ingestor",
    };
    expect(readConfig(given)).toEqual(given);
    expect(readConfig({ auth: "oidc", issuer: "https://id.example.com", clientId: "page" })).toMatchObject({
      scope: "openid profile offline_access",
      resource: "",
    });
  });

  it.each([null, "x", {}, { auth: "oidc" }, { auth: "oidc", issuer: "x" }, { auth: "other" }])(
    "takes nothing else for a suite without sign-in: %j",
    (raw) => {
      expect(() => readConfig(raw)).toThrow("/config.json does not say how to sign in");
    },
  );
});

it("knows the answer to a pop-up", () => {
  expect(isPopup("https://page.example.com/signed-in?code=1&state=abc;pop-up")).toBe(true);
  expect(isPopup("https://page.example.com/signed-in?code=1&state=abc%3Bpop-up")).toBe(true);
  expect(isPopup("https://page.example.com/signed-in?code=1&state=abc")).toBe(false);
  expect(isPopup("https://page.example.com/signed-in")).toBe(false);
});
