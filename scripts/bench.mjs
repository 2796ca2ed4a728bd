/**
 * `npm run bench`: measures the service beside baselines of the same run and prints one table.
 *
 * Options go on to bench/main.ts, which says what they are; `--quick` is a short form. Installs what is
 * missing; bench/README.md and docs/performance.md say what the figures mean.
 */
import { nodeArguments } from "./lib/nodeArguments.mjs"
import { passOn } from "./lib/passOn.mjs"

await passOn("npm run bench", "bench/main.ts", nodeArguments)
