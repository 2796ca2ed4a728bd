// Verifies R-PLT-7.
/** The inbox on a real server: what waits comes once to somebody, again when nobody did it, and never blind for long. */
import { jetstreamManager } from "@nats-io/jetstream"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { Context, Duration, Effect, Exit, Layer, Scope } from "effect"
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, inject, it } from "vitest"
import * as LiveInbox from "../../../src/nats/Inbox.ts"
import { Inbox, type InboxMessage } from "../../../src/nats/Inbox.ts"
import { busLayer, freshInstance } from "../../support/bus.ts"
import { eventually } from "../../support/eventually.ts"

describe("the inbox", () => {
  const natsUrl = inject("natsUrl")
  let nc: NatsConnection
  let scope: Scope.Closeable
  let instance: string
  beforeAll(async () => {
    nc = await connect({ servers: natsUrl })
  })
  afterAll(() => nc.close())
  beforeEach(() => {
    scope = Scope.makeUnsafe()
    instance = freshInstance()
  })
  afterEach(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  const start = async (variables: Record<string, string> = {}) => {
    const layer = LiveInbox.layer.pipe(Layer.provideMerge(busLayer({ natsUrl, instance, variables })))
    const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
    return Context.get(context, Inbox)
  }
  const stream = () => `${instance.toUpperCase()}_INBOX`
  const publish = async (text: string, reply?: string) => {
    nc.publish(
      `kaa.v1.events.epr-${instance}.endpoint.lifecycle.unregistered`,
      text,
      reply === undefined ? {} : { reply }
    )
    await nc.flush()
  }
  const next = async (inbox: Inbox["Service"]): Promise<InboxMessage> =>
    (await eventually(
      () => Effect.runPromise(inbox.take),
      (message) => message !== null,
      { limitMs: 120_000 }
    ))!
  const text = ({ data }: InboxMessage) => new TextDecoder().decode(data)
  const run = Effect.runPromise

  it("keeps what is published while nobody is there, in order, and lets it go when it is done", async () => {
    const inbox = await start()
    for (const one of ["a", "b", "c"]) await publish(one)
    const messages = [await next(inbox), await next(inbox), await next(inbox)]
    assert.deepStrictEqual(messages.map(text), ["a", "b", "c"])
    assert.strictEqual(new Set(messages.map(({ id }) => id)).size, 3)
    assert.isAtMost(messages[0]!.at, messages[2]!.at)
    for (const message of messages) assert.isTrue(await run(message.done))
    assert.strictEqual((await run(inbox.state)).waiting, 0)
  })

  it("gives a message to one of two replicas, and again when its holder asks", async () => {
    const one = await start()
    const two = await start()
    await publish("a")
    await publish("b")
    const got = await Promise.all([next(one), next(two)])
    assert.sameMembers(got.map(text), ["a", "b"])
    await run(got[0]!.later(Duration.zero))
    const again = await next(two)
    assert.strictEqual(again.id, got[0]!.id)
    assert.strictEqual(again.deliveries, 2)
  })

  it("acknowledges nothing to its publisher", async () => {
    await start()
    const heard: Array<string> = []
    nc.subscribe(`boo.${instance}`, { callback: (_, message) => void heard.push(message.string()) })
    await publish("a", `boo.${instance}`)
    const manager = await jetstreamManager(nc, { timeout: 60_000 })
    await eventually(
      () => manager.streams.info(stream()),
      ({ state }) => state.messages === 1
    )
    nc.publish(`boo.${instance}`, "mine")
    await eventually(
      () => heard.length,
      (count) => count > 0
    )
    assert.deepStrictEqual(heard, ["mine"])
  })

  it("a consumer that is deleted is made again, and nothing that waited is lost", async () => {
    const inbox = await start()
    await publish("a")
    await run((await next(inbox)).done)
    const manager = await jetstreamManager(nc, { timeout: 60_000 })
    await manager.consumers.delete(stream(), LiveInbox.consumerName)
    await publish("b")
    assert.strictEqual(text(await next(inbox)), "b")
  })

  it("an instance whose events another one takes already does not start, and says what to do", async () => {
    await start()
    const other = freshInstance()
    const layer = busLayer({
      natsUrl,
      instance: other,
      variables: { CM_ELCE_ORIGINATORS: `epr-${instance}` }
    })
    const error = await Effect.runPromise(Effect.flip(Layer.buildWithScope(layer, scope)))
    assert.match(String((error as { problem?: string }).problem), /CM_ELCE_ORIGINATORS/u)
  })

  it("shows that something went before it was handed out", async () => {
    const inbox = await start({ CM_INBOX_AGE: "1 second" })
    // One that nobody takes within a second is gone by then: another one is told.
    const taken = await eventually(
      async () => {
        await publish("a")
        return run(inbox.take)
      },
      (message) => message !== null,
      { what: "a message that is taken in time" }
    )
    await run(taken!.done)
    const before = await run(inbox.state)
    assert.isAtMost(before.firstSeq, before.deliveredSeq + 1)
    await publish("lost")
    const after = await eventually(
      () => run(inbox.state),
      ({ deliveredSeq, firstSeq }) => firstSeq > deliveredSeq + 1,
      { limitMs: 120_000 }
    )
    assert.strictEqual(after.waiting, 0)
    assert.strictEqual(after.madeAt, before.madeAt)
    assert.isAbove(after.madeAt, 0)
  })
})
