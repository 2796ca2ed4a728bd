/** The gateway as a whole: its parts, put together, and the addresses that it listens on. */
import type { Server as SecureServer } from "node:https"
import { Deferred, Effect } from "effect"
import * as Documents from "./Documents.ts"
import * as EventStream from "./EventStream.ts"
import { makeRoom } from "./Exchange.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import * as Handler from "./Handler.ts"
import * as Operational from "./Operational.ts"
import { listen } from "./Server.ts"
import * as TenantByIssuer from "./TenantByIssuer.ts"
import * as Tls from "./Tls.ts"

/** Bodies of all requests together. */
const bodyBytesAtOnceMax = 64 * 1_048_576

const inUrl = (host: string): string => (host.includes(":") ? `[${host}]` : host)

/** Listens until the scope ends. Needs `Bus`, `GatewayConfig`. */
export const start = Effect.gen(function* () {
  const config = yield* GatewayConfig
  const { adminPort, certificateFile, host, keyFile, port } = config
  const stopping = Deferred.makeUnsafe<void>()
  const isStopping = () => Deferred.isDoneUnsafe(stopping)
  const tls = yield* Tls.pairOf(certificateFile, keyFile)
  const operational = yield* Operational.make(isStopping)
  const parts = {
    tenants: yield* TenantByIssuer.make,
    events: yield* EventStream.make(stopping),
    room: makeRoom(bodyBytesAtOnceMax),
    isStopping
  }
  const isApart = adminPort !== ""
  const publicRows = [...(isApart ? [] : operational), ...Documents.rows]
  const handle = yield* Handler.make({ ...parts, publicRows, onlyPublic: false })
  const main = yield* listen({ host, port, tls, handle, stopping })
  if (tls !== null) yield* Tls.follow(main.server as SecureServer, tls, { certificateFile, keyFile })
  const address = `${tls === null ? "http" : "https"}://${inUrl(host)}:${main.port}`
  if (!isApart) return { address, adminAddress: null }
  const own = yield* Handler.make({ ...parts, publicRows: operational, onlyPublic: true })
  const admin = yield* listen({ host, port: Number(adminPort), tls: null, handle: own, stopping })
  return { address, adminAddress: `http://${inUrl(host)}:${admin.port}` }
})
