// Verifies R-PLT-3, R-PLT-11.
/** What goes out of service and comes back, by when was read what says so. */
import { Result } from "effect"
import { assert, describe, it } from "vitest"
import { Workspace } from "../../../../src/actors/tenant/Workspace.ts"
import { putBackIntoService, takeOutOfService } from "../../../../src/actors/tokens/commands/service.ts"
import { servicePrincipal } from "../../../../src/domain/Principal.ts"
import type { OutReason } from "../../../../src/domain/Tenant.ts"
import { isEmpty } from "../../../../src/store/checkChanges.ts"

const caller = { ...servicePrincipal("scmp"), correlationId: "c", idempotency: null }
const decidedAt = 1_000
const workspaceOf = (outOfService: OutReason | null): Workspace =>
  new Workspace("demo", {
    tenant: { tenantId: "demo", name: null, createdAt: 0, removedAt: null },
    revocationSeq: 7,
    now: 5_000,
    tokens: new Map(),
    endpointCounts: new Map(),
    applications: new Map([
      ["app", { appName: "app", tenantId: "demo", createdAt: 0, removedAt: null, outOfService, decidedAt }]
    ]),
    applicationTokenCounts: new Map(),
    tenantTokenCount: 0,
    stock: { tokens: 0, credentials: 0, clients: 0 },
    idempotent: new Map()
  })

describe("an application", () => {
  for (const [name, out, command] of [
    ["goes out of service", null, (at: number) => takeOutOfService("app", "absent", at, caller)],
    ["comes back", "absent", (at: number) => putBackIntoService("app", at, caller)]
  ] as const) {
    it(`${name} by what was read later than what decided last`, () => {
      const workspace = workspaceOf(out)
      assert.isTrue(Result.getOrThrow(command(decidedAt).decide(workspace)))
      assert.lengthOf(workspace.changes().applicationsMoved ?? [], 1)
      assert.lengthOf(workspace.changes().audit, 1)
      const taken = out === null ? [{ kind: "application", appName: "app" }] : undefined
      assert.deepStrictEqual(workspace.changes().revocation?.targets, taken as never)
    })
    it(`${name} not by what was read before, and nothing is written of it`, () => {
      const workspace = workspaceOf(out)
      assert.isFalse(Result.getOrThrow(command(decidedAt - 1).decide(workspace)))
      assert.isTrue(isEmpty(workspace.changes()))
    })
  }
  it("that is new was decided about when it was made", () => {
    const workspace = workspaceOf(null)
    workspace.insertApplication("new")
    assert.isFalse(Result.getOrThrow(takeOutOfService("new", "absent", 4_999, caller).decide(workspace)))
  })
})
