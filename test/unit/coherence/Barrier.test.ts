import { describe, expect, it } from "vitest"
import {
  accepts,
  acknowledged,
  begin,
  type Entry,
  evicted,
  expire,
  isOver,
  type Listing,
  observe,
  seenAfter
} from "../../../src/coherence/Barrier.ts"

const timing = { leaseMs: 3_000, marginMs: 300 }
const outwaitMs = 3_300

const entry = (process: string, revision: number, more: Partial<Entry> = {}): Entry => ({
  key: `lease.${process}.0`,
  process,
  revision,
  state: "held",
  heldMs: 60_000,
  timing,
  ...more
})
const own = entry("me.x", 1)
const seen = { highest: 10, changedAtMs: Number.NEGATIVE_INFINITY }
const known = { process: "me.x", seen, ownKey: own.key, timing }
const listing = (atMs: number, barrier: number, ...entries: ReadonlyArray<Entry>): Listing => ({
  sentMs: atMs,
  receivedMs: atMs + 2,
  barrier,
  entries: [own, ...entries]
})

describe("a barrier round", () => {
  it("is over at once when nobody else holds a lease", () => {
    expect(isOver(begin(listing(0, 11), known), 2)).toBe(true)
  })

  it("is over when the only other replica has acknowledged, under whatever key it holds rights", () => {
    const round = begin(listing(0, 11, entry("a.x", 5), entry("a.x", 6, { key: "lease.a.x.1" })), known)
    expect(isOver(round, 2)).toBe(false)
    expect(isOver(acknowledged(round, "a.y"), 2)).toBe(false)
    expect(isOver(acknowledged(round, "a.x"), 2)).toBe(true)
  })

  it("does not wait for what was released or removed, and waits for what was evicted", () => {
    const states = ["released", "removed", "evicted", "held"] as const
    const round = begin(listing(0, 11, ...states.map((state, at) => entry(`a${at}.x`, at + 2, { state }))), known)
    expect(round.awaited.map(({ entry: { state } }) => state)).toEqual(["evicted", "held"])
  })

  it("outwaits an unrenewed entry one lease and margin after it was seen, and not earlier", () => {
    const round = begin(listing(0, 11, entry("a.x", 5)), known)
    const early = observe(round, listing(2 + outwaitMs - 1, 12, entry("a.x", 5)), timing)
    expect(isOver(early.round, 10_000)).toBe(false)
    const late = observe(early.round, listing(2 + outwaitMs, 13, entry("a.x", 5)), timing)
    expect(late.remove.map(({ key }) => key)).toEqual(["lease.a.x.0"])
    expect(isOver(late.round, 2 + outwaitMs)).toBe(true)
  })

  it("waits as long as the longest lease that an entry was written under", () => {
    const slow = entry("a.x", 5, { timing: { leaseMs: 10_000, marginMs: 1_000 } })
    const round = begin(listing(0, 11, slow), known)
    expect(observe(round, listing(10_000, 12, slow), timing).remove).toEqual([])
    expect(observe(round, listing(11_002, 12, slow), timing).remove).toEqual([slow])
  })

  it("evicts who has renewed for a lease without acknowledging, and then outwaits it by time alone", () => {
    let round = begin(listing(0, 11, entry("a.x", 5)), known)
    round = observe(round, listing(1_000, 13, entry("a.x", 12)), timing).round
    const { evict, round: seen } = observe(round, listing(3_000, 15, entry("a.x", 14)), timing)
    expect(evict.map(({ revision }) => revision)).toEqual([14])
    round = evicted(seen, "lease.a.x.0", 16, 3_010)
    expect(expire(round, 3_010 + outwaitMs - 1).round.awaited).toHaveLength(1)
    const { remove, round: over } = expire(round, 3_010 + outwaitMs)
    expect(remove.map(({ revision }) => revision)).toEqual([16])
    expect(isOver(over, 3_010 + outwaitMs)).toBe(true)
  })

  it("does not take a vanished entry for a dead replica", () => {
    const begun = begin(listing(0, 11, entry("a.x", 5)), known)
    const { round } = observe(begun, listing(1_000, 12), timing)
    expect(isOver(expire(round, 1_002 + outwaitMs - 1).round, 20_000)).toBe(false)
    const { remove, round: over } = expire(round, 1_002 + outwaitMs)
    expect(remove).toEqual([])
    expect(isOver(over, 20_000)).toBe(true)
  })

  it("waits for a vanished entry from when it was missed first, however often it is missed after that", () => {
    let round = begin(listing(0, 11, entry("a.x", 5)), known)
    for (const atMs of [1_000, 2_000, 3_000, 4_000]) round = observe(round, listing(atMs, 12), timing).round
    expect(isOver(expire(round, 1_002 + outwaitMs).round, 20_000)).toBe(true)
  })

  it("waits for the rights of an older bucket unless an entry proves that this one is old", () => {
    const young = { heldMs: 0 }
    const rounds = {
      young: begin({ ...listing(0, 11), entries: [entry("me.x", 1, young)] }, known),
      half: begin(
        { ...listing(0, 11), entries: [own, entry("a.x", 2, { heldMs: 1_650 })].slice(1) },
        { ...known, ownKey: null }
      ),
      sequenceBack: begin(listing(0, 10), known),
      ownEntryGone: begin({ ...listing(0, 11), entries: [entry("a.x", 2)] }, known),
      empty: begin({ ...listing(0, 11), entries: [] }, { ...known, ownKey: null })
    }
    expect(Object.values(rounds).map(({ settledAtMs }) => settledAtMs - 2)).toEqual([3_300, 1_800, 3_300, 3_300, 3_300])
  })

  it("waits for an older bucket one lease after its sequence went back, and no more", () => {
    const [atFirst, changed] = [seenAfter(seen, seen, 11, 5), seenAfter(seen, seen, 3, 100)]
    expect(atFirst).toEqual({ highest: 11, changedAtMs: Number.NEGATIVE_INFINITY })
    expect(changed).toEqual({ highest: 3, changedAtMs: 100 })
    expect(seenAfter(changed, changed, 4, 200)).toEqual({ highest: 4, changedAtMs: 100 })
    // A sequence that was given before.
    expect(seenAfter(seen, seen, 10, 9)).toEqual({ highest: 10, changedAtMs: 9 })
    // Sent before, acknowledged out of order: nothing has changed.
    expect(seenAfter({ ...seen, highest: 12 }, seen, 11, 7)).toEqual({ ...seen, highest: 12 })
    const settles = (atMs: number) => begin(listing(atMs, 4), { ...known, seen: changed }).settledAtMs
    expect(settles(200)).toBe(100 + outwaitMs)
    expect(settles(100 + outwaitMs)).toBe(100 + outwaitMs + 2)
  })

  it("accepts a listing only when it is whole and has reached the barrier", () => {
    expect(accepts(7, { pending: 0, upTo: 7 })).toBe(true)
    expect(accepts(7, { pending: 0, upTo: 6 })).toBe(false)
    expect(accepts(7, { pending: 1, upTo: 9 })).toBe(false)
    expect(accepts(7, { pending: Number.NaN, upTo: Number.NaN })).toBe(false)
  })
})
