/** Verifies R-AUD-10, R-AUD-11: the offline verifier follows the audit's signing keys, and is led to no key by whoever lacks one. */
import { execFile } from "node:child_process"
import { generateKeyPairSync, sign } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"
import { signedBytes as linkBytes } from "../../src/crypto/AuditKeyLink.ts"
import { genesisHash, linkHash } from "../../src/store/AuditChain.ts"
import { signedBytes } from "../../src/store/AuditCheckpointBytes.ts"

const tenant = "demo"
const script = resolve(import.meta.dirname, "../../scripts/audit-verify.mjs")

const keyNamed = (keyId: string) => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  return { keyId, privateKey, publicKey: publicKey.export({ format: "jwk" }).x ?? "" }
}
type Key = ReturnType<typeof keyNamed>
const [one, two, three, forger] = ["one", "two", "three", "forger"].map(keyNamed) as [Key, Key, Key, Key]

const linkOf = (previous: Key, next: Key, until: number, by: { previous?: Key; next?: Key } = {}) => {
  const said = {
    ...{ previous_key_id: previous.keyId, previous_public_key: previous.publicKey },
    ...{ key_id: next.keyId, public_key: next.publicKey, at: until - 100, until }
  }
  const signed = (key: Key) => sign(null, linkBytes(said), key.privateKey).toString("base64url")
  return { ...said, previous_signature: signed(by.previous ?? previous), signature: signed(by.next ?? next) }
}
const links = [linkOf(one, two, 2_000), linkOf(two, three, 4_000)]

/** Three rows, as an export has them. */
const rows = (() => {
  const made: Array<Record<string, unknown> & { readonly seq: number; readonly hash: string }> = []
  for (let seq = 1; seq <= 3; seq++) {
    const said = {
      seq,
      at: 1_000 * seq,
      actor: "a",
      action: "token.provisioned",
      entityType: "token",
      entityId: `t${seq}`
    }
    const prevHash = made.at(-1)?.hash ?? genesisHash(tenant)
    const none = { by: "bus", account: null, user: null, client: null, correlationId: "c" }
    const hash = linkHash({ ...said, ...none, tenantId: tenant, version: 2, diff: null, prevHash })
    made.push({ ...said, at: new Date(said.at).toISOString(), by: "bus", correlationId: "c", prevHash, hash })
  }
  return made
})()

/** Two rows of before it was written down how an actor is known: the first says `entityId`, the second `diff`. */
const oldRows = (entityId: string, action: string, diff: object) => {
  const unknown = { by: null, account: null, user: null, client: null, correlationId: null }
  const row = (seq: number, of: { entityId: string; action: string; diff: object | null }, prevHash: string) => {
    const said = { seq, at: 1_000 * seq, actor: "a", entityType: "token", ...of, prevHash }
    const diffText = of.diff === null ? null : JSON.stringify(of.diff)
    const hash = linkHash({ ...said, ...unknown, tenantId: tenant, version: 1, diff: diffText })
    const { diff: own, ...shown } = said
    return { ...shown, at: new Date(said.at).toISOString(), ...(own === null ? {} : { diff: own }), hash }
  }
  const first = row(1, { entityId, action: "token.refused", diff: null }, genesisHash(tenant))
  return [first, row(2, { entityId: "x", action, diff }, first.hash)] as const
}

const pointOf = (
  seq: number,
  key: Key,
  at: number,
  number = seq,
  before = rows[seq - 2],
  tenantId = tenant,
  hash = rows[seq - 1]!.hash
) => {
  const previous = before === undefined ? null : { seq: before.seq, hash: before.hash }
  const signature = sign(null, signedBytes({ tenantId, seq, hash, at, number, previous }), key.privateKey)
  return {
    ...{ tenant_id: tenantId, seq, hash, at, number },
    ...{ previous_seq: previous?.seq ?? null, previous_hash: previous?.hash ?? null },
    ...{ key_id: key.keyId, public_key: key.publicKey, signature: signature.toString("base64url") }
  }
}
const points = [pointOf(1, one, 1_500), pointOf(2, two, 2_500)]
const end = (audit_keys: ReadonlyArray<unknown>) => ({ ...pointOf(3, three, 5_000), audit_keys })

