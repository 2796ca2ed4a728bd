// Verifies R-ACC-7.
/** What is asked for credentials that are named by their slot, and in how many round trips. */
import { assert, describe, it } from "vitest"
import { type Credential, ownerKey } from "../../../../src/domain/Credential.ts"
import { noCredentials, slotKey } from "../../../../src/store/CredentialStore.ts"
import { credentialValues } from "../../../../src/store/maria/CredentialRow.ts"
import { loadCredentials } from "../../../../src/store/maria/load/credentials.ts"
import type { Row, Session } from "../../../../src/store/maria/MariadbConnection.ts"
import { credentialRow } from "../../../support/credentialRows.ts"

/** Answers statements by what their text holds, all that were asked in one go at once; counts those goes. */
const scripted = (answers: Readonly<Record<string, ReadonlyArray<Credential>>>) => {
  let flights = 0
  let waiting: Array<() => void> = []
  const rows = (sql: string): Promise<ReadonlyArray<Row>> =>
    new Promise((resolve) => {
      if (waiting.length === 0) {
        flights++
        setImmediate(() => {
          const answered = waiting
          waiting = []
          for (const answer of answered) answer()
        })
      }
      const found = Object.entries(answers).find(([part]) => sql.includes(part))?.[1] ?? []
      waiting.push(() => resolve(found.map((credential) => credentialValues(credential))))
    })
  return { session: { rows } as unknown as Session, flights: () => flights }
}

const slot = slotKey("outlook", ownerKey({ level: "tenant" }))
const load = { ...noCredentials, slots: [slot], globalSlots: [slot], countServices: true }
const [byActive, byNewest] = ["AND active_slot IN", "SELECT MAX(credential_id)"]

describe("credentials that are named by their slot", () => {
  it("of which none is there are looked for in one round trip, as what is stored anew is", async () => {
    const { flights, session } = scripted({})
    const loaded = await loadCredentials(session, "acme", load)
    assert.strictEqual(loaded?.credentials.size, 0)
    assert.strictEqual(flights(), 1)
  })

  it("are the active one, also where another one was made later", async () => {
    const active = credentialRow()
    const later = credentialRow({ state: "revoked" })
    const { session } = scripted({ [byActive]: [active], [byNewest]: [later] })
    const loaded = await loadCredentials(session, "acme", load)
    assert.deepStrictEqual(Array.from(loaded?.credentials.keys() ?? []), [active.credentialId])
  })

  it("are the newest one where none is active", async () => {
    const ended = credentialRow({ state: "revoked" })
    const { session } = scripted({ [byNewest]: [ended] })
    const loaded = await loadCredentials(session, "acme", load)
    assert.deepStrictEqual(Array.from(loaded?.credentials.keys() ?? []), [ended.credentialId])
  })
})
