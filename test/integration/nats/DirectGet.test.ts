// Verifies R-BUS-36.
/** Stored messages for one request, and that nobody can foresee where it is answered. */
import { jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { Duration, Effect, Exit, Scope } from "effect"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import * as DirectGet from "../../../src/nats/DirectGet.ts"
import { freshInstance } from "../../support/bus.ts"
import { eventually } from "../../support/eventually.ts"

const limit = Duration.seconds(60)
const patient = { timeout: 60_000 }
const stream = `DIRECT_${freshInstance().toUpperCase()}`
const scope = Scope.makeUnsafe()
let connection: NatsConnection
let directGet: DirectGet.DirectGet

beforeAll(async () => {
  connection = await connect({ servers: inject("natsUrl"), noAsyncTraces: true })
  const manager = await jetstreamManager(connection, patient)
  await manager.streams.add({
    name: stream,
    subjects: [`${stream}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.Memory,
    allow_direct: true
  })
  for (const body of ["a", "b"]) await connection.request(`${stream}.one`, body, patient)
  await connection.request(`${stream}.two`, "c", patient)
  directGet = await Effect.runPromise(Scope.provide(DirectGet.make(connection, "_INBOX.direct"), scope))
})
afterAll(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  await (await jetstreamManager(connection, patient)).streams.delete(stream)
  await connection.close()
})

const shown = ({ complete, messages }: DirectGet.DirectAnswer) => ({
  complete,
  messages: messages.map(({ data, sequence, subject }) => [subject, sequence, Buffer.from(data).toString("utf8")])
})

describe("a direct get", () => {
  it("answers with the newest of each subject, with all from a place on, with nothing, and says when that was all", async () => {
    const [one, two] = [`${stream}.one`, `${stream}.two`]
    const ask = (effect: Effect.Effect<DirectGet.DirectAnswer>) => Effect.runPromise(Effect.map(effect, shown))
    assert.deepStrictEqual(await ask(directGet.lastOf(stream, [one, two], limit)), {
      complete: true,
      messages: [
        [one, 2, "b"],
        [two, 3, "c"]
      ]
    })
    assert.deepStrictEqual(await ask(directGet.from(stream, 1, 2, limit)), {
      complete: true,
      messages: [
        [one, 1, "a"],
        [one, 2, "b"]
      ]
    })
    assert.deepStrictEqual(await ask(directGet.ofSubject(stream, two, 1, 10, limit)), {
      complete: true,
      messages: [[two, 3, "c"]]
    })
    assert.deepStrictEqual(await ask(directGet.lastOf(stream, [`${stream}.none`], limit)), {
      complete: true,
      messages: []
    })
    assert.deepStrictEqual(await ask(directGet.lastOf(`${stream}_NONE`, [one], Duration.seconds(2))), {
      complete: false,
      messages: []
    })
  })

  it("is answered where nobody foresees it, whoever has seen where others were", async () => {
    const replies: Array<string> = []
    const ear = connection.subscribe(`$JS.API.DIRECT.GET.${stream}`, {
      callback: (_error, message) => void replies.push(message.reply ?? "")
    })
    await connection.flush()
    for (let time = 1; time <= 4; time++) {
      await Effect.runPromise(directGet.from(stream, 1, 1, limit))
      await eventually(
        () => replies.length,
        (count) => count === time
      )
    }
    ear.unsubscribe()
    const numbers = replies.map((reply) => Number(reply.slice(reply.lastIndexOf(".") + 1)))
    for (const [index, number] of numbers.entries()) {
      for (const other of numbers.slice(index + 1)) assert.isAbove(Math.abs(number - other), 100)
    }
    assert.match(replies[0]!, /^_INBOX\.direct\.[0-9a-f]{32}\.\d+$/u)
  })
})
