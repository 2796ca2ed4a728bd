// Verifies R-BUS-3.
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { plainReplyRule, replyRule } from "../../../src/protocols/Responder.ts"
import { EndpointTokenStatusTransitionRequest } from "../../../src/schema/Ecap.ts"
import { protocolWorld } from "../../support/protocolWorld.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { times } from "../../support/times.ts"

const refused = [
  "cm.v1.demo.token.delete",
  "$JS.API.STREAM.PURGE.CM_EVENTS",
  "$KV.CM_LEASES.one",
  "$SYS.REQ.SERVER.PING",
  "kaa.v1.events.cm.endpoint.token.revoked",
  "kaa.v1.service.cm.ecap.ep-token-request",
  "_INBOX",
  "_INBOXX.a",
  "_INBOX.*",
  "_INBOX.a.>",
  "kaa.v1.replica.*.ecap",
  "_R_.>",
  "_INBOX.service.abc.1",
  "_INBOX.service",
  "_INBOX.",
  "_INBOX..x",
  "kaa.v1.replica.",
  "_inbox.a",
  "_INBOX.a\ufffdb"
]
const allowed = ["_INBOX.comms.abc", "_INBOX.serviceX.abc", "_R_.a.b", "kaa.v1.replica.comms.ecap.ep-token-response"]

describe("the reply subject", () => {
  it("is allowed in bytes only where it is allowed as a text, and usual inboxes are", () => {
    const [rule, isPlain] = [replyRule("_INBOX.service"), plainReplyRule("_INBOX.service")]
    const parts = ["_INBOX", ".", "service", "a", "*", ">", " ", "\u00e9", "\u00a0", "_R_", "\u0000", "~", "\u007f"]
    const { random } = seededRandom("reply subjects")
    const made = Array.from({ length: times(20_000) }, () =>
      Array.from({ length: 1 + Math.floor(random() * 6) }, () => parts[Math.floor(random() * parts.length)]).join("")
    )
    const begun = made.map((text) => `_INBOX.${text}`)
    for (const subject of [...refused, ...allowed, ...made, ...begun]) {
      if (isPlain(Buffer.from(subject))) assert.strictEqual(rule(subject), "allowed", JSON.stringify(subject))
    }
    for (const subject of ["_INBOX.comms.abc", "_INBOX.a", "_INBOX.~.a.1"]) {
      assert.isTrue(isPlain(Buffer.from(subject)), subject)
    }
  })

  it("must be an inbox or a replica subject, without wildcards, and not the service's own inbox", () => {
    const rule = replyRule("_INBOX.service")
    assert.deepStrictEqual(
      refused.filter((subject) => rule(subject) !== "refused"),
      []
    )
    assert.deepStrictEqual(
      allowed.filter((subject) => rule(subject) !== "allowed"),
      []
    )
    assert.deepStrictEqual([rule(undefined), rule("")], ["missing", "missing"])
  })

  it("cannot be checked for a service that shares the common inbox prefix, which is refused at start", () => {
    assert.throws(() => replyRule("_INBOX"))
  })

  it("decides whether a request is carried out at all", async () => {
    const world = await protocolWorld({
      validator: () => {
        throw new Error("was asked")
      }
    })
    world.tenants.script.removeApplication = () => Effect.succeed({ deleted: 1 })
    world.tenants.script.transitionByValue = () => Effect.void
    const transition = EndpointTokenStatusTransitionRequest.encode({
      correlationId: "c",
      timestamp: 0n,
      timeout: 0n,
      appName: "app",
      token: "t",
      targetStatus: "Revoked"
    })
    const requests = [
      ["cm.v1.demo.application.remove", '{"appName":"app"}'],
      ["cm.admin.v1.drain", "{}"],
      ["kaa.v1.service.cm.ecap.ep-token-request", transition],
      ["kaa.v1.service.cm.ecap.ep-token-status-transition-request", transition]
    ] as const
    for (const [subject, payload] of requests) {
      world.bus.publish(subject, payload)
      for (const reply of refused) world.bus.publish(subject, payload, { reply })
    }
    await world.ask("cm.admin.v1.health")
    assert.deepStrictEqual(world.tenants.calls, [])
    assert.strictEqual(world.bus.sent.length, 1)
    assert.isFalse(await Effect.runPromise(world.shutdown.isRequested))
    const { text } = await world.admin("metrics")
    const count = (protocol: string, reason: string): number =>
      text
        .split("\n")
        .filter((line) => line.startsWith("cm_messages_dropped_total{") && line.includes(`protocol="${protocol}"`))
        .filter((line) => line.includes(`reason="${reason}"`))
        .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0)
    assert.strictEqual(count("management", "no_reply_subject"), 2)
    assert.strictEqual(count("management", "reply_subject_refused"), 2 * refused.length)
    assert.strictEqual(count("ecap", "no_reply_subject"), 2)
    assert.strictEqual(count("ecap", "reply_subject_refused"), 2 * refused.length)
    await world.close()
  })
})
