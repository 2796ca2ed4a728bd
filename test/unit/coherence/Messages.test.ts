import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { barrierKey, decodeEntry, encodeEntry, leaseKey } from "../../../src/coherence/LeaseEntry.ts"
import { LeaseSeal } from "../../../src/coherence/LeaseSeal.ts"
import {
  decodeAck,
  decodeAppear,
  decodeApply,
  decodeInForce,
  encode,
  inPieces,
  isBy
} from "../../../src/coherence/Messages.ts"
import type { Revocation, RevocationTarget } from "../../../src/domain/Revocation.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const timing = { leaseMs: 3_000, marginMs: 300 }
const targets: ReadonlyArray<RevocationTarget> = [
  { kind: "token", tokenId: "t", appName: "a", cacheKey: "0f", version: 3, usableUntil: null },
  { kind: "token", tokenId: "t", appName: "a", cacheKey: "0f", version: 3, usableUntil: 1_700_000_000_000 },
  { kind: "application", appName: "a" },
  { kind: "tenant" },
  { kind: "credential", credentialId: "c", version: 1 },
  { kind: "service", serviceName: "smtp" }
]

describe("messages between replicas", () => {
  it("come back as they were sent", () => {
    const apply = { from: "one.Abc", id: 7, revocations: [{ tenantId: "acme", seq: 9, targets }] }
    expect(decodeApply(encode(apply))).toEqual(apply)
    const ack = { from: "one.Abc", id: 7 }
    expect(decodeAck(encode(ack))).toEqual(ack)
    const appear = { from: "one.Abc", tenantId: "acme", targets: [{ kind: "token", cacheKey: "0f" } as const] }
    expect(decodeAppear(encode(appear))).toEqual(appear)
    const inForce = { from: "one.Abc", tenantIds: ["acme", "else"] }
    expect(decodeInForce(encode(inForce))).toEqual(inForce)
  })

  it("are known for one's own without being decoded, and for nobody else's", () => {
    const own = encode({ from: "one.Abc", id: 7 })
    expect(isBy(own, "one.Abc")).toBe(true)
    // Bytes stand in the middle of what was read.
    expect(isBy(new Uint8Array([0, ...own, 0]).subarray(1, own.length + 1), "one.Abc")).toBe(true)
    for (const other of ["one.Ab", "one.Abcd", "one.abc", "two.Abc"]) expect(isBy(own, other)).toBe(false)
    expect(isBy(bytes('{"from":"one.Ab'), "one.Abc")).toBe(false)
    expect(isBy(bytes(""), "one.Abc")).toBe(false)
  })

  it("are null when they make no sense, whatever the bytes", () => {
    const bad = ["", "{", "null", "[]", "7", '"x"', '{"from":"a.b"}', '{"from":"*.b","id":1}', '{"from":"a.>","id":1}']
    const numbers = ['{"from":"a.b","id":-1}', '{"from":"a.b","id":1.5}', '{"from":"a.b","id":1e400}']
    for (const text of [...bad, ...numbers]) {
      for (const decode of [decodeApply, decodeAck, decodeAppear, decodeInForce]) expect(decode(bytes(text))).toBeNull()
    }
    const unknownTarget = { from: "a.b", id: 1, revocations: [{ tenantId: "t", seq: 1, targets: [{ kind: "all" }] }] }
    expect(decodeApply(bytes(JSON.stringify(unknownTarget)))).toBeNull()
    expect(decodeAck(new Uint8Array([0xff, 0xfe, 0x00]))).toBeNull()
    expect(decodeAck(new Uint8Array(2_000_000).fill(0x20))).toBeNull()
  })

  it("are never larger than the limit of targets, lose none and keep each sequence", () => {
    const revocations: ReadonlyArray<Revocation> = [3, 0, 5, 1, 4].map((count, index) => ({
      tenantId: "acme",
      seq: index + 1,
      targets: Array.from({ length: count }, () => targets[0]!)
    }))
    for (let max = 1; max <= 15; max++) {
      const pieces = inPieces(revocations, max)
      const counts = pieces.map((piece) => piece.reduce((sum, each) => sum + each.targets.length, 0))
      expect(Math.max(...counts)).toBeLessThanOrEqual(max)
      const bySeq = new Map<number, number>()
      for (const { seq, targets: part } of pieces.flat()) bySeq.set(seq, (bySeq.get(seq) ?? 0) + part.length)
      expect(Object.fromEntries(bySeq)).toEqual({ 1: 3, 3: 5, 4: 1, 5: 4 })
    }
  })
})

describe("entries of the lease bucket", () => {
  const seal = Effect.runSync(Effect.provide(LeaseSeal, LeaseSeal.layerWith("a key")))
  const bucket = "CM_LEASES"
  const key = leaseKey("one.Abc", 3)
  const place = { bucket, key }
  const held = { key, process: "one.Abc", revision: 8, state: "held", heldMs: 0, timing }

  it("come back as they were written", () => {
    const written = encodeEntry(seal, place, "evicted", 12.7, { leaseMs: 2_000, marginMs: 200 })
    expect(decodeEntry(seal, place, 8, written, timing)).toEqual({
      entry: { ...held, state: "evicted", heldMs: 12, timing: { leaseMs: 2_000, marginMs: 200 } },
      isSealed: true
    })
  })

  it("count as held, and prove nothing, when they cannot be read", () => {
    for (const text of ["", "{}", "gone", '{"state":"removed","heldMs":-1,"leaseMs":1,"marginMs":1,"seal":""}']) {
      expect(decodeEntry(seal, place, 8, bytes(text), timing)).toEqual({ entry: held, isSealed: false })
    }
  })

  it("count as held, and prove nothing, where no replica wrote them", () => {
    const other = { bucket, key: leaseKey("one.Abc", 4) }
    const stranger = Effect.runSync(Effect.provide(LeaseSeal, LeaseSeal.layerWith("another key")))
    const said = JSON.parse(new TextDecoder().decode(encodeEntry(seal, place, "released", 60_000, timing)))
    const copies = [
      encodeEntry(seal, { bucket, key: barrierKey("one") }, "released", 0, timing),
      encodeEntry(seal, other, "released", 60_000, timing),
      encodeEntry(seal, { bucket: "CX_LEASES", key }, "released", 60_000, timing),
      encodeEntry(stranger, place, "released", 60_000, timing),
      ...[
        { ...said, state: "removed" },
        { ...said, heldMs: 60_001 },
        { ...said, leaseMs: 1 },
        { ...said, marginMs: 0 },
        { ...said, seal: undefined },
        { ...said, seal: said.seal.slice(1) }
      ].map((changed) => bytes(JSON.stringify(changed)))
    ]
    for (const copy of copies) {
      expect(decodeEntry(seal, place, 8, copy, timing)).toEqual({ entry: held, isSealed: false })
    }
  })

  it("are none when their key is not one of a lease", () => {
    for (const name of [barrierKey("one"), "lease.one.0", "lease.one.Abc.x", "lease.one.Abc.0.1", ""]) {
      const named = { bucket, key: name }
      expect(decodeEntry(seal, named, 8, encodeEntry(seal, named, "held", 0, timing), timing)).toBeNull()
    }
  })
})
