// Verifies R-RUN-1.
/** What says where modules are loads the same ones from the same places, and leaves Node little to look for. */
import { execFile } from "node:child_process"
import { resolve } from "node:path"
import { assert, it } from "vitest"
import { nodeArguments } from "../../../scripts/stack.mjs"
import { compileCache } from "../../support/compileCache.ts"

const root = resolve(import.meta.dirname, "../../..")

/** Registered before what is looked at, so that it sees what is left to Node; tells it at the end. */
const observer = `import { registerHooks } from "node:module"
const loaded = new Map()
let asked = 0
registerHooks({
  resolve: (specifier, context, next) => {
    asked += 1
    return next(specifier, context)
  },
  load: (url, context, next) => {
    const found = next(url, context)
    loaded.set(url, found.format)
    return found
  }
})
process.once("exit", () => process.stdout.write(JSON.stringify({ loaded: [...loaded], asked })))`

interface Seen {
  readonly loaded: ReadonlyArray<readonly [url: string, format: string]>
  readonly asked: number
}

/** All that a start loads: without a setting it ends when that is done. */
const loadedBy = (...args: ReadonlyArray<string>): Promise<Seen> =>
  new Promise((done, fail) => {
    const all = ["--import", `data:text/javascript,${encodeURIComponent(observer)}`, ...args, "src/main.ts"]
    const env = { NODE_COMPILE_CACHE: compileCache() }
    execFile(process.execPath, all, { cwd: root, env, maxBuffer: 2 ** 24 }, (_, stdout, stderr) =>
      stderr === "DATABASE_URL must be given\n" ? done(JSON.parse(stdout) as Seen) : fail(new Error(stderr))
    )
  })

it("loads each module that Node would find, as what it is, and asks Node for few of them", async () => {
  const [quick, usual] = [await loadedBy(...nodeArguments), await loadedBy()]
  const own = (url: string) => url.startsWith("data:") || url.endsWith("/launch/Resolution.ts")
  const texts = ({ loaded }: Seen) => loaded.filter(([url]) => !own(url)).map((one) => one.join(" "))
  assert.sameMembers(texts(quick), texts(usual))
  assert.isAbove(texts(usual).length, 500)
  assert.isBelow(quick.asked, usual.asked / 8)
}, 120_000)
