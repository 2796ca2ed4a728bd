/**
 * `npm run images:pin [-- --check] [-- --registry=https://registry.example]`: names every base image of compose.yaml and the Dockerfile by its
 * digest, behind its version: `nats:2.15.2-alpine@sha256:…`.
 *
 * Asks the registry (Docker Hub, or the one that is given) for the digest of the multi-platform index, by the registry's
 * HTTP API, version 2. An image that has a digest is asked for anew by its version. With `--check` nothing is written: exit
 * code 1 when an image has no digest, or another one than the registry says for its version.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { argumentsOf } from "./lib/arguments.mjs"
import { checkout } from "./lib/find.mjs"
import { say } from "./lib/report.mjs"

const { values } = argumentsOf(import.meta.filename, {
  call: "npm run images:pin --",
  options: { check: { type: "boolean" }, registry: { type: "string" } }
})
const registry = values.registry ?? "https://registry-1.docker.io"
const accepted = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
const pattern = /^(\s*image:\s+|FROM\s+)([a-z0-9/._-]+):([A-Za-z0-9._-]+)(?:@(sha256:[0-9a-f]{64}))?/gmu
/** Built here, and in no registry. */
const own = "credential-management"

/** `Bearer realm="…",service="…",scope="…"`, as a registry that wants a token answers (RFC 6750, section 3). */
const tokenOf = async (challenge) => {
  const parts = Object.fromEntries(
    [...challenge.matchAll(/([a-z]+)="([^"]*)"/gu)].map(([, name, value]) => [name, value])
  )
  const url = new URL(parts.realm)
  for (const name of ["service", "scope"]) if (parts[name] !== undefined) url.searchParams.set(name, parts[name])
  const answer = await (await fetch(url, { signal: AbortSignal.timeout(20_000) })).json()
  return answer.token ?? answer.access_token
}

const digestOf = async (name, version) => {
  const url = `${registry}/v2/${name.includes("/") ? name : `library/${name}`}/manifests/${version}`
  const ask = (headers) =>
    fetch(url, { method: "HEAD", headers: { accept: accepted, ...headers }, signal: AbortSignal.timeout(20_000) })
  let answer = await ask({})
  const challenge = answer.headers.get("www-authenticate")
  if (answer.status === 401 && challenge !== null)
    answer = await ask({ authorization: `Bearer ${await tokenOf(challenge)}` })
  const digest = answer.headers.get("docker-content-digest") ?? ""
  if (!answer.ok || !/^sha256:[0-9a-f]{64}$/u.test(digest)) throw new Error(`${url} answered ${answer.status}`)
  return digest
}

const digests = new Map()
let wrong = 0
try {
  for (const name of ["compose.yaml", "Dockerfile"]) {
    const file = join(checkout, name)
    const before = readFileSync(file, "utf8")
    for (const [, , image, version, digest] of before.matchAll(pattern)) {
      const asked = `${image}:${version}`
      if (image === own) continue
      if (!digests.has(asked)) digests.set(asked, await digestOf(image, version))
      if (digest === digests.get(asked)) continue
      wrong += 1
      say(
        `${name}: ${asked} ${digest === undefined ? "has no digest" : `is ${digest}`}, the registry says ${digests.get(asked)}`
      )
    }
    const after = before.replace(pattern, (all, lead, image, version) =>
      image === own ? all : `${lead}${image}:${version}@${digests.get(`${image}:${version}`)}`
    )
    if (values.check !== true && after !== before) writeFileSync(file, after)
  }
} catch (error) {
  process.stderr.write(`the registry was not reached: ${error.cause?.code ?? error.message}\n`)
  process.exit(2)
}
if (values.check !== true) say(wrong === 0 ? "every image has its digest" : `${wrong} images were given their digest`)
process.exit(values.check === true && wrong > 0 ? 1 : 0)
