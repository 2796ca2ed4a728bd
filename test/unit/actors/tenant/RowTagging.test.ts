// Verifies R-SEC-30.
/** A row that was changed outside of the service gets no tag by a change of ours: it would be believed from then on. */
import { assert, describe, it } from "vitest"
import { holdingIn, tagged } from "../../../../src/actors/tenant/RowTagging.ts"
import * as RowTags from "../../../../src/crypto/RowTags.ts"
import { noSettings, type TenantSettings, withSettings } from "../../../../src/domain/Tenant.ts"
import { atOnce } from "../../../../src/observability/Pieces.ts"
import { type Changes, type Loaded, noChanges } from "../../../../src/store/TenantStore.ts"
import { credentialRow, nextId } from "../../../support/credentialRows.ts"
import { aToken } from "../../../support/storeFixtures.ts"
import { tagOf } from "../../../support/tenantWorld.ts"

const tagger = {
  rowTag: (text: string) => tagOf(text),
  rowHolds: (tag: Uint8Array | undefined, text: string | null) =>
    tag !== undefined && text !== null && Buffer.compare(tag, tagOf(text)) === 0
}

const tenant = { tenantId: "acme", name: null, createdAt: 1, removedAt: null }
const loadedWith = (more: Partial<Loaded>): Loaded => ({
  tenant: { ...tenant, settingsMac: tagOf(RowTags.ofTenantSettings(tenant)) },
  revocationSeq: 1,
  now: 5_000,
  tokens: new Map(),
  endpointCounts: new Map(),
  applications: new Map(),
  applicationTokenCounts: new Map(),
  tenantTokenCount: 0,
  stock: { tokens: 0, credentials: 0, clients: 0 },
  idempotent: new Map(),
  ...more
})

describe("a changed token", () => {
  const token = aToken("acme", "app")
  const mac = tagOf(RowTags.ofToken(token))
  const after = { ...token, status: "Suspended" as const, version: 2 }
  const macAfter = (row: typeof token & { readonly mac?: Uint8Array | undefined }) => {
    const loaded = loadedWith({ tokens: new Map([[token.tokenId, row]]) })
    const changes = { ...noChanges, tokensUpdated: [{ ...after, mac: row.mac }] }
    return atOnce(tagged("acme", loaded, changes, holdingIn(loaded, tagger), tagger)).tokensUpdated[0]?.mac
  }

  it("has the tag of what it says now when it held, and none when it did not", () => {
    assert.deepStrictEqual(macAfter({ ...token, mac }), tagOf(RowTags.ofToken(after)))
    assert.isUndefined(macAfter({ ...token, endpointId: "another", mac }))
    assert.isUndefined(macAfter(token))
  })
})

describe("a changed credential", () => {
  const credential = credentialRow({ tenantId: "acme", credentialId: nextId(), serviceName: "crm" })
  const mac = tagOf(RowTags.ofCredential(credential))
  const after = { ...credential, version: credential.version + 1 }
  const loadedOf = (row: typeof credential) =>
    loadedWith({
      credentials: {
        credentials: new Map([[credential.credentialId, row]]),
        versions: new Map(),
        services: new Map(),
        serviceCount: null,
        servicesOff: null,
        tenants: new Map()
      }
    })
  const macAfter = (row: typeof credential) => {
    const loaded = loadedOf(row)
    const credentials = {
      inserted: [],
      updated: [{ ...after, mac: row.mac }],
      deleted: [],
      versions: [],
      services: [],
      versionsDeleted: []
    }
    const changes = { ...noChanges, credentials } as unknown as Parameters<typeof tagged>[2]
    return atOnce(tagged("acme", loaded, changes, holdingIn(loaded, tagger), tagger)).credentials?.updated[0]?.mac
  }

  it("has the tag of what it says now when it held, and none when it did not", () => {
    assert.deepStrictEqual(macAfter({ ...credential, mac }), tagOf(RowTags.ofCredential(after)))
    assert.isUndefined(macAfter({ ...credential, allowedConsumers: ["somebody"], mac }))
  })

  it("is read by nobody while its tenant's row is not there", () => {
    assert.isFalse(holdingIn(loadedOf({ ...credential, mac }), tagger).tenant("acme"))
  })
})

