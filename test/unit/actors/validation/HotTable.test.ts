import { assert, describe, it } from "@effect/vitest"
import { Arena } from "../../../../src/actors/validation/Arena.ts"
import { type HotEntry, inactiveFlag, rotatedFlag } from "../../../../src/actors/validation/HotRecord.ts"
import { HotTable } from "../../../../src/actors/validation/HotTable.ts"
import { lookedMax } from "../../../../src/actors/validation/NotedUses.ts"
import { homeOf, RefIndex } from "../../../../src/actors/validation/RefIndex.ts"
import { encodeTail } from "../../../../src/schema/EcapReply.ts"
import { seededRandom } from "../../../support/seededRandom.ts"
import { times } from "../../../support/times.ts"

const idOf = (number: number): string => `0190a0b0-0000-7000-8000-${number.toString(16).padStart(12, "0")}`

const entryOf = (number: number, changes: Partial<HotEntry> & { readonly endpoint?: number } = {}): HotEntry => {
  const { endpoint = 36, ...rest } = changes
  return {
    h0: Math.imul(number, 0x9e3779b1) | 0,
    h1: Math.imul(number, 0x85ebca6b) | 0,
    h2: number,
    h3: ~number,
    tenantIndex: 0,
    applicationIndex: 0,
    version: 1,
    readSeq: 0,
    expiresAt: Number.POSITIVE_INFINITY,
    flags: 0,
    tail: encodeTail({ tokenId: idOf(number), endpointId: "e".repeat(endpoint), statusCode: 200, reasonPhrase: null }),
    ...rest
  }
}
/** An application of one of five tenants. */
const ownerOf = (applicationIndex: number) => ({ tenantIndex: applicationIndex % 5, applicationIndex })
const find = (table: HotTable, { h0, h1, h2, h3 }: HotEntry) => table.find(h0, h1, h2, h3)
const tailHex = (table: HotTable, ref: number) =>
  Buffer.from(table.bytesOf(ref).buffer).toString(
    "hex",
    table.tailStart(ref),
    table.tailStart(ref) + table.tailLength(ref)
  )
const makeTable = (max: number, left: Array<string> = []) =>
  new HotTable({ max, onUseLeft: (tokenId, usedAt) => left.push(`${tokenId} ${usedAt}`) })

