/** Requests of each operation that together hold every field which it knows. */

const date = "2027-01-01T00:00:00.000Z"
const user = { level: "user", user_id: "u1" }
const page = { limit: 20, cursor: "c" }
const change = { expectedVersion: 1, reason: "r" }
const byId = { tokenId: "t", ...change }
const byValue = { appName: "app", token: "value" }
const provision = { endpointId: "e", token: "value", expiresDate: date, description: "d" }
const named = { service_name: "outlook", owner: user, seal_to: "X", min_ttl: "PT1M" }

export const samples: Readonly<Record<string, ReadonlyArray<object>>> = {
  "application.register": [{ appName: "app" }],
  "application.list": [page],
  "application.remove": [{ appName: "app" }],
  "token.provision": [{ appName: "app", ...provision }],
  "token.provision-batch": [{ appName: "app", items: [provision] }],
  "token.get": [{ tokenId: "t" }],
  "token.list": [
    {
      appName: "app",
      endpointId: "e",
      status: ["Active"],
      order: "ASC",
      createdBy: "bus",
      unusedSince: date,
      expiringBefore: date,
      ...page
    }
  ],
  "token.transition": [
    { ...byId, targetStatus: "Revoked" },
    { ...byValue, targetStatus: "Revoked" }
  ],
  "token.suspend": [byId, byValue],
  "token.activate": [byId, byValue],
  "token.revoke": [byId, byValue],
  "token.transition-batch": [{ tokenIds: ["t"], targetStatus: "Revoked", reason: "r" }],
  "token.revoke-all": [
    {
      applications: ["app"],
      endpointIds: ["e"],
      createdBefore: date,
      createdBy: "bus",
      unusedSince: date,
      dryRun: true,
      reason: "r"
    }
  ],
  "token.revoke-all-status": [{ operationId: "o" }],
  "token.rotate": [{ tokenId: "t", overlap: "PT0S", token: "value", expectedVersion: 1 }],
  "token.delete": [{ tokenId: "t", expectedVersion: 1 }, { endpointId: "e" }],
  "token.validate": [{ ...byValue, dryRun: true }],
  "token.validate-batch": [{ items: [byValue] }],
  "client-credential.create-basic": [{ username: "u", password: "p", clientId: "c", description: "d" }],
  "client-credential.create-certificate": [{ issuer: "CN=x", serialNumber: "1", clientId: "c" }],
  "client-credential.get": [{ credentialId: "c" }],
  "client-credential.list": [{ clientId: "c", kind: "basic", status: ["Active"], ...page }],
  "client-credential.transition": [{ credentialId: "c", targetStatus: "Revoked", ...change }],
  "client-credential.suspend": [{ credentialId: "c", ...change }],
  "client-credential.activate": [{ credentialId: "c", ...change }],
  "client-credential.revoke": [{ credentialId: "c", ...change }],
  "client-credential.delete": [{ credentialId: "c", expectedVersion: 1 }],
  "credential.store": [
    {
      service_name: "outlook",
      type: "api_key",
      credentials: { api_key: "k" },
      scopes: ["s"],
      expires_at: date,
      owner: user,
      allowed_consumers: ["mail"],
      rotation: { every: "P1D" },
      metadata: { note: { deep: 1 } }
    }
  ],
  "credential.get": [named, { credential_id: "c" }],
  "credential.describe": [named, { credential_id: "c" }],
  "credential.list": [{ service_name: "outlook", is_active: true, expiring_within: "P1D", ...page }],
  "credential.rotate": [
    { credential_id: "c", credentials: { api_key: "k" }, expires_at: date, overlap: "PT0S", expected_version: 1 }
  ],
  "credential.reconnect": [{ credential_id: "c", credentials: { access_token: "k" }, expires_at: date }],
  "provider.put": [
    {
      name: "acme",
      token_url: "https://provider.example/token",
      grant: "refresh_token",
      client_auth: "post",
      assertion_audience: "issuer",
      issuer: "https://provider.example",
      method: "POST",
      body_format: "form",
      token_params: { audience: "a" },
      params: { domain: { pattern: "[a-z]+" } },
      access_token_path: "/access_token",
      refresh_token_path: "/refresh_token",
      expires_in_path: "/expires_in",
      expires_in_unit: "seconds",
      default_lifetime: "PT1H",
      refresh_before: "PT5M",
      refresh_at: 0.5,
      refresh_tokens: "rotate",
      grace: "PT1M",
      reuse: "refuse",
      grant_lifetime: "P60D",
      grant_idle_lifetime: "P30D",
      errors: [
        { status: 400, code: "c", path: "/error", contains: "x", is: "permanent", reason: "consent_revoked" },
        { code: 190, is: "transient" }
      ],
      rate_per_minute: 60,
      parallel: 4,
      health: { url: "https://provider.example/me", method: "GET", every: "P1D", ok: [200] },
      revoke_url: "https://provider.example/revoke",
      client_id: "id",
      client_secrets: ["s"],
      client_key: { kty: "EC" }
    }
  ],
  "provider.get": [{ name: "acme" }],
  "provider.list": [{}],
  "provider.delete": [{ name: "acme" }],
  "rotator.put": [
    {
      name: "acme",
      seal_to: "XAB4S3BBZMYZXDTTCVMOSVPBI5J46HMCKVLGJ2D3PEWSIXZHX77GEDJF",
      generate: { length: 32, alphabet: "abcdefgh" }
    }
  ],
  "rotator.get": [{ name: "acme" }],
  "rotator.list": [{}],
  "rotator.delete": [{ name: "acme" }],
  "credential.update": [
    {
      rotation: { provider: "acme" },
      credential_id: "c",
      allowed_consumers: ["mail"],
      scopes: ["s"],
      expires_at: date,
      metadata: { note: "n" },
      expected_version: 1
    }
  ],
  "credential.revoke": [{ credential_id: "c", reason: "r", at_provider: true, expected_version: 1 }],
  "credential.history": [{ credential_id: "c" }],
  "credential.delete": [{ credential_id: "c", expected_version: 1 }],
  "service.list": [page],
  "service.enable": [{ service_name: "outlook" }],
  "service.disable": [{ service_name: "outlook", reason: "r" }],
  "audit.list": [{ entityId: "e", from: 1, to: date, ...page }],
  "admin audit.list": [{ tenantId: "t", entityId: "e", from: 1, to: date, ...page }],
  "audit.sign": [{ tenantId: "t" }],
  "audit.cut": [
    { tenantId: "t", before: 3 },
    { tenantId: "t", before: date }
  ],
  "audit.accept": [{ tenantId: "t", lost: { seq: 9, hash: "0".repeat(64) }, reason: "r" }],
  "audit.repair": [{ tenantId: "t", seq: 1 }],
  "audit.verify": [{ from: date, to: 2 }],
  "tenants.list": [page],
  "tenants.create": [
    { tenantId: "t", name: "n", issuer: "https://a.example", audience: "cm", jwksUri: "https://a.example/k" }
  ],
  "tenants.configure": [
    {
      tenantId: "t",
      name: "n",
      issuer: "https://a.example",
      audience: "cm",
      jwksUri: null,
      retention: "P1D",
      limits: {
        requestsInFlight: 1,
        missesPerSecond: 1,
        tokens: 1,
        credentials: 1,
        clientCredentials: 1,
        loginsPerSecond: 1,
        batchItems: null
      }
    }
  ],
  "tenants.resolve": [{ issuer: "https://a.example" }],
  "tenants.remove": [{ tenantId: "t" }],
  "keys.list": [page],
  "keys.rotate": [{}, { purpose: "seal", force: true }],
  "keys.status": [{}],
  "keys.retire": [{ keyId: "k" }],
  "outbox.list": [{ limit: 1, cursor: "c" }],
  "outbox.release": [{ id: 1, action: "retry" }],
  health: [{}],
  ready: [{}],
  metrics: [{}],
  "config.show": [{}],
  drain: [{}]
}

/** Whose samples these are: an operation by its name; one that stands in both families by its family, too. */
export const sampleKeyOf = ({ family, name }: { readonly family: string; readonly name: string }): string =>
  family === "admin" && name in samples && `admin ${name}` in samples ? `admin ${name}` : name
