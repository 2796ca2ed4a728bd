// Verifies R-REC-1.
/** What a replica carries out again before it answers anything, of rights that this history may know or not. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Result } from "effect"
import { AuditNotes } from "../../../src/actors/audit/AuditNotes.ts"
import { ClientCredentialNotFound, RowChanged, TokenNotFound } from "../../../src/domain/errors.ts"
import * as ReplayEnds from "../../../src/rotation/ReplayEnds.ts"
import { type Announced, PublishedEnds, RestoreMark } from "../../../src/store/RestoreMark.ts"
import { scriptedTenants } from "../../support/scriptedTenants.ts"

const eventOf = (type: string, subject: string): Announced => ({ type, tenantId: "demo", subject, at: 1_000_000 })

/** A database of a moment before those events; what was written down when all was carried out, or nothing was. */
const replaying = (events: ReadonlyArray<Announced>) => {
  const { layer, script } = scriptedTenants()
  const written: Array<Readonly<Record<string, unknown>>> = []
  const page = (of: ReadonlyArray<Announced>) => Effect.succeed({ events: of, next: null, first: 1 })
  const replay = Effect.exit(
    Effect.scoped(
      Layer.build(
        ReplayEnds.layer.pipe(
          Layer.provide([
            layer,
            Layer.succeed(RestoreMark, {
              pending: Effect.succeed({ backupAt: 1_000_000, acceptGap: false }),
              replayed: Effect.sync(() => void written.push({ replayed: true }))
            }),
            Layer.succeed(PublishedEnds, {
              after: (stream) => page(events.filter(({ type }) => type.startsWith("client") === (stream !== "events"))),
              forgetCaches: Effect.void
            }),
            Layer.mock(AuditNotes, {
              row: (_tenantId, _who, { diff }) => Effect.sync(() => void written.push({ ...diff }))
            })
          ])
        )
      )
    )
  )
  return { script, replay, written }
}

describe("a replay of what ended after a backup", () => {
  it.effect("ends what is there, and passes over what was made after the backup", () =>
    Effect.gen(function* () {
      const known = new Set(["token-old", "client-old"])
      const events = ["old", "new"].flatMap((age) => [
        eventOf("token.revoked", `token-${age}`),
        eventOf("client-credential.revoked", `client-${age}`)
      ])
      const { replay, script, written } = replaying(events)
      script.transitionTokens = (_, refs) =>
        Effect.succeed(
          refs.map((ref) => {
            const tokenId = "tokenId" in ref ? ref.tokenId : ""
            return known.has(tokenId) ? Result.succeed({} as never) : Result.fail(TokenNotFound.ofId(tokenId))
          })
        )
      script.clientsTransition = (_, credentialId) =>
        known.has(credentialId) ? Effect.succeed({} as never) : Effect.fail(ClientCredentialNotFound.ofId(credentialId))
      assert.isTrue(Exit.isSuccess(yield* replay))
      const [row, end] = written
      assert.deepInclude(row, { revoked: 1, clients: 1 })
      assert.deepStrictEqual(end, { replayed: true })
    })
  )

  it.effect("is not over where a right that is there could not be ended", () =>
    Effect.gen(function* () {
      const { replay, script, written } = replaying([eventOf("token.revoked", "token")])
      const changed = new RowChanged({ kind: "token", id: "token" })
      script.transitionTokens = (_, refs) => Effect.succeed(refs.map(() => Result.fail(changed)))
      assert.isTrue(Exit.isFailure(yield* replay))
      assert.isEmpty(written)
    })
  )
})
