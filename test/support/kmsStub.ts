/**
 * AWS KMS's wire (JSON 1.1) for `Encrypt` and `Decrypt` of one symmetric key, with its error names.
 * Requests must be signed (signature version 4); the signature itself is not checked.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface KmsFaults {
  /** The error type of every call while it is set. */
  always: string | null
  throttle: number
  lose: number
  hang: number
  break: number
}

interface Body {
  readonly KeyId?: string
  readonly Plaintext?: string
  readonly CiphertextBlob?: string
  readonly EncryptionContext?: Record<string, string>
}

class Refused extends Error {
  readonly type: string
  readonly status: number
  constructor(type: string, status = 400) {
    super(type)
    this.type = type
    this.status = status
  }
}

const contextOf = (body: Body): Buffer =>
  Buffer.from(JSON.stringify(Object.entries(body.EncryptionContext ?? {}).toSorted()), "utf8")

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

export const kmsKeyArn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

export const startKmsStub = async () => {
  const faults: KmsFaults = { always: null, throttle: 0, lose: 0, hang: 0, break: 0 }
  const secret = randomBytes(32)
  const seen: Array<{ readonly target: string; readonly context: Record<string, string> }> = []
  const take = (fault: "throttle" | "lose" | "hang" | "break"): boolean => {
    if (faults[fault] === 0) return false
    faults[fault] -= 1
    return true
  }

  const encrypt = (body: Body) => {
    const plaintext = Buffer.from(body.Plaintext ?? "", "base64")
    if (plaintext.byteLength === 0 || plaintext.byteLength > 4096) throw new Refused("ValidationException")
    const nonce = randomBytes(12)
    const cipher = createCipheriv("aes-256-gcm", secret, nonce)
    cipher.setAAD(contextOf(body))
    const sealed = Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
    return { CiphertextBlob: sealed.toString("base64") }
  }
  const decrypt = (body: Body) => {
    const sealed = Buffer.from(body.CiphertextBlob ?? "", "base64")
    if (sealed.byteLength === 0) throw new Refused("ValidationException")
    try {
      const decipher = createDecipheriv("aes-256-gcm", secret, sealed.subarray(0, 12))
      decipher.setAAD(contextOf(body))
      decipher.setAuthTag(sealed.subarray(-16))
      return {
        Plaintext: Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString("base64")
      }
    } catch {
      throw new Refused("InvalidCiphertextException")
    }
  }

  const answer = (response: ServerResponse, status: number, body: unknown) => {
    response.writeHead(status, { "content-type": "application/x-amz-json-1.1", "x-amzn-requestid": randomUUID() })
    response.end(JSON.stringify(body))
  }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const target = String(request.headers["x-amz-target"] ?? "")
    const body = JSON.parse(await read(request)) as Body
    seen.push({ target, context: body.EncryptionContext ?? {} })
    if (take("hang")) return
    if (!String(request.headers.authorization ?? "").startsWith("AWS4-HMAC-SHA256 Credential=")) {
      throw new Refused("MissingAuthenticationTokenException")
    }
    if (faults.always !== null) throw new Refused(faults.always)
    if (take("throttle")) throw new Refused("ThrottlingException")
    if (take("break")) throw new Refused("KMSInternalException", 500)
    if (body.KeyId !== kmsKeyArn) throw new Refused("NotFoundException")
    const data =
      target === "TrentService.Encrypt" ? encrypt(body) : target === "TrentService.Decrypt" ? decrypt(body) : null
    if (data === null) throw new Refused("UnknownOperationException")
    if (take("lose")) {
      request.socket.destroy()
      return
    }
    answer(response, 200, { ...data, KeyId: kmsKeyArn, EncryptionAlgorithm: "SYMMETRIC_DEFAULT" })
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((cause: unknown) => {
      const refused = cause instanceof Refused ? cause : new Refused("KMSInternalException", 500)
      answer(response, refused.status, { __type: refused.type, message: "refused" })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    seen,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}
