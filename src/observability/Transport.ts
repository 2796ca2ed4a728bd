/**
 * The one rule for what travels in clear: on this machine it may, elsewhere only when an operator says so.
 *
 * It holds for the bus, the database and Vault. What is sent there are passwords, keys and secrets; a
 * listener on the way, or somebody who answers in the other's place, would have them.
 */
import { Config, ConfigProvider, Effect } from "effect"
import * as Setting from "./Setting.ts"

export const insecureTransport = Setting.flag({
  name: "CM_INSECURE_TRANSPORT",
  byDefault: false,
  about:
    "Lets passwords and secrets travel without TLS to a bus, a database or a Vault on another machine. For networks that protect them otherwise; each start warns of it."
})

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/u
export const isLoopback = (host: string): boolean => loopback.test(host)

/** Stops the start: `setting` names other machines, and has no TLS. */
export const clearTextError = (setting: string, remedy: string): Config.ConfigError =>
  new Config.ConfigError(
    new ConfigProvider.SourceError({
      message: `${setting} has no TLS and is not on this machine: ${remedy}, or CM_INSECURE_TRANSPORT=true`
    })
  )

/** Said at each start where the rule was lifted and mattered. */
export const warnOf = (what: string): Effect.Effect<void> =>
  Effect.logWarning(`${what} is reached without TLS on another machine: whoever listens learns passwords and secrets`)
