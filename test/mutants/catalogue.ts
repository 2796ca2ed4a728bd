/** Every fault that the tests are tried against, room by room. */
import { access } from "./access.ts"
import { actors } from "./actors.ts"
import { around } from "./around.ts"
import { coherence } from "./coherence.ts"
import { crypto } from "./crypto.ts"
import { domain } from "./domain.ts"
import { edges } from "./edges.ts"
import type { Mutant } from "./Mutant.ts"
import { promises } from "./promises.ts"
import { protocols } from "./protocols.ts"
import { refresh } from "./refresh.ts"
import { schema } from "./schema.ts"
import { store } from "./store.ts"
import { tenant } from "./tenant.ts"
import { tokens } from "./tokens.ts"
import { validation } from "./validation.ts"
import { wholes } from "./wholes.ts"

export const catalogue: ReadonlyArray<Mutant> = [
  ...domain,
  ...schema,
  ...crypto,
  ...access,
  ...coherence,
  ...validation,
  ...tenant,
  ...tokens,
  ...protocols,
  ...actors,
  ...refresh,
  ...store,
  ...around,
  ...edges,
  ...promises,
  ...wholes
]
