// Verifies R-REC-1.
/** What a replica carries out again before it answers anything, of rights that this history may know or not. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Result } from "effect"
import { AuditNotes } from "../../../src/actors/audit/AuditNotes.ts"
import { ClientCredentialNotFound, RowChanged, TokenNotFound } from "../../../src/domain/errors.ts"
import * as ReplayEnds from "../../../src/rotation/ReplayEnds.ts"
import { type Announced, PublishedEnds, RestoreMark } from "../../../src/store/RestoreMark.ts"
import { scriptedTenants } from "../../support/scriptedTenants.ts"

const eventOf = (type: string, subject: string): Announced => ({ type, tenantId: "demo", subject, at: 1_000_000 })

/** A database of a moment before those events; what was written down when all was carried out, or nothing was. */
const replaying = (
  events: ReadonlyArray<Announced>,
  { acceptGap = false, first = 1 }: { readonly acceptGap?: boolean; readonly first?: number } = {}
) => {
  const { layer, script } = scriptedTenants()
  const written: Array<Readonly<Record<string, unknown>>> = []
  const page = (of: ReadonlyArray<Announced>) => Effect.succeed({ events: of, next: null, first })
  const replay = Effect.exit(
    Effect.scoped(
      Layer.build(
        ReplayEnds.layer.pipe(
          Layer.provide([
            layer,
            Layer.succeed(RestoreMark, {
              pending: Effect.succeed({ backupAt: 1_000_000, acceptGap }),
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

  it.effect("begins nothing where what was announced since may be gone, unless that was accepted, which is told", () =>
    Effect.gen(function* () {
      const events = [eventOf("token.revoked", "token"), eventOf("client-credential.revoked", "client")]
      for (const acceptGap of [false, true]) {
        const { replay, script, written } = replaying(events, { acceptGap, first: 5 })
        let ended = 0
        const end = Effect.sync(() => void ended++)
        script.transitionTokens = (_, refs) =>
          Effect.as(
            end,
            refs.map(() => Result.succeed({} as never))
          )
        script.clientsTransition = () => Effect.as(end, {} as never)
        const exit = yield* replay
        if (acceptGap) {
          assert.isTrue(Exit.isSuccess(exit))
          assert.deepInclude(written[0], { gap_accepted: true, revoked: 1 })
        } else {
          assert.instanceOf(Cause.squash(Exit.isFailure(exit) ? exit.cause : Cause.empty), ReplayEnds.AnnouncementsLost)
          assert.deepStrictEqual([ended, written], [0, []])
        }
      }
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
