/** What a tag covers: every word of a row that decides something, each in its own place. */
import { randomBytes } from "node:crypto"
import { assert, describe, it } from "vitest"
import { hmac, hmacKey } from "../../../src/crypto/Hmac.ts"
import * as RowTags from "../../../src/crypto/RowTags.ts"
import type { ClientCredential } from "../../../src/domain/ClientCredential.ts"
import type { HotToken } from "../../../src/domain/HotToken.ts"
import { busPrincipal } from "../../../src/domain/Principal.ts"
import type { ProviderEntry } from "../../../src/domain/ProviderEntry.ts"
import type { Refresh } from "../../../src/domain/Refresh.ts"
import type { TenantSettings } from "../../../src/domain/Tenant.ts"
import type { RevokeAll } from "../../../src/store/RevokeAll.ts"
import { credentialRow } from "../../support/credentialRows.ts"

const tag = { mac: new Uint8Array(16), expiresAt: null, overlapEndsAt: null, endedBy: null }
const token: HotToken = {
  tenantId: "demo",
  appName: "app",
  tokenId: "0190a0b0-0000-7000-8000-000000000001",
  endpointId: "endpoint",
  status: "Active",
  version: 3,
  endsAt: null,
  ending: "expired",
  readSeq: 1,
  cacheKey: "00".repeat(32),
  tag
}

