// Verifies R-REF-10.
/**
 * A replica is killed at each step of a refresh, stopped exactly there; another process takes over. The
 * provider says what is left: where it lets anybody come back, its live grant is held again.
 *
 * Two kinds of providers each time, and a third one that the seed chooses (`SEED=…`); `CM_KILLS=all`: every kind.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { endsFamilies, type Kind, refreshServers } from "../../support/refreshServers.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import type { Service } from "../../support/service.ts"
import type { Passing } from "../../support/statementGate.ts"

const timings = {
  // Through this process, which may be as busy as all others.
  CM_DB_CONNECT_TIMEOUT: "10 seconds",
  CM_CREDENTIAL_SWEEP_EVERY: "200 millis",
  CM_REFRESH_INTERVAL: "100 millis",
  CM_REFRESH_CLAIM: "2 seconds",
  CM_REFRESH_DOUBT: "3 seconds",
  CM_REFRESH_EXCHANGE: "10 seconds"
}
const servers = refreshServers("rfk")
const { rotate, shown, store } = servers
/** The one that is killed next. */
let service: Service
const kinds: Readonly<Record<string, Kind>> = {
  keep: { refreshTokens: "keep", reuse: "refuse", graceMs: 0 },
  rotate: { refreshTokens: "rotate", reuse: "refuse", graceMs: 0 },
  family: endsFamilies,
  successor: { refreshTokens: "rotate", reuse: "same_successor", graceMs: 0 },
  grace: { refreshTokens: "rotate_with_grace", reuse: "refuse", graceMs: 600_000 }
}

const start = (): Promise<Service> =>
  servers.start({ databaseUrl: servers.gatedUrl(), env: timings, asShipped: true, readyLimitMs: 240_000 })

beforeAll(async () => {
  await servers.open({ natsUrl: inject("natsUrl"), databaseUrl: inject("databaseUrl") })
  for (const [name, kind] of Object.entries(kinds)) await servers.standProvider(name, kind)
  service = await start()
  for (const name of Object.keys(kinds)) await servers.putProvider(name)
})
afterAll(() => servers.close())

const claims = ({ text }: Passing) => text.includes("UPDATE credentials") && text.includes('"claim":{')
const commitOf = (part: string | ((transaction: string) => boolean)) => (passing: Passing) =>
  passing.commits && (typeof part === "string" ? passing.transaction.includes(part) : part(passing.transaction))
const answers = "INSERT IGNORE INTO credential_versions"
const settles = "DELETE FROM credential_versions"

/** Where it is killed; `isWindow`: spent at the provider, and stored nowhere. */
const stops: ReadonlyArray<{
  readonly at: string
  readonly is: (passing: Passing) => boolean
  readonly when: "before" | "answered"
  readonly isWindow: boolean
}> = [
  { at: "before the claim is written", is: claims, when: "before", isWindow: false },
  {
    at: "after the claim was committed",
    is: commitOf((transaction) => transaction.includes('"claim":{')),
    when: "answered",
    isWindow: false
  },
  {
    at: "before the answer is written",
    is: ({ text }) => text.includes(answers),
    when: "before",
    isWindow: true
  },
  // It is a statement that commits by itself.
  { at: "after the answer was committed", is: ({ text }) => text.includes(answers), when: "answered", isWindow: false },
  { at: "before the settling is written", is: ({ text }) => text.includes(settles), when: "before", isWindow: false },
  { at: "before the settling is committed", is: commitOf(settles), when: "before", isWindow: false },
  { at: "after the settling was committed", is: commitOf(settles), when: "answered", isWindow: false }
]

const usual = ["rotate", "successor"]
const chosen = (): ReadonlyArray<string> => {
  if (process.env.CM_KILLS === "all") return Object.keys(kinds)
  const others = Object.keys(kinds).filter((name) => !usual.includes(name))
  return [...usual, others[Math.floor(seededRandom("kills").random() * others.length)]!]
}

describe("killed", () => {
  for (const name of chosen()) {
    it(`at each step of a refresh at a provider of the kind ${name}`, async () => {
      for (const { at, is, isWindow, when } of stops) {
        const grant = await store(name)
        const { id } = grant
        let isStopped = false
        // Never fails.
        void servers
          .gate()
          .stopAt(is, when)
          .then(() => {
            isStopped = true
          })
        // Its answer may never come; and on a busy machine it may be told to come again before it got there.
        const ask = async (): Promise<void> => {
          // May fail: the service is killed before it answers.
          await rotate(id).catch(() => undefined)
          if (!isStopped) return ask()
        }
        // Never fails.
        void ask()
        await eventually(
          () => isStopped,
          (there) => there,
          { limitMs: 200_000, everyMs: 2, what: `${name}, ${at}: the stop` }
        )
        service.kill()
        await service.exited
        service = await start()
        const mayBeLost = isWindow && (name === "rotate" || name === "family")
        const ends = mayBeLost ? ["reconnect_needed"] : ["fresh"]
        const { refresh } = await eventually(
          () => shown(id),
          (one) => ends.includes(one?.refresh.state),
          { limitMs: 200_000, what: `${name}, ${at}: the end` }
        ).catch(async (error: unknown) => {
          throw new Error(`${name}, ${at}: ${JSON.stringify((await shown(id))?.refresh)}`, { cause: error })
        })
        if (!mayBeLost) {
          await servers.assertLive(name, grant, `${name}, ${at}`)
          // What the dead one had locked is free once the database has noticed.
          await eventually(
            () => rotate(id),
            ({ status }) => status === 200,
            { limitMs: 200_000, what: `${name}, ${at}: another refresh` }
          )
        } else assert.strictEqual(refresh.state, "reconnect_needed", `${name}, ${at}`)
      }
    }, 1_500_000)
  }
})
