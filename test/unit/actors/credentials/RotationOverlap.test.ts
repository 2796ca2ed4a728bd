// Verifies R-ROT-4.
/** No promise of an old secret is so long that it stops the rotations after it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { nextStep } from "../../../../src/actors/credentials/RotationSteps.ts"
import type { Caller } from "../../../../src/actors/tenant/Tenants.ts"
import type { Workspace } from "../../../../src/actors/tenant/Workspace.ts"
import { type Credential, overlapMsMax } from "../../../../src/domain/Credential.ts"
import { busPrincipal } from "../../../../src/domain/Principal.ts"
import { newRotating } from "../../../../src/domain/RotationLife.ts"
import { credentialWorld } from "../../../support/credentialWorld.ts"

const day = 86_400_000
const caller: Caller = { ...busPrincipal, correlationId: "c", idempotency: null }

/** For how long the old secret is promised by the rotation that begins now. */
const promisedMs = (options: {
  readonly everyMs: number
  readonly byDefault: number
  readonly asked: number | null
}) => {
  let written: Credential | undefined
  const credential = {
    credentialId: "c1",
    state: "active",
    expiresAt: null,
    rotating: newRotating("crm", options.everyMs, 0)
  } as unknown as Credential
  const workspace = {
    now: options.everyMs,
    credentials: {
      own: () => credential,
      servicesFor: () => [],
      update: (next: Credential) => {
        written = next
      }
    },
    holds: { credential: () => true },
    record: () => undefined
  } as unknown as Workspace
  const request = {
    credentialId: "c1",
    holder: "one",
    claimMs: 1_000,
    overlapMs: options.byDefault,
    asked: { overlapMs: options.asked, workedAt: null }
  }
  assert.strictEqual(Result.getOrThrow(nextStep(request, caller).decide(workspace))._tag, "Claimed")
  return written?.rotating?.underWay?.overlapMs
}

describe("the overlap of a rotation", () => {
  it.each([
    ["asked for", { everyMs: 2 * day, byDefault: 0, asked: 3_650 * day }, day],
    ["the usual one", { everyMs: 2 * day, byDefault: 90 * day, asked: null }, day],
    ["asked for, and short enough", { everyMs: 2 * day, byDefault: 0, asked: 1_000 }, 1_000],
    ["none", { everyMs: 2 * day, byDefault: day, asked: 0 }, 0]
  ] as const)("is half of the time between two at most: %s", (_, options, expected) => {
    assert.strictEqual(promisedMs(options), expected)
  })

  it.effect("is refused beyond 90 days before anything is asked for", () =>
    Effect.gen(function* () {
      const { credentials } = yield* (yield* credentialWorld).replica("one")
      const credentialId = "0190a000-0000-7000-8000-000000000000"
      const rotate = (overlapMs: number) => {
        const request = { credentialId, secret: null, overlapMs, expectedVersion: null, expiresAt: undefined }
        return Effect.flip(credentials.rotate("demo", request, caller))
      }
      const refused = yield* rotate(overlapMsMax + 1)
      assert.strictEqual(refused._tag === "InvalidRequest" ? refused.path : refused._tag, "overlap")
      assert.notStrictEqual((yield* rotate(overlapMsMax))._tag, "InvalidRequest")
    })
  )
})
