/** The bill of materials names all that the lock file installs, with its hash, and is the same each time. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "vitest"
import { billOf } from "../../scripts/sbom.mjs"

const root = join(import.meta.dirname, "../..")
const lockText = readFileSync(join(root, "package-lock.json"), "utf8")

it("the bill of materials has every dependency of the service, with a hash", () => {
  const bill = billOf(lockText, false)
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>
  }
  for (const [name, version] of Object.entries(dependencies)) {
    const found = bill.components.find((component) => component.name === name)
    assert.strictEqual(found?.version, version, name)
  }
  for (const { hashes, name, purl } of bill.components) {
    assert.match(hashes[0]?.content ?? "", /^[0-9a-f]{40,128}$/u, name)
    assert.match(purl, /^pkg:npm\/[^@]+@[^@]+$/u)
  }
  assert.isFalse(
    bill.components.some(({ name }) => name === "vitest"),
    "no development packages"
  )
  assert.isTrue(billOf(lockText, true).components.some(({ name }) => name === "vitest"))
  assert.deepStrictEqual(billOf(lockText, false), bill)
  assert.notStrictEqual(billOf(`${lockText} `, false).serialNumber, bill.serialNumber)
})