describe("a tenant's settings", () => {
  const configured = { name: null, settings: { issuer: null, retentionMs: 7, limits: {} } }

  it("are tagged when they are configured over a row that held, and not otherwise", () => {
    const changes = { ...noChanges, tenantConfigured: configured }
    const macOf = (loaded: Loaded) =>
      atOnce(tagged("acme", loaded, changes, holdingIn(loaded, tagger), tagger)).tenantSettingsMac
    assert.instanceOf(macOf(loadedWith({})), Uint8Array)
    assert.isUndefined(macOf(loadedWith({ tenant: { ...tenant, settingsMac: tagOf("something else") } })))
  })

  it("are tagged as they stand then: made when they were, and removed once", () => {
    const macOf = (removedAt: number | null, change: Partial<Changes>) => {
      const before = { ...tenant, removedAt }
      const loaded = loadedWith({
        tenant: { ...before, settingsMac: tagOf(RowTags.ofTenantSettings(before)) }
      })
      return atOnce(tagged("acme", loaded, { ...noChanges, ...change }, holdingIn(loaded, tagger), tagger))
        .tenantSettingsMac
    }
    const tagAt = (removedAt: number | null, settings: TenantSettings = noSettings) =>
      tagOf(RowTags.ofTenantSettings(withSettings({ ...tenant, removedAt }, settings)))
    const change = { tenantConfigured: configured }
    assert.deepStrictEqual(macOf(null, change), tagAt(null, configured.settings))
    assert.deepStrictEqual(macOf(4_000, change), tagAt(4_000, configured.settings))
    assert.deepStrictEqual(macOf(null, { tenantRemoved: true }), tagAt(5_000))
    assert.deepStrictEqual(macOf(4_000, { tenantRemoved: true }), tagAt(4_000))
  })
})

describe("a row that a whole group asks about", () => {
  const whole = { tenantId: "acme", createdAt: 1, removedAt: null, servicesOff: "" }
  const rowOf = (tenantId: string) => credentialRow({ tenantId, credentialId: nextId(), serviceName: "crm" })
  const [good, forged, without] = [rowOf("acme"), rowOf("acme"), rowOf("acme")]
  const loaded = loadedWith({
    credentials: {
      credentials: new Map([
        [good.credentialId, { ...good, mac: tagOf(RowTags.ofCredential(good)) }],
        [forged.credentialId, { ...forged, allowedConsumers: ["thief"], mac: tagOf(RowTags.ofCredential(forged)) }],
        [without.credentialId, without]
      ]),
      versions: new Map(),
      services: new Map(),
      serviceCount: null,
      servicesOff: null,
      tenants: new Map([
        ["acme", { ...whole, mac: tagOf(RowTags.ofTenant(whole, "")) }],
        ["other", { ...whole, tenantId: "other", mac: tagOf(RowTags.ofTenant(whole, "")) }]
      ])
    }
  })
  const counting = () => {
    const counts = { compared: 0 }
    const holding = holdingIn(loaded, {
      ...tagger,
      rowHolds: (tag, text) => {
        counts.compared += 1
        return tagger.rowHolds(tag, text)
      }
    })
    return { counts, holding }
  }

  it("is compared once, each by itself, in whatever order, and anew in the next transaction", () => {
    const ids = [good, forged, without].map(({ credentialId }) => credentialId)
    for (const order of [ids, ids.toReversed()]) {
      const { counts, holding } = counting()
      for (let n = 0; n < 64; n++) {
        assert.deepStrictEqual(
          order.map(holding.credential),
          order.map((id) => id === good.credentialId)
        )
        assert.deepStrictEqual(["acme", "other", "nobody"].map(holding.tenant), [true, false, false])
      }
      assert.strictEqual(counts.compared, 5)
    }
  })
})
