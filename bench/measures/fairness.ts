/**
 * How much one tenant's flood moves another tenant's p99.
 *
 * The baseline is the same quiet tenant beside the same flood, in kind, rate and length of answers, that somebody
 * else answers: a bare echo. What the flood's own process and the server take of the processors is then on both
 * sides, and what is left is the service's doing; on a machine with processors to spare the two baselines, beside an
 * echo and alone, are one. `bench/fairness.ts` prints both.
 *
 * The limit is the quiet tenant in this service while the flood is served by another one, with a database of its own on the
 * same servers: the machine, MariaDB and NATS are shared then as they are here, and nothing within a service.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Client } from "../../test/support/client.ts"
import { eventually } from "../../test/support/eventually.ts"
import { startEcho, startFlood } from "../support/children.ts"
import { type Flood, type Flooded, floods, type KnownTokens, loud, subjectOf } from "../support/flood.ts"
import { type Ground, provision, registered } from "../support/ground.ts"
import type { Group, Row, Side } from "../support/measure.ts"
import { quietTenant, quietTimes, type Times, type Work, works } from "../support/quietTenant.ts"
import { processorSeconds } from "../support/report.ts"
import type { TurnsSeen } from "../support/turnsOfLoop.ts"

const [instance, echoes, elsewhere] = ["fair", "fairecho", "fairelse"]
export const promised = 1.33
export const floodInFlight = 512
/** Of the loud tenant: a flood is what is far over them. */
export const limits = { requestsInFlight: 256, missesPerSecond: 1_000 }

/** What a flood was in its last round within the service, and what the service's thread did in one go meanwhile. */
interface Known {
  readonly perSecond: number
  /** Of them, not refused. */
  readonly servedPerSecond: number
  readonly processors: number
  readonly turns: TurnsSeen
}

export interface Fairness {
  readonly alone: () => Promise<Times>
  /** In the service. */
  readonly within: (kind: Flood) => Promise<Times>
  /** The same flood, at the rate of the last one within, answered by an echo. */
  readonly beside: (kind: Flood) => Promise<Times>
  /**
   * The same flood, at that rate, served by a service of its own on the same servers: what the machine, MariaDB and
   * NATS make of it, however a service keeps its tenants apart.
   */
  readonly elsewhere: (kind: Flood) => Promise<Times>
  readonly known: (kind: Flood) => Known
  /** In the last round alone. */
  readonly turnsAlone: () => TurnsSeen
}

