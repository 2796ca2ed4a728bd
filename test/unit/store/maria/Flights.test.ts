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

  it("that commit by themselves are sent with autocommit off, and not once one of their transaction has failed", async () => {
    const sent: Array<string> = []
    const connection = {
      prepare: (sql: string) => Promise.resolve({ sql, close: () => undefined }),
      query: (sql: string) => {
        sent.push(sql)
        return Promise.resolve()
      }
    } as unknown as Connection
    const socket = { cork: () => undefined, uncork: () => undefined } as unknown as Socket
    const flights = Flights.make(connection, socket, () => undefined)
    const send = (what: string) => () => {
      sent.push(what)
      return Promise.resolve()
    }
    flights.begin()
    await flights.last("last", send("last"))
    assert.deepStrictEqual(sent, ["SET autocommit = 0", "last"])
    flights.begin()
    const failed = flights.add({ sql: null, isBatch: false }, () => Promise.reject(new Error("a deadlock")))
    const notSent = flights.last("last", send("too late"))
    for (const one of [failed, notSent]) {
      const told = await one.then(
        () => "nothing",
        (cause: unknown) => String(cause)
      )
      assert.strictEqual(told, "Error: a deadlock")
    }
    assert.deepStrictEqual(sent, ["SET autocommit = 0", "last"])
  })

  it("let go of what was prepared for them, though another one of them could not be", async () => {
    const closed: Array<string> = []
    const connection = {
      prepare: (sql: string) =>
        sql === "cannot be"
          ? Promise.reject(new Error("no more of them"))
          : Promise.resolve({ close: () => closed.push(sql) }),
      query: () => Promise.resolve()
    } as unknown as Connection
    const socket = { cork: () => undefined, uncork: () => undefined } as unknown as Socket
    const flights = Flights.make(connection, socket, () => undefined)
    const send = () => Promise.resolve()
    const started = ["one", "cannot be", "other"].map((sql) => flights.add({ sql, isBatch: false }, send))
    const told = await Promise.allSettled(started)
    assert.isTrue(told.every(({ status }) => status === "rejected"))
    assert.deepStrictEqual(closed, ["one", "other"])
  })

  it("are not sent where the server cannot prepare them, one that goes alone neither", async () => {
    const sent: Array<string> = []
    const connection = {
      prepare: () => Promise.reject(new Error("no more of them")),
      query: () => Promise.resolve()
    } as unknown as Connection
    const socket = { cork: () => undefined, uncork: () => undefined } as unknown as Socket
    const flights = Flights.make(connection, socket, () => undefined)
    const send = (what: string) => () => {
      sent.push(what)
      return Promise.resolve()
    }
    const told = (one: Promise<unknown>) =>
      one.then(
        () => "nothing",
        (cause: unknown) => String(cause)
      )
    assert.strictEqual(
      await told(flights.add({ sql: "alone", isBatch: false }, send("alone"))),
      "Error: no more of them"
    )
    flights.begin()
    assert.strictEqual(await told(flights.last("last", send("last"))), "Error: no more of them")
    assert.deepStrictEqual(sent, [])
  })

  /** Says which statements were prepared, by the server, and closed; and what each was sent with. */
  const preparing = () => {
    const [prepared, closed, sentWith]: [Array<string>, Array<string>, Array<string | null>] = [[], [], []]
    const connection = {
      prepare: (sql: string) => {
        prepared.push(sql)
        return Promise.resolve({ sql, close: () => closed.push(sql) })
      },
      query: () => Promise.resolve()
    } as unknown as Connection
    const socket = { cork: () => undefined, uncork: () => undefined } as unknown as Socket
    const flights = Flights.make(connection, socket, () => undefined)
    const send: Flights.Send<void> = (statement) => {
      sentWith.push((statement as unknown as { readonly sql: string } | null)?.sql ?? null)
      return Promise.resolve()
    }
    return { closed, flights, prepared, send, sentWith }
  }

  it("are prepared once, and sent as they were prepared; a batch is asked for each time", async () => {
    const { closed, flights, prepared, send, sentWith } = preparing()
    for (let time = 0; time < 2; time++) {
      const started = [
        flights.add({ sql: "one", isBatch: false }, send),
        flights.add({ sql: "many", isBatch: true }, send)
      ]
      await Promise.all(started)
    }
    assert.deepStrictEqual(prepared, ["many", "one", "many"])
    assert.deepStrictEqual(sentWith, ["one", null, "one", null])
    assert.deepStrictEqual(closed, ["many", "many"], "the other one is kept")
  })

  it("are let go of when so many others were used since", async () => {
    const { closed, flights, prepared, send } = preparing()
    const use = (sql: string) => flights.add({ sql, isBatch: false }, send)
    const names = Array.from({ length: Flights.keptMax }, (_, at) => `statement ${at}`)
    for (const name of names) await use(name)
    await use(names[0]!)
    assert.deepStrictEqual(closed, [])
    await use("one more")
    assert.deepStrictEqual(closed, [names[1]])
    await use(names[0]!)
    assert.lengthOf(prepared, Flights.keptMax + 1)
  })
})
