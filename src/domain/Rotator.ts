/**
 * Rotators: who changes a secret at a system outside. Contract 10.5.
 *
 * An entry of a tenant names a service on the bus (`webhook`) and the key that secrets for it are sealed to;
 * `mariadb-user` is built in. An entry hides the one of `global`, and that the built-in one, of the same name.
 */
import { Result } from "effect"
import type { JsonObject } from "./Credential.ts"
import type { Secret } from "./CredentialShape.ts"
import { durationMs } from "./IsoDuration.ts"
import { providerNamePattern } from "./Provider.ts"
import type { ProviderOrigin } from "./ProviderEntry.ts"
import { wordsWithout } from "./ProviderWords.ts"
import { isParams, paramsMax, type RotationError, wrongRotation as wrong } from "./RotationParams.ts"

export const rotatorKinds = ["mariadb-user", "webhook"] as const
export type RotatorKind = (typeof rotatorKinds)[number]
export const rotatorNamePattern = providerNamePattern
/** That a tenant may have of its own. */
export const rotatorsMax = 1_000
/** Which no rotation is shorter than. */
export const everyMsMin = 60_000

/** A secret that this service makes: `length` characters, each one of `alphabet` by chance. */
export interface Generate {
  readonly length: number
  readonly alphabet: string
}
/** Printable, so that no system has to guess an encoding. */
export const alphabetPattern = /^[\x21-\x7e]{2,94}$/u
export const generatedLengthMax = 1_024
/** Less could be guessed. */
export const generatedBitsMin = 64

/** Why the entry's `generate` is not taken, or null. */
export const generateProblem = ({ alphabet, length }: Generate): string | null => {
  if (new Set(alphabet).size !== alphabet.length) return "has a character of its alphabet twice"
  return length * Math.log2(alphabet.length) < generatedBitsMin
    ? `makes secrets of fewer than ${generatedBitsMin} bits`
    : null
}

export interface RotatorFields {
  readonly name: string
  /** A public curve key of nkeys. */
  readonly seal_to: string
  readonly generate?: Generate
}

export interface RotatorEntry {
  readonly tenantId: string
  readonly name: string
  readonly version: number
  readonly definition: RotatorFields
  readonly updatedAt: number
  /** The row's tag (`crypto/RowTags.ts`), as it was read. */
  readonly mac?: Uint8Array | undefined
}

/** A rotator that a tenant may name, whoever defined it. */
export interface KnownRotator {
  readonly name: string
  readonly kind: RotatorKind
  readonly origin: ProviderOrigin
  readonly entry: RotatorEntry | null
}

export const ofRotatorEntry = (entry: RotatorEntry, tenantId: string): KnownRotator => ({
  name: entry.name,
  kind: "webhook",
  origin: entry.tenantId === tenantId ? "tenant" : "global",
  entry
})

export const builtInRotators: ReadonlyMap<string, KnownRotator> = new Map([
  ["mariadb-user", { name: "mariadb-user", kind: "mariadb-user", origin: "built_in", entry: null }]
])

// ---- `rotation` of a credential ------------------------------------------------

export interface RotatorUse {
  readonly rotator: string
  readonly everyMs: number
  readonly params: Readonly<Record<string, string>>
}

export const namesRotator = (rotation: JsonObject | null): rotation is JsonObject =>
  rotation !== null && Object.hasOwn(rotation, "rotator")

/** `{rotator, every, params?}`, read and checked. */
export const parseRotatorUse = (type: string, value: JsonObject): Result.Result<RotatorUse, RotationError> => {
  const { every, params = {}, rotator } = value
  if (typeof rotator !== "string" || !rotatorNamePattern.test(rotator))
    return wrong("rotator", "is not a rotator's name")
  if (Object.keys(value).some((name) => !["rotator", "every", "params"].includes(name))) {
    return wrong("", "has a field that is not known")
  }
  if (type === "oauth") return wrong("rotator", "is not for credentials of the type oauth")
  const everyMs = typeof every === "string" ? durationMs(every) : null
  if (everyMs === null) return wrong("every", "must be an ISO 8601 duration in weeks, days and smaller")
  if (everyMs < everyMsMin) return wrong("every", "must be a minute at least")
  if (!isParams(params)) return wrong("params", `must be an object of at most ${paramsMax} strings`)
  return Result.succeed({ rotator, everyMs, params })
}

