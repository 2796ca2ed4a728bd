// Verifies R-RUN-4.
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as errors from "../../../src/domain/errors.ts"
import { codes, failureOf } from "../../../src/protocols/Status.ts"

/** Contract 3.7, 8.2 and 10. */
const contract: Readonly<Record<number, string>> = {
  400: "INVALID_TENANT INVALID_REQUEST INVALID_CURSOR",
  401: "UNAUTHENTICATED",
  403: "FORBIDDEN CONSUMER_NOT_ALLOWED SERVICE_INACTIVE",
  404: "OPERATION_NOT_FOUND TENANT_NOT_FOUND APPLICATION_NOT_FOUND TOKEN_NOT_FOUND CREDENTIAL_NOT_FOUND KEY_NOT_FOUND EVENT_NOT_FOUND REVOKE_ALL_NOT_FOUND PROVIDER_NOT_FOUND ROTATOR_NOT_FOUND",
  409: "TENANT_EXISTS APPLICATION_EXISTS TOKEN_EXISTS CREDENTIAL_EXISTS TRANSITION_NOT_ALLOWED VERSION_CONFLICT LIMIT_REACHED MANAGED_ELSEWHERE KEY_IN_USE ISSUER_IN_USE PROVIDER_IN_USE ROTATOR_IN_USE REFRESH_NOT_CONFIGURED RECONNECT_NEEDED",
  410: "CREDENTIAL_REVOKED CREDENTIAL_EXPIRED EVENT_GONE",
  413: "PAYLOAD_TOO_LARGE",
  422: "IDEMPOTENCY_KEY_REUSED",
  429: "TOO_MANY_REQUESTS",
  500: "INTERNAL",
  502: "PROVIDER_FAILED ROTATOR_FAILED",
  503: "UNAVAILABLE NOT_YET_IN_FORCE REFRESH_IN_DOUBT REFRESH_PENDING"
}

describe("codes", () => {
  it("are those of the contract, with its statuses", () => {
    const expected = Object.entries(contract).flatMap(([status, names]) =>
      names.split(" ").map((name) => [name, Number(status)] as const)
    )
    assert.deepStrictEqual(Object.entries(codes).toSorted(), expected.toSorted())
  })

  it("are each explained in docs/failure-modes.md, with its status, and nothing else is", () => {
    const text = readFileSync(resolve(import.meta.dirname, "../../../docs/failure-modes.md"), "utf8")
    const rows = Array.from(text.matchAll(/^\| (\d{3}) \| `([A-Z_]+)` \| (.+) \| (.+) \|$/gm), ([, status, code]) => [
      code,
      Number(status)
    ])
    assert.deepStrictEqual(rows.toSorted(), Object.entries(codes).toSorted())
  })
})

it("a key that cannot be retired says why, and what to do", () => {
  const told = (rows: number, why?: "active" | "rows" | "written" | "compared") => {
    const { code, details, reasonPhrase, statusCode } = failureOf(
      new errors.KeyInUse({ keyId: "k", rows, ...(why === undefined ? {} : { why }) })
    )
    assert.deepStrictEqual([code, statusCode], ["KEY_IN_USE", 409])
    return [details, reasonPhrase]
  }
  assert.deepStrictEqual(
    [told(0, "active"), told(3, "rows"), told(0, "written"), told(0, "compared"), told(3)],
    [
      [{ keyId: "k", rows: 0, why: "active" }, "The key is active: only one that another has followed can be retired"],
      [
        { keyId: "k", rows: 3, why: "rows" },
        "Rows need the key: wait until keys.status is idle, or until the answers remembered under it have ended"
      ],
      [
        { keyId: "k", rows: 0, why: "written" },
        "A replica may still write with the key: wait for twice CM_KEYS_ACTIVATION after its rotation"
      ],
      [
        { keyId: "k", rows: 0, why: "compared" },
        "Remembered answers are found by the key: wait for CM_IDEMPOTENCY_TTL after its rotation"
      ],
      // As an earlier build remembered it.
      [{ keyId: "k", rows: 3 }, "The key is in use"]
    ]
  )
})

it("a row that was changed outside of the service is called what it is", () => {
  const told = (kind: "token" | "client" | "revoke-all") =>
    failureOf(new errors.RowChanged({ kind, id: "i" })).reasonPhrase
  assert.deepStrictEqual(
    [told("token"), told("client"), told("revoke-all")],
    ["token", "client credential", "population"].map(
      (name) => `The stored ${name} was changed outside of the service, and is not used`
    )
  )
})
