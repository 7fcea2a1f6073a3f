"""The OpenID provider of a demonstration (provider.mjs, run by Node.js) and its people (users.json)."""