describe("RowTags", () => {
  it("a token's covers all that a validation is decided by, and not what is read beside it", () => {
    const others: ReadonlyArray<Partial<HotToken>> = [
      { tenantId: "demo2" },
      { appName: "app2" },
      { tokenId: "0190a0b0-0000-7000-8000-000000000002" },
      { endpointId: "endpoint2" },
      { status: "Inactive" },
      { version: 4 },
      { tag: { ...tag, expiresAt: 0 } },
      { tag: { ...tag, overlapEndsAt: 0 } },
      { tag: { ...tag, overlapEndsAt: 1 } },
      { tag: { ...tag, endedBy: "rotated" } },
      { cacheKey: `${"00".repeat(31)}01` }
    ]
    const texts = [token, ...others.map((other) => ({ ...token, ...other }))].map(RowTags.ofHotToken)
    assert.strictEqual(new Set(texts).size, texts.length)
    const read: HotToken = { ...token, readSeq: 9, tag: { ...tag, mac: new Uint8Array(16).fill(1) } }
    assert.strictEqual(RowTags.ofHotToken(read), texts[0])
    assert.isNull(RowTags.ofHotToken({ ...token, tag: undefined }), "a row without a tag says nothing")
    // `endsAt` and `ending` follow from the words that are covered.
    const isSeen = Object.keys(token).length
    assert.strictEqual(isSeen, 11, "a word more of a token is to be covered, or said here that it need not be")
  })

  it("is not the same for two rows whose words only lie otherwise", () => {
    const one = RowTags.ofHotToken({ ...token, appName: "a 1:b", endpointId: "c" })
    const two = RowTags.ofHotToken({ ...token, appName: "a", endpointId: "b 1:c" })
    assert.notStrictEqual(one, two)
    const three = RowTags.ofHotToken({ ...token, appName: "a b", endpointId: "c" })
    assert.notStrictEqual(three, RowTags.ofHotToken({ ...token, appName: "a", endpointId: "b c" }))
  })

  it("a credential's covers every word of it but the notices that were given", () => {
    const credential = credentialRow({ tenantId: "demo", credentialId: token.tokenId, serviceName: "svc" })
    const text = RowTags.ofCredential(credential)
    for (const [name, value] of Object.entries(credential)) {
      const other =
        typeof value === "number" ? value + 1 : name === "owner" ? { level: "user", userId: "u" } : ["other"]
      const changed = RowTags.ofCredential({ ...credential, [name]: other })
      if (name === "noticedMs") assert.strictEqual(changed, text)
      else assert.notStrictEqual(changed, text, name)
    }
    const state = { provider: "p" } as unknown as Refresh
    const texts = [{}, { refresh: state }, { formerRefresh: state }].map((over) =>
      RowTags.ofCredential({ ...credential, ...over })
    )
    assert.strictEqual(new Set(texts).size, 3, "of the grants that it is refreshed by, or was")
  })

  it("a client credential's and a provider's cover every word that decides something", () => {
    const client: ClientCredential = {
      credentialId: token.tokenId,
      tenantId: "demo",
      clientId: "c",
      name: { kind: "basic", username: "anna" },
      passwordHash: "$argon2id$1",
      status: "Active",
      version: 1,
      reason: null,
      description: null,
      createdAt: 1,
      updatedAt: 1,
      createdBy: "bus",
      updatedBy: "bus"
    }
    const clients: ReadonlyArray<Partial<ClientCredential>> = [
      { credentialId: "0190a0b0-0000-7000-8000-000000000002" },
      { tenantId: "demo2" },
      { clientId: null },
      { name: { kind: "basic", username: "berta" } },
      { name: { kind: "certificate", issuer: "anna", serialNumber: "1" } },
      { name: { kind: "certificate", issuer: "anna", serialNumber: "2" } },
      { passwordHash: "$argon2id$2" },
      { passwordHash: null },
      { status: "Inactive" },
      { version: 2 }
    ]
    const ofClients = [client, ...clients.map((other) => ({ ...client, ...other }))].map(RowTags.ofClient)
    assert.strictEqual(new Set(ofClients).size, ofClients.length)

    const definition = { name: "crm", token_url: "https://a.example/token" }
    const entry: ProviderEntry = {
      tenantId: "demo",
      name: "crm",
      providerId: token.tokenId,
      version: 1,
      definition,
      clientId: "c",
      secrets: 1,
      hasKey: false
    } as unknown as ProviderEntry
    const entries: ReadonlyArray<object> = [
      { tenantId: "demo2" },
      { name: "crm2" },
      { providerId: "0190a0b0-0000-7000-8000-000000000002" },
      { version: 2 },
      { definition: { ...definition, token_url: "https://b.example/token" } },
      { clientId: null },
      { secrets: 2 },
      { hasKey: true }
    ]
    const ofEntries = [entry, ...entries.map((other): ProviderEntry => ({ ...entry, ...other }))].map(
      RowTags.ofProvider
    )
    assert.strictEqual(new Set(ofEntries).size, ofEntries.length)
  })

  it("that of a population which is being revoked covers every word of it", () => {
    const one: RevokeAll = {
      operationId: token.tokenId,
      tenantId: "demo",
      population: { applications: ["app"], endpointIds: null, createdBefore: null, createdBy: null, unusedSince: null },
      reason: null,
      asker: busPrincipal,
      correlationId: "c",
      matched: 3,
      isAtLeast: false,
      done: 1,
      place: { street: 0, after: null },
      startedAt: 1,
      finishedAt: null
    }
    const text = RowTags.ofRevokeAll(one)
    for (const name of Object.keys(one)) {
      assert.notStrictEqual(RowTags.ofRevokeAll({ ...one, [name]: "other" }), text, name)
    }
  })

  it("a tenant's covers which services are off, in whatever order they are told", () => {
    const tenant = { tenantId: "demo", createdAt: 1, removedAt: null }
    const off = (...names: ReadonlyArray<string>) => RowTags.ofTenant(tenant, RowTags.servicesOff(names))
    assert.strictEqual(off("a", "b"), off("b", "a"))
    assert.strictEqual(new Set([off(), off("a"), off("b"), off("a", "b")]).size, 4)
    assert.notStrictEqual(off(), RowTags.ofTenant({ ...tenant, removedAt: 2 }, ""))
  })

  it("a tenant's settings' covers each word of whom it believes, and that it believes nobody", () => {
    const issuer = { issuer: "https://a.test/", audience: "cm", jwksUri: null }
    const of = (over: object, settings?: TenantSettings) =>
      RowTags.ofTenantSettings({
        ...{ tenantId: "demo", name: null, createdAt: 1, removedAt: null },
        ...over,
        ...(settings === undefined ? {} : { settings })
      })
    const own = { issuer, retentionMs: 5, limits: { tokens: 1 } }
    const texts = [
      of({}),
      of({ tenantId: "other" }),
      of({ createdAt: 2 }),
      of({ removedAt: 2 }),
      of({}, own),
      of({}, { ...own, issuer: null }),
      of({}, { ...own, issuer: { ...issuer, issuer: "https://b.test/" } }),
      of({}, { ...own, issuer: { ...issuer, audience: "other" } }),
      of({}, { ...own, issuer: { ...issuer, jwksUri: "https://b.test/keys" } }),
      of({}, { ...own, retentionMs: 6 }),
      of({}, { ...own, limits: { tokens: 2 } })
    ]
    assert.strictEqual(new Set(texts).size, texts.length)
  })

  it("long texts are hashed like short ones, and the key stays", () => {
    const material = randomBytes(32)
    const [small, large] = [hmacKey(material, 16), hmacKey(material, 4_096)]
    for (const length of [0, 15, 16, 17, 1_000, 5_000, 3]) {
      const text = "é".repeat(length)
      assert.deepStrictEqual(hmac(small, text), hmac(large, text))
    }
  })
})
