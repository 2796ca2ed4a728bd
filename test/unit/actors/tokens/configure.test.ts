// Verifies R-LIM-1, R-SEC-30.
import { Result } from "effect"
import { assert, describe, it } from "vitest"
import { allHold } from "../../../../src/actors/tenant/RowTagging.ts"
import { Workspace } from "../../../../src/actors/tenant/Workspace.ts"
import { configureTenant, settingsAfter } from "../../../../src/actors/tokens/commands/configure.ts"
import { noSettings, settingsOf, withSettings } from "../../../../src/domain/Tenant.ts"
import type { OutboxEntry } from "../../../../src/store/TenantStore.ts"
import { aMessage } from "../../../support/storeFixtures.ts"
import { operator } from "../../../support/tenantWorld.ts"

const told = (): OutboxEntry => aMessage()
const row = { tenantId: "acme", name: null, createdAt: 0, removedAt: null }
const workspaceOf = (limits: Record<string, number>, holds = true): Workspace =>
  new Workspace(
    "acme",
    {
      tenant: withSettings(row, { ...noSettings, limits }),
      revocationSeq: 7,
      now: 5_000,
      tokens: new Map(),
      endpointCounts: new Map(),
      applications: new Map(),
      applicationTokenCounts: new Map(),
      tenantTokenCount: 0,
      stock: { tokens: 0, credentials: 0, clients: 0 },
      idempotent: new Map()
    },
    { ...allHold, settings: () => holds }
  )

describe("a tenant's limits", () => {
  it("travel with the change as they are after it, to every replica", () => {
    const workspace = workspaceOf({ tokens: 5 })
    const configured = configureTenant({ limits: { batchItems: 3 } }, told, operator).decide(workspace)
    assert.deepStrictEqual(settingsOf(Result.getOrThrow(configured)).limits, { tokens: 5, batchItems: 3 })
    assert.deepStrictEqual(workspace.changes().revocation?.targets, [
      { kind: "settings", limits: { tokens: 5, batchItems: 3 } }
    ])
  })

  it("are taken back by null, and stay where nothing is said", () => {
    const limitsAfter = (limits: Record<string, number | null>) =>
      Result.getOrThrow(settingsAfter({ ...noSettings, limits: { tokens: 5, batchItems: 3 } }, { limits })).limits
    assert.deepStrictEqual(limitsAfter({ tokens: null }), { batchItems: 3 })
    assert.deepStrictEqual(limitsAfter({}), { tokens: 5, batchItems: 3 })
  })

  it("are not set on a row that was changed outside of the service, and nothing is written", () => {
    const workspace = workspaceOf({}, false)
    const configured = configureTenant({ limits: { tokens: 1 } }, told, operator).decide(workspace)
    assert.isTrue(Result.isFailure(configured) && configured.failure._tag === "RowChanged")
    assert.isNull(workspace.changes().revocation)
    assert.isUndefined(workspace.changes().tenantConfigured)
  })

  it("that are as they were change nothing", () => {
    const workspace = workspaceOf({ tokens: 5 })
    configureTenant({ limits: { tokens: 5 } }, told, operator).decide(workspace)
    assert.isNull(workspace.changes().revocation)
    assert.lengthOf(workspace.changes().audit, 0)
  })
})
