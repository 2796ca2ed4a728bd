/** How the database is reached, how many connections are kept, and how long anything may take. */
import { Config, Context, type Duration, Effect, Layer, Redacted } from "effect"
import * as Setting from "../../observability/Setting.ts"
import { clearTextError, insecureTransport, isLoopback } from "../../observability/Transport.ts"

export interface StoreSettings {
  readonly databaseUrl: Redacted.Redacted
  /** File of certificates; empty: those of Node. */
  readonly databaseCa?: string
  /** File of the user and its password; empty: those of the URL. */
  readonly databaseLogin?: string
  readonly connections: number
  readonly lookupConnections: number
  readonly connectTimeout: Duration.Duration
  readonly connectLimit: Duration.Duration
  readonly operationTimeout: Duration.Duration
  readonly lockWaitTimeout: Duration.Duration
  readonly migrationWait: Duration.Duration
}

const settings = Config.all({
  databaseUrl: Setting.secret({
    name: "DATABASE_URL",
    about:
      "The MariaDB primary, as mariadb://user:password@host:port/database; ?ssl=true for TLS with a checked certificate."
  }),
  databaseCa: Setting.text({
    name: "DATABASE_CA",
    pattern: /^[^\0]{0,4096}$/u,
    byDefault: "",
    about:
      "File with the certificates (PEM) of who may vouch for the MariaDB server (?ssl=true); without it those of Node. Read at each connection."
  }),
  databaseLogin: Setting.text({
    name: "CM_DATABASE_LOGIN_FILE",
    pattern: /^[^\0]{0,4096}$/u,
    byDefault: "",
    about:
      'File with the database\'s user and password as JSON, `{"username": …, "password": …}`, in place of those in DATABASE_URL. Read at each connection, so that they change without a restart.'
  }),
  insecure: insecureTransport,
  connections: Setting.int({
    name: "CM_DB_CONNECTIONS",
    unit: "connections",
    min: 1,
    max: 200,
    byDefault: 10,
    about: "Connections for changes, lists and background work."
  }),
  lookupConnections: Setting.int({
    name: "CM_DB_LOOKUP_CONNECTIONS",
    unit: "connections",
    min: 1,
    max: 64,
    byDefault: 4,
    about: "Connections kept apart for validations that neither cache can answer."
  }),
  connectTimeout: Setting.duration({
    name: "CM_DB_CONNECT_TIMEOUT",
    min: "100 millis",
    max: "30 seconds",
    byDefault: "2 seconds",
    about: "How long opening one connection may take."
  }),
  connectLimit: Setting.duration({
    name: "CM_DB_CONNECT_LIMIT",
    min: "1 second",
    max: "1 hour",
    byDefault: "60 seconds",
    about:
      "How long the start waits for a MariaDB that takes no connection, or does not answer what it has to read, before it gives up."
  }),
  operationTimeout: Setting.duration({
    name: "CM_DB_TIMEOUT",
    min: "200 millis",
    max: "60 seconds",
    byDefault: "5 seconds",
    about: "How long one operation may take, with waiting for a connection, every statement and every retry."
  }),
  lockWaitTimeout: Setting.duration({
    name: "CM_DB_LOCK_TIMEOUT",
    min: "1 second",
    max: "30 seconds",
    byDefault: "2 seconds",
    about: "How long a statement waits for a row lock before the transaction is tried again; whole seconds."
  }),
  migrationWait: Setting.duration({
    name: "CM_DB_MIGRATION_WAIT",
    min: "1 second",
    max: "1 hour",
    byDefault: "10 minutes",
    about:
      "How long a starting replica waits for another one that is migrating the schema, and a step of that for a table that somebody else has open."
  })
})

/** Whether passwords and rows would travel in clear to another machine. What is no URL is refused later, in other words. */
export const isFarInClear = (databaseUrl: Redacted.Redacted): boolean => {
  const url = URL.parse(Redacted.value(databaseUrl))
  return url !== null && url.searchParams.get("ssl") !== "true" && !isLoopback(url.hostname)
}

const config: Config.Config<StoreSettings> = settings.pipe(
  Config.mapEffect((given) =>
    isFarInClear(given.databaseUrl) && !given.insecure
      ? Effect.fail(clearTextError("DATABASE_URL", "add ?ssl=true"))
      : Effect.succeed(given)
  )
)

export class StoreConfig extends Context.Service<StoreConfig, StoreSettings>()("cm/store/StoreConfig") {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}
