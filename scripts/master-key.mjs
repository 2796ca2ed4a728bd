/**
 * `node scripts/master-key.mjs <key file>`: adds a new master key to a key file, which becomes the
 * active one at the next start of a replica. The old ones stay, since stored keys need them until
 * they are wrapped anew. The file is written beside and then takes the name, readable by its owner only.
 */
import { randomBytes } from "node:crypto"
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { argumentsOf } from "./lib/arguments.mjs"

const uuidv7 = () => {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(Date.now(), 0, 6)
  bytes[6] = 0x70 | (bytes[6] & 0x0f)
  bytes[8] = 0x80 | (bytes[8] & 0x3f)
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/u, "$1-$2-$3-$4-$5")
}

const { operands } = argumentsOf(import.meta.filename, {
  call: "node scripts/master-key.mjs",
  operands: { shown: "<key file>", least: 1, most: 1 }
})
const [file] = operands
const content = JSON.parse(readFileSync(file, "utf8"))
if (content.version !== 1 || !Array.isArray(content.masterKeys)) {
  console.error(`${file} is not a key file of version 1`)
  process.exit(1)
}
const added = { id: uuidv7(), key: randomBytes(32).toString("base64"), createdDate: new Date().toISOString() }
content.masterKeys.push(added)
const beside = `${file}.${process.pid}.new`
const descriptor = openSync(beside, "wx", 0o600)
writeFileSync(descriptor, `${JSON.stringify(content, null, 2)}\n`)
fsyncSync(descriptor)
closeSync(descriptor)
renameSync(beside, file)
console.log(`${added.id} is the active master key of ${file} from the next start on; back the file up`)
