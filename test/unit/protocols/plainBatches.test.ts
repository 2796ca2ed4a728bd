// Verifies R-TOK-2, R-INP-5, R-BUS-10.
/** A batch of validations is answered with the same bytes, however it is spelled: read where it lies, or by the parser. */
import { assert, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Limits, make as makeLimits } from "../../../src/actors/tenant/Limits.ts"
import { Tenants } from "../../../src/actors/tenant/Tenants.ts"
import { servicePrincipal } from "../../../src/domain/Principal.ts"
import { defaultLimits } from "../../../src/domain/TenantLimits.ts"
import { encodeBody } from "../../../src/protocols/Operation.ts"
import { tokenValidationOperations } from "../../../src/protocols/TokenValidationOperations.ts"
import { readPlainItems } from "../../../src/schema/PlainItems.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { operator, tenantWorld } from "../../support/tenantWorld.ts"
import { times } from "../../support/times.ts"

const batch = tokenValidationOperations.find(({ name }) => name === "token.validate-batch")!
const asked = (tenantId: string) => ({
  tenantId,
  caller: { ...servicePrincipal("alice"), correlationId: "c", idempotency: null },
  extra: null,
  among: null,
  answerBytesMax: 1_000_000
})

interface Item {
  readonly appName: string
  readonly token: string
}

/** The same in JSON, with the first character of a text escaped: only a parser reads it. */
const escaped = (payload: string): string =>
  payload.replace(/"token":"(.)/u, (_, first: string) => `"token":"\\u00${first.charCodeAt(0).toString(16)}`)

it.effect("a batch that is read in place is answered as the parser's is, byte for byte", () =>
  Effect.gen(function* () {
    const { random, seed } = seededRandom("plain batches")
    const among = <A>(choices: ReadonlyArray<A>): A => choices[Math.floor(random() * choices.length)]!
    const world = yield* tenantWorld
    const { tenants } = yield* world.replica("one")
    const [items, active] = [[] as Array<Item>, [] as Array<Item>]
    for (const tenantId of ["acme", "beta"]) {
      yield* tenants.createTenant({ tenantId, name: null }, operator)
      yield* tenants.registerApplication(tenantId, `${tenantId}-app`, operator)
      const made = yield* tenants.provisionTokens(
        tenantId,
        `${tenantId}-app`,
        Array.from({ length: 60 }, (_, n) => ({
          endpointId: `endpoint-${n}`.padEnd(n + 12, "."),
          token: null,
          expiresAt: null,
          description: null
        })),
        operator
      )
      for (const [n, one] of made.entries()) {
        const { record, token } = Result.getOrThrow(one)
        // Active, Suspended, Revoked.
        const path = ([["Active"], ["Active"], ["Active", "Suspended"], ["Revoked"]] as const)[n % 4]!
        const item = { appName: `${tenantId}-app`, token }
        items.push(item)
        if (path.at(-1) === "Active") active.push(item)
        const tokenIds = [{ tokenId: record.tokenId }]
        for (const target of path) {
          yield* tenants.transitionTokens(tenantId, tokenIds, { target, expectedVersion: null, reason: null }, operator)
        }
      }
    }
    const wrong = ["acme-app", "beta-app", "nobody-s", "App", ""].flatMap((appName) =>
      ["nothing", "a/b", " ", "x".repeat(256)].map((token) => ({ appName, token }))
    )
    const answerOf = Effect.fnUntraced(function* (tenantId: string, text: string) {
      const { handle } = Result.getOrThrow(batch.prepare(Buffer.from(text)))
      const exit = yield* Effect.result(Effect.provideService(handle(asked(tenantId)), Tenants, tenants))
      if (Result.isFailure(exit)) return { refused: exit.failure._tag }
      return { text: Buffer.from(Result.getOrThrow(encodeBody(exit.success.body, 1_000_000))).toString() }
    })
    const seen = { whole: 0, mixed: 0, none: 0, refused: 0 }
    for (let round = 0; round < times(200); round++) {
      const count = among([1, 2, 10, 10, 300, 1_000])
      const share = among([0, 0.5, 1])
      const tenantId = among(["acme", "acme", "beta", "gamma"])
      // Those of one tenant that are all Active by chance would be one in a hundred.
      const own = active.filter(({ appName }) => appName === `${tenantId}-app`)
      const pool = own.length > 0 && random() < 0.3 ? own : items
      const given = Array.from({ length: count }, () => among(random() < share ? pool : wrong))
      const text = JSON.stringify({ items: given })
      const other = escaped(text)
      assert.isNotNull(readPlainItems(Buffer.from(text)))
      assert.isNull(readPlainItems(Buffer.from(other)))
      const orders = random() < 0.5 ? [text, other] : [other, text]
      const [first, second] = yield* Effect.forEach(orders, (one) => answerOf(tenantId, one))
      assert.deepStrictEqual(first, second, `SEED=${seed} round ${round}`)
      if (!("text" in first!)) seen.refused++
      else {
        const { results } = JSON.parse(first.text)
        assert.strictEqual(results.length, count)
        const good = results.filter(({ status }: { readonly status: string }) => status === "Active").length
        seen[good === count ? "whole" : good === 0 ? "none" : "mixed"]++
      }
    }
    if (times(200) === 200) assert.isAbove(Math.min(...Object.values(seen)), 0, JSON.stringify(seen))
  }).pipe(Effect.provideService(Limits, makeLimits({ ...defaultLimits, missesPerSecond: 1_000_000 })))
)
