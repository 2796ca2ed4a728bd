/**
 * `npm run simulate`: plays barriers and leases at sizes that this machine has not.
 *
 * Options go on to bench/simulation/main.ts, which says what they are. Installs what is
 * missing; docs/scale.md says what the figures mean.
 */
import { nodeArguments } from "./lib/nodeArguments.mjs"
import { passOn } from "./lib/passOn.mjs"

await passOn("npm run simulate", "bench/simulation/main.ts", nodeArguments)
