/**
 * Runs the bundled service, `node compiledService.mjs <bundle>`, with all that V8 has compiled of it: Node's own cache keeps of
 * a module only what was compiled before any of it had run, so that each start compiles anew whatever it calls.
 *
 * What was compiled lies beside the bundle. With WRITES_COMPILED it is written when the process ends, of all that was called
 * by then. Where V8 does not take it (another version, another processor) the service compiles for itself.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname } from "node:path"
import { constants, Script } from "node:vm"

const file = process.argv[2]
const compiled = `${file}.compiled`
const script = new Script(readFileSync(file, "utf8"), {
  filename: file,
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  ...(existsSync(compiled) ? { cachedData: readFileSync(compiled) } : {})
})
if (process.env.WRITES_COMPILED !== undefined) {
  process.on("exit", () => {
    const draft = `${compiled}.${process.pid}`
    writeFileSync(draft, script.createCachedData())
    renameSync(draft, compiled)
  })
}
const module = { exports: {} }
script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file))