/** Row 3 is not the one that was signed first, and that is accepted. */
const acceptanceBy = (key: Key) => {
  const said = { ...pointOf(3, key, 4_000, 3), accepted: { ...loss, by: "operator", reason: "restored" } }
  const { accepted, at, hash, number, previous_hash, previous_seq, seq } = said
  const numbered = [tenant, seq, hash, at, number, previous_seq, previous_hash]
  const bytes = JSON.stringify([
    "cm-audit-acceptance-1",
    ...numbered,
    loss.lost_seq,
    loss.lost_hash,
    ...[accepted.by, accepted.reason]
  ])
  return { ...said, signature: sign(null, Buffer.from(bytes), key.privateKey).toString("base64url") }
}
const loss = { lost_seq: 3, lost_hash: "00".repeat(32) }
const lostPoint = () => pointOf(3, one, 3_000, 2, rows[1], tenant, loss.lost_hash)

interface Verdict {
  readonly accepted?: ReadonlyArray<{ readonly lost: unknown; readonly from: unknown }>
  readonly valid: boolean
  readonly checked: number
  readonly anchoredAt?: number
  readonly cut?: { readonly seq: number }
  readonly repaired?: ReadonlyArray<number>
  readonly signingKeys?: number
  readonly firstBroken?: { readonly seq: number; readonly reason: string }
}

const verified = async (publicKey: string, exported: ReadonlyArray<unknown>, announced: ReadonlyArray<unknown>) => {
  const folder = mkdtempSync(join(tmpdir(), "cm-audit-"))
  const file = (name: string, lines: ReadonlyArray<unknown>) => {
    writeFileSync(join(folder, name), lines.map((line) => JSON.stringify(line)).join("\n"))
    return join(folder, name)
  }
  const args = [script, file("export", exported), "--tenant", tenant, "--checkpoints", file("points", announced)]
  return promisify(execFile)(process.execPath, [...args, `--public-key=${publicKey}`])
    .then(({ stdout }) => ({ code: 0, stdout }))
    .catch((error: { readonly code: number; readonly stdout: string }) => error)
    .then(({ code, stdout }) => ({ code, ...(JSON.parse(stdout) as Verdict) }))
    .finally(() => rmSync(folder, { recursive: true }))
}

describe("audit-verify over keys that were followed", () => {
  it("trusts, from any one of them, those before and after it, whatever the steps are found in", async () => {
    const asEvent = links.map((audit_key) => ({ event_type: "keys.rotated", audit_key }))
    for (const { publicKey } of [one, two, three]) {
      for (const verdict of [
        await verified(publicKey, [...rows, end(links)], points),
        await verified(publicKey, [...rows, end([])], [...points, ...asEvent])
      ]) {
        assert.deepStrictEqual([verdict.valid, verdict.signingKeys], [true, 3])
      }
    }
    const { firstBroken } = await verified(one.publicKey, [...rows, end([])], points)
    assert.strictEqual(firstBroken?.reason, "the signed checkpoint is not good", "without the steps it knows one key")
    assert.isFalse((await verified(forger.publicKey, [...rows, end(links)], points)).valid)
  })

  it("follows no step that one of its two keys did not sign", async () => {
    const forged = pointOf(2, forger, 2_500)
    const tries = [
      // After a true key, signed by the forger for it; and before one.
      linkOf(three, forger, 9_000, { previous: forger }),
      linkOf(forger, one, 9_000, { next: forger }),
      { ...links[0]!, public_key: forger.publicKey },
      { ...links[0]!, until: 9_999 }
    ]
    for (const link of tries) {
      const verdict = await verified(one.publicKey, [...rows, end([...links, link])], [points[0], forged])
      assert.strictEqual(verdict.firstBroken?.reason, "the signed checkpoint is not good", JSON.stringify(link))
    }
  })

  it("takes nothing of a key that says it was signed after the key was followed", async () => {
    const late = [pointOf(1, one, 2_000), pointOf(2, one, 2_001)]
    assert.isTrue((await verified(one.publicKey, [...rows, end(links)], late.slice(0, 1))).valid)
    const verdict = await verified(one.publicKey, [...rows, end(links)], late)
    assert.strictEqual(verdict.firstBroken?.reason, "the signed checkpoint is not good")
  })

  it("says so when a key has two followers: one of them was made with a key that was lost", async () => {
    const verdict = await verified(one.publicKey, [...rows, end([...links, linkOf(one, forger, 2_000)])], points)
    assert.strictEqual(verdict.firstBroken?.reason, "two keys follow one signing key")
  })
})

