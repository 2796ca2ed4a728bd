import { assert, describe, it } from "@effect/vitest"
import {
  type Credential,
  type CredentialState,
  type CredentialVersion,
  credentialStates,
  type VersionState,
  versionStates
} from "../../../src/domain/Credential.ts"
import * as Lifecycle from "../../../src/domain/CredentialLifecycle.ts"

const now = 1_000_000
const day = 86_400_000

const credential = (state: CredentialState, expiresAt: number | null = null, credentialId = "a"): Credential => ({
  credentialId,
  tenantId: "demo",
  serviceName: "outlook",
  type: "basic",
  owner: { level: "tenant" },
  state,
  version: 1,
  secretVersion: 1,
  scopes: [],
  allowedConsumers: [],
  metadata: {},
  rotation: null,
  expiresAt,
  noticedMs: null,
  reason: null,
  createdAt: 0,
  updatedAt: 0,
  createdBy: "bus",
  updatedBy: "bus"
})

const version = (state: VersionState, over: Partial<CredentialVersion> = {}): CredentialVersion => ({
  credentialId: "a",
  version: 1,
  state,
  sealed: new Uint8Array([1]),
  keyId: "k",
  fingerprints: {},
  expiresAt: null,
  validUntil: null,
  reason: null,
  createdAt: 0,
  createdBy: "bus",
  ...over
})

describe("CredentialLifecycle", () => {
  const ends = [null, now - 1, now, now + 1] as const

  it.each([
    ["nothing", undefined, "Insert"],
    ["a revoked one", credential("revoked"), "Insert"],
    ["an expired one", credential("expired"), "Insert"],
    ["an active one", credential("active"), "Exists"],
    ["an active one a millisecond before its end", credential("active", now + 1), "Exists"],
    ["an active one at its end", credential("active", now), "ExpireThenInsert"]
  ] as const)("store where there is %s: %#", (_, active, expected) => {
    assert.strictEqual(Lifecycle.decideStore(active, now)._tag, expected)
  })

  const other = credential("active", null, "b")
  it.each([
    ["active", credential("active"), "itself", credential("active"), "Rotate"],
    ["active past its end", credential("active", now), "itself", credential("active", now), "Rotate"],
    ["expired", credential("expired", now), "nothing", undefined, "Rotate"],
    ["expired", credential("expired", now), "another", other, "Exists"],
    ["expired", credential("expired", now), "another past its end", credential("active", now, "b"), "Rotate"],
    ["revoked", credential("revoked"), "nothing", undefined, "Revoked"],
    ["revoked", credential("revoked"), "another", other, "Revoked"]
  ] as const)("rotate one that is %s where the active one is %s", (_, target, __, active, expected) => {
    assert.strictEqual(Lifecycle.decideRotate(target, active, now)._tag, expected)
  })

  it("revokes everything but what is revoked, and expires only what is active and has run out", () => {
    for (const state of credentialStates) {
      for (const expiresAt of ends) {
        const given = credential(state, expiresAt)
        assert.strictEqual(Lifecycle.decideRevoke(given), state === "revoked" ? "unchanged" : "changed")
        const runOut = state === "active" && expiresAt !== null && expiresAt <= now
        assert.strictEqual(Lifecycle.decideExpire(given, now), runOut ? "changed" : "unchanged")
      }
    }
  })

  // state before | rotation without overlap | with overlap | revoked | expired; `*` keeps the secret, `-` unchanged
  const table = `
    current      superseded  overlapping*  revoked   expired*
    overlapping  -           -             revoked   superseded
    superseded   -           -             -         -
    revoked      -           -             -         -
    expired      superseded  superseded    revoked   -
    spare        -           -             superseded  -
    answer       -           -             superseded  -
    pending      -           -             superseded  -
  `
  const rows = table
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/) as [VersionState, string, string, string, string])

  it("names every state of a version once", () => {
    assert.deepStrictEqual(rows.map(([state]) => state).toSorted(), [...versionStates].toSorted())
  })

  it.each(rows)("a %s version becomes %s, %s, %s, %s", (state, ...expected) => {
    const given = [version(state, { validUntil: state === "overlapping" ? now + 1 : null })]
    const text = (changed: ReadonlyArray<CredentialVersion>) =>
      changed.map(({ sealed, state }) => `${state}${sealed === null ? "" : "*"}`).join() || "-"
    assert.deepStrictEqual(
      [
        text(Lifecycle.versionsAfterRotation(given, now, 0)),
        text(Lifecycle.versionsAfterRotation(given, now, 5)),
        text(Lifecycle.versionsAfterEnd(given, "revoked", "leaked")),
        text(Lifecycle.versionsAfterEnd(given, "expired", "expired"))
      ],
      expected
    )
  })

  it("keeps the old secret for exactly the overlap", () => {
    const [old] = Lifecycle.versionsAfterRotation([version("current")], now, 5)
    assert.strictEqual(old?.validUntil, now + 5)
    assert.isFalse(Lifecycle.overlapIsOver(old as CredentialVersion, now + 4))
    assert.isTrue(Lifecycle.overlapIsOver(old as CredentialVersion, now + 5))
    assert.strictEqual(Lifecycle.shownVersionState(old as CredentialVersion, now + 5), "superseded")
  })

  it("never keeps more than the newest secret once every overlap is over, over every path of length 6", () => {
    const steps = ["rotate", "rotate with overlap", "revoke", "expire"] as const
    const apply = (versions: ReadonlyArray<CredentialVersion>, changed: ReadonlyArray<CredentialVersion>) =>
      versions.map((one) => changed.find((next) => next.version === one.version) ?? one)
    const walk = (versions: ReadonlyArray<CredentialVersion>, time: number, revoked: boolean, depth: number): void => {
      const later = time + 100
      const left = versions.filter((one) => one.sealed !== null && !Lifecycle.overlapIsOver(one, later))
      assert.isAtMost(left.length, revoked ? 0 : 1)
      if (depth === 0) return
      for (const step of steps) {
        if (revoked) continue
        const rotating = step === "rotate" || step === "rotate with overlap"
        const changed = rotating
          ? Lifecycle.versionsAfterRotation(versions, time, step === "rotate" ? 0 : 50)
          : Lifecycle.versionsAfterEnd(versions, step === "revoke" ? "revoked" : "expired", step)
        const after = apply(versions, changed)
        const next = rotating ? [...after, version("current", { version: versions.length + 1 })] : after
        walk(next, time + 10, step === "revoke", depth - 1)
      }
    }
    walk([version("current")], now, false, 6)
  })

  const thresholdsMs = [30 * day, 14 * day, 7 * day, day]
  it.each([
    ["no end", null, null, null],
    ["31 days left", 31 * day, null, null],
    ["30 days left", 30 * day, null, 30],
    ["30 days left, told", 30 * day, 30, null],
    ["14 days left, told at 30", 14 * day, 30, 14],
    ["3 days left, never told", 3 * day, null, 7],
    ["3 days left, told at 7", 3 * day, 7, null],
    ["1 day left, told at 7", day, 7, 1],
    ["an hour left, told at 1", 3_600_000, 1, null],
    ["none left", 0, 7, null]
  ] as const)("notice with %s", (_, left, givenDays, expectedDays) => {
    const due = Lifecycle.noticeDue({
      expiresAt: left === null ? null : now + left,
      now,
      thresholdsMs,
      givenMs: givenDays === null ? null : givenDays * day
    })
    assert.strictEqual(due, expectedDays === null ? null : expectedDays * day)
  })
})
