/** A test that is ended at its limit leaves no service behind, however it was ended. */
import { spawn } from "node:child_process"
import { join, resolve } from "node:path"
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { eventually } from "../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../support/freshDatabase.ts"
import { isRunning } from "../support/npmStart.ts"

const root = resolve(import.meta.dirname, "../..")
let database: FreshDatabase

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
})
afterAll(() => database?.drop())

/** As a test's process does: starts a service, says its pid, and goes on for ever. */
const script = (options: object) => `
  import { startService } from ${JSON.stringify(join(root, "test/support/service.ts"))}
  const service = await startService(${JSON.stringify(options)})
  console.log("pid", service.pid)
  setInterval(() => {}, 1_000)
`

it.each(["SIGKILL", "SIGTERM"] as const)(
  "a service ends when the process of its test is ended by %s",
  async (signal) => {
    const options = {
      natsUrl: inject("natsUrl"),
      databaseUrl: database.url,
      instance: "left",
      unready: signal === "SIGTERM"
    }
    const parent = spawn(process.execPath, ["--input-type=module", "-e", script(options)], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"]
    })
    let said = ""
    parent.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString()
    })
    const pid = Number(
      (
        await eventually(
          () => Promise.resolve(/pid (\d+)/u.exec(said)),
          (found) => found !== null,
          {
            limitMs: 120_000,
            what: "the service's pid"
          }
        )
      )?.[1]
    )
    assert.isTrue(isRunning(pid))
    parent.kill(signal)
    await eventually(
      () => Promise.resolve(isRunning(pid)),
      (runs) => !runs,
      { limitMs: 120_000, what: "the service's end" }
    )
  },
  300_000
)
