// Verifies R-ACC-8.
/** What the Tenant Manager says of a tenant's issuer is configured like anything else, or told to be impossible. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { IssuerOfTenant } from "../../../../src/actors/tenant/IssuerOfTenant.ts"
import { Tenants } from "../../../../src/actors/tenant/Tenants.ts"
import * as LiveIssuerOfTenant from "../../../../src/actors/tokens/LiveIssuerOfTenant.ts"
import { settingsOf } from "../../../../src/domain/Tenant.ts"
import { operator, tenantWorld } from "../../../support/tenantWorld.ts"

const issuer = { issuer: "https://a.example", audience: "cm", jwksUri: null }

it.effect("sets a tenant's issuer and takes it away, once for the platform", () =>
  Effect.gen(function* () {
    const world = yield* tenantWorld
    const { tenants } = yield* world.replica("one")
    const context = yield* Layer.build(LiveIssuerOfTenant.layer.pipe(Layer.provide(Layer.succeed(Tenants, tenants))))
    const { set } = Context.get(context, IssuerOfTenant)
    for (const tenantId of ["acme", "beta", "kaa"]) yield* tenants.createTenant({ tenantId, name: null }, operator)
    const issuerOf = (tenantId: string) =>
      Effect.map(world.store.findTenants([tenantId]), ([tenant]) => settingsOf(tenant).issuer)

    assert.strictEqual(yield* set("acme", issuer, operator), "done")
    assert.deepStrictEqual(yield* issuerOf("acme"), issuer)
    assert.strictEqual(yield* set("beta", issuer, operator), "issuer_in_use")
    assert.strictEqual(yield* set("kaa", { ...issuer, issuer: "https://b.example" }, operator), "issuer_in_use")
    assert.strictEqual(yield* set("beta", { ...issuer, issuer: "https://ä.example" }, operator), "issuer_in_use")
    assert.isNull(yield* issuerOf("beta"))
    assert.strictEqual(yield* set("acme", null, operator), "done")
    assert.isNull(yield* issuerOf("acme"))
    assert.strictEqual(yield* set("beta", issuer, operator), "done")
  })
)
