import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { models } from "./test/support/models.ts"

const countingTests = ["admin", "events", "hostile", "replySubject"].map(
  (name) => `test/unit/protocols/${name}.test.ts`
)

/** It ends what hangs: what takes two seconds takes half a minute on a machine with fifty processes ready to run. */
const limitMs = 300_000

/** One more than there are cores of the least machine: some tests wait, for a server of theirs or for a process. */
const unitWorkers = 3

/** The short forms of the benchmark and of the simulation. Whatever else runs beside them only spoils figures. */
const bench = ["test/chaos/bench.test.ts"]

/** Those that take longest, longest first: begun last, each would run alone at the end. */
const longest = [
  "chaos/grants",
  "chaos/grantsMutant",
  "integration/rotators/kills",
  "integration/refresh/kills",
  "integration/service/keysDurability",
  "integration/refresh/beside",
  "integration/start",
  "integration/platform",
  "integration/service/inbox",
  "integration/refresh/oidcProvider",
  "integration/service/platform",
  "integration/service/refusals",
  "integration/service/restore",
  "integration/service/keys",
  "integration/service/limits",
  "integration/service/keyFile",
  "integration/service/hostileRun",
  "integration/service/credentialDurability",
  "integration/service/durability",
  "integration/outbox/EventLogCluster",
  "unit/domain/grantLife/GrantLifeRotating",
  "unit/domain/grantLife/GrantLife",
  "unit/coherence/protocol",
  "unit/schema/avro",
  "unit/settings",
  "unit/domain/rotationLife/RotationLife"
].map((name) => `/test/${name}.test.ts`)

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = longest.findIndex((end) => moduleId.endsWith(end))
      return at < 0 ? longest.length : at
    }
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  test: {
    retry: 0,
    sequence: { sequencer: LongestFirst },
    maxWorkers: 2,
    testTimeout: limitMs,
    hookTimeout: limitMs,
    // Servers that all suites share end in their own time: a database writes what it holds.
    teardownTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts", "test/architecture.test.ts"],
          exclude: [...countingTests, ...models],
          maxWorkers: unitWorkers,
          // Loading Effect anew for each file takes longer than the tests; none of them changes a module.
          isolate: false
        }
      },
      {
        extends: true,
        // Compare counters of the process, so each file gets its own.
        test: { name: "unit-counting", include: countingTests, maxWorkers: unitWorkers }
      },
      {
        extends: true,
        test: {
          name: "unit-models",
          include: models,
          isolate: false,
          maxWorkers: unitWorkers,
          // Most of what a walk makes is thrown away at once.
          execArgv: ["--max-semi-space-size=64"]
        }
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: ["test/support/globalSetup.ts", "test/support/serviceBundle.ts"],
          // As with the unit tests: what is loaded is loaded once for each worker.
          isolate: false,
          // Its tests wait for servers and processes more than they work.
          maxWorkers: 7
        }
      },
      {
        extends: true,
        test: {
          name: "recipes",
          include: ["test/recipes/**/*.test.ts"],
          fileParallelism: false
        }
      },
      {
        extends: true,
        test: {
          name: "chaos",
          include: ["test/chaos/**/*.test.ts"],
          exclude: bench,
          globalSetup: ["test/support/serviceBundle.ts"],
          // Each on servers of its own, and waiting for much of its time. More of them, starved, judge answers that never came.
          maxWorkers: 3,
          testTimeout: 1_200_000
        }
      },
      {
        extends: true,
        test: {
          name: "bench",
          include: bench,
          globalSetup: ["test/support/serviceBundle.ts"],
          testTimeout: 1_200_000
        }
      }
    ]
  }
})
