// Verifies R-PLT-1, R-PLT-2, R-PLT-3.
/** The tables of what reading the Tenant Manager and Tekton leads to. */
import { assert, describe, it } from "vitest"
import {
  decideApplications,
  decideDeleted,
  type KnownApplication,
  type TektonRead
} from "../../../src/platform/decideApplications.ts"
import { decideTenants, type IssuerRead, type KnownTenant } from "../../../src/platform/decideTenants.ts"
import type { ListedTenant } from "../../../src/platform/TenantManager.ts"

// ---- tenants

const listed = (tenantId: string, status = "AVAILABLE"): ListedTenant => ({
  tenantId,
  status,
  realmName: tenantId,
  backendClientId: "backend"
})
const known = (row: KnownTenant["row"], mark: KnownTenant["mark"] = null): KnownTenant => ({ row, mark, issuer: null })
const noIssuers: ReadonlyMap<string, IssuerRead> = new Map()
const tenantsOf = (
  before: Record<string, KnownTenant>,
  list: ReadonlyArray<ListedTenant>,
  isWhole = true,
  issuers = noIssuers
) => decideTenants(new Map(Object.entries(before)), list, issuers, isWhole)

describe("tenants", () => {
  const rows: ReadonlyArray<KnownTenant["row"]> = ["served", "being_removed", "none"]
  const marks: ReadonlyArray<KnownTenant["mark"]> = [null, "ended", "named_again"]
  const table: Record<string, string> = {
    "served null AVAILABLE": "",
    "served null CREATING": "Tell not_available",
    "served null -": "Tell missing",
    "served ended AVAILABLE": "",
    "served ended CREATING": "Tell not_available",
    "served ended -": "Tell missing",
    "served named_again AVAILABLE": "",
    "served named_again CREATING": "Tell not_available",
    "served named_again -": "Tell missing",
    "being_removed null AVAILABLE": "Tell ends_still",
    "being_removed null CREATING": "",
    "being_removed null -": "",
    "being_removed ended AVAILABLE": "Tell ended",
    "being_removed ended CREATING": "Tell ended",
    "being_removed ended -": "",
    "being_removed named_again AVAILABLE": "Tell ends_still",
    "being_removed named_again CREATING": "",
    "being_removed named_again -": "",
    "none null AVAILABLE": "Create",
    "none null CREATING": "",
    "none null -": "",
    "none ended AVAILABLE": "Tell ended",
    "none ended CREATING": "Tell ended",
    "none ended -": "",
    "none named_again AVAILABLE": "Create anew",
    "none named_again CREATING": "",
    "none named_again -": ""
  }
  for (const row of rows) {
    for (const mark of marks) {
      for (const status of ["AVAILABLE", "CREATING", "-"]) {
        const name = `${row} ${mark} ${status}`
        it(`${name}: ${table[name] || "nothing"}`, () => {
          const decided = tenantsOf({ acme: known(row, mark) }, status === "-" ? [] : [listed("acme", status)])
          const said = decided.map((one) =>
            one._tag === "Tell" ? `Tell ${one.reason}` : one._tag === "Create" && one.anew ? "Create anew" : one._tag
          )
          assert.strictEqual(said.join(), table[name])
        })
      }
    }
  }

  it("no decision removes anybody, whatever was read", () => {
    const before = { a: known("served"), b: known("served"), c: known("being_removed", "ended") }
    for (const list of [[], [listed("a", "DELETED")], [listed("a"), listed("b", "x")]]) {
      for (const one of tenantsOf(before, list)) assert.include(["Create", "SetIssuer", "Tell"], one._tag)
    }
  })
  it("a part of the list says of nobody that it is missing", () => {
    for (const part of [[], [listed("other")]]) {
      const before = { acme: known("served"), other: known("served") }
      assert.deepStrictEqual(tenantsOf(before, part, false), [])
    }
  })
  it("ids that nobody may have are refused alone", () => {
    const said = tenantsOf({}, [listed("a.b"), listed("global"), listed("*"), listed("ok")])
    assert.deepStrictEqual(
      said.map((one) => (one._tag === "Tell" ? one.reason : one._tag)),
      ["invalid_id", "reserved_id", "invalid_id", "Create"]
    )
  })

  const issuer = (name: string) => ({ issuer: `https://${name}`, audience: "cm", jwksUri: null })
  const withIssuer = (name: string): KnownTenant => ({ ...known("served"), issuer: issuer(name) })
  const read = (entries: Record<string, IssuerRead>) => new Map(Object.entries(entries))
  it("an issuer is set when it differs, for a new tenant too, and taken away when there is none any more", () => {
    const before = { a: withIssuer("a"), b: withIssuer("b"), c: withIssuer("c") }
    const issuers = read({
      a: { settings: issuer("a") },
      b: { settings: issuer("b2") },
      c: { settings: null },
      d: { settings: issuer("d") }
    })
    const decided = tenantsOf(
      before,
      ["a", "b", "c", "d"].map((id) => listed(id)),
      true,
      issuers
    )
    assert.deepStrictEqual(decided, [
      { _tag: "SetIssuer", tenantId: "b", settings: issuer("b2") },
      { _tag: "SetIssuer", tenantId: "c", settings: null },
      { _tag: "Create", tenantId: "d", anew: false, settings: issuer("d") }
    ])
  })
  it("a new tenant whose issuer was not read is left for later", () => {
    const decided = tenantsOf({}, [listed("a")], true, read({ a: "unread" }))
    assert.deepStrictEqual(decided, [{ _tag: "Tell", tenantId: "a", reason: "issuer_unread" }])
  })
  it("nor is one whose issuer may not be used made without it", () => {
    const before = { gone: known("none", "named_again") }
    const decided = tenantsOf(before, [listed("a"), listed("gone")], true, read({ a: "refused", gone: "refused" }))
    assert.deepStrictEqual(decided, [
      { _tag: "Tell", tenantId: "a", reason: "issuer_refused" },
      { _tag: "Tell", tenantId: "gone", reason: "issuer_refused" }
    ])
  })
  it("an issuer that was not read, or may not be used, changes nothing", () => {
    const decided = tenantsOf(
      { a: withIssuer("a"), b: withIssuer("b") },
      [listed("a"), listed("b")],
      true,
      read({
        a: "unread",
        b: "refused"
      })
    )
    assert.deepStrictEqual(decided, [{ _tag: "Tell", tenantId: "b", reason: "issuer_refused" }])
  })
  it("an issuer belongs to one tenant, also within one answer", () => {
    const decided = tenantsOf(
      { a: withIssuer("x") },
      [listed("a"), listed("b"), listed("c"), listed("d")],
      true,
      read({
        a: { settings: issuer("x") },
        b: { settings: issuer("x") },
        c: { settings: issuer("y") },
        d: { settings: issuer("y") }
      })
    )
    const told = decided.flatMap((one) => (one._tag === "Tell" ? [`${one.tenantId} ${one.reason}`] : []))
    assert.deepStrictEqual(told, ["b issuer_in_use", "d issuer_in_use"])
    // Nobody is made without the issuer that was asked for it: it would be open to whoever the bus lets in.
    const made = decided.flatMap((one) => (one._tag === "Create" ? [`${one.tenantId} ${one.settings?.issuer}`] : []))
    assert.deepStrictEqual(made, ["c https://y"])
  })
})

