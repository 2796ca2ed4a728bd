/**
 * `npm run grants`: 100,000 refreshes of OAuth grants at a hostile provider.
 *
 * Options go on to test/chaos/grants/main.ts, which says what they are. Installs what is missing;
 * docs/grants.md says what is counted.
 */
import { passOn } from "./lib/passOn.mjs"

await passOn("npm run grants", "test/chaos/grants/main.ts")
