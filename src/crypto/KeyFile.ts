/**
 * The key file: the master keys of a service without a remote store of keys.
 *
 *     { "version": 1, "masterKeys": [{ "id": <uuid>, "key": <32 bytes, base64>, "createdDate": <ISO 8601> }] }
 *
 * The newest key is the active one, the others still open what they wrapped. The file must be
 * readable by its owner only; one of root's may be readable by its group, too. What is wrong with it is said in one line that repeats nothing of its
 * content. `create` never overwrites, and a reader never sees half a file: it is written beside,
 * made durable, and then given its name, unless another process was first.
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { Effect, Schema } from "effect"
import * as KeyId from "./KeyId.ts"
import { keyLength } from "./SealedRecord.ts"

/** The key file cannot be used. The message is one line for the operator. */
export class KeyFileUnusable extends Schema.TaggedError<KeyFileUnusable>()("KeyFileUnusable", {
  problem: Schema.Literals(["absent", "unreadable", "exposed", "malformed"]),
  message: Schema.String
}) {}

export const fileBytesMax = 64 * 1024
export const masterKeysMax = 64

export interface FileKey {
  readonly id: string
  readonly material: Uint8Array
  readonly createdDate: string
}

const File = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(1),
    masterKeys: Schema.Array(
      Schema.Struct({
        id: Schema.String.check(Schema.makeFilter(KeyId.isKeyId)),
        key: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9+/]{43}=$/u)),
        createdDate: Schema.String.check(Schema.isPattern(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u))
      })
    ).check(Schema.isMinLength(1), Schema.isMaxLength(masterKeysMax))
  })
)
const decode = Schema.decodeUnknownExit(File, { onExcessProperty: "error" })

/** The keys of a file's text, the active one first, or null when the text is not a key file. */
export const parse = (text: string): ReadonlyArray<FileKey> | null => {
  const decoded = decode(text)
  if (decoded._tag === "Failure") return null
  const keys = decoded.value.masterKeys.map(({ createdDate, id, key }) => ({
    id,
    createdDate,
    // Memory of its own, never of the pool: whoever makes a key of it overwrites it.
    material: Uint8Array.from(Buffer.from(key, "base64"))
  }))
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) return null
  // Newest first; of two with one date, the later in the file.
  return keys
    .toReversed()
    .toSorted((a, b) => (a.createdDate < b.createdDate ? 1 : a.createdDate > b.createdDate ? -1 : 0))
}

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "unknown"

const unreadable = (file: string, cause: unknown) =>
  new KeyFileUnusable({ problem: "unreadable", message: `the key file ${file} cannot be read (${codeOf(cause)})` })

const withDescriptor = <A>(file: string, flags: string, mode: number, use: (descriptor: number) => A): A => {
  const descriptor = fs.openSync(file, flags, mode)
  try {
    return use(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}

/**
 * Whether others than the service may use the file. What root mounts for another user is read by that user's group, as a Secret
 * of Kubernetes is: nobody else could have put it there, and nobody of the group may change it. (PostgreSQL takes its private
 * key by the same rule.)
 */
export const isExposed = (file: { readonly mode: number; readonly uid: number }, ownUid: number | undefined): boolean =>
  (file.mode & (file.uid === 0 && ownUid !== 0 ? 0o037 : 0o077)) !== 0

/** Rights are read from the open file, not from its name, so it cannot be exchanged in between. */
const readChecked = (file: string): { readonly text: string } | KeyFileUnusable =>
  withDescriptor(file, "r", 0, (descriptor) => {
    const { mode, size, uid } = fs.fstatSync(descriptor)
    if (isExposed({ mode, uid }, process.getuid?.())) {
      const rights = (mode & 0o777).toString(8).padStart(4, "0")
      return new KeyFileUnusable({
        problem: "exposed",
        message: `the key file ${file} has mode ${rights}, so others than its owner may use it: chmod 600 ${file}`
      })
    }
    if (size > fileBytesMax) return malformed(file)
    const bytes = fs.readFileSync(descriptor)
    const text = bytes.toString("utf8")
    bytes.fill(0)
    return { text }
  })

const malformed = (file: string) =>
  new KeyFileUnusable({
    problem: "malformed",
    message: `the key file ${file} is not a key file of version 1 (restore it from its backup)`
  })

/** The keys of the file, the active one first. */
export const read = Effect.fnUntraced(function* (file: string) {
  const found = yield* Effect.try({
    try: () => readChecked(file),
    catch: (cause) =>
      codeOf(cause) === "ENOENT"
        ? new KeyFileUnusable({
            problem: "absent",
            message: `there is no key file ${file}: CM_KEY_FILE must name it (CM_KEY_FILE_CREATE=true makes one for development)`
          })
        : unreadable(file, cause)
  })
  if (found instanceof KeyFileUnusable) return yield* found
  const keys = parse(found.text)
  return keys === null ? yield* malformed(file) : keys
})

/** The text of a file with one new key. `nowIso` is ISO 8601 with milliseconds. */
export const newText = (nowMs: number, nowIso: string): string => {
  const key = { id: KeyId.makeKeyId(nowMs), key: randomBytes(keyLength).toString("base64"), createdDate: nowIso }
  return `${JSON.stringify({ version: 1, masterKeys: [key] }, null, 2)}\n`
}

/** Gives `text` the name `file`, durably, unless a file of that name exists: then nothing happens. */
export const create = (file: string, text: string): Effect.Effect<void, KeyFileUnusable> =>
  Effect.try({
    try: () => {
      const beside = `${file}.${randomBytes(8).toString("hex")}.new`
      try {
        withDescriptor(beside, "wx", 0o600, (descriptor) => {
          fs.writeFileSync(descriptor, text)
          fs.fsyncSync(descriptor)
        })
        try {
          fs.linkSync(beside, file)
        } catch (cause) {
          if (codeOf(cause) !== "EEXIST") throw cause
        }
      } finally {
        fs.rmSync(beside, { force: true })
      }
      withDescriptor(path.dirname(file), "r", 0, fs.fsyncSync)
    },
    catch: (cause) =>
      new KeyFileUnusable({
        problem: "unreadable",
        message: `the key file ${file} cannot be made (${codeOf(cause)})`
      })
  })
