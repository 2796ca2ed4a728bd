// Verifies R-TOK-1, R-TOK-3, R-TOK-4, R-TOK-5, R-TOK-7, R-TOK-10, R-TOK-11, R-ACT-5, R-SEC-30.
/** What commands on tokens decide over loaded rows: no clock, no store. Contract 2.1 and 3.2. */

import { Result } from "effect"
import { assert, describe, it } from "vitest"
import type { AnyCommand } from "../../../../src/actors/tenant/Command.ts"
import { allHold } from "../../../../src/actors/tenant/RowTagging.ts"
import type { Caller } from "../../../../src/actors/tenant/Tenants.ts"
import { Workspace } from "../../../../src/actors/tenant/Workspace.ts"
import { removeTenant } from "../../../../src/actors/tokens/commands/applications.ts"
import * as commands from "../../../../src/actors/tokens/commands/tokens.ts"
import { busPrincipal } from "../../../../src/domain/Principal.ts"
import { endingOf, endOf, type Token, type TokenStatus, tokenStatuses } from "../../../../src/domain/Token.ts"
import { atOnce } from "../../../../src/observability/Pieces.ts"
import type { Loaded } from "../../../../src/store/TenantStore.ts"
import { aMessage } from "../../../support/storeFixtures.ts"

const now = 1_800_000_000_000
const caller: Caller = { ...busPrincipal, correlationId: "c", idempotency: null }
const idOf = (n: number) => `0190000${n}-0000-7000-8000-000000000000`

const tokenWith = (changes: Partial<Token>): Token => ({
  tokenId: idOf(1),
  tenantId: "demo",
  appName: "app",
  endpointId: "e",
  status: "Active",
  version: 3,
  tokenHint: null,
  createdAt: now - 10,
  updatedAt: now - 10,
  activatedAt: null,
  lastUsedAt: null,
  expiresAt: null,
  overlapEndsAt: null,
  endedBy: null,
  reason: null,
  description: null,
  createdBy: "bus",
  updatedBy: "bus",
  hash: new Uint8Array(32).fill(1),
  hashKeyId: "k",
  ...changes
})

const loadedOf = (tokens: ReadonlyArray<Token>, changes: Partial<Loaded> = {}): Loaded => ({
  tenant: { tenantId: "demo", name: null, createdAt: 0, removedAt: null },
  revocationSeq: 7,
  now,
  tokens: new Map(tokens.map((token) => [token.tokenId, token])),
  endpointCounts: new Map([["e", tokens.length]]),
  applications: new Map([
    ["app", { appName: "app", tenantId: "demo", createdAt: 0, removedAt: null, outOfService: null, decidedAt: 0 }]
  ]),
  applicationTokenCounts: new Map(),
  tenantTokenCount: tokens.length,
  stock: { tokens: tokens.length, credentials: 0, clients: 0 },
  idempotent: new Map(),
  ...changes
})
const workspaceOf = (tokens: ReadonlyArray<Token>, changes: Partial<Loaded> = {}): Workspace =>
  new Workspace("demo", loadedOf(tokens, changes))
/** As when somebody had written into the tokens' rows. */
const forgedWorkspaceOf = (tokens: ReadonlyArray<Token>): Workspace =>
  new Workspace("demo", loadedOf(tokens), { ...allHold, token: () => false })
const removedApplication = {
  applications: new Map([
    ["app", { appName: "app", tenantId: "demo", createdAt: 0, removedAt: 5, outOfService: null, decidedAt: 0 }]
  ])
}

const hashedAs = (byte: number): commands.HashedValue => ({
  value: "abcdefgh",
  hash: new Uint8Array(32).fill(byte),
  hashKeyId: "k",
  hashes: [Buffer.alloc(32, byte).toString("hex")]
})

// what                 right taken?  sequence raised?  Avro event?
const expected: Record<string, readonly ["unchanged" | "changed" | "forbidden", boolean, boolean]> = {
  "Inactive>Active": ["changed", false, false],
  "Inactive>Suspended": ["forbidden", false, false],
  "Inactive>Revoked": ["changed", true, true],
  "Active>Active": ["unchanged", false, false],
  "Active>Suspended": ["changed", true, true],
  "Active>Revoked": ["changed", true, true],
  "Suspended>Active": ["changed", false, false],
  "Suspended>Suspended": ["unchanged", false, false],
  "Suspended>Revoked": ["changed", true, false],
  "Revoked>Active": ["forbidden", false, false],
  "Revoked>Suspended": ["forbidden", false, false],
  "Revoked>Revoked": ["unchanged", false, false]
}

