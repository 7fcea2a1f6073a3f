// The OpenID provider of `ingestor up --auth` and of tests: anybody may choose who to be, so it listens on
// loopback only. Its one argument is a JSON object:
//
//   { issuer, port, modules, keys, origins, tokenSeconds }
//
// modules: a folder whose node_modules has oidc-provider; keys: the file of its private keys, made when it is
// missing; origins: where the page is served; tokenSeconds: how long an access token lasts.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const AUDIENCE = "ingestor";
const RESOURCE = "urn:ingestor";
const DAY = 24 * 60 * 60;
const HOST = "127.0.0.1";

const options = JSON.parse(process.argv[2]);
const library = createRequire(`${options.modules}/`).resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(library).href);
const users = JSON.parse(readFileSync(new URL("./users.json", import.meta.url), "utf8"));

// The keys outlive a restart, so that tokens do.
function signingKeys(file) {
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const key = { ...privateKey.export({ format: "jwk" }), kid: randomBytes(8).toString("hex") };
    writeFileSync(file, JSON.stringify({ keys: [{ ...key, use: "sig", alg: "RS256" }] }), { mode: 0o600 });
  }
  return JSON.parse(readFileSync(file, "utf8"));
}

function claimsOf(id) {
  const user = users.find((each) => each.id === id);
  return user && { name: user.name, tenants: user.tenants, roles: user.roles };
}

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text) => String(text).replace(/[&<>"']/g, (character) => escapes[character]);

function show(ctx, title, body) {
  ctx.type = "html";
  ctx.body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; color: #222; background: #fff }
ul { list-style: none; padding: 0 }
button { font: inherit; padding: .5rem .75rem; border: 1px solid #888; border-radius: 6px; background: #f6f6f6; color: #222; cursor: pointer }
button:hover, button:focus { border-color: #114; background: #e8ecff }
li button { width: 100%; margin: .15rem 0; text-align: left }
small { color: #555 }
input[type=text] { font: inherit; padding: .5rem; text-transform: uppercase }
.note { padding: .5rem .75rem; border-left: 4px solid #b58900; background: #fff8e1 }
</style>
</head>
<body><main><h1>${title}</h1>
<p class="note">A demonstration on this machine: whoever opens this page may choose who to be. Not for use on a network.</p>
${body}</main></body></html>`;
}

const client = {
  token_endpoint_auth_method: "none",
  response_types: [],
  id_token_signed_response_alg: "RS256",
};
const page = options.origins;
const provider = new Provider(options.issuer, {
  clients: [
    {
      ...client,
      client_id: "ingestor-page",
      client_name: "the page of Data Ingestor",
      response_types: ["code"],
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: page.flatMap((origin) => [`${origin}/signed-in`, `${origin}/`]),
      post_logout_redirect_uris: page.flatMap((origin) => [`${origin}/`, origin]),
    },
    {
      ...client,
      client_id: "ingestor-cli",
      client_name: "the command line of Data Ingestor",
      grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
      redirect_uris: [],
    },
  ],
  jwks: signingKeys(options.keys),
  cookies: { keys: [randomBytes(32).toString("hex")] },
  responseTypes: ["code"],
  scopes: ["openid", "offline_access"],
  claims: { openid: ["sub"], profile: ["name", "tenants", "roles"] },
  // The ID token tells the name; nobody has to ask for it.
  conformIdTokenClaims: false,
  clientBasedCORS: (_ctx, origin) => page.includes(origin),
  extraTokenClaims: (_ctx, token) => claimsOf(token.accountId),
  findAccount: (_ctx, id) => {
    const claims = claimsOf(id);
    return claims && { accountId: id, claims: () => ({ sub: id, ...claims }) };
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: (_ctx, known) => known.grantTypeAllowed("refresh_token"),
  // Whoever signs in agrees.
  loadExistingGrant: async (ctx) => {
    const { oidc } = ctx;
    const known = oidc.session.grantIdFor(oidc.client.clientId);
    const grant =
      (known && (await provider.Grant.find(known))) ??
      new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope("openid profile offline_access");
    grant.addResourceScope(RESOURCE, AUDIENCE);
    await grant.save();
    return grant;
  },
  features: {
    devInteractions: { enabled: false },
    dPoP: { enabled: false },
    pushedAuthorizationRequests: { enabled: false },
    revocation: { enabled: true },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (ctx, form, _out, error) =>
        show(
          ctx,
          "Sign in on the command line",
          `<p>${error ? "This code is not known, or is too old. " : ""}Enter the code that the command line shows.</p>
${form}<button type="submit" form="op.deviceInputForm">Continue</button>`,
        ),
      userCodeConfirmSource: (ctx, form, _client, _info, code) =>
        show(
          ctx,
          "Sign in on the command line",
          `<p>Does the command line show this code: <strong>${escaped(code)}</strong>?</p>
${form}<button autofocus type="submit" form="op.deviceConfirmForm">Yes, sign in</button>
<button type="submit" form="op.deviceConfirmForm" value="yes" name="abort">No</button>`,
        ),
      successSource: (ctx) =>
        show(ctx, "Signed in", "<p>Go back to the command line. You can close this page.</p>"),
    },
    rpInitiatedLogout: {
      enabled: true,
      // The page that sends a person here with an ID token has asked already.
      logoutSource: (ctx, form) =>
        show(
          ctx,
          "Sign out",
          `${form}<button id="yes" autofocus type="submit" form="op.logoutForm" value="yes" name="logout">Sign out</button>
${ctx.oidc.entities.IdTokenHint ? '<script>document.getElementById("yes").click()</script>' : ""}`,
        ),
      postLogoutSuccessSource: (ctx) => show(ctx, "Signed out", "<p>You can close this page.</p>"),
    },
    // Access tokens are JWT for the suite, whether or not a client names it as the resource.
    resourceIndicators: {
      enabled: true,
      defaultResource: () => RESOURCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: AUDIENCE,
        audience: AUDIENCE,
        accessTokenFormat: "jwt",
        accessTokenTTL: options.tokenSeconds,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  renderError: (ctx, out) =>
    show(ctx, "This did not work", `<p>${escaped(out.error_description ?? out.error)}</p>`),
  ttl: {
    AccessToken: options.tokenSeconds,
    DeviceCode: 600,
    Grant: 14 * DAY,
    IdToken: options.tokenSeconds,
    Interaction: 3600,
    RefreshToken: 14 * DAY,
    Session: 14 * DAY,
  },
});

async function form(request) {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 10_000) break;
  }
  return new URLSearchParams(text);
}

// The page on which a person signs in.
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/interaction/")) return next();
  ctx.set("cache-control", "no-store");
  let details;
  try {
    details = await provider.interactionDetails(ctx.req, ctx.res);
  } catch {
    ctx.status = 400;
    return show(ctx, "This did not work", "<p>The sign-in is too old. Begin again at the page you came from.</p>");
  }
  if (ctx.method === "POST") {
    const id = (await form(ctx.req)).get("user");
    if (claimsOf(id)) {
      const result = { login: { accountId: id } };
      const options = { mergeWithLastSubmission: false };
      ctx.status = 303;
      ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result, options));
      return;
    }
  }
  const known = await provider.Client.find(details.params.client_id);
  const choices = users.map(
    (user) => `<li><button name="user" value="${escaped(user.id)}">${escaped(user.name)}
<br><small>${escaped(user.id)}: ${escaped(user.roles.join(", "))}</small></button></li>`,
  );
  show(
    ctx,
    "Sign in",
    `<p>Who signs in to ${escaped(known.clientName)}?</p>
<form method="post"><ul>${choices.join("\n")}</ul></form>`,
  );
});

provider.on("server_error", (_ctx, error) => console.error(error));
// A page of elsewhere that lets its own name point to this machine (DNS rebinding) must not choose for a person.
const { host } = new URL(options.issuer);
const answer = provider.callback();
const server = createServer((request, response) => {
  if (request.headers.host === host) answer(request, response);
  else response.writeHead(403).end(`Call ${options.issuer}.\n`);
});
server.listen(options.port, HOST, () => console.log(`listening at ${options.issuer}`));
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}
