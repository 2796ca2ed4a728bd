/**
 * Checks an exported audit chain without the service: `npm run audit:verify -- export.jsonl --tenant demo`.
 *
 * The export is what `npm run audit:export` writes, or what `audit.list` answers: whole answers, or their rows, one
 * JSON value a line, oldest first. The signed end of an export is checked with `--public-key`; without it only that
 * the rows reach it. With `--checkpoints file` (lines of `audit.checkpoint` events) and `--public-key=key` it also
 * compares the chain to what was signed, which shows a tail that was cut off or a chain written anew.
 * An export that does not begin at row 1 is anchored in the `prevHash` of its first row, and says so. One that was
 * cut has a stub, in its rows (`audit.cut`) or as a line (the answer of `audit.cut`): it must begin behind the newest
 * one, which must be signed where `--public-key` is given. A part that was asked for says where with `--from=row`.
 *
 * Where an operator accepted that a restored audit lacks rows which were signed (`audit.accepted` among the rows, or
 * such a checkpoint), the verdict says so in `accepted`; with `--public-key` only what the service signed is taken.
 * The signing key may have been followed by others. `--public-key` names any of them; the steps between them are taken
 * from the export's end, from rows and events `keys.rotated` (of `global`), wherever they are given. A step counts when
 * both of its keys signed it; what a key signed after it was followed does not count; one with two followers is broken.
 *
 * Prints one line of JSON; exit code 0: holds, 1: broken, 2: not called rightly.
 */
import { createHash, createPublicKey, verify } from "node:crypto"
import { readFileSync } from "node:fs"
import { argumentsOf } from "./lib/arguments.mjs"

const stop = (text) => {
  process.stderr.write(text)
  process.exit(2)
}
const text = { type: "string" }
const { misused, operands, values } = argumentsOf(import.meta.filename, {
  call: "npm run audit:verify --",
  operands: { shown: "<export.jsonl> --tenant=<id> [--public-key=… [--checkpoints=…]]", least: 1, most: 1 },
  options: { tenant: text, checkpoints: text, "public-key": text, from: text }
})
const { checkpoints: checkpointsFile, from, "public-key": publicKeyText, tenant } = values
if (tenant === undefined) misused("--tenant is missing")
if (checkpointsFile !== undefined && publicKeyText === undefined) misused("--checkpoints needs --public-key")

const linesOf = (file) => {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map((line) => JSON.parse(line))
  } catch (error) {
    return stop(`${file}: ${error.code ?? "not lines of JSON"}\n`)
  }
}

const sha256 = (text) => createHash("sha256").update(text, "utf8").digest("hex")
const genesis = sha256(JSON.stringify(["cm-audit-1", tenant]))
/** The row's own hash, over everything in it and the hash of the row before. */
const hashOf = ({ action, actor, at, diff, entityId, entityType, prevHash, seq, ...who }) => {
  const diffText = diff === undefined ? null : JSON.stringify(diff)
  const { account = null, by = null, client = null, correlationId = null, user = null } = who
  const known = [by, account, user, client, correlationId]
  // Rows from before it was written down how an actor is known have a hash that does not cover it.
  const [version, more] = known.every((field) => field === null) ? ["cm-audit-1", []] : ["cm-audit-2", known]
  const what = [action, entityType, entityId, diffText, prevHash]
  return sha256(JSON.stringify([version, tenant, seq, Date.parse(at), actor, ...more, ...what]))
}

/** What a checkpoint signs; one without a number is from before they named the one before them. */
const bytesOf = (point) => {
  const {
    accepted,
    at,
    hash,
    number,
    previous_hash: previousHash = null,
    previous_seq: previousSeq = null,
    seq
  } = point
  const numbered = [tenant, seq, hash, at, number, previousSeq, previousHash]
  const parts =
    accepted !== undefined
      ? ["cm-audit-acceptance-1", ...numbered, accepted.lost_seq, accepted.lost_hash, accepted.by, accepted.reason]
      : number === undefined
        ? ["cm-audit-checkpoint-1", tenant, seq, hash, at]
        : ["cm-audit-checkpoint-2", ...numbered]
  return Buffer.from(JSON.stringify(parts))
}
const isPoint = (point) => isSigned(bytesOf(point), point.signature, point.at)

/** Losses that an operator accepted, the oldest first: told in the chain's rows and among its checkpoints. */
const readAccepted = (points) => {
  const said = rows.flatMap(({ action, diff, entityId }) =>
    action === "audit.accepted" && entityId === "accepted-losses" && diff?.accepted !== undefined ? [diff] : []
  )
  const told = points.filter((point) => point.accepted !== undefined)
  const losses = [...said, ...told].filter((point) => publicKeyText === undefined || isPoint(point))
  const byNumber = new Map(losses.map((point) => [`${point.number}/${point.seq}`, point]))
  return [...byNumber.values()].toSorted((a, b) => a.number - b.number)
}
/** Signed before a loss that was accepted, behind what the chain still has: it counts no more. */
const isGivenUp = (point) =>
  accepted.some((loss) => (point.number ?? 0) < loss.number && point.seq > (loss.previous_seq ?? 0))

