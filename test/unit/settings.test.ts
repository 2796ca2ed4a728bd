// Verifies R-RUN-3.
/** Every setting is documented as it is declared, and what compose.yaml sets exists. */
import { execFile, execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Schema } from "effect"
import { assert, it } from "vitest"
import type { Declared } from "../../src/observability/Setting.ts"
import { compileCache } from "../support/compileCache.ts"
import { times } from "../support/times.ts"

const root = join(import.meta.dirname, "../..")

// In a process of its own: here other tests may have declared settings of theirs.
const { page, settings } = JSON.parse(
  execFileSync(process.execPath, [join(root, "scripts/settings.mjs"), "--json"], { encoding: "utf8" })
) as { readonly settings: ReadonlyArray<Declared>; readonly page: string }

it("docs/settings.md is what the source declares (npm run settings writes it)", () => {
  assert.strictEqual(readFileSync(join(root, "docs/settings.md"), "utf8"), page)
})

it("every setting says what it is, in which unit and range", () => {
  const isIncomplete = ({ about, range, secret, unit }: Declared) =>
    about === "" || unit === "" || (range === "" && !secret)
  assert.deepStrictEqual(settings.filter(isIncomplete), [])
})

it("a duration's default and range are written as the environment takes them", () => {
  const durations = settings.filter(({ unit }) => unit === "duration")
  assert.isAbove(durations.length, 10)
  for (const { byDefault, range } of durations) {
    for (const text of [byDefault, ...range.split(" to ")]) Schema.decodeUnknownSync(Schema.DurationFromString)(text)
  }
})

it("compose.yaml sets only what there is", () => {
  const block = /service-environment\n([\s\S]*?)\n {2}volumes:/u.exec(
    readFileSync(join(root, "compose.yaml"), "utf8")
  )![1]!
  const names = [...block.matchAll(/^ {4}([A-Z_]+):/gmu)].map(([, name]) => name!)
  assert.isAbove(names.length, 5)
  assert.includeMembers(
    settings.map(({ name }) => name),
    names
  )
})

const startable = {
  NATS_URL: "nats://127.0.0.1:1",
  DATABASE_URL: "mariadb://u:p@127.0.0.1:1/d",
  NODE_COMPILE_CACHE: compileCache()
}

/** What the service prints when it is started with these variables and nothing else, and its exit code. */
const startWith = (env: Readonly<Record<string, string>>) =>
  new Promise<{ readonly code: unknown; readonly printed: string }>((done) =>
    execFile(process.execPath, ["src/main.ts"], { cwd: root, env: { ...startable, ...env } }, (error, stdout, stderr) =>
      done({ code: error?.code, printed: stdout + stderr })
    )
  )

/** Each is a process of its own, so `npm run check` starts one. */
const wrong: ReadonlyArray<readonly [what: string, name: string, value: string, line: string]> = [
  ["a text", "CM_REPLICA_ID", "pl anted", "CM_REPLICA_ID must be a text of the form ^[A-Za-z0-9_-]{1,32}$"],
  ["a number", "CM_STREAM_REPLICAS", "planted", "CM_STREAM_REPLICAS must be a whole number, 1 to 5 (servers)"],
  ["a number out of range", "CM_STREAM_REPLICAS", "6", "CM_STREAM_REPLICAS must be a whole number, 1 to 5 (servers)"],
  ["a duration", "CM_LEASE", "planted", "CM_LEASE must be a duration of 300 millis to 1 minute"],
  ["a duration out of range", "CM_LEASE", "2 hours", "CM_LEASE must be a duration of 300 millis to 1 minute"],
  ["a flag", "CM_KEY_FILE_CREATE", "planted", "CM_KEY_FILE_CREATE must be true or false"],
  ["a relation", "CM_KEYS_ACTIVATION", "1 second", "CM_KEYS_ACTIVATION must be at least five times CM_KEYS_RELOAD"],
  ["a secret that is not there", "DATABASE_URL", "", "DATABASE_URL must be given"]
]

it.each(wrong.slice(0, times(wrong.length)))(
  "%s that is wrong stops the start with one line that names the variable and not its value",
  async (_, name, value, line) => {
    assert.deepStrictEqual(await startWith({ [name]: value }), { code: 1, printed: `${line}\n` })
  }
)
