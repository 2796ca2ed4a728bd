/** `npm start` with CM_DEV_TLS=true: the same stack in TLS, and the commands that come with it reach it. */
import { execFile } from "node:child_process"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, it } from "vitest"
import { npmStart, type Started, startScript } from "../support/npmStart.ts"
import { temporaryFolder } from "../support/servers.ts"

const root = resolve(import.meta.dirname, "../..")
const folder = temporaryFolder()
let started: Started | undefined

afterAll(async () => {
  started?.kill("SIGTERM")
  await started?.exitCode
  folder.remove()
})

it("one setting makes bus and database speak TLS only, and demo, export and backup go on as they were", async () => {
  const dir = join(folder.path, "local")
  started = npmStart({ dir, command: startScript, env: { CM_DEV_TLS: "true" } })
  const running = (await started.ready()) as unknown as Record<string, string>
  assert.match(running.natsUrl ?? "", /^tls:\/\//u)
  assert.match(running.databaseUrl ?? "", /\?ssl=true$/u)
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, CM_LOCAL_DIR: dir }
  const command = (name: string, args: ReadonlyArray<string>) =>
    promisify(execFile)(process.execPath, [join(root, `scripts/${name}.mjs`), ...args], { env, cwd: root }).then(
      ({ stdout }) => ({ code: 0, said: stdout }),
      ({ code, stderr, stdout }: { code: number; stderr: string; stdout: string }) => ({ code, said: stdout + stderr })
    )
  for (const [name, ...args] of [
    ["demo"],
    ["audit-export", join(folder.path, "demo.jsonl"), "--tenant", "demo"],
    ["backup", join(folder.path, "backup")]
  ] as const) {
    const { code, said } = await command(name, args)
    assert.strictEqual(code, 0, `${name}: ${said}`)
  }
}, 300_000)
