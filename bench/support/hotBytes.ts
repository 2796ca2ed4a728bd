/** What a token costs in the hot table: all its typed arrays, and whatever the heap grew by. */
import { randomBytes, randomUUID } from "node:crypto"
import { HotTable } from "../../src/actors/validation/HotTable.ts"
import { encodeTail } from "../../src/schema/EcapReply.ts"

export const hotTokenBytes = (count: number): number => {
  const before = process.memoryUsage()
  const table = new HotTable({ max: count, onUseLeft: () => {} })
  for (let index = 0; index < count; index++) {
    const hash = randomBytes(16)
    table.put({
      h0: hash.readInt32LE(0),
      h1: hash.readInt32LE(4),
      h2: hash.readInt32LE(8),
      h3: hash.readInt32LE(12),
      tenantIndex: 0,
      applicationIndex: 0,
      version: 1,
      readSeq: 1,
      expiresAt: Number.POSITIVE_INFINITY,
      flags: 0,
      tail: encodeTail({ tokenId: randomUUID(), endpointId: randomUUID(), statusCode: 200, reasonPhrase: null })
    })
  }
  globalThis.gc?.()
  const heap = globalThis.gc === undefined ? 0 : Math.max(0, process.memoryUsage().heapUsed - before.heapUsed)
  return Math.round((table.bytes + heap) / table.count)
}
