/** `npm run cluster`: as `npm start`, with two replicas of the service, `one` and `two`, on one pair of servers. */
import { run } from "./lib/run.mjs"

process.exit(await run({ replicas: ["one", "two"] }))
