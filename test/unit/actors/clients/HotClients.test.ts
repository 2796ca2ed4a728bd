// Verifies R-CLI-3, R-REV-4.
/** What is kept of client credentials is answered only while it is believed, however it came that it is not. */
import { assert, describe, it } from "vitest"
import { HotClients, wireKeyOf } from "../../../../src/actors/clients/HotClients.ts"
import type { Beliefs } from "../../../../src/actors/validation/HotState.ts"
import { type ClientCredential, nameKey } from "../../../../src/domain/ClientCredential.ts"

const name = { kind: "certificate", issuer: "CN=x", serialNumber: "7" } as const
const credential: ClientCredential = {
  credentialId: "c1",
  tenantId: "acme",
  name,
  clientId: null,
  description: null,
  passwordHash: null,
  status: "Active",
  version: 1,
  reason: null,
  createdAt: 1,
  updatedAt: 1,
  createdBy: "bus",
  updatedBy: "bus"
}

describe("a client credential that is kept", () => {
  it("is found by its name and by its bytes, and not any more when it is not believed", () => {
    const asked: Array<readonly [number, boolean]> = []
    let isBelieved = true
    const beliefs = {
      listen: () => {},
      tenant: (tenantId: string) => ({ tenantId }),
      believesClient: (_tenant: unknown, _id: string, readSeq: number, leaseHolds: boolean) => {
        asked.push([readSeq, leaseHolds])
        return isBelieved && leaseHolds
      }
    } as unknown as Beliefs
    const hot = new HotClients(beliefs, 10)
    hot.keep({ credential, readSeq: 5 }, null, true)
    const found = (leaseHolds: boolean) =>
      [hot.find(nameKey(name), leaseHolds), hot.findWire(wireKeyOf(name), leaseHolds)].map((one) => one?.credentialId)
    assert.deepStrictEqual(found(true), ["c1", "c1"])
    assert.deepStrictEqual(found(false), [undefined, undefined])
    isBelieved = false
    assert.deepStrictEqual(found(true), [undefined, undefined])
    assert.strictEqual(hot.count, 1)
    assert.isTrue(asked.every(([readSeq]) => readSeq === 5))
  })
})
