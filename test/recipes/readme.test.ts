/**
 * The commands of the README, typed into a shell with the real nats CLI against a running system.
 *
 * Runs where there is a CLI: scripts/test.mjs gives its path in NATS_CLI.
 */
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, it } from "vitest"
import { npmStart, type Started, startScript } from "../support/npmStart.ts"
import { temporaryFolder } from "../support/servers.ts"

const checkout = resolve(import.meta.dirname, "../..")
const folder = temporaryFolder()
let started: Started

beforeAll(async () => {
  started = npmStart({ dir: folder.path, command: startScript })
  await started.ready()
})

afterAll(async () => {
  started.kill("SIGTERM")
  await started.exitCode
  folder.remove()
})

/**
 * Runs lines in one shell, in which `nats` is the CLI with the contexts that `npm start` has written, and
 * the functions of scripts/bus.mjs are at hand; fails at the first line that fails.
 */
const shell = async (lines: ReadonlyArray<string>): Promise<string> => {
  const prelude = ["set -e", "exec 2>&1", 'nats() { "$NATS_CLI" "$@"; }', 'eval "$(node scripts/bus.mjs)"']
  const { stdout } = await promisify(execFile)("bash", ["-c", [...prelude, ...lines].join("\n")], {
    cwd: checkout,
    env: {
      ...process.env,
      CM_LOCAL_DIR: folder.path,
      XDG_CONFIG_HOME: folder.path,
      NATS_CLI: process.env.NATS_CLI ?? "nats"
    }
  }).catch((error: { readonly stdout: string }) => {
    throw new Error(`a command failed, its output being the last of:\n${error.stdout}`)
  })
  return stdout
}

/** The commands of a document, those of the CLI and those of scripts/bus.mjs. */
const commandsIn = (file: string): ReadonlyArray<string> =>
  [...readFileSync(join(checkout, file), "utf8").matchAll(/^```sh\n([\s\S]*?)^```/gmu)]
    .flatMap(([, block]) => block!.split("\n"))
    .filter((line) => /^(?:nats|as_[a-z]+) /u.test(line))

it("the README's commands do what it says: provisioned, good, suspended, refused", async () => {
  const lines = commandsIn("README.md")
  assert.isAbove(lines.length, 5)
  const output = await shell(lines)
  const verdicts = [...output.matchAll(/"statusCode":(\d+),"reasonPhrase"/gu)].map(([, status]) => status)
  assert.deepStrictEqual(verdicts.slice(0, 2), ["200", "403"])
  assert.include(output, '"api_key":"s3cret"')
  assert.include(output, "CONSUMER_NOT_ALLOWED")
})

it("nats micro ls, info, stats and ping show the service", async () => {
  for (const verb of ["ls", "info credential-management", "stats credential-management", "ping"]) {
    assert.include(await shell([`as_operator micro ${verb}`]), "credential-management")
  }
})

it("an operator looks at streams and buckets with the CLI and cannot change them", async () => {
  const output = await shell([
    "as_operator stream ls",
    "as_operator stream info CM_EVENTS",
    "as_operator kv info CM_TOKENS"
  ])
  assert.include(output, "CM_EVENTS")
  const refused = await shell(["as_operator stream purge CM_EVENTS --force"]).catch((error: Error) => error.message)
  assert.match(refused, /a command failed/u)
})
