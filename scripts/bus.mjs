/**
 * Shell functions to speak on the bus of a running `npm start` as one of its users:
 *
 *   eval "$(node scripts/bus.mjs)"
 *   as_admin request cm.v1.demo.application.list '{}'
 *
 * Each function is the nats CLI with the address, password and inbox prefix of that user, which
 * `npm start` has written as contexts into CM_LOCAL_DIR (default `.local`). Takes the CLI that NATS_CLI
 * names, or `nats`.
 */
import { argumentsOf } from "./lib/arguments.mjs"
import { localDirOf, runningIn } from "./lib/localDir.mjs"
import { orExplain, Refusal, say, shellWord } from "./lib/report.mjs"

argumentsOf(import.meta.filename, { call: "node scripts/bus.mjs" })
await orExplain(async () => {
  const dir = localDirOf(process.env)
  const running = runningIn(dir)
  if (running === undefined) throw new Refusal(`nothing runs in ${dir}: npm start first`)
  const cli = shellWord(process.env.NATS_CLI ?? "nats")
  for (const user of Object.keys(running.users)) {
    say(`as_${user}() { XDG_CONFIG_HOME=${shellWord(dir)} ${cli} --context ${user} "$@"; }`)
  }
})
