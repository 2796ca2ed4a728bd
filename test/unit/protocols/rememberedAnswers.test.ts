// Verifies R-ACT-1, R-BUS-5.
/**
 * Answers that an earlier release kept for an `Idempotency-Key` are given again by this one, whoever was asked first.
 *
 * `rememberedAnswers.json` holds what builds of November 2026 kept, operation by operation, and what they answered. It is
 * not made anew: a field that was added since is not in it, as it is not in the rows of those who come from there. Without
 * `provider.put`, of which what is kept is not what is shown.
 */
import { Effect, type Result } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import * as RememberedAnswer from "../../../src/actors/tenant/RememberedAnswer.ts"
import type { Refusal } from "../../../src/domain/errors.ts"
import { operations } from "../../../src/protocols/OperationTable.ts"
import kept from "../../fixtures/rememberedAnswers.json" with { type: "json" }
import { type ProtocolWorld, protocolWorld } from "../../support/protocolWorld.ts"

/** By whom an operation is carried out. */
const methods: Readonly<Record<string, string>> = {
  "application.register": "registerApplication",
  "application.remove": "removeApplication",
  "token.provision": "provisionTokens",
  "token.provision-batch": "provisionTokens",
  "token.suspend": "transitionTokens",
  "token.activate": "transitionTokens",
  "token.transition": "transitionTokens",
  "token.transition-batch": "transitionTokens",
  "token.revoke": "transitionTokens",
  "token.rotate": "rotateToken",
  "token.delete": "deleteTokens",
  "token.revoke-all": "revokeAll",
  "credential.store": "store",
  "credential.update": "update",
  "credential.rotate": "rotate",
  "credential.reconnect": "reconnect",
  "credential.revoke": "revoke",
  "credential.delete": "delete",
  "provider.delete": "providerRemove",
  "service.disable": "disableService",
  "service.enable": "enableService",
  "client-credential.create-basic": "clientsCreateBasic",
  "client-credential.create-certificate": "clientsCreateCertificate",
  "client-credential.revoke": "clientsTransition",
  "client-credential.delete": "clientsDelete",
  "admin tenants.create": "createTenant",
  "admin tenants.configure": "configureTenant",
  "admin tenants.remove": "removeTenant",
  "admin keys.rotate": "rotateKeys",
  "admin keys.retire": "retireKey"
}

let world: ProtocolWorld
beforeAll(async () => {
  world = await protocolWorld()
})
afterAll(() => world.close())

const decoded = (form: unknown): Result.Result<unknown, Refusal> => {
  const answer = RememberedAnswer.decode<unknown>(new TextEncoder().encode(JSON.stringify(form)), "its row")
  assert.isNotNull(answer)
  return answer!
}

describe("an answer that an earlier release kept", () => {
  it.each(kept.map((one, index) => ({ ...one, index })))("of $op is given again ($index)", async (one) => {
    const { answer, body, kept: form, op, status } = one
    const method = methods[op]!
    Object.assign(world.tenants.script, { [method]: () => Effect.fromResult(decoded(form)) })
    const [, admin, tenant] = /^(?:admin (.+)|(.+))$/u.exec(op) ?? []
    const given = admin === undefined ? await world.tenant(tenant!, body) : await world.admin(admin, body)
    assert.strictEqual(given.status, status, given.text)
    if (status < 300) assert.deepStrictEqual(given.body, answer)
    else assert.strictEqual(given.body.error.code, (answer as { readonly code: string }).code)
  })

  it("is there of each operation that keeps one and is as old", () => {
    const known = new Set(operations.map(({ family, name }) => (family === "admin" ? `admin ${name}` : name)))
    for (const op of Object.keys(methods)) assert.isTrue(known.has(op), op)
    assert.sameMembers(Array.from(new Set(kept.map(({ op }) => op))), Object.keys(methods))
  })
})