describe("transition", () => {
  it.each(Object.entries(expected))("%s", (pair, [what, raised, endsSessions]) => {
    const [from, target] = pair.split(">") as [TokenStatus, TokenStatus]
    const workspace = workspaceOf([tokenWith({ status: from })])
    const wanted = { target, expectedVersion: null, reason: "why" }
    const ran = atOnce(workspace.run(commands.transition([{ tokenId: idOf(1) }], wanted, caller)))
    const [item] = Result.getOrThrow(ran.result)
    const changes = workspace.changes()
    assert.strictEqual(Result.isFailure(item!), what === "forbidden")
    assert.strictEqual(changes.tokensUpdated.length, what === "changed" ? 1 : 0)
    assert.strictEqual(changes.revocation?.seq, raised ? 8 : undefined)
    assert.strictEqual(
      workspace.facts.some((fact) => fact.endsSessions),
      endsSessions
    )
    assert.strictEqual(changes.audit.length, what === "changed" ? 1 : 0)
    // What says that a right is gone already is answered only when what went before is in force.
    const saysGone = (what === "unchanged" && target !== "Active") || (what === "forbidden" && from === "Revoked")
    assert.strictEqual(ran.waitsForEarlier, saysGone)
  })

  it("a token that is not found to be deleted may be one whose deletion is not in force yet", () => {
    const ran = atOnce(workspaceOf([tokenWith({})]).run(commands.deleteToken(idOf(2), caller)))
    assert.isTrue(Result.isFailure(ran.result))
    assert.isTrue(ran.waitsForEarlier)
  })

  it("a change raises a token's version by one, whoever makes it, and its row and its event have the same", () => {
    const wanted = { target: "Suspended", expectedVersion: null, reason: null } as const
    const changing: Record<string, readonly [AnyCommand, Partial<Token>]> = {
      asked: [commands.transition([{ tokenId: idOf(1) }], wanted, caller), {}],
      used: [commands.activateOnFirstUse([idOf(1)], caller), { status: "Inactive" }],
      ended: [commands.endTokens([idOf(1)], caller), { expiresAt: now }],
      deleted: [commands.deleteToken(idOf(1), caller), {}],
      purged: [commands.purgeTokens([idOf(1)], caller), {}]
    }
    for (const [what, [command, row]] of Object.entries(changing)) {
      const workspace = workspaceOf([tokenWith(row)])
      assert.isTrue(Result.isSuccess(atOnce(workspace.run(command)).result), what)
      assert.deepStrictEqual(
        workspace.facts.map(({ token }) => token.version),
        [4],
        what
      )
      const versions = workspace.changes().tokensUpdated.map(({ version }) => version)
      assert.deepStrictEqual(versions, what === "deleted" || what === "purged" ? [] : [4], what)
    }
  })

  it("an ended token is Revoked whatever its row says", () => {
    for (const status of tokenStatuses) {
      const workspace = workspaceOf([tokenWith({ status, expiresAt: now })])
      const result = commands
        .transition([{ tokenId: idOf(1) }], { target: "Active", expectedVersion: null, reason: null }, caller)
        .decide(workspace)
      assert.isTrue(Result.isFailure(Result.getOrThrow(result)[0]!), status)
    }
  })

  it.each(["expired", "rotated", "revoked", "Revoked"])(
    "a caller's reason %s is a text, and ends nothing",
    (reason) => {
      const workspace = workspaceOf([tokenWith({})])
      const change = { target: "Revoked", expectedVersion: null, reason } as const
      commands.transition([{ tokenId: idOf(1) }], change, caller).decide(workspace)
      assert.deepInclude(workspace.changes().tokensUpdated[0], { status: "Revoked", reason, endedBy: null })
      assert.deepInclude(workspace.facts[0], { type: "revoked", reason })
    }
  )

  it("another expected version changes nothing", () => {
    const workspace = workspaceOf([tokenWith({})])
    const result = commands
      .transition([{ tokenId: idOf(1) }], { target: "Revoked", expectedVersion: 2, reason: null }, caller)
      .decide(workspace)
    const item = Result.getOrThrow(result)[0]!
    assert.deepInclude(Result.isFailure(item) ? item.failure : {}, { expectedVersion: 2, actualVersion: 3 })
    assert.lengthOf(workspace.changes().tokensUpdated, 0)
  })
})

