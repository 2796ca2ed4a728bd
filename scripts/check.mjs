/**
 * `npm run check`: types, lint, the rules of imports and words, and the unit tests: without the walks through whole models,
 * and with a tenth of what others try at random, all of which `npm test` takes. Less than a minute, no server.
 */
import { argumentsOf } from "./lib/arguments.mjs"
import { provide } from "./lib/install.mjs"
import { checkParts, runParts } from "./lib/parts.mjs"
import { orExplain } from "./lib/report.mjs"

const limitMs = 5 * 60_000

argumentsOf(import.meta.filename, { call: "npm run check" })
await orExplain(async () => {
  await provide({ nats: false, mariadb: false })
  process.exitCode = (await runParts([checkParts()], limitMs)) ? 0 : 1
})
