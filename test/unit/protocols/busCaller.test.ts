// Verifies R-SEC-5, R-BUS-15.
/** Who asks, by the server's word alone: every way to add to that word gives nobody's rights. */
import { assert, describe, it } from "@effect/vitest"
import { headers, type Msg, type MsgHdrs } from "@nats-io/transport-node"
import { Result } from "effect"
import { decideBus, decideTransition, isConsumersUser, isReading } from "../../../src/protocols/BusAccess.ts"
import { type BusCaller, busCallerOf } from "../../../src/protocols/BusCaller.ts"
import { everyOperation, operations } from "../../../src/protocols/OperationTable.ts"
import { requestInfo } from "../../support/protocolWorld.ts"

const name = "Nats-Request-Info"
const good = requestInfo("ADMIN", "alice")

const withHeaders = (...lines: ReadonlyArray<readonly [string, string]>): MsgHdrs => {
  const made = headers()
  for (const [header, value] of lines) made.append(header, value)
  return made
}
const callerOf = (reply: string | undefined, ...lines: ReadonlyArray<readonly [string, string]>): BusCaller =>
  busCallerOf(
    { ...(reply === undefined ? {} : { reply }), ...(lines.length === 0 ? {} : { headers: withHeaders(...lines) }) },
    "CM"
  )

describe("busCallerOf", () => {
  it("takes account and user from the server's header behind an import", () => {
    assert.deepStrictEqual(callerOf("_R_.a.b", [name, good]), { by: "import", account: "ADMIN", user: "alice" })
    const more: ReadonlyArray<readonly [string, string]> = [
      ["Correlation-ID", "c"],
      [name, good]
    ]
    assert.deepStrictEqual(callerOf("_R_.a.b", ...more), { by: "import", account: "ADMIN", user: "alice" })
  })

  it("knows an account that does not share its user, and a user by its nkey", () => {
    assert.deepStrictEqual(callerOf("_R_.a.b", [name, requestInfo("PLAIN")]), {
      by: "import",
      account: "PLAIN",
      user: null
    })
    const key = `U${"A".repeat(55)}`
    assert.deepStrictEqual(callerOf("_R_.a.b", [name, requestInfo("MAIL", key)]), {
      by: "import",
      account: "MAIL",
      user: key
    })
  })

  it.each(["_INBOX.x.1", "_R_", "_r_.a.b", "x_R_.a", undefined])(
    "takes a caller with the reply %s for a client of the bus, whatever it writes about itself",
    (reply) => {
      assert.deepStrictEqual(callerOf(reply, [name, good]), { by: "bus" })
      assert.deepStrictEqual(callerOf(reply), { by: "bus" })
    }
  )

  const forged: ReadonlyArray<readonly [string, ReadonlyArray<readonly [string, string]>]> = [
    ["no header at all", []],
    ["only another spelling", [[name.toLowerCase(), good]]],
    [
      "another spelling before the server's",
      [
        [name.toLowerCase(), good],
        [name, good]
      ]
    ],
    [
      "another spelling behind the server's",
      [
        [name, good],
        ["NATS-REQUEST-INFO", good]
      ]
    ],
    [
      "the exact name twice, as behind a decoy",
      [
        ["X", "Nats-Request-InfoNats-Request-Info"],
        [name, good],
        [name, good]
      ]
    ],
    ["an empty header", [[name, ""]]],
    ["no JSON", [[name, "{"]]],
    ["JSON that is no object", [[name, "null"]]],
    ["no account", [[name, '{"user":"alice"}']]],
    ["an account that is no text", [[name, '{"acc":["ADMIN"],"user":"alice"}']]],
    ["an account with a slash", [[name, requestInfo("ADMIN/alice", "x")]]],
    ["an account of 65 letters", [[name, requestInfo("A".repeat(65), "x")]]],
    ["a user that is no text", [[name, '{"acc":"ADMIN","user":null}']]],
    ["a user with a slash", [[name, requestInfo("ADMIN", "a/b")]]],
    ["an empty user", [[name, requestInfo("ADMIN", "")]]],
    ["the service's own account", [[name, requestInfo("CM", "service")]]]
  ]
  it.each(forged)("takes %s for nobody", (_, lines) => {
    assert.deepStrictEqual(callerOf("_R_.a.b", ...lines), { by: "nobody" })
  })

  it("takes bytes that cannot be read as headers for nobody, and does not throw", () => {
    const broken = {
      reply: "_R_.a.b",
      get headers(): MsgHdrs {
        throw new Error("bad header")
      }
    } as unknown as Msg
    assert.deepStrictEqual(busCallerOf(broken, "CM"), { by: "nobody" })
  })
})