const transitionOf = (workspace: Workspace, target: "Active" | "Suspended" | "Revoked") => {
  const one = { target, expectedVersion: null, reason: null } as const
  return Result.getOrThrow(commands.transition([{ tokenId: idOf(1) }], one, caller).decide(workspace))[0]!
}
const tagOf = (result: Result.Result<unknown, { readonly _tag: string }>): string =>
  Result.isFailure(result) ? result.failure._tag : "success"

describe("a row that was changed outside of the service", () => {
  it("comes back to no use and has no successor, and loses its right all the same", () => {
    assert.strictEqual(
      tagOf(transitionOf(forgedWorkspaceOf([tokenWith({ status: "Suspended" })]), "Active")),
      "RowChanged"
    )
    assert.strictEqual(tagOf(transitionOf(forgedWorkspaceOf([tokenWith({})]), "Suspended")), "success")
    assert.strictEqual(tagOf(transitionOf(forgedWorkspaceOf([tokenWith({})]), "Revoked")), "success")
    const workspace = forgedWorkspaceOf([tokenWith({})])
    const options = {
      tokenId: idOf(1),
      overlapMs: 0,
      successorId: idOf(2),
      place: { appName: "app", endpointId: "e" },
      hashed: hashedAs(2)
    }
    assert.strictEqual(tagOf(commands.rotate(options, caller).decide(workspace)), "RowChanged")
    assert.isEmpty(workspace.changes().tokensInserted)
  })
})

describe("an expected version", () => {
  const rotation = (expectedVersion: number | null) =>
    commands.rotate(
      {
        tokenId: idOf(1),
        overlapMs: 0,
        successorId: idOf(2),
        place: { appName: "app", endpointId: "e" },
        hashed: hashedAs(2),
        expectedVersion
      },
      caller
    )
  const deletion = (expectedVersion: number | null) => commands.deleteToken(idOf(1), caller, expectedVersion)

  it("that is not the row's keeps it from being rotated and deleted; the row's own, and none, do not", () => {
    for (const [expected, tag] of [
      [6, "VersionConflict"],
      [8, "VersionConflict"],
      [7, "success"],
      [null, "success"]
    ] as const) {
      for (const commandOf of [rotation, deletion]) {
        const workspace = workspaceOf([tokenWith({ version: 7 })])
        assert.strictEqual(tagOf(commandOf(expected).decide(workspace)), tag, String(expected))
        const { audit, tokensDeleted, tokensInserted, tokensUpdated } = workspace.changes()
        const isUntouched = [audit, tokensDeleted, tokensInserted, tokensUpdated].every(({ length }) => length === 0)
        assert.strictEqual(isUntouched, tag !== "success")
      }
    }
  })
})

describe("what a token is shown as", () => {
  it("is Revoked from its end on, whatever its row says, with the nearer of its ends", () => {
    for (const status of tokenStatuses) {
      assert.strictEqual(commands.toRecord(tokenWith({ status, expiresAt: now }), now).status, "Revoked")
      assert.strictEqual(commands.toRecord(tokenWith({ status, expiresAt: now + 1 }), now).status, status)
    }
    const record = commands.toRecord(tokenWith({ expiresAt: now + 9, overlapEndsAt: now + 5 }), now)
    assert.strictEqual(record.expiresAt, now + 5)
  })

  it("is nothing when its application was removed", () => {
    assert.strictEqual(
      tagOf(transitionOf(workspaceOf([tokenWith({})], removedApplication), "Revoked")),
      "TokenNotFound"
    )
    const workspace = workspaceOf([tokenWith({})], removedApplication)
    assert.strictEqual(tagOf(commands.deleteToken(idOf(1), caller).decide(workspace)), "TokenNotFound")
  })
})

