/** How people sign in to this suite, as the server of the page says in /config.json. */

export interface OidcConfig {
  readonly auth: "oidc";
  readonly issuer: string;
  readonly clientId: string;
  readonly scope: string;
  /** The API that the token is for (RFC 8707); "": the provider needs none. */
  readonly resource: string;
}

/** local: nobody signs in. */
export type PageConfig = { readonly auth: "local" } | OidcConfig;

export function readConfig(raw: unknown): PageConfig {
  const given = (typeof raw === "object" && raw !== null ? raw : {}) as Record<string, unknown>;
  const text = (key: string, otherwise = "") => (typeof given[key] === "string" ? given[key] : otherwise);
  if (given.auth === "local") return { auth: "local" };
  if (given.auth !== "oidc" || text("issuer") === "" || text("clientId") === "") {
    throw new Error("/config.json does not say how to sign in. Check the settings of the page's server.");
  }
  return {
    auth: "oidc",
    issuer: text("issuer"),
    clientId: text("clientId"),
    scope: text("scope", "openid profile offline_access"),
    resource: text("resource"),
  };
}

/** Throws when the server does not answer, or with nonsense. A server without the file serves a local page. */
export async function loadConfig(): Promise<PageConfig> {
  const response = await fetch("/config.json");
  if (response.status === 404) return { auth: "local" };
  if (!response.ok) throw new Error(`/config.json could not be loaded (HTTP ${response.status}).`);
  return readConfig(await response.json());
}
