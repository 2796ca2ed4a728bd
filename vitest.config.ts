import { defineConfig } from "vitest/config"

const countingTests = ["admin", "events", "hostile", "replySubject"].map(
  (name) => `test/unit/protocols/${name}.test.ts`
)

/** Walks through all states of the models: a third of the time of all unit tests. `npm run check` does not take them. */
const models = ["coherence/protocol", "domain/grantLife/GrantLife", "domain/rotationLife/RotationLife"].map(
  (name) => `test/unit/${name}.test.ts`
)

/** The short forms of the benchmark and of the simulation. Whatever else runs beside them only spoils figures. */
const bench = ["test/chaos/bench.test.ts"]

export default defineConfig({
  test: {
    retry: 0,
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts", "test/architecture.test.ts"],
          exclude: [...countingTests, ...models],
          // Loading Effect anew for each file takes longer than the tests; none of them changes a module.
          isolate: false,
          testTimeout: 30_000
        }
      },
      {
        extends: true,
        // Compare counters of the process, so each file gets its own.
        test: { name: "unit-counting", include: countingTests, testTimeout: 30_000 }
      },
      {
        extends: true,
        test: { name: "unit-models", include: models, isolate: false, testTimeout: 60_000 }
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: ["test/support/globalSetup.ts"],
          // Its tests wait for servers and processes more than they work.
          maxWorkers: 4,
          testTimeout: 60_000,
          hookTimeout: 60_000
        }
      },
      {
        extends: true,
        test: {
          name: "recipes",
          include: ["test/recipes/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000
        }
      },
      {
        extends: true,
        test: {
          name: "chaos",
          include: ["test/chaos/**/*.test.ts"],
          exclude: bench,
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 120_000
        }
      },
      {
        extends: true,
        test: { name: "bench", include: bench, testTimeout: 600_000, hookTimeout: 120_000 }
      }
    ]
  }
})