const anna: BusCaller = { by: "import", account: "ADMIN", user: "anna" }
const decide = (bus: BusCaller, operation: string, consumer: string | null = null, family = "tenant"): string => {
  const decision = decideBus({ family, operation, consumer, bus }, "GATEWAY")
  if (Result.isFailure(decision)) return decision.failure._tag
  const { known, principal } = decision.success
  return `${principal} ${known.by} ${known.account ?? ""}/${known.user ?? ""}`
}

describe("decideBus", () => {
  it("lets a caller within the service's own account validate, and refuses it every other operation there is", () => {
    for (const { family, name: operation } of operations) {
      const expected =
        /^token\.validate(?:-batch)?$/u.test(operation) && family === "tenant" ? "bus bus /" : "Forbidden"
      assert.strictEqual(decide({ by: "bus" }, operation, null, family), expected, operation)
    }
    assert.strictEqual(decide({ by: "bus" }, "credential.get", "mail"), "Forbidden")
    assert.strictEqual(decide({ by: "bus" }, "token.validate", null, "admin"), "Forbidden")
  })

  it("answers nobody anything", () => {
    for (const { family, name: operation } of operations) {
      assert.strictEqual(decide({ by: "nobody" }, operation, null, family), "Unauthenticated", operation)
    }
  })

  it("names a caller of another account by account and user", () => {
    assert.strictEqual(decide(anna, "token.revoke"), "ADMIN/anna import ADMIN/anna")
    assert.strictEqual(decide(anna, "keys.rotate", null, "admin"), "ADMIN/anna import ADMIN/anna")
  })

  it("lets an account without a user read and change nothing, whatever operation there is", () => {
    const plain: BusCaller = { by: "import", account: "ADMIN", user: null }
    const read = operations.filter(({ family, name: op }) => decide(plain, op, null, family) !== "Forbidden")
    assert.sameMembers(
      read.map(({ name: op }) => op).filter((op) => !isReading(op)),
      []
    )
    assert.strictEqual(decide(plain, "token.list"), "ADMIN/- import ADMIN/")
    for (const change of [
      "token.revoke",
      "credential.store",
      "application.remove",
      "keys.rotate",
      "drain",
      "no.such"
    ]) {
      assert.strictEqual(decide(plain, change), "Forbidden", change)
    }
  })

  it("takes the subject's last token for the consumer where the user bears it out", () => {
    const user = (name: string | null): BusCaller => ({ by: "import", account: "CONSUMERS", user: name })
    assert.strictEqual(decide(user("mail"), "credential.get", "mail"), "mail subject CONSUMERS/mail")
    assert.strictEqual(decide(user("mail-2"), "credential.get", "mail"), "mail subject CONSUMERS/mail-2")
    assert.strictEqual(decide(user(null), "credential.get", "mail"), "mail subject CONSUMERS/")
    for (const other of ["chat", "mailer", "ma", "anna"]) {
      assert.strictEqual(decide(user(other), "credential.get", "mail"), `CONSUMERS/${other} import CONSUMERS/${other}`)
    }
    assert.isTrue(isConsumersUser(`U${"A".repeat(55)}`, "mail"))
  })

  it("answers the gateway's account nothing without a bearer token but what is its own", () => {
    const gateway: BusCaller = { by: "import", account: "GATEWAY", user: "gateway" }
    for (const { family, name: operation } of everyOperation) {
      const own = `${family} ${operation}` === "admin ready" || `${family} ${operation}` === "gateway resolve"
      const expected = own ? "GATEWAY/gateway import GATEWAY/gateway" : "Unauthenticated"
      assert.strictEqual(decide(gateway, operation, null, family), expected, operation)
    }
    assert.strictEqual(decide(gateway, "credential.get", "gateway"), "Unauthenticated")
    assert.isTrue(Result.isSuccess(decideTransition(gateway)))
  })

  it("answers nobody else what is the gateway's own", () => {
    const others: ReadonlyArray<BusCaller> = [
      { by: "import", account: "ADMIN", user: "admin" },
      { by: "import", account: "OPERATOR", user: "operator" },
      { by: "import", account: "Gateway", user: "gateway" },
      { by: "bus" }
    ]
    for (const bus of others) {
      for (const operation of ["resolve", "events"]) {
        assert.strictEqual(decide(bus, operation, null, "gateway"), "Forbidden", `${bus.by} ${operation}`)
      }
    }
  })
})
