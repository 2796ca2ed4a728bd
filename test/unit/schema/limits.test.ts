// Verifies R-INP-4 R-REF-7.
/**
 * No text of a caller is longer than where it may go: the published schemas bound every text, and the
 * columns of the migrations, read from their SQL, are wide enough for what is written into each.
 */
import { globSync, readFileSync } from "node:fs"
import { basename, resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { consumerNamePattern } from "../../../src/domain/Access.ts"
import * as Client from "../../../src/domain/ClientCredential.ts"
import { credentialTypePattern, userIdPattern } from "../../../src/domain/Credential.ts"
import { audiencePattern, issuerPattern } from "../../../src/domain/Issuer.ts"
import * as Names from "../../../src/domain/Names.ts"
import { providerNamePattern } from "../../../src/domain/Provider.ts"
import { rotatorNamePattern } from "../../../src/domain/Rotator.ts"
import { operations } from "../../../src/protocols/OperationTable.ts"
import { ListAudit } from "../../../src/schema/AuditJson.ts"
import { StoreCredential } from "../../../src/schema/CredentialJson.ts"
import { decodeRequest } from "../../../src/schema/Json.ts"
import { PutProvider } from "../../../src/schema/ProviderJson.ts"
import { sampleKeyOf, samples } from "../../support/requestSamples.ts"

// ---- how long a text of a pattern can be -----------------------------------------------------

/** The most characters that a pattern of one anchored line lets through; null when there is no bound. */
const longest = (pattern: string): number | null => {
  const anchored = /^\^([\s\S]*)\$$/u.exec(pattern)?.[1]
  if (anchored === undefined) return null
  const alternatives = (text: string): ReadonlyArray<string> => {
    const parts = [""]
    let depth = 0
    let inClass = false
    for (let at = 0; at < text.length; at++) {
      const letter = text[at]!
      if (letter === "\\") parts[parts.length - 1] += letter + text[++at]
      else {
        if (letter === "[") inClass = true
        else if (letter === "]") inClass = false
        else if (!inClass && letter === "(") depth++
        else if (!inClass && letter === ")") depth--
        if (letter === "|" && depth === 0 && !inClass) parts.push("")
        else parts[parts.length - 1] += letter
      }
    }
    return parts
  }
  const ofSequence = (text: string): number | null => {
    let sum = 0
    let rest = text
    while (rest !== "") {
      const lookahead = /^\(\?!(?:[^()\\]|\\.)*\)/u.exec(rest)
      if (lookahead !== null) {
        rest = rest.slice(lookahead[0].length)
        continue
      }
      let atom: string
      let size: number | null = 1
      if (rest.startsWith("(")) {
        let depth = 0
        let end = 0
        for (let inClass = false; end < rest.length; end++) {
          if (rest[end] === "\\") end++
          else if (rest[end] === "[") inClass = true
          else if (rest[end] === "]") inClass = false
          else if (!inClass && rest[end] === "(") depth++
          else if (!inClass && rest[end] === ")" && --depth === 0) break
        }
        atom = rest.slice(0, end + 1)
        const inner = alternatives(atom.slice(atom.startsWith("(?:") ? 3 : 1, -1)).map(ofSequence)
        size = inner.includes(null) ? null : Math.max(...inner.map((one) => one ?? 0))
      } else atom = /^(?:\[(?:[^\]\\]|\\.)*\]|\\[pP]\{\w+\}|\\x[0-9a-f]{2}|\\.|.)/u.exec(rest)![0]
      rest = rest.slice(atom.length)
      const quantifier = /^(?:\?|\*|\+|\{(\d+)(,(\d*))?\})/u.exec(rest)
      const times =
        quantifier === null || quantifier[0] === "?"
          ? 1
          : quantifier[1] === undefined || quantifier[3] === ""
            ? null
            : Number(quantifier[3] ?? quantifier[1])
      rest = rest.slice(quantifier?.[0].length ?? 0)
      if (times === null || size === null) return null
      sum += times * size
    }
    return sum
  }
  const all = alternatives(anchored).map(ofSequence)
  return all.includes(null) ? null : Math.max(...all.map((one) => one ?? 0))
}