/** Files and lines are read once. */
const exported = linesOf(operands[0]).flatMap((value) => value.content ?? [value])
const told = checkpointsFile === undefined ? [] : linesOf(checkpointsFile)

const isSignedBy = (publicKey, bytes, signature) => {
  try {
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: publicKey }, format: "jwk" })
    return verify(null, bytes, key, Buffer.from(String(signature), "base64url"))
  } catch {
    return false
  }
}
/** The keys that are the service's when `--public-key` is, each with the moment up to which it counts. */
const readKeys = () => {
  const keys = new Map([[publicKeyText, Number.POSITIVE_INFINITY]])
  const links = [...exported, ...told].flatMap((value) => [
    ...(value.audit_keys ?? []),
    ...[value.audit_key, value.diff?.audit_key].filter((link) => link !== undefined)
  ])
  const good = links.filter((link) => {
    const { at, key_id: id, previous_key_id: previousId, previous_public_key: previous, public_key: next, until } = link
    const bytes = Buffer.from(JSON.stringify(["cm-audit-key-1", previousId, previous, id, next, at, until]))
    return isSignedBy(previous, bytes, link.previous_signature) && isSignedBy(next, bytes, link.signature)
  })
  for (let known = 0; known !== keys.size; ) {
    known = keys.size
    for (const { previous_public_key: previous, public_key: next } of good) {
      if (keys.has(previous) && !keys.has(next)) keys.set(next, Number.POSITIVE_INFINITY)
      if (keys.has(next) && !keys.has(previous)) keys.set(previous, Number.POSITIVE_INFINITY)
    }
  }
  const followers = new Map()
  for (const { previous_public_key: previous, public_key: next, until } of good) {
    if (!keys.has(previous)) continue
    if ((followers.get(previous) ?? next) !== next) return { keys, isForked: true }
    followers.set(previous, next)
    keys.set(previous, Math.min(keys.get(previous), until))
  }
  return { keys, isForked: false }
}
const { isForked, keys: trusted } = publicKeyText === undefined ? { keys: new Map() } : readKeys()
/** Whether one of them signed it, while it was the one that signs. `at`: what it says itself of when that was. */
const isSigned = (bytes, signature, at) =>
  Array.from(trusted).some(([key, until]) => at <= until && isSignedBy(key, bytes, signature))

const numbers = new Set()
/** Hashes that were signed, by row; or what is wrong with a checkpoint. */
const readCheckpoints = () => {
  const signed = new Map()
  if (publicKeyText === undefined) {
    for (const { hash, seq } of ends) signed.set(seq, hash)
    return { signed, broken: null }
  }
  if (isForked) return { signed, broken: { seq: 0, reason: "two keys follow one signing key" } }
  for (const point of [...announced, ...ends, ...accepted]) {
    const { hash, number, previous_hash: previousHash, previous_seq: previousSeq, seq } = point
    if (!isPoint(point)) return { signed, broken: { seq, reason: "the signed checkpoint is not good" } }
    if (number !== undefined) numbers.add(number)
    if (isGivenUp(point)) continue
    if ((signed.get(seq) ?? hash) !== hash) {
      return { signed, broken: { seq, reason: "the signed checkpoint is not good" } }
    }
    signed.set(seq, hash)
    // What it says of the one before it is signed, too.
    if (previousSeq !== undefined && previousSeq !== null) {
      if ((signed.get(previousSeq) ?? previousHash) !== previousHash) {
        return { signed, broken: { seq: previousSeq, reason: "two signed checkpoints differ" } }
      }
      signed.set(previousSeq, previousHash)
    }
  }
  return { signed, broken: null }
}
/** Numbers of checkpoints between the first and the last that are not among those given. */
const gaps = () => (numbers.size === 0 ? 0 : Math.max(...numbers) - Math.min(...numbers) + 1 - numbers.size)

/** Answers of `audit.cut`, as lines. */
const cutAnswers = exported.filter((value) => value.stub !== undefined).map(({ stub }) => stub)
const rows = exported.filter((value) => value.signature === undefined && value.stub === undefined)
/** The signed ends that an export brings along: worth as much as the key that is told apart from it. */
const ends = exported.filter((value) => value.signature !== undefined && value.tenant_id === tenant)
const announced = told.filter(({ signature, tenant_id: of }) => of === tenant && signature !== undefined)
const accepted = readAccepted([...announced, ...ends])
const { broken: brokenCheckpoint, signed } = readCheckpoints()
const anchored = rows.length > 0 && rows[0].seq !== 1
let place = anchored ? { seq: rows[0].seq - 1, hash: rows[0].prevHash } : { seq: 0, hash: genesis }
let checked = 0

