/**
 * TLS to the bus: `tls://` means it, whatever the server says.
 *
 * A server without TLS is left before a user is named to it. The files are read at each connection, so
 * that a certificate that was exchanged is used from the next one on. Which name a certificate must
 * have is `NATS_SERVER_NAME`, or one of those in `NATS_URL`: never one that a server told.
 */
import { accessSync, constants } from "node:fs"
import { checkServerIdentity, type PeerCertificate } from "node:tls"
import type { TlsOptions } from "@nats-io/transport-node"
import type { NatsConfig } from "./NatsConfig.ts"
import { serversOf } from "./NatsConfig.ts"
import { NatsStartError } from "./NatsError.ts"

type Config = NatsConfig["Service"]["connection"]

export const usesTls = (config: Config): boolean => serversOf(config.servers)?.some(({ isTls }) => isTls) ?? false

/** Node takes more than the client's types name. */
interface NodeTlsOptions extends TlsOptions {
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined
  readonly minVersion: "TLSv1.2"
}

export const tlsOptions = (config: Config): NodeTlsOptions => {
  const names =
    config.serverName === ""
      ? (serversOf(config.servers) ?? []).map(({ host }) => host.replace(/^\[(.*)\]$/u, "$1"))
      : [config.serverName]
  return {
    ...(config.ca === "" ? {} : { caFile: config.ca }),
    ...(config.cert === "" ? {} : { certFile: config.cert, keyFile: config.key }),
    minVersion: "TLSv1.2",
    checkServerIdentity: (_, certificate) => {
      const wrong = names.map((name) => checkServerIdentity(name, certificate))
      return wrong.includes(undefined) ? undefined : wrong[0]
    }
  }
}

/** A file that is named and cannot be read, or null. */
export const unreadable = (config: Config): NatsStartError | null => {
  const files = [
    ["NATS_CA", config.ca],
    ["NATS_CERT", config.cert],
    ["NATS_KEY", config.key]
  ] as const
  for (const [name, file] of files) {
    try {
      if (file !== "") accessSync(file, constants.R_OK)
    } catch {
      return new NatsStartError({ reason: "refused", problem: `${name} names a file that cannot be read` })
    }
  }
  return null
}

const codeOf = (cause: unknown): string => {
  for (let error = cause, depth = 0; error instanceof Error && depth < 4; error = error.cause, depth++) {
    if ("code" in error && typeof error.code === "string") return error.code
  }
  return ""
}
const certificateCode = /^(?:CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)[A-Z_0-9]*$/u

/** What is wrong with the server's TLS, in one line, or null where it is something else. */
export const problemOf = (cause: unknown): string | null => {
  const code = codeOf(cause)
  if (certificateCode.test(code)) {
    return `NATS server's certificate is not accepted (${code}): check NATS_CA, NATS_SERVER_NAME and its dates`
  }
  const text = cause instanceof Error ? cause.message : ""
  return /does not support 'tls'|'tls' is not available/u.test(text)
    ? "NATS server has no TLS, and NATS_URL says tls://"
    : null
}