it("the length of a pattern is read right", () => {
  for (const [pattern, length] of [
    ["^[a-z]{1,64}$", 64],
    ["^(?!kaa$)[a-z][a-z0-9_-]{0,31}$", 32],
    ["^(?:[A-Z]{1,64}|account:[A-Z]{1,128}|x)$", 136],
    ["^\\P{Cc}{1,7}$", 7],
    ["^[\\s\\S]{0,256}$", 256],
    ["^\\d{4}-\\d{2}(?:\\.\\d{1,3})?Z$", 12],
    ["^[^+#/.]{1,256}$", 256],
    ["^a*$", null],
    ["^[a-z]+$", null],
    ["^a{3,}$", null],
    ["a", null]
  ] as const) {
    assert.strictEqual(longest(pattern), length, pattern)
  }
})

// ---- requests ----------------------------------------------------------------------------------

/** Texts of these formats become something else, or a short text, when they are read; shown below. */
const formats = new Set(["date-time", "duration", "uuid", "cursor", "judged"])
/** The caller's own JSON, bounded as a whole, and a secret, whose fields `CredentialShape` bounds. */
const open =
  /^(?:credential\.(?:store|update|rotate|reconnect) (?:metadata|rotation|credentials)|provider\.put (?:params|token_params|client_key))$/u

type Json = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/** The texts and lists of a request that nothing bounds. */
const unbounded = (name: string, schema: unknown, path = ""): ReadonlyArray<string> => {
  if (Array.isArray(schema)) return schema.flatMap((one) => unbounded(name, one, path))
  if (!isObject(schema)) return []
  const inner = ["anyOf", "oneOf", "allOf"].flatMap((key) => unbounded(name, schema[key], path))
  const items = unbounded(name, schema.items, `${path}[]`)
  const fields = isObject(schema.properties) ? Object.entries(schema.properties) : []
  const named = fields.flatMap(([key, field]) => unbounded(name, field, path === "" ? key : `${path}.${key}`))
  const checks = [schema, ...(Array.isArray(schema.allOf) ? schema.allOf.filter(isObject) : [])]
  const isBounded =
    schema.type !== "string" ||
    checks.some(
      (check) =>
        check.enum !== undefined ||
        typeof check.maxLength === "number" ||
        (typeof check.pattern === "string" && longest(check.pattern) !== null) ||
        (typeof check.format === "string" && formats.has(check.format)) ||
        String(check.description).endsWith("in any case")
    )
  const isShort = schema.type !== "array" || checks.some(({ maxItems }) => typeof maxItems === "number")
  const isClosed =
    schema.additionalProperties === undefined ||
    typeof schema.additionalProperties === "boolean" ||
    open.test(`${name} ${path}`)
  return [...(isBounded && isShort && (isClosed || fields.length > 0) ? [] : [path]), ...inner, ...items, ...named]
}

describe("every text and every list of a request has a bound in its schema", () => {
  for (const operation of operations) {
    it(operation.name, () => {
      assert.deepStrictEqual(unbounded(operation.name, Schema.toJsonSchemaDocument(operation.request).schema), [])
    })
  }
  it("and one without would be found", () => {
    const request = Schema.Struct({
      a: Schema.String,
      b: Schema.Array(Schema.Struct({ c: Schema.optionalKey(Schema.String) })),
      d: Schema.Array(Schema.Int).check(Schema.isMaxLength(7))
    })
    assert.deepStrictEqual(unbounded("x", Schema.toJsonSchemaDocument(request).schema), ["a", "b", "b[].c"])
  })
})

/** Every text in a value. */
const textsIn = (value: unknown): ReadonlyArray<string> => {
  if (typeof value === "string") return [value]
  if (Array.isArray(value)) return value.flatMap(textsIn)
  return isObject(value) ? Object.values(value).flatMap(textsIn) : []
}

/** The request with each of its texts in turn replaced. */
const replaced = (value: unknown, by: string): ReadonlyArray<unknown> => {
  if (typeof value === "string") return [by]
  if (Array.isArray(value)) return value.flatMap((one, at) => replaced(one, by).map((other) => value.with(at, other)))
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([key, one]) => replaced(one, by).map((other) => ({ ...value, [key]: other })))
}

const long = "x".repeat(100_000)

