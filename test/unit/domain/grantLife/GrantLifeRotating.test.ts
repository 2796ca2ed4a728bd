// Verifies R-REF-1, R-REF-2, R-REF-11, R-REF-24.
/** The promise P7, as in `GrantLife.test.ts`, at the providers whose walks are longest. */
import { walkAll } from "./walks.ts"

walkAll(true)
