// Verifies R-RUN-15.
/** Every command says how it is called, and begins nothing when it is called otherwise. */
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { assert, it } from "vitest"
import { compileCache } from "../../scripts/stack.mjs"

const root = resolve(import.meta.dirname, "../..")
/** What some run on the checkout's own Node: what it is for is told by its comment, and what is wrong by itself. */
const passedOn: Record<string, string> = {
  "scripts/bench.mjs": "bench/main.ts",
  "scripts/simulate.mjs": "bench/simulation/main.ts",
  "scripts/chaos.mjs": "test/chaos/main.ts",
  "scripts/grants.mjs": "test/chaos/grants/main.ts"
}
/** A module, though it stands there. */
const modules = ["stack.mjs"]
const scripts = readdirSync(join(root, "scripts"))
  .filter((name) => name.endsWith(".mjs") && !modules.includes(name))
  .map((name) => `scripts/${name}`)

/** Nothing of ours runs in that folder, so that one which begins all the same does no harm. */
const nowhere = { CM_LOCAL_DIR: join(root, ".local/no-such-folder") }
const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache, ...nowhere }

const call = (file: string, ...args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: unknown; readonly out: string; readonly err: string }>((done) =>
    execFile(process.execPath, [join(root, file), ...args], { cwd: root, env }, (error, out, err) =>
      done({ code: error?.code ?? 0, out, err })
    )
  )

it("a command of package.json is one of them", () => {
  const { scripts: commands } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  for (const command of Object.values<string>(commands)) assert.include(scripts, command.split(" ").at(-1))
})

it.for(scripts)("%s says how it is called, and what it is for", async (file) => {
  const { code, err, out } = await call(file, "--help")
  assert.deepStrictEqual({ code, err }, { code: 0, err: "" })
  const [usage, empty, about] = out.split("\n")
  assert.match(usage!, /^usage: (?:npm (?:run )?[a-z-]+|node scripts\/[a-z-]+\.mjs)/u)
  assert.strictEqual(empty, "")
  assert.match(about!, /^\S/u)
  assert.notMatch(out, /\*\/|^\s*\*|import /mu)
})

it.for(scripts.map((file) => passedOn[file] ?? file))("%s begins nothing with what it does not know", async (file) => {
  const { code, err, out } = await call(file, "--no-such-option")
  assert.deepStrictEqual({ code, out }, { code: 2, out: "" })
  assert.match(err, /^[^\n]*--no-such-option[^\n]*; usage: [^\n]+\n$/u)
})

it("what is missing, what is too much, and what is no such value is one line", async () => {
  for (const [file, ...args] of [
    ["scripts/backup.mjs"],
    ["scripts/backup.mjs", "one", "two"],
    ["scripts/reset.mjs", "everything"],
    ["scripts/audit-export.mjs", "out.jsonl"],
    ["scripts/audit-export.mjs", "out.jsonl", "--tenant=demo", "--page=0"],
    ["scripts/audit-verify.mjs", "out.jsonl", "--tenant"],
    ["scripts/audit-verify.mjs", "out.jsonl", "--tenant=demo", "--checkpoints=file"],
    ["scripts/hostile.mjs", "--minutes=long"],
    ["bench/main.ts", "--quick", "--rounds=some"]
  ] as const) {
    const { code, err, out } = await call(file, ...args)
    assert.deepStrictEqual({ file, args, code, out }, { file, args, code: 2, out: "" })
    assert.match(err, /^[^\n]+; usage: [^\n]+\n$/u)
  }
})