describe("no long text and no lone surrogate gets through the door", () => {
  for (const operation of operations) {
    it(operation.name, () => {
      for (const sample of samples[sampleKeyOf(operation)] ?? []) {
        for (const request of replaced(sample, long)) {
          const taken = operation.decode(new TextEncoder().encode(JSON.stringify(request)))
          if (Result.isFailure(taken)) assert.isBelow(JSON.stringify(taken.failure).length, 1_000)
          // Of a secret the fields are looked at once the type is known.
          else if (!/credentials":\{[^}]*x{1000}/u.test(JSON.stringify(request))) {
            assert.isEmpty(textsIn(textsOf(taken.success)).filter((text) => text.length > 256))
          }
        }
        for (const request of replaced(sample, "\ud800")) {
          const taken = operation.decode(new TextEncoder().encode(JSON.stringify(request)))
          const items: ReadonlyArray<Result.Result<unknown, unknown>> =
            operation.name.endsWith("-batch") && Result.isSuccess(taken)
              ? (taken.success as { items: ReadonlyArray<Result.Result<unknown, unknown>> }).items
              : [taken]
          // What gets a verdict is read as no text at all.
          const isKeptOut = (item: Result.Result<unknown, unknown>) =>
            Result.isFailure(item) ||
            (operation.validates && textsIn(item.success).every((text) => text.isWellFormed()))
          assert.isTrue(items.every(isKeptOut))
        }
      }
    })
  }
})

/** What was taken as plain JSON. */
const textsOf = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

// ---- columns -------------------------------------------------------------------------------------

