/**
 * The certificate and its key, from their files: read at the start, and again when one of them changes.
 *
 * A pair that cannot be used stops the start. Later the old pair stays until there is one that can: that is logged.
 */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import type { Server as SecureServer } from "node:https"
import { Effect } from "effect"
import * as Loop from "../observability/Loop.ts"
import { ListenError } from "./Server.ts"

const lookEvery = "1 second"

export interface Pair {
  readonly cert: Buffer
  readonly key: Buffer
}

/** Fails when a file cannot be read, or when they do not belong together. */
export const readPair = (certificateFile: string, keyFile: string): Effect.Effect<Pair, ListenError> =>
  Effect.try({
    try: () => {
      const pair = { cert: readFileSync(certificateFile), key: readFileSync(keyFile) }
      if (!new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key))) throw new Error("another key")
      return pair
    },
    catch: () =>
      new ListenError({
        problem: "CM_GATEWAY_TLS_CERT and CM_GATEWAY_TLS_KEY must name a certificate and its private key, both in PEM"
      })
  })

/** Null without a certificate; both or neither. */
export const pairOf = (certificateFile: string, keyFile: string): Effect.Effect<Pair | null, ListenError> =>
  certificateFile === "" && keyFile === "" ? Effect.succeed(null) : readPair(certificateFile, keyFile)

/** Connections that are made from then on get what the files say. */
export const follow = Effect.fnUntraced(function* (
  server: SecureServer,
  first: Pair,
  files: { readonly certificateFile: string; readonly keyFile: string }
) {
  let present = first
  let saidWrong = false
  const look = Effect.gen(function* () {
    yield* Effect.sleep(lookEvery)
    const read = yield* Effect.catch(readPair(files.certificateFile, files.keyFile), () => Effect.succeed(null))
    if (read === null) {
      if (!saidWrong) yield* Effect.logWarning("the gateway's certificate cannot be read: the old one stays")
      saidWrong = true
      return
    }
    saidWrong = false
    if (read.cert.equals(present.cert) && read.key.equals(present.key)) return
    server.setSecureContext({ ...read, minVersion: "TLSv1.2" })
    present = read
    yield* Effect.logInfo("the gateway has a new certificate")
  })
  yield* Effect.forkScoped(Loop.forever("the gateway's certificate", look))
})
