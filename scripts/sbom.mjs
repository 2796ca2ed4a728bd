/**
 * `npm run sbom`: a bill of materials of what is installed, CycloneDX 1.6 in JSON, from the lock file alone.
 *
 * Without development packages unless `--all` is given. The same lock file gives the same bytes.
 */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { argumentsOf } from "./lib/arguments.mjs"
import { checkout } from "./lib/find.mjs"

/** `sha512-<base64>` as CycloneDX writes it. @param {string | undefined} integrity */
const hashesOf = (integrity) =>
  (integrity ?? "")
    .split(" ")
    .map((one) => /^(sha\d+)-(.+)$/u.exec(one))
    .filter((found) => found !== null)
    .map(([, algorithm, base64]) => ({
      alg: algorithm.replace("sha", "SHA-"),
      content: Buffer.from(base64, "base64").toString("hex")
    }))

/** `@scope/name` in a package URL has its at sign encoded. @param {string} name @param {string} version */
const purlOf = (name, version) => `pkg:npm/${name.replace("@", "%40")}@${version}`

/** @param {string} lockText @param {boolean} all */
export const billOf = (lockText, all) => {
  const lock = JSON.parse(lockText)
  const root = lock.packages[""]
  const components = Object.entries(lock.packages)
    .filter(([path, { dev, devOptional, link }]) => path !== "" && link !== true && (all || !(dev || devOptional)))
    .map(([path, { integrity, license, resolved, version }]) => {
      const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)
      return {
        type: "library",
        "bom-ref": `${purlOf(name, version)}#${path}`,
        name,
        version,
        purl: purlOf(name, version),
        ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
        hashes: hashesOf(integrity),
        ...(resolved === undefined ? {} : { externalReferences: [{ type: "distribution", url: resolved }] })
      }
    })
    .toSorted((a, b) => (a["bom-ref"] < b["bom-ref"] ? -1 : 1))
  const digest = createHash("sha256").update(lockText).digest("hex")
  const uuid = `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuid}`,
    version: 1,
    metadata: { component: { type: "application", name: root.name ?? lock.name, version: root.version ?? "0.0.0" } },
    components
  }
}

if (import.meta.filename === process.argv[1]) {
  const { values } = argumentsOf(import.meta.filename, {
    call: "npm run sbom --",
    options: { all: { type: "boolean", default: false } }
  })
  const text = readFileSync(join(checkout, "package-lock.json"), "utf8")
  process.stdout.write(`${JSON.stringify(billOf(text, values.all), null, 2)}\n`)
}
