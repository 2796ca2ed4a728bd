import { EventEmitter } from "node:events"
import type { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "mariadb"
import * as Flights from "../../../../src/store/maria/Flights.ts"

/** A connection on which every statement fails once it is given up. */
const connectionOf = () => {
  const gone = new EventEmitter()
  const failing = () => new Promise<never>((_, reject) => gone.once("gone", () => reject(new Error("given up"))))
  const connection = { prepare: failing, query: failing } as unknown as Connection
  const socket = { cork: () => undefined, uncork: () => undefined } as unknown as Socket
  const giveUp = () => {
    gone.emit("gone")
  }
  return { flights: Flights.make(connection, socket, giveUp), giveUp, failing }
}

describe("statements that were started", () => {
  it("end no process when a bug came before anyone waited for them", async () => {
    const { failing, flights, giveUp } = connectionOf()
    const unheard: Array<unknown> = []
    const hear = (cause: unknown) => unheard.push(cause)
    process.on("unhandledRejection", hear)
    const apply = () => {
      flights.begin()
      // They fail, and nobody hears it: that is what is tried.
      for (const _ of [1, 2]) flights.add({ sql: null, isBatch: false }, failing)
      throw new Error("a bug")
    }
    assert.throws(apply, "a bug")
    await new Promise((resolve) => setImmediate(resolve))
    giveUp()
    // Node tells of what nobody heard after the microtasks.
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    process.off("unhandledRejection", hear)
    assert.deepStrictEqual(unheard, [])
  })

  it("tell whoever waits for them", async () => {
    const { failing, flights, giveUp } = connectionOf()
    const one = flights.add({ sql: null, isBatch: false }, failing)
    await new Promise((resolve) => setImmediate(resolve))
    giveUp()
    const told = await one.then(
      () => "nothing",
      (cause: unknown) => String(cause)
    )
    assert.strictEqual(told, "Error: given up")
  })
})
