/**
 * Which scope each operation asks for, and on what: the table of contract section 8.2, as data.
 *
 * A test holds it against the table of operations: none without a row, no row without an operation that
 * is or will be. What asks for no scope says so.
 */

/** Client credentials are of two kinds, each with scopes of its own. */
export type CredentialKind = "basic" | "certificate"
export const credentialKinds: ReadonlyArray<CredentialKind> = ["basic", "certificate"]

export type Row =
  /** Validation: bus permissions are enough, and a bearer token that is sent need only be right. */
  | { readonly on: "nothing" }
  /** On the endpoint of everything it touches, on that one's application, or on the tenant. */
  | { readonly on: "endpoint"; readonly scope: string }
  /** On the application it names, or on the tenant. */
  | { readonly on: "application"; readonly scope: string }
  /** A tenant's events: each of the two shows its kind, and one is enough. */
  | { readonly on: "events"; readonly scopes: { readonly credentials: string; readonly tokens: string } }
  /** A list of applications: those that the scope is granted on, all with the tenant's. */
  | { readonly on: "applications"; readonly scope: string }
  | { readonly on: "tenant"; readonly scope: string }
  /** On the tenant, by the kind of what it touches. */
  | { readonly on: "client-credential"; readonly scopes: Readonly<Record<CredentialKind, string>> }
  /** A list of client credentials: the kinds that may be read. */
  | { readonly on: "client-credentials"; readonly scopes: Readonly<Record<CredentialKind, string>> }
  | { readonly on: "platform"; readonly scope: string }

const nothing: Row = { on: "nothing" }
const endpoint = (scope: string): Row => ({ on: "endpoint", scope })
const tenant = (scope: string): Row => ({ on: "tenant", scope })
const platform = (scope: string): Row => ({ on: "platform", scope })
const verbs = (verb: string): Readonly<Record<CredentialKind, string>> => ({
  basic: `tenant:basic-credentials:${verb}`,
  certificate: `tenant:x509-credentials:${verb}`
})

/** By which scope each kind of client credentials is read. */
export const clientReadScopes = verbs("read")
const read = endpoint("endpoint:read")
const update = endpoint("endpoint:update")
const credentialsRead = tenant("tenant:credentials:read")
const credentialsUpdate = tenant("tenant:credentials:update")
const clientUpdate: Row = { on: "client-credential", scopes: verbs("update") }
const audit = tenant("tenant:audit:read")

export const tenantScopes: Readonly<Record<string, Row>> = {
  "token.validate": nothing,
  "token.validate-batch": nothing,
  "token.get": read,
  "token.list": read,
  "token.provision": update,
  "token.provision-batch": update,
  "token.transition": update,
  "token.transition-batch": update,
  "token.suspend": update,
  "token.activate": update,
  "token.revoke": update,
  "token.rotate": update,
  "token.delete": update,
  // A whole population is nobody's endpoint: the application's or the tenant's.
  "token.revoke-all": { on: "application", scope: "endpoint:update" },
  "token.revoke-all-status": tenant("endpoint:read"),
  "application.list": { on: "applications", scope: "application:read" },
  "application.register": tenant("tenant:application:create"),
  "application.remove": { on: "application", scope: "application:delete" },
  "client-credential.create-basic": { on: "tenant", scope: verbs("create").basic },
  "client-credential.create-certificate": { on: "tenant", scope: verbs("create").certificate },
  "client-credential.get": { on: "client-credential", scopes: clientReadScopes },
  "client-credential.list": { on: "client-credentials", scopes: clientReadScopes },
  "client-credential.transition": clientUpdate,
  "client-credential.suspend": clientUpdate,
  "client-credential.activate": clientUpdate,
  "client-credential.revoke": clientUpdate,
  "client-credential.delete": clientUpdate,
  "credential.store": tenant("tenant:credentials:create"),
  "credential.get": tenant("tenant:credentials:secret:read"),
  "credential.describe": credentialsRead,
  "credential.list": credentialsRead,
  "credential.history": credentialsRead,
  "credential.rotate": credentialsUpdate,
  "credential.reconnect": credentialsUpdate,
  "credential.update": credentialsUpdate,
  "credential.revoke": credentialsUpdate,
  "credential.delete": credentialsUpdate,
  "service.list": credentialsRead,
  "service.enable": credentialsUpdate,
  "service.disable": credentialsUpdate,
  "provider.list": credentialsRead,
  "provider.get": credentialsRead,
  "provider.put": credentialsUpdate,
  "provider.delete": credentialsUpdate,
  "rotator.list": credentialsRead,
  "rotator.get": credentialsRead,
  "rotator.put": credentialsUpdate,
  "rotator.delete": credentialsUpdate,
  "audit.list": audit,
  "audit.verify": audit,
  "audit.head": audit,
  "audit.checkpoints": audit
}

const keys = platform("kaa:keys:update")
const serviceRead = platform("kaa:service:read")

export const adminScopes: Readonly<Record<string, Row>> = {
  "tenants.list": platform("kaa:tenant:read"),
  "tenants.resolve": platform("kaa:tenant:read"),
  "tenants.create": platform("kaa:tenant:create"),
  "tenants.configure": platform("kaa:tenant:update"),
  "tenants.remove": platform("kaa:tenant:delete"),
  "keys.list": keys,
  "keys.status": keys,
  "keys.rotate": keys,
  "keys.retire": keys,
  "audit.list": platform("kaa:audit:read"),
  "audit.sign": platform("kaa:audit:read"),
  "audit.cut": platform("kaa:audit:update"),
  "audit.accept": platform("kaa:audit:accept"),
  "audit.repair": platform("kaa:audit:update"),
  "config.show": serviceRead,
  health: serviceRead,
  ready: serviceRead,
  metrics: serviceRead,
  "outbox.list": serviceRead,
  "outbox.release": platform("kaa:service:update"),
  drain: platform("kaa:service:update")
}

/** What the HTTP gateway asks beside the tenants' operations: whose an issuer is, and a tenant's events. */
export const gatewayScopes: Readonly<Record<string, Row>> = {
  resolve: { on: "nothing" },
  events: { on: "events", scopes: { credentials: "tenant:credentials:read", tokens: "endpoint:read" } }
}

export type Family = "tenant" | "admin" | "gateway"
const tables = { tenant: tenantScopes, admin: adminScopes, gateway: gatewayScopes }

/** The row of an operation; one that has none is refused to every bearer token. */
export const rowOf = (family: Family, operation: string): Row | undefined => {
  const table = tables[family]
  return Object.hasOwn(table, operation) ? table[operation] : undefined
}
