/**
 * Whether a NATS server can carry the service: decided from what it says of itself on connecting.
 *
 * The floor is 2.11: older servers have no multi-subject direct get, and ignore in silence what they
 * do not know. For production the advisories put the floor at 2.12.12 or 2.14.3; below that the
 * start is allowed with a warning.
 */
import type { ServerInfo } from "@nats-io/transport-node"
import { NatsStartError } from "./NatsError.ts"

/** JetStream API level 1 came with 2.11. */
export const apiLevelMin = 1
export const serverVersionMin = "2.11.0"
/** A batch of 1,000 tokens and the largest page fit in one message. */
export const payloadBytesMin = 8 * 1_048_576

/** Lowest recommended patch of each minor version with security fixes; later minors have them all. */
const recommended: ReadonlyArray<readonly [minor: number, patch: number]> = [
  [12, 12],
  [13, Number.MAX_SAFE_INTEGER],
  [14, 3]
]

const numbersOf = (version: string): readonly [number, number, number] => {
  const [major = 0, minor = 0, patch = 0] = (/^v?(\d+)\.(\d+)\.(\d+)/u.exec(version) ?? []).slice(1).map(Number)
  return [major, minor, patch]
}

const isBefore = (version: string, floor: string): boolean => {
  const [a, b] = [numbersOf(version), numbersOf(floor)]
  const at = a.findIndex((number, index) => number !== b[index])
  return at !== -1 && a[at]! < b[at]!
}

/** The reason not to start, or null. */
export const refusalOf = (info: Pick<ServerInfo, "version" | "max_payload" | "jetstream" | "api_lvl">) => {
  if (isBefore(info.version, serverVersionMin) || (info.jetstream === true && (info.api_lvl ?? 0) < apiLevelMin)) {
    return new NatsStartError({
      reason: "too-old",
      problem: `NATS server ${info.version} is too old: install nats-server ${serverVersionMin} or newer (2.14.3 or newer recommended)`
    })
  }
  if (info.jetstream !== true) {
    return new NatsStartError({
      reason: "no-jetstream",
      problem: "NATS server has no JetStream: start it with -js or with a jetstream block in its configuration"
    })
  }
  if (info.max_payload < payloadBytesMin) {
    return new NatsStartError({
      reason: "payload-too-small",
      problem: `NATS server allows messages of ${info.max_payload} bytes only: set max_payload: 8MB in its configuration`
    })
  }
  return null
}

/** What an operator should know although the start goes on, or null. */
export const warningOf = (info: Pick<ServerInfo, "version">): string | null => {
  const [major, minor, patch] = numbersOf(info.version)
  const floor = recommended.find(([known]) => known === minor)
  const isOld = major === 2 && (minor < 12 || (floor !== undefined && patch < floor[1]))
  return isOld
    ? `NATS server ${info.version} lacks security fixes: 2.12.12, 2.14.3 or newer is recommended for production`
    : null
}