describe("a tenant that is removed", () => {
  const remove = (workspace: Workspace) => removeTenant(() => aMessage(), caller).decide(workspace)

  it("serves nobody who comes behind it in the same group", () => {
    const workspace = workspaceOf([tokenWith({})])
    assert.strictEqual(tagOf(remove(workspace)), "success")
    assert.strictEqual(tagOf(workspace.tenant()), "TenantNotFound")
    assert.strictEqual(tagOf(workspace.tenant(true)), "success")
    assert.strictEqual(tagOf(remove(workspace)), "TenantNotFound")
  })

  it("is never global", () => {
    const tenant = { tenantId: "global", name: null, createdAt: 0, removedAt: null }
    const workspace = new Workspace("global", loadedOf([], { tenant }))
    assert.strictEqual(tagOf(remove(workspace)), "Forbidden")
    assert.isNull(workspace.changes().revocation)
    assert.isFalse(workspace.changes().tenantRemoved)
  })
})

describe("provision", () => {
  const plan = (byte: number, changes: Partial<commands.ProvisionPlan> = {}): commands.ProvisionPlan => ({
    endpointId: "e",
    token: null,
    expiresAt: null,
    description: null,
    tokenId: idOf(byte),
    hashed: hashedAs(byte),
    ...changes
  })
  const provision = (
    workspace: Workspace,
    byte: number,
    changes: Partial<commands.ProvisionPlan> = {},
    tokensMax?: number
  ) => commands.provision("app", [plan(byte, changes)], caller, tokensMax).decide(workspace)

  it("stops at the tenant's limit, with what this group made before", () => {
    const workspace = workspaceOf([], { stock: { tokens: 3, credentials: 0, clients: 0 } })
    const one = (byte: number) => tagOf(Result.getOrThrow(provision(workspace, byte, {}, 5))[0]!)
    assert.deepStrictEqual([one(2), one(3), one(4)], ["success", "success", "LimitReached"])
  })

  it("makes no token that has ended already, and gives one without an end the usual life", () => {
    const made = (changes: Partial<commands.ProvisionPlan>) =>
      Result.getOrThrow(provision(workspaceOf([]), 2, changes))[0]!
    assert.strictEqual(tagOf(made({ expiresAt: now })), "InvalidRequest")
    assert.strictEqual(Result.getOrThrow(made({ expiresAt: now + 1 })).record.expiresAt, now + 1)
    assert.strictEqual(Result.getOrThrow(made({ lifetimeMs: 5_000 })).record.expiresAt, now + 5_000)
    assert.strictEqual(Result.getOrThrow(made({ expiresAt: now + 1, lifetimeMs: 5_000 })).record.expiresAt, now + 1)
    assert.isNull(Result.getOrThrow(made({ lifetimeMs: null })).record.expiresAt)
  })

  it("says in the audit where a token is and when it ends, by whatever that was decided", () => {
    const workspace = workspaceOf([])
    provision(workspace, 2, { lifetimeMs: 5_000 })
    const [{ action, diff } = assert.fail("no row")] = workspace.changes().audit
    assert.deepStrictEqual(
      [action, diff],
      ["token.provisioned", { appName: "app", endpointId: "e", expiresAt: now + 5_000 }]
    )
  })

  it("says to every replica that there is such a value by now", () => {
    const workspace = workspaceOf([])
    provision(workspace, 2)
    assert.deepStrictEqual(workspace.appearance(), {
      tenantId: "demo",
      targets: [{ kind: "token", cacheKey: hashedAs(2).hashes[0]! }]
    })
  })

  it("refuses a value that the application has, in the same group too", () => {
    const workspace = workspaceOf([tokenWith({})])
    assert.isTrue(Result.isFailure(Result.getOrThrow(provision(workspace, 1))[0]!))
    assert.isTrue(Result.isSuccess(Result.getOrThrow(provision(workspace, 2))[0]!))
    assert.isTrue(Result.isFailure(Result.getOrThrow(provision(workspace, 2))[0]!))
    assert.lengthOf(workspace.changes().tokensInserted, 1)
    assert.isNull(workspace.changes().revocation)
  })

  it("stops at a thousand tokens an endpoint", () => {
    const workspace = workspaceOf([], { endpointCounts: new Map([["e", 999]]) })
    assert.isTrue(Result.isSuccess(Result.getOrThrow(provision(workspace, 2))[0]!))
    const refused = Result.getOrThrow(provision(workspace, 3))[0]!
    assert.strictEqual(Result.isFailure(refused) ? refused.failure._tag : "", "LimitReached")
  })

  it("finds no application of another tenant, nor a removed one", () => {
    const other = { appName: "app", tenantId: "acme", createdAt: 0, removedAt: null, outOfService: null, decidedAt: 0 }
    const removed = { appName: "app", tenantId: "demo", createdAt: 0, removedAt: 5, outOfService: null, decidedAt: 0 }
    for (const application of [other, removed]) {
      const workspace = workspaceOf([], { applications: new Map([["app", application]]) })
      assert.isTrue(Result.isFailure(provision(workspace, 2)))
    }
  })
})

