/**
 * `npm run chaos`: replicas under a nemesis for a while, and a checker's verdict.
 *
 * Options go on to test/chaos/main.ts, which says what they are. Installs what is missing; docs/chaos.md says more.
 */
import { passOn } from "./lib/passOn.mjs"

await passOn("npm run chaos", "test/chaos/main.ts")
