import { assert, describe, it } from "@effect/vitest"
import { parseSubject, type Subject } from "../../../src/protocols/Subject.ts"

const tenant = (name: string, extra: string | null = null) => ({
  family: "tenant" as const,
  tenantId: "demo",
  name,
  extra
})
const invalid: Subject = { family: "invalidTenant" }
const unknown: Subject = { family: "unknown" }

describe("a management subject", () => {
  const known: ReadonlyArray<readonly [string, Subject]> = [
    ["cm.v1.demo.token.provision", tenant("token.provision")],
    ["cm.v1.demo.credential.get.mail", tenant("credential.get", "mail")],
    [`cm.v1.demo.credential.get.${"x".repeat(64)}`, tenant("credential.get", "x".repeat(64))],
    [`cm.v1.demo.credential.get.${"x".repeat(65)}`, unknown],
    ["cm.v1.demo.credential.get.ma*l", unknown],
    ["cm.v1.demo.credential.get.a.b", unknown],
    ["cm.v1.demo.token", unknown],
    ["cm.v1.demo", unknown],
    ["cm.v1.*.token.get", invalid],
    ["cm.v1.>", invalid],
    ["cm.v1.a*b", invalid],
    ["cm.v1.a>b.token.get", invalid],
    [`cm.v1.${"x".repeat(65)}.token.get`, invalid],
    [`cm.v1.${"x".repeat(64)}.token`, unknown],
    ["cm.v1.dämo.token.get", invalid],
    ["cm.admin.v1.health", { family: "admin", name: "health" }],
    ["cm.admin.v1.tenants.list", { family: "admin", name: "tenants.list" }],
    ["cm.admin.v1.a.b.c", { family: "admin", name: "a.b.c" }]
  ]
  for (const [text, subject] of known) {
    it(`${text.slice(0, 40)} means ${subject.family}`, () => assert.deepStrictEqual(parseSubject("cm", text), subject))
  }

  it("of a tenant called like a word of the grammar is that tenant's", () => {
    for (const tenantId of ["v1", "admin", "token", "_", "-", "internal"]) {
      assert.deepStrictEqual(parseSubject("cm", `cm.v1.${tenantId}.token.get`), { ...tenant("token.get"), tenantId })
    }
  })
})