describe("rotate", () => {
  const rotate = (workspace: Workspace, overlapMs: number, tokensMax?: number) =>
    commands
      .rotate(
        {
          tokenId: idOf(1),
          overlapMs,
          successorId: idOf(2),
          place: { appName: "app", endpointId: "e" },
          hashed: hashedAs(2)
        },
        caller,
        tokensMax
      )
      .decide(workspace)

  it("with an overlap is one token more of the tenant, without it is none", () => {
    assert.strictEqual(tagOf(rotate(workspaceOf([tokenWith({})]), 5_000, 1)), "LimitReached")
    assert.strictEqual(tagOf(rotate(workspaceOf([tokenWith({})]), 0, 1)), "success")
    assert.strictEqual(tagOf(rotate(workspaceOf([tokenWith({})]), 5_000, 2)), "success")
  })

  it("is one token more of its endpoint, with an overlap or without", () => {
    for (const overlapMs of [0, 5_000]) {
      const full = rotate(workspaceOf([tokenWith({})], { endpointCounts: new Map([["e", 1_000]]) }), overlapMs)
      assert.deepInclude(Result.getOrThrow(Result.flip(full)), { limit: "tokensPerEndpoint", max: 1_000 })
      const room = workspaceOf([tokenWith({})], { endpointCounts: new Map([["e", 999]]) })
      assert.isTrue(Result.isSuccess(rotate(room, overlapMs)))
      assert.strictEqual(room.endpointCount("e"), 1_000)
    }
  })

  it("does nothing to a token whose place was not known when it was asked", () => {
    const workspace = workspaceOf([tokenWith({})])
    const options = { tokenId: idOf(1), overlapMs: 0, successorId: idOf(2), place: undefined, hashed: hashedAs(2) }
    const ran = atOnce(workspace.run(commands.rotate(options, caller)))
    assert.strictEqual(Result.getOrThrow(Result.flip(ran.result))._tag, "TokenNotFound")
    assert.isTrue(ran.provisional)
    assert.deepStrictEqual(workspace.changes().tokensInserted, [])
  })

  it("without overlap the old token is gone at once; with it, at its end; both under the barrier", () => {
    for (const [overlapMs, usableUntil] of [
      [0, null],
      [5_000, now + 5_000]
    ] as const) {
      const workspace = workspaceOf([tokenWith({})])
      assert.isTrue(Result.isSuccess(rotate(workspace, overlapMs)))
      const { revocation, tokensUpdated } = workspace.changes()
      assert.deepInclude(revocation?.targets[0], { kind: "token", tokenId: idOf(1), usableUntil })
      assert.isNull(tokensUpdated[0]?.expiresAt)
      if (overlapMs > 0) assert.strictEqual(tokensUpdated[0]?.overlapEndsAt, usableUntil)
      assert.strictEqual(tokensUpdated[0]?.status, overlapMs === 0 ? "Revoked" : "Active")
    }
  })

  it("never lengthens a token's life: an earlier end stays", () => {
    const workspace = workspaceOf([tokenWith({ expiresAt: now + 100 })])
    rotate(workspace, 5_000)
    const [old] = workspace.changes().tokensUpdated
    assert.deepStrictEqual([endOf(old!), endingOf(old!)], [now + 100, "expired"])
    assert.strictEqual(workspace.changes().tokensInserted[0]?.expiresAt, now + 100)
  })

  it("gives no successor a life beyond the first token's, however often and in whichever order", () => {
    const end = now + 1_000_000
    for (const overlaps of [
      [5_000, 5_000],
      [5_000, 0],
      [50_000, 10, 0],
      [10, 50_000],
      [2_000_000, 5_000]
    ]) {
      let old = tokenWith({ expiresAt: end })
      for (const overlapMs of overlaps) {
        const workspace = workspaceOf([old])
        assert.isTrue(Result.isSuccess(rotate(workspace, overlapMs)), overlaps.join())
        const { tokensInserted, tokensUpdated } = workspace.changes()
        assert.deepInclude(tokensInserted[0], { expiresAt: end, overlapEndsAt: null, endedBy: null })
        // The old one's end comes nearer, and never goes away again.
        assert.isAtMost(endOf(tokensUpdated[0]!)!, endOf(old)!)
        assert.strictEqual(tokensUpdated[0]?.expiresAt, end)
        old = tokensUpdated[0]!
      }
    }
  })

  it("is no way back for a suspended token", () => {
    const workspace = workspaceOf([tokenWith({ status: "Suspended" })])
    assert.isTrue(Result.isFailure(rotate(workspace, 0)))
    assert.lengthOf(workspace.changes().tokensInserted, 0)
  })
})

