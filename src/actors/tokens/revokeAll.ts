/**
 * `token.revoke-all` as callers meet it: its moment is taken, what was made up to then is counted, then it is begun;
 * a sweep does the work (`revokeAllPiece`).
 *
 * Counting reads the tenant's tokens page by page and gives up in time, so a very large population is
 * answered with how many there are at least.
 */
import { Clock, Duration, Effect } from "effect"
import type { Keyring } from "../../crypto/Keyring.ts"
import * as errors from "../../domain/errors.ts"
import { isInService } from "../../domain/Tenant.ts"
import { pieceAt, placeAfter, type TokenPopulation, walkBegin } from "../../domain/TokenPopulation.ts"
import type { Seldom } from "../../observability/Seldom.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import type { TenantStore } from "../../store/TenantStore.ts"
import type { Command } from "../tenant/Command.ts"
import * as ExistingTenant from "../tenant/ExistingTenant.ts"
import type { Ids } from "../tenant/Ids.ts"
import { revokeAllChanged, revokeAllHolds } from "../tenant/RowTagging.ts"
import type { ChangeError, Tenants } from "../tenant/Tenants.ts"
import { beginRevokeAll, madeUpTo, momentOfPopulation } from "./commands/revokeAll.ts"

/** For a request that has to be answered. */
const countFor = Duration.seconds(3)

const countPopulation = Effect.fnUntraced(function* (
  store: TenantStore["Service"],
  tenantId: string,
  population: TokenPopulation
): Effect.fn.Return<{ readonly matched: number; readonly isAtLeast: boolean }, StoreUnavailable> {
  const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(countFor)
  let place = walkBegin
  let matched = 0
  for (;;) {
    const piece = pieceAt(population, place, 1)
    if (piece === null) return { matched, isAtLeast: false }
    const { count, next } = yield* store.countTokens(tenantId, piece)
    matched += count
    place = placeAfter(place, next)
    if ((yield* Clock.currentTimeMillis) >= until && pieceAt(population, place, 1) !== null) {
      return { matched, isAtLeast: true }
    }
  }
})

/** Named by mistake, nothing would be revoked and nobody would know: each has to be the tenant's. */
const requireApplications = Effect.fnUntraced(function* (
  store: TenantStore["Service"],
  tenantId: string,
  appNames: ReadonlyArray<string>
): Effect.fn.Return<void, StoreUnavailable | errors.ApplicationNotFound> {
  const found = appNames.length === 0 ? [] : yield* store.findApplications(appNames, tenantId)
  const own = new Set(
    found.filter((one) => one.tenantId === tenantId && isInService(one)).map(({ appName }) => appName)
  )
  const missing = appNames.find((appName) => !own.has(appName))
  if (missing !== undefined) return yield* new errors.ApplicationNotFound({ appName: missing })
})

export const revokeAlls = ({
  change,
  changedRows,
  ids,
  keyring,
  liveTenant,
  store
}: {
  readonly store: TenantStore["Service"]
  readonly ids: Ids["Service"]
  readonly keyring: Pick<Keyring["Service"], "rowHolds">
  readonly changedRows: Seldom
  readonly liveTenant: Effect.Success<typeof ExistingTenant.make>
  readonly change: <A>(tenantId: string, command: Command<A>) => Effect.Effect<A, ChangeError>
}): Pick<Tenants["Service"], "countPopulation" | "revokeAll" | "findRevokeAll"> => {
  const counted = Effect.fnUntraced(function* (tenantId: string, population: TokenPopulation) {
    yield* liveTenant(tenantId)
    const counting = Effect.andThen(
      requireApplications(store, tenantId, population.applications ?? []),
      countPopulation(store, tenantId, population)
    )
    return yield* Effect.catchTag(counting, "StoreUnavailable", (error) =>
      Effect.fail(ExistingTenant.readFailed(error))
    )
  })
  return {
    countPopulation: counted,
    revokeAll: Effect.fnUntraced(function* (tenantId, { population, reason }, caller) {
      const operationId = ids.next()
      const startedAt = yield* change(tenantId, momentOfPopulation(caller))
      const bounded = madeUpTo(population, startedAt)
      const asked = { operationId, population: bounded, reason, startedAt, ...(yield* counted(tenantId, bounded)) }
      return yield* change(tenantId, beginRevokeAll(asked, caller))
    }),
    findRevokeAll: Effect.fnUntraced(function* (tenantId, operationId) {
      yield* liveTenant(tenantId)
      const found = yield* Effect.mapError(store.findRevokeAll(tenantId, operationId), ExistingTenant.readFailed)
      if (found === undefined) return yield* new errors.RevokeAllNotFound()
      return revokeAllHolds(found, keyring) ? found : yield* revokeAllChanged(found, changedRows)
    })
  }
}
