/**
 * Tells the platform, in pieces, that sessions end of an application that went out of service.
 *
 * After it is in force; each piece and how far it came are one transaction, so that none is told twice but
 * for one that was under way when a replica died. One replica at a time, by a claim. An application that is
 * back before all was told is told to its end all the same: its sessions may have ended anywhere. Not those of
 * tokens that were made since. One that goes out a second time meanwhile is told from its first token on.
 *
 * One whose rows make no sense, which somebody else wrote, keeps none of the others waiting, however many of them there are:
 * each look goes on behind the one before, and what was died of rests for a while.
 */
import { Clock, Duration, Effect } from "effect"
import * as Loop from "../../observability/Loop.ts"
import { Replica } from "../../observability/Replica.ts"
import * as Seldom from "../../observability/Seldom.ts"
import { DueWork } from "../../store/DueWork.ts"
import { PlatformStore, type Withdrawal } from "../../store/PlatformStore.ts"
import { Sweeps } from "../../store/Sweeps.ts"
import { InForce } from "../tenant/InForce.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import { EventWriter } from "../tenant/TokenEvents.ts"
import { announceWithdrawn } from "../tokens/commands/service.ts"
import { caller } from "./TenantReading.ts"

const sweep = "withdrawals"
const lookEvery = Duration.seconds(1)
const claimMs = 10_000
const applicationsMax = 100
const pieceMax = 250
/** What was died of is tried again after so long; of more than so many it is not remembered. */
const restMs = 3_600_000
const restingMax = 10_000

export const make = Effect.gen(function* () {
  const store = yield* PlatformStore
  const sweeps = yield* Sweeps
  const inForce = yield* InForce
  const actors = yield* TenantActors
  const events = yield* EventWriter
  const { process } = yield* Replica
  const claim = sweeps.claim(sweep, process, claimMs)

  const announce = Effect.fnUntraced(function* (withdrawal: Withdrawal) {
    const { tenantId } = withdrawal
    yield* inForce.all(tenantId)
    let { afterTokenId } = withdrawal
    for (;;) {
      if (!(yield* claim)) return
      const piece = { ...withdrawal, afterTokenId }
      const tokenIds = yield* store.tokensAfter(piece, pieceMax)
      const last = tokenIds.length < pieceMax ? null : (tokenIds.at(-1) ?? null)
      yield* actors.ask(tenantId, announceWithdrawn(piece, tokenIds, last, events.endSessions, caller("scmp")))
      if (last === null) return
      afterTokenId = last
    }
  })

  const lines = yield* Seldom.make
  const resting = new Map<string, number>()
  /** Of a row that makes no sense. */
  const rest = Effect.fnUntraced(function* ({ appName, tenantId }: Withdrawal, defect: unknown) {
    if (resting.size < restingMax) resting.set(appName, (yield* Clock.currentTimeMillis) + restMs)
    const line = Effect.logError("sessions of an application out of service are not ended", defect)
    yield* lines.tell(Effect.annotateLogs(line, { appName, tenantId }))
  })
  /** Where the next look begins: behind a full page, whatever came of it. From the beginning again after the last. */
  let after = ""
  const next = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    for (const [appName, until] of resting) if (until <= now) resting.delete(appName)
    const found = yield* store.withdrawals(after, applicationsMax)
    after = found.length < applicationsMax ? "" : found.at(-1)!.appName
    return found.filter(({ appName }) => !resting.has(appName))
  })

  const look = Effect.gen(function* () {
    const found = yield* next
    if (found.length === 0 || !(yield* claim)) return
    for (const withdrawal of found) {
      yield* announce(withdrawal).pipe(
        // Whose tenant is gone is told by the removal of its tokens.
        Effect.catchTag("TenantNotFound", () => store.dropWithdrawal(withdrawal.appName)),
        Effect.catch((error) =>
          lines.tell(
            Effect.logWarning("sessions of an application out of service are ended later").pipe(
              Effect.annotateLogs({ appName: withdrawal.appName, reason: error._tag })
            )
          )
        ),
        Effect.catchDefect((defect) => rest(withdrawal, defect))
      )
    }
  })
  const some = yield* (yield* DueWork).seek({ work: ["applications out of service"], every: lookEvery })
  yield* Effect.forkScoped(Loop.forever(sweep, Effect.andThen(some, Effect.ignore(look))))
})
