/**
 * The shipped nats.conf on a server of a test's own, in a copy that the test may edit and reload as an
 * operator would: users and passwords of the copy stand in `bus-users.conf` beside it (docs/access.md).
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { busEnvironment, configFor, newPasswords } from "../../scripts/stack.mjs"
import { eventually } from "./eventually.ts"
import { type Server, startNats, temporaryFolder } from "./servers.ts"

const shipped = join(import.meta.dirname, "../../nats.conf")

/** Puts text behind the one place where `after` stands. */
export const insertAfter = (text: string, after: string, more: string): string => {
  const parts = text.split(after)
  if (parts.length !== 2) throw new Error(`${parts.length - 1} places with ${JSON.stringify(after)}`)
  return `${parts[0]}${after}${more}${parts[1]}`
}

/** A person beside `admin`, with the same rights and an inbox of its own. */
export const person = (user: string): string => `
      {
        user: ${user}
        password: $CM_BUS_${user.toUpperCase().replaceAll("-", "_")}
        permissions {
          publish {
            allow: ["cm.v1.>", "kaa.v1.service.cm.ecap.ep-token-status-transition-request"]
            deny: ["cm.v1.*.credential.get", "cm.v1.*.credential.get.>"]
          }
          subscribe: ["_INBOX.${user}.>"]
        }
      }`
const adminUsers = "  ADMIN {\n    limits { max_payload: 8MB }\n    users: ["
export const addPerson = (text: string, user: string): string => insertAfter(text, adminUsers, person(user))

export const startShippedBus = async (
  options: { readonly instance?: string; readonly edit?: (text: string) => string } = {}
) => {
  const { edit = (text) => text, instance = "cm" } = options
  const folder = temporaryFolder()
  const configFile = join(folder.path, "nats.conf")
  const passwords: Record<string, string> = newPasswords()
  let text = edit(configFor(readFileSync(shipped, "utf8"), instance))
  const write = () => {
    for (const [, name] of text.matchAll(/password: \$CM_BUS_([A-Z0-9_]+)/gu)) {
      const user = name!.toLowerCase().replaceAll("_", "-")
      passwords[user] ??= `p${user.replaceAll("-", "")}`
    }
    // A name that nothing refers to makes the server refuse the file.
    const lines = Object.entries(passwords)
      .map(([user, password]) => ({ name: `CM_BUS_${user.toUpperCase().replaceAll("-", "_")}`, password }))
      .filter(({ name }) => new RegExp(`\\$${name}(?![A-Z0-9_])`, "u").test(text))
      .map(({ name, password }) => `${name}: "${password}"`)
    writeFileSync(join(folder.path, "bus-users.conf"), `${lines.join("\n")}\n`, { mode: 0o600 })
    writeFileSync(configFile, `include "bus-users.conf"\n${text}`)
  }
  write()
  const server: Server = await startNats({
    dir: join(folder.path, "nats"),
    configFile,
    env: busEnvironment(newPasswords())
  })
  const as = (user: string, password = passwords[user]!): Promise<NatsConnection> =>
    connect({ servers: server.url, user, pass: password, inboxPrefix: `_INBOX.${user}`, noAsyncTraces: true })
  const logged = () => readFileSync(join(folder.path, "nats", "nats-server.log"), "utf8")
  const reloads = () => logged().split(/Reloaded server configuration/u).length - 1
  return {
    server,
    url: server.url,
    passwords,
    as,
    logged,
    /** Changes the file. Users that the text asks passwords for get them. */
    edit: (change: (before: string) => string) => {
      text = change(text)
    },
    /** Writes what was edited, signals the server once, and waits until it says that it took it. */
    reload: async () => {
      write()
      const before = reloads()
      server.kill("SIGHUP")
      await eventually(reloads, (count) => count > before, { limitMs: 120_000, what: "the server's reload" }).catch(
        (error: Error) => {
          throw new Error(`${error.message}: ${logged().split("\n").slice(-4).join(" ")}`)
        }
      )
    },
    stop: async () => {
      await server.stop()
      folder.remove()
    }
  }
}
export type ShippedBus = Awaited<ReturnType<typeof startShippedBus>>

/** nats.conf with the tenant of ops/tenant-accounts.conf, each part where its heading says. */
export const addTenant = (text: string): string => {
  const example = readFileSync(join(import.meta.dirname, "../../ops/tenant-accounts.conf"), "utf8")
  const [, inCm, exported, account] = example.split(/^# ---- \d\..*\n/mu)
  const withCm = insertAfter(text, "    limits { max_payload: 8MB }\n\n", inCm!)
  const withExports = insertAfter(withCm, "      # Tenants' operations.\n", exported!)
  return insertAfter(withExports, "\naccounts {\n", account!)
}