/** Columns of text by `table.column`, with how many characters they hold, as all migrations together leave them. */
const columns = (): ReadonlyMap<string, number> => {
  const found = new Map<string, number>()
  const root = resolve(import.meta.dirname, "../../../src/store/maria/migrations")
  const size = (type: string): number | null => {
    const varchar = /^VARCHAR\((\d+)\)/u.exec(type)
    if (varchar !== null) return Number(varchar[1])
    if (type.startsWith("MEDIUMTEXT")) return 4_000_000
    if (type.startsWith("LONGTEXT")) return 1_000_000_000
    // 65,535 bytes, four of which a character may have.
    if (type.startsWith("TEXT")) return 16_383
    return /^(?:TINYTEXT|CHAR\b)/u.test(type) ? 0 : null
  }
  for (const file of globSync("*.sql", { cwd: root }).toSorted((a, b) => basename(a).localeCompare(basename(b)))) {
    const sql = readFileSync(resolve(root, file), "utf8").replaceAll(/^--.*$/gmu, "")
    const table = /^\s*(?:CREATE TABLE(?: IF NOT EXISTS)?|ALTER TABLE)\s+(\w+)/u.exec(sql)?.[1]
    for (const line of sql.split("\n")) {
      const [, name, type] =
        /^\s*(?:ALTER TABLE \w+ )?(?:(?:ADD|MODIFY|CHANGE) (?:COLUMN )?(?:IF (?:NOT )?EXISTS )?)?(\w+)\s+((?:VARCHAR\(\d+\)|MEDIUMTEXT|LONGTEXT|TINYTEXT|TEXT|CHAR\().*)$/u.exec(
          line
        ) ?? []
      if (table === undefined || name === undefined || type === undefined) continue
      // What the database makes of other columns is as long as they are.
      if (/^\S+ AS \(/u.test(type)) continue
      const characters = size(type)
      if (characters !== null) found.set(`${table}.${name}`, characters)
    }
  }
  return found
}

const lengthOf = (pattern: RegExp): number => longest(pattern.source) ?? Number.POSITIVE_INFINITY

const tenantId = lengthOf(Names.tenantIdPattern)
const appName = lengthOf(Names.appNamePattern)
const serviceName = lengthOf(Names.serviceNamePattern)
/** `bearer:<tenantId>/<sub>`, the longest name that a caller has. */
const principal = Math.max(
  "bearer:".length + tenantId + 1 + Names.bearerSubjectLengthMax,
  lengthOf(consumerNamePattern)
)
const reason = Names.reasonLengthMax
/** Written by the service itself, from words of its own. */
const own = (characters: number) => characters
const json = own(4_000_000)

/** The longest text that is written into each column. A column that is not here is an error. */
const written: Readonly<Record<string, number>> = {
  "tenants.tenant_id": tenantId,
  "tenants.name": Names.descriptionLengthMax,
  "tenant_counters.tenant_id": tenantId,
  "applications.app_name": appName,
  "applications.tenant_id": tenantId,
  "tokens.tenant_id": tenantId,
  "tokens.app_name": appName,
  "tokens.endpoint_id": lengthOf(Names.endpointIdPattern),
  "tokens.token_hint": own(4),
  "tokens.reason": reason,
  "tokens.description": Names.descriptionLengthMax,
  "tokens.created_by": principal,
  "tokens.updated_by": principal,
  "outbox.tenant_id": tenantId,
  "outbox.subject": own(512),
  "outbox.entity_key": own(512),
  "outbox.headers": json,
  "outbox_aside.tenant_id": tenantId,
  "outbox_aside.subject": own(512),
  "outbox_aside.entity_key": own(512),
  "outbox_aside.headers": json,
  "outbox_aside.reason": own(256),
  "pending_revocations.tenant_id": tenantId,
  "pending_revocations.targets": json,
  "idempotency.tenant_id": tenantId,
  "idempotency.key_hash": own(128),
  "idempotency.fingerprint": own(128),
  "audit.tenant_id": tenantId,
  "audit.actor": principal,
  "audit.action": own(64),
  "audit.entity_type": own(64),
  "audit.known_by": own(16),
  "audit.bus_account": own(256),
  "audit.bus_user": own(256),
  "audit.client": own(256),
  "audit.correlation_id": Names.correlationIdLengthMax,
  "audit.entity_id": Math.max(serviceName + 1 + lengthOf(userIdPattern), lengthOf(Names.endpointIdPattern)),
  "audit.diff": json,
  "data_keys.purpose": own(32),
  "data_keys.tenant_id": tenantId,
  "data_keys.state": own(16),
  // A signature and the two keys it joins.
  "data_keys.link": own(1_024),
  "data_keys.master_key_id": own(128),
  "master_keys.master_key_id": own(128),
  "master_keys.fingerprint": own(256),
  "relay_term.replica_id": lengthOf(Names.replicaIdPattern),
  "relay_position.stream": own(128),
  "sweep_claims.sweep": own(64),
  "sweep_claims.replica_id": lengthOf(Names.replicaIdPattern),
  "credentials.tenant_id": tenantId,
  "credentials.service_name": serviceName,
  "credentials.type": lengthOf(credentialTypePattern),
  "credentials.owner_key": lengthOf(userIdPattern),
  "credentials.scopes": json,
  "credentials.allowed_consumers": json,
  "credentials.metadata": json,
  "credentials.rotation": json,
  "credentials.reason": reason,
  // Times, fingerprints and at most seventeen held grants.
  "credentials.refresh": own(16_000),
  "credentials.former_refresh": own(16_000),
  "credentials.refresh_provider": lengthOf(providerNamePattern),
  // Times, and at most eight old secrets that are to be taken away.
  "credentials.rotating": own(4_096),
  "credentials.rotator": lengthOf(rotatorNamePattern),
  "rotators.tenant_id": tenantId,
  "rotators.name": lengthOf(rotatorNamePattern),
  "rotators.definition": own(1_024),
  "providers.tenant_id": tenantId,
  "providers.name": lengthOf(providerNamePattern),
  "providers.definition": json,
  "providers.client_id": own(1_024),
  // A tenant, a slash and a name.
  "refresh_queues.provider": tenantId + 1 + lengthOf(providerNamePattern),
  "provider_circuits.provider": tenantId + 1 + lengthOf(providerNamePattern),
  "credentials.created_by": principal,
  "credentials.updated_by": principal,
  "credential_versions.tenant_id": tenantId,
  "credential_versions.fingerprints": json,
  "credential_versions.reason": reason,
  "credential_versions.created_by": principal,
  "tenant_services.tenant_id": tenantId,
  "tenant_services.service_name": serviceName,
  "tenant_services.reason": reason,
  "audit_checkpoints.tenant_id": tenantId,
  "revoke_all.asker": own(4_096),
  "revoke_all.correlation_id": Names.correlationIdLengthMax,
  "revoke_all.reason": reason,
  "revoke_all.population": json,
  "revoke_all.tenant_id": tenantId,
  "audit_stubs.tenant_id": tenantId,
  "audit_stubs.cut_by": principal,
  "tenants.issuer": lengthOf(issuerPattern),
  "tenants.issuer_claimed": lengthOf(issuerPattern),
  "tenants.jwks_uri": lengthOf(issuerPattern),
  "tenants.audience": lengthOf(audiencePattern),
  "tenants.limits": own(1_024),
  "client_credentials.tenant_id": tenantId,
  "client_credentials.client_id": Client.clientIdLengthMax,
  "client_credentials.username": Client.usernameLengthMax,
  "client_credentials.issuer": Client.issuerLengthMax,
  "client_credentials.serial_number": lengthOf(Client.serialNumberPattern),
  "client_credentials.password_hash": own(256),
  "client_credentials.reason": reason,
  "client_credentials.description": Names.descriptionLengthMax,
  "client_credentials.created_by": principal,
  "client_credentials.updated_by": principal,
  "applications.out_of_service": own(16),
  "application_withdrawals.app_name": appName,
  "application_withdrawals.tenant_id": tenantId,
  "platform_tenants.tenant_id": tenantId,
  "platform_tenants.issuer": own(2_048),
  "platform_settings.kind": own(16),
  "platform_settings.name": own(64),
  "platform_settings.tenant_id": tenantId,
  "platform_settings.settings": own(16_000),
  "platform_settings.refused": own(256)
}

describe("every column holds the longest text that may be written into it", () => {
  const all = columns()
  it("and each is known here: a new one needs the limit of what is written into it", () => {
    assert.isAbove(all.size, 50)
    assert.sameMembers(Array.from(all.keys()), Object.keys(written))
  })
  for (const [name, characters] of all) {
    it(name, () => assert.isAtMost(written[name] ?? Number.POSITIVE_INFINITY, characters))
  }
})

describe("what a provider's entry says of time", () => {
  const put = decodeRequest(PutProvider)
  const taken = (fields: object) =>
    Result.isSuccess(put(Buffer.from(JSON.stringify({ name: "a", token_url: "https://a.example", ...fields }))))
  const health = (every: string) => ({ health: { url: "https://a.example", method: "GET", every, ok: [] } })

  it("is no look more often than once a second, and nothing that lasts no time", () => {
    for (const every of ["PT0S", "P0D", "PT0.001S", "PT0.999S"]) assert.isFalse(taken(health(every)), every)
    assert.isTrue(taken(health("PT1S")))
    for (const field of ["default_lifetime", "grant_lifetime", "grant_idle_lifetime"]) {
      assert.isFalse(taken({ [field]: "PT0S" }), field)
      assert.isTrue(taken({ [field]: "PT1S" }), field)
      assert.isTrue(taken({ [field]: null }), field)
    }
    assert.isTrue(taken({ grace: "PT0S", refresh_before: "PT0S" }))
  })
})

describe("a text is as long as JSON Schema counts it, in code points", () => {
  const key = "\u{1f511}"
  const store = { service_name: "s", type: "api_key", credentials: { api_key: "k" } }
  const provider = { name: "p", token_url: "https://p.example/token" }
  const texts = [
    ["a scope", 256, decodeRequest(StoreCredential), (text: string) => ({ ...store, scopes: [text] })],
    ["a client's id", 1_024, decodeRequest(PutProvider), (text: string) => ({ ...provider, client_id: text })],
    [
      "a provider's key, as JSON",
      8_192 - '{"k":""}'.length,
      decodeRequest(PutProvider),
      (text: string) => ({ ...provider, client_key: { k: text } })
    ],
    ["an entity of the audit", 256, decodeRequest(ListAudit), (text: string) => ({ entityId: text })]
  ] as const
  for (const [name, max, decode, request] of texts) {
    it(name, () => {
      const accepts = (count: number) =>
        Result.isSuccess(
          decode(Buffer.from(JSON.stringify(request(key.repeat(count))))) as Result.Result<unknown, unknown>
        )
      assert.deepStrictEqual([max, max + 1].map(accepts), [true, false])
    })
  }

  it("wherever a length is published", () => {
    const room = resolve(import.meta.dirname, "../../../src/schema")
    const ofUnits = globSync("*.ts", { cwd: room }).filter((file) =>
      /Schema\.String\.check\((?:[^()]|\([^()]*\))*isMaxLength/u.test(readFileSync(resolve(room, file), "utf8"))
    )
    assert.deepStrictEqual(ofUnits, [])
  })
})
