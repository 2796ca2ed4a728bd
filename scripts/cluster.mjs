/**
 * `npm run cluster`: as `npm start`, with two replicas of the service, `one` and `two`, on one pair of servers.
 */
import { argumentsOf } from "./lib/arguments.mjs"
import { run } from "./lib/run.mjs"

argumentsOf(import.meta.filename, { call: "npm run cluster" })
process.exit(await run({ replicas: ["one", "two"] }))
