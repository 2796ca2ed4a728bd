// Verifies R-SEC-8, R-REF-5.
/** What a command sees of credentials, the commands before it in the same transaction included. */
import { assert, describe, it } from "vitest"
import { CredentialWorkspace } from "../../../../src/actors/tenant/CredentialWorkspace.ts"
import type { Credential, TenantService } from "../../../../src/domain/Credential.ts"
import type { ProviderEntry } from "../../../../src/domain/ProviderEntry.ts"
import type { RotatorEntry } from "../../../../src/domain/Rotator.ts"
import { credentialRow } from "../../../support/credentialRows.ts"

const credential = (credentialId: string, over: Partial<Credential> = {}): Credential =>
  credentialRow({ credentialId, tenantId: "demo", ...over })
const workspace = (...credentials: ReadonlyArray<Credential>) =>
  new CredentialWorkspace("demo", {
    credentials: new Map(credentials.map((one) => [one.credentialId, one])),
    versions: new Map(),
    services: new Map(),
    serviceCount: null,
    servicesOff: null,
    tenants: new Map()
  })
const user = (userId: string) => ({ level: "user", userId }) as const
const idsOf = (credentials: ReadonlyArray<Credential>) => credentials.map(({ credentialId }) => credentialId).toSorted()

describe("a name of a service", () => {
  it("means the named owner's, the tenant's and the global one's credential, and nobody else's", () => {
    const all = workspace(
      credential("own"),
      credential("anna's", { owner: user("anna") }),
      credential("ben's", { owner: user("ben") }),
      credential("global", { tenantId: "global" }),
      credential("a global user's", { tenantId: "global", owner: user("anna") }),
      credential("of another service", { serviceName: "slack" })
    )
    assert.deepStrictEqual(idsOf(all.candidates("outlook", user("anna"))), ["anna's", "global", "own"])
    assert.deepStrictEqual(idsOf(all.candidates("outlook", { level: "tenant" })), ["global", "own"])
  })

  it("is switched by the tenant, and of a global credential by global, too", () => {
    const all = new CredentialWorkspace("demo", {
      credentials: new Map(),
      versions: new Map(),
      services: new Map(
        ["demo", "global", "other"].map((tenantId): [string, TenantService] => [
          `${tenantId}/outlook`,
          { tenantId, serviceName: "outlook", isActive: true, reason: null, updatedAt: 0 }
        ])
      ),
      serviceCount: null,
      servicesOff: null,
      tenants: new Map()
    })
    const by = (tenantId: string) => all.servicesFor(credential("c", { tenantId })).map((service) => service.tenantId)
    assert.deepStrictEqual(by("demo"), ["demo"])
    assert.deepStrictEqual(by("global"), ["demo", "global"])
  })
})

describe("an entry that credentials name", () => {
  const refresh = { provider: "crm" } as Credential["refresh"]
  const rotating = { rotator: "crm" } as Credential["rotating"]

  it("is in use from the command on that names it, until the one that does not any more", () => {
    const all = workspace()
    const inUse = () => [all.isProviderInUse("crm"), all.isRotatorInUse("crm"), all.isProviderInUse("another")]
    assert.deepStrictEqual(inUse(), [false, false, false])
    all.insert(credential("a", { refresh }))
    assert.deepStrictEqual(inUse(), [true, false, false])
    all.update(credential("a", { rotating }))
    assert.deepStrictEqual(inUse(), [false, true, false])
    all.update(credential("a", { rotating, state: "revoked" }))
    assert.deepStrictEqual(inUse(), [false, false, false])
  })

  it("is there or gone as the last command says, and is written or deleted, never both", () => {
    const all = workspace()
    const [provider, rotator] = [{ name: "crm" } as ProviderEntry, { name: "crm" } as RotatorEntry]
    all.putProvider(provider)
    all.putRotator(rotator)
    all.deleteProvider("crm")
    all.deleteRotator("crm")
    assert.deepInclude(all.changes(), { providersDeleted: ["crm"], rotatorsDeleted: ["crm"] })
    assert.notProperty(all.changes(), "providers")
    assert.notProperty(all.changes(), "rotators")
    all.putProvider(provider)
    all.putRotator(rotator)
    assert.deepInclude(all.changes(), { providers: [provider], rotators: [rotator] })
    assert.notProperty(all.changes(), "providersDeleted")
    assert.notProperty(all.changes(), "rotatorsDeleted")
  })
})
