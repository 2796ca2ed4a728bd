/**
 * `npm run simulate`: how long a revocation takes with 3 to 300 replicas in one region and in three, over
 * links that lose packets, and when a region is cut off.
 *
 * The rules of leases and barriers are the service's own (`coherence/Lease.ts`, `coherence/Barrier.ts`);
 * simulated are replicas, regions, disks and time. Options: `--seed`, `--seconds=20` of each world,
 * `--quick`, `--out=folder` for `simulation.json`, `simulation.md` and a plot; `--check` compares the small
 * end with the real thing: three replicas on a real NATS server, whose round trip and write are measured
 * and given to the simulation. The exit code is 0 only when no replica could have answered wrongly.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { argumentsOf } from "../../scripts/lib/arguments.mjs"
import { seededRandom } from "../../test/support/seededRandom.ts"
import { svg } from "../support/plot.ts"
import { measureReal } from "./real.ts"
import { simulate, type WorldOptions, type WorldResult } from "./World.ts"

const { misused, values } = argumentsOf(import.meta.filename, {
  call: "npm run simulate --",
  options: {
    seed: { type: "string" },
    seconds: { type: "string" },
    quick: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    out: { type: "string", default: join("bench", "results") }
  }
})
if (values.seed !== undefined) process.env.SEED = values.seed
const seconds = Number(values.seconds ?? (values.quick ? 5 : 20))
if (!(seconds > 0)) misused("--seconds is a number above 0")

const timing = { leaseMs: 3_000, marginMs: 300 }
const { random, seed } = seededRandom("simulation")
/** Within a region half a millisecond; between them as between Frankfurt, Virginia and Singapore, rounded. */
const within = 0.5
const oneRegion = [[within]]
const threeRegions = [
  [within, 90, 160],
  [90, within, 220],
  [160, 220, within]
]
const common = { syncMs: 1, commitMs: 1, loss: 0, seconds, timing, random }

interface World {
  readonly name: string
  readonly options: Omit<WorldOptions, "replicas" | "random">
  /** Beyond it a run has more messages than it has patience. */
  readonly replicasMax?: number
}
const cut = { atMs: 3_000, forMs: 10_000 }
const cutSeconds = Math.max(seconds, 15)
const worlds: ReadonlyArray<World> = [
  { name: "one region", options: { ...common, roundTrips: oneRegion, revocationsPerSecond: 20 } },
  {
    name: "one region, 1,000 revocations/s",
    options: { ...common, roundTrips: oneRegion, revocationsPerSecond: 1_000 },
    replicasMax: 30
  },
  { name: "three regions", options: { ...common, roundTrips: threeRegions, revocationsPerSecond: 20 } },
  {
    name: "three regions, 1 % lost",
    options: { ...common, roundTrips: threeRegions, loss: 0.01, revocationsPerSecond: 20 }
  },
  {
    name: "three regions, the third cut off for 10 s",
    options: {
      ...common,
      seconds: cutSeconds,
      roundTrips: threeRegions,
      revocationsPerSecond: 5,
      cut: { region: 2, ...cut }
    }
  },
  {
    name: "three regions, the bucket's leader cut off for 10 s",
    options: {
      ...common,
      seconds: cutSeconds,
      roundTrips: threeRegions,
      revocationsPerSecond: 5,
      leader: 1,
      cut: { region: 1, ...cut }
    }
  }
]
const sizes = values.quick ? [3, 30] : [3, 10, 30, 100, 300]

interface Line extends WorldResult {
  readonly world: string
  readonly replicas: number
}

const shown = (value: number): string => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1))
const titles = [
  "world",
  "replicas",
  "revocations",
  "p50 ms",
  "p99 ms",
  "max ms",
  "messages/s",
  "bucket writes/s",
  "leases held",
  "stale"
]
const cells = (line: Line): ReadonlyArray<string> => [
  line.world,
  String(line.replicas),
  line.count.toLocaleString("en"),
  shown(line.p50),
  shown(line.p99),
  shown(line.max),
  shown(line.messagesPerSecond),
  shown(line.bucketWritesPerSecond),
  `${(line.leasesHeld * 100).toFixed(0)} %`,
  `${line.stale} of ${line.count.toLocaleString("en")}`
]

const runAll = (): ReadonlyArray<Line> => {
  const lines: Array<Line> = []
  console.log(titles.join("\t"))
  for (const { name, options, replicasMax = Number.POSITIVE_INFINITY } of worlds) {
    for (const replicas of sizes.filter((size) => size <= replicasMax)) {
      const line = { world: name, replicas, ...simulate({ ...options, replicas, random }) }
      lines.push(line)
      console.log(cells(line).join("\t"))
    }
  }
  mkdirSync(values.out, { recursive: true })
  writeFileSync(join(values.out, "simulation.json"), `${JSON.stringify({ seed, seconds, timing, lines }, null, 2)}\n`)
  const rows = [titles, titles.map(() => "---"), ...lines.map(cells)].map((row) => `| ${row.join(" | ")} |`)
  writeFileSync(join(values.out, "simulation.md"), `${rows.join("\n")}\n`)
  const curves = ["one region", "three regions", "three regions, 1 % lost"].map((world) => ({
    name: world,
    points: lines.filter((line) => line.world === world).map(({ p99, replicas }) => [replicas, p99] as const)
  }))
  const plot = {
    file: "revocation-against-replicas.svg",
    title: "p99 of a revocation against replicas (simulated)",
    xAxis: "replicas",
    yAxis: "milliseconds",
    isLogarithmic: true,
    curves
  }
  writeFileSync(join(values.out, plot.file), svg(plot))
  return lines
}

const check = async (): Promise<WorldResult> => {
  const real = await measureReal(values.quick ? 100 : 1_000)
  const small = simulate({
    ...common,
    seconds: 60,
    roundTrips: [[real.roundTripMs]],
    syncMs: Math.max(0, real.writeMs - real.roundTripMs),
    // What is measured is the barrier alone.
    commitMs: 0,
    revocationsPerSecond: 5,
    replicas: 3,
    random
  })
  const barrier = small.p50 - 2 * real.roundTripMs
  console.log(
    `three real replicas: a round trip ${real.roundTripMs.toFixed(2)} ms, a write ${real.writeMs.toFixed(2)} ms, ` +
      `a barrier p50 ${real.barrierMs.toFixed(2)} ms; simulated ${barrier.toFixed(2)} ms: ${(barrier / real.barrierMs).toFixed(2)} of it`
  )
  return small
}

const results = values.check ? [await check()] : runAll()
const stale = results.reduce((sum, line) => sum + line.stale, 0)
const unanswered = results.reduce((sum, line) => sum + line.unanswered, 0)
console.log(`seed ${seed}: ${stale} answers while a replica could still say otherwise, ${unanswered} never answered`)
process.exit(stale === 0 && unanswered === 0 ? 0 : 1)
