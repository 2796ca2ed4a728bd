/**
 * `npm run reset`: removes what a system has kept in CM_LOCAL_DIR (default `.local`): its database, its
 * streams, its keys, its passwords and logs. What was built or downloaded stays. Refuses while it runs.
 */
import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import { argumentsOf } from "./lib/arguments.mjs"
import { clearLeftovers, localDirOf, take } from "./lib/localDir.mjs"
import { orExplain, Refusal, say } from "./lib/report.mjs"

const kept = ["mariadb", "nats", "nats.conf", "keys.json", "local.json", "log", "pids", "run.json"]

argumentsOf(import.meta.filename, { call: "npm run reset" })
await orExplain(async () => {
  const dir = localDirOf(process.env)
  // Without this file nothing of ours is there, and a folder of that name is somebody else's.
  if (!existsSync(join(dir, "local.json"))) throw new Refusal(`there is no data in ${dir}`)
  const lock = take(dir)
  await clearLeftovers(dir)
  for (const name of kept) rmSync(join(dir, name), { recursive: true, force: true })
  lock.release()
  say(`removed the data in ${dir}`)
})
