import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { differenceOf, type Limits, plansOf } from "../../../src/nats/StreamPlan.ts"

const limits: Limits = {
  replicas: 3,
  eventsAge: Duration.days(30),
  eventsBytesMax: 1_000_000,
  revocationsBytesMax: 2_000_000,
  inboxAge: Duration.days(7),
  inboxBytesMax: 1_500_000,
  elceOriginators: "epr,other",
  tleOriginators: "*",
  duplicateWindow: Duration.minutes(10),
  tokensAge: Duration.days(1),
  tokensBytesMax: 3_000_000,
  metadataAge: Duration.seconds(30),
  metadataBytesMax: 4_000_000
}
const plans = plansOf("cm", limits)

describe("plansOf", () => {
  it("names and places them as the contract says", () => {
    assert.deepStrictEqual(
      plans.map(({ name, subjects }) => [name, subjects]),
      [
        ["CM_EVENTS", ["cm.events.v1.>"]],
        [
          "CM_REVOCATIONS",
          [
            "kaa.v1.events.cm.endpoint.token.revoked",
            "kaa.v1.events.cm.client.credential.revoked",
            "kaa.v1.events.cm.client-credentials.basic.revoked",
            "kaa.v1.events.cm.client-credentials.certificate.revoked"
          ]
        ],
        [
          "CM_INBOX",
          [
            "kaa.v1.events.epr.endpoint.lifecycle.unregistered",
            "kaa.v1.events.other.endpoint.lifecycle.unregistered",
            "kaa.v1.events.*.tenant.lifecycle.updated",
            "kaa.v1.events.*.tenant.lifecycle.unregistered"
          ]
        ],
        ["KV_CM_TOKENS", ["$KV.CM_TOKENS.>"]],
        ["KV_CM_METADATA", ["$KV.CM_METADATA.>"]]
      ]
    )
  })

  it("keeps everything on disk, lets the old give way, and has a limit for everything", () => {
    for (const plan of plans) {
      assert.strictEqual(plan.storage, "file")
      assert.strictEqual(plan.discard, "old")
      assert.strictEqual(plan.num_replicas, 3)
      assert.isAbove(plan.max_bytes!, 0)
      assert.isAbove(plan.max_age!, 0)
      assert.isAtMost(plan.duplicate_window!, plan.max_age!)
    }
  })
})

describe("differenceOf", () => {
  const [plan] = plans as [(typeof plans)[number]]

  it("finds none in what was made from the plan, with whatever a server adds", () => {
    assert.deepStrictEqual(differenceOf({ ...plan, max_msgs: -1, sealed: false }, plan), { changeable: [], fixed: [] })
  })

  it("tells what may be changed from what may not", () => {
    const other = { ...plan, max_age: 1, num_replicas: 1, storage: "memory" } as typeof plan
    const difference = differenceOf(other, plan)
    assert.sameMembers([...difference.changeable], ["max_age", "num_replicas"])
    assert.deepStrictEqual(difference.fixed, ["storage"])
  })
})