describe("first use, expiry", () => {
  it("first use moves Inactive to Active once and touches nothing else", () => {
    const workspace = workspaceOf([
      tokenWith({ status: "Inactive" }),
      tokenWith({ tokenId: idOf(2), status: "Revoked" })
    ])
    const first = commands.activateOnFirstUse([idOf(1), idOf(1), idOf(2), idOf(3)], caller).decide(workspace)
    assert.strictEqual(Result.getOrThrow(first), 1)
    assert.isNull(workspace.changes().revocation)
  })

  it("first use does nothing to a token that has ended", () => {
    const workspace = workspaceOf([tokenWith({ status: "Inactive", expiresAt: now })])
    assert.strictEqual(Result.getOrThrow(commands.activateOnFirstUse([idOf(1)], caller).decide(workspace)), 0)
    assert.isEmpty(workspace.changes().tokensUpdated)
  })

  it("no token ends before its end, and a suspended one ends without ending sessions again", () => {
    const early = workspaceOf([tokenWith({ expiresAt: now + 1 }), tokenWith({ tokenId: idOf(2) })])
    assert.strictEqual(Result.getOrThrow(commands.endTokens([idOf(1), idOf(2)], caller).decide(early)), 0)
    assert.isEmpty(early.changes().tokensUpdated)
    for (const [status, endsSessions] of [
      ["Suspended", false],
      ["Active", true],
      ["Inactive", true]
    ] as const) {
      const workspace = workspaceOf([tokenWith({ status, expiresAt: now })])
      assert.strictEqual(Result.getOrThrow(commands.endTokens([idOf(1)], caller).decide(workspace)), 1)
      assert.strictEqual(workspace.facts[0]?.endsSessions, endsSessions, status)
    }
  })

  it("a deletion ends sessions, one by one and by endpoint", () => {
    for (const command of [commands.deleteToken(idOf(1), caller), commands.deleteTokensOfEndpoint("e", caller)]) {
      const workspace = workspaceOf([tokenWith({})])
      command.decide(workspace)
      assert.deepInclude(workspace.facts[0], { type: "deleted", endsSessions: true })
    }
  })

  it("a token that ended by overlap is announced as revoked, by expiry as expired", () => {
    for (const endReason of ["expired", "rotated"] as const) {
      const ends = endReason === "expired" ? { expiresAt: now - 1 } : { overlapEndsAt: now - 1 }
      const workspace = workspaceOf([tokenWith(ends)])
      assert.strictEqual(Result.getOrThrow(commands.endTokens([idOf(1)], caller).decide(workspace)), 1)
      assert.deepInclude(workspace.facts[0], {
        type: endReason === "expired" ? "expired" : "revoked",
        endsSessions: true
      })
      assert.deepInclude(workspace.changes().tokensUpdated[0], { reason: endReason, endedBy: endReason })
    }
  })

  it("a token ends as its ends say, whatever reason stands there", () => {
    const [rotated, expired] = [{ overlapEndsAt: now - 1 }, { expiresAt: now - 1 }] as const
    for (const [ends, reason, endedBy] of [
      [expired, "rotated", "expired"],
      [rotated, "expired", "rotated"]
    ] as const) {
      const workspace = workspaceOf([tokenWith({ status: "Suspended", reason, ...ends })])
      assert.strictEqual(Result.getOrThrow(commands.endTokens([idOf(1)], caller).decide(workspace)), 1)
      assert.deepInclude(workspace.changes().tokensUpdated[0], { endedBy })
    }
  })
})
