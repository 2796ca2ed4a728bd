/**
 * Which tenant a request is for: that of its token's issuer. Whoever the platform's own issuer vouches for names the tenant
 * in `Cm-Tenant`; for another one that header may only say the same.
 *
 * Whose an issuer is: asked of the service, and believed for a minute; that it is nobody's for a few seconds.
 *
 * It decides nothing: the service verifies the token against the issuer that the tenant has now. So an entry that is
 * old costs a refusal, and is forgotten when the service says that it is wrong. Bounded: entries, and questions at once.
 */
import { Clock, Deferred, Effect } from "effect"
import { Bus, problemOf } from "./Bus.ts"
import { internal, invalid, type Problem, problem, refusalOf, unauthenticated } from "./Problem.ts"
import { objectOf } from "./usual.ts"

const keepMs = 60_000
const keepNobodysMs = 5_000
const entriesMax = 4_096
const questionsMax = 64
const tenantIdPattern = /^[A-Za-z0-9_-]{1,64}$/u

/** The platform's own issuer: no tenant has this id. */
const platform = ""

interface Entry {
  /** Null: nobody's. */
  readonly tenantId: string | null
  readonly untilMs: number
}

export const make = Effect.gen(function* () {
  const bus = yield* Bus
  const clock = yield* Clock.Clock
  const entries = new Map<string, Entry>()
  const asking = new Map<string, Deferred.Deferred<string | null, Problem>>()

  const ask = Effect.fnUntraced(function* (issuer: string) {
    const { data, status } = yield* bus
      .ask(`${bus.instance}.gateway.v1.resolve`, JSON.stringify({ issuer }), {})
      .pipe(Effect.mapError(problemOf))
    const body = yield* objectOf(Buffer.from(data).toString("utf8"))
    if (status === 200) {
      const { tenantId } = body
      if (body.platform === true) return platform
      return typeof tenantId === "string" && tenantIdPattern.test(tenantId) ? tenantId : yield* Effect.fail(internal())
    }
    const refused = refusalOf(body) ?? internal()
    // An issuer whose form no tenant's can have is nobody's, too.
    return refused.code === "TENANT_NOT_FOUND" || refused.code === "INVALID_REQUEST"
      ? null
      : yield* Effect.fail(refused)
  })

  const remember = (issuer: string, tenantId: string | null) => {
    entries.delete(issuer)
    const oldest = entries.keys().next().value
    if (entries.size >= entriesMax && oldest !== undefined) entries.delete(oldest)
    const untilMs = clock.currentTimeMillisUnsafe() + (tenantId === null ? keepNobodysMs : keepMs)
    entries.set(issuer, { tenantId, untilMs })
  }

  const askOnce = (issuer: string): Effect.Effect<string | null, Problem> =>
    Effect.suspend(() => {
      const present = asking.get(issuer)
      if (present !== undefined) return Deferred.await(present)
      if (asking.size >= questionsMax) {
        return Effect.fail(
          problem("TOO_MANY_REQUESTS", "Too many unknown issuers at once, try again later", {
            details: { limit: "issuers" }
          })
        )
      }
      const deferred = Deferred.makeUnsafe<string | null, Problem>()
      asking.set(issuer, deferred)
      return ask(issuer).pipe(
        Effect.tap((tenantId) => Effect.sync(() => remember(issuer, tenantId))),
        Effect.onExit((exit) => {
          asking.delete(issuer)
          return Deferred.done(deferred, exit)
        })
      )
    })

  const ownerOf = (issuer: string): Effect.Effect<string | null, Problem> =>
    Effect.suspend(() => {
      const entry = entries.get(issuer)
      const known = entry !== undefined && clock.currentTimeMillisUnsafe() < entry.untilMs
      return known ? Effect.succeed(entry.tenantId) : askOnce(issuer)
    })

  return {
    /** `named` is `Cm-Tenant`, null when it was not sent. */
    find: Effect.fnUntraced(function* (issuer: string, named: string | null): Effect.fn.Return<string, Problem> {
      const owner = yield* ownerOf(issuer)
      if (owner === platform) {
        if (named === null)
          return yield* Effect.fail(invalid("cm-tenant", "must name a tenant with a token of the platform"))
        return tenantIdPattern.test(named)
          ? named
          : yield* Effect.fail(invalid("cm-tenant", "must be the id of a tenant"))
      }
      return owner === null || (named !== null && named !== owner)
        ? yield* Effect.fail(unauthenticated("issuer"))
        : owner
    }),
    /** The service judged otherwise. */
    forget: (issuer: string): void => void entries.delete(issuer)
  }
})
export type TenantByIssuer = Effect.Success<typeof make>
