// Verifies R-REF-6, R-REF-14.
/** Look-ups of hosts that tenants named, at a name server that answers as it is told, or not at all. */
import { createSocket, type Socket } from "node:dgram"
import { lookup } from "node:dns/promises"
import type { AddressInfo } from "node:net"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { lookUpPublic } from "../../../src/platform/PublicLookup.ts"

const types: Readonly<Record<number, "A" | "AAAA">> = { 1: "A", 28: "AAAA" }
const one4 = Buffer.from([203, 0, 113, 5])
const one6 = Buffer.from("20010db8000000000000000000000005", "hex")
/** By name and kind; of what is not here it is never answered. `none`: there is no such name. */
const records: Readonly<Record<string, ReadonlyArray<Buffer> | "none">> = {
  "both.example A": [one4, Buffer.from([203, 0, 113, 6])],
  "both.example AAAA": [one6],
  "only4.example A": [one4],
  "only6.example A": [],
  "only6.example AAAA": [one6],
  "nobody.example A": "none",
  "nobody.example AAAA": "none"
}

let socket: Socket
let server = ""
const asked: Array<string> = []
const answerTo = (query: Buffer): Buffer | undefined => {
  const labels: Array<string> = []
  let at = 12
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.subarray(at + 1, at + 1 + length).toString("latin1"))
    at += 1 + length
  }
  const end = at + 5
  const key = `${labels.join(".").toLowerCase()} ${types[query.readUInt16BE(at + 1)]}`
  asked.push(key)
  const known = records[key]
  if (known === undefined) return undefined
  const found = known === "none" ? [] : known
  const head = Buffer.from(query.subarray(0, 12))
  head.writeUInt16BE(known === "none" ? 0x8183 : 0x8180, 2)
  head.writeUInt16BE(found.length, 6)
  head.writeUInt32BE(0, 8)
  const rows = found.map((address) => {
    const row = Buffer.from([0xc0, 12, 0, address.length === 4 ? 1 : 28, 0, 1, 0, 0, 0, 60, 0, address.length])
    return Buffer.concat([row, address])
  })
  return Buffer.concat([head, query.subarray(12, end), ...rows])
}
beforeAll(async () => {
  socket = createSocket("udp4", (query, from) => {
    const answer = answerTo(query)
    if (answer !== undefined) socket.send(answer, from.port, from.address)
  })
  await new Promise<void>((bound) => void socket.bind(0, "127.0.0.1", bound))
  server = `127.0.0.1:${(socket.address() as AddressInfo).port}`
})
afterAll(() => void socket.close())

const never = new AbortController().signal
const ask = (host: string, first: 4 | 6 = 4, signal: AbortSignal = never, questionMs = 20_000) =>
  lookUpPublic(host, signal, { first, servers: [server], questionMs })
const codeOf = (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    (cause: { readonly code?: string }) => cause.code
  )

describe("a host that a tenant named", () => {
  it("has all its addresses, those of one kind first, and none where nobody knows it", async () => {
    assert.deepStrictEqual(await ask("both.example"), ["203.0.113.5", "203.0.113.6", "2001:db8::5"])
    assert.deepStrictEqual(await ask("both.example", 6), ["2001:db8::5", "203.0.113.5", "203.0.113.6"])
    assert.deepStrictEqual(await ask("only6.example"), ["2001:db8::5"])
    assert.strictEqual(await codeOf(ask("nobody.example")), "ENOTFOUND")
  })

  it("has those of one kind where its servers never answer for the other", async () => {
    assert.deepStrictEqual(await ask("only4.example", 4, never, 200), ["203.0.113.5"])
  })

  it("is looked up at once, however many others wait for servers that never answer, and so is one of the system's", async () => {
    const ends = new AbortController()
    const waiting = Array.from({ length: 50 }, (_, index) => codeOf(ask(`never${index}.example`, 4, ends.signal)))
    assert.lengthOf(await ask("both.example"), 3)
    assert.isNotEmpty(await lookup("localhost", { all: true }))
    ends.abort()
    assert.deepStrictEqual(new Set(await Promise.all(waiting)), new Set(["ECANCELLED"]))
  })

  it("ends once nobody waits for it", async () => {
    const ends = new AbortController()
    const waiting = codeOf(ask("gone.example", 4, ends.signal))
    ends.abort()
    assert.strictEqual(await waiting, "ECANCELLED")
    // What is asked from now on is answered behind all that was on its way.
    await ask("both.example")
    assert.isAtMost(asked.filter((key) => key.startsWith("gone.example")).length, 2)
  })
})