describe("audit-verify of an export", () => {
  const key = one.publicKey

  it("looks at nothing of another tenant: neither at its checkpoints nor at its cuts", async () => {
    const foreign = { ...pointOf(3, one, 1_900, 9, rows[1], "other"), hash: "00".repeat(32) }
    const cut = { stub: { tenant_id: "other", first: 1, last: 2, hash: "00".repeat(32), count: 2, by: "a", at: 1 } }
    const verdict = await verified(key, [cut, ...rows], [pointOf(1, one, 1_500), foreign])
    assert.deepStrictEqual([verdict.valid, verdict.checked, verdict.cut], [true, 3, undefined], JSON.stringify(verdict))
  })

  it("is broken where two signed checkpoints tell of one row what it was, and not the same", async () => {
    const other = { seq: 2, hash: "00".repeat(32) } as (typeof rows)[number]
    const verdict = await verified(key, rows, [pointOf(2, one, 1_500), pointOf(3, one, 1_900, 3, other)])
    assert.deepInclude(verdict.firstBroken, { seq: 2, reason: "two signed checkpoints differ" })
  })

  it("says how many rows it has checked, wherever they begin, and lacks those that were signed behind them", async () => {
    assert.deepInclude(await verified(key, rows.slice(1), []), { valid: true, checked: 2, anchoredAt: 1 })
    const none = await verified(key, [], [pointOf(2, one, 1_500)])
    assert.deepInclude(none, { valid: false, checked: 0 })
    assert.deepInclude(none.firstBroken, { seq: 1, reason: "the row is missing" })
  })

  it("takes back halves of characters that a note gives back, says where, and nothing else that a note says", async () => {
    const told = async (was: string, stands: string, unit: number) => {
      const [row, note] = oldRows(was, "audit.repaired", { row: 1, lost: [[1, unit]] })
      return verified(key, [{ ...row, entityId: stands }, note], [])
    }
    assert.deepInclude(await told("t\ud800", "t\ufffd", 0xd800), { valid: true, repaired: [1] })
    assert.deepInclude((await told("tA", "t\ufffd", 0x41)).firstBroken, { seq: 1, reason: "the row was changed" })
    assert.deepInclude((await told("t\ud800", "t\ufffd", 0xd801)).firstBroken, { seq: 1 })
  })
})

describe("audit-verify of an audit that lacks what was signed", () => {
  const key = one.publicKey
  const last = rows[2]!
  const next = (action: string, entityId: string, diff: object) => {
    const said = { seq: 4, at: 4_000, actor: "a", action, entityType: "audit", entityId }
    const none = { by: "bus", account: null, user: null, client: null, correlationId: "c" }
    const chained = {
      ...said,
      ...none,
      tenantId: tenant,
      version: 2 as const,
      diff: JSON.stringify(diff),
      prevHash: last.hash
    }
    const shown = { by: "bus", correlationId: "c", diff, prevHash: last.hash, hash: linkHash(chained) }
    return { ...said, at: new Date(said.at).toISOString(), ...shown }
  }

  it("holds where that was accepted, says so, and is broken all the same by what is wrong behind it", async () => {
    const points = [pointOf(1, one, 1_500), lostPoint()]
    assert.deepInclude(await verified(key, rows, points), { code: 1, valid: false })
    const good = await verified(key, rows, [...points, acceptanceBy(one)])
    assert.deepInclude(good, { code: 0, valid: true, checked: 3 })
    assert.deepInclude(good.accepted?.[0], {
      lost: { seq: 3, hash: loss.lost_hash },
      from: { seq: 3, hash: last.hash }
    })
    const row = next("token.refused", "t", {})
    const broken = await verified(key, [...rows, { ...row, actor: "b" }], [...points, acceptanceBy(one)])
    assert.deepInclude(broken, { code: 1, valid: false })
    assert.deepInclude(broken.firstBroken, { seq: 4, reason: "the row was changed" })
    assert.lengthOf(broken.accepted!, 1)
  })

  it("takes the word of no row for it that the service did not sign", async () => {
    const forged = next("audit.accepted", "accepted-losses", acceptanceBy(forger))
    const verdict = await verified(key, [...rows, forged], [pointOf(1, one, 1_500)])
    assert.deepInclude(verdict, { code: 0, valid: true, checked: 4 })
    assert.isUndefined(verdict.accepted)
    const lacking = await verified(key, [...rows, forged], [pointOf(1, one, 1_500), lostPoint()])
    assert.deepInclude(lacking, { code: 1, valid: false })
    const own = next("audit.accepted", "accepted-losses", acceptanceBy(one))
    const told = await verified(key, [...rows, own], [pointOf(1, one, 1_500), lostPoint()])
    assert.deepInclude(told, { code: 0, valid: true, checked: 4 })
    assert.lengthOf(told.accepted!, 1)
  })
})
