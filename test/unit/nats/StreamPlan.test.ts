// Verifies R-BUS-19.
import { assert, describe, it } from "@effect/vitest"
import type { StreamInfo } from "@nats-io/jetstream"
import { Duration } from "effect"
import { changesOf, differenceOf, type Limits, plansOf } from "../../../src/nats/StreamPlan.ts"

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
      assert.isTrue(plan.deny_delete, `single messages of ${plan.name} may be deleted`)
    }
    for (const plan of plans.slice(0, 2)) assert.isTrue(plan.deny_purge, `${plan.name} may be purged`)
  })

  it("remembers no id for longer than it keeps a message, however short that is: no server takes it", () => {
    const short = Duration.seconds(1)
    const ages = { eventsAge: short, inboxAge: short, tokensAge: short, metadataAge: short }
    for (const plan of plansOf("cm", { ...limits, ...ages })) {
      assert.strictEqual(plan.duplicate_window, plan.max_age, plan.name)
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

describe("changesOf", () => {
  const [plan] = plans as [(typeof plans)[number]]
  const info = (more: object = {}, state: object = { messages: 0 }, created = "then") =>
    ({ config: { ...plan, ...more }, state, created }) as unknown as StreamInfo

  it("finds none between two looks at what was made from the plan", () => {
    assert.deepStrictEqual(changesOf(null, info(), plan), [])
    assert.deepStrictEqual(changesOf(info({}, { messages: 3 }), info(), plan), [])
  })

  it("tells a stream that is gone from one that was made anew, and from one that was emptied", () => {
    assert.deepStrictEqual(changesOf(info(), null, plan), [{ kind: "gone" }])
    assert.deepStrictEqual(changesOf(info(), info({}, { messages: 0 }, "now"), plan), [{ kind: "remade" }])
    const emptied = changesOf(info({}, { messages: 300 }), info(), plan)
    assert.deepStrictEqual(emptied, [{ kind: "emptied", messages: 300 }])
    const few = (messages: number) => changesOf(info({}, { messages }), info(), plan)
    assert.deepStrictEqual([few(9), few(10)], [[], [{ kind: "emptied", messages: 10 }]])
    const inbox = plans.find(({ name }) => name === "CM_INBOX")!
    const [full, empty] = [{ messages: 300 }, { messages: 0 }].map((state) => ({ config: inbox, state, created: "t" }))
    assert.deepStrictEqual(changesOf(full as never, empty as never, inbox), [])
  })

  it("tells how much is kept from what hurts, and sees what no plan has", () => {
    const settings = (fields: ReadonlyArray<string>, hurts: boolean) => [{ kind: "settings" as const, fields, hurts }]
    const kept = { max_age: 1, max_bytes: 1, max_msgs: 1, num_replicas: 1, duplicate_window: 1, description: "x" }
    for (const [field, value] of Object.entries(kept)) {
      assert.deepStrictEqual(
        changesOf(null, info({ [field]: value }), { max_msgs: -1, ...plan }),
        settings([field], false)
      )
    }
    assert.deepStrictEqual(changesOf(null, info({ storage: "memory" }), plan), settings(["storage"], true))
    assert.deepStrictEqual(changesOf(null, info({ subjects: ["x"] }), plan), settings(["subjects"], true))
    const republished = info({ republish: { src: ">", dest: "cm.v1.>" } })
    assert.deepStrictEqual(changesOf(null, republished, plan), settings(["republish"], true))
  })
})
