// Verifies R-ACT-5.
/** What counts against a tenant's limits after a change: each thing once, and until it is revoked or gone. */
import { assert, describe, it } from "vitest"
import type { ClientCredential } from "../../../src/domain/ClientCredential.ts"
import type { Credential } from "../../../src/domain/Credential.ts"
import type { Token } from "../../../src/domain/Token.ts"
import { stockAfter } from "../../../src/store/Stock.ts"
import type { Changes, Loaded } from "../../../src/store/TenantStore.ts"

const token = (tokenId: string, status: Token["status"]) => ({ tokenId, status }) as Token
const credential = (credentialId: string, state: Credential["state"]) => ({ credentialId, state }) as Credential
const client = (credentialId: string, status: ClientCredential["status"]) =>
  ({ credentialId, status }) as ClientCredential

describe("a tenant's stock", () => {
  it("grows by what is new and counts, and shrinks by what is revoked or deleted and counted before", () => {
    const loaded = {
      tokens: new Map(
        [
          token("a", "Active"),
          token("b", "Suspended"),
          token("c", "Inactive"),
          token("d", "Active"),
          token("gone", "Revoked"),
          token("old", "Revoked")
        ].map((one) => [one.tokenId, one])
      ),
      credentials: {
        credentials: new Map(
          [credential("x", "active"), credential("y", "expired"), credential("z", "revoked")].map((one) => [
            one.credentialId,
            one
          ])
        )
      },
      clients: {
        credentials: new Map(
          [client("k", "Active"), client("l", "Suspended"), client("m", "Revoked")].map((one) => [
            one.credentialId,
            one
          ])
        )
      }
    } as unknown as Loaded
    const changes = {
      tokensInserted: [token("n", "Inactive"), token("o", "Revoked")],
      tokensUpdated: [token("a", "Revoked"), token("b", "Active"), token("old", "Revoked")],
      tokensDeleted: ["c", "d", "gone"],
      credentials: {
        inserted: [credential("w", "active")],
        updated: [credential("x", "revoked"), credential("y", "active")],
        deleted: ["z"]
      },
      clients: { inserted: [client("q", "Inactive")], updated: [client("l", "Active")], deleted: ["k", "m"] }
    } as unknown as Changes
    assert.deepStrictEqual(stockAfter({ tokens: 10, credentials: 10, clients: 10 }, loaded, changes), {
      tokens: 10 + 1 - 1 - 2,
      credentials: 10 + 1 - 1,
      clients: 10 + 1 - 1
    })
  })
})
