/**
 * The bus as this project configures it: the users of nats.conf, and that file for an instance.
 *
 * `nats.conf` is written for the instance `cm`. For another one its subjects, streams and buckets are
 * replaced in a copy; for `cm` the file itself is used, so that what is shipped is what is run.
 */
import { randomBytes } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { checkout } from "./find.mjs"

export const busUsers = [
  "service",
  "comms",
  "admin",
  "gateway",
  "operator",
  "platform",
  "mail",
  "chat",
  "whatsapp",
  "rotator",
  "sys"
]

/** A password that nats.conf can read from the environment: it begins with a letter and has only letters and digits. */
export const newPassword = () => `p${randomBytes(15).toString("hex")}`

/** `{user: password}` for every user of nats.conf. */
export const newPasswords = () => Object.fromEntries(busUsers.map((user) => [user, newPassword()]))

/** What nats.conf reads from the environment, but for the port and the folder. */
export const busEnvironment = (passwords) => ({
  CM_NATS_HOST: "127.0.0.1",
  ...Object.fromEntries(busUsers.map((user) => [`CM_BUS_${user.toUpperCase()}`, passwords[user]]))
})

/** The text of nats.conf for an instance. */
export const configFor = (text, instance) =>
  text
    .replace(/"cm\.(v1|admin|gateway|internal|events|rotators)\./gu, `"${instance}.$1.`)
    .replace(/"kaa\.v1\.(service|events)\.cm\./gu, `"kaa.v1.$1.${instance}.`)
    .replace(/CM_(EVENTS|REVOCATIONS|INBOX|TOKENS|METADATA|LEASES)\b/gu, `${instance.toUpperCase()}_$1`)

/** The path of the configuration for an instance; a copy is written into `dir` when it is not `cm`. */
export const configFileFor = (instance, dir) => {
  const shipped = join(checkout, "nats.conf")
  if (instance === "cm") return shipped
  const file = join(dir, "nats.conf")
  writeFileSync(file, configFor(readFileSync(shipped, "utf8"), instance))
  return file
}

/**
 * The path of a configuration with TLS for clients, in `dir`: that of the instance and ops/nats-tls.conf, both as they are.
 * NATS takes what it includes as relative to the file.
 */
export const tlsConfigFileFor = (instance, dir) => {
  const file = join(dir, "nats-dev-tls.conf")
  const included = [configFileFor(instance, dir), join(checkout, "ops", "nats-tls.conf")]
  writeFileSync(file, included.map((one) => `include ${JSON.stringify(relative(dir, one))}\n`).join(""))
  return file
}

/** For `connect`: TLS where the addresses say so, by the given authority. */
export const tlsOf = (urls, { ca, cert, key } = {}) =>
  urls?.startsWith("tls://")
    ? { tls: { ...(ca && { caFile: ca }), ...(cert && { certFile: cert }), ...(key && { keyFile: key }) } }
    : {}

/** How each user connects, as run.json shows it. */
export const describeUsers = (passwords) =>
  Object.fromEntries(
    Object.entries(passwords).map(([user, password]) => [user, { user, password, inboxPrefix: `_INBOX.${user}` }])
  )

/**
 * A context of the nats CLI for every user, in `dir/nats/context`: with `XDG_CONFIG_HOME=dir` a person
 * writes `nats --context admin …` and needs neither password nor inbox prefix on the command line.
 */
export const writeContexts = (dir, url, users, ca) => {
  const folder = join(dir, "nats", "context")
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const { user, password, inboxPrefix } of Object.values(users)) {
    const context = {
      description: `${user} of the development stack`,
      url,
      user,
      password,
      inbox_prefix: inboxPrefix,
      ...(ca && { ca })
    }
    writeFileSync(join(folder, `${user}.json`), `${JSON.stringify(context, null, 2)}\n`, { mode: 0o600 })
  }
}
