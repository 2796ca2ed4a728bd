// Verifies R-ROT-1.
/** A rotation is not taken from under a step that may have set a secret which is held here alone. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { update } from "../../../../src/actors/credentials/Commands.ts"
import { firstRefresh, type RefreshSetup } from "../../../../src/actors/credentials/RefreshCommands.ts"
import { changeRefusal, ownEntryGone, rotatingAfter } from "../../../../src/actors/credentials/RotationChange.ts"
import type { RotatorSetup } from "../../../../src/actors/credentials/Rotators.ts"
import type { Caller } from "../../../../src/actors/tenant/Tenants.ts"
import type { Workspace } from "../../../../src/actors/tenant/Workspace.ts"
import type { Credential, CredentialVersion, JsonObject } from "../../../../src/domain/Credential.ts"
import { providerOf } from "../../../../src/domain/Provider.ts"
import { newRotating, pendingVersion, type Rotating } from "../../../../src/domain/RotationLife.ts"
import { credentialRow, versionRow } from "../../../support/credentialRows.ts"

const now = 1_000
const rotation = { rotator: "crm", every: "P30D", params: { account: "a" } }
const setup: RotatorSetup = { rotator: "crm", everyMs: 60_000 }
const changes = [
  ["none", null, null],
  ["another rotator", { ...rotation, rotator: "erp" }, { ...setup, rotator: "erp" }],
  ["other parameters", { ...rotation, params: {} }, setup]
] as const
const underWay = (step: "prepare" | "set" | "test") => ({ generation: 1, step, overlapMs: 0 })
const left = (step: "retire" | "undo", attempts: number) => [
  { step, generation: 1, version: pendingVersion(1), since: 0, dueAt: 0, attempts, reason: null }
]
const refusal = (
  rotating: Partial<Rotating>,
  to: Credential["rotation"],
  next: RotatorSetup | null
): string | undefined => {
  const before = { rotation, rotating: { ...newRotating("crm", 60_000, 0), ...rotating } } as unknown as Credential
  return changeRefusal(before, to, next, now)?._tag
}

describe.each(changes)("changing to %s", (_, to, next) => {
  it.each([
    ["the new secret may be set", { underWay: underWay("set") }],
    ["it is tried", { underWay: underWay("test") }],
    ["somebody is at it", { claim: { term: 1, holder: "two", until: now + 1 } }],
    ["what was set waits to be undone", { cleanups: left("undo", 0) }]
  ])("is refused while %s", (__, rotating) => {
    assert.strictEqual(refusal(rotating, to, next), "TransitionNotAllowed")
    assert.isUndefined(refusal(rotating, rotation, setup), "what goes on is nothing forgotten")
  })

  it.each([
    ["nothing is under way", {}],
    ["nothing was touched", { underWay: underWay("prepare") }],
    ["who was at it is late", { claim: { term: 1, holder: "two", until: now } }],
    ["undoing was tried in vain", { cleanups: left("undo", 1) }],
    ["an old secret waits to be retired", { cleanups: left("retire", 0) }]
  ])("is done when %s", (__, rotating) => {
    assert.isUndefined(refusal(rotating, to, next))
  })
})

it("an update that is refused writes nothing", () => {
  const rotating = { ...newRotating("crm", 60_000, 0), generation: 1, underWay: underWay("set") }
  const before = {
    credentialId: "c1",
    state: "active",
    version: 3,
    secretVersion: 1,
    expiresAt: null,
    rotation,
    rotating
  }
  const workspace = {
    now,
    credentials: { own: () => before },
    holds: { credential: () => true }
  } as unknown as Workspace
  const nothingElse = { allowedConsumers: undefined, scopes: undefined, expiresAt: undefined, metadata: undefined }
  const request = { ...nothingElse, credentialId: "c1", rotation: null, expectedVersion: null }
  const checked = { secretVersion: 1, refresh: null, isAdministrative: false }
  const outcome = update(request, { principal: "admin" } as Caller, checked).decide(workspace)
  assert.strictEqual(Result.isFailure(outcome) ? outcome.failure._tag : "done", "TransitionNotAllowed")
})

it("a rotation that counted faster than the clock is given up when the clock is there, so that no count is given twice", () => {
  const begun = Date.UTC(2026, 0, 1)
  const bare = { credentialId: "c1", state: "active", rotation: null } as unknown as Credential
  const workspaceAt = (at: number) => ({ now: at, credentials: { versionsOf: () => [] } }) as unknown as Workspace
  const beginning = rotatingAfter(workspaceAt(begun), bare, rotation, setup).rotating!
  for (const [generations, terms] of [
    [5, 0],
    [0, 5],
    [5, 20]
  ] as const) {
    const spent = { ...beginning, generation: beginning.generation + generations, term: beginning.term + terms }
    const before = { ...bare, rotation, rotating: spent } as unknown as Credential
    const caughtUp = begun + Math.max(generations, terms) * 1_000
    assert.strictEqual(changeRefusal(before, null, null, caughtUp - 1)?._tag, "TransitionNotAllowed")
    assert.isUndefined(changeRefusal(before, { ...rotation, params: {} }, setup, caughtUp - 1), "it goes on counting")
    assert.isUndefined(changeRefusal(before, null, null, caughtUp))
    const off = { ...before, ...rotatingAfter(workspaceAt(caughtUp), before, null, null) } as Credential
    const again = rotatingAfter(workspaceAt(caughtUp), off, rotation, setup).rotating!
    // The next that is given is one more.
    assert.isAtLeast(again.generation, spent.generation)
    assert.isAtLeast(again.term, spent.term)
  }
})

it("a rotation that is taken up again begins behind every generation and term of the one that was given up", () => {
  const workspaceAt = (at: number) => ({ now: at, credentials: { versionsOf: () => [] } }) as unknown as Workspace
  const begun = Date.UTC(2026, 0, 1)
  const bare = { credentialId: "c1", state: "active", rotation: null } as unknown as Credential
  const beginning = rotatingAfter(workspaceAt(begun), bare, rotation, setup).rotating!
  // A rotation a minute for a day, each tried twice.
  const spent = { ...beginning, generation: beginning.generation + 1_440, term: beginning.term + 2_880 }
  const [day, week] = [86_400_000, 7 * 86_400_000]
  const before = { ...bare, rotation, rotating: spent } as unknown as Credential
  const off = { ...before, ...rotatingAfter(workspaceAt(begun + day), before, null, null) } as Credential
  assert.isUndefined(off.rotating)
  const again = rotatingAfter(workspaceAt(begun + week), off, rotation, setup).rotating!
  assert.isAbove(again.generation, spent.generation)
  assert.isAbove(again.term, spent.term)
  assert.isBelow(pendingVersion(again.generation), 2 ** 32, "the column holds it")
  const erp = { ...setup, rotator: "erp" }
  const other = rotatingAfter(workspaceAt(begun + week), before, { ...rotation, rotator: "erp" }, erp).rotating!
  assert.deepStrictEqual([other.generation, other.term], [spent.generation, spent.term], "known, it goes on from there")
})

it("an own entry that is gone lets nobody go on under its name, and stands in no other's way", () => {
  const before = { refresh: { provider: "crm", own: true }, rotating: { rotator: "crm", own: true } } as Credential
  const provider = (name: string, own?: true) => ({ provider: { name }, own }) as unknown as RefreshSetup
  const goneFor = (next: RefreshSetup | RotatorSetup | null) => ownEntryGone(before, next)?.kind
  assert.deepStrictEqual([goneFor(provider("crm")), goneFor(setup)], ["provider", "rotator"])
  for (const next of [
    null,
    provider("crm", true),
    provider("erp"),
    { ...setup, own: true },
    { ...setup, rotator: "erp" }
  ]) {
    assert.isUndefined(goneFor(next as RotatorSetup | null))
  }
})

describe("a credential that goes from one rotation to another", () => {
  const at = Date.UTC(2026, 6, 1)
  const acme = providerOf({ name: "acme", token_url: "https://acme.example/token" })
  const ofAcme = {
    provider: acme,
    rotation: { provider: "acme" },
    lane: "l",
    queue: "q",
    chance: 0
  } as unknown as RefreshSetup
  /** The credential after it, and what was done to its versions. */
  const changed = (over: Partial<Credential>, to: JsonObject | null, refresh: RefreshSetup | RotatorSetup | null) => {
    const before = credentialRow({ secretVersion: 3, version: 3, ...over })
    const versions = [2, 3, pendingVersion(1)].map((version) => versionRow(before, { version }))
    const [after, done]: [Array<Credential>, Array<unknown>] = [[], []]
    const workspace = {
      now: at,
      credentials: {
        own: () => before,
        currentVersion: () => versions[1],
        versionsOf: () => versions,
        service: () => undefined,
        update: (row: Credential) => after.push(row),
        deleteVersion: (_: string, version: number) => done.push(["deleted", version]),
        putVersion: ({ sealed, version }: CredentialVersion) => done.push([sealed, version])
      },
      holds: { credential: () => true },
      record: () => {}
    } as unknown as Workspace
    const nothingElse = { allowedConsumers: undefined, scopes: undefined, expiresAt: undefined, metadata: undefined }
    const request = { ...nothingElse, credentialId: before.credentialId, rotation: to, expectedVersion: null }
    const checked = { secretVersion: 3, refresh, isAdministrative: false }
    assert.isTrue(Result.isSuccess(update(request, { principal: "admin" } as Caller, checked).decide(workspace)))
    return { after: after[0], done }
  }
  const rotating: Rotating = {
    ...newRotating("crm", 60_000, 0),
    generation: 1,
    cleanups: [{ step: "retire", generation: 0, version: 2, since: 0, dueAt: 0, attempts: 1, reason: null }]
  }

  it("leaves no secret behind that the rotator held", () => {
    const { after, done } = changed({ rotation, rotating }, { provider: "acme" }, ofAcme)
    assert.deepStrictEqual([after?.rotating, after?.refresh?.provider], [undefined, "acme"])
    assert.sameDeepMembers(done, [
      [null, 2],
      ["deleted", pendingVersion(1)]
    ])
  })

  it("keeps what is known of its grants for who names a provider again, however many rotators come between", () => {
    const refresh = firstRefresh(ofAcme, versionRow(credentialRow({ secretVersion: 3 })), at)
    const { after } = changed({ rotation: { provider: "acme" }, refresh }, rotation, setup)
    assert.deepStrictEqual([after?.refresh, after?.formerRefresh], [undefined, refresh])
    const known = { rotation, rotating, formerRefresh: refresh }
    const erp = changed(known, { ...rotation, rotator: "erp" }, { ...setup, rotator: "erp" })
    assert.deepStrictEqual([erp.after?.rotating?.rotator, erp.after?.formerRefresh], ["erp", refresh])
  })
})