// ---- applications

const application = (tenantId: string, out: KnownApplication["out"] = null, isRemoved = false): KnownApplication => ({
  tenantId,
  out,
  isRemoved
})
const reading = (lists: Record<string, ReadonlyArray<string>>, rest: Partial<TektonRead> = {}): TektonRead => ({
  lists: new Map(Object.entries(lists)),
  configured: new Set(),
  isWhole: true,
  named: new Set(),
  only: null,
  ...rest
})
const applicationsOf = (before: Record<string, KnownApplication>, read: TektonRead): string => {
  const { decisions, needsWhole } = decideApplications(new Map(Object.entries(before)), read)
  const said = decisions.map((one) =>
    "reason" in one ? `${one._tag} ${one.appName} ${one.tenantId} ${one.reason}` : `${one._tag} ${one.appName}`
  )
  return [...said, ...(needsWhole ? ["needs whole"] : [])].join("; ")
}

describe("applications", () => {
  const configured = new Set(["app"])
  const table: ReadonlyArray<
    readonly [what: string, before: Record<string, KnownApplication>, read: TektonRead, decided: string]
  > = [
    ["a new one", {}, reading({ a: ["app"] }), "Register app"],
    ["one that is there", { app: application("a") }, reading({ a: ["app"] }), ""],
    ["lacking in a whole answer", { app: application("a") }, reading({ a: [] }), "TakeOut app a absent"],
    ["lacking in a part", { app: application("a") }, reading({ a: [] }, { isWhole: false }), "needs whole"],
    ["its tenant's list was not read", { app: application("a") }, reading({ b: [] }, { isWhole: false }), ""],
    ["lacking but configured", { app: application("a") }, reading({ a: [] }, { configured }), ""],
    ["absent, listed again", { app: application("a", "absent") }, reading({ a: ["app"] }), "PutBack app"],
    ["absent, still", { app: application("a", "absent") }, reading({ a: [] }), ""],
    ["deleted, still listed", { app: application("a", "deleted") }, reading({ a: ["app"] }), ""],
    [
      "deleted, configured again",
      { app: application("a", "deleted") },
      reading({ a: ["app"] }, { configured }),
      "PutBack app"
    ],
    [
      "deleted, named by an upsert",
      { app: application("a", "deleted") },
      reading({ a: ["app"] }, { named: configured }),
      "PutBack app"
    ],
    [
      "deleted, read alone for an upsert before that",
      { app: application("a", "deleted") },
      reading({ a: ["app"] }, { configured, only: "app", isWhole: false }),
      ""
    ],
    [
      "deleted, read alone for an upsert since",
      { app: application("a", "deleted") },
      reading({ a: ["app"] }, { configured, named: configured, only: "app", isWhole: false }),
      "PutBack app"
    ],
    ["moved", { app: application("a") }, reading({ a: [], b: ["app"] }), "Refuse app b moved"],
    ["moved while out", { app: application("a", "absent") }, reading({ a: [], b: ["app"] }), "Refuse app b moved"],
    ["claimed beside its owner", { app: application("a") }, reading({ a: ["app"], b: ["app"] }), "Refuse app b moved"],
    [
      "claimed by two, new",
      {},
      reading({ a: ["app"], b: ["app"] }),
      "Refuse app a claimed_twice; Refuse app b claimed_twice"
    ],
    ["a name that is none", {}, reading({ a: ["A.b"] }), "Refuse A.b a invalid_name"],
    ["configured, of nobody", {}, reading({ a: [] }, { configured }), "Refuse app  owner_unknown"],
    [
      "being removed by hand",
      { app: application("a", null, true) },
      reading({ a: ["app"] }),
      "Refuse app a being_removed"
    ],
    ["only another is asked for", { app: application("a") }, reading({ a: ["new"] }, { only: "other" }), ""]
  ]
  it.each(table)("%s", (_, before, read, decided) => assert.strictEqual(applicationsOf(before, read), decided))

  it("a deleted configuration takes out what is that tenant's, once", () => {
    const take = { _tag: "TakeOut", tenantId: "a", appName: "app", reason: "deleted" } as const
    assert.deepStrictEqual(decideDeleted(application("a"), "a", "app"), take)
    assert.strictEqual(decideDeleted(application("a", "deleted"), "a", "app"), null)
    assert.strictEqual(decideDeleted(application("a", null, true), "a", "app"), null)
    assert.strictEqual(decideDeleted(undefined, "a", "app"), null)
    assert.strictEqual(decideDeleted(application("b"), "a", "app")?._tag, "Refuse")
  })
})
