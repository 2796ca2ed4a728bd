/**
 * A database that was put back from a backup does not know which rights ended since: a revoked token would be good
 * again. So whoever puts one back leaves a mark (`npm run restore`, `npm run replay-revocations`), and a replica that
 * finds it carries out again what was announced since the backup, before it answers anything.
 *
 * Promises: no replica takes a request while the mark stands; tokens that were revoked, expired, suspended, deleted
 * or rotated, credentials that were revoked or deleted, client credentials that were taken away and tenants that were removed are so again, and in force; what
 * the shared caches say of the other history is forgotten first. Done twice it does nothing twice. Where the stream
 * has forgotten what it would need, nothing starts until an operator says that it may (`--accept-gap`).
 */
import { Cause, Effect, Layer, Schedule, Schema } from "effect"
import { AuditNotes } from "../actors/audit/AuditNotes.ts"
import { Clients } from "../actors/clients/Clients.ts"
import { Credentials } from "../actors/credentials/Credentials.ts"
import { type Caller, type ChangeError, Tenants } from "../actors/tenant/Tenants.ts"
import { globalTenantId } from "../domain/Names.ts"
import { servicePrincipal } from "../domain/Principal.ts"
import type { TokenStatus } from "../domain/Token.ts"
import { PublishedEnds, RestoreMark } from "../store/RestoreMark.ts"
import * as decideReplay from "./decideReplay.ts"

/** The clocks of transactions and of the backup are one; a transaction may last. */
const slackMs = 60_000
const batchMax = 100
const triesMax = 60

export class AnnouncementsLost extends Schema.TaggedError<AnnouncementsLost>()("AnnouncementsLost", {}) {
  override get message() {
    return "the database was put back from a backup, and the stream of events does not reach back to it: what ended in between is not known. To go on all the same: npm run replay-revocations -- --accept-gap"
  }
}

const caller: Caller = { ...servicePrincipal("recovery"), correlationId: "recovery", idempotency: null }
const reason = "ended after the backup that was put back"
const moot: ReadonlyArray<ChangeError["_tag"]> = [
  "TenantNotFound",
  "TokenNotFound",
  "CredentialNotFound",
  "ClientCredentialNotFound",
  "TransitionNotAllowed",
  "CredentialRevoked"
]
/** There is no such thing in this history, or it has ended: nothing to end. */
const isMoot = ({ _tag }: ChangeError): boolean => moot.includes(_tag)
const isPassing = ({ _tag }: { readonly _tag: string }): boolean =>
  ["TooManyRequests", "Unavailable", "NotYetInForce", "StoreUnavailable", "PublishedEndsUnavailable"].includes(_tag)

const patiently = <A, E extends { readonly _tag: string }, R>(work: Effect.Effect<A, E, R>) =>
  Effect.retry(work, { while: isPassing, times: triesMax, schedule: Schedule.spaced("1 second") })
/** Answers whether something ended. */
const ending = <A, R>(work: Effect.Effect<A, ChangeError, R>) =>
  Effect.as(patiently(work), true).pipe(
    Effect.catch((error) => (isMoot(error) ? Effect.succeed(false) : Effect.fail(error)))
  )

const replay = Effect.gen(function* () {
  const mark = yield* RestoreMark
  const stream = yield* PublishedEnds
  const tenants = yield* Tenants
  const credentials = yield* Credentials
  const clients = yield* Clients
  const notes = yield* AuditNotes

  const restored = yield* patiently(mark.pending)
  if (restored === null) return
  yield* Effect.logWarning("the database was put back from a backup: what ended since is carried out again", restored)
  yield* patiently(stream.forgetCaches)

  const since = restored.backupAt - slackMs
  const ends = decideReplay.nothing()
  const read = Effect.fnUntraced(function* (name: "events" | "revocations") {
    let place: number | null = 0
    let reachesBack = false
    let isEmpty = true
    while (place !== null) {
      const page: Effect.Success<ReturnType<typeof stream.after>> = yield* patiently(stream.after(name, place))
      isEmpty &&= page.first === null
      reachesBack ||= page.first === 1 || page.events.some(({ at }) => at < since)
      for (const event of page.events) if (event.at >= since) decideReplay.add(ends, event)
      place = page.next
    }
    // Where nothing was ever revoked there are no revocations; events there always are.
    return reachesBack || (isEmpty && name === "revocations")
  })
  const eventsReach = yield* read("events")
  const reachesBack = (yield* read("revocations")) && eventsReach
  if (!reachesBack && !restored.acceptGap) return yield* new AnnouncementsLost()

  const done = { revoked: 0, suspended: 0, deleted: 0, credentials: 0, clients: 0, tenants: 0 }
  for (const tenantId of ends.tenants) {
    if (tenantId !== globalTenantId && (yield* ending(tenants.removeTenant(tenantId, caller)))) done.tenants += 1
  }
  const byEnd = Map.groupBy(ends.tokens, ([, { end, tenantId }]) => `${end} ${tenantId}`)
  for (const tokens of byEnd.values()) {
    const { end, tenantId } = tokens[0]![1]
    const tokenIds = tokens.map(([tokenId]) => tokenId)
    if (end === "none") continue
    if (end === "deleted") {
      for (const tokenId of tokenIds) {
        if (yield* ending(tenants.deleteTokens(tenantId, { tokenId }, caller))) done.deleted += 1
      }
      continue
    }
    for (let from = 0; from < tokenIds.length; from += batchMax) {
      const refs = tokenIds.slice(from, from + batchMax).map((tokenId) => ({ tokenId }))
      const to = (target: TokenStatus) =>
        patiently(tenants.transitionTokens(tenantId, refs, { target, expectedVersion: null, reason }, caller)).pipe(
          Effect.catchTag("TenantNotFound", () => Effect.succeed([]))
        )
      // One that was not used yet when the backup was made cannot be suspended as it is, and is good for a first use.
      if (end === "suspended") yield* to("Active")
      for (const result of yield* to(end === "suspended" ? "Suspended" : "Revoked")) {
        if (result._tag === "Success") done[end] += 1
        else if (!isMoot(result.failure)) return yield* result.failure
      }
    }
  }
  for (const [credentialId, tenantId] of ends.credentials) {
    const request = { credentialId, reason, expectedVersion: null }
    if (yield* ending(credentials.revoke(tenantId, request, caller))) done.credentials += 1
  }
  // Whether it was revoked, deleted or only suspended is not announced: it is good for nothing until somebody says so.
  for (const [credentialId, tenantId] of ends.clients) {
    const to = (target: TokenStatus) =>
      ending(clients.transition(tenantId, credentialId, { target, expectedVersion: null, reason }, caller))
    yield* to("Active")
    if (yield* to("Suspended")) done.clients += 1
  }
  const diff = {
    ...{ backup_at: restored.backupAt, gap_accepted: restored.acceptGap && !reachesBack, ...done },
    configured_since: Array.from(ends.configured).slice(0, batchMax)
  }
  const act = { action: "recovery.replayed", entityType: "database", entityId: "backup", diff }
  yield* patiently(notes.row(globalTenantId, caller, act))
  yield* patiently(mark.replayed)
  yield* Effect.logWarning("what ended after the backup is carried out again", diff)
})

/** Needs `RestoreMark`, `PublishedEnds`, `Tenants`, `Credentials`, `AuditNotes`. What takes requests is built after it. */
export const layer = Layer.effectDiscard(
  Effect.tapCause(replay, (cause) =>
    Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("nothing is answered before the replay is done")
  )
)
