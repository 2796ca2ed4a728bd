// Verifies R-REV-1.
/** What the bucket of leases is made as: nothing in it goes before its age, by whoever's hand. */
import { Duration } from "effect"
import { assert, it } from "vitest"
import type { CoherenceConfig } from "../../../src/coherence/CoherenceConfig.ts"
import { planOf } from "../../../src/coherence/LeaseBucket.ts"

it("an entry of a lease is neither purged nor deleted, gives way to no other, and lies on disk", () => {
  const plan = planOf("CM_LEASES", 3, { bucketAge: Duration.minutes(10) } as CoherenceConfig["Service"])
  assert.deepInclude(plan, {
    name: "KV_CM_LEASES",
    num_replicas: 3,
    deny_purge: true,
    deny_delete: true,
    max_bytes: -1,
    max_msgs_per_subject: 1,
    storage: "file"
  })
})
