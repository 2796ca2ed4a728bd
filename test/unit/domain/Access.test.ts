/** Verifies: R-SEC-5, R-SEC-10. */
import { assert, describe, it } from "@effect/vitest"
import { type Consumer, consumerNamePattern, consumerNames, decideRead, resolve } from "../../../src/domain/Access.ts"
import type { Credential, TenantService } from "../../../src/domain/Credential.ts"

const now = 1_000_000

const credential = (over: Partial<Credential> = {}): Credential => ({
  credentialId: "a",
  tenantId: "demo",
  serviceName: "outlook",
  type: "basic",
  owner: { level: "tenant" },
  state: "active",
  version: 1,
  secretVersion: 1,
  scopes: [],
  allowedConsumers: ["mail", "account:ACME", "account:BETA/anna", "bearer:acme/alice"],
  metadata: {},
  rotation: null,
  expiresAt: null,
  noticedMs: null,
  reason: null,
  createdAt: 0,
  updatedAt: 0,
  createdBy: "bus",
  updatedBy: "bus",
  ...over
})

const service = (tenantId: string, isActive: boolean, serviceName = "outlook"): TenantService => ({
  tenantId,
  serviceName,
  isActive,
  reason: null,
  updatedAt: 0
})

const mail: Consumer = { by: "subject", name: "mail" }

const table: ReadonlyArray<{
  readonly name: string
  readonly over?: Partial<Credential>
  readonly consumer?: Consumer
  readonly services?: ReadonlyArray<TenantService>
  readonly expected: string
}> = [
  { name: "the consumer that is named", expected: "Allowed" },
  { name: "the account that is named", consumer: { by: "import", account: "ACME", user: null }, expected: "Allowed" },
  {
    name: "any user of the account that is named",
    consumer: { by: "import", account: "ACME", user: "otto" },
    expected: "Allowed"
  },
  { name: "the user that is named", consumer: { by: "import", account: "BETA", user: "anna" }, expected: "Allowed" },
  {
    name: "another user of that account",
    consumer: { by: "import", account: "BETA", user: "otto" },
    expected: "ConsumerNotAllowed"
  },
  {
    name: "that account without a user",
    consumer: { by: "import", account: "BETA", user: null },
    expected: "ConsumerNotAllowed"
  },
  { name: "the bearer that is named", consumer: { by: "bearer", principal: "bearer:acme/alice" }, expected: "Allowed" },
  {
    name: "a bearer of that name of another tenant",
    consumer: { by: "bearer", principal: "bearer:beta/alice" },
    expected: "ConsumerNotAllowed"
  },
  { name: "nobody in particular", consumer: { by: "nothing" }, expected: "ConsumerNotAllowed" },
  { name: "another consumer", consumer: { by: "subject", name: "chat" }, expected: "ConsumerNotAllowed" },
  { name: "a consumer in other letters", consumer: { by: "subject", name: "Mail" }, expected: "ConsumerNotAllowed" },
  {
    name: "an account of a consumer's name",
    consumer: { by: "import", account: "mail", user: "mail" },
    expected: "ConsumerNotAllowed"
  },
  {
    name: "a bearer of a consumer's name",
    consumer: { by: "bearer", principal: "bearer:acme/mail" },
    expected: "ConsumerNotAllowed"
  },
  {
    name: "a consumer of an account's name",
    consumer: { by: "subject", name: "ACME" },
    expected: "ConsumerNotAllowed"
  },
  { name: "anybody when nobody is named", over: { allowedConsumers: [] }, expected: "ConsumerNotAllowed" },
  { name: "while the service is active", services: [service("demo", true)], expected: "Allowed" },
  { name: "while the service is disabled", services: [service("demo", false)], expected: "ServiceInactive" },
  { name: "while another service is disabled", services: [service("demo", false, "slack")], expected: "Allowed" },
  {
    name: "a global one whose service is disabled globally",
    over: { tenantId: "global" },
    services: [service("demo", true), service("global", false)],
    expected: "ServiceInactive"
  },
  {
    name: "a global one whose service this tenant disabled",
    over: { tenantId: "global" },
    services: [service("demo", false), service("global", true)],
    expected: "ServiceInactive"
  },
  { name: "a revoked one", over: { state: "revoked" }, expected: "Revoked" },
  { name: "an expired one", over: { state: "expired" }, expected: "Expired" },
  { name: "one at the moment of its end, before any sweep", over: { expiresAt: now }, expected: "Expired" },
  { name: "one a millisecond before its end", over: { expiresAt: now + 1 }, expected: "Allowed" },
  { name: "a revoked one whose end has come", over: { state: "revoked", expiresAt: now - 1 }, expected: "Revoked" },
  {
    name: "a stranger learns nothing of the state",
    over: { state: "revoked" },
    consumer: { by: "subject", name: "chat" },
    services: [service("demo", false)],
    expected: "ConsumerNotAllowed"
  },
  {
    name: "a disabled service comes before the state",
    over: { state: "revoked" },
    services: [service("demo", false)],
    expected: "ServiceInactive"
  }
]

