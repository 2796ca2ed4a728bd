/**
 * A transit engine that speaks Vault's HTTP: paths, header, bodies, statuses and error texts as
 * HashiCorp Vault 1.15 and OpenBao 2 give them for `encrypt` and `decrypt`.
 *
 * Keys are AES-256-GCM, derived per context where made so, with associated data. Faults are set on
 * `faults` and happen to the next calls; `lose` does the work and then hangs up.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, randomUUID } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface VaultFaults {
  sealed: boolean
  /** How many of the next calls are answered 429. */
  throttle: number
  /** How many of the next calls are done and never answered: the connection ends. */
  lose: number
  /** How many of the next calls are never answered, with the connection open. */
  hang: number
  /** How many of the next calls fail inside. */
  break: number
  /** The body of the next answers, with status 200. */
  nonsense: string | null
}

interface Key {
  readonly secret: Buffer
  readonly derived: boolean
}

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const prefix = "vault:v1:"

const secretFor = (key: Key, context: string | undefined): Buffer => {
  if (!key.derived) return key.secret
  if (context === undefined || context === "")
    throw new Refused(
      400,
      "missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information must be included in order to perform operations with the key"
    )
  return Buffer.from(hkdfSync("sha256", key.secret, Buffer.alloc(0), Buffer.from(context, "base64"), 32))
}

const encrypt = (key: Key, body: Record<string, string>): string => {
  const nonce = randomBytes(12)
  const cipher = createCipheriv("aes-256-gcm", secretFor(key, body.context), nonce)
  cipher.setAAD(Buffer.from(body.associated_data ?? "", "base64"))
  const sealed = Buffer.concat([nonce, cipher.update(Buffer.from(body.plaintext ?? "", "base64")), cipher.final()])
  return prefix + Buffer.concat([sealed, cipher.getAuthTag()]).toString("base64")
}

const decrypt = (key: Key, body: Record<string, string>): string => {
  const ciphertext = body.ciphertext ?? ""
  if (!ciphertext.startsWith("vault:v")) throw new Refused(400, "invalid ciphertext: no prefix")
  const sealed = Buffer.from(ciphertext.slice(prefix.length), "base64")
  if (sealed.byteLength < 28) throw new Refused(400, "invalid ciphertext length")
  try {
    const decipher = createDecipheriv("aes-256-gcm", secretFor(key, body.context), sealed.subarray(0, 12))
    decipher.setAAD(Buffer.from(body.associated_data ?? "", "base64"))
    decipher.setAuthTag(sealed.subarray(-16))
    return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString("base64")
  } catch (cause) {
    if (cause instanceof Refused) throw cause
    throw new Refused(400, "cipher: message authentication failed")
  }
}

export const startVaultStub = async (options: { readonly derived?: boolean } = {}) => {
  const faults: VaultFaults = { sealed: false, throttle: 0, lose: 0, hang: 0, break: 0, nonsense: null }
  const keys = new Map<string, Key>([["cm", { secret: randomBytes(32), derived: options.derived ?? false }]])
  const tokens = new Set(["s.good"])
  const seen: Array<{ readonly path: string; readonly token: string | undefined }> = []
  const take = (fault: "throttle" | "lose" | "hang" | "break"): boolean => {
    if (faults[fault] === 0) return false
    faults[fault] -= 1
    return true
  }

  const answer = (response: ServerResponse, status: number, body: unknown) => {
    response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" })
    response.end(typeof body === "string" ? body : JSON.stringify(body))
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const token = request.headers["x-vault-token"]
    const path = request.url ?? ""
    seen.push({ path, token: typeof token === "string" ? token : undefined })
    const text = await read(request)
    if (take("hang")) return
    if (faults.sealed) throw new Refused(503, "Vault is sealed")
    if (take("throttle")) throw new Refused(429, `request path "${path.slice(4)}": rate limit quota exceeded`)
    if (typeof token !== "string" || !tokens.has(token)) throw new Refused(403, "permission denied")
    const [, operation, name] = /^\/v1\/transit\/(encrypt|decrypt)\/([^/]+)$/u.exec(path) ?? []
    if (operation === undefined || name === undefined) throw new Refused(404, "")
    if (take("break")) throw new Refused(500, "internal error")
    const key = keys.get(name)
    // The policy gives `update` only, so encrypting does not make a key.
    if (key === undefined) {
      throw operation === "encrypt"
        ? new Refused(403, "permission denied")
        : new Refused(400, "encryption key not found")
    }
    const body = JSON.parse(text) as Record<string, string>
    const data =
      operation === "encrypt" ? { ciphertext: encrypt(key, body), key_version: 1 } : { plaintext: decrypt(key, body) }
    if (take("lose")) {
      request.socket.destroy()
      return
    }
    const done = {
      request_id: randomUUID(),
      lease_id: "",
      renewable: false,
      lease_duration: 0,
      data,
      wrap_info: null,
      warnings: null,
      auth: null
    }
    answer(response, 200, faults.nonsense ?? done)
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((cause: unknown) => {
      const [status, message] = cause instanceof Refused ? [cause.status, cause.message] : [500, "internal error"]
      answer(response, status, { errors: message === "" ? [] : [message] })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    keys,
    tokens,
    seen,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
export type VaultStub = Awaited<ReturnType<typeof startVaultStub>>
