import { describe, expect, it } from "vitest"
import { barrierKey, decodeEntry, encodeEntry, leaseKey } from "../../../src/coherence/LeaseEntry.ts"
import {
  decodeAck,
  decodeAppear,
  decodeApply,
  decodeInForce,
  encode,
  inPieces
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
  it("come back as they were written", () => {
    const key = leaseKey("one.Abc", 3)
    expect(decodeEntry(key, 8, encodeEntry("held", 12.7, timing), timing)).toEqual({
      key,
      process: "one.Abc",
      revision: 8,
      state: "held",
      heldMs: 12,
      timing
    })
  })

  it("count as held, and prove nothing, when they cannot be read", () => {
    for (const text of ["", "{}", "gone", '{"state":"removed","heldMs":-1,"leaseMs":1,"marginMs":1}']) {
      const entry = decodeEntry(leaseKey("one.Abc", 0), 8, bytes(text), timing)
      expect(entry).toMatchObject({ state: "held", heldMs: 0, timing })
    }
  })

  it("are none when their key is not one of a lease", () => {
    for (const key of [barrierKey("one"), "lease.one.0", "lease.one.Abc.x", "lease.one.Abc.0.1", ""]) {
      expect(decodeEntry(key, 8, encodeEntry("held", 0, timing), timing)).toBeNull()
    }
  })
})