/** What notes in the chain say that the texts of rows lost when they were stored. */
const lostOf = new Map(
  rows.flatMap(({ action, diff }) => (action === "audit.repaired" ? [[diff?.row, diff?.lost]] : []))
)
const repaired = []
/** The row's own hash proves the text that a note gives back: no other text has it. */
const isExplained = (row) => {
  const lost = lostOf.get(row.seq)
  if (!Array.isArray(lost) || row.by !== undefined) return false
  const units = row.entityId.split("")
  for (const [at, unit] of lost) {
    if (units[at] !== "\ufffd" || !(unit >= 0xd800 && unit <= 0xdfff)) return false
    units[at] = String.fromCharCode(unit)
  }
  if (hashOf({ ...row, entityId: units.join("") }) !== row.hash) return false
  repaired.push(row.seq)
  return true
}

/** The newest stub of a cut that the export brings along, and what is wrong with where its rows begin. */
const stubBytes = ({ at, by, count, first, hash, last }) =>
  Buffer.from(JSON.stringify(["cm-audit-stub-1", tenant, first, last, hash, count, by, at]))
const stubOf = () => {
  const told = rows.flatMap(({ action, diff, entityId }) =>
    action === "audit.cut" && entityId === tenant && diff !== undefined ? [diff] : []
  )
  const own = cutAnswers.filter((stub) => stub.tenant_id === tenant)
  return [...told, ...own].toSorted((a, b) => b.last - a.last)[0]
}
const stub = stubOf()
const wrongBeginning = () => {
  if (stub === undefined || from !== undefined) return null
  if (publicKeyText !== undefined) {
    if (!isSigned(stubBytes(stub), stub.signature, stub.at))
      return { seq: stub.last, reason: "the stub of a cut is not good" }
  }
  if (rows.length === 0) return null
  if (rows[0].seq > stub.last + 1) return { seq: stub.last + 1, reason: "the row is missing" }
  if (rows[0].seq === stub.last + 1 && rows[0].prevHash !== stub.hash) {
    return { seq: rows[0].seq, reason: "the row does not follow the stub of the cut" }
  }
  return null
}

const step = (row) => {
  const expected = place.seq + 1
  if (row.seq > expected) return { seq: expected, reason: "the row is missing" }
  if (row.seq < expected) return { seq: row.seq, reason: "the row stands there twice" }
  if (row.prevHash !== place.hash) return { seq: row.seq, reason: "the row does not follow the one before it" }
  if (hashOf(row) !== row.hash && !isExplained(row)) return { seq: row.seq, reason: "the row was changed" }
  const wanted = signed.get(row.seq)
  if (wanted !== undefined && wanted !== row.hash)
    return { seq: row.seq, reason: "the row is not the one that was signed" }
  return null
}

let firstBroken = brokenCheckpoint ?? wrongBeginning()
for (const row of firstBroken === null ? rows : []) {
  firstBroken = step(row)
  if (firstBroken !== null) break
  checked += 1
  place = { seq: row.seq, hash: row.hash }
}
const lastSigned = Math.max(0, ...signed.keys())
if (firstBroken === null && lastSigned > place.seq) firstBroken = { seq: place.seq + 1, reason: "the row is missing" }

/** Rows behind `kept` that were signed, up to `lost`, are gone; the chain goes on from `from`. */
const gapOf = ({ accepted: { by, lost_hash: lostHash, lost_seq: lostSeq, reason }, at, hash, ...loss }) => ({
  lost: { seq: lostSeq, hash: lostHash },
  kept: loss.previous_seq === null ? null : { seq: loss.previous_seq, hash: loss.previous_hash },
  from: { seq: loss.seq, hash },
  ...{ at: new Date(at).toISOString(), by, reason }
})
const verdict = {
  valid: firstBroken === null,
  checked,
  ...(anchored ? { anchoredAt: rows[0].seq - 1 } : {}),
  ...(stub === undefined ? {} : { cut: { seq: stub.last, at: new Date(stub.at).toISOString(), by: stub.by } }),
  ...(repaired.length > 0 ? { repaired } : {}),
  ...(accepted.length === 0 ? {} : { accepted: accepted.map(gapOf) }),
  checkpoints: signed.size,
  ...(trusted.size > 1 ? { signingKeys: trusted.size } : {}),
  ...(gaps() > 0 ? { checkpointsMissing: gaps() } : {}),
  ...(firstBroken === null ? {} : { firstBroken })
}
process.stdout.write(`${JSON.stringify(verdict)}\n`)
process.exit(verdict.valid ? 0 : 1)