describe("HotTable", () => {
  it("does what a Map does, over random changes, and keeps all fields", () => {
    const { random, seed } = seededRandom("HotTable")
    const table = makeTable(100_000)
    const model = new Map<number, HotEntry>()
    for (let step = 0; step < times(40_000); step++) {
      const number = Math.floor(random() * 3_000)
      const roll = random()
      if (roll < 0.5) {
        const entry = entryOf(number, {
          ...ownerOf(Math.floor(random() * 10)),
          version: 1 + Math.floor(random() * 2 ** 31),
          readSeq: Math.floor(random() * 2 ** 50),
          expiresAt: random() < 0.5 ? Number.POSITIVE_INFINITY : Math.floor(random() * 2e12),
          flags: (random() < 0.5 ? inactiveFlag : 0) | (random() < 0.5 ? rotatedFlag : 0),
          endpoint: 1 + Math.floor(random() * 128)
        })
        assert.isAbove(table.put(entry), 0)
        model.set(number, entry)
      } else if (roll < 0.8) {
        const ref = roll < 0.65 ? find(table, entryOf(number)) : table.findById(idOf(number))
        assert.strictEqual(ref !== 0, model.has(number), `seed ${seed} step ${step}`)
        if (ref !== 0) table.remove(ref)
        model.delete(number)
      } else {
        const entry = model.get(number)
        const ref = find(table, entryOf(number))
        assert.strictEqual(table.findById(idOf(number)), ref, `seed ${seed} step ${step}`)
        assert.strictEqual(ref !== 0, entry !== undefined, `seed ${seed} step ${step}`)
        if (entry === undefined) continue
        assert.deepStrictEqual(
          [table.tenantIndex(ref), table.applicationIndex(ref), table.version(ref), table.readSeq(ref)],
          [entry.tenantIndex, entry.applicationIndex, entry.version, entry.readSeq],
          `seed ${seed} step ${step}`
        )
        assert.strictEqual(table.expiresAt(ref), entry.expiresAt)
        assert.strictEqual(table.flags(ref) & (inactiveFlag | rotatedFlag), entry.flags)
        assert.strictEqual(tailHex(table, ref), Buffer.from(entry.tail).toString("hex"))
        assert.strictEqual(table.tokenId(ref), idOf(number))
      }
      assert.strictEqual(table.count, model.size)
    }
    for (const [number, entry] of model) assert.isAbove(find(table, entry), 0, `seed ${seed} number ${number}`)
    for (const tenantIndex of [0, 1, 2, 3, 4]) {
      const expected = [...model.values()].filter((entry) => entry.tenantIndex === tenantIndex).length
      assert.strictEqual(table.countOf(tenantIndex), expected)
    }
  })

  it("does not take one token for another when parts of their hashes are equal", () => {
    const table = makeTable(10)
    const entry = entryOf(1)
    table.put(entry)
    for (const field of ["h0", "h1", "h2", "h3"] as const) {
      assert.strictEqual(find(table, { ...entry, [field]: entry[field] ^ 1 }), 0, field)
    }
  })

  it("never holds more than its limit, and keeps what was used lately", () => {
    const table = makeTable(100)
    for (let number = 0; number < 100; number++) table.put(entryOf(number))
    const used = entryOf(7)
    for (let number = 100; number < 1_000; number++) {
      table.touch(find(table, used))
      table.put(entryOf(number))
      assert.strictEqual(table.count, 100)
      assert.isAbove(find(table, used), 0)
    }
  })

  it("does not let one tenant's tokens push out those of a smaller one", () => {
    const table = makeTable(1_000)
    for (let number = 0; number < 100; number++) table.put(entryOf(number, ownerOf(1)))
    for (let number = 1_000; number < 20_000; number++) table.put(entryOf(number, ownerOf(2)))
    assert.strictEqual(table.countOf(1), 100)
    assert.strictEqual(table.count, 1_000)
    // A third one comes in at the expense of the largest.
    for (let number = 30_000; number < 30_050; number++) table.put(entryOf(number, ownerOf(3)))
    assert.deepStrictEqual([table.countOf(1), table.countOf(2), table.countOf(3)], [100, 850, 50])
  })

  it("hands out each noted use once, the newest, also of entries that went", () => {
    const left: Array<string> = []
    const table = makeTable(100, left)
    const first = table.put(entryOf(1))
    table.put(entryOf(2))
    table.use(first, 5)
    table.use(first, 6)
    table.use(find(table, entryOf(2)), 7)
    table.remove(find(table, entryOf(2)))
    assert.deepStrictEqual(left, [`${idOf(2)} 7`])
    // The place of the one that went is another's now.
    table.use(table.put(entryOf(3)), 8)
    const taken: Array<string> = []
    table.takeUses((tokenId, usedAt) => taken.push(`${tokenId} ${usedAt}`))
    assert.deepStrictEqual(taken, [`${idOf(1)} 6`, `${idOf(3)} 8`])
    table.takeUses((tokenId) => assert.fail(tokenId))
  })

  it("counts an entry for the tenant whose its application is now", () => {
    const table = makeTable(100)
    table.remove(table.put(entryOf(1, { tenantIndex: 1, applicationIndex: 7 })))
    const ref = table.put(entryOf(2, { tenantIndex: 2, applicationIndex: 7 }))
    assert.strictEqual(table.tenantIndex(ref), 2)
    assert.deepStrictEqual([table.countOf(1), table.countOf(2)], [0, 1])
    table.remove(ref)
    assert.deepStrictEqual([table.countOf(1), table.countOf(2)], [0, 0])
  })

  it("notes uses by a clock that is set back or far ahead, exactly", () => {
    const left: Array<string> = []
    const table = makeTable(100, left)
    const [first, second, third] = [table.put(entryOf(1)), table.put(entryOf(2)), table.put(entryOf(3))]
    const now = 1_790_000_000_000
    const far = 2 ** 31
    table.use(first, now)
    table.use(second, now - far)
    table.use(third, now - far - 1)
    table.use(first, now + far - 1)
    table.use(first, now + far)
    assert.deepStrictEqual(left, [`${idOf(3)} ${now - far - 1}`, `${idOf(1)} ${now + far}`])
    const taken: Array<string> = []
    table.takeUses((tokenId, usedAt) => {
      taken.push(`${tokenId} ${usedAt}`)
      // Whoever takes may use others.
      table.use(third, now + 5)
    })
    assert.deepStrictEqual(taken, [`${idOf(1)} ${now + far - 1}`, `${idOf(2)} ${now - far}`])
    assert.strictEqual(table.usesNoted, 1)
    table.takeUses((tokenId, usedAt) => assert.strictEqual(`${tokenId} ${usedAt}`, `${idOf(3)} ${now + 5}`))
    table.use(third, 5)
    table.takeUses((tokenId, usedAt) => assert.strictEqual(`${tokenId} ${usedAt}`, `${idOf(3)} 5`))
  })

  it("hands out uses in pieces, those that wait longest first, and goes on behind them", () => {
    const table = makeTable(100)
    const refs = [1, 2, 3].map((number) => table.put(entryOf(number)))
    const taken: Array<string> = []
    const takeOne = () => table.takeUses((tokenId, usedAt) => taken.push(`${tokenId} ${usedAt}`), 1)
    refs.forEach((ref, at) => {
      table.use(ref, at)
    })
    takeOne()
    // One that was taken comes last again; one that waits stays where it is.
    table.use(refs[0]!, 7)
    table.use(refs[1]!, 8)
    assert.strictEqual(table.usesNoted, 3)
    for (let time = 0; time < 4; time++) takeOne()
    assert.deepStrictEqual(taken, [`${idOf(1)} 0`, `${idOf(2)} 8`, `${idOf(3)} 2`, `${idOf(1)} 7`])
    assert.strictEqual(table.usesNoted, 0)
  })

  const listedOf = (table: HotTable) =>
    (table as unknown as { readonly noted: { readonly refs: ReadonlyArray<number> } }).noted.refs.length

  it("hands out as many uses as are asked for, however many entries went before them", () => {
    const table = makeTable(10_000)
    const refs = Array.from({ length: 1_000 }, (_, number) => table.put(entryOf(number)))
    refs.forEach((ref, at) => {
      table.use(ref, at)
    })
    for (const ref of refs.slice(0, 900)) table.remove(ref)
    assert.strictEqual(table.usesNoted, 100)
    const taken: Array<string> = []
    const handedOut = table.takeUses((tokenId) => taken.push(tokenId), 60)
    assert.strictEqual(handedOut, 60)
    assert.deepStrictEqual(
      taken,
      Array.from({ length: 60 }, (_, number) => idOf(900 + number))
    )
    assert.strictEqual(table.usesNoted, 40)
    assert.strictEqual(
      table.takeUses((tokenId) => taken.push(tokenId), 60),
      40
    )
    assert.strictEqual(table.usesNoted, 0)
    assert.lengthOf(taken, 100)
  })

  it("looks at a bounded number of places in one go, and goes on behind them the next time", () => {
    const table = makeTable(100_000)
    const refs = Array.from({ length: 2 * lookedMax + 2 }, (_, number) => table.put(entryOf(number)))
    refs.forEach((ref, at) => {
      table.use(ref, at)
    })
    for (const ref of refs.slice(1, -1)) table.remove(ref)
    const taken: Array<string> = []
    const take = () => table.takeUses((tokenId) => taken.push(tokenId))
    assert.deepStrictEqual([take(), take(), take()], [1, 0, 1])
    assert.deepStrictEqual(taken, [idOf(0), idOf(2 * lookedMax + 1)])
  })

  it("keeps a list of uses that is no longer than the table, however many entries come and go", () => {
    const left: Array<string> = []
    const table = makeTable(100, left)
    // Some give way to others, some are put anew, some are removed: all were used.
    for (let number = 0; number < 5_000; number++) {
      table.use(table.put(entryOf(number)), number)
      table.use(table.put(entryOf(number, { version: 2 })), number)
      if (number % 3 === 0) table.remove(table.findById(idOf(number)))
      assert.isAtMost(listedOf(table), 101)
      assert.isAtMost(table.usesNoted, table.count)
    }
    const taken: Array<string> = []
    table.takeUses((tokenId, usedAt) => taken.push(`${tokenId} ${usedAt}`))
    assert.strictEqual(taken.length, table.count)
    assert.sameMembers(
      Array.from(new Set([...left, ...taken])),
      Array.from({ length: 5_000 }, (_, number) => `${idOf(number)} ${number}`)
    )
  })

  it("gives back the room of uses that were taken, though some always wait", () => {
    const table = makeTable(100)
    const refs = [1, 2].map((number) => table.put(entryOf(number)))
    let taken = 0
    table.use(refs[0]!, 0)
    for (let now = 1; now < 200_000; now++) {
      table.use(refs[now % 2]!, now)
      table.takeUses(() => taken++, 1)
      // The assertion only has the word where it fails: it is slower than what it looks at.
      if (table.usesNoted !== 1) assert.strictEqual(table.usesNoted, 1)
    }
    assert.strictEqual(taken, 199_999)
    assert.isBelow(listedOf(table), 100_000)
  })

  it("notes uses exactly for months in which some always wait", () => {
    const left: Array<string> = []
    const table = makeTable(100, left)
    const refs = [1, 2, 3].map((number) => table.put(entryOf(number)))
    let now = 1_790_000_000_000
    const last = new Map<string, number>()
    const use = (number: number) => {
      table.use(refs[number - 1]!, now)
      last.set(idOf(number), now)
    }
    for (let day = 0; day < 200; day++, now += 86_400_000) {
      for (const number of [1, 2, 3]) use(number)
      if (day === 0) continue
      table.takeUses((tokenId, usedAt) => assert.strictEqual(usedAt, last.get(tokenId), tokenId), 2)
      assert.isAbove(table.usesNoted, 0)
    }
    assert.deepStrictEqual(left, [], "none was beyond what can be noted")
  })

  it("notes a use exactly in the place of one that went when the moment that uses are counted from moves", () => {
    const table = makeTable(100)
    const [first, gone, last] = [1, 2, 3].map((number) => table.put(entryOf(number)))
    const now = 1_790_000_000_000
    const thirteenDays = 13 * 86_400_000
    table.use(first!, now)
    table.use(gone!, now)
    table.remove(gone!)
    assert.strictEqual(table.put(entryOf(4)), gone)
    table.use(gone!, now + 5)
    table.use(last!, now + thirteenDays)
    const taken: Array<string> = []
    const take = (max?: number) => table.takeUses((tokenId, usedAt) => taken.push(`${tokenId} ${usedAt - now}`), max)
    take(1)
    take()
    assert.deepStrictEqual(taken, [`${idOf(1)} 0`, `${idOf(4)} 5`, `${idOf(3)} ${thirteenDays}`])
  })

  it("takes at most 160 bytes a token, wherever between two sizes its indexes are", () => {
    const table = makeTable(200_000)
    const worst: Array<number> = []
    for (let number = 1; number <= 200_000; number++) {
      table.put(entryOf(number))
      if (number >= 100_000 && number % 1_000 === 0) worst.push(table.bytes / number)
    }
    assert.isAtMost(Math.max(...worst), 160)
  })

  it("lets all entries go that somebody does not want any more, and no others", () => {
    const table = makeTable(10_000)
    const entries = Array.from({ length: 5_000 }, (_, number) => entryOf(number, { applicationIndex: number % 7 }))
    for (const entry of entries) table.put(entry)
    table.removeWhere((ref) => table.applicationIndex(ref) === 3)
    for (const entry of entries) assert.strictEqual(find(table, entry) !== 0, entry.applicationIndex !== 3)
    assert.strictEqual(table.count, entries.filter(({ applicationIndex }) => applicationIndex !== 3).length)
  })

  it("keeps nothing when its limit is 0", () => {
    const table = makeTable(0)
    assert.strictEqual(table.put(entryOf(1)), 0)
    assert.strictEqual(table.count, 0)
  })

  it("uses memory of removed entries again", () => {
    const table = makeTable(1_000)
    for (let number = 0; number < 1_000; number++) table.put(entryOf(number))
    const before = table.bytes
    for (let number = 1_000; number < 50_000; number++) table.put(entryOf(number))
    // The index's segments may differ a little; the records of 49,000 more tokens would not fit.
    assert.isBelow(table.bytes, before + 100_000)
  })
})

