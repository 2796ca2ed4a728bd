/**
 * One round of chaos on a world: load and changes under a nemesis for some seconds, then rest, then the
 * checker's verdict. Many rounds may follow each other on one world; each has a history of its own.
 */
import { setTimeout as pause } from "node:timers/promises"
import { type Client, connectClient } from "../support/client.ts"
import { eventually } from "../support/eventually.ts"
import { checkAnswers, livesOf, staleness, type Violation } from "./answers.ts"
import { Changes } from "./Changes.ts"
import { checkFacts } from "./facts.ts"
import { type Change, type History, Recorder } from "./History.ts"
import { Load } from "./Load.ts"
import { type ActionName, runNemesis } from "./Nemesis.ts"
import { readFacts } from "./readFacts.ts"
import type { World } from "./World.ts"

export interface RoundOptions {
  readonly world: World
  readonly random: () => number
  readonly milliseconds: number
  /** Validations a second, at most. */
  readonly rate: number
}

export interface RoundReport {
  readonly violations: ReadonlyArray<Violation>
  readonly validations: number
  readonly decisive: number
  readonly lost: number
  readonly byStatus: ReadonlyMap<number, number>
  /** Answered changes that took a right away. */
  readonly revocations: number
  readonly changes: ReadonlyMap<string, number>
  readonly actions: ReadonlyMap<ActionName, number>
  readonly events: number
  /** What was done to the tokens of stale 200s, and what was disturbed meanwhile. */
  readonly explained: ReadonlyArray<string>
}

const clientCount = 4
/** Longer than a revocation beside a dead replica takes; what was lost is asked for again. */
const askLimitMs = 5_000

const tally = <A>(keys: Iterable<A>): Map<A, number> => {
  const counts = new Map<A, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return counts
}

const tookAway = ({ kind, outcome }: Change): boolean =>
  outcome === "done" && kind !== "provision" && kind !== "activate"

const explainedMax = 4

const moment = (ms: number): string => (Number.isFinite(ms) ? (ms / 1_000).toFixed(4) : "never")

/** The story of the first tokens of which a 200 was stale. */
const explain = (history: History): ReadonlyArray<string> => {
  const { changes, disturbances, tokens, validations } = history
  const lives = livesOf(history)
  const stale = new Map<number, Array<number>>()
  for (let row = 0; row < validations.count; row++) {
    const index = validations.token[row]!
    if (validations.status[row] !== 200) continue
    if (staleness(lives[index]!, validations.sentMs[row]!, validations.answeredMs[row]!) === null) continue
    stale.set(index, [...(stale.get(index) ?? []), row])
  }
  return [...stale].slice(0, explainedMax).flatMap(([index, rows]) => {
    const { appName, tenantId, tokenId } = tokens[index]!
    const last = rows.at(-1)!
    const span = `${moment(validations.sentMs[rows[0]!]!)} to ${moment(validations.answeredMs[last]!)}`
    const about = changes.filter(
      (change) =>
        change.token === index ||
        change.successor === index ||
        (change.kind === "remove-application" && change.appName === appName)
    )
    return [
      `${tokenId} of ${tenantId}: ${rows.length} stale 200s, ${span}`,
      ...about.map(
        ({ answeredMs, kind, outcome, sentMs, version }) =>
          `  ${moment(sentMs)} to ${moment(answeredMs)} ${kind} ${outcome} ${version ?? ""}`
      ),
      ...disturbances
        .filter(
          ({ fromMs, toMs }) => toMs > validations.sentMs[rows[0]!]! - 15_000 && fromMs < validations.answeredMs[last]!
        )
        .map(({ fromMs, toMs, what }) => `  ${moment(fromMs)} to ${moment(toMs)} ${what}`)
    ]
  })
}

const serves = (client: Client): Promise<unknown> =>
  eventually(
    () => client.admin("ready"),
    ({ status }) => status === 200,
    { limitMs: 180_000, everyMs: 200, what: "the service being ready" }
  )

export const runRound = async (options: RoundOptions): Promise<RoundReport> => {
  const { milliseconds, random, rate, world } = options
  const recorder = new Recorder()
  const { instance } = world
  const { natsUrl } = world.ground
  const servers = natsUrl.split(",")
  const clients = await Promise.all(
    Array.from({ length: clientCount }, (_, index) =>
      connectClient({ natsUrl: servers[index % servers.length]!, instance, timeoutMs: askLimitMs })
    )
  )
  await serves(clients[0]!)
  const deathsBefore = world.replicas.map(({ deaths }) => deaths())
  const load = new Load({ natsUrl, instance, recorder, random, rate })
  const changes = new Changes({ clients, recorder, load, random, callers: 16, restMs: 40 })
  const violations: Array<Violation> = []
  await load.start()
  await changes.start()
  await pause(Math.min(2_000, milliseconds / 4))
  const actions = await runNemesis({ world, recorder, random, milliseconds })
  // What was disturbed last is seen to be whole.
  await pause(1_000)
  await changes.stop()
  await load.stop()
  await serves(clients[0]!)
  const facts = await readFacts(world, clients[0]!, recorder).catch((error: unknown) => {
    violations.push({ rule: "no rest", detail: error instanceof Error ? error.message : String(error) })
    return null
  })
  await Promise.all(clients.map((client) => client.close()))
  const answers = checkAnswers(recorder)
  violations.push(...answers.violations)
  if (facts !== null) violations.push(...checkFacts(recorder, facts))
  for (const [index, { deaths, name }] of world.replicas.entries()) {
    if (deaths() > deathsBefore[index]!) violations.push({ rule: "a replica ended by itself", detail: name })
  }
  return {
    violations,
    validations: recorder.validations.count,
    decisive: answers.decisive,
    lost: answers.lost,
    byStatus: answers.byStatus,
    revocations: recorder.changes.filter(tookAway).length,
    changes: tally(recorder.changes.map(({ kind, outcome }) => `${kind} ${outcome}`)),
    actions,
    events: facts?.events.length ?? 0,
    explained:
      answers.violations.length === 0 ? [] : [`wall clock ahead by ${recorder.wallOffsetMs}`, ...explain(recorder)]
  }
}

const shownMax = 10

const shownCounts = (counts: ReadonlyMap<unknown, number>): string =>
  [...counts]
    .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1))
    .map(([key, count]) => `${String(key)} ${count}`)
    .join(", ")

/** A report as lines for people. */
export const shown = (report: RoundReport): string =>
  [
    `validations ${report.validations} (${report.decisive} after a right was taken away, ${report.lost} lost): ${shownCounts(report.byStatus)}`,
    `revocations ${report.revocations}; changes: ${shownCounts(report.changes)}`,
    `nemesis: ${shownCounts(report.actions)}`,
    `events ${report.events}; violations ${report.violations.length}`,
    ...[...Map.groupBy(report.violations, ({ rule }) => rule)].flatMap(([rule, found]) => [
      `  ${rule}: ${found.length}`,
      ...found.slice(0, shownMax).map(({ detail }) => `    ${detail}`)
    ]),
    ...report.explained
  ].join("\n")
