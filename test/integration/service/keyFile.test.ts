/** The key file and the data belong together. Verifies: R-SEC-3. */
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { startService } from "../../support/service.ts"

const instance = "kf"
let database: FreshDatabase
let client: Client
let folder: string
let token: string

const start = (keyFile: string, options: { readonly unready?: boolean } = {}) =>
  startService({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance, keyFile, ...options })

/** Starts with a key file that must not do, and gives what it printed. */
const refused = async (keyFile: string): Promise<string> => {
  const service = await start(keyFile, { unready: true })
  assert.notStrictEqual(await service.exited, 0)
  return service.output()
}

/** Of what a program printed, the one line that says what is wrong. */
const theLine = (output: string, words: string): string => {
  const lines = output.split("\n").filter((line) => line.includes(words))
  assert.strictEqual(lines.length, 1, output)
  assert.notInclude(output, "    at ", "a reason, not a stack")
  return lines[0]!
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "cm-keys-"))
  database = await freshDatabase(inject("databaseUrl"))
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  const service = await start(join(folder, "keys.json"))
  await client.ask("demo", "application.register", { appName: "app" })
  token = (await client.ask("demo", "token.provision", { appName: "app", endpointId: "e" })).body.token
  await service.stop()
})
afterAll(async () => {
  await client?.close()
  await database?.drop()
  rmSync(folder, { recursive: true })
})

describe("the start", () => {
  it("ends with one line when the data was written with another key file", async () => {
    const elsewhere = await freshDatabase(inject("databaseUrl"))
    const other = join(folder, "other.json")
    const service = await startService({
      natsUrl: inject("natsUrl"),
      databaseUrl: elsewhere.url,
      instance: "kfother",
      keyFile: other
    })
    await service.stop()
    await elsewhere.drop()
    const line = theLine(await refused(other), "the database was written with another key file")
    assert.include(line, "CM_KEY_FILE")
  })

  it("ends with one line when there is data and no key file, and makes none", async () => {
    const missing = join(folder, "missing.json")
    theLine(await refused(missing), "restore it")
    assert.isFalse(existsSync(missing))
  })

  it("ends with one line when others may read the key file", async () => {
    const file = join(folder, "keys.json")
    chmodSync(file, 0o644)
    theLine(await refused(file), "chmod 600")
    chmodSync(file, 0o600)
  })

  it("succeeds with the right one, and every token is good", async () => {
    const service = await start(join(folder, "keys.json"))
    assert.strictEqual((await client.validate("app", token)).statusCode, 200)
    await service.stop()
  })
})
