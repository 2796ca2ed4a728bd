/**
 * The keys of every tenant's issuer: got when first needed, kept, and got again; never two requests for the same.
 *
 * A tenant's keys stand under the tenant and the issuer as it is configured, and are found by `kid` there: no
 * issuer's key is ever looked for another's. For each issuer:
 * - who needs keys while they are being fetched shares that fetch; another issuer's are not waited for;
 * - keys of some age are fetched again beside the request that uses them, those of twice the age before it;
 * - a fetch that fails is tried again after a pause, which grows; meanwhile the old keys are used, until the
 *   last success is `CM_JWKS_STALE_MAX` ago;
 * - an unknown `kid` fetches at once the first time, then at most once in 30 s.
 * What is kept is bounded by number and by size; what was used longest ago gives way.
 */
import { Clock, Deferred, Duration, Effect, Exit, FiberSet, Metric } from "effect"
import { type Issuer, sameIssuer } from "../domain/Issuer.ts"
import { AccessConfig } from "./AccessConfig.ts"
import type { Algorithm } from "./BearerToken.ts"
import { IssuerAway, IssuerClient } from "./IssuerClient.ts"
import { bytesOf, candidates, type Key, parseKeySet } from "./KeySet.ts"

export const unknownKeyPauseMs = 30_000
export const firstPauseMs = 500
export const pauseMsMax = 30_000
/** Of all issuers together. */
export const keyBytesMax = 128 * 1_048_576

const fetches = Metric.counter("cm_issuer_fetches_total", {
  description: "Requests for an issuer's keys, by outcome",
  incremental: true
})

/** One issuer of one tenant, as it is configured now; another configuration is another one. */
export interface IssuerEntry {
  readonly tenantId: string
  readonly issuer: Issuer
  keys: ReadonlyArray<Key>
  bytes: number
  /** UNIX milliseconds; null: never. */
  fetchedAt: number | null
  failures: number
  /** Not asked before. */
  askAgainAt: number
  /** The last fetch for an unknown `kid`; null: none yet. */
  unknownAskedAt: number | null
  fetching: Deferred.Deferred<void, IssuerAway> | null
}

const entryOf = (tenantId: string, issuer: Issuer): IssuerEntry => ({
  tenantId,
  issuer,
  keys: [],
  bytes: 0,
  fetchedAt: null,
  failures: 0,
  askAgainAt: 0,
  unknownAskedAt: null,
  fetching: null
})

export const pauseAfter = (failures: number): number =>
  Math.min(pauseMsMax, firstPauseMs * 2 ** Math.min(failures - 1, 16))

