/** What a run of faults believes of tests that ran a moment ago without any. */
import { writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { assert, it } from "vitest"
import { passedFiles } from "../../scripts/lib/mutantRun.mjs"
import { temporaryFolder } from "../support/servers.ts"

const root = resolve(import.meta.dirname, "../..")

it("only a file of which every test was run and passed is taken to pass without a fault", () => {
  const folder = temporaryFolder()
  const report = join(folder.path, "report.json")
  const file = (name: string, status: string, ...tests: ReadonlyArray<string>) => ({
    ...{ name: join(root, name), status, startTime: 1_000, endTime: 1_250.4 },
    assertionResults: tests.map((test) => ({ status: test }))
  })
  const testResults = [
    file("test/unit/whole.test.ts", "passed", "passed", "passed"),
    file("test/unit/failed.test.ts", "failed", "passed", "failed"),
    file("test/unit/skipped.test.ts", "passed", "passed", "skipped"),
    file("test/unit/unloadable.test.ts", "failed"),
    file("test/unit/empty.test.ts", "passed")
  ]
  writeFileSync(report, JSON.stringify({ testResults }))
  try {
    // Vitest's own start and the loading of the file come to what is reported.
    assert.deepStrictEqual(Array.from(passedFiles(report)), [["test/unit/whole.test.ts", 5_250]])
    assert.strictEqual(passedFiles(join(folder.path, "none.json")).size, 0)
  } finally {
    folder.remove()
  }
})