it("memory of more than two gigabytes is counted as such", () => {
  const arena = new Arena()
  arena.allocate(1)
  const oneChunk = arena.bytes
  arena.chunks.length = 10_000
  assert.strictEqual(arena.bytes, 10_000 * oneChunk)
})

describe("RefIndex", () => {
  it("finds every entry after any removals, even where all share one home", () => {
    const { random, seed } = seededRandom("RefIndex")
    const index = new RefIndex()
    const present = new Map<number, number>()
    for (let step = 1; step <= times(20_000); step++) {
      const ref = 1 + Math.floor(random() * 400)
      const tag = present.get(ref)
      if (tag !== undefined) {
        index.remove(3, tag, ref)
        present.delete(ref)
      } else {
        // Few homes, near the end of the segment, so that runs wrap around.
        const made = -1 - Math.floor(random() * 3)
        index.insert(3, made, ref)
        present.set(ref, made)
      }
      if (step % 50 !== 0) continue
      const { cells, count, size } = index.segments[3]!
      assert.strictEqual(count, present.size)
      for (const [wanted, wantedTag] of present) {
        let at = homeOf(wantedTag, size)
        while (cells[at * 2] !== wanted && cells[at * 2] !== 0) at = (at + 1) % size
        if (cells[at * 2] !== wanted) assert.fail(`${wanted} is not found, seed ${seed} step ${step}`)
      }
    }
  })
})