describe("Access", () => {
  it.each(table)("$name: $expected", ({ consumer = mail, expected, over, services = [] }) => {
    assert.strictEqual(decideRead({ credential: credential(over), consumer, services, now })._tag, expected)
  })

  it("gives each way of identification a name space of its own", () => {
    assert.deepStrictEqual(consumerNames({ by: "subject", name: "x" }), ["x"])
    assert.deepStrictEqual(consumerNames({ by: "import", account: "x", user: null }), ["account:x"])
    assert.deepStrictEqual(consumerNames({ by: "import", account: "x", user: "y" }), ["account:x", "account:x/y"])
    assert.deepStrictEqual(consumerNames({ by: "bearer", principal: "bearer:x/y" }), ["bearer:x/y"])
    assert.deepStrictEqual(consumerNames({ by: "nothing" }), [])
  })

  it("lets a list of consumers name all of them, and no bearer without its tenant", () => {
    for (const name of ["mail", "account:ACME", "account:ACME/anna@x", "bearer:acme/8f3", "bearer:acme/auth0|a/b"]) {
      assert.match(name, consumerNamePattern)
    }
    for (const name of [
      "bearer:alice",
      "bearer:/alice",
      "bearer:acme/",
      "account:",
      "account:A/",
      "account:A/b/c",
      "a/b"
    ]) {
      assert.notMatch(name, consumerNamePattern)
    }
  })

  // Every set of user's, tenant's and global credential, each absent, in force or ended.
  const kinds = ["user", "tenant", "global"] as const
  const states = ["absent", "active", "revoked", "run out"] as const
  type State = (typeof states)[number]
  const make = (kind: (typeof kinds)[number], state: State): ReadonlyArray<Credential> =>
    state === "absent"
      ? []
      : [
          credential({
            credentialId: kind,
            tenantId: kind === "global" ? "global" : "demo",
            owner: kind === "user" ? { level: "user", userId: "u1" } : { level: "tenant" },
            state: state === "revoked" ? "revoked" : "active",
            expiresAt: state === "run out" ? now : null
          })
        ]
  const combinations = states.flatMap((user) =>
    states.flatMap((tenant) => states.map((global) => [user, tenant, global] as const))
  )

  it.each(combinations)(
    "user %s, tenant %s, global %s: the most specific in force wins, else the most specific",
    (...given) => {
      const found = kinds.flatMap((kind, index) => make(kind, given[index] ?? "absent"))
      const firstWith = (wanted: (state: State) => boolean) => kinds[given.findIndex(wanted)]
      const expected = firstWith((state) => state === "active") ?? firstWith((state) => state !== "absent")
      assert.strictEqual(resolve(found, now)?.credentialId, expected)
      assert.strictEqual(resolve(found.toReversed(), now)?.credentialId, expected)
    }
  )

  it("takes the newest of several ended ones of one owner", () => {
    const found = ["01", "03", "02"].map((credentialId) => credential({ credentialId, state: "revoked" }))
    assert.strictEqual(resolve(found, now)?.credentialId, "03")
  })
})