// ---- what each kind needs --------------------------------------------------------

/** The field that a generated secret goes into; undefined: nobody can tell. */
export const generatedField = (type: string, fields: ReadonlySet<string>): string | undefined => {
  if (type === "basic" || fields.has("password")) return "password"
  return type === "api_key" || fields.has("api_key") ? "api_key" : undefined
}

/** Of MariaDB's names those that can be written in one way only, and are nobody's who runs the server. */
const userPattern = /^[A-Za-z0-9_]{1,80}$/u
const reservedUsers = new Set(["root", "mysql", "mariadb_sys", "public"])
const userHostPattern = /^(?:%|[A-Za-z0-9_%][A-Za-z0-9_.:%-]{0,59})$/u
const portPattern = /^[1-9][0-9]{0,4}$/u

/** How `mariadb-user` is told what to do. */
export interface MariadbUserPlan {
  readonly users: readonly [string, string]
  /** The host part of the two accounts: `%`, `10.0.0.%`, `localhost`. */
  readonly userHost: string
  readonly host: string
  readonly port: number
  /** Who sets passwords; the one that is in force, when the credential names nobody else. */
  readonly admin: { readonly user: string; readonly password: string }
  /** Certificates (PEM) of who may vouch for the server; null: those of Node. */
  readonly ca: string | null
}

/** The fields of `credentials` that only the rotator uses, and that no reader is given. */
export const administrativeFields: ReadonlySet<string> = new Set(["admin_username", "admin_password"])

export const forReaders = (secret: Secret): Secret =>
  Object.fromEntries(Object.entries(secret).filter(([name]) => !administrativeFields.has(name)))

export const isAdministrative = (secret: Secret): boolean =>
  Object.keys(secret).some((name) => administrativeFields.has(name))

export const mariadbUserPlan = (use: RotatorUse, secret: Secret): Result.Result<MariadbUserPlan, RotationError> => {
  const { host = "%", user_a, user_b, ...others } = use.params
  const of = (path: string, reason: string): Result.Result<never, RotationError> => Result.fail({ path, reason })
  for (const [name, user] of Object.entries({ user_a, user_b })) {
    if (user === undefined) return wrong(`params.${name}`, "is required")
    if (!userPattern.test(user)) return wrong(`params.${name}`, "must be letters, digits and _, 80 at most")
    if (reservedUsers.has(user.toLowerCase())) return wrong(`params.${name}`, "is a user of the server itself")
  }
  if (user_a === user_b) return wrong("params.user_b", "must be another user than user_a")
  if (!userHostPattern.test(host)) return wrong("params.host", "is not the host part of a MariaDB account")
  if (Object.keys(others).length > 0) return wrong("params", "has a field that mariadb-user does not know")
  for (const name of ["username", "password", "host"]) {
    if (!secret[name]) return of(`credentials.${name}`, "is required by mariadb-user")
  }
  const { admin_password, admin_username, port = "3306", username } = secret as Record<string, string>
  if (username !== user_a && username !== user_b) return of("credentials.username", "must be user_a or user_b")
  if (!portPattern.test(port) || Number(port) > 65_535) return of("credentials.port", "must be a port")
  if ((admin_username === undefined) !== (admin_password === undefined)) {
    return of("credentials.admin_password", "must come with admin_username")
  }
  if (admin_username === user_a || admin_username === user_b) {
    return of("credentials.admin_username", "must be neither user_a nor user_b")
  }
  return Result.succeed({
    users: [user_a!, user_b!],
    userHost: host,
    host: secret.host!.toLowerCase(),
    port: Number(port),
    admin: { user: admin_username ?? username!, password: admin_password ?? secret.password! },
    ca: secret.ca ?? null
  })
}

/** The user that is not in force. */
export const otherUser = ({ users: [a, b] }: MariadbUserPlan, username: string): string => (username === a ? b : a)

// ---- words -----------------------------------------------------------------------

const detailLengthMax = 512

/** What a rotator said, for the audit alone: cut, on one line, without anything of the secrets it was given. */
export const rotatorDetail = (text: string, secrets: ReadonlyArray<Secret | null>): string =>
  wordsWithout(
    text,
    secrets.flatMap((secret) => (secret === null ? [] : Object.values(secret)))
  )
    .slice(0, detailLengthMax)
    .toWellFormed()
