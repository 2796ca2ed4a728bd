// Verifies R-ROT-4.
/** What a replica writes back of a step whose claim is over, or is another's by now, is not believed. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Events, SecretSealer } from "../../../../src/actors/credentials/Change.ts"
import { settleStep } from "../../../../src/actors/credentials/RotationSteps.ts"
import type { Caller } from "../../../../src/actors/tenant/Tenants.ts"
import type { Workspace } from "../../../../src/actors/tenant/Workspace.ts"
import type { Credential } from "../../../../src/domain/Credential.ts"
import { newRotating, type StepOutcome, type Work } from "../../../../src/domain/RotationLife.ts"

const now = 1_000_000
const heldTerm = 5
const credential = {
  credentialId: "c1",
  state: "active",
  version: 3,
  secretVersion: 3,
  rotating: {
    ...newRotating("crm", 86_400_000, 0),
    generation: 1,
    term: heldTerm,
    claim: { term: heldTerm, holder: "two", until: now + 10_000 },
    underWay: { generation: 1, step: "test", overlapMs: 0 },
    cleanups: [{ step: "undo", generation: 0, version: 2, since: 1, dueAt: 1, attempts: 1, reason: null }]
  }
} as unknown as Credential

const settle = (term: number, work: Work, outcome: StepOutcome, of: Credential = credential) => {
  const written: Array<string> = []
  const credentials = new Proxy(
    { own: () => of },
    {
      get: (known, name) =>
        name in known
          ? known[name as "own"]
          : () => {
              written.push(String(name))
              return []
            }
    }
  )
  const workspace = {
    now,
    credentials,
    holds: { credential: () => true },
    record: () => void written.push("record")
  } as unknown as Workspace
  const request = { credentialId: "c1", term, work, outcome, secret: { password: "planted" }, detail: "" }
  const never = new Proxy({}, { get: () => assert.fail("nothing is sealed or announced") })
  const command = settleStep(request, never as SecretSealer, never as Events, { principal: "system" } as Caller)
  return { settled: Result.getOrThrow(command.decide(workspace)), written }
}

const works: ReadonlyArray<Work> = [
  { kind: "step", step: "prepare", generation: 1 },
  { kind: "step", step: "set", generation: 1 },
  { kind: "step", step: "test", generation: 1 },
  { kind: "cleanup", step: "undo", generation: 0, version: 2 }
]
const outcomes: ReadonlyArray<StepOutcome> = [
  { kind: "done" },
  { kind: "failed", permanent: false, reason: "timeout", retryAt: now + 1 },
  { kind: "failed", permanent: true, reason: "unknown", retryAt: now + 1 }
]
const cases = works.flatMap((work) =>
  outcomes.map((outcome) => [`${work.step} ${JSON.stringify(outcome)}`, work, outcome] as const)
)

describe("what a step came to, written back", () => {
  it.each(cases)("under another term changes nothing: %s", (_, work, outcome) => {
    for (const term of [heldTerm - 1, heldTerm + 1]) {
      assert.deepStrictEqual(settle(term, work, outcome), { settled: { _tag: "Fenced" }, written: [] })
    }
  })

  it.each(cases)(
    "after the claim was given back, or the credential revoked, changes nothing: %s",
    (_, work, outcome) => {
      const { rotating } = credential
      const free = { ...credential, rotating: { ...rotating!, claim: null } }
      const revoked: Credential = { ...credential, state: "revoked" }
      for (const of of [free, revoked, { ...credential, rotating: undefined }]) {
        assert.deepStrictEqual(settle(heldTerm, work, outcome, of), { settled: { _tag: "Fenced" }, written: [] })
      }
    }
  )

  it("under its own term is written", () => {
    const { settled, written } = settle(heldTerm, works[2]!, outcomes[1]!, {
      ...credential,
      rotating: { ...credential.rotating!, toldAt: now }
    })
    assert.strictEqual(settled._tag, "Settled")
    assert.include(written, "update")
  })
})