export const prepareFairness = async (
  ground: Ground,
  milliseconds: number,
  kinds: ReadonlyArray<Flood> = floods
): Promise<Fairness> => {
  const { natsUrl, onStop } = ground
  const folder = mkdtempSync(join(tmpdir(), "cm-turns-"))
  onStop(async () => rmSync(folder, { recursive: true }))
  const file = join(folder, "turns.json")
  const env = {
    NODE_OPTIONS: `--import ${new URL("../support/turnsOfLoop.ts", import.meta.url).href}`,
    BENCH_TURNS: file
  }
  const { client, service } = await ground.service(instance, { env })
  const turnsSeen = async (): Promise<TurnsSeen> => {
    rmSync(file, { force: true })
    process.kill(service.pid, "SIGUSR2")
    await eventually(
      () => existsSync(file),
      (isThere) => isThere,
      { what: "what the service's thread did" }
    )
    return JSON.parse(readFileSync(file, "utf8"))
  }
  const makeTenants = async (of: Client, tenants: ReadonlyArray<string>, name: string): Promise<string> => {
    for (const tenantId of tenants) {
      await of.admin("tenants.create", { tenantId })
      await registered(of, tenantId, tenantId)
    }
    const made = { tenant: loud, app: loud }
    const known: KnownTokens = { good: await provision(of, 1_000, made), ended: await provision(of, 1_000, made) }
    const tokens = join(folder, name)
    writeFileSync(tokens, JSON.stringify(known))
    const configured = await of.admin("tenants.configure", { tenantId: loud, limits })
    if (configured.status !== 200) throw new Error(`limits: ${configured.status}`)
    return tokens
  }
  const tokens = await makeTenants(client, [loud, quietTenant], "tokens.json")
  const other = await ground.service(elsewhere)
  const tokensElsewhere = await makeTenants(other.client, [loud], "elsewhere.json")
  const seen = new Map<Flood, Known>()
  const during = async (kind: Flood, name: string, perSecond: number, of = tokens) => {
    const flood = await startFlood([natsUrl, name, kind, String(floodInFlight), String(perSecond), of])
    const begunAt = performance.now()
    await turnsSeen()
    const [began, used] = [performance.now(), processorSeconds(flood.pid)]
    const times = await quietTimes(client, milliseconds)
    const processors = (processorSeconds(flood.pid) - used) / ((performance.now() - began) / 1_000)
    const turns = await turnsSeen()
    const { bytes, count, served }: Flooded = await flood.end()
    const seconds = (performance.now() - begunAt) / 1_000
    if (perSecond === 0 && served === 0) throw new Error(`a flood of ${kind} is refused, all of it`)
    const rates = { perSecond: count / seconds, servedPerSecond: served / seconds }
    return { times, ...rates, processors, turns, bytes: Math.round(bytes / Math.max(1, count)) }
  }
  await quietTimes(client, milliseconds)
  let turnsAlone = await turnsSeen()
  for (const kind of kinds) {
    const { bytes, ...one } = await during(kind, instance, 0)
    seen.set(kind, one)
    onStop((await startEcho(natsUrl, subjectOf[kind](echoes), bytes)).stop)
  }
  return {
    alone: async () => {
      await turnsSeen()
      const times = await quietTimes(client, milliseconds)
      turnsAlone = await turnsSeen()
      return times
    },
    turnsAlone: () => turnsAlone,
    within: async (kind) => {
      const { times, ...one } = await during(kind, instance, 0)
      seen.set(kind, one)
      return times
    },
    beside: async (kind) => (await during(kind, echoes, Math.max(1, seen.get(kind)!.perSecond))).times,
    elsewhere: async (kind) =>
      (await during(kind, elsewhere, Math.max(1, seen.get(kind)!.perSecond), tokensElsewhere)).times,
    known: (kind) => seen.get(kind)!
  }
}

/** One round for all works: the first that asks takes it, the others are told what came of it. */
const shared = (round: () => Promise<Times>): ((work: Work) => Side) => {
  let last: Times | undefined
  const told = new Set<Work>()
  return (work) => async () => {
    if (last === undefined || told.has(work)) {
      last = await round()
      told.clear()
    }
    told.add(work)
    return last[work]
  }
}

export const fairness: Group = {
  id: "fairness",
  title: "a quiet tenant's p99 while another one floods",
  prepare: async ({ isQuick, milliseconds }, ground) => {
    // What answers each of the others is asked in the tests, too.
    const kinds = isQuick ? floods.slice(0, 2) : floods
    const taken = await prepareFairness(ground, milliseconds, kinds)
    const sides: Record<string, Side> = {}
    const rows: Array<Row> = []
    for (const kind of kinds) {
      const taking = {
        [kind]: shared(() => taken.within(kind)),
        [`at an echo: ${kind}`]: shared(() => taken.beside(kind)),
        [`in another service: ${kind}`]: shared(() => taken.elsewhere(kind))
      }
      for (const [where, side] of Object.entries(taking))
        for (const work of works) sides[`${where}: ${work}`] = side(work)
      for (const work of works)
        rows.push({
          measure: `p99 of ${work}, others' ${kind}`,
          ours: `${kind}: ${work}`,
          baseline: `at an echo: ${kind}: ${work}`,
          unit: "ms",
          goal: { atMost: promised },
          limits: [`in another service: ${kind}: ${work}`],
          note: `${Math.round(taken.known(kind).perSecond).toLocaleString("en")} a second`
        })
    }
    return { sides, rows, roundsMax: 5, warms: false }
  }
}