export const make = Effect.gen(function* () {
  const client = yield* IssuerClient
  const config = yield* AccessConfig
  const clock = yield* Clock.Clock
  const fork = yield* FiberSet.makeRuntime<never>()
  const staleMs = Duration.toMillis(config.jwksStaleMax)
  const refreshMs = Math.min(Duration.toMillis(config.jwksRefresh), staleMs / 2)
  /** In the order of their last use. */
  const entries = new Map<string, IssuerEntry>()
  let bytes = 0

  const now = () => clock.currentTimeMillisUnsafe()

  const forget = (tenantId: string): void => {
    const entry = entries.get(tenantId)
    if (entry === undefined) return
    bytes -= entry.bytes
    entries.delete(tenantId)
  }
  const makeRoom = (): void => {
    for (const tenantId of entries.keys()) {
      if (entries.size <= config.issuersMax && bytes <= keyBytesMax) return
      if (entries.size > 1) forget(tenantId)
    }
  }

  /** The tenant's entry for its issuer as it is now. */
  const entry = (tenantId: string, issuer: Issuer): IssuerEntry => {
    const present = entries.get(tenantId)
    if (present !== undefined && sameIssuer(present.issuer, issuer)) {
      entries.delete(tenantId)
      entries.set(tenantId, present)
      return present
    }
    forget(tenantId)
    const made = entryOf(tenantId, issuer)
    entries.set(tenantId, made)
    makeRoom()
    return made
  }

  const count = (outcome: string) => Metric.update(Metric.withAttributes(fetches, { outcome }), 1)

  const succeeded = (of: IssuerEntry, keys: ReadonlyArray<Key>): void => {
    const before = of.bytes
    of.keys = keys
    of.bytes = bytesOf(keys)
    of.fetchedAt = now()
    of.failures = 0
    of.askAgainAt = 0
    if (entries.get(of.tenantId) === of) {
      bytes += of.bytes - before
      makeRoom()
    }
  }
  const failed = (of: IssuerEntry): void => {
    of.failures++
    of.askAgainAt = now() + pauseAfter(of.failures)
  }

  const ask = (of: IssuerEntry): Effect.Effect<void, IssuerAway> =>
    Effect.flatMap(client.fetchKeys(of.issuer), (body) => {
      const keys = parseKeySet(body, of.keys)
      if (keys === null) return Effect.fail(new IssuerAway({ reason: "garbage" }))
      succeeded(of, keys)
      return count("keys")
    }).pipe(
      Effect.tapError(({ reason }) =>
        Effect.andThen(
          Effect.sync(() => failed(of)),
          Effect.andThen(
            count(reason),
            Effect.suspend(() =>
              Effect.logWarning("an issuer's keys cannot be had").pipe(
                Effect.annotateLogs({ tenantId: of.tenantId, reason, failures: of.failures })
              )
            )
          )
        )
      )
    )

  /** The fetch under way, or a new one. It goes on when who asked for it gives up. */
  const fetchShared = (of: IssuerEntry): Deferred.Deferred<void, IssuerAway> => {
    if (of.fetching !== null) return of.fetching
    const done = Deferred.makeUnsafe<void, IssuerAway>()
    of.fetching = done
    fork(
      Effect.onExit(ask(of), (exit) => {
        of.fetching = null
        return Deferred.done(
          done,
          Exit.hasInterrupts(exit) ? Exit.fail(new IssuerAway({ reason: "unreachable" })) : exit
        )
      }).pipe(Effect.ignoreCause)
    )
    return done
  }
  const mayAsk = (of: IssuerEntry): boolean => of.fetching !== null || now() >= of.askAgainAt
  const fetchNow = (of: IssuerEntry): Effect.Effect<void, IssuerAway> =>
    Effect.suspend(() =>
      mayAsk(of) ? Deferred.await(fetchShared(of)) : Effect.fail(new IssuerAway({ reason: "paused" }))
    )

  const ageOf = (of: IssuerEntry): number => (of.fetchedAt === null ? Number.POSITIVE_INFINITY : now() - of.fetchedAt)

  /** Returns when the keys of the entry may be used. */
  const usable = (of: IssuerEntry): Effect.Effect<void, IssuerAway> =>
    Effect.suspend(() => {
      const age = ageOf(of)
      if (age < refreshMs) return Effect.void
      if (age >= staleMs) return fetchNow(of)
      // The old ones are good still. Who asks while the issuer is away waits for nothing.
      if (age < 2 * refreshMs || of.failures > 0) {
        if (mayAsk(of)) fetchShared(of)
        return Effect.void
      }
      return Effect.ignore(fetchNow(of))
    })

  /** The keys that may have signed with this algorithm under this `kid`. */
  const find = Effect.fnUntraced(function* (of: IssuerEntry, algorithm: Algorithm, keyId: string | null) {
    yield* usable(of)
    const found = candidates(of.keys, algorithm, keyId)
    if (found.length > 0) return found
    const mayAskForUnknown = of.unknownAskedAt === null || now() - of.unknownAskedAt >= unknownKeyPauseMs
    if (!mayAskForUnknown || !mayAsk(of)) return found
    // A fetch under way may have been sent before the key was there; it is not the one for this.
    if (of.fetching !== null) yield* Effect.ignore(Deferred.await(of.fetching))
    const meanwhile = candidates(of.keys, algorithm, keyId)
    if (meanwhile.length > 0) return meanwhile
    if (of.unknownAskedAt === null || now() - of.unknownAskedAt >= unknownKeyPauseMs) {
      of.unknownAskedAt = now()
      yield* Effect.ignore(fetchNow(of))
    } else if (of.fetching !== null) yield* Effect.ignore(Deferred.await(of.fetching))
    return candidates(of.keys, algorithm, keyId)
  })

  return {
    entry,
    usable,
    find,
    /** Whether this is what the tenant's issuer is now. */
    isCurrent: (tenantId: string, of: IssuerEntry): boolean => entries.get(tenantId) === of,
    censusUnsafe: () => ({ issuers: entries.size, bytes })
  }
})
export type IssuerKeys = Effect.Success<typeof make>
